/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A correction's values into a reading. Input: an operator's text, never trusted. Memory: none.
 * Thread: any.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "control/config/decimal.h"
#include "control/errors/queue_priv.h"

/* By its name, or by a unit that no other channel of the profile has. */
static int find_slot(const struct channel_catalogue *channels, const struct profile *p,
                     const char *name)
{
	int found = -1, units = 0;
	for (uint32_t i = 0; i < p->channel_count; i++) {
		const struct channel *c = &channels->by_id[p->channels[i].channel];
		if (strcasecmp(c->name, name) == 0)
			return (int)i;
		if (strcasecmp(c->unit, name) == 0) {
			/* "kwh" is the register, whatever else counts kWh */
			if (units++ == 0 || (int)i == p->register_slot)
				found = (int)i;
		}
	}
	bool is_register = found >= 0 && found == p->register_slot;
	return units == 1 || is_register ? found : -1;
}

static bool unknown_name(const struct channel_catalogue *channels, const struct profile *p,
                         const char *name, char why[ERROR_WHY_BYTES])
{
	int used = snprintf(why, ERROR_WHY_BYTES, "there is no '%.40s' to set; %s has time", name,
	                    p->name);
	for (uint32_t i = 0; i < p->channel_count && used < ERROR_WHY_BYTES; i++)
		used += snprintf(why + used, ERROR_WHY_BYTES - (size_t)used, ", %s",
		                 channels->by_id[p->channels[i].channel].name);
	return false;
}

/* Channels of a reading are in the profile's order. */
static void put_value(const struct profile *p, struct reading *r, uint32_t slot, int64_t value)
{
	uint8_t channel = p->channels[slot].channel;
	uint32_t at = 0;
	for (uint32_t s = 0; s < slot && at < r->channel_count; s++)
		at += p->channels[s].channel == r->channel[at];
	bool there = at < r->channel_count && r->channel[at] == channel;
	if (!there) {
		CHECK_OP(r->channel_count, <, READING_CHANNELS);
		for (uint32_t i = r->channel_count; i > at; i--) {
			r->channel[i] = r->channel[i - 1];
			r->value[i] = r->value[i - 1];
		}
		r->channel_count++;
		r->channel[at] = channel;
	}
	r->value[at] = value;
}

bool correction_apply(const struct channel_catalogue *channels, const struct profile *p,
                      const struct error_correction *c, struct reading *r,
                      char why[ERROR_WHY_BYTES])
{
	for (uint32_t i = 0; i < c->set_count; i++) {
		const char *name = c->set[i].name, *text = c->set[i].value;
		int64_t value;
		if (strcmp(name, "time") == 0) {
			if (!decode_rfc3339(text, (uint32_t)strlen(text), &r->meter_ts_ms)) {
				snprintf(why, ERROR_WHY_BYTES,
				         "time '%.60s' is no time; expected one as "
				         "2026-01-31T08:15:00Z", text);
				return false;
			}
			continue;
		}
		int slot = find_slot(channels, p, name);
		if (slot < 0)
			return unknown_name(channels, p, name, why);
		const struct channel *to = &channels->by_id[p->channels[slot].channel];
		if (!decimal_parse(text, to->decimals, &value)) {
			snprintf(why, ERROR_WHY_BYTES,
			         "%s '%.60s' is no number of %s with at most %u decimals", to->name,
			         text, to->unit, to->decimals);
			return false;
		}
		put_value(p, r, (uint32_t)slot, value);
	}
	return true;
}
