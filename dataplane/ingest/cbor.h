/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CBOR's items (RFC 8949), checked while they are passed over. Never leaves this folder.
 *
 *	initial byte   major type (3 bits) | additional information (5 bits)
 *	  info 0-23    the argument itself
 *	  24,25,26,27  the argument in the next 1, 2, 4, 8 bytes, big-endian
 *	  31           indefinite length (types 2-5), or "break"
 *
 * Every function takes the place of an item's first byte and the end of the input, and returns
 * the place after the item, or NULL when it is malformed. Nothing at or after `end` is read.
 * No memory, no state, any thread.
 */
#ifndef HEADRACE_INGEST_CBOR_H
#define HEADRACE_INGEST_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "ingest/decimal.h"

/* Items inside each other. */
#define CBOR_DEPTH_MAX 16

enum cbor_major {
	CBOR_UINT = 0,
	CBOR_NINT = 1, /* the value is -1 - argument */
	CBOR_BYTES = 2,
	CBOR_TEXT = 3,
	CBOR_ARRAY = 4,
	CBOR_MAP = 5,
	CBOR_TAG = 6,
	CBOR_SIMPLE = 7,
};

#define CBOR_FALSE 0xf4
#define CBOR_TRUE  0xf5
#define CBOR_NULL  0xf6
#define CBOR_BREAK 0xff

struct cbor_head {
	enum cbor_major major;
	uint8_t info;
	uint64_t argument; /* UINT64_MAX with info 31: no length given */
};

const uint8_t *cbor_head_long(const uint8_t *p, const uint8_t *end, struct cbor_head *head);

/* The item's first bytes: type and argument. A measured hot inline. */
static inline const uint8_t *cbor_head(const uint8_t *p, const uint8_t *end,
                                       struct cbor_head *head)
{
	if (p < end && (*p & 31) < 24) {
		head->major = (enum cbor_major)(*p >> 5);
		head->info = *p & 31;
		head->argument = head->info;
		return p + 1;
	}
	return cbor_head_long(p, end, head);
}

/* Is the next item an integer that fits int64_t? 1: yes, and *p moves behind it; 0: it is
 * something else; -1: malformed. */
static inline int cbor_int(const uint8_t **p, const uint8_t *end, int64_t *value)
{
	struct cbor_head head;

	if (end - *p >= 9 && **p < CBOR_BYTES << 5 && (**p & 31) < 28) {
		/* away from the end, one load holds any argument */
		uint32_t info = **p & 31, bytes = info < 24 ? 0 : 1u << (info - 24);
		uint64_t argument = info < 24 ? info : get_be64(*p + 1) >> (64 - 8 * bytes);
		if (argument > INT64_MAX)
			return 0;
		*value = (int64_t)(argument ^ (0 - (uint64_t)(**p >> 5)));
		*p += 1 + bytes;
		return 1;
	}
	if (*p == end)
		return -1;
	if (**p >> 5 > CBOR_NINT)
		return 0;
	const uint8_t *after = cbor_head(*p, end, &head);
	if (!after)
		return -1;
	if (head.argument > INT64_MAX)
		return 0;
	*value = (int64_t)(head.major == CBOR_NINT ? ~head.argument : head.argument);
	*p = after;
	return 1;
}

/* A text of definite length (RFC 8949 §3.1); NULL: none here, or malformed. UTF-8 is checked. */
const uint8_t *cbor_text(const uint8_t *p, const uint8_t *end, struct bytes *text);

/* Any item; `levels` is how many items may still be opened. */
const uint8_t *cbor_skip(const uint8_t *p, const uint8_t *end, uint32_t levels);

enum cbor_number {
	CBOR_NUMBER,     /* taken */
	CBOR_NO_NUMBER,  /* something else stands there */
	CBOR_WRONG,      /* a number that is none of ours: not finite, or a bignum; passed over */
	CBOR_MALFORMED,
};

/* A number as a decimal: integers, decimal fractions (tag 4, RFC 8949 §3.4.4), floats (§3.3; the
 * shortest decimal that reads back as the same float). *p moves behind it unless CBOR_NO_NUMBER. */
enum cbor_number cbor_decimal(const uint8_t **p, const uint8_t *end, struct decimal *d);

#endif
