/* SPDX-License-Identifier: Apache-2.0 */
/* A pure function; the text is an operator's, untrusted. */
#include "control/calendar/instant.h"

#include <string.h>

#define DAY_TEXT_BYTES 10 /* 2026-03-29 */

bool instant_parse(const struct calendar *c, const char *text, int64_t *utc_s)
{
	struct civil_date date;
	int64_t ms;
	if (c && strlen(text) == DAY_TEXT_BYTES) {
		if (civil_parse(text, &date, NULL) != RESULT_OK)
			return false;
		*utc_s = calendar_day_start_s(c, civil_to_day(date));
		return true;
	}
	if (!time_parse(text, &ms) || ms % 1000 != 0)
		return false;
	*utc_s = ms / 1000;
	return true;
}
