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

#include "base/utf8.h"
#include "mqtt/mqtt_priv.h"

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
		uint32_t bytes = utf8_length(text + at, count - at);
		if (bytes == 0 || text[at] == 0)
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
