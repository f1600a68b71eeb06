/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_rfc3339 and decode_rfc3339_after. Input: text; its first eight bytes are also taken as a
 * time to write and read.
 * Oracle: a template of the grammar and the C library's calendar.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/check.h"
#include "ingest/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Does the text begin like the template ('d' a digit, others themselves, case ignored)? */
static bool fits(const char *t, size_t bytes, const char *template)
{
	size_t n = strlen(template);

	for (size_t i = 0; i < n; i++) {
		if (i >= bytes)
			return false;
		char c = t[i] >= 'a' && t[i] <= 'z' ? (char)(t[i] - 32) : t[i];
		if (template[i] == 'd' ? c < '0' || c > '9' : c != template[i])
			return false;
	}
	return true;
}

static int number(const char *t, int n)
{
	char text[8] = "";

	memcpy(text, t, (size_t)n);
	return atoi(text);
}

static bool calendar(const char *t, int64_t *seconds)
{
	struct tm tm = {
	    .tm_year = number(t, 4) - 1900,
	    .tm_mon = number(t + 5, 2) - 1,
	    .tm_mday = number(t + 8, 2),
	    .tm_hour = number(t + 11, 2),
	    .tm_min = number(t + 14, 2),
	    .tm_sec = number(t + 17, 2),
	};
	struct tm in = tm;
	int second = tm.tm_sec;

	if (second > 60)
		return false;
	if (second == 60)
		in.tm_sec = tm.tm_sec = 59;
	*seconds = timegm(&tm);
	if (tm.tm_mon != in.tm_mon || tm.tm_mday != in.tm_mday || tm.tm_hour != in.tm_hour ||
	    tm.tm_min != in.tm_min || tm.tm_year != in.tm_year)
		return false;
	*seconds += second == 60;
	return true;
}

static bool reference(const char *t, size_t bytes, int64_t *ms)
{
	int64_t seconds;
	long fraction = 0;

	if (!fits(t, bytes, "dddd-dd-ddTdd:dd:dd") || !calendar(t, &seconds))
		return false;
	bool leap = number(t + 17, 2) == 60;
	t += 19;
	bytes -= 19;
	if (bytes > 0 && *t == '.') {
		int places = 0;
		while (1 + (size_t)places < bytes && t[1 + places] >= '0' && t[1 + places] <= '9')
			places++;
		if (places < 1 || places > 9)
			return false;
		for (int i = 0; i < 3; i++)
			fraction = fraction * 10 + (i < places ? t[1 + i] - '0' : 0);
		t += 1 + places;
		bytes -= 1 + (size_t)places;
	}
	if (bytes == 6 && (fits(t, 6, "+dd:dd") || fits(t, 6, "-dd:dd"))) {
		if (number(t + 1, 2) > 23 || number(t + 4, 2) > 59)
			return false;
		int64_t offset = number(t + 1, 2) * 3600 + number(t + 4, 2) * 60;
		seconds += *t == '+' ? -offset : offset;
	} else if (bytes != 1 || !fits(t, 1, "Z")) {
		return false;
	}
	if (leap) { /* the second after it begins a month in UTC */
		time_t next = (time_t)seconds;
		struct tm tm;
		gmtime_r(&next, &tm);
		if (tm.tm_mday != 1 || tm.tm_hour != 0 || tm.tm_min != 0 || tm.tm_sec != 0)
			return false;
	}
	*ms = seconds * 1000 + fraction;
	return true;
}

static void round_trip(uint64_t bits)
{
	/* years 0000..9999 */
	int64_t ms = (int64_t)(bits % 315569520000000) - 62167219200000, got;
	time_t seconds = (time_t)((ms - ((ms % 1000) + 1000) % 1000) / 1000);
	struct tm tm;
	char text[64];

	gmtime_r(&seconds, &tm);
	int n = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
	                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	                 tm.tm_sec, (int)(ms - (int64_t)seconds * 1000));
	CHECK(decode_rfc3339(text, (uint32_t)n, &got));
	CHECK_OP(got, ==, ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct decode_date date;
	int64_t got = 0, expected = 0;

	if (bytes > 1000)
		return 0;
	if (bytes >= 8)
		round_trip(get_le64(data));
	bool good = decode_rfc3339((const char *)data, (uint32_t)bytes, &got);
	CHECK_OP(good, ==, reference((const char *)data, bytes, &expected));
	if (good)
		CHECK_OP(got, ==, expected);
	/* with another date before it, and with its own */
	for (int i = 0; i < 2; i++) {
		CHECK_OP(decode_rfc3339_after(&date, (const char *)data, (uint32_t)bytes, &got), ==,
		         good);
		if (good)
			CHECK_OP(got, ==, expected);
	}
	return 0;
}
