/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a backup. The order is what makes it consistent:
 *
 *   1. hold the journal at what the store has durably
 *   2. checkpoint the readings; it reaches block P
 *   3. copy its files, and between them the journal's blocks behind P as far as they are durable,
 *      moving the hold along
 *   4. the rest of the journal, up to block D that is durable now
 *   5. checkpoint and copy the control plane's data: every device that a reading up to D belongs
 *      to was registered before it
 *   6. the configuration's files, and the manifest
 *
 * Thread: an ordinary one. Memory: the manifest and one buffer. Never stops anything.
 */
#include "storage/backup/backup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/backup/files.h"
#include "storage/backup/journal_copy.h"
#include "storage/backup/manifest.h"

#define CHECKPOINT "backup.checkpoint" /* below the store's folder, while it is copied */

struct making {
	const struct backup_source *source;
	const char *dir;
	char checkpoint[PATH_MAX_BYTES], journal_to[PATH_MAX_BYTES];
	struct meter meter;
	struct manifest manifest;
	struct journal_copy journal;
	/* of the tree that is being copied */
	const char *from, *below;
	bool with_journal;
};

/* Everything that is durable and not copied yet, up to the block that is durable now. */
static enum result journal_catch_up(struct making *m, struct error *err)
{
	struct journal_status status;
	journal_status_get(m->source->journal, &status);
	while (m->journal.last < status.durable_block) {
		struct inspect_found found;
		enum result r = journal_copy_next(&m->journal, &found, err);
		if (r == RESULT_ABSENT)
			return fail(RESULT_MEDIA, err,
			            "journal block %" PRIu64 " is durable and can't be found",
			            m->journal.last + 1);
		if (r == RESULT_OK)
			r = journal_copy_put(&m->journal, &found, err);
		if (r == RESULT_OK)
			r = meter_add(&m->meter, 0, err);
		if (r != RESULT_OK)
			return r;
		journal_hold(m->source->journal, m->journal.last);
	}
	return RESULT_OK;
}

static enum result take_file(struct making *m, const char *from, const char *name,
                             struct error *err)
{
	char to[PATH_MAX_BYTES];
	uint64_t bytes = 0;
	uint32_t crc = 0;
	enum result r = strlen(name) < MANIFEST_PATH_BYTES && !strchr(name, '\n')
	                    ? path_join(to, m->dir, name, err)
	                    : fail(RESULT_INPUT, err, "%.200s: not a name for a backup", name);
	if (r == RESULT_OK)
		r = folders_make(m->dir, name, err);
	if (r == RESULT_OK)
		r = file_copy(from, to, &bytes, &crc, &m->meter, err);
	return r == RESULT_OK ? manifest_add(&m->manifest, name, bytes, crc, err) : r;
}

static enum result on_tree_file(void *context, const char *path, struct error *err)
{
	struct making *m = context;
	char from[PATH_MAX_BYTES], name[PATH_MAX_BYTES];
	enum result r = path_join(from, m->from, path, err);
	if (r == RESULT_OK)
		r = path_join(name, m->below, path, err);
	if (r == RESULT_OK)
		r = take_file(m, from, name, err);
	if (r == RESULT_OK && m->with_journal)
		r = journal_catch_up(m, err);
	return r;
}

static enum result on_tree_size(void *context, const char *path, struct error *err)
{
	struct making *m = context;
	char from[PATH_MAX_BYTES];
	struct stat st;
	enum result r = path_join(from, m->from, path, err);
	if (r == RESULT_OK && stat(from, &st) == 0)
		m->meter.progress.total += (uint64_t)st.st_size;
	return r;
}

static enum result take_tree(struct making *m, const char *phase, const char *from,
                             const char *below, struct error *err)
{
	m->from = from;
	m->below = below;
	m->meter.progress = (struct backup_progress){.phase = phase};
	enum result r = tree_walk(from, on_tree_size, m, err);
	return r == RESULT_OK ? tree_walk(from, on_tree_file, m, err) : r;
}

/* 1 to 4. */
static enum result take_readings(struct making *m, struct error *err)
{
	const struct backup_source *s = m->source;
	m->meter.progress = (struct backup_progress){.phase = "checkpoint of the readings"};
	enum result r = meter_add(&m->meter, 0, err);
	uint64_t durable = store_durable_block(s->store);
	journal_hold(s->journal, durable > 0 ? durable - 1 : 0); /* with the block itself */
	if (r == RESULT_OK)
		r = store_checkpoint_readings(s->store, m->checkpoint, &m->manifest.store_block,
		                              err);
	if (r == RESULT_OK && mkdir(m->journal_to, 0700) != 0)
		r = fail(RESULT_RESOURCE, err, "make %s: %s", m->journal_to, strerror(errno));
	if (r == RESULT_OK)
		r = journal_copy_begin(&m->journal, s->journal_dir, m->journal_to,
		                       m->manifest.store_block, err);
	m->with_journal = true;
	if (r == RESULT_OK)
		r = take_tree(m, "readings", m->checkpoint, "store/readings", err);
	m->with_journal = false;
	m->meter.progress = (struct backup_progress){.phase = "journal"};
	if (r == RESULT_OK)
		r = journal_catch_up(m, err);
	if (r == RESULT_OK)
		r = journal_copy_sync(&m->journal, err);
	return r;
}

