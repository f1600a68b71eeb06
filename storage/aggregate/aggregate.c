/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From readings to periods; see aggregate.h.
 *
 * One pass over a device's readings by effective time. A register that falls is a rollover when
 * the reading says so and the number of dials is known (10^dials is added), else a reset, whose
 * step is left out. Threads: any. Memory: the caller's.
 */
#include "storage/aggregate/aggregate.h"

#include "base/check.h"

#include "contract/reading.h"

#define HOUR_MS             3600000ll
#define INTERVAL_DEFAULT_MS 900000u

uint32_t aggregate_hours(const struct aggregate_rules *rules, int32_t day,
			 int64_t bounds[AGGREGATE_HOURS_MAX + 1])
{
	int64_t start = rules->day_start_ms(rules->calendar, day);
	int64_t end = rules->day_start_ms(rules->calendar, day + 1);
	uint32_t n = 0;
	for (int64_t at = start; at < end && n < AGGREGATE_HOURS_MAX; at += HOUR_MS)
		bounds[n++] = at;
	bounds[n] = end;
	return n;
}

static const struct profile *profile_of(const struct aggregate_rules *rules,
					const struct stored_reading *r)
{
	return rules->profiles->by_id[r->profile];
}

int aggregate_register(const struct aggregate_rules *rules, const struct stored_reading *r)
{
	const struct profile *p = profile_of(rules, r);
	if (!p || p->register_slot < 0)
		return -1;
	for (uint32_t i = 0; i < r->channel_count; i++) {
		if (r->channel[i] == p->channels[p->register_slot].channel)
			return (int)i;
	}
	return -1;
}

static int demand_index(const struct aggregate_rules *rules, const struct stored_reading *r)
{
	for (uint32_t i = 0; i < r->channel_count; i++) {
		const struct channel *c = &rules->channels->by_id[r->channel[i]];
		if (c->id != 0 && c->kind == CHANNEL_DEMAND)
			return (int)i;
	}
	return -1;
}

static uint32_t interval_ms(const struct aggregate_rules *rules, const struct stored_reading *r)
{
	const struct profile *p = profile_of(rules, r);
	return p && p->interval_ms > 0 ? p->interval_ms : INTERVAL_DEFAULT_MS;
}

/* Where the register begins anew, in its units; 0: not known. */
static int64_t modulus(const struct aggregate_rules *rules, const struct stored_reading *r)
{
	const struct profile *p = profile_of(rules, r);
	uint32_t dials = rules->dials ? rules->dials(rules->dials_context, r->device) : 0;
	int64_t m = 1;
	dials = dials == 0 && p ? p->dials : dials;
	if (dials == 0 || !p || p->register_kwh_pow10 < 0 || dials + p->register_kwh_pow10 > 18)
		return 0;
	for (uint32_t i = 0; i < dials + (uint32_t)p->register_kwh_pow10; i++)
		m *= 10;
	return m;
}

struct pass {
	const struct aggregate_rules *rules;
	const struct stored_reading *before; /* the last with a register */
	int before_index;
	struct aggregate *period;
	int64_t slot; /* of the period, the last one seen */
};

static void peak_take(struct aggregate *a, int64_t value, int64_t ts_ms, uint8_t channel)
{
	bool derived = channel == 0;
	if (a->flags & AGGREGATE_F_PEAK) {
		bool had_derived = a->flags & AGGREGATE_F_DERIVED;
		if ((derived && !had_derived) || (derived == had_derived && value <= a->peak))
			return;
	}
	a->flags = (uint8_t)((a->flags | AGGREGATE_F_PEAK) & ~AGGREGATE_F_DERIVED);
	a->flags |= derived ? AGGREGATE_F_DERIVED : 0;
	a->peak = value;
	a->peak_ms = ts_ms;
	a->demand_channel = channel;
}

