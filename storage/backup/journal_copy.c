/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks from one journal's folder to another's. A block's header names its segment and offset, so
 * the copy has the same segments, as far as they are needed, with nothing but good blocks in them.
 */
#include "storage/backup/journal_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum result failed(int error, const char *what, uint64_t segment, struct error *err)
{
	return fail(error == ENOSPC || error == EDQUOT ? RESULT_RESOURCE : RESULT_MEDIA, err,
	            "%s the copy of segment %" PRIx64 ": %s", what, segment, strerror(error));
}

enum result journal_copy_begin(struct journal_copy *c, const char *from, const char *to,
                               uint64_t store_block, struct error *err)
{
	*c = (struct journal_copy){.to = to, .fd = -1, .store_block = store_block};
	enum result r = journal_inspect_open(from, &c->in, err);
	if (r == RESULT_OK)
		journal_inspect_seek(c->in, store_block);
	return r;
}

enum result journal_copy_next(struct journal_copy *c, struct inspect_found *found,
                              struct error *err)
{
	enum result r = journal_inspect_next(c->in, found, err);
	if (r != RESULT_OK)
		return r;
	if (found->kind == INSPECT_END)
		return fail(RESULT_ABSENT, err, "the journal ends with block %" PRIu64, c->last);
	if (found->kind != INSPECT_BLOCK)
		return fail(RESULT_MEDIA, err,
		            "journal blocks %" PRIu64 " to %" PRIu64
		            " can't be read%s%s; look with: headrace journal verify",
		            found->missing_first, found->missing_last,
		            found->cause[0] ? ": " : "", found->cause);
	if (found->problem[0])
		return fail(RESULT_MEDIA, err, "journal block %" PRIu64 ": %s",
		            found->block.number, found->problem);
	if (!c->begun && found->block.number > c->store_block + 1)
		return fail(RESULT_MEDIA, err,
		            "the journal begins with block %" PRIu64 ", the store has %" PRIu64,
		            found->block.number, c->store_block);
	c->begun = true;
	return RESULT_OK;
}

static enum result segment_begin(struct journal_copy *c, uint64_t segment, struct error *err)
{
	char name[32], path[PATH_MAX_BYTES];
	enum result r = journal_copy_sync(c, err);
	if (r != RESULT_OK)
		return r;
	if (c->fd >= 0)
		close(c->fd);
	snprintf(name, sizeof name, "segment-%016" PRIx64 ".hrj", segment);
	r = path_join(path, c->to, name, err);
	if (r != RESULT_OK)
		return r;
	c->segment = segment;
	c->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return c->fd >= 0 ? RESULT_OK : failed(errno, "make", segment, err);
}

enum result journal_copy_put(struct journal_copy *c, const struct inspect_found *found,
                             struct error *err)
{
	if (c->fd < 0 || c->segment != found->segment) {
		enum result r = segment_begin(c, found->segment, err);
		if (r != RESULT_OK)
			return r;
	}
	const uint8_t *bytes = journal_inspect_bytes(c->in);
	for (uint32_t at = 0; at < found->block_bytes;) {
		ssize_t n = pwrite(c->fd, bytes + at, found->block_bytes - at,
		                   (off_t)(found->offset + at));
		if (n < 0 && errno != EINTR)
			return failed(errno, "write", c->segment, err);
		at += n > 0 ? (uint32_t)n : 0;
	}
	c->last = found->block.number;
	c->last_ms = found->block.written_ms;
	if (c->last <= c->store_block + (c->store_ms == 0))
		c->store_ms = c->last_ms;
	return RESULT_OK;
}

enum result journal_copy_sync(struct journal_copy *c, struct error *err)
{
	if (c->fd >= 0 && fsync(c->fd) != 0)
		return failed(errno, "sync", c->segment, err);
	return RESULT_OK;
}

void journal_copy_end(struct journal_copy *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->in)
		journal_inspect_close(c->in);
	c->fd = -1;
	c->in = NULL;
}
