/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimal numbers as text and as integers scaled by a power of ten: no binary floating point
 * between what an operator writes or reads and what is stored.
 */
#ifndef HEADRACE_CONFIG_DECIMAL_H
#define HEADRACE_CONFIG_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

/* Sign, 19 digits, point, up to 19 leading zeros, terminator. */
#define DECIMAL_BYTES 48
#define DECIMALS_MAX  18

/* "-12.5" with pow10 3 to -12500. Digits with one optional point and sign, nothing else.
 * False: malformed, finer than 10^-pow10, or beyond 64 bits. */
bool decimal_parse(const char *text, int pow10, int64_t *out);

/* -12500 with 3 decimals to "-12.500"; decimals <= DECIMALS_MAX. Returns `out`. */
const char *decimal_format(int64_t value, unsigned decimals, char out[DECIMAL_BYTES]);

#endif
