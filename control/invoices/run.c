/* SPDX-License-Identifier: Apache-2.0 */
/* Runs and reviews: every meter of the registry, one after the other, in a thread of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/config/decimal.h"
#include "control/invoices/invoices_priv.h"

struct job {
	struct invoices *iv;
	struct invoices_status s; /* counted here, published after each meter */
	struct error err;
};

static void publish(struct job *job)
{
	pthread_mutex_lock(&job->iv->lock);
	job->iv->status = job->s;
	pthread_mutex_unlock(&job->iv->lock);
}

static bool is_closed(const json_t *document)
{
	const char *state = json_string_value(json_object_get(document, "state"));
	return state && strcmp(state, "closed") == 0;
}

/* --- run --- */

static enum result close_bill(struct job *job, const struct device *d, const char *key)
{
	const struct invoices_source *source = &job->iv->source;
	json_t *document = NULL;
	struct error why;
	enum result result =
	    document_draw(source, d, job->s.month, job->s.tariff, &document, &why);
	if (result == RESULT_OK) {
		json_object_set_new(document, "state", json_string("closed"));
		json_object_set_new(document, "closed_ms", json_integer(clock_wall_ms()));
		job->s.closed++;
	} else if (result == RESULT_INPUT) {
		document = document_not_billed(d->id, job->s.month, job->s.tariff, why.text);
		job->s.not_billed++;
	} else {
		job->err = why;
		return result;
	}
	result = document_put(source->store, key, document, &job->err);
	json_decref(document);
	return result;
}

static enum result run_one(struct job *job, const struct device *d)
{
	char key[KEY_BYTES];
	json_t *before;
	key_of_bill(key, job->s.month, d->id);
	enum result result = document_get(job->iv->source.store, key, &before, &job->err);
	if (result != RESULT_OK && result != RESULT_ABSENT)
		return result;
	bool closed = result == RESULT_OK && is_closed(before);
	json_decref(before);
	if (!closed)
		return close_bill(job, d, key);
	job->s.kept++;
	return RESULT_OK;
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
		            job->s.month);
	decimal_format(after - before, decimals, difference);
	json_t *document = json_pack(
	    "{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "meter", d->id, "month",
	    job->s.month, "number", (int)number, "kwh_was", text_of(was, "kwh"), "kwh",
	    text_of(is, "kwh"), "total_was", text_of(was, "total"), "total", text_of(is, "total"),
	    "difference", difference, "digest", text_of(is, "digest"), "made_ms",
	    (json_int_t)clock_wall_ms());
	if (!document)
		return fail(RESULT_RESOURCE, &job->err, "no memory for an adjustment");
	key_of_adjustment(key, job->s.month, d->id, number);
	enum result result = document_put(job->iv->source.store, key, document, &job->err);
	json_decref(document);
	job->s.adjusted += result == RESULT_OK;
	return result;
}

/* Against the last adjustment, or the bill itself. */
static enum result compare(struct job *job, const struct device *d, const json_t *bill)
{
	const struct invoices_source *source = &job->iv->source;
	json_t *adjustments, *now = NULL;
	struct error why;
	enum result result =
	    document_adjustments(source->store, job->s.month, d->id, &adjustments, &job->err);
	if (result != RESULT_OK) {
		json_decref(adjustments);
		return result;
	}
	size_t count = json_array_size(adjustments);
	const json_t *last = count ? json_array_get(adjustments, count - 1) : bill;
	result = document_draw(source, d, job->s.month, text_of(bill, "tariff"), &now, &why);
	if (result == RESULT_OK && strcmp(text_of(now, "digest"), text_of(last, "digest")) != 0)
		result = adjust(job, d, last, now, (unsigned)count + 1);
	else if (result == RESULT_OK)
		job->s.kept++;
	else if (result == RESULT_INPUT || result == RESULT_ABSENT) {
		job->s.not_billed++; /* the bill stands: raw readings may be gone by now */
		result = RESULT_OK;
	} else {
		job->err = why;
	}
	json_decref(now);
	json_decref(adjustments);
	return result;
}

static enum result review_one(struct job *job, const struct device *d)
{
	char key[KEY_BYTES];
	json_t *bill;
	key_of_bill(key, job->s.month, d->id);
	enum result result = document_get(job->iv->source.store, key, &bill, &job->err);
	if (result == RESULT_OK && is_closed(bill))
		result = compare(job, d, bill);
	json_decref(bill);
	return result == RESULT_ABSENT ? RESULT_OK : result;
}

/* --- all of them --- */

struct meters {
	uint32_t *numbers;
	uint64_t count, capacity;
	bool no_memory;
};

static bool on_device(void *context, const struct device *d)
{
	struct meters *m = context;
	if (m->count == m->capacity) {
		uint64_t capacity = m->capacity ? m->capacity * 2 : 1024;
		uint32_t *more = realloc(m->numbers, capacity * sizeof *more);
		if (!more) {
			m->no_memory = true;
			return false;
		}
		m->numbers = more;
		m->capacity = capacity;
	}
	m->numbers[m->count++] = d->number;
	return true;
}

static bool is_stopping(const struct job *job)
{
	return atomic_load_explicit(&job->iv->stopping, memory_order_relaxed);
}

/* The list first: a look at the registry must not last as long as a run. */
static enum result work_all(struct job *job, struct meters *m)
{
	struct registry *registry = job->iv->source.registry;
	enum result result = registry_list(registry, job->iv->prefix, 0, UINT64_MAX, on_device, m,
	                                   &job->err);
	if (result == RESULT_OK && m->no_memory)
		result = fail(RESULT_RESOURCE, &job->err, "no memory for the list of meters");
	job->s.total = m->count;
	for (uint64_t i = 0; i < m->count && result == RESULT_OK && !is_stopping(job); i++) {
		char id[DEVICE_ID_BYTES + 1];
		struct device d;
		if (!registry_id_of(registry, m->numbers[i], id))
			continue;
		result = registry_get(registry, id, &d, &job->err);
		if (result == RESULT_OK)
			result = job->s.work == INVOICES_RUN ? run_one(job, &d)
			                                     : review_one(job, &d);
		job->s.done++;
		publish(job);
	}
	return result;
}

void *invoices_work(void *context)
{
	struct job job = {.iv = context};
	struct meters meters = {0};
	job.s = job.iv->status;
	enum result result = work_all(&job, &meters);
	free(meters.numbers);
	if (result != RESULT_OK)
		snprintf(job.s.failure, sizeof job.s.failure, "%s", job.err.text);
	else if (is_stopping(&job))
		snprintf(job.s.failure, sizeof job.s.failure, "the daemon is ending");
	job.s.running = false;
	log_info("billing", "%s of %s: %llu closed, %llu kept, %llu not billed, %llu adjusted%s%s",
	         job.s.work == INVOICES_RUN ? "run" : "review", job.s.month,
	         (unsigned long long)job.s.closed, (unsigned long long)job.s.kept,
	         (unsigned long long)job.s.not_billed, (unsigned long long)job.s.adjusted,
	         *job.s.failure ? "; ended early: " : "", job.s.failure);
	publish(&job);
	return NULL;
}