/* The copied segments were written piece by piece: their checksums are taken now. */
static enum result on_segment(void *context, const char *path, struct error *err)
{
	struct making *m = context;
	char from[PATH_MAX_BYTES], name[PATH_MAX_BYTES];
	uint64_t bytes;
	uint32_t crc;
	enum result r = path_join(from, m->journal_to, path, err);
	if (r == RESULT_OK)
		r = path_join(name, "journal", path, err);
	if (r == RESULT_OK)
		r = file_copy(from, NULL, &bytes, &crc, &m->meter, err);
	return r == RESULT_OK ? manifest_add(&m->manifest, name, bytes, crc, err) : r;
}

static enum result take_journal_rest(struct making *m, struct error *err)
{
	char superblock[PATH_MAX_BYTES];
	m->manifest.journal_block = m->journal.last;
	m->manifest.journal_ms = m->journal.last_ms;
	m->manifest.store_ms = m->journal.store_ms;
	enum result r = tree_walk(m->journal_to, on_segment, m, err);
	if (r == RESULT_OK)
		r = path_join(superblock, m->source->journal_dir, "superblock", err);
	return r == RESULT_OK ? take_file(m, superblock, "journal/superblock", err) : r;
}

/* 5. */
static enum result take_control(struct making *m, struct error *err)
{
	enum result r = tree_remove(m->checkpoint, err);
	if (r == RESULT_OK)
		r = store_checkpoint_control(m->source->store, m->checkpoint, err);
	return r == RESULT_OK ? take_tree(m, "registry", m->checkpoint, "store/control", err) : r;
}

/* 6. */
static enum result take_extras(struct making *m, struct error *err)
{
	enum result r = RESULT_OK;
	for (size_t i = 0; r == RESULT_OK && i < m->source->extra_count; i++) {
		const struct backup_extra *e = &m->source->extras[i];
		char name[PATH_MAX_BYTES];
		struct stat st;
		if (!e->path)
			continue;
		r = path_join(name, "config", e->name, err);
		if (r != RESULT_OK)
			break;
		if (stat(e->path, &st) != 0)
			return fail(RESULT_RESOURCE, err, "%s: %s", e->path, strerror(errno));
		r = S_ISDIR(st.st_mode) ? take_tree(m, "configuration", e->path, name, err)
		                        : take_file(m, e->path, name, err);
	}
	return r;
}

static enum result seal(struct making *m, struct error *err)
{
	size_t bytes;
	m->manifest.created_ms = m->source->now_ms;
	char *text = manifest_text(&m->manifest, &bytes);
	if (!text)
		return fail(RESULT_RESOURCE, err, "no memory for the manifest");
	enum result r = tree_sync(m->dir, err);
	if (r == RESULT_OK)
		r = file_write(m->dir, MANIFEST_NAME, text, bytes, err);
	free(text);
	return r;
}

static enum result make_all(struct making *m, struct error *err)
{
	enum result r = tree_remove(m->checkpoint, err); /* of one that was killed */
	if (r == RESULT_OK)
		r = take_readings(m, err);
	if (r == RESULT_OK)
		r = take_journal_rest(m, err);
	if (r == RESULT_OK)
		r = take_control(m, err);
	if (r == RESULT_OK)
		r = take_extras(m, err);
	return r == RESULT_OK ? seal(m, err) : r;
}

enum result backup_make(const struct backup_source *source, const char *dir,
                        backup_progress_fn *progress, void *context, struct backup_report *report,
                        struct error *err)
{
	struct making m = {
	    .source = source, .dir = dir, .meter = {.fn = progress, .context = context}};
	struct error ignored;
	m.journal.fd = -1;
	if (dir[0] != '/')
		return fail(RESULT_INPUT, err, "'%s' is no absolute path", dir);
	enum result r = path_join(m.checkpoint, source->store_dir, CHECKPOINT, err);
	if (r == RESULT_OK)
		r = path_join(m.journal_to, dir, "journal", err);
	if (r == RESULT_OK)
		r = dir_make_empty(dir, err);
	if (r != RESULT_OK)
		return r;
	r = make_all(&m, err);
	journal_hold(source->journal, JOURNAL_HOLD_NONE);
	journal_copy_end(&m.journal);
	enum result removed = tree_remove(m.checkpoint, r == RESULT_OK ? err : &ignored);
	if (r == RESULT_OK)
		r = removed;
	else
		removed = tree_remove(dir, &ignored); /* half a backup is none */
	*report = (struct backup_report){
	    .files = m.manifest.count,
	    .bytes = m.manifest.bytes,
	    .created_ms = source->now_ms,
	    .store_block = m.manifest.store_block,
	    .store_ms = m.manifest.store_ms,
	    .journal_block = m.manifest.journal_block,
	    .journal_ms = m.manifest.journal_ms,
	};
	manifest_fini(&m.manifest);
	return r;
}
