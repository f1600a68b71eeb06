/* SPDX-License-Identifier: Apache-2.0 */
/* Units of measure, as far as they differ by a power of ten. */
#ifndef HEADRACE_CONFIG_UNIT_H
#define HEADRACE_CONFIG_UNIT_H

#include <stdbool.h>

/*
 * 1 `from` = 10^pow10 `to`: ("kWh", "Wh") gives 3. Known: Wh, varh, VAh, W, var, VA, V, A and Hz
 * with the prefixes m, k, M and G; "1" and "%"; any other unit converts to itself alone.
 * False: not convertible.
 */
bool unit_convert(const char *from, const char *to, int *pow10);

#endif
