/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation. In: a new reading, its profile, what is known of the device. Out: a verdict; nothing
 * is changed. Thread: any. No memory, no clock: the reading brings its times along.
 */
#include "ingest/validate.h"

#include "base/check.h"
#include "ingest/decimal.h"

/* A sub-unit of the kWh that no 128-bit product below overflows with: see energy_limit. */
#define KWH_POW10_MAX 12
/* 1 kWh = 1000 W * 3,600,000 ms */
#define WATT_MS_PER_KWH 3600000000
/* Longer pauses count as this much, about 317 years. */
#define ELAPSED_MAX_MS 10000000000000

static __int128 difference(int64_t a, int64_t b)
{
	return (__int128)a - b;
}

/*
 * Timestamp and lateness. The meter's clock is judged by the collection time, lateness by the
 * receive time: a replay may be old, but not older than the profile takes without an operator.
 * A collection time beyond what collected_delta_ms can say excuses the drift.
 */
static enum fate check_time(const struct profile *p, const struct reading *r, struct verdict *v)
{
	int64_t collected_ms = reading_collected_ms(r);
	__int128 drift = difference(r->meter_ts_ms, collected_ms);
	bool late = difference(r->received_ms, r->meter_ts_ms) > (__int128)p->late_max_ms &&
	            !(r->flags & READING_F_LATE_ACCEPTED);

	if (drift < 0)
		drift = -drift;
	v->ts_ms = r->meter_ts_ms;
	if (r->collected_delta_ms == INT32_MIN)
		return late ? FATE_REJECT_TOO_LATE : FATE_STORED;
	if (drift > p->drift_replace_ms)
		return FATE_REJECT_CLOCK_DRIFT;
	if (late)
		return FATE_REJECT_TOO_LATE;
	if (drift > p->drift_flag_ms) {
		v->ts_ms = collected_ms;
		v->flags |= READING_F_TS_REPLACED;
	} else if (drift > p->drift_accept_ms) {
		v->flags |= READING_F_DRIFT;
	}
	return FATE_STORED;
}

/* Negative and range, channel by channel; also the battery flag. */
static enum fate check_channels(const struct profile *p, const struct reading *r, struct verdict *v)
{
	uint32_t slot = 0;

	for (uint32_t i = 0; i < r->channel_count; i++, slot++) {
		while (slot < p->channel_count && p->channels[slot].channel != r->channel[i])
			slot++;
		CHECK_OP(slot, <, p->channel_count); /* readings keep the profile's order */
		const struct profile_channel *c = &p->channels[slot];
		int64_t value = r->value[i];
		if (value < 0 && !c->negative_allowed)
			return FATE_REJECT_NEGATIVE;
		if (value < c->min || value > c->max)
			return FATE_REJECT_RANGE;
		if ((int)slot == p->battery_slot && value <= p->battery_low)
			v->flags |= READING_F_LOW_BATTERY;
	}
	return FATE_STORED;
}

/* What a register can be asked about. */
struct register_rule {
	uint32_t capacity_w; /* 0: not known */
	int64_t modulus;     /* 10^dials kWh in canonical units; 0: not known */
	int kwh_pow10;
};

static struct register_rule register_rule(const struct profile *p, const struct reading *r)
{
	struct register_rule rule = {
	    .capacity_w = r->capacity_w ? r->capacity_w : p->capacity_w,
	    .kwh_pow10 = p->register_kwh_pow10,
	};
	uint8_t dials = r->dials ? r->dials : p->dials;
	int exponent = dials + p->register_kwh_pow10;

	if (rule.kwh_pow10 < 0 || rule.kwh_pow10 > KWH_POW10_MAX)
		rule.capacity_w = 0;
	if (dials != 0 && exponent >= 0 && exponent <= 18) /* 10^18 < 2^63 */
		rule.modulus = (int64_t)decimal_pow10[exponent];
	return rule;
}

/*
 * The most that can pass a meter in a time, in canonical units of its register:
 *
 *	W * ms / (W ms per kWh) * units per kWh, + 1 %, + 0.01 kWh
 *
 * The last term is the step of a register shown with two decimals, which a short time can always
 * add. Largest product: 2^32 W * 10^13 ms * 101 * 10^12 < 2^123.
 */
