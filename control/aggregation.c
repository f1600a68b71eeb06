/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The territory's calendar as storage sees it, and a device's dials. Threads: the store's
 * housekeeping and the API's. Memory: none.
 */
#include "control/aggregation.h"

static int32_t local_day_of(const void *calendar, int64_t utc_ms)
{
	return calendar_day(calendar, utc_ms / 1000 - (utc_ms % 1000 < 0));
}

static int64_t local_day_start_ms(const void *calendar, int32_t day)
{
	return calendar_day_start_s(calendar, day) * 1000;
}

static int32_t local_month_of(const void *calendar, int32_t day)
{
	struct civil_date date = civil_from_day(day);
	(void)calendar;
	return date.year * 12 + date.month - 1;
}

static int32_t local_month_first_day(const void *calendar, int32_t month)
{
	(void)calendar;
	return civil_to_day((struct civil_date){month / 12, month % 12 + 1, 1});
}

/* Asked for when a register has rolled over, which is seldom. */
static uint32_t device_dials(void *context, uint32_t device)
{
	struct registry *const *registry = context;
	char id[DEVICE_ID_BYTES + 1];
	struct device found;
	struct error err;
	if (!*registry || !registry_id_of(*registry, device, id) ||
	    registry_get(*registry, id, &found, &err) != RESULT_OK)
		return 0;
	return found.dials;
}

void aggregation_rules(struct aggregate_rules *rules, const struct calendar *calendar,
                       const struct profile_set *profiles,
                       const struct channel_catalogue *channels, struct registry **registry)
{
	*rules = (struct aggregate_rules){
	    .profiles = profiles,
	    .channels = channels,
	    .dials = device_dials,
	    .dials_context = registry,
	    .zone = calendar_zone(calendar),
	    .calendar = calendar,
	    .day_of = local_day_of,
	    .day_start_ms = local_day_start_ms,
	    .month_of = local_month_of,
	    .month_first_day = local_month_first_day,
	};
}

enum result aggregation_check(const struct config *config, const struct profile_set *profiles,
                              struct error *err)
{
	uint32_t raw_days = config->retention.raw_days;
	for (uint32_t i = 0; raw_days != 0 && i < profiles->count; i++) {
		const struct profile *p = &profiles->profiles[i];
		uint64_t least = p->late_max_ms / 86400000 + 1 + AGGREGATE_REACH_DAYS + 2;
		if (raw_days < least)
			return fail(RESULT_INPUT, err,
			            "retention.raw_days is %u, but profile %s takes readings that "
			            "come %llu h late; expected 0 (for ever) or at least %llu",
			            raw_days, p->name,
			            (unsigned long long)(p->late_max_ms / 3600000),
			            (unsigned long long)least);
	}
	return RESULT_OK;
}
