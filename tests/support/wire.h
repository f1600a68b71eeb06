/* SPDX-License-Identifier: Apache-2.0 */
/* Writing CBOR (RFC 8949) and Protocol Buffers in tests: each call appends to a buffer. */
#ifndef HEADRACE_TESTS_SUPPORT_WIRE_H
#define HEADRACE_TESTS_SUPPORT_WIRE_H

#include "base/bytes.h"
#include "base/check.h"

struct wire {
	uint32_t bytes;
	uint8_t data[65536];
};

static inline void wire_put(struct wire *w, const void *data, size_t bytes)
{
	CHECK_OP(w->bytes + bytes, <=, sizeof w->data);
	memcpy(w->data + w->bytes, data, bytes);
	w->bytes += (uint32_t)bytes;
}

static inline void wire_byte(struct wire *w, uint8_t byte)
{
	wire_put(w, &byte, 1);
}

/* --- CBOR --- */

static inline void wire_head(struct wire *w, uint8_t major, uint64_t argument)
{
	uint8_t more[8];

	put_be64(more, argument);
	if (argument < 24) {
		wire_byte(w, (uint8_t)(major << 5 | argument));
		return;
	}
	uint32_t log = argument <= 0xff ? 0 : argument <= 0xffff ? 1 : argument >> 32 ? 3 : 2;
	wire_byte(w, (uint8_t)(major << 5 | (24 + log)));
	wire_put(w, more + 8 - (1u << log), 1u << log);
}

static inline void wire_int(struct wire *w, int64_t value)
{
	wire_head(w, value < 0, value < 0 ? ~(uint64_t)value : (uint64_t)value);
}

static inline void wire_text(struct wire *w, const char *text)
{
	wire_head(w, 3, strlen(text));
	wire_put(w, text, strlen(text));
}

static inline void wire_double(struct wire *w, double value)
{
	uint64_t bits;
	uint8_t out[8];

	memcpy(&bits, &value, sizeof bits);
	put_be64(out, bits);
	wire_byte(w, 0xfb);
	wire_put(w, out, sizeof out);
}

static inline void wire_float(struct wire *w, float value)
{
	uint32_t bits;
	uint8_t out[4];

	memcpy(&bits, &value, sizeof bits);
	put_be32(out, bits);
	wire_byte(w, 0xfa);
	wire_put(w, out, sizeof out);
}

/* mantissa * 10^exponent, tag 4 */
static inline void wire_fraction(struct wire *w, int64_t exponent, int64_t mantissa)
{
	wire_head(w, 6, 4);
	wire_head(w, 4, 2);
	wire_int(w, exponent);
	wire_int(w, mantissa);
}

/* --- Protocol Buffers --- */

static inline void wire_varint(struct wire *w, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		wire_byte(w, (uint8_t)(value | 0x80));
	wire_byte(w, (uint8_t)value);
}

static inline void wire_pb_varint(struct wire *w, uint32_t field, uint64_t value)
{
	wire_varint(w, field << 3);
	wire_varint(w, value);
}

static inline void wire_pb_bytes(struct wire *w, uint32_t field, const void *data, size_t bytes)
{
	wire_varint(w, field << 3 | 2);
	wire_varint(w, bytes);
	wire_put(w, data, bytes);
}

static inline void wire_pb_double(struct wire *w, uint32_t field, double value)
{
	wire_varint(w, field << 3 | 1);
	wire_put(w, &value, sizeof value);
}

static inline void wire_pb_float(struct wire *w, uint32_t field, float value)
{
	wire_varint(w, field << 3 | 5);
	wire_put(w, &value, sizeof value);
}

#endif
