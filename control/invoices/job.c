/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "control/config/decimal.h"
#include "control/invoices/run_priv.h"

/* --- together --- */

enum result bill_job_load(struct job *job, uint32_t number)
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

/* `document` is ours. */
static enum result put(struct job *job, const char *key, json_t *document)
{
	CHECK_OP(job->document_count, <, JOB_DOCUMENTS_MAX);
	struct job_document *d = &job->documents[job->document_count];
	snprintf(d->key, sizeof d->key, "%s", key);
	d->text = document ? json_dumps(document, JSON_COMPACT) : NULL;
	json_decref(document);
	if (!d->text)
		return fail(RESULT_RESOURCE, &job->err, "no memory for a document");
	job->document_count++;
	return RESULT_OK;
}

enum result bill_job_keep(struct job *job, struct error *err)
{
	struct store_kv items[JOB_DOCUMENTS_MAX];
	enum result result = RESULT_OK;
	for (uint32_t i = 0; i < job->document_count; i++)
		items[i] = (struct store_kv){job->documents[i].key, strlen(job->documents[i].key),
		                             job->documents[i].text,
		                             strlen(job->documents[i].text)};
	if (job->document_count > 0)
		result = store_kv_write(job->source->store, STORE_CONTROL, items,
		                        job->document_count, err);
	for (uint32_t i = 0; i < job->document_count; i++)
		free(job->documents[i].text);
	job->document_count = 0;
	job->page.from_ms = job->page.to_ms = 0;
	return result;
}

void bill_job_fini(struct job *job)
{
	usage_page_free(&job->page);
}

/* --- run --- */

enum result bill_job_close(struct job *job, const struct device *d)
{
	json_t *document = NULL;
	struct error why;
	char key[KEY_BYTES];
	enum result result = document_draw(job->source, &job->page, d, job->month, job->tariff,
	                                   &document, &why);
	if (result == RESULT_OK) {
		json_object_set_new(document, "state", json_string("closed"));
		json_object_set_new(document, "closed_ms", json_integer(clock_wall_ms()));
	} else if (result == RESULT_INPUT) {
		document = document_not_billed(d->id, job->month, job->tariff, why.text);
	} else {
		job->err = why;
		return result;
	}
	key_of_bill(key, job->month, d->id);
	job->count.closed += result == RESULT_OK;
	job->count.not_billed += result == RESULT_INPUT;
	return put(job, key, document);
}

/* --- review --- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static enum result adjust(struct job *job, const struct device *d, const json_t *was,
                          const json_t *is, unsigned number)
{
	static const unsigned decimals = 6;
	char key[KEY_BYTES], difference[DECIMAL_BYTES];
	int64_t before = 0, after = 0;
	if (!decimal_parse(text_of(was, "total"), decimals, &before) ||
	    !decimal_parse(text_of(is, "total"), decimals, &after))
		return fail(RESULT_MEDIA, &job->err, "the bill of %s, %s has no total", d->id,
		            job->month);
	decimal_format(after - before, decimals, difference);
	json_t *document = json_pack(
	    "{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "meter", d->id, "month",
	    job->month, "number", (int)number, "kwh_was", text_of(was, "kwh"), "kwh",
	    text_of(is, "kwh"), "total_was", text_of(was, "total"), "total", text_of(is, "total"),
	    "difference", difference, "digest", text_of(is, "digest"), "made_ms",
	    (json_int_t)clock_wall_ms());
	key_of_adjustment(key, job->month, d->id, number);
	job->count.adjusted++;
	return put(job, key, document);
}

/* Against the last adjustment, or the bill itself. */
static enum result compare(struct job *job, const struct device *d, const json_t *bill,
                           const json_t *adjustments)
{
	json_t *now = NULL;
	struct error why;
	size_t count = json_array_size(adjustments);
	const json_t *last = count ? json_array_get(adjustments, count - 1) : bill;
	enum result result = document_draw(job->source, &job->page, d, job->month,
	                                   text_of(bill, "tariff"), &now, &why);
	if (result == RESULT_OK && strcmp(text_of(now, "digest"), text_of(last, "digest")) != 0)
		result = adjust(job, d, last, now, (unsigned)count + 1);
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

enum result bill_job_review(struct job *job, const struct device *d)
{
	char key[KEY_BYTES];
	json_t *bill = NULL, *adjustments = NULL;
	key_of_bill(key, job->month, d->id);
	enum result result = document_get(job->source->store, key, &bill, &job->err);
	if (result == RESULT_OK)
		result = document_adjustments(job->source->store, job->month, d->id, &adjustments,
		                              &job->err);
	if (result == RESULT_OK)
		result = compare(job, d, bill, adjustments);
	json_decref(bill);
	json_decref(adjustments);
	return result;
}
