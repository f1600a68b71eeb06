/* SPDX-License-Identifier: Apache-2.0 */
/* Pure functions; the text is an operator's, untrusted. */
#include "control/calendar/time_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

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
