/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restoring: every checksum first, then the copy. The journal is copied block by block, as far as
 * is wanted; all else as it is. Nothing of the old place is touched, and headraced needs not run.
 *
 * Thread: an ordinary one. Memory: the manifest and one buffer. Trusts nothing in the backup.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "storage/backup/backup.h"
#include "storage/backup/files.h"
#include "storage/backup/journal_copy.h"
#include "storage/backup/manifest.h"

#define MANIFEST_BYTES_MAX (512u << 20)

struct restoring {
	const char *dir, *to;
	const struct backup_target *target;
	struct manifest manifest;
	struct meter meter;
	struct journal_copy journal;
};

static enum result manifest_load(struct restoring *s, struct error *err)
{
	char path[PATH_MAX_BYTES], *text;
	size_t bytes;
	enum result r = path_join(path, s->dir, MANIFEST_NAME, err);
	if (r == RESULT_OK)
		r = file_read(path, MANIFEST_BYTES_MAX, &text, &bytes, err);
	if (r == RESULT_ABSENT)
		return fail(RESULT_INPUT, err, "%s is no backup: it has no " MANIFEST_NAME, s->dir);
	if (r != RESULT_OK)
		return r;
	r = manifest_parse(text, bytes, &s->manifest, err);
	free(text);
	return r;
}

static bool is_segment(const char *path)
{
	return strncmp(path, "journal/segment-", 16) == 0;
}

/* Read a file of the backup and hold it against the manifest; copy it unless `to` is NULL. */
static enum result take_file(struct restoring *s, const struct manifest_file *file, const char *to,
                             struct error *err)
{
	char from[PATH_MAX_BYTES], out[PATH_MAX_BYTES];
	uint64_t bytes;
	uint32_t crc;
	enum result r = path_join(from, s->dir, file->path, err);
	if (r == RESULT_OK && to)
		r = path_join(out, to, file->path, err);
	if (r == RESULT_OK && to)
		r = folders_make(to, file->path, err);
	if (r == RESULT_OK)
		r = file_copy(from, to ? out : NULL, &bytes, &crc, &s->meter, err);
	if (r == RESULT_OK && (bytes != file->bytes || crc != file->crc))
		r = fail(RESULT_MEDIA, err,
		         "%s is damaged: %" PRIu64 " bytes with checksum %08" PRIx32
		         ", the manifest says %" PRIu64 " with %08" PRIx32,
		         from, bytes, crc, file->bytes, file->crc);
	return r;
}

static enum result take_files(struct restoring *s, const char *phase, const char *to,
                              struct error *err)
{
	enum result r = RESULT_OK;
	s->meter.progress = (struct backup_progress){.phase = phase, .total = s->manifest.bytes};
	for (size_t i = 0; r == RESULT_OK && i < s->manifest.count; i++) {
		const struct manifest_file *file = &s->manifest.files[i];
		if (!to || !is_segment(file->path))
			r = take_file(s, file, to, err);
	}
	return r;
}

static const char *sooner(void)
{
	return "take an older backup for that";
}

/* Is the wanted point within the backup? */
static enum result check_target(const struct restoring *s, struct error *err)
{
	const struct manifest *m = &s->manifest;
	const struct backup_target *t = s->target;
	if (t->until == UNTIL_BLOCK && (t->block < m->store_block || t->block > m->journal_block))
		return fail(RESULT_INPUT, err,
		            "this backup can be restored to blocks %" PRIu64 " to %" PRIu64
		            ", not to %" PRIu64 "; %s",
		            m->store_block, m->journal_block, t->block,
		            t->block < m->store_block ? sooner() : "take a newer one");
	if (t->until == UNTIL_TIME && t->time_ms < m->store_ms)
		return fail(RESULT_INPUT, err,
		            "the store in this backup is newer than that by %" PRId64 " ms; %s",
		            m->store_ms - t->time_ms, sooner());
	return RESULT_OK;
}

static bool is_beyond(const struct restoring *s, const struct journal_block *b)
{
	const struct backup_target *t = s->target;
	if (b->number <= s->manifest.store_block)
		return false; /* the store has it already */
	return (t->until == UNTIL_BLOCK && b->number > t->block) ||
	       (t->until == UNTIL_TIME && b->written_ms > t->time_ms);
}

static enum result take_journal(struct restoring *s, struct error *err)
{
	char from[PATH_MAX_BYTES], to[PATH_MAX_BYTES];
	enum result r = path_join(from, s->dir, "journal", err);
	if (r == RESULT_OK)
		r = path_join(to, s->to, "journal", err);
	if (r == RESULT_OK)
		r = journal_copy_begin(&s->journal, from, to, s->manifest.store_block, err);
	while (r == RESULT_OK && s->journal.last < s->manifest.journal_block) {
		struct inspect_found found;
		r = journal_copy_next(&s->journal, &found, err);
		if (r == RESULT_ABSENT)
			r = fail(RESULT_MEDIA, err,
			         "the backup's journal ends with block %" PRIu64
			         " instead of %" PRIu64,
			         s->journal.last, s->manifest.journal_block);
		if (r != RESULT_OK || is_beyond(s, &found.block))
			break;
		r = journal_copy_put(&s->journal, &found, err);
		if (r == RESULT_OK)
			r = meter_add(&s->meter, found.block_bytes, err);
	}
	if (r == RESULT_OK && s->journal.last < s->manifest.store_block)
		r = fail(RESULT_INPUT, err,
		         "this backup's journal begins behind its store: restore to block %" PRIu64
		         " or later",
		         s->manifest.store_block + 1);
	return r == RESULT_OK ? journal_copy_sync(&s->journal, err) : r;
}

static enum result restore_all(struct restoring *s, struct error *err)
{
	enum result r = take_files(s, "checking", NULL, err);
	if (r == RESULT_OK)
		r = dir_make_empty(s->to, err);
	if (r != RESULT_OK)
		return r;
	struct error ignored;
	r = take_files(s, "copying", s->to, err);
	if (r == RESULT_OK)
		r = take_journal(s, err);
	if (r == RESULT_OK)
		r = tree_sync(s->to, err);
	/* half a store must not be started */
	if (r != RESULT_OK && tree_remove(s->to, &ignored) != RESULT_OK)
		return fail(r, err, "%s is not complete and can't be removed: %s", s->to,
		            ignored.text);
	return r;
}

enum result backup_restore(const char *dir, const char *to, const struct backup_target *target,
                           backup_progress_fn *progress, void *context,
                           struct backup_report *report, struct error *err)
{
	struct restoring s = {.dir = dir,
	                      .to = to,
	                      .target = target,
	                      .meter = {.fn = progress, .context = context}};
	s.journal.fd = -1;
	enum result r = manifest_load(&s, err);
	if (r == RESULT_OK)
		r = check_target(&s, err);
	if (r == RESULT_OK)
		r = restore_all(&s, err);
	*report = (struct backup_report){
	    .files = s.manifest.count,
	    .bytes = s.manifest.bytes,
	    .created_ms = s.manifest.created_ms,
	    .store_block = s.manifest.store_block,
	    .store_ms = s.manifest.store_ms,
	    .journal_block = s.journal.last,
	    .journal_ms = s.journal.last_ms,
	};
	journal_copy_end(&s.journal);
	manifest_fini(&s.manifest);
	return r;
}
