/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the lines of a bill back to what they were made of: each piece of energy with its interval,
 * how the interval's value came about, the meter, and the two readings of the register that it lies
 * between.
 *
 * Threads: any ordinary ones. Memory: the readings of the month, and the answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/reading_flags.h"
#include "control/config/decimal.h"
#include "control/invoices/invoices_priv.h"

#define KWH_DECIMALS 6

struct piece {
	uint32_t interval, line;
	int64_t energy_mwh;
};

/* A reading that may stand at a boundary. */
struct found {
	int64_t ts_ms, meter_ts_ms, received_ms;
	int64_t value;
	uint16_t flags;
};

/* The readings of a meter while it was there. */
struct source_meter {
	const char *id;
	uint32_t device;
	int64_t from_s, to_s; /* of the bill's days */
	struct found *found;  /* ascending by ts_ms */
	uint32_t found_count, found_room;
};

struct trace {
	/* whose */
	struct device device;
	struct service_point point;
	struct bill_subject subject;
	json_t *closed; /* the bill as it is kept; NULL: it is not */
	/* made of */
	struct drawing drawing;
	struct piece *pieces;
	uint32_t piece_count, piece_room;
	struct source_meter meters[INSTALLATIONS_MAX];
	uint32_t meter_count;
	struct source_meter *reading; /* whose readings are read */
	bool no_memory;
};

static bool room(void **array, uint32_t count, uint32_t *capacity, size_t bytes)
{
	if (count < *capacity)
		return true;
	uint32_t more = *capacity ? *capacity * 2 : 4096;
	void *grown = realloc(*array, more * bytes);
	if (!grown)
		return false;
	*array = grown;
	*capacity = more;
	return true;
}

static void on_piece(void *context, uint32_t interval, uint32_t line, int64_t energy_mwh)
{
	struct trace *t = context;
	if (t->no_memory || !room((void **)&t->pieces, t->piece_count, &t->piece_room,
	                          sizeof t->pieces[0])) {
		t->no_memory = true;
		return;
	}
	t->pieces[t->piece_count++] = (struct piece){interval, line, energy_mwh};
}

/* --- readings --- */

static int64_t mwh_of(int64_t value, int kwh_pow10)
{
	for (; kwh_pow10 < KWH_DECIMALS; kwh_pow10++)
		value *= 10;
	for (; kwh_pow10 > KWH_DECIMALS; kwh_pow10--)
		value /= 10;
	return value;
}

static bool on_reading(void *context, const struct stored_reading *r)
{
	struct trace *t = context;
	struct source_meter *m = t->reading;
	const struct profile *p = t->drawing.from.profiles->by_id[r->profile];
	for (unsigned i = 0; p && p->register_slot >= 0 && i < r->channel_count; i++) {
		if (r->channel[i] != p->channels[p->register_slot].channel)
			continue;
		t->no_memory = !room((void **)&m->found, m->found_count, &m->found_room,
		                     sizeof m->found[0]);
		if (!t->no_memory)
			m->found[m->found_count++] = (struct found){
			    r->ts_ms, r->meter_ts_ms, r->received_ms,
			    mwh_of(r->value[i], p->register_kwh_pow10), r->flags};
	}
	return !t->no_memory;
}

/* Its readings within the days and next to them, but not those from when it was elsewhere. */
static enum result read_meter(struct trace *t, struct source_meter *m,
                              const struct installation *in, struct store *store,
                              struct error *err)
{
	const struct vee_row *row = &t->drawing.usage.row;
	int64_t margin_s = t->drawing.from.rules->tolerance_s + 1;
	int64_t from_s = row->start_s - margin_s;
	int64_t to_s = row->start_s + (int64_t)row->count * row->interval_s + margin_s;
	if (in && in->from_s > from_s)
		from_s = in->from_s;
	if (in && installation_end_s(in) < to_s)
		to_s = installation_end_s(in);
	t->reading = m;
	enum result result = store_scan_device(store, m->device, from_s * 1000, to_s * 1000,
	                                       on_reading, t, err);
	if (result == RESULT_OK && t->no_memory)
		result = fail(RESULT_RESOURCE, err, "no memory for the trace of a bill");
	return result;
}

static enum result read_meters(struct trace *t, struct store *store, struct error *err)
{
	const struct drawing *d = &t->drawing;
	enum result result = RESULT_OK;
	if (t->subject.device) {
		t->meters[t->meter_count++] = (struct source_meter){
		    .id = t->device.id, .device = t->device.number, .to_s = INT64_MAX};
		return read_meter(t, &t->meters[0], NULL, store, err);
	}
	for (uint32_t i = 0; i < d->parts.count && result == RESULT_OK; i++) {
		const struct usage_part *part = &d->parts.list[i];
		struct source_meter *m = &t->meters[t->meter_count++];
		*m = (struct source_meter){.id = part->installation.meter,
		                           .device = part->device,
		                           .from_s = part->from_s,
		                           .to_s = part->to_s};
		result = read_meter(t, m, &part->installation, store, err);
	}
	return result;
}

