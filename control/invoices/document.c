/* SPDX-License-Identifier: Apache-2.0 */
/* A bill as a JSON document: numbers are text, so that nobody rounds them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "control/config/decimal.h"
#include "control/invoices/invoices_priv.h"

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

/* Tells whether the values that a bill was made of are still the same. */
static json_t *digest_of(const struct usage *u)
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

static json_t *bill_object(const struct invoices_source *source, const char *id, const char *month,
                           const struct usage *u, const struct bill *b)
{
	const struct tariff *t = b->lines[0].tariff;
	json_t *lines = json_array();
	for (uint32_t i = 0; i < b->line_count; i++)
		json_array_append_new(lines, line_object(&b->lines[i]));
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:i, s:o, s:o, s:o, "
	                 "s:o}", "meter", id, "month", month, "state", "drawn", "from",
	                 day_text(b->from_day), "to", day_text(b->end_day), "timezone",
	                 calendar_zone(source->calendar), "tariff", t->id, "currency", t->currency,
	                 "kwh", decimal(b->energy_mwh, KWH_DECIMALS), "completeness",
	                 decimal(u->completeness, 2), "rules",
	                 vee_rules_on(source->rules, b->from_day)->version, "digest", digest_of(u),
	                 "lines", lines, "exact", money(b->exact), "total",
	                 decimal(b->total, t->decimals));
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

static enum result compute(const struct invoices_source *source, const struct usage *u,
                           const struct tariff *const *versions, uint32_t count,
                           struct bill *bill, struct error *err)
{
	struct bill_interval *intervals = malloc((u->row.count + 1) * sizeof *intervals);
	if (!intervals)
		return fail(RESULT_RESOURCE, err, "no memory for a bill");
	for (uint32_t i = 0; i < u->row.count; i++)
		intervals[i] = (struct bill_interval){
		    u->row.start_s + (int64_t)i * u->row.interval_s,
		    u->row.intervals[i].energy_mwh};
	struct bill_request r = {
	    .calendar = source->calendar,
	    .versions = versions,
	    .version_count = count,
	    .from_day = u->from_day,
	    .end_day = u->end_day,
	    .period_from = u->from_day,
	    .period_end = u->end_day,
	    .intervals = intervals,
	    .interval_count = u->row.count,
	};
	enum result result = bill_compute(&r, bill, err);
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

static enum result load_usage(const struct invoices_source *source, const struct usage_page *page,
                              const struct device *d, const char *month, struct usage *u,
                              struct error *err)
{
	const struct usage_source from = usage_source_of(source, page);
	int32_t from_day, end_day;
	enum result result = month_days(month, &from_day, &end_day, err);
	if (result == RESULT_OK)
		result = usage_load(&from, d->number, d->dials, from_day, end_day, u, err);
	return result;
}

enum result document_draw(const struct invoices_source *source, const struct usage_page *page,
                          const struct device *d, const char *month, const char *tariff,
                          json_t **out, struct error *err)
{
	uint32_t count;
	const struct tariff *const *versions = tariff_book_find(source->tariffs, tariff, &count);
	struct usage u;
	if (!versions)
		return fail(RESULT_ABSENT, err, "there is no tariff '%.60s' in tariffs_dir",
		            tariff);
	enum result result = load_usage(source, page, d, month, &u, err);
	if (result != RESULT_OK)
		return result;
	struct bill *bill = malloc(sizeof *bill);
	result = bill ? check_billable(source, &u, err)
	              : fail(RESULT_RESOURCE, err, "no memory for a bill");
	if (result == RESULT_OK)
		result = compute(source, &u, versions, count, bill, err);
	if (result == RESULT_OK) {
		*out = bill_object(source, d->id, month, &u, bill);
		if (!*out)
			result = fail(RESULT_RESOURCE, err, "no memory for a bill");
	}
	free(bill);
	usage_free(&u);
	return result;
}
