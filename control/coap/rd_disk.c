/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resource directory on disk, in the store's STORE_CONTROL space: "coap/rd/" + ten digits of
 * its number for each registration, and "coap/rd-last": the highest number ever given, 4 bytes, so
 * that none is given twice. All numbers are little-endian:
 *
 *   | format 1, 1 | base given, 1 | lifetime s, 4 | expires, wall clock ms, 8 |
 *   | ep | sector | base | extra, each: length, 2, and bytes | links: length, 4, and bytes |
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/coap/rd_priv.h"

#define FORMAT          1
#define PREFIX          "coap/rd/"
#define LAST_KEY        "coap/rd-last"
#define KEY_BYTES       24
#define HEAD_BYTES      14
#define VALUE_BYTES_MAX (HEAD_BYTES + 4 * 2 + 4 + 2 * RD_NAME_BYTES_MAX + RD_BASE_BYTES_MAX + \
                         RD_EXTRA_BYTES_MAX + RD_LINKS_BYTES_MAX)

static int key_of(char key[KEY_BYTES], uint32_t number)
{
	return snprintf(key, KEY_BYTES, PREFIX "%010u", number);
}

/* --- out --- */

static uint8_t *put_text(uint8_t *at, const char *text)
{
	size_t bytes = strlen(text);
	put_le16(at, (uint16_t)bytes);
	memcpy(at + 2, text, bytes);
	return at + 2 + bytes;
}

static size_t pack(const struct registration_entry *e, uint64_t now_ms,
                   uint8_t value[VALUE_BYTES_MAX])
{
	uint8_t *at = value;
	*at++ = FORMAT;
	*at++ = e->base_given;
	put_le32(at, e->lifetime_s);
	put_le64(at + 4, (uint64_t)clock_wall_ms() + e->expires_ms - now_ms);
	at = put_text(at + 12, e->ep);
	at = put_text(at, e->sector);
	at = put_text(at, e->base);
	at = put_text(at, e->extra);
	put_le32(at, e->links_bytes);
	if (e->links_bytes > 0)
		memcpy(at + 4, e->links, e->links_bytes);
	return (size_t)(at + 4 - value) + e->links_bytes;
}

enum result rd_disk_put(struct store *s, const struct registration_entry *e, uint64_t now_ms,
                        struct error *err)
{
	char key[KEY_BYTES];
	uint8_t value[VALUE_BYTES_MAX], last[4];
	size_t key_bytes = (size_t)key_of(key, e->number);
	put_le32(last, e->number);
	const struct store_kv items[] = {{key, key_bytes, value, pack(e, now_ms, value)},
	                                 {LAST_KEY, strlen(LAST_KEY), last, sizeof last}};
	return store_kv_write(s, STORE_CONTROL, items, 2, err);
}

enum result rd_disk_remove(struct store *s, uint32_t number, struct error *err)
{
	char key[KEY_BYTES];
	const struct store_kv item = {key, (size_t)key_of(key, number), NULL, 0};
	return store_kv_write(s, STORE_CONTROL, &item, 1, err);
}

/* --- in --- */

static bool get_text(struct bytes *left, char *out, size_t bytes_max)
{
	if (left->count < 2 || get_le16(left->data) > bytes_max ||
	    left->count - 2 < get_le16(left->data))
		return false;
	uint32_t bytes = get_le16(left->data);
	memcpy(out, left->data + 2, bytes);
	out[bytes] = '\0';
	*left = (struct bytes){left->data + 2 + bytes, left->count - 2 - bytes};
	return strlen(out) == bytes;
}

static bool get_links(struct bytes left, struct registration_entry *e)
{
	if (left.count < 4 || get_le32(left.data) != left.count - 4 ||
	    left.count - 4 > RD_LINKS_BYTES_MAX)
		return false;
	e->links_bytes = left.count - 4;
	e->links = malloc(e->links_bytes + 1);
	if (e->links)
		memcpy(e->links, left.data + 4, e->links_bytes);
	return e->links;
}

static bool unpack(struct bytes value, uint64_t now_ms, struct registration_entry *e)
{
	if (value.count < HEAD_BYTES || value.data[0] != FORMAT)
		return false;
	int64_t left_ms = (int64_t)get_le64(value.data + 6) - clock_wall_ms();
	e->base_given = value.data[1];
	e->lifetime_s = get_le32(value.data + 2);
	/* a clock that was set back must not keep it for longer than it said */
	if (left_ms > e->lifetime_s * INT64_C(1000))
		left_ms = e->lifetime_s * INT64_C(1000);
	e->expires_ms = left_ms > 0 ? now_ms + (uint64_t)left_ms : now_ms;
	struct bytes left = {value.data + HEAD_BYTES, value.count - HEAD_BYTES};
	return get_text(&left, e->ep, RD_NAME_BYTES_MAX) && e->ep[0] != '\0' &&
	       get_text(&left, e->sector, RD_NAME_BYTES_MAX) &&
	       get_text(&left, e->base, RD_BASE_BYTES_MAX) && strstr(e->base, "://") &&
	       get_text(&left, e->extra, RD_EXTRA_BYTES_MAX) && get_links(left, e);
}

struct loading {
	uint64_t now_ms;
	rd_take_fn *take;
	void *context;
	uint32_t last;
	enum result result;
	struct error *err;
};

static bool on_last(void *context, const void *key, size_t key_bytes, const void *value,
                    size_t value_bytes)
{
	struct loading *l = context;
	(void)key;
	(void)key_bytes;
	l->last = value_bytes == 4 ? get_le32(value) : 0;
	return false;
}

static bool on_entry(void *context, const void *key, size_t key_bytes, const void *value,
                     size_t value_bytes)
{
	struct loading *l = context;
	struct registration_entry *e = calloc(1, sizeof *e);
	char number[KEY_BYTES] = "";
	if (!e) {
		l->result = fail(RESULT_RESOURCE, l->err, "CoAP service: no memory");
		return false;
	}
	if (key_bytes < sizeof number)
		memcpy(number, key, key_bytes);
	e->number = (uint32_t)strtoul(number + strlen(PREFIX), NULL, 10);
	if (!unpack((struct bytes){value, (uint32_t)value_bytes}, l->now_ms, e)) {
		registration_entry_free(e);
		l->result = fail(RESULT_MEDIA, l->err,
		                 "CoAP service: the record %.*s is damaged or of another version",
		                 (int)key_bytes, (const char *)key);
		return false;
	}
	return l->take(l->context, e);
}

enum result rd_disk_load(struct store *s, uint64_t now_ms, rd_take_fn *take, void *context,
                         uint32_t *last, struct error *err)
{
	struct loading l = {.now_ms = now_ms, .take = take, .context = context, .err = err};
	enum result r =
	    store_kv_scan(s, STORE_CONTROL, LAST_KEY, strlen(LAST_KEY), on_last, &l, err);
	if (r == RESULT_OK)
		r = store_kv_scan(s, STORE_CONTROL, PREFIX, strlen(PREFIX), on_entry, &l, err);
	*last = l.last;
	return r == RESULT_OK ? l.result : r;
}
