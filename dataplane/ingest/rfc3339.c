/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 3339 §5.6:
 *
 *	2025-06-15T14:15:00.123456789+02:00
 *	0    5  8  11 14 17 20        then Z, z or an offset
 *
 * In: text that need not end. Out: milliseconds since 1970. No memory, no locale, any thread.
 */
#include "ingest/decode.h"

#include <string.h>

#include "base/bytes.h"

#define FRACTION_DIGITS_MAX 9

struct date_time {
	uint32_t year, month, day, hour, minute, second;
};

/* `count` digits; false: something else is among them. */
static inline bool digits(const char *p, uint32_t count, uint32_t *value)
{
	uint32_t v = 0;
	bool good = true;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t digit = (uint32_t)(uint8_t)p[i] - '0';
		good &= digit <= 9;
		v = v * 10 + digit;
	}
	*value = v;
	return good;
}

static uint32_t month_days(uint32_t year, uint32_t month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar, year 0..9999. */
static int64_t days_since_1970(uint32_t year, uint32_t month, uint32_t day)
{
	static const uint16_t before_month[] = {0,   31,  59,  90,  120, 151,
	                                        181, 212, 243, 273, 304, 334};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	/* leap days before 1 January of `year`, year 0 being a leap year itself */
	int64_t last = (int64_t)year - 1;
	int64_t leap_days = year == 0 ? 0 : last / 4 - last / 100 + last / 400 + 1;
	int64_t days = 365 * (int64_t)year + leap_days + before_month[month - 1] +
	               (month > 2 && leap) + day - 1;
	return days - 719528; /* 0000-01-01 to 1970-01-01 */
}

/* "2025-06-15T14:15:00", the first 19 characters. */
static bool parse_fixed(const char *t, struct date_time *dt)
{
	bool good = digits(t, 4, &dt->year) && digits(t + 5, 2, &dt->month) &&
	            digits(t + 8, 2, &dt->day) && digits(t + 11, 2, &dt->hour) &&
	            digits(t + 14, 2, &dt->minute) && digits(t + 17, 2, &dt->second);

	if (!good || t[4] != '-' || t[7] != '-' || (t[10] | 0x20) != 't' || t[13] != ':' ||
	    t[16] != ':')
		return false;
	return dt->month >= 1 && dt->month <= 12 && dt->day >= 1 &&
	       dt->day <= month_days(dt->year, dt->month) && dt->hour <= 23 && dt->minute <= 59 &&
	       dt->second <= 60;
}

/* "Z" or "+hh:mm", which must end the text. */
static bool parse_offset(const char *t, uint32_t bytes, int64_t *seconds)
{
	uint32_t hour, minute;

	*seconds = 0;
	if (bytes == 1)
		return (t[0] | 0x20) == 'z';
	if (bytes != 6 || (t[0] != '+' && t[0] != '-') || t[3] != ':' || !digits(t + 1, 2, &hour) ||
	    !digits(t + 4, 2, &minute) || hour > 23 || minute > 59)
		return false;
	*seconds = (int64_t)hour * 3600 + (int64_t)minute * 60;
	if (t[0] == '-')
		*seconds = -*seconds;
	return true;
}

/*
 * A leap second ends a month at 23:59:60 UTC (RFC 3339 §5.7, appendix D); `next` is the second
 * after it. With its offset, the local date is in the month that ends or in the one that begins.
 * It is counted as `next`: milliseconds since 1970 have no place for it.
 */
static bool leap_second_possible(const struct date_time *dt, int64_t next)
{
	int64_t begin = days_since_1970(dt->year, dt->month, 1);
	int64_t follow = begin + month_days(dt->year, dt->month);
	return next == begin * 86400 || next == follow * 86400;
}

/* "T14:15:00Z" or with a fraction, `t` behind the date: seconds of the day. False: malformed, or
 * for the careful way. The eight bytes "14:15:00" are one word, first byte lowest. */
static bool parse_clock(const char *t, int64_t *seconds)
{
	uint64_t w = get_le64(t + 1);
	/* high halves of the bytes: 3 for a digit, and the colons whole */
	bool form = (w & 0xf0f0fff0f0fff0f0) == 0x30303a30303a3030;
	bool nines = ((w + 0x0606000606000606) & 0xf0f000f0f000f0f0) == 0x3030003030003030;
	uint64_t tens = w & 0x0f0f000f0f000f0f;
	tens = (tens * 10 + (tens >> 8)) & 0x00ff00ffff0000ff;
	uint32_t hour = tens & 0xff, minute = tens >> 24 & 0xff, second = tens >> 48 & 0xff;

	*seconds = hour * 3600 + minute * 60 + second;
	return form && nines && (t[0] | 0x20) == 't' && hour <= 23 && minute <= 59 && second <= 59;
}

/* ".123" and its like at text[*at], which moves behind it. False: malformed. */
static bool parse_fraction(const char *text, uint32_t bytes, uint32_t *at, uint32_t *fraction)
{
	uint32_t places = 0;

	*fraction = 0;
	if (text[*at] != '.')
		return true;
	for (++*at; *at < bytes && (uint8_t)(text[*at] - '0') <= 9; ++*at, places++)
		if (places < 3)
			*fraction = *fraction * 10 + (uint32_t)(text[*at] - '0');
	if (places == 0 || places > FRACTION_DIGITS_MAX)
		return false;
	for (uint32_t i = places; i < 3; i++)
		*fraction *= 10;
	return true;
}

bool decode_rfc3339_after(struct decode_date *date, const char *text, uint32_t bytes, int64_t *ms)
{
	uint32_t at = 19, fraction;
	int64_t seconds, offset;

	if (bytes < 20 || memcmp(text, date->text, sizeof date->text) != 0 ||
	    !parse_clock(text + 10, &seconds)) {
		if (!decode_rfc3339(text, bytes, ms))
			return false;
		struct date_time dt;
		parse_fixed(text, &dt);
		memcpy(date->text, text, sizeof date->text);
		date->seconds = days_since_1970(dt.year, dt.month, dt.day) * 86400;
		return true;
	}
	if (!parse_fraction(text, bytes, &at, &fraction) ||
	    !parse_offset(text + at, bytes - at, &offset))
		return false;
	*ms = (date->seconds + seconds - offset) * 1000 + fraction;
	return true;
}

bool decode_rfc3339(const char *text, uint32_t bytes, int64_t *ms)
{
	struct date_time dt;
	uint32_t at = 19, fraction;
	int64_t offset;

	if (bytes < 20 || !parse_fixed(text, &dt) || !parse_fraction(text, bytes, &at, &fraction) ||
	    !parse_offset(text + at, bytes - at, &offset))
		return false;
	int64_t seconds = days_since_1970(dt.year, dt.month, dt.day) * 86400 + dt.hour * 3600 +
	                  dt.minute * 60 + dt.second - offset;
	if (dt.second == 60 && !leap_second_possible(&dt, seconds))
		return false;
	*ms = seconds * 1000 + fraction;
	return true;
}
