/* SPDX-License-Identifier: Apache-2.0 */
/* Loads and stores of integers in byte buffers: no alignment assumed, order in the name. */
#ifndef HEADRACE_BASE_BYTES_H
#define HEADRACE_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BYTES_ACCESSORS_(name, type, swap)                                                         \
	static inline type get_##name(const void *p)                                               \
	{                                                                                          \
		type v;                                                                            \
		memcpy(&v, p, sizeof v);                                                           \
		return swap(v);                                                                    \
	}                                                                                          \
	static inline void put_##name(void *p, type v)                                             \
	{                                                                                          \
		v = swap(v);                                                                       \
		memcpy(p, &v, sizeof v);                                                           \
	}

#define BYTES_SAME_(v) (v)
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian machines only");

BYTES_ACCESSORS_(le16, uint16_t, BYTES_SAME_)
BYTES_ACCESSORS_(le32, uint32_t, BYTES_SAME_)
BYTES_ACCESSORS_(le64, uint64_t, BYTES_SAME_)
BYTES_ACCESSORS_(be16, uint16_t, __builtin_bswap16)
BYTES_ACCESSORS_(be32, uint32_t, __builtin_bswap32)
BYTES_ACCESSORS_(be64, uint64_t, __builtin_bswap64)

/* A borrowed run of bytes, not terminated. */
struct bytes {
	const uint8_t *data;
	uint32_t count;
};

#endif
