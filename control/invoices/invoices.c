/* SPDX-License-Identifier: Apache-2.0 */
#include "control/invoices/invoices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/invoices/invoices_priv.h"

enum result invoices_new(const struct invoices_source *source, struct invoices **out,
                         struct error *err)
{
	struct invoices *iv = calloc(1, sizeof *iv);
	if (!iv)
		return fail(RESULT_RESOURCE, err, "billing: no memory");
	iv->source = *source;
	pthread_mutex_init(&iv->lock, NULL);
	*out = iv;
	return RESULT_OK;
}

void invoices_free(struct invoices *iv)
{
	if (!iv)
		return;
	atomic_store(&iv->stopping, true);
	if (iv->started)
		pthread_join(iv->thread, NULL);
	pthread_mutex_destroy(&iv->lock);
	free(iv);
}

enum result invoices_draw(struct invoices *iv, const struct bill_name *name, const char *tariff,
                          json_t **out, struct error *err)
{
	struct bill_subject s;
	struct device d;
	struct service_point p;
	enum result result = subject_find(&iv->source, name, &d, &p, &s, err);
	return result == RESULT_OK
	           ? document_draw(&iv->source, NULL, &s, (struct tariff_choice){tariff, true}, out,
	                           err)
	           : result;
}

/* --- one that is kept --- */

static enum result add_adjustments(struct invoices *iv, const char *month, const char *ref,
                                   json_t *bill, struct error *err)
{
	json_t *adjustments;
	enum result result =
	    document_adjustments(iv->source.store, month, ref, &adjustments, err);
	if (result == RESULT_OK && json_object_set(bill, "adjustments", adjustments) != 0)
		result = fail(RESULT_RESOURCE, err, "no memory for a bill");
	json_decref(adjustments);
	return result;
}

enum result invoices_get_ref(struct invoices *iv, const char *month, const char *ref,
                             json_t **out, struct error *err)
{
	char key[KEY_BYTES];
	key_of_bill(key, month, ref);
	enum result result = document_get(iv->source.store, key, out, err);
	if (result != RESULT_OK)
		return result;
	result = add_adjustments(iv, month, ref, *out, err);
	if (result != RESULT_OK) {
		json_decref(*out);
		*out = NULL;
	}
	return result;
}

/* Of a point's bills the one that is meant; NULL: there is none. */
static const struct point_bill *choose(const struct point_bills *bills,
                                       const struct bill_name *name)
{
	for (uint32_t i = 0; i < bills->count; i++) {
		const struct point_bill *b = &bills->list[i];
		int32_t from_day, end_day;
		if (name->number ? b->number == name->number
		    : !name->day
		        ? true
		        : document_days(b->document, b->adjustments, &from_day, &end_day, NULL) ==
		                  RESULT_OK &&
		              from_day <= name->day && name->day < end_day)
			return b;
	}
	return NULL;
}

static enum result get_of_point(struct invoices *iv, const char *point,
                                const struct bill_name *name, json_t **out, struct error *err)
{
	struct point_bills bills;
	enum result result = point_bills_load(iv->source.store, name->month, point, &bills, err);
	if (result != RESULT_OK)
		return result;
	const struct point_bill *b = choose(&bills, name);
	if (!b && bills.count > 0)
		result = fail(RESULT_ABSENT, err, "service point '%.80s' has %u bills of %s, but "
		              "not this one", point, bills.count, name->month);
	else if (!b)
		result = fail(RESULT_ABSENT, err, "'%.80s' was not billed for %s", name->id,
		              name->month);
	if (b) {
		*out = json_incref(b->document);
		json_object_set_new(*out, "of", json_integer(bills.count));
		if (b->adjustments)
			json_object_set(*out, "adjustments", b->adjustments);
		else
			json_object_set_new(*out, "adjustments", json_array());
	}
	point_bills_free(&bills);
	return result;
}

