/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/config/decimal.h"
#include "control/invoices/run_priv.h"

/* --- together --- */

/* Have the meter's page of readings at hand. */
static enum result load_page(struct job *job, uint32_t number)
{
	uint32_t first = number / STORE_GROUP_DEVICES * STORE_GROUP_DEVICES;
	const struct usage_source source = usage_source_of(job->source, NULL);
	int32_t from_day, end_day;
	if (job->page.to_ms != 0 && job->page.first_device == first)
		return RESULT_OK;
	enum result result = month_days(job->month, &from_day, &end_day, &job->err);
	if (result == RESULT_OK)
		result = usage_page_load(&source, first, from_day, end_day, &job->page,
		                         &job->err);
	return result;
}

static bool grow(struct job *job)
{
	uint32_t capacity = job->document_capacity ? job->document_capacity * 2 : 64;
	if (job->document_count < job->document_capacity)
		return true;
	struct job_document *more = realloc(job->documents, capacity * sizeof *more);
	if (!more)
		return false;
	job->documents = more;
	job->document_capacity = capacity;
	return true;
}

enum result bill_job_put(struct job *job, const char *key, json_t *document, bool remove)
{
	char *text = document && !remove ? json_dumps(document, JSON_COMPACT) : NULL;
	json_decref(document);
	if ((!text && !remove) || !grow(job)) {
		free(text);
		return fail(RESULT_RESOURCE, &job->err, "no memory for a document");
	}
	struct job_document *d = &job->documents[job->document_count++];
	snprintf(d->key, sizeof d->key, "%s", key);
	d->text = text;
	return RESULT_OK;
}

enum result bill_job_keep(struct job *job, struct error *err)
{
	struct store_kv *items = calloc(job->document_count + 1, sizeof *items);
	enum result result =
	    items ? RESULT_OK : fail(RESULT_RESOURCE, err, "no memory for the bills of a page");
	for (uint32_t i = 0; items && i < job->document_count; i++) {
		const struct job_document *d = &job->documents[i];
		items[i] = (struct store_kv){d->key, strlen(d->key), d->text,
		                             d->text ? strlen(d->text) : 0};
	}
	if (items && job->document_count > 0)
		result = store_kv_write(job->source->store, STORE_CONTROL, items,
		                        job->document_count, err);
	for (uint32_t i = 0; i < job->document_count; i++)
		free(job->documents[i].text);
	free(items);
	job->document_count = 0;
	job->page.from_ms = job->page.to_ms = 0;
	return result;
}

void bill_job_fini(struct job *job)
{
	usage_page_free(&job->page);
	free(job->documents);
}

/* --- run --- */

enum result bill_job_close(struct job *job, const struct bill_subject *s)
{
	json_t *document = NULL;
	struct error why;
	char key[KEY_BYTES];
	enum result result = document_draw(job->source, &job->page, s,
	                                   (struct tariff_choice){job->tariff, false}, &document,
	                                   &why);
	if (result == RESULT_OK) {
		json_object_set_new(document, "state", json_string("closed"));
		json_object_set_new(document, "closed_ms", json_integer(clock_wall_ms()));
	} else if (result == RESULT_INPUT) {
		document = document_not_billed(job->source, s, job->tariff, why.text);
	} else {
		job->err = why;
		return result;
	}
	key_of_bill(key, job->month, s->ref);
	job->count.closed += result == RESULT_OK;
	job->count.not_billed += result == RESULT_INPUT;
	return bill_job_put(job, key, document, false);
}

/* --- review --- */

enum result bill_job_adjust(struct job *job, const struct bill_subject *s, const json_t *was,
                            const json_t *is, unsigned number)
{
	static const unsigned decimals = 6;
	char key[KEY_BYTES], difference[DECIMAL_BYTES];
	int64_t before = 0, after = 0;
	if (!decimal_parse(document_text(was, "total"), decimals, &before) ||
	    !decimal_parse(document_text(is, "total"), decimals, &after))
		return fail(RESULT_MEDIA, &job->err, "the bill of %s, %s has no total",
		            s->point ? s->point->id : s->device->id, job->month);
	decimal_format(after - before, decimals, difference);
	json_t *document = json_pack(
	    "{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "meter",
	    document_text(is, "meter"), "month", job->month, "number", (int)number, "kwh_was",
	    document_text(was, "kwh"), "kwh", document_text(is, "kwh"), "total_was",
	    document_text(was, "total"), "total", document_text(is, "total"), "difference",
	    difference, "digest", document_text(is, "digest"), "made_ms",
	    (json_int_t)clock_wall_ms());
	if (document && s->point) {
		json_object_set_new(document, "service_point", json_string(s->point->id));
		json_object_set(document, "from", json_object_get(is, "from"));
		json_object_set(document, "to", json_object_get(is, "to"));
		json_object_set(document, "tariff", json_object_get(is, "tariff"));
	}
	key_of_adjustment(key, job->month, s->ref, number);
	job->count.adjusted++;
	return bill_job_put(job, key, document, false);
}

