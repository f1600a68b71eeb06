/* SPDX-License-Identifier: Apache-2.0 */
/* Documents in the store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/invoices/invoices_priv.h"

const char *document_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

struct tariff_choice document_tariff(const json_t *bill)
{
	bool of_point = *document_text(bill, "service_point") != '\0';
	return (struct tariff_choice){document_text(bill, of_point ? "default_tariff" : "tariff"),
	                              false};
}

void key_of_bill(char key[KEY_BYTES], const char *month, const char *ref)
{
	snprintf(key, KEY_BYTES, "bill/%s/%s", month, ref);
}

void ref_of_point(char ref[BILL_REF_BYTES], const char *point, unsigned number)
{
	snprintf(ref, BILL_REF_BYTES, "%c%.*s%c%02u", POINT_MARK, POINT_ID_BYTES, point,
	         POINT_MARK, number % 100);
}

size_t key_of_point(char key[KEY_BYTES], const char *month, const char *point)
{
	return (size_t)snprintf(key, KEY_BYTES, "bill/%s/%c%.*s%c", month, POINT_MARK,
	                        POINT_ID_BYTES, point, POINT_MARK);
}

/* Four digits: in order of the numbers. */
void key_of_adjustment(char key[KEY_BYTES], const char *month, const char *ref, unsigned number)
{
	snprintf(key, KEY_BYTES, "adjust/%s/%s/%04u", month, ref, number);
}

/* Quotes within texts are escaped, and only a document itself has a state: it can't be mistaken. */
bool document_is_closed(const void *text, size_t bytes)
{
	static const char closed[] = "\"state\":\"closed\"";
	return memmem(text, bytes, closed, sizeof closed - 1) != NULL;
}

struct found {
	size_t key_bytes; /* of the one that is wanted, or of each of all */
	json_t *one, *all;
};

static bool on_document(void *context, const void *key, size_t key_bytes, const void *value,
                      size_t value_bytes)
{
	struct found *f = context;
	(void)key;
	if (f->all && key_bytes != f->key_bytes)
		return true; /* of an id that has this one and a slash in front */
	if (f->all)
		return json_array_append_new(f->all, json_loadb(value, value_bytes, 0, NULL)) == 0;
	if (key_bytes == f->key_bytes)
		f->one = json_loadb(value, value_bytes, 0, NULL);
	return false; /* the shortest key comes first */
}

enum result document_get(struct store *s, const char *key, json_t **out, struct error *err)
{
	struct found f = {.key_bytes = strlen(key)};
	enum result result =
	    store_kv_scan(s, STORE_CONTROL, key, f.key_bytes, on_document, &f, err);
	*out = f.one;
	if (result == RESULT_OK && !f.one)
		return fail(RESULT_ABSENT, err, "there is no document %s", key);
	return result;
}

enum result document_adjustments(struct store *s, const char *month, const char *ref, json_t **out,
                               struct error *err)
{
	char prefix[KEY_BYTES];
	struct found f = {.all = json_array()};
	int bytes = snprintf(prefix, sizeof prefix, "adjust/%s/%s/", month, ref);
	f.key_bytes = (size_t)bytes + 4;
	enum result result =
	    store_kv_scan(s, STORE_CONTROL, prefix, (size_t)bytes, on_document, &f, err);
	*out = f.all;
	return result;
}

enum result document_days(const json_t *document, const json_t *adjustments, int32_t *from_day,
                          int32_t *end_day, struct error *err)
{
	struct civil_date from, to;
	size_t count = json_array_size(adjustments);
	const json_t *last = count > 0 ? json_array_get(adjustments, count - 1) : document;
	if (!json_object_get(last, "from"))
		last = document; /* adjustments of a meter have no days of their own */
	if (civil_parse(document_text(last, "from"), &from, NULL) != RESULT_OK ||
	    civil_parse(document_text(last, "to"), &to, NULL) != RESULT_OK)
		return fail(RESULT_MEDIA, err, "the bill of %s, %s does not say its days",
		            document_text(document, "service_point"),
		            document_text(document, "month"));
	*from_day = civil_to_day(from);
	*end_day = civil_to_day(to);
	return RESULT_OK;
}

/* --- all of a point --- */

struct loading {
	size_t head_bytes;
	struct point_bills *out;
	bool too_many;
};

static bool on_point_bill(void *context, const void *key, size_t key_bytes, const void *value,
                          size_t value_bytes)
{
	struct loading *l = context;
	const char *digits = (const char *)key + l->head_bytes;
	l->too_many = l->out->count == POINT_BILLS_MAX;
	if (l->too_many || key_bytes != l->head_bytes + 2)
		return !l->too_many;
	l->out->list[l->out->count++] = (struct point_bill){
	    .number = (unsigned)((digits[0] - '0') * 10 + digits[1] - '0'),
	    .closed = document_is_closed(value, value_bytes),
	    .document = json_loadb(value, value_bytes, 0, NULL)};
	return true;
}

void point_bills_free(struct point_bills *bills)
{
	for (uint32_t i = 0; i < bills->count; i++) {
		json_decref(bills->list[i].document);
		json_decref(bills->list[i].adjustments);
	}
	bills->count = 0;
}

enum result point_bills_load(struct store *s, const char *month, const char *point,
                             struct point_bills *out, struct error *err)
{
	char key[KEY_BYTES];
	struct loading l = {key_of_point(key, month, point), out, false};
	out->count = 0;
	enum result result =
	    store_kv_scan(s, STORE_CONTROL, key, l.head_bytes, on_point_bill, &l, err);
	if (result == RESULT_OK && l.too_many)
		result = fail(RESULT_INPUT, err, "service point '%s' has more than %d bills of %s",
		              point, POINT_BILLS_MAX, month);
	for (uint32_t i = 0; i < out->count && result == RESULT_OK; i++) {
		char ref[BILL_REF_BYTES];
		ref_of_point(ref, point, out->list[i].number);
		if (out->list[i].closed)
			result = document_adjustments(s, month, ref, &out->list[i].adjustments,
			                              err);
	}
	if (result != RESULT_OK)
		point_bills_free(out);
	return result;
}