/* A meter's own bill; else that of the point of that id, or of the point that the meter was at. */
enum result invoices_get(struct invoices *iv, const struct bill_name *name, json_t **out,
                         struct error *err)
{
	int32_t from, end;
	struct service_point p;
	json_t *own = NULL;
	enum result result = month_days(name->month, &from, &end, err);
	if (result != RESULT_OK)
		return result;
	if (strlen(name->id) > DEVICE_ID_BYTES)
		return fail(RESULT_ABSENT, err, "there is no such meter or service point");
	result = invoices_get_ref(iv, name->month, name->id, &own, err);
	if (result == RESULT_OK && strcmp(document_text(own, "state"), "closed") == 0) {
		*out = own;
		return RESULT_OK;
	}
	if (result == RESULT_OK || result == RESULT_ABSENT)
		result = get_of_point(iv, name->id, name, out, err);
	if (result == RESULT_ABSENT &&
	    point_of_meter(&iv->source, name->id, name->month, &p, NULL) == RESULT_OK)
		result = get_of_point(iv, p.id, name, out, err);
	if (result == RESULT_ABSENT && own) {
		*out = json_incref(own);
		result = RESULT_OK;
	}
	json_decref(own);
	return result;
}

enum result invoices_list_of(struct invoices *iv, const char *month, const char *id, json_t **out,
                             struct error *err)
{
	struct bill_name name = {.id = id, .month = month};
	json_t *bill = NULL;
	enum result result = invoices_get(iv, &name, &bill, err);
	*out = json_array();
	if (result == RESULT_ABSENT)
		return RESULT_OK;
	int64_t count = json_integer_value(json_object_get(bill, "of"));
	if (result == RESULT_OK && count == 0) {
		json_array_append_new(*out, bill);
		return RESULT_OK;
	}
	json_decref(bill);
	for (name.number = 1; name.number < POINT_BILLS_MAX && count > 0 && result == RESULT_OK;
	     name.number++) {
		result = invoices_get(iv, &name, &bill, err);
		if (result == RESULT_OK) {
			json_array_append_new(*out, bill);
			count--;
		} else if (result == RESULT_ABSENT) {
			result = RESULT_OK; /* numbers may be left out */
		}
	}
	if (result != RESULT_OK)
		json_decref(*out);
	return result;
}

/* --- those of a month --- */

struct listing {
	invoices_fn *fn;
	void *context;
	bool ended;
};

static bool on_bill(void *context, const void *key, size_t key_bytes, const void *value,
                    size_t value_bytes)
{
	struct listing *l = context;
	(void)key, (void)key_bytes;
	l->ended = !l->fn(l->context, value, value_bytes);
	return !l->ended;
}

static enum result check_list(const char *month, const char *prefix, struct error *err)
{
	int32_t from, end;
	enum result result = month_days(month, &from, &end, err);
	if (result == RESULT_OK && strlen(prefix) > DEVICE_ID_BYTES)
		result = fail(RESULT_INPUT, err, "the prefix is longer than any id");
	return result;
}

/* The keys of a month come in two rows: points, whose mark is before any id, then meters. */
static void key_of_row(char key[KEY_BYTES], const char *month, bool points, const char *prefix)
{
	snprintf(key, KEY_BYTES, points ? "bill/%s/\x01%s" : "bill/%s/%s", month, prefix);
}

enum result invoices_list(struct invoices *iv, const char *month, const char *prefix,
                          invoices_fn *fn, void *context, struct error *err)
{
	char key[KEY_BYTES];
	struct listing l = {fn, context, false};
	enum result result = check_list(month, prefix, err);
	for (int row = *prefix ? 0 : 1; row < 2 && result == RESULT_OK && !l.ended; row++) {
		key_of_row(key, month, row == 0, prefix);
		result = store_kv_scan(iv->source.store, STORE_CONTROL, key, strlen(key), on_bill,
		                       &l, err);
	}
	return result;
}

struct listing_after {
	const char *after;
	size_t head_bytes; /* of the key, before the reference */
	invoices_ref_fn *fn;
	void *context;
	bool ended;
};

