/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol Buffers' wire format, read field by field. Never leaves this folder.
 *
 *	key = field number << 3 | wire type, as a varint
 *	type 0  varint      7 bits a byte, low ones first; the high bit says that more follow
 *	     1  8 bytes     little-endian
 *	     2  length (varint), then so many bytes
 *	     5  4 bytes     little-endian
 *
 * Nothing at or after `end` is read. No memory, no state, any thread.
 */
#ifndef HEADRACE_INGEST_PROTOBUF_H
#define HEADRACE_INGEST_PROTOBUF_H

#include <stdint.h>

#include "base/bytes.h"

#define PB_VARINT  0
#define PB_FIXED64 1
#define PB_BYTES   2
#define PB_FIXED32 5

struct pb_field {
	uint32_t number;
	uint8_t type;
	uint64_t value;     /* of types 0, 1 and 5 */
	struct bytes bytes; /* of type 2 */
};

/* NULL: malformed (more than 10 bytes, or beyond 64 bits). */
static inline const uint8_t *pb_varint(const uint8_t *p, const uint8_t *end, uint64_t *value)
{
	uint64_t v = 0;

	for (uint32_t shift = 0; shift < 64 && p < end; shift += 7) {
		uint64_t byte = *p++;
		if (shift == 63 && byte > 1)
			return NULL;
		v |= (byte & 0x7f) << shift;
		if (byte < 0x80) {
			*value = v;
			return p;
		}
	}
	return NULL;
}

/* One field; returns the place after it, NULL: malformed, or a group (types 3 and 4). */
static inline const uint8_t *pb_field(const uint8_t *p, const uint8_t *end, struct pb_field *f)
{
	uint64_t key;

	p = pb_varint(p, end, &key);
	if (!p || key >> 3 == 0 || key >> 3 > 0x1fffffff)
		return NULL;
	f->number = (uint32_t)(key >> 3);
	f->type = key & 7;
	switch (f->type) {
	case PB_VARINT:
		return pb_varint(p, end, &f->value);
	case PB_FIXED64:
		if (end - p < 8)
			return NULL;
		f->value = get_le64(p);
		return p + 8;
	case PB_FIXED32:
		if (end - p < 4)
			return NULL;
		f->value = get_le32(p);
		return p + 4;
	case PB_BYTES:
		p = pb_varint(p, end, &f->value);
		if (!p || f->value > (uint64_t)(end - p))
			return NULL;
		f->bytes = (struct bytes){p, (uint32_t)f->value};
		return p + f->value;
	default:
		return NULL;
	}
}

#endif