/* The meter that was there; at an end of the days the one next to it. NULL: none. */
static const struct source_meter *meter_at(const struct trace *t, int64_t at_s)
{
	const struct source_meter *last = NULL;
	for (uint32_t i = 0; i < t->meter_count; i++) {
		const struct source_meter *m = &t->meters[i];
		if (m->from_s <= at_s && at_s < m->to_s)
			return m;
		if (m->to_s == at_s)
			last = m;
	}
	return last;
}

/* The reading that stands for a boundary: the nearest within the tolerance, of two the later. */
static const struct found *found_at(const struct trace *t, const struct source_meter *m,
                                    int64_t at_s)
{
	int64_t best =
	    vee_rules_on(t->drawing.from.rules, t->drawing.usage.from_day)->tolerance_s;
	const struct found *nearest = NULL;
	uint32_t low = 0, high = m ? m->found_count : 0;
	uint32_t count = high;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (m->found[middle].ts_ms / 1000 < at_s - best)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < count && m->found[low].ts_ms / 1000 <= at_s + best; low++) {
		int64_t distance = llabs(m->found[low].ts_ms / 1000 - at_s);
		if (distance <= best) {
			nearest = &m->found[low];
			best = distance;
		}
	}
	return nearest;
}

/* --- as JSON --- */

static const char *line_name(const struct trace *t, const struct bill_line *l, char *out,
                             size_t bytes)
{
	bool many = t->drawing.span_count > 1;
	snprintf(out, bytes, "%s%sversion %d, tier %d, %s", many ? l->tariff->id : "",
	         many ? " " : "", (int)l->tariff->version, l->tier + 1,
	         l->tariff->periods[l->period].name);
	return out;
}

static void put_found(json_t *piece, const char *which, const struct found *f)
{
	char key[32];
	snprintf(key, sizeof key, "%s_kwh", which);
	json_object_set_new(piece, key, f ? kwh_text(f->value) : json_null());
	snprintf(key, sizeof key, "%s_read", which);
	json_object_set_new(piece, key, f ? time_text(f->ts_ms / 1000) : json_null());
	snprintf(key, sizeof key, "%s_received", which);
	json_object_set_new(piece, key, f ? time_text(f->received_ms / 1000) : json_null());
	snprintf(key, sizeof key, "%s_by", which);
	json_object_set_new(piece, key,
	                    !f                              ? json_null()
	                    : f->flags & READING_F_TS_REPLACED ? json_string("corrected time")
	                    : json_string(reading_protocol_name(f->flags >>
	                                                        READING_PROTOCOL_SHIFT)));
}

static json_t *id_of(const struct source_meter *m)
{
	return m ? json_string(m->id) : json_null();
}

/* In an interval of a swap the meter at its end is another one than at its beginning. */
static json_t *piece_object(const struct trace *t, const struct piece *p)
{
	const struct vee_row *row = &t->drawing.usage.row;
	const struct bill_line *line = &t->drawing.bill.lines[p->line];
	int64_t start_s = row->start_s + (int64_t)p->interval * row->interval_s;
	int64_t end_s = start_s + row->interval_s;
	const struct source_meter *begin = meter_at(t, start_s), *end = meter_at(t, end_s - 1);
	char name[128];
	json_t *piece = json_pack(
	    "{s:i, s:s, s:o, s:o, s:o, s:s, s:o, s:o}", "line", (int)p->line + 1, "what",
	    line_name(t, line, name, sizeof name), "start", time_text(start_s), "kwh",
	    kwh_text(p->energy_mwh), "interval_kwh",
	    kwh_text(row->intervals[p->interval].energy_mwh), "source",
	    vee_source_name(row->intervals[p->interval].source), "meter", id_of(begin),
	    "end_meter", id_of(end));
	/* at a swap on the boundary itself the old one's end is its final value */
	put_found(piece, "begin", found_at(t, begin, start_s));
	put_found(piece, "end", found_at(t, end, end_s));
	return piece;
}

static json_t *trace_object(const struct trace *t)
{
	const struct drawing *d = &t->drawing;
	json_t *pieces = json_array(), *digest = digest_of(d);
	const json_t *adjustments = json_object_get(t->closed, "adjustments");
	size_t count = json_array_size(adjustments);
	const char *was = document_text(t->closed, "digest");
	if (count > 0 && t->subject.point) /* that of the days as they were adjusted */
		was = document_text(json_array_get(adjustments, count - 1), "digest");
	for (uint32_t i = 0; i < t->piece_count; i++)
		json_array_append_new(pieces, piece_object(t, &t->pieces[i]));
	json_t *out = json_pack(
	    "{s:s, s:s, s:s, s:i, s:b, s:o, s:o}", "meter",
	    t->meter_count > 0 ? t->meters[t->meter_count - 1].id : "", "month",
	    t->subject.month, "tariff", d->spans[0].versions[0]->id, "rules",
	    vee_rules_on(d->from.rules, d->usage.from_day)->version, "as_closed",
	    *was && strcmp(was, json_string_value(digest)) == 0, "digest", digest, "pieces",
	    pieces);
	if (out && t->subject.point) {
		json_object_set_new(out, "service_point", json_string(t->point.id));
		json_object_set_new(out, "number", json_integer(t->subject.number));
		json_object_set_new(out, "customer", json_string(t->subject.customer));
		json_object_set_new(out, "from", day_text(t->subject.from_day));
		json_object_set_new(out, "to", day_text(t->subject.end_day));
	}
	return out;
}