static __int128 energy_limit(const struct register_rule *rule, int64_t elapsed_ms)
{
	__int128 units = (__int128)decimal_pow10[rule->kwh_pow10];
	__int128 step = rule->kwh_pow10 > 2 ? (__int128)decimal_pow10[rule->kwh_pow10 - 2] : 1;

	if (elapsed_ms > ELAPSED_MAX_MS)
		elapsed_ms = ELAPSED_MAX_MS;
	return (__int128)rule->capacity_w * elapsed_ms * 101 * units /
	           ((__int128)WATT_MS_PER_KWH * 100) +
	       step;
}

/*
 * Can the register have gone from `from` past its last dial to the smaller `to`? When the meter's
 * capacity is known, the energy between must be possible; else it must have been in the last
 * tenth of its dials and be in the first.
 */
static bool rolled_over(const struct register_rule *rule, int64_t from, int64_t to,
                        int64_t elapsed_ms)
{
	if (rule->modulus == 0 || from >= rule->modulus || to < 0)
		return false;
	if (rule->capacity_w != 0)
		return difference(to, from) + rule->modulus <= energy_limit(rule, elapsed_ms);
	return from >= rule->modulus - rule->modulus / 10 && to < rule->modulus / 10;
}

static int64_t elapsed_ms(int64_t from, int64_t to)
{
	__int128 d = difference(to, from);
	return d < 0 ? 0 : d > ELAPSED_MAX_MS ? ELAPSED_MAX_MS : (int64_t)d;
}

/* Was the register reset or exchanged between the latest one and this? Then neither says anything
 * of the other. */
static bool is_another_register(const struct device_track *t, const struct reading *r,
				int64_t ts_ms)
{
	int64_t from_ms = r->register_from_ms;
	return from_ms != 0 && (dedup_register_ts(t) < from_ms) != (ts_ms < from_ms);
}

/* Sequence and capacity. A late reading is only held against the latest register: it can't be
 * above it, unless the register rolled over in between. */
static enum fate check_register(const struct profile *p, const struct device_track *t,
                                const struct reading *r, struct verdict *v)
{
	int64_t value = r->value[v->register_index], last = t->register_value;
	struct register_rule rule = register_rule(p, r);
	int64_t register_ts = dedup_register_ts(t);

	if (!v->newer) {
		int64_t ms = elapsed_ms(v->ts_ms, register_ts);
		if (value <= last || rolled_over(&rule, value, last, ms))
			return FATE_STORED;
		return FATE_REJECT_SEQUENCE;
	}
	/* two readings may have the same collection time in place of their own */
	int64_t ms = v->ts_ms > register_ts ? elapsed_ms(register_ts, v->ts_ms)
	                                    : elapsed_ms(t->newest_ms, r->meter_ts_ms);
	if (value < last) {
		if (!rolled_over(&rule, last, value, ms))
			return FATE_REJECT_SEQUENCE;
		v->flags |= READING_F_ROLLOVER;
		return FATE_STORED;
	}
	if (rule.capacity_w != 0 && difference(value, last) > energy_limit(&rule, ms))
		return FATE_REJECT_CAPACITY;
	return FATE_STORED;
}

static bool is_newer(const struct device_track *t, const struct reading *r, int64_t ts_ms)
{
	if (t->slot_ms == 0 || ts_ms > t->last_ts_ms)
		return true;
	return ts_ms == t->last_ts_ms && r->meter_ts_ms > t->newest_ms;
}

struct verdict validate(const struct profile *p, const struct device_track *t,
                        const struct reading *r)
{
	struct verdict v = {.fate = FATE_STORED, .register_index = -1};

	v.fate = check_time(p, r, &v);
	if (v.fate == FATE_STORED)
		v.fate = check_channels(p, r, &v);
	if (v.fate != FATE_STORED)
		return v;
	v.newer = is_newer(t, r, v.ts_ms);
	if (!v.newer)
		v.flags |= READING_F_LATE;
	v.register_index = dedup_register_index(p, r->channel_count, r->channel);
	if (v.register_index < 0 || t->register_channel == 0 ||
	    r->channel[v.register_index] != t->register_channel)
		return v;
	if (!is_another_register(t, r, v.ts_ms))
		v.fate = check_register(p, t, r, &v);
	else if (v.newer)
		v.flags |= READING_F_RESET;
	return v;
}
