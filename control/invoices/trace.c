/* SPDX-License-Identifier: Apache-2.0 */
#include "control/invoices/trace.h"

#include <stdlib.h>

#include "base/clock.h"
#include "control/config/decimal.h"
#include "control/invoices/invoices_priv.h"

#define KWH_DECIMALS 6
#define PIECES_MAX   (TARIFF_TIERS_MAX + 1)

struct tracing {
	uint32_t interval, count;
	struct {
		uint32_t line;
		int64_t energy_mwh;
	} pieces[PIECES_MAX];
};

static void on_piece(void *context, uint32_t interval, uint32_t line, int64_t energy_mwh)
{
	struct tracing *t = context;
	if (interval != t->interval || t->count == PIECES_MAX)
		return;
	t->pieces[t->count].line = line;
	t->pieces[t->count++].energy_mwh = energy_mwh;
}

static json_t *pieces_json(const struct tracing *t, const struct bill *bill)
{
	char kwh[DECIMAL_BYTES];
	json_t *list = json_array();
	for (uint32_t i = 0; i < t->count; i++) {
		const struct bill_line *l = &bill->lines[t->pieces[i].line];
		json_array_append_new(
		    list, json_pack("{s:i, s:i, s:s, s:s}", "tariff_version", l->tariff->version,
		                    "tier", l->tier + 1, "period",
		                    l->tariff->periods[l->period].name, "kwh",
		                    decimal_format(t->pieces[i].energy_mwh, KWH_DECIMALS, kwh)));
	}
	return list;
}

static enum result compute(const struct invoices_source *source, const struct usage *u,
                           const struct tariff *const *versions, uint32_t count,
                           struct tracing *t, struct bill *bill, struct error *err)
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
	    .trace = on_piece,
	    .trace_context = t,
	};
	enum result result = bill_compute(&r, bill, err);
	free(intervals);
	return result;
}

enum result invoices_trace(struct invoices *iv, const char *id, const char *month,
                           const char *tariff, int64_t start_s, json_t **out, struct error *err)
{
	const struct invoices_source *source = &iv->source;
	const struct usage_source from = {.store = source->store,
	                                  .profiles = source->profiles,
	                                  .calendar = source->calendar,
	                                  .rules = source->rules,
	                                  .now_s = clock_wall_ms() / 1000};
	uint32_t count;
	int32_t from_day, end_day;
	struct device d;
	struct usage u;
	const struct tariff *const *versions = tariff_book_find(source->tariffs, tariff, &count);
	enum result result = registry_get(source->registry, id, &d, err);
	if (result == RESULT_OK && !versions)
		result = fail(RESULT_ABSENT, err, "there is no tariff '%.60s'", tariff);
	if (result == RESULT_OK)
		result = month_days(month, &from_day, &end_day, err);
	if (result == RESULT_OK)
		result = usage_load(&from, d.number, d.dials, from_day, end_day, &u, err);
	if (result != RESULT_OK)
		return result;
	struct tracing t = {.interval = (uint32_t)((start_s - u.row.start_s) / u.row.interval_s)};
	struct bill *bill = malloc(sizeof *bill);
	result = bill ? compute(source, &u, versions, count, &t, bill, err)
	              : fail(RESULT_RESOURCE, err, "no memory for a bill");
	if (result == RESULT_OK)
		*out = pieces_json(&t, bill);
	free(bill);
	usage_free(&u);
	return result;
}