/* --- a bill, taken apart --- */

/* The subject of a bill that is kept: the days and the customer are those of the bill. */
static enum result subject_of_closed(struct invoices *iv, const struct bill_name *name,
                                     struct trace *t, struct error *err)
{
	const char *point = document_text(t->closed, "service_point");
	struct bill_subject *s = &t->subject;
	enum result result;
	if (!*point) {
		result = registry_get(iv->source.registry, name->id, &t->device, err);
		return result == RESULT_OK ? subject_of_meter(s, &t->device, name->month, err)
		                           : result;
	}
	result = registry_point_get(iv->source.registry, point, &t->point, err);
	if (result == RESULT_OK)
		result = subject_of_point(s, &t->point, name->month, err);
	if (result == RESULT_OK)
		result = document_days(t->closed, json_object_get(t->closed, "adjustments"),
		                       &s->from_day, &s->end_day, err);
	if (result == RESULT_OK && s->from_day >= s->end_day)
		result = fail(RESULT_INPUT, err, "this bill was adjusted to nothing");
	snprintf(s->customer, sizeof s->customer, "%s", document_text(t->closed, "customer"));
	if (result == RESULT_OK)
		subject_set_number(
		    s, (unsigned)json_integer_value(json_object_get(t->closed, "number")));
	return result;
}

/* `tariff` NULL: that of the bill that is kept, or the point's own. */
static enum result find_subject(struct invoices *iv, const struct bill_name *name,
                                const char *tariff, struct trace *t, struct error *err)
{
	struct drawing *d = &t->drawing;
	enum result result = invoices_get(iv, name, &t->closed, err);
	if (result != RESULT_OK)
		t->closed = NULL;
	if (result == RESULT_ABSENT && tariff)
		result = RESULT_OK;
	if (result != RESULT_OK)
		return result;
	d->tariff = (struct tariff_choice){tariff, true};
	if (!tariff)
		d->tariff = document_tariff(t->closed);
	if (t->closed && strcmp(document_text(t->closed, "state"), "closed") == 0)
		return subject_of_closed(iv, name, t, err);
	return subject_find(&iv->source, name, &t->device, &t->point, &t->subject, err);
}

static void trace_free(struct trace *t)
{
	if (!t)
		return;
	usage_free(&t->drawing.usage);
	json_decref(t->closed);
	free(t->pieces);
	for (uint32_t i = 0; i < t->meter_count; i++)
		free(t->meters[i].found);
	free(t);
}

/* Draw the bill anew and keep its pieces. NULL: *result says why not. */
static struct trace *take_apart(struct invoices *iv, const struct bill_name *name,
                                const char *tariff, enum result *result, struct error *err)
{
	struct trace *t = calloc(1, sizeof *t);
	if (!t) {
		*result = fail(RESULT_RESOURCE, err, "no memory for the trace of a bill");
		return NULL;
	}
	t->drawing.subject = &t->subject;
	t->drawing.trace = on_piece;
	t->drawing.trace_context = t;
	*result = find_subject(iv, name, tariff, t, err);
	if (*result == RESULT_OK)
		*result = drawing_make(&iv->source, &t->drawing, err);
	if (*result == RESULT_OK && t->no_memory)
		*result = fail(RESULT_RESOURCE, err, "no memory for the trace of a bill");
	if (*result == RESULT_OK)
		return t;
	trace_free(t);
	return NULL;
}

enum result invoices_pieces(struct invoices *iv, const struct bill_name *name, const char *tariff,
                            json_t **out, struct error *err)
{
	enum result result;
	struct trace *t = take_apart(iv, name, tariff, &result, err);
	if (!t)
		return result;
	result = read_meters(t, iv->source.store, err);
	if (result == RESULT_OK)
		*out = trace_object(t);
	trace_free(t);
	return result;
}

enum result invoices_lines(struct invoices *iv, const struct bill_name *name, int64_t start_s,
                           json_t **out, struct error *err)
{
	enum result result;
	struct trace *t = take_apart(iv, name, NULL, &result, err);
	if (!t)
		return result;
	const struct vee_row *row = &t->drawing.usage.row;
	*out = json_array();
	for (uint32_t i = 0; i < t->piece_count; i++) {
		const struct piece *p = &t->pieces[i];
		const struct bill_line *l = &t->drawing.bill.lines[p->line];
		if (row->start_s + (int64_t)p->interval * row->interval_s != start_s)
			continue;
		json_array_append_new(
		    *out, json_pack("{s:s, s:i, s:i, s:s, s:o}", "tariff", l->tariff->id,
		                    "tariff_version", l->tariff->version, "tier", l->tier + 1,
		                    "period", l->tariff->periods[l->period].name, "kwh",
		                    kwh_text(p->energy_mwh)));
	}
	trace_free(t);
	return RESULT_OK;
}
