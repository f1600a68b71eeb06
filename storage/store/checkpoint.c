/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints of the two databases: consistent copies that cost no space while RocksDB still has
 * the same table files. Threads: any ordinary ones; RocksDB flushes what is in its memory first.
 */
#include <string.h>

#include "storage/store/keys.h"
#include "storage/store/store_priv.h"

static enum result checkpoint(struct db *d, const char *dir, struct error *err)
{
	char *message = NULL;
	rocksdb_checkpoint_t *c = rocksdb_checkpoint_object_create(d->db, &message);
	if (!message)
		rocksdb_checkpoint_create(c, dir, 0, &message);
	if (c)
		rocksdb_checkpoint_object_destroy(c);
	return message ? db_failed("make a checkpoint", message, err) : RESULT_OK;
}

/* What the copy itself says: runs may have been written while it was made. */
static enum result position_read(const char *dir, uint64_t *position, struct error *err)
{
	char *message = NULL, key = KEY_META;
	size_t bytes = 0;
	struct fate_totals totals;
	rocksdb_options_t *options = rocksdb_options_create();
	rocksdb_readoptions_t *read = rocksdb_readoptions_create();
	rocksdb_t *db = rocksdb_open_for_read_only(options, dir, 0, &message);
	char *value = db ? rocksdb_get(db, read, &key, 1, &bytes, &message) : NULL;
	enum result r;
	if (message)
		r = db_failed("read the checkpoint", message, err);
	else if (!value)
		r = fail(RESULT_MEDIA, err, "store: the checkpoint has no journal position");
	else
		r = store_meta_parse((const uint8_t *)value, bytes, position, &totals, err);
	rocksdb_free(value);
	if (db)
		rocksdb_close(db);
	rocksdb_readoptions_destroy(read);
	rocksdb_options_destroy(options);
	return r;
}

enum result store_checkpoint_readings(struct store *s, const char *dir, uint64_t *position,
                                      struct error *err)
{
	STORE_READS(s);
	enum result r = checkpoint(&s->readings, dir, err);
	return r == RESULT_OK ? position_read(dir, position, err) : r;
}

enum result store_checkpoint_control(struct store *s, const char *dir, struct error *err)
{
	return checkpoint(&s->control, dir, err);
}
