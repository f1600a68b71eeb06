/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane's own data: a small RocksDB of its own with a synced log, so that a change
 * is durable when the call returns, whatever the readings' runs are doing.
 *
 * Keys: the space (1 byte), then the caller's key. Threads: any ordinary ones. Memory: malloc.
 */
#include <string.h>

#include "base/check.h"
#include "storage/store/store_priv.h"

enum result store_kv_write(struct store *s, enum store_space space, const struct store_kv *items,
                           size_t count, struct error *err)
{
	CHECK_OP((int)space, <, (int)STORE_SPACE_COUNT);
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	char prefix = (char)space, *message = NULL;
	for (size_t i = 0; i < count; i++) {
		const char *parts[] = {&prefix, items[i].key};
		const size_t sizes[] = {1, items[i].key_bytes};
		const char *value[] = {items[i].value};
		const size_t value_size[] = {items[i].value_bytes};
		if (items[i].value)
			rocksdb_writebatch_putv(batch, 2, parts, sizes, 1, value, value_size);
		else
			rocksdb_writebatch_deletev(batch, 2, parts, sizes);
	}
	rocksdb_write(s->control.db, s->control.write, batch, &message);
	rocksdb_writebatch_destroy(batch);
	return message ? db_failed("write control data", message, err) : RESULT_OK;
}

static bool has_prefix(const char *key, size_t key_bytes, enum store_space space,
                       const void *prefix, size_t prefix_bytes)
{
	return key_bytes >= 1 + prefix_bytes && key[0] == (char)space &&
	       (prefix_bytes == 0 || memcmp(key + 1, prefix, prefix_bytes) == 0);
}

static enum result scan(struct store *s, enum store_space space, const void *prefix,
			size_t prefix_bytes, const void *after, size_t after_bytes, store_kv_fn *fn,
			void *context, struct error *err)
{
	CHECK_OP((int)space, <, (int)STORE_SPACE_COUNT);
	char start[256] = {(char)space}, *message = NULL;
	const void *from = after ? after : prefix;
	size_t from_bytes = after ? after_bytes : prefix_bytes;
	if (from_bytes > sizeof start - 1)
		return fail(RESULT_INPUT, err, "store: a key of %zu bytes is too long", from_bytes);
	if (from_bytes > 0)
		memcpy(start + 1, from, from_bytes);

	rocksdb_iterator_t *it = rocksdb_create_iterator(s->control.db, s->control.read);
	for (rocksdb_iter_seek(it, start, 1 + from_bytes); rocksdb_iter_valid(it);
	     rocksdb_iter_next(it)) {
		size_t key_bytes, value_bytes;
		const char *key = rocksdb_iter_key(it, &key_bytes);
		const char *value = rocksdb_iter_value(it, &value_bytes);
		if (after && key_bytes == 1 + from_bytes && memcmp(key, start, key_bytes) == 0)
			continue;
		if (!has_prefix(key, key_bytes, space, prefix, prefix_bytes) ||
		    !fn(context, key + 1, key_bytes - 1, value, value_bytes))
			break;
	}
	rocksdb_iter_get_error(it, &message);
	rocksdb_iter_destroy(it);
	return message ? db_failed("read control data", message, err) : RESULT_OK;
}

enum result store_kv_scan(struct store *s, enum store_space space, const void *prefix,
			  size_t prefix_bytes, store_kv_fn *fn, void *context, struct error *err)
{
	return scan(s, space, prefix, prefix_bytes, NULL, 0, fn, context, err);
}

enum result store_kv_scan_after(struct store *s, enum store_space space, const void *prefix,
				size_t prefix_bytes, const void *after, size_t after_bytes,
				store_kv_fn *fn, void *context, struct error *err)
{
	return scan(s, space, prefix, prefix_bytes, after, after_bytes, fn, context, err);
}
