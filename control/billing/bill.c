/* SPDX-License-Identifier: Apache-2.0 */
#include "control/billing/bill.h"

#include <stddef.h>
#include <string.h>

#define LINE_NONE UINT16_MAX

/* A run of days under one version. */
struct part {
	const struct tariff *tariff;
	int32_t from_day, end_day;
	int64_t end_s;
	int64_t limits_mwh[TARIFF_TIERS_MAX]; /* in proportion to the days */
	struct tariff_day day; /* of the last interval */
	uint32_t tier;
	int64_t used_mwh;
	uint16_t lines[TARIFF_TIERS_MAX][TARIFF_PERIODS_MAX];
};

static enum result no_tariff(const struct bill_span *span, int32_t day, struct error *err)
{
	char text[DAY_FORMAT_BYTES];
	return fail(RESULT_INPUT, err, "no version of tariff %s rules on %s",
	            span->versions[0]->id, day_format(day, text));
}

static enum result part_begin(const struct bill_request *r, const struct bill_span *span,
                              int32_t day, struct part *p, struct error *err)
{
	p->tariff = tariff_on(span->versions, span->version_count, day);
	if (!p->tariff)
		return no_tariff(span, day, err);
	p->from_day = day;
	p->end_day = p->tariff->end_day < span->end_day ? p->tariff->end_day : span->end_day;
	p->end_s = calendar_day_start_s(r->calendar, p->end_day);
	p->day = (struct tariff_day){0};
	p->tier = 0;
	p->used_mwh = 0;
	memset(p->lines, 0xff, sizeof p->lines);
	int32_t days = p->end_day - p->from_day, all = r->period_end - r->period_from;
	for (uint32_t i = 0; i < p->tariff->tier_count; i++) {
		int64_t limit = p->tariff->tiers[i].up_to_mwh;
		p->limits_mwh[i] = limit == INT64_MAX || days == all
		                       ? limit
		                       : (int64_t)(((amount_t)limit * days + all / 2) / all);
	}
	return RESULT_OK;
}

/* NULL: the bill is full. */
static struct bill_line *line_new(struct bill *b, const struct tariff *t, struct error *err)
{
	if (b->line_count == BILL_LINES_MAX) {
		fail(RESULT_INPUT, err, "the bill has more than %d lines", BILL_LINES_MAX);
		return NULL;
	}
	struct bill_line *line = &b->lines[b->line_count++];
	memset(line, 0, sizeof *line);
	line->tariff = t;
	return line;
}

/* --- energy --- */

static enum result add_piece(const struct bill_request *r, struct bill *b, struct part *p,
                             uint8_t period, uint32_t interval, int64_t energy_mwh,
                             struct error *err)
{
	uint16_t *at = &p->lines[p->tier][period];
	if (*at == LINE_NONE) {
		struct bill_line *line = line_new(b, p->tariff, err);
		if (!line)
			return RESULT_INPUT;
		*at = (uint16_t)(b->line_count - 1);
		line->tier = (uint8_t)p->tier;
		line->period = period;
		line->first = interval;
	}
	struct bill_line *line = &b->lines[*at];
	line->energy_mwh += energy_mwh;
	line->intervals++;
	line->last = interval;
	if (r->trace)
		r->trace(r->trace_context, interval, *at, energy_mwh);
	p->used_mwh += energy_mwh;
	return RESULT_OK;
}

static uint8_t period_of(const struct bill_request *r, struct part *p, int64_t start_s)
{
	if (start_s < p->day.start_s || start_s >= p->day.end_s)
		p->day = tariff_day_at(p->tariff, r->calendar, start_s);
	if (!p->day.use)
		return tariff_period_at(p->tariff, r->calendar, start_s);
	return p->day.use[(start_s - p->day.start_s) / 900];
}

/* Splits the interval where it crosses the limits of tiers. */
static enum result add_interval(const struct bill_request *r, struct bill *b, struct part *p,
                                uint32_t interval, struct error *err)
{
	const struct bill_interval *i = &r->intervals[interval];
	uint8_t period = period_of(r, p, i->start_s);
	int64_t rest_mwh = i->energy_mwh;
	do {
		while (p->used_mwh >= p->limits_mwh[p->tier])
			p->tier++; /* the last is open */
		int64_t room_mwh = p->limits_mwh[p->tier] - p->used_mwh;
		int64_t piece_mwh = rest_mwh < room_mwh ? rest_mwh : room_mwh;
		enum result result = add_piece(r, b, p, period, interval, piece_mwh, err);
		if (result != RESULT_OK)
			return result;
		rest_mwh -= piece_mwh;
	} while (rest_mwh > 0);
	return RESULT_OK;
}

