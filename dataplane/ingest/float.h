/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary floats to decimals. The rule: the decimal with the fewest digits that reads back as the
 * same float, and of these the closest; so 1247.83 sent as a float of any width is 1247.83, as it
 * is when the sender prints it. Pure functions, no memory, any thread.
 *
 * Floats beyond 10^40 or below 10^-40 are nobody's reading: they become 10^60 and 10^-60, which
 * overflow or round to zero in any unit.
 */
#ifndef HEADRACE_INGEST_FLOAT_H
#define HEADRACE_INGEST_FLOAT_H

#include <stdbool.h>
#include <stdint.h>

#include "ingest/decimal.h"

/* IEEE 754 bits of 16, 32 or 64. False: infinite or not a number. */
bool float_decimal16(uint16_t bits, struct decimal *d);
bool float_decimal32(uint32_t bits, struct decimal *d);
bool float_decimal64(uint64_t bits, struct decimal *d);

#endif
