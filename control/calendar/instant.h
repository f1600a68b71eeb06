/* SPDX-License-Identifier: Apache-2.0 */
/* Instants as operators write them: UTC times, or days of the territory. */
#ifndef HEADRACE_CALENDAR_INSTANT_H
#define HEADRACE_CALENDAR_INSTANT_H

#include <stdbool.h>
#include <stdint.h>

#include "control/calendar/calendar.h"
#include "control/calendar/time_text.h"

/* RFC 3339 as time_parse takes it, in whole seconds since 1970; a day alone ("2026-03-29") is the
 * first instant of that local day (NULL calendar: of that day in UTC). False: malformed. */
bool instant_parse(const struct calendar *c, const char *text, int64_t *utc_s);

#endif
