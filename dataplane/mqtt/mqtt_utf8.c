/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 encoded strings (MQTT 3.1.1 1.5.3, after RFC 3629):
 *
 *   | 2 bytes: length | that many bytes of UTF-8 |
 *
 * Ill-formed UTF-8, surrogates (U+D800..U+DFFF) and U+0000 close the connection. Control
 * characters and U+FEFF pass unchanged. Input: untrusted bytes. Pure.
 */
#include <emmintrin.h>

#include "mqtt/mqtt_priv.h"

static inline bool is_continuation(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Length of the well-formed character at `p`; 0: ill-formed, cut off, or U+0000. The bounds of
 * the second byte are those of RFC 3629 section 4: no overlong form, surrogate, or > U+10FFFF. */
static uint32_t char_bytes(const uint8_t *p, uint32_t left)
{
	uint8_t first = p[0];
	if (first < 0x80)
		return first != 0;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	if (first < 0xe0)
		return left >= 2 && is_continuation(p[1]) ? 2 : 0;

	uint32_t bytes = first < 0xf0 ? 3 : 4;
	uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (left < bytes || p[1] < low || p[1] > high)
		return 0;
	for (uint32_t i = 2; i < bytes; i++)
		if (!is_continuation(p[i]))
			return 0;
	return bytes;
}

bool mqtt_utf8_valid(const uint8_t *text, uint32_t count)
{
	uint32_t at = 0;
	while (at < count) {
		if (count - at >= 16) {
			__m128i v = _mm_loadu_si128((const __m128i *)(text + at));
			__m128i zero = _mm_cmpeq_epi8(v, _mm_setzero_si128());
			if (_mm_movemask_epi8(_mm_or_si128(v, zero)) == 0) {
				at += 16;
				continue;
			}
		}
		uint32_t bytes = char_bytes(text + at, count - at);
		if (bytes == 0)
			return false;
		at += bytes;
	}
	return true;
}

enum counter mqtt_get_string(struct mqtt_cursor *c, struct bytes *value)
{
	if (!mqtt_get_bytes(c, value))
		return COUNTER_MQTT_ERR_LENGTH;
	if (!mqtt_utf8_valid(value->data, value->count))
		return COUNTER_MQTT_ERR_UTF8;
	return MQTT_WELL_FORMED;
}
