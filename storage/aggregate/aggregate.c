/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From readings to periods; see aggregate.h.
 *
 * One pass over a device's readings by effective time, adding up the register's steps
 * (register.h); that of a reset is left out. Threads: any. Memory: the caller's.
 */
#include "storage/aggregate/aggregate.h"

#include "base/check.h"

#include "storage/aggregate/register.h"

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
	return register_index(profile_of(rules, r), r);
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

/* Asked for when a register has fallen, which is seldom. */
static int64_t modulus(const struct aggregate_rules *rules, const struct stored_reading *r)
{
	uint32_t dials = rules->dials ? rules->dials(rules->dials_context, r->device) : 0;
	return register_modulus(profile_of(rules, r), dials);
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
	struct register_read from = {b->value[p->before_index], b->ts_ms, b->flags};
	struct register_read to = {r->value[index], r->ts_ms, r->flags};
	if (b->channel[p->before_index] != r->channel[index] || a->start_ms - b->ts_ms > reach)
		return;
	int64_t turn = to.value < from.value ? modulus(p->rules, r) : 0;
	enum register_step kind =
	    register_step(profile_of(p->rules, r), turn, &from, &to, &step);
	if (kind == REGISTER_ROLLED)
		a->flags |= AGGREGATE_F_ROLLOVER;
	if (kind == REGISTER_FELL)
		a->flags |= AGGREGATE_F_RESET;
	if (kind == REGISTER_FELL || __builtin_add_overflow(a->energy, step, &whole))
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
