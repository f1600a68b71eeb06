/* SPDX-License-Identifier: Apache-2.0 */
/* Documents in the store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/invoices/invoices_priv.h"

void key_of_bill(char key[KEY_BYTES], const char *month, const char *id)
{
	snprintf(key, KEY_BYTES, "bill/%s/%s", month, id);
}

/* Four digits: in order of the numbers. */
void key_of_adjustment(char key[KEY_BYTES], const char *month, const char *id, unsigned number)
{
	snprintf(key, KEY_BYTES, "adjust/%s/%s/%04u", month, id, number);
}

/* Quotes within texts are escaped, and only a document itself has a state: it can't be mistaken. */
bool document_is_closed(const void *text, size_t bytes)
{
	static const char closed[] = "\"state\":\"closed\"";
	return memmem(text, bytes, closed, sizeof closed - 1) != NULL;
}

struct found {
	size_t key_bytes; /* of the one that is wanted; 0: all */
	json_t *one, *all;
};

static bool on_document(void *context, const void *key, size_t key_bytes, const void *value,
                      size_t value_bytes)
{
	struct found *f = context;
	(void)key;
	json_t *document = json_loadb(value, value_bytes, 0, NULL);
	if (f->all)
		return json_array_append_new(f->all, document) == 0;
	if (key_bytes == f->key_bytes)
		f->one = document; /* the shortest key comes first */
	else
		json_decref(document);
	return false;
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

enum result document_adjustments(struct store *s, const char *month, const char *id, json_t **out,
                               struct error *err)
{
	char prefix[KEY_BYTES];
	struct found f = {.all = json_array()};
	snprintf(prefix, sizeof prefix, "adjust/%s/%s/", month, id);
	enum result result = store_kv_scan(s, STORE_CONTROL, prefix, strlen(prefix), on_document,
	                                   &f, err);
	*out = f.all;
	return result;
}
