/* SPDX-License-Identifier: Apache-2.0 */
#include "control/scan/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/scan/scan_priv.h"

const struct counter_info scan_counter_info[VEE_RULE_COUNT] = {
#define R(id, text, unit, decimals, otherwise, most, words)                                        \
	{"vee_found_" text, "VEE scans: " words},
    VEE_RULES(R)
#undef R
};

const _Atomic uint64_t *scan_counters(const struct scan *s)
{
	return s->counters;
}

enum result scan_new(const struct scan_source *source, struct scan **out, struct error *err)
{
	struct scan *s = calloc(1, sizeof *s);
	if (!s)
		return fail(RESULT_RESOURCE, err, "no memory for scans");
	s->source = *source;
	pthread_mutex_init(&s->lock, NULL);
	*out = s;
	return RESULT_OK;
}

void scan_free(struct scan *s)
{
	if (!s)
		return;
	atomic_store(&s->stopping, true);
	if (s->started)
		pthread_join(s->thread, NULL);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

enum result scan_period(const char *text, int32_t *from_day, int32_t *end_day, struct error *err)
{
	char first[16] = "";
	struct civil_date date;
	struct error why;
	size_t bytes = strlen(text);
	bool month = bytes == 7;
	if (month || bytes == 10) {
		memcpy(first, text, bytes);
		memcpy(first + bytes, month ? "-01" : "", month ? 4 : 1);
	}
	if (civil_parse(first, &date, &why) != RESULT_OK)
		return fail(RESULT_INPUT, err,
		            "'%.20s' is no day and no month; expected one such as 2026-03-29 or "
		            "2026-03", text);
	*from_day = civil_to_day(date);
	*end_day = *from_day + (month ? civil_month_days(date.year, date.month) : 1);
	return RESULT_OK;
}

static enum result begin_locked(struct scan *s, const char *period, const char *prefix,
                                struct error *err)
{
	if (s->status.running)
		return fail(RESULT_INPUT, err,
		            "a scan of %s is under way; see: headrace vee status",
		            s->status.period);
	if (s->started)
		pthread_join(s->thread, NULL);
	s->started = false;
	s->status = (struct scan_status){.running = true, .began_ms = clock_wall_ms()};
	snprintf(s->status.period, sizeof s->status.period, "%s", period);
	snprintf(s->prefix, sizeof s->prefix, "%s", prefix);
	if (pthread_create(&s->thread, NULL, scan_work, s) != 0) {
		s->status.running = false;
		return fail(RESULT_RESOURCE, err, "no thread for a scan");
	}
	s->started = true;
	return RESULT_OK;
}

enum result scan_begin(struct scan *s, const char *period, const char *prefix, struct error *err)
{
	int32_t from_day, end_day;
	enum result result = scan_period(period, &from_day, &end_day, err);
	if (result != RESULT_OK)
		return result;
	if (calendar_day_start_s(s->source.calendar, from_day) > clock_wall_ms() / 1000)
		return fail(RESULT_INPUT, err, "%s is still to come", period);
	if (strlen(prefix) > DEVICE_ID_BYTES)
		return fail(RESULT_INPUT, err, "no id begins with '%.80s'", prefix);
	pthread_mutex_lock(&s->lock);
	result = begin_locked(s, period, prefix, err);
	pthread_mutex_unlock(&s->lock);
	return result;
}

void scan_status_get(struct scan *s, struct scan_status *status)
{
	pthread_mutex_lock(&s->lock);
	*status = s->status;
	pthread_mutex_unlock(&s->lock);
}