static void step_take(struct pass *p, const struct stored_reading *r, int index)
{
	struct aggregate *a = p->period;
	const struct stored_reading *b = p->before;
	int64_t reach = AGGREGATE_REACH_DAYS * 24 * HOUR_MS, step, whole;
	if (b->channel[p->before_index] != r->channel[index] || a->start_ms - b->ts_ms > reach ||
	    __builtin_sub_overflow(r->value[index], b->value[p->before_index], &step))
		return;
	if (step < 0) {
		int64_t m = r->flags & READING_F_ROLLOVER ? modulus(p->rules, r) : 0;
		a->flags |= m > 0 ? AGGREGATE_F_ROLLOVER : AGGREGATE_F_RESET;
		if (m == 0)
			return;
		step += m;
	}
	if (step < 0 || __builtin_add_overflow(a->energy, step, &whole))
		return;
	a->energy = whole;
	a->register_channel = r->channel[index];
	a->flags |= AGGREGATE_F_ENERGY;
	if (b->ts_ms <= a->start_ms - (int64_t)interval_ms(p->rules, r))
		a->flags |= AGGREGATE_F_GAP;
	__int128 mean = r->ts_ms > b->ts_ms ? (__int128)step * HOUR_MS / (r->ts_ms - b->ts_ms) : 0;
	if (r->ts_ms > b->ts_ms && mean <= INT64_MAX)
		peak_take(a, (int64_t)mean, r->ts_ms, 0);
}

static void reading_take(struct pass *p, const struct stored_reading *r)
{
	struct aggregate *a = p->period;
	int index = aggregate_register(p->rules, r), demand = demand_index(p->rules, r);
	if (a) {
		int64_t interval = interval_ms(p->rules, r);
		int64_t slot = (r->ts_ms - 1 - a->start_ms) / interval;
		if (a->readings++ == 0)
			a->slots_expected = (uint32_t)((a->end_ms - a->start_ms) / interval);
		a->slots += slot != p->slot;
		p->slot = slot;
		if (demand >= 0)
			peak_take(a, r->value[demand], r->ts_ms, r->channel[demand]);
		if (index >= 0 && p->before)
			step_take(p, r, index);
	}
	if (index >= 0) {
		p->before = r;
		p->before_index = index;
	}
}

void aggregate_compute(const struct aggregate_rules *rules, const struct stored_reading *const *row,
		       uint32_t count, const int64_t *bounds, uint32_t periods,
		       struct aggregate *out)
{
	struct pass p = {.rules = rules};
	uint32_t at = 0;
	CHECK_OP(periods, >, 0u);
	for (uint32_t i = 0; i < periods; i++)
		out[i] = (struct aggregate){.start_ms = bounds[i], .end_ms = bounds[i + 1]};
	for (uint32_t i = 0; i < count && row[i]->ts_ms <= bounds[periods]; i++) {
		bool within = row[i]->ts_ms > bounds[0];
		while (within && row[i]->ts_ms > bounds[at + 1])
			at++;
		if (within && p.period != &out[at]) {
			p.period = &out[at];
			p.slot = -1;
		}
		reading_take(&p, row[i]);
	}
}

void aggregate_add(struct aggregate *sum, const struct aggregate *part)
{
	uint8_t plain = AGGREGATE_F_ROLLOVER | AGGREGATE_F_RESET;
	/* what reaches back before a later part lies within the whole */
	if (sum->readings == 0)
		plain |= AGGREGATE_F_GAP;
	sum->flags |= part->flags & plain;
	if (part->flags & AGGREGATE_F_PEAK)
		peak_take(sum, part->peak, part->peak_ms, part->demand_channel);
	int64_t whole;
	if (part->flags & AGGREGATE_F_ENERGY &&
	    !__builtin_add_overflow(sum->energy, part->energy, &whole)) {
		sum->energy = whole;
		sum->register_channel = part->register_channel;
		sum->flags |= AGGREGATE_F_ENERGY;
	}
	sum->readings += part->readings;
	sum->slots += part->slots;
}

int64_t aggregate_mean(const struct aggregate *a)
{
	__int128 duration = a->end_ms - a->start_ms;
	return (int64_t)(((__int128)a->energy * HOUR_MS + duration / 2) / duration);
}
