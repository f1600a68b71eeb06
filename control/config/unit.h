/* SPDX-License-Identifier: Apache-2.0 */
/* Units of measure, as far as they differ by a power of ten, or are energy in joules. */
#ifndef HEADRACE_CONFIG_UNIT_H
#define HEADRACE_CONFIG_UNIT_H

#include <stdbool.h>

/*
 * 1 `from` = 10^pow10 / divisor `to`: ("kWh", "Wh") gives 3 and 1. Known: Wh, varh, VAh, W, var,
 * VA, V, A and Hz with the prefixes m, k, M and G; J (or Ws), vars and VAs likewise, which become
 * Wh, varh and VAh by 10^-2 / 36; "1" (SenML's "/") and "%" (its "%EL", "%RH"); "°C" (its "Cel");
 * any other unit converts to itself alone. False: not convertible.
 */
bool unit_convert(const char *from, const char *to, int *pow10, int *divisor);

#endif
