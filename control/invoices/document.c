/* SPDX-License-Identifier: Apache-2.0 */
/* A bill as a JSON document: numbers are text, so that nobody rounds them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "control/calendar/time_text.h"
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

json_t *day_text(int32_t day)
{
	char text[DAY_FORMAT_BYTES];
	return json_string(day_format(day, text));
}

json_t *kwh_text(int64_t energy_mwh)
{
	return decimal(energy_mwh, KWH_DECIMALS);
}

json_t *time_text(int64_t at_s)
{
	char text[TIME_TEXT_BYTES];
	return json_string(time_format(at_s * 1000, text));
}

static uint64_t mix(uint64_t digest, const void *bytes, size_t count)
{
	static const struct hash_key key;
	uint64_t part[2] = {digest, siphash24(key, bytes, count)};
	return siphash24(key, part, sizeof part);
}

/* Of a point also whose bill it is, of which days, by which tariffs: all that can be corrected. */
static uint64_t mix_agreements(uint64_t digest, const struct drawing *d)
{
	const struct bill_subject *s = d->subject;
	int32_t days[2] = {s->from_day, s->end_day};
	digest = mix(digest, days, sizeof days);
	digest = mix(digest, s->customer, strlen(s->customer));
	for (uint32_t i = 0; i < d->span_count; i++) {
		const char *id = d->spans[i].versions[0]->id;
		digest = mix(digest, id, strlen(id));
		digest = mix(digest, &d->spans[i].end_day, sizeof d->spans[i].end_day);
	}
	return digest;
}

/* Tells whether the values that a bill was made of are still the same. */
json_t *digest_of(const struct drawing *d)
{
	static const struct hash_key key;
	const struct usage *u = &d->usage;
	uint64_t digest = u->row.count;
	for (uint32_t i = 0; i < u->row.count; i++) {
		uint64_t part[3] = {digest, (uint64_t)u->row.intervals[i].energy_mwh,
		                    u->row.intervals[i].source};
		digest = siphash24(key, part, sizeof part);
	}
	if (d->subject->point)
		digest = mix_agreements(digest, d);
	return json_sprintf("%08x%08x", (uint32_t)(digest >> 32), (uint32_t)digest);
}

static json_t *line_object(const struct bill_line *l)
{
	const struct tariff *t = l->tariff;
	if (l->fixed)
		return json_pack("{s:i, s:s, s:i, s:o, s:s}", "tariff_version", t->version,
		                 "charge", t->fixed[l->charge].name, "days", l->days, "amount",
		                 money(l->amount), "tariff", t->id);
	return json_pack("{s:i, s:i, s:s, s:o, s:o, s:o, s:I, s:o, s:s}", "tariff_version",
	                 t->version, "tier", l->tier + 1, "period",
	                 t->periods[l->period].name, "kwh",
	                 decimal(l->energy_mwh, KWH_DECIMALS), "price",
	                 money(money_of_price(t->tiers[l->tier].price)), "multiplier",
	                 decimal(t->periods[l->period].multiplier, MULTIPLIER_DECIMALS),
	                 "intervals", (json_int_t)l->intervals, "amount", money(l->amount),
	                 "tariff", t->id);
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

/* What the register said when the meter was installed or removed; else what was read then. */
static json_t *part_register(const struct drawing *d, const struct usage_part *part, bool begin)
{
	const struct installation *in = &part->installation;
	int64_t at_s = begin ? part->from_s : part->to_s;
	int64_t said_mwh = REGISTER_UNKNOWN;
	if (begin && in->from_s == at_s)
		said_mwh = in->initial_mwh;
	else if (!begin && installation_end_s(in) == at_s)
		said_mwh = in->final_mwh;
	if (said_mwh == REGISTER_UNKNOWN)
		return register_at(d, part->device, at_s);
	return json_pack("{s:o, s:o}", "time", time_text(at_s), "kwh", kwh_text(said_mwh));
}

static json_t *part_object(const struct drawing *d, const struct usage_part *part)
{
	char ratio[RATIO_TEXT_BYTES];
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:o}", "meter", part->installation.meter,
	                 "from", time_text(part->from_s), "to", time_text(part->to_s), "begin",
	                 part_register(d, part, true), "end", part_register(d, part, false),
	                 "ratio", ratio_format(&part->installation.ratio, ratio), "kwh",
	                 kwh_text(part->energy_mwh));
}

