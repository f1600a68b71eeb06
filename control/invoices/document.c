/* SPDX-License-Identifier: Apache-2.0 */
/* A bill as a JSON document: numbers are text, so that nobody rounds them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "control/config/decimal.h"
#include "control/invoices/invoices_priv.h"
#include "control/usage/page.h"

#define KWH_DECIMALS 6

enum result month_days(const char *month, int32_t *from_day, int32_t *end_day, struct error *err)
{
	char first[16];
	struct civil_date date;
	struct error why;
	snprintf(first, sizeof first, "%.10s-01", month);
	if (strlen(month) != MONTH_BYTES - 1 || civil_parse(first, &date, &why) != RESULT_OK)
		return fail(RESULT_INPUT, err, "'%.20s' is no month; expected one such as 2026-03",
		            month);
	*from_day = civil_to_day(date);
	*end_day = *from_day + civil_month_days(date.year, date.month);
	return RESULT_OK;
}

bool invoices_is_month(const char *text)
{
	int32_t from, end;
	return month_days(text, &from, &end, NULL) == RESULT_OK;
}

static json_t *decimal(int64_t value, unsigned decimals)
{
	char text[DECIMAL_BYTES];
	return json_string(decimal_format(value, decimals, text));
}

static json_t *money(amount_t amount)
{
	char text[MONEY_BYTES];
	return json_string(money_format(amount, 2, text));
}

static json_t *day_text(int32_t day)
{
	struct civil_date d = civil_from_day(day);
	return json_sprintf("%04d-%02d-%02d", d.year, d.month, d.day);
}

json_t *time_text(int64_t at_s)
{
	struct civil_date d = civil_from_day((int32_t)(at_s / 86400));
	int s = (int)(at_s % 86400);
	return json_sprintf("%04d-%02d-%02dT%02d:%02d:%02dZ", d.year, d.month, d.day, s / 3600,
	                    s / 60 % 60, s % 60);
}

/* Tells whether the values that a bill was made of are still the same. */
json_t *digest_of(const struct usage *u)
{
	static const struct hash_key key;
	uint64_t digest = u->row.count;
	for (uint32_t i = 0; i < u->row.count; i++) {
		uint64_t part[3] = {digest, (uint64_t)u->row.intervals[i].energy_mwh,
		                    u->row.intervals[i].source};
		digest = siphash24(key, part, sizeof part);
	}
	return json_sprintf("%08x%08x", (uint32_t)(digest >> 32), (uint32_t)digest);
}

static json_t *line_object(const struct bill_line *l)
{
	const struct tariff *t = l->tariff;
	if (l->fixed)
		return json_pack("{s:i, s:s, s:i, s:o}", "tariff_version", t->version, "charge",
		                 t->fixed[l->charge].name, "days", l->days, "amount",
		                 money(l->amount));
	return json_pack("{s:i, s:i, s:s, s:o, s:o, s:o, s:I, s:o}", "tariff_version", t->version,
	                 "tier", l->tier + 1, "period", t->periods[l->period].name, "kwh",
	                 decimal(l->energy_mwh, KWH_DECIMALS), "price",
	                 money(money_of_price(t->tiers[l->tier].price)), "multiplier",
	                 decimal(t->periods[l->period].multiplier, MULTIPLIER_DECIMALS),
	                 "intervals", (json_int_t)l->intervals, "amount", money(l->amount));
}

/* What was estimated, gap by gap. */
static json_t *estimates_of(const struct usage *u)
{
	json_t *all = json_array();
	for (uint32_t i = 0; i < u->gap_count; i++) {
		const struct vee_gap *gap = &u->gaps[i].gap;
		int64_t from_s = u->row.start_s + (int64_t)gap->first * u->row.interval_s;
		int64_t energy_mwh = 0;
		for (uint32_t k = gap->first; k < gap->first + gap->count; k++)
			energy_mwh += u->row.intervals[k].energy_mwh;
		json_array_append_new(
		    all, json_pack("{s:o, s:o, s:s, s:i, s:o}", "from", time_text(from_s), "to",
		                   time_text(from_s + (int64_t)gap->count * u->row.interval_s),
		                   "how", vee_source_name(u->gaps[i].source), "intervals",
		                   (int)gap->count, "kwh", decimal(energy_mwh, KWH_DECIMALS)));
	}
	return all;
}

/* A register's reading at a boundary; null: it was not read there. */
static json_t *register_at(const struct drawing *d, uint32_t device, int64_t at_s)
{
	struct usage_shown shown;
	struct error err;
	int32_t tolerance_s = vee_rules_on(d->from.rules, d->usage.from_day)->tolerance_s;
	if (usage_shown_at(&d->from, device, at_s, tolerance_s, &shown, &err) != RESULT_OK)
		return json_null();
	return json_pack("{s:o, s:o}", "time", time_text(shown.ts_ms / 1000), "kwh",
	                 decimal(shown.value_mwh, KWH_DECIMALS));
}

static json_t *registers_of(const struct drawing *d)
{
	int64_t end_s = d->usage.row.start_s +
	                (int64_t)d->usage.row.count * d->usage.row.interval_s;
	return json_pack("[{s:s, s:o, s:o}]", "meter", d->device->id, "begin",
	                 register_at(d, d->device->number, d->usage.row.start_s), "end",
	                 register_at(d, d->device->number, end_s));
}

