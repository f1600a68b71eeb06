/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the lines of a bill back to what they were made of: each piece of energy with its interval,
 * how the interval's value came about, and the two readings of the register that it lies between.
 *
 * Threads: any ordinary ones. Memory: the readings of the month, and the answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/reading.h"
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

struct trace {
	struct drawing drawing;
	struct piece *pieces;
	uint32_t piece_count, piece_room;
	struct found *found; /* ascending by ts_ms */
	uint32_t found_count, found_room;
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
	const struct profile *p = t->drawing.from.profiles->by_id[r->profile];
	for (unsigned i = 0; p && p->register_slot >= 0 && i < r->channel_count; i++) {
		if (r->channel[i] != p->channels[p->register_slot].channel)
			continue;
		t->no_memory = !room((void **)&t->found, t->found_count, &t->found_room,
		                     sizeof t->found[0]);
		if (!t->no_memory)
			t->found[t->found_count++] = (struct found){
			    r->ts_ms, r->meter_ts_ms, r->received_ms,
			    mwh_of(r->value[i], p->register_kwh_pow10), r->flags};
	}
	return !t->no_memory;
}

/* The reading that stands for a boundary: the nearest within the tolerance, of two the later. */
static const struct found *found_at(const struct trace *t, int64_t at_s)
{
	int64_t best =
	    vee_rules_on(t->drawing.from.rules, t->drawing.usage.from_day)->tolerance_s;
	const struct found *nearest = NULL;
	uint32_t low = 0, high = t->found_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (t->found[middle].ts_ms / 1000 < at_s - best)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < t->found_count && t->found[low].ts_ms / 1000 <= at_s + best; low++) {
		int64_t distance = llabs(t->found[low].ts_ms / 1000 - at_s);
		if (distance <= best) {
			nearest = &t->found[low];
			best = distance;
		}
	}
	return nearest;
}

/* --- as JSON --- */

static json_t *kwh(int64_t energy_mwh)
{
	char text[DECIMAL_BYTES];
	return json_string(decimal_format(energy_mwh, KWH_DECIMALS, text));
}

static const char *line_name(const struct bill_line *l, char *out, size_t bytes)
{
	snprintf(out, bytes, "version %d, tier %d, %s", (int)l->tariff->version, l->tier + 1,
	         l->tariff->periods[l->period].name);
	return out;
}

static void put_found(json_t *piece, const char *which, const struct found *f)
{
	static const char *const protocols[] = {"mqtt", "coap", "replay"};
	unsigned protocol = f ? f->flags >> READING_PROTOCOL_SHIFT : 0;
	char key[32];
	snprintf(key, sizeof key, "%s_kwh", which);
	json_object_set_new(piece, key, f ? kwh(f->value) : json_null());
	snprintf(key, sizeof key, "%s_read", which);
	json_object_set_new(piece, key, f ? time_text(f->ts_ms / 1000) : json_null());
	snprintf(key, sizeof key, "%s_received", which);
	json_object_set_new(piece, key, f ? time_text(f->received_ms / 1000) : json_null());
	snprintf(key, sizeof key, "%s_by", which);
	json_object_set_new(piece, key,
	                    !f                              ? json_null()
	                    : f->flags & READING_F_TS_REPLACED ? json_string("corrected time")
	                    : protocol < 3 ? json_string(protocols[protocol])
	                                   : json_string("other"));
}

static json_t *piece_object(const struct trace *t, const struct piece *p)
{
	const struct vee_row *row = &t->drawing.usage.row;
	const struct bill_line *line = &t->drawing.bill.lines[p->line];
	int64_t start_s = row->start_s + (int64_t)p->interval * row->interval_s;
	char name[128];
	json_t *piece = json_pack(
	    "{s:i, s:s, s:o, s:o, s:o, s:s}", "line", (int)p->line + 1, "what",
	    line_name(line, name, sizeof name), "start", time_text(start_s), "kwh",
	    kwh(p->energy_mwh), "interval_kwh", kwh(row->intervals[p->interval].energy_mwh),
	    "source", vee_source_name(row->intervals[p->interval].source));
	put_found(piece, "begin", found_at(t, start_s));
	put_found(piece, "end", found_at(t, start_s + row->interval_s));
	return piece;
}

static json_t *trace_object(const struct trace *t, const json_t *closed)
{
	const struct drawing *d = &t->drawing;
	json_t *pieces = json_array(), *digest = digest_of(&d->usage);
	const char *was = json_string_value(json_object_get(closed, "digest"));
	for (uint32_t i = 0; i < t->piece_count; i++)
		json_array_append_new(pieces, piece_object(t, &t->pieces[i]));
	return json_pack("{s:s, s:s, s:s, s:i, s:b, s:o, s:o}", "meter", d->device->id, "month",
	                 d->month, "tariff", d->bill.lines[0].tariff->id, "rules",
	                 vee_rules_on(d->from.rules, d->usage.from_day)->version, "as_closed",
	                 was && strcmp(was, json_string_value(digest)) == 0, "digest", digest,
	                 "pieces", pieces);
}

static enum result make(struct invoices *iv, struct trace *t, const char *tariff,
                        struct error *err)
{
	struct drawing *d = &t->drawing;
	d->trace = on_piece;
	d->trace_context = t;
	enum result result = drawing_make(&iv->source, tariff, d, err);
	if (result != RESULT_OK)
		return result;
	int64_t margin_s = d->from.rules->tolerance_s + 1;
	int64_t end_s = d->usage.row.start_s +
	                (int64_t)d->usage.row.count * d->usage.row.interval_s;
	result = store_scan_device(iv->source.store, d->device->number,
	                           (d->usage.row.start_s - margin_s) * 1000,
	                           (end_s + margin_s) * 1000, on_reading, t, err);
	if (result == RESULT_OK && t->no_memory)
		result = fail(RESULT_RESOURCE, err, "no memory for the trace of a bill");
	return result;
}

enum result invoices_pieces(struct invoices *iv, const char *id, const char *month,
                           const char *tariff, json_t **out, struct error *err)
{
	struct device device;
	json_t *closed = NULL;
	enum result result = registry_get(iv->source.registry, id, &device, err);
	if (result == RESULT_OK)
		result = invoices_get(iv, id, month, &closed, err);
	if (result == RESULT_ABSENT && tariff)
		result = RESULT_OK;
	if (result == RESULT_OK && !tariff)
		tariff = json_string_value(json_object_get(closed, "tariff"));
	struct trace *t = result == RESULT_OK ? calloc(1, sizeof *t) : NULL;
	if (result == RESULT_OK && !t)
		result = fail(RESULT_RESOURCE, err, "no memory for the trace of a bill");
	if (result == RESULT_OK) {
		t->drawing.device = &device;
		t->drawing.month = month;
		result = make(iv, t, tariff ? tariff : "", err);
	}
	if (result == RESULT_OK)
		*out = trace_object(t, closed);
	if (t) {
		usage_free(&t->drawing.usage);
		free(t->pieces);
		free(t->found);
	}
	free(t);
	json_decref(closed);
	return result;
}