static json_t *registers_of(const struct drawing *d)
{
	const struct device *device = d->subject->device;
	int64_t start_s = d->usage.row.start_s;
	int64_t end_s = start_s + (int64_t)d->usage.row.count * d->usage.row.interval_s;
	if (device)
		return json_pack("[{s:s, s:o, s:o}]", "meter", device->id, "begin",
		                 register_at(d, device->number, start_s), "end",
		                 register_at(d, device->number, end_s));
	json_t *all = json_array();
	for (uint32_t i = 0; i < d->parts.count; i++)
		json_array_append_new(all, part_object(d, &d->parts.list[i]));
	return all;
}

static void put_text(json_t *object, const char *key, const char *text)
{
	if (*text)
		json_object_set_new(object, key, json_string(text));
}

/* Who pays, and for what place; as the registry has it now. */
static void put_point(const struct invoices_source *source, const struct bill_subject *s,
                      json_t *bill)
{
	struct customer c;
	struct error err;
	if (!s->point)
		return;
	json_object_set_new(bill, "service_point", json_string(s->point->id));
	json_object_set_new(bill, "number", json_integer(s->number));
	put_text(bill, "address", s->point->address);
	put_text(bill, "customer", s->customer);
	if (!*s->customer ||
	    registry_customer_get(source->registry, s->customer, &c, &err) != RESULT_OK)
		return;
	put_text(bill, "customer_name", c.name);
	put_text(bill, "customer_address", c.address);
}

/* The meter itself, or the one that was last at the point on these days. */
static const char *meter_of(const struct invoices_source *source, const struct bill_subject *s)
{
	if (s->device)
		return s->device->id;
	const struct installation *in =
	    point_last_meter(s->point, calendar_day_start_s(source->calendar, s->from_day),
	                     calendar_day_start_s(source->calendar, s->end_day));
	return in ? in->meter : "";
}

/* "sample-a", or all of them in order: "sample-a, sample-b". */
static json_t *tariff_names(const struct drawing *d)
{
	char names[(AGREEMENTS_MAX + 1) * (TARIFF_NAME_BYTES + 2)] = "";
	size_t at = 0;
	for (uint32_t i = 0; i < d->span_count; i++)
		at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i > 0 ? ", " : "",
		                       d->spans[i].versions[0]->id);
	return json_string(names);
}

static json_t *bill_object(const struct invoices_source *source, const struct drawing *d)
{
	const struct bill *b = &d->bill;
	const struct tariff *t = d->spans[0].versions[0];
	json_t *lines = json_array();
	for (uint32_t i = 0; i < b->line_count; i++)
		json_array_append_new(lines, line_object(&b->lines[i]));
	json_t *bill = json_pack(
	    "{s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:s, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, "
	    "s:i, s:i}", "meter", meter_of(source, d->subject), "month", d->subject->month, "state",
	    "drawn", "from", day_text(b->from_day), "to", day_text(b->end_day), "timezone",
	    calendar_zone(d->from.calendar), "tariff", tariff_names(d), "currency", t->currency,
	    "kwh", kwh_text(b->energy_mwh), "completeness", decimal(d->usage.completeness, 2),
	    "rules", vee_rules_on(d->from.rules, b->from_day)->version, "digest", digest_of(d),
	    "lines", lines, "exact", money(b->exact), "total", decimal(b->total, t->decimals),
	    "registers", registers_of(d), "estimates", estimates_of(&d->usage), "days",
	    b->end_day - b->from_day, "period_days", b->period_days);
	if (bill && d->subject->point && d->by_choice)
		put_text(bill, "default_tariff", d->tariff.name);
	if (bill)
		put_point(source, d->subject, bill);
	return bill;
}

json_t *document_not_billed(const struct invoices_source *source, const struct bill_subject *s,
                            const char *tariff, const char *cause)
{
	json_t *document = json_pack("{s:s, s:s, s:s, s:s, s:s}", "meter", meter_of(source, s),
	                             "month", s->month, "state", "not_billed", "tariff", tariff,
	                             "cause", cause);
	if (document && s->point) {
		json_object_set_new(document, "from", day_text(s->from_day));
		json_object_set_new(document, "to", day_text(s->end_day));
		put_point(source, s, document);
	}
	return document;
}

enum result document_draw(const struct invoices_source *source, const struct usage_page *page,
                          const struct bill_subject *s, struct tariff_choice tariff, json_t **out,
                          struct error *err)
{
	struct drawing *d = calloc(1, sizeof *d);
	if (!d)
		return fail(RESULT_RESOURCE, err, "no memory for a bill");
	d->page = page;
	d->subject = s;
	d->tariff = tariff;
	enum result result = drawing_make(source, d, err);
	if (result == RESULT_OK) {
		*out = bill_object(source, d);
		if (!*out)
			result = fail(RESULT_RESOURCE, err, "no memory for a bill");
		usage_free(&d->usage);
	}
	free(d);
	return result;
}
