/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topic names and topic filters (MQTT 3.1.1 4.7). Input: untrusted bytes. Pure; it never copies.
 *
 * The name of nearly every PUBLISH is plain ASCII, so that is settled 16 bytes at a time; only
 * what is left goes through the whole UTF-8 check.
 */
#include <emmintrin.h>

#include "mqtt/mqtt_priv.h"

/* Bit i: byte i is not ASCII, is U+0000 or is a wildcard. */
static inline int special_bytes(__m128i v)
{
	__m128i bad = _mm_cmpeq_epi8(v, _mm_setzero_si128());
	bad = _mm_or_si128(bad, _mm_cmpeq_epi8(v, _mm_set1_epi8('+')));
	bad = _mm_or_si128(bad, _mm_cmpeq_epi8(v, _mm_set1_epi8('#')));
	return _mm_movemask_epi8(_mm_or_si128(bad, v));
}

/* Only ASCII without U+0000 and wildcards? The last load overlaps the one before. */
static inline bool is_plain(const uint8_t *p, uint32_t count)
{
	if (count >= 16) {
		int bad = 0;
		for (uint32_t at = 0; at + 16 < count; at += 16)
			bad |= special_bytes(_mm_loadu_si128((const __m128i *)(p + at)));
		bad |= special_bytes(_mm_loadu_si128((const __m128i *)(p + count - 16)));
		return bad == 0;
	}
	if (count >= 8)
		return special_bytes(_mm_set_epi64x((long long)get_le64(p),
						    (long long)get_le64(p + count - 8))) == 0;
	for (uint32_t i = 0; i < count; i++)
		if (p[i] == 0 || p[i] >= 0x80 || p[i] == '+' || p[i] == '#')
			return false;
	return true;
}

enum counter mqtt_topic_name_check(const uint8_t *text, uint32_t count)
{
	if (count == 0)
		return COUNTER_MQTT_ERR_TOPIC_EMPTY; /* 4.7.3 */
	if (is_plain(text, count))
		return MQTT_WELL_FORMED;
	if (!mqtt_utf8_valid(text, count))
		return COUNTER_MQTT_ERR_UTF8; /* 1.5.3 */
	if (memchr(text, '+', count) || memchr(text, '#', count))
		return COUNTER_MQTT_ERR_TOPIC_WILDCARD; /* 3.3.2.1 */
	return MQTT_WELL_FORMED;
}

static bool wildcards_fit(const uint8_t *text, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (text[i] != '#' && text[i] != '+')
			continue;
		bool last = i + 1 == count;
		bool starts_level = i == 0 || text[i - 1] == '/';
		bool ends_level = last || (text[i] == '+' && text[i + 1] == '/');
		if (!starts_level || !ends_level)
			return false; /* 4.7.1.2, 4.7.1.3 */
	}
	return true;
}

bool mqtt_filter_is_shared(const uint8_t *text, uint32_t count)
{
	return count >= 7 && memcmp(text, "$share/", 7) == 0;
}

/* $share/{name}/{filter}: MQTT5 4.8.2 */
static bool share_fits(const uint8_t *text, uint32_t count)
{
	const uint8_t *name = text + 7;
	const uint8_t *slash = memchr(name, '/', count - 7);
	if (!slash || slash == name || slash + 1 == text + count)
		return false;
	uint32_t bytes = (uint32_t)(slash - name);
	return !memchr(name, '+', bytes) && !memchr(name, '#', bytes);
}

enum counter mqtt_topic_filter_check(const uint8_t *text, uint32_t count)
{
	if (count == 0)
		return COUNTER_MQTT_ERR_TOPIC_EMPTY; /* 4.7.3 */
	if (!mqtt_utf8_valid(text, count))
		return COUNTER_MQTT_ERR_UTF8; /* 1.5.3 */
	if (!wildcards_fit(text, count))
		return COUNTER_MQTT_ERR_FILTER;
	if (mqtt_filter_is_shared(text, count) && !share_fits(text, count))
		return COUNTER_MQTT_ERR_FILTER;
	return MQTT_WELL_FORMED;
}