static json_t *bill_object(const struct drawing *d)
{
	const struct bill *b = &d->bill;
	const struct tariff *t = b->lines[0].tariff;
	json_t *lines = json_array();
	for (uint32_t i = 0; i < b->line_count; i++)
		json_array_append_new(lines, line_object(&b->lines[i]));
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:i, s:o, s:o, s:o, "
	                 "s:o, s:o, s:o}", "meter", d->device->id, "month", d->month, "state",
	                 "drawn", "from", day_text(b->from_day), "to", day_text(b->end_day),
	                 "timezone", calendar_zone(d->from.calendar), "tariff", t->id, "currency",
	                 t->currency, "kwh", decimal(b->energy_mwh, KWH_DECIMALS), "completeness",
	                 decimal(d->usage.completeness, 2), "rules",
	                 vee_rules_on(d->from.rules, b->from_day)->version, "digest",
	                 digest_of(&d->usage), "lines", lines, "exact",
	                 money(b->exact), "total", decimal(b->total, t->decimals), "registers",
	                 registers_of(d), "estimates", estimates_of(&d->usage));
}

json_t *document_not_billed(const char *id, const char *month, const char *tariff,
                            const char *cause)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "meter", id, "month", month, "state",
	                 "not_billed", "tariff", tariff, "cause", cause);
}

static enum result check_billable(const struct invoices_source *source, const struct usage *u,
                                  struct error *err)
{
	char is[DECIMAL_BYTES], least[DECIMAL_BYTES];
	int32_t at_least = vee_rules_on(source->rules, u->from_day)->completeness_min;
	uint32_t missing = 0;
	for (uint32_t i = 0; i < u->row.count; i++)
		missing += u->row.intervals[i].source == VEE_MISSING;
	if (u->completeness < at_least)
		return fail(RESULT_INPUT, err,
		            "only %s %% of the intervals are actual values; expected %s %%",
		            decimal_format(u->completeness, 2, is),
		            decimal_format(at_least, 2, least));
	if (missing > 0)
		return fail(RESULT_INPUT, err,
		            "%u intervals have no value and can't be estimated", missing);
	return RESULT_OK;
}

static enum result compute(struct drawing *d, const struct tariff *const *versions,
                           uint32_t count, struct error *err)
{
	const struct usage *u = &d->usage;
	struct bill_interval *intervals = malloc((u->row.count + 1) * sizeof *intervals);
	if (!intervals)
		return fail(RESULT_RESOURCE, err, "no memory for a bill");
	for (uint32_t i = 0; i < u->row.count; i++)
		intervals[i] = (struct bill_interval){
		    u->row.start_s + (int64_t)i * u->row.interval_s,
		    u->row.intervals[i].energy_mwh};
	struct bill_request r = {
	    .calendar = d->from.calendar,
	    .versions = versions,
	    .version_count = count,
	    .from_day = u->from_day,
	    .end_day = u->end_day,
	    .period_from = u->from_day,
	    .period_end = u->end_day,
	    .intervals = intervals,
	    .interval_count = u->row.count,
	    .trace = d->trace,
	    .trace_context = d->trace_context,
	};
	enum result result = bill_compute(&r, &d->bill, err);
	free(intervals);
	return result;
}

struct usage_source usage_source_of(const struct invoices_source *source,
                                    const struct usage_page *page)
{
	return (struct usage_source){.store = source->store,
	                             .profiles = source->profiles,
	                             .calendar = source->calendar,
	                             .rules = source->rules,
	                             .now_s = clock_wall_ms() / 1000,
	                             .page = page};
}

static enum result load_usage(struct drawing *d, struct error *err)
{
	int32_t from_day, end_day;
	enum result result = month_days(d->month, &from_day, &end_day, err);
	if (result == RESULT_OK)
		result = usage_load(&d->from, d->device->number, d->device->dials, from_day,
		                    end_day, &d->usage, err);
	return result;
}

enum result drawing_make(const struct invoices_source *source, const char *tariff,
                         struct drawing *d, struct error *err)
{
	uint32_t count;
	const struct tariff *const *versions = tariff_book_find(source->tariffs, tariff, &count);
	if (!versions)
		return fail(RESULT_ABSENT, err, "there is no tariff '%.60s' in tariffs_dir",
		            tariff);
	d->from = usage_source_of(source, d->page);
	enum result result = load_usage(d, err);
	if (result != RESULT_OK)
		return result;
	result = check_billable(source, &d->usage, err);
	if (result == RESULT_OK)
		result = compute(d, versions, count, err);
	if (result != RESULT_OK)
		usage_free(&d->usage);
	return result;
}

enum result document_draw(const struct invoices_source *source, const struct usage_page *page,
                          const struct device *device, const char *month, const char *tariff,
                          json_t **out, struct error *err)
{
	struct drawing *d = calloc(1, sizeof *d);
	if (!d)
		return fail(RESULT_RESOURCE, err, "no memory for a bill");
	d->page = page;
	d->device = device;
	d->month = month;
	enum result result = drawing_make(source, tariff, d, err);
	if (result == RESULT_OK) {
		*out = bill_object(d);
		if (!*out)
			result = fail(RESULT_RESOURCE, err, "no memory for a bill");
		usage_free(&d->usage);
	}
	free(d);
	return result;
}
