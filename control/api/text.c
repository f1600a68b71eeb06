/* SPDX-License-Identifier: Apache-2.0 */
#include "control/api/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool make_room(struct text *t, size_t count)
{
	size_t most = t->bytes_max ? t->bytes_max : TEXT_BYTES_MAX;
	if (t->failed || count > most - t->used) {
		t->failed = true;
		return false;
	}
	if (t->used + count + 1 <= t->capacity)
		return true;
	size_t capacity = t->capacity ? t->capacity : 1024;
	while (capacity < t->used + count + 1)
		capacity *= 2;
	char *data = realloc(t->data, capacity);
	if (!data) {
		t->failed = true;
		return false;
	}
	t->data = data;
	t->capacity = capacity;
	return true;
}

void text_put(struct text *t, const void *bytes, size_t count)
{
	if (!make_room(t, count))
		return;
	memcpy(t->data + t->used, bytes, count);
	t->used += count;
	t->data[t->used] = '\0';
}

void text_add(struct text *t, const char *format, ...)
{
	va_list ap, again;
	va_start(ap, format);
	va_copy(again, ap);
	int length = vsnprintf(NULL, 0, format, ap);
	if (length >= 0 && make_room(t, (size_t)length)) {
		vsnprintf(t->data + t->used, (size_t)length + 1, format, again);
		t->used += (size_t)length;
	}
	va_end(again);
	va_end(ap);
}

void text_free(struct text *t)
{
	free(t->data);
	*t = (struct text){0};
}

size_t text_utf8(const uint8_t *p, size_t left)
{
	if (left == 0 || p[0] < 0x80)
		return left > 0;
	size_t more = p[0] >= 0xc2 && p[0] <= 0xdf ? 1 : (p[0] & 0xf0) == 0xe0 ? 2 : 3;
	if (p[0] < 0xc2 || p[0] > 0xf4 || left <= more)
		return 0;
	for (size_t i = 1; i <= more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	bool bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	           (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);
	return bad ? 0 : 1 + more;
}

void text_json(struct text *t, const char *bytes, size_t count)
{
	text_put(t, "\"", 1);
	for (size_t i = 0; i < count;) {
		size_t length = text_utf8((const uint8_t *)bytes + i, count - i);
		unsigned char c = (unsigned char)bytes[i];
		if (length == 0)
			text_put(t, "\xef\xbf\xbd", 3);
		else if (c < 0x20 || c == 0x7f)
			text_add(t, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			text_add(t, "\\%c", c);
		else
			text_put(t, bytes + i, length);
		i += length ? length : 1;
	}
	text_put(t, "\"", 1);
}

void text_csv(struct text *t, const char *value)
{
	if (!value[strcspn(value, ",\"\r\n")]) {
		text_put(t, value, strlen(value));
		return;
	}
	text_put(t, "\"", 1);
	for (; *value; value++)
		text_put(t, *value == '"' ? "\"\"" : value, *value == '"' ? 2 : 1);
	text_put(t, "\"", 1);
}

void text_base64(struct text *t, const uint8_t *bytes, size_t count)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < count; i += 3) {
		size_t left = count - i;
		uint32_t group = (uint32_t)bytes[i] << 16;
		group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= left > 2 ? bytes[i + 2] : 0;
		char out[4] = {digits[group >> 18], digits[group >> 12 & 63],
		               left > 1 ? digits[group >> 6 & 63] : '=',
		               left > 2 ? digits[group & 63] : '='};
		text_put(t, out, 4);
	}
}

const char *time_format(int64_t ms, char out[TIME_TEXT_BYTES])
{
	time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0));
	int rest = (int)(ms - (int64_t)seconds * 1000);
	struct tm tm;
	if (!gmtime_r(&seconds, &tm)) {
		snprintf(out, TIME_TEXT_BYTES, "%" PRId64 " ms", ms);
		return out;
	}
	size_t used = strftime(out, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest)
		used += (size_t)snprintf(out + used, TIME_TEXT_BYTES - used, ".%03d", rest);
	snprintf(out + used, TIME_TEXT_BYTES - used, "Z");
	return out;
}

/* `digits` decimal digits; -1: others. */
static int take_digits(const char **at, int digits)
{
	int value = 0;
	for (int i = 0; i < digits; i++) {
		if ((*at)[i] < '0' || (*at)[i] > '9')
			return -1;
		value = value * 10 + ((*at)[i] - '0');
	}
	*at += digits;
	return value;
}

/* "Z" or "+01:30" to minutes; a '+' may have become a space on its way through a URL. */
static bool take_offset(const char **at, int *minutes)
{
	char sign = **at;
	*minutes = 0;
	if (sign == 'Z' || sign == 'z') {
		(*at)++;
		return true;
	}
	if (sign != '+' && sign != '-' && sign != ' ')
		return false;
	(*at)++;
	int hours = take_digits(at, 2);
	if (hours < 0 || hours > 23 || *(*at)++ != ':')
		return false;
	int rest = take_digits(at, 2);
	*minutes = (sign == '-' ? -1 : 1) * (hours * 60 + rest);
	return rest >= 0 && rest < 60;
}

/* ":05.123"; parts of a millisecond are cut off. */
static bool take_seconds(const char **at, struct tm *tm, int *ms)
{
	*ms = 0;
	if (**at != ':')
		return true;
	(*at)++;
	tm->tm_sec = take_digits(at, 2);
	if (**at != '.')
		return tm->tm_sec >= 0;
	(*at)++;
	int digits = 0;
	for (; **at >= '0' && **at <= '9'; (*at)++, digits++)
		if (digits < 3)
			*ms = *ms * 10 + (**at - '0');
	for (int i = digits; i < 3; i++)
		*ms *= 10;
	return tm->tm_sec >= 0 && digits > 0 && digits <= 9;
}

bool time_parse(const char *text, int64_t *ms)
{
	struct tm tm = {0}, check;
	int fraction = 0, offset = 0;
	const char *at = text;

	tm.tm_year = take_digits(&at, 4) - 1900;
	if (tm.tm_year < -900 || *at++ != '-')
		return false;
	tm.tm_mon = take_digits(&at, 2) - 1;
	if (tm.tm_mon < 0 || *at++ != '-')
		return false;
	tm.tm_mday = take_digits(&at, 2);
	if (*at == 'T' || *at == 't') {
		at++;
		tm.tm_hour = take_digits(&at, 2);
		if (tm.tm_hour < 0 || *at++ != ':')
			return false;
		tm.tm_min = take_digits(&at, 2);
		if (tm.tm_min < 0 || !take_seconds(&at, &tm, &fraction) ||
		    !take_offset(&at, &offset))
			return false;
	}
	if (*at != '\0')
		return false;
	struct tm given = tm;
	time_t seconds = timegm(&tm);
	/* timegm takes the 31st of June for the 1st of July: compare */
	if (!gmtime_r(&seconds, &check) || check.tm_mday != given.tm_mday ||
	    check.tm_mon != given.tm_mon || check.tm_hour != given.tm_hour ||
	    check.tm_min != given.tm_min || check.tm_sec != given.tm_sec)
		return false;
	*ms = ((int64_t)seconds - offset * 60) * 1000 + fraction;
	return true;
}
