/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimal text to scaled integers, exactly: no binary floating point on the way.
 * Pure functions, no memory, any thread.
 */
#ifndef HEADRACE_INGEST_DECIMAL_H
#define HEADRACE_INGEST_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

/* A number as it stands in the text: (-1)^negative * digits * 10^exponent. */
struct decimal {
	const uint8_t *text; /* digits, perhaps with one '.' among them */
	uint32_t bytes;
	uint32_t digits;   /* how many, leading zeros included */
	uint64_t mantissa; /* their value; only when digits <= 19 */
	int64_t exponent;  /* saturates beyond +-10^9 */
	bool negative;
};

enum decimal_result {
	DECIMAL_EXACT,
	DECIMAL_ROUNDED,  /* digits below the unit were dropped: half to even */
	DECIMAL_OVERFLOW, /* does not fit int64_t */
};

/* A JSON number (RFC 8259 §6) from `p` on. Returns the place after it; NULL: none there. */
const uint8_t *decimal_scan(const uint8_t *p, const uint8_t *end, struct decimal *d);

/* *value = number * 10^scale_pow10. */
enum decimal_result decimal_scale(const struct decimal *d, int32_t scale_pow10, int64_t *value);

/* *value = number * 10^scale_pow10 / divisor; 0 and 1 divide by nothing. */
enum decimal_result decimal_scale_by(const struct decimal *d, int32_t scale_pow10, uint8_t divisor,
                                     int64_t *value);

/* decimal_scan and decimal_scale_by in one, for the hot path. */
const uint8_t *decimal_take(const uint8_t *p, const uint8_t *end, int32_t scale_pow10,
                            uint8_t divisor, int64_t *value, enum decimal_result *result);

/* A number of up to 19 digits that is no text: (-1)^negative * mantissa * 10^exponent. */
struct decimal decimal_of(bool negative, uint64_t mantissa, int64_t exponent);

/* *sum = a + b, exactly; false: it would take more than 19 digits. */
bool decimal_add(const struct decimal *a, const struct decimal *b, struct decimal *sum);

/* 10^0 .. 10^19. */
extern const uint64_t decimal_pow10[20];

#endif
