/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The factor between what a meter's register counts and what passed the service point: current
 * and voltage transformers, multipliers. A fraction of whole numbers, never a float.
 */
#ifndef HEADRACE_REGISTRY_RATIO_H
#define HEADRACE_REGISTRY_RATIO_H

#include <stdbool.h>
#include <stdint.h>

#define RATIO_TEXT_BYTES 48
#define RATIO_PART_MAX   1000000000 /* of each part */

/* In lowest terms, both parts from 1 to RATIO_PART_MAX. */
struct ratio {
	int64_t numerator, denominator;
};

/* "40", "0.5", "200/5". False: malformed, zero, or beyond the parts' range. */
bool ratio_parse(const char *text, struct ratio *out);

/* As a decimal where six places say it exactly, else as a fraction. Returns `out`. */
const char *ratio_format(const struct ratio *r, char out[RATIO_TEXT_BYTES]);

/* value * ratio, to the nearest (half away from zero). False: beyond 64 bits. */
bool ratio_apply(const struct ratio *r, int64_t value, int64_t *out);

#endif
