/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 section 4 has it: no overlong form, no surrogate, nothing above U+10FFFF. */
#ifndef HEADRACE_BASE_UTF8_H
#define HEADRACE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes (1 to 4) of the well-formed character at `p`, of which `left` (> 0) are there to be read.
 * 0: ill-formed, or cut off. A measured hot inline. */
static inline uint32_t utf8_length(const uint8_t *p, size_t left)
{
	uint8_t first = p[0];
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;

	uint32_t bytes = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (left < bytes || p[1] < low || p[1] > high)
		return 0;
	for (uint32_t i = 2; i < bytes; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return bytes;
}

#endif
