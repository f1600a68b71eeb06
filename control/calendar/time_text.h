/* SPDX-License-Identifier: Apache-2.0 */
/* Times as people write them. Reads no clock, knows no time zone. */
#ifndef HEADRACE_CALENDAR_TIME_TEXT_H
#define HEADRACE_CALENDAR_TIME_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define TIME_TEXT_BYTES 40

/* "2025-06-15T14:15:00Z", with ".123" when there are milliseconds. Returns `out`. */
const char *time_format(int64_t ms, char out[TIME_TEXT_BYTES]);

/* RFC 3339 with 'Z' or an offset; the seconds, or the whole time of day (then UTC), may be left
 * out: "2025-06-15". False: malformed. */
bool time_parse(const char *text, int64_t *ms);

#endif