static bool on_bill_after(void *context, const void *key, size_t key_bytes, const void *value,
                          size_t value_bytes)
{
	struct listing_after *l = context;
	char ref[BILL_REF_BYTES];
	size_t bytes = key_bytes - l->head_bytes;
	(void)value, (void)value_bytes;
	if (key_bytes <= l->head_bytes || bytes >= sizeof ref)
		return true;
	memcpy(ref, (const char *)key + l->head_bytes, bytes);
	ref[bytes] = '\0';
	l->ended = strcmp(ref, l->after) != 0 && !l->fn(l->context, ref);
	return !l->ended;
}

enum result invoices_list_after(struct invoices *iv, const char *month, const char *prefix,
                                const char *after, invoices_ref_fn *fn, void *context,
                                struct error *err)
{
	char head[KEY_BYTES], start[KEY_BYTES];
	struct listing_after l = {.after = after, .fn = fn, .context = context};
	bool at_meters = *after && *after != POINT_MARK;
	enum result result = check_list(month, prefix, err);
	key_of_bill(head, month, "");
	l.head_bytes = strlen(head);
	key_of_bill(start, month, after);
	for (int row = *prefix && !at_meters ? 0 : 1; row < 2 && result == RESULT_OK && !l.ended;
	     row++) {
		key_of_row(head, month, row == 0, prefix);
		bool within = *after && (!*prefix || (row == 0) == !at_meters);
		result = store_kv_scan_after(iv->source.store, STORE_CONTROL, head, strlen(head),
		                             within ? start : NULL, strlen(start), on_bill_after,
		                             &l, err);
	}
	return result;
}

/* --- runs --- */

/* The lock is held. */
static enum result begin(struct invoices *iv, const struct invoices_status *status,
                         const char *prefix, struct error *err)
{
	if (iv->status.running)
		return fail(RESULT_INPUT, err, "a %s of %s is under way",
		            iv->status.work == INVOICES_RUN ? "run" : "review", iv->status.month);
	if (iv->started)
		pthread_join(iv->thread, NULL); /* it has ended */
	iv->started = false;
	iv->status = *status;
	iv->begun_us = clock_mono_us();
	snprintf(iv->prefix, sizeof iv->prefix, "%s", prefix);
	if (pthread_create(&iv->thread, NULL, invoices_work, iv) != 0) {
		iv->status.running = false;
		return fail(RESULT_RESOURCE, err, "no thread for the run");
	}
	iv->started = true;
	return RESULT_OK;
}

enum result invoices_begin(struct invoices *iv, enum invoices_work work, const char *month,
                           const char *tariff, const char *prefix, struct error *err)
{
	struct invoices_status status = {.work = work, .running = true};
	int32_t from, end;
	uint32_t count;
	enum result result = month_days(month, &from, &end, err);
	if (result != RESULT_OK)
		return result;
	if (from > calendar_day(iv->source.calendar, clock_wall_ms() / 1000))
		return fail(RESULT_INPUT, err, "%s has not begun", month);
	if (work == INVOICES_RUN && *tariff &&
	    !tariff_book_find(iv->source.tariffs, tariff, &count))
		return fail(RESULT_INPUT, err, "there is no tariff '%.60s' in tariffs_dir", tariff);
	if (strlen(prefix) > DEVICE_ID_BYTES)
		return fail(RESULT_INPUT, err, "the prefix is longer than any id");
	snprintf(status.month, sizeof status.month, "%s", month);
	snprintf(status.tariff, sizeof status.tariff, "%s", tariff);
	pthread_mutex_lock(&iv->lock);
	result = begin(iv, &status, prefix, err);
	pthread_mutex_unlock(&iv->lock);
	return result;
}

void invoices_status_get(struct invoices *iv, struct invoices_status *status)
{
	pthread_mutex_lock(&iv->lock);
	*status = iv->status;
	if (status->running)
		status->elapsed_us = clock_mono_us() - iv->begun_us;
	pthread_mutex_unlock(&iv->lock);
}
