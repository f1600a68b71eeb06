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

enum result invoices_draw(struct invoices *iv, const char *id, const char *month,
                          const char *tariff, json_t **out, struct error *err)
{
	struct device d;
	enum result result = registry_get(iv->source.registry, id, &d, err);
	return result == RESULT_OK ? document_draw(&iv->source, NULL, &d, month, tariff, out,
	                                           err)
	                           : result;
}

enum result invoices_get(struct invoices *iv, const char *id, const char *month, json_t **out,
                         struct error *err)
{
	char key[KEY_BYTES];
	int32_t from, end;
	json_t *adjustments;
	enum result result = month_days(month, &from, &end, err);
	if (result != RESULT_OK)
		return result;
	if (strlen(id) > DEVICE_ID_BYTES)
		return fail(RESULT_ABSENT, err, "there is no such device");
	key_of_bill(key, month, id);
	result = document_get(iv->source.store, key, out, err);
	if (result == RESULT_ABSENT)
		return fail(RESULT_ABSENT, err, "'%s' was not billed for %s", id, month);
	if (result != RESULT_OK)
		return result;
	result = document_adjustments(iv->source.store, month, id, &adjustments, err);
	if (result == RESULT_OK && json_object_set(*out, "adjustments", adjustments) != 0)
		result = fail(RESULT_RESOURCE, err, "no memory for a bill");
	json_decref(adjustments);
	if (result != RESULT_OK)
		json_decref(*out);
	return result;
}

struct listing {
	invoices_fn *fn;
	void *context;
};

static bool on_bill(void *context, const void *key, size_t key_bytes, const void *value,
                    size_t value_bytes)
{
	struct listing *l = context;
	(void)key, (void)key_bytes;
	return l->fn(l->context, value, value_bytes);
}

enum result invoices_list(struct invoices *iv, const char *month, const char *prefix,
                          invoices_fn *fn, void *context, struct error *err)
{
	char key[KEY_BYTES];
	int32_t from, end;
	struct listing l = {fn, context};
	enum result result = month_days(month, &from, &end, err);
	if (result != RESULT_OK)
		return result;
	snprintf(key, sizeof key, "bill/%s/%.*s", month, DEVICE_ID_BYTES, prefix);
	return store_kv_scan(iv->source.store, STORE_CONTROL, key, strlen(key), on_bill, &l, err);
}

struct listing_after {
	const char *after;
	size_t head_bytes; /* of the key, before the id */
	invoices_id_fn *fn;
	void *context;
};

static bool on_bill_after(void *context, const void *key, size_t key_bytes, const void *value,
                          size_t value_bytes)
{
	struct listing_after *l = context;
	char id[DEVICE_ID_BYTES + 1];
	if (key_bytes <= l->head_bytes || key_bytes - l->head_bytes > DEVICE_ID_BYTES)
		return true;
	memcpy(id, (const char *)key + l->head_bytes, key_bytes - l->head_bytes);
	id[key_bytes - l->head_bytes] = '\0';
	return strcmp(id, l->after) == 0 || l->fn(l->context, id, value, value_bytes);
}

enum result invoices_list_after(struct invoices *iv, const char *month, const char *prefix,
                                const char *after, invoices_id_fn *fn, void *context,
                                struct error *err)
{
	char head[KEY_BYTES], start[KEY_BYTES];
	int32_t from, end;
	struct listing_after l = {after, 0, fn, context};
	enum result result = month_days(month, &from, &end, err);
	if (result != RESULT_OK)
		return result;
	if (strlen(prefix) > DEVICE_ID_BYTES)
		return fail(RESULT_INPUT, err, "the prefix is longer than any id");
	key_of_bill(head, month, "");
	l.head_bytes = strlen(head);
	key_of_bill(head, month, prefix);
	key_of_bill(start, month, after);
	return store_kv_scan_after(iv->source.store, STORE_CONTROL, head, strlen(head),
	                           *after ? start : NULL, strlen(start), on_bill_after, &l, err);
}

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
	if (work == INVOICES_RUN && !tariff_book_find(iv->source.tariffs, tariff, &count))
		return fail(RESULT_INPUT, err, "there is no tariff '%.60s' in tariffs_dir", tariff);
	if (strlen(prefix) > DEVICE_ID_BYTES)
		return fail(RESULT_INPUT, err, "the prefix is longer than any id");
	snprintf(status.month, sizeof status.month, "%s", month);
	snprintf(status.tariff, sizeof status.tariff, "%s", tariff ? tariff : "");
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