enum result bill_job_compare(struct job *job, const struct bill_subject *s, const json_t *bill,
                             const json_t *adjustments)
{
	json_t *now = NULL;
	struct error why;
	size_t count = json_array_size(adjustments);
	const json_t *last = count ? json_array_get(adjustments, count - 1) : bill;
	enum result result =
	    document_draw(job->source, &job->page, s, document_tariff(bill), &now, &why);
	if (result == RESULT_OK &&
	    strcmp(document_text(now, "digest"), document_text(last, "digest")) != 0)
		result = bill_job_adjust(job, s, last, now, (unsigned)count + 1);
	else if (result == RESULT_OK)
		job->count.kept++;
	else if (result == RESULT_INPUT || result == RESULT_ABSENT) {
		job->count.not_billed++; /* the bill stands: raw readings may be gone by now */
		result = RESULT_OK;
	} else {
		job->err = why;
	}
	json_decref(now);
	return result;
}

static enum result review(struct job *job, const struct bill_subject *s)
{
	char key[KEY_BYTES];
	json_t *bill = NULL, *adjustments = NULL;
	key_of_bill(key, job->month, s->ref);
	enum result result = document_get(job->source->store, key, &bill, &job->err);
	if (result == RESULT_OK)
		result = document_adjustments(job->source->store, job->month, s->ref, &adjustments,
		                              &job->err);
	if (result == RESULT_OK)
		result = bill_job_compare(job, s, bill, adjustments);
	json_decref(bill);
	json_decref(adjustments);
	return result;
}

/* --- what belongs to a meter --- */

struct belonging {
	struct job *job;
	const char *meter;
	uint32_t number;
	int64_t from_s, end_s; /* the month */
	bool at_point;         /* at any time of it */
	enum result result;
};

static bool has_prefix(const struct job *job, const char *id)
{
	return strncmp(id, job->prefix, strlen(job->prefix)) == 0;
}

static bool on_point(void *context, const struct service_point *p)
{
	struct belonging *b = context;
	const struct installation *last = point_last_meter(p, b->from_s, b->end_s);
	for (uint32_t i = 0; i < p->installation_count; i++) {
		const struct installation *in = &p->installations[i];
		if (strcmp(in->meter, b->meter) == 0 && in->from_s < b->end_s &&
		    installation_end_s(in) > b->from_s)
			b->at_point = true;
	}
	if (!last || strcmp(last->meter, b->meter) != 0 || !has_prefix(b->job, p->id))
		return true;
	b->result = load_page(b->job, b->number);
	if (b->result == RESULT_OK)
		b->result = b->job->work == INVOICES_RUN ? point_job_close(b->job, p)
		                                         : point_job_review(b->job, p);
	return b->result == RESULT_OK;
}

static enum result do_points(struct belonging *b)
{
	struct job *job = b->job;
	int32_t from_day, end_day;
	enum result result = month_days(job->month, &from_day, &end_day, &job->err);
	if (result != RESULT_OK)
		return result;
	b->from_s = calendar_day_start_s(job->source->calendar, from_day);
	b->end_s = calendar_day_start_s(job->source->calendar, end_day);
	result = registry_points_of(job->source->registry, b->meter, on_point, b, &job->err);
	return result == RESULT_OK ? b->result : result;
}

enum result bill_job_meter(struct job *job, const char *id, uint32_t number, bool closed)
{
	struct belonging b = {.job = job, .meter = id, .number = number, .result = RESULT_OK};
	struct bill_subject s;
	struct device d;
	enum result result = do_points(&b);
	if (result != RESULT_OK || !has_prefix(job, id))
		return result;
	if (closed && job->work == INVOICES_RUN)
		job->count.kept++;
	if (closed ? job->work == INVOICES_RUN : job->work == INVOICES_REVIEW || b.at_point)
		return RESULT_OK;
	result = registry_get(job->source->registry, id, &d, &job->err);
	if (result == RESULT_OK)
		result = load_page(job, number);
	if (result == RESULT_OK)
		result = subject_of_meter(&s, &d, job->month, &job->err);
	if (result == RESULT_OK)
		result = closed ? review(job, &s) : bill_job_close(job, &s);
	return result;
}