static enum result check_intervals(const struct bill_request *r, struct bill *b,
                                   struct error *err)
{
	int64_t from_s = calendar_day_start_s(r->calendar, r->from_day);
	int64_t end_s = calendar_day_start_s(r->calendar, r->end_day);
	for (uint32_t i = 0; i < r->interval_count; i++) {
		const struct bill_interval *v = &r->intervals[i];
		if (v->start_s < from_s || v->start_s >= end_s ||
		    (i > 0 && v->start_s <= v[-1].start_s))
			return fail(RESULT_INPUT, err,
			            "interval %u is out of order or outside the days billed", i);
		if (v->energy_mwh < 0)
			return fail(RESULT_INPUT, err, "interval %u is negative", i);
		if (v->energy_mwh > ENERGY_MWH_MAX - b->energy_mwh)
			return fail(RESULT_INPUT, err, "more than 10^9 kWh in one bill");
		b->energy_mwh += v->energy_mwh;
	}
	return RESULT_OK;
}

/* --- the rest --- */

static enum result add_fixed(const struct bill_request *r, struct bill *b, const struct part *p,
                             struct error *err)
{
	int32_t days = p->end_day - p->from_day;
	for (uint32_t i = 0; i < p->tariff->fixed_count; i++) {
		struct bill_line *line = line_new(b, p->tariff, err);
		if (!line)
			return RESULT_INPUT;
		amount_t price = money_of_price(p->tariff->fixed[i].price);
		line->fixed = true;
		line->charge = (uint8_t)i;
		line->days = days;
		line->amount = p->tariff->fixed[i].daily
		                   ? price * days
		                   : money_share(price, days, r->period_end - r->period_from);
	}
	return RESULT_OK;
}

static enum result check_spans(const struct bill_request *r, struct error *err)
{
	int32_t day = r->from_day;
	if (r->span_count == 0)
		return fail(RESULT_INPUT, err, "there is no tariff");
	const struct tariff *first = r->spans[0].version_count ? r->spans[0].versions[0] : NULL;
	for (uint32_t i = 0; i < r->span_count; day = r->spans[i++].end_day) {
		const struct bill_span *span = &r->spans[i];
		if (span->version_count == 0)
			return fail(RESULT_INPUT, err, "the tariff has no version");
		if (span->end_day <= day)
			return fail(RESULT_INPUT, err, "the tariffs' days are out of order");
		const struct tariff *t = span->versions[0];
		if (strcmp(t->currency, first->currency) != 0 || t->decimals != first->decimals)
			return fail(RESULT_INPUT, err,
			            "tariffs %s and %s have different currencies: %s, %s",
			            first->id, t->id, first->currency, t->currency);
	}
	return day == r->end_day ? RESULT_OK
	                         : fail(RESULT_INPUT, err, "the tariffs' days are not the bill's");
}

static enum result add_part(const struct bill_request *r, struct bill *b, struct part *part,
                            uint32_t *next, struct error *err)
{
	enum result result = RESULT_OK;
	for (; *next < r->interval_count && r->intervals[*next].start_s < part->end_s &&
	       result == RESULT_OK; ++*next)
		result = add_interval(r, b, part, *next, err);
	return result == RESULT_OK ? add_fixed(r, b, part, err) : result;
}

static enum result add_parts(const struct bill_request *r, struct bill *b, struct error *err)
{
	struct part part;
	uint32_t next = 0;
	int32_t day = r->from_day;
	enum result result = RESULT_OK;
	for (uint32_t i = 0; i < r->span_count; i++)
		for (; day < r->spans[i].end_day && result == RESULT_OK; day = part.end_day) {
			result = part_begin(r, &r->spans[i], day, &part, err);
			if (result == RESULT_OK)
				result = add_part(r, b, &part, &next, err);
		}
	return result;
}

static void price_lines(struct bill *b)
{
	for (uint32_t i = 0; i < b->line_count; i++) {
		struct bill_line *line = &b->lines[i];
		if (!line->fixed)
			line->amount = money_of_energy(
			    line->energy_mwh, line->tariff->tiers[line->tier].price,
			    line->tariff->periods[line->period].multiplier);
		b->exact += line->amount;
	}
}

enum result bill_compute(const struct bill_request *r, struct bill *b, struct error *err)
{
	memset(b, 0, offsetof(struct bill, lines));
	b->energy_mwh = b->total = 0;
	b->exact = 0;
	b->from_day = r->from_day;
	b->end_day = r->end_day;
	b->period_days = r->period_end - r->period_from;
	if (r->from_day >= r->end_day || r->from_day < r->period_from ||
	    r->end_day > r->period_end || b->period_days > 1000)
		return fail(RESULT_INPUT, err, "the days billed are not within the period");
	enum result result = check_spans(r, err);
	if (result == RESULT_OK)
		result = check_intervals(r, b, err);
	if (result == RESULT_OK)
		result = add_parts(r, b, err);
	if (result != RESULT_OK)
		return result;
	price_lines(b);
	if (!money_round(b->exact, r->spans[0].versions[0]->decimals, &b->total))
		return fail(RESULT_INPUT, err, "the total is beyond 64 bits");
	return RESULT_OK;
}
