/* SPDX-License-Identifier: Apache-2.0 */
/* See kvdb.h. A RocksDB with a log: a synced commit is one fsync of it. */
#include "storage/store/kvdb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/store/db.h"

struct kvdb {
	struct db db;
	rocksdb_writebatch_t *batch;
};

enum result kvdb_open(const char *dir, struct kvdb **out, struct error *err)
{
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return fail(RESULT_RESOURCE, err, "%s: %s", dir, strerror(errno));
	struct kvdb *k = calloc(1, sizeof *k);
	if (!k)
		return fail(RESULT_RESOURCE, err, "%s: no memory", dir);
	k->batch = rocksdb_writebatch_create();
	enum result result = db_open_control(&k->db, dir, err);
	if (result != RESULT_OK) {
		kvdb_close(k);
		return result;
	}
	*out = k;
	return RESULT_OK;
}

void kvdb_close(struct kvdb *k)
{
	if (!k)
		return;
	db_close(&k->db);
	rocksdb_writebatch_destroy(k->batch);
	free(k);
}

void kvdb_put(struct kvdb *k, const void *key, size_t key_bytes, const void *value,
              size_t value_bytes)
{
	rocksdb_writebatch_put(k->batch, key, key_bytes, value, value_bytes);
}

void kvdb_delete(struct kvdb *k, const void *key, size_t key_bytes)
{
	rocksdb_writebatch_delete(k->batch, key, key_bytes);
}

enum result kvdb_commit(struct kvdb *k, bool sync, struct error *err)
{
	char *message = NULL;
	rocksdb_writeoptions_set_sync(k->db.write, sync);
	rocksdb_write(k->db.db, k->db.write, k->batch, &message);
	if (message)
		return db_failed("write sessions and messages", message, err);
	rocksdb_writebatch_clear(k->batch);
	return RESULT_OK;
}

enum result kvdb_scan(struct kvdb *k, kvdb_fn *fn, void *context, struct error *err)
{
	char *message = NULL;
	enum result result = RESULT_OK;
	rocksdb_iterator_t *it = rocksdb_create_iterator(k->db.db, k->db.read);
	for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it) && result == RESULT_OK;
	     rocksdb_iter_next(it)) {
		size_t key_bytes, value_bytes;
		const char *key = rocksdb_iter_key(it, &key_bytes);
		const char *value = rocksdb_iter_value(it, &value_bytes);
		result = fn(context, key, key_bytes, value, value_bytes, err);
	}
	rocksdb_iter_get_error(it, &message);
	rocksdb_iter_destroy(it);
	return message ? db_failed("read sessions and messages", message, err) : result;
}
