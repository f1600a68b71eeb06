/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated disk. Input: a seed and how often accidents happen. What an operation that
 * changes a name or the superblock leaves behind at a power cut is all or nothing, as rename
 * promises; a write leaves any subset of its sectors. A write that was under way when the process
 * was killed lies in the disk's cache until its segment is synced or its place written again.
 */
#include "tests/sim/storage/sim_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static struct sim_disk *sim_of(struct journal_io *io)
{
	return (struct sim_disk *)io;
}

uint64_t sim_random(struct sim_disk *d)
{
	/* splitmix64 (Steele, Lea, Flood, 2014) */
	uint64_t z = d->random += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static bool one_in(struct sim_disk *d, uint32_t n)
{
	return n > 0 && sim_random(d) % n == 0;
}

/* Counts an operation; true: the power goes during it. */
static bool cut_now(struct sim_disk *d)
{
	if (!d->cut && d->cut_after > 0 && --d->cut_after == 0) {
		d->cut = true;
		d->killed = d->kills;
		return true;
	}
	return false;
}

struct sim_file *sim_disk_segment(struct sim_disk *d, uint64_t number)
{
	for (uint32_t i = 0; i < SIM_FILES_MAX; i++) {
		if (d->file[i].exists && d->file[i].number == number)
			return &d->file[i];
	}
	return NULL;
}

struct sim_file *sim_disk_add(struct sim_disk *d, uint64_t number, uint64_t bytes)
{
	for (uint32_t i = 0; i < SIM_FILES_MAX; i++) {
		struct sim_file *f = &d->file[i];
		if (f->exists || f->data)
			continue;
		*f = (struct sim_file){true, number, bytes, calloc(1, bytes)};
		CHECK(f->data);
		return f;
	}
	CHECK(!"a free file");
	return NULL;
}

static enum result off(struct error *err)
{
	return fail(RESULT_MEDIA, err, "the power is off");
}

static enum result sim_list(struct journal_io *io, struct journal_segment_file **files,
                            size_t *count, struct error *err)
{
	struct sim_disk *d = sim_of(io);
	(void)err;
	*files = malloc(SIM_FILES_MAX * sizeof **files);
	CHECK(*files);
	*count = 0;
	for (uint32_t i = 0; i < SIM_FILES_MAX; i++) {
		if (d->file[i].exists)
			(*files)[(*count)++] = (struct journal_segment_file){d->file[i].number,
			                                                     d->file[i].bytes};
	}
	return RESULT_OK;
}

/* Cached writes that touch these bytes are durable now, or overwritten. */
static void cached_drop(struct sim_disk *d, uint32_t file, uint64_t offset, uint64_t bytes)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < d->cached_count; i++) {
		struct sim_cached c = d->cached[i];
		if (c.file == file && c.offset < offset + bytes && offset < c.offset + c.bytes)
			free(c.before);
		else
			d->cached[kept++] = c;
	}
	d->cached_count = kept;
}

static void segment_drop(struct sim_disk *d, struct sim_file *f)
{
	cached_drop(d, (uint32_t)(f - d->file), 0, f->bytes);
	f->exists = false;
	free(f->data);
	f->data = NULL;
}

/* The name of a segment is given to another file: the one that had it is gone. */
static void name_take(struct sim_disk *d, uint64_t number)
{
	struct sim_file *f = sim_disk_segment(d, number);
	if (f)
		segment_drop(d, f);
}

static enum result sim_prepare(struct journal_io *io, uint64_t number, uint64_t bytes,
                               int *out_errno, struct error *err)
{
	struct sim_disk *d = sim_of(io);
	*out_errno = EIO;
	if (d->cut)
		return off(err);
	if (cut_now(d)) {
		if (sim_random(d) % 2) {
			name_take(d, number);
			sim_disk_add(d, number, bytes);
		}
		return off(err);
	}
	if (one_in(d, d->fail_prepare)) {
		*out_errno = ENOSPC;
		d->failures++;
		return fail(RESULT_RESOURCE, err, "no space");
	}
	name_take(d, number);
	sim_disk_add(d, number, bytes);
	return RESULT_OK;
}

static enum result sim_recycle(struct journal_io *io, uint64_t from, uint64_t to, int *out_errno,
                               struct error *err)
{
	struct sim_disk *d = sim_of(io);
	*out_errno = EIO;
	if (d->cut)
		return off(err);
	struct sim_file *f = sim_disk_segment(d, from);
	bool done = !f && sim_disk_segment(d, to); /* by an earlier attempt */
	if (!f && !done) {
		*out_errno = ENOENT;
		return fail(RESULT_MEDIA, err, "no segment %llx", (unsigned long long)from);
	}
	bool cut = cut_now(d), failed = one_in(d, d->fail_recycle);
	d->failures += failed;
	if (!done && ((!cut && !failed) || sim_random(d) % 2)) {
		name_take(d, to);
		f->number = to;
	}
	if (cut)
		return off(err);
	*out_errno = failed ? EIO : 0;
	return failed ? fail(RESULT_MEDIA, err, "the directory can't be synced") : RESULT_OK;
}

static enum result sim_remove(struct journal_io *io, uint64_t number, struct error *err)
{
	struct sim_disk *d = sim_of(io);
	if (d->cut)
		return off(err);
	struct sim_file *f = sim_disk_segment(d, number);
	bool cut = cut_now(d), failed = one_in(d, d->fail_remove);
	d->failures += failed;
	if (f && ((!cut && !failed) || sim_random(d) % 2))
		segment_drop(d, f);
	if (cut)
		return off(err);
	return failed ? fail(RESULT_MEDIA, err, "the directory can't be synced") : RESULT_OK;
}

static enum result sim_sync(struct journal_io *io, uint64_t number, struct error *err)
{
	struct sim_disk *d = sim_of(io);
	struct sim_file *f = sim_disk_segment(d, number);
	if (d->cut || cut_now(d))
		return off(err);
	CHECK(f);
	cached_drop(d, (uint32_t)(f - d->file), 0, f->bytes);
	d->syncs++;
	return RESULT_OK;
}

static enum result sim_read(struct journal_io *io, uint64_t number, uint64_t offset, uint8_t *to,
                            uint32_t bytes, struct error *err)
{
	const struct sim_file *f = sim_disk_segment(sim_of(io), number);
	if (!f)
		return fail(RESULT_ABSENT, err, "no segment %llx", (unsigned long long)number);
	uint64_t have = offset < f->bytes ? f->bytes - offset : 0;
	uint32_t take = have < bytes ? (uint32_t)have : bytes;
	if (take > 0)
		memcpy(to, f->data + offset, take);
	memset(to + take, 0, bytes - take);
	return RESULT_OK;
}

static enum result sim_super_get(struct journal_io *io, uint8_t *to, uint32_t max,
                                 uint32_t *bytes, struct error *err)
{
	struct sim_disk *d = sim_of(io);
	if (d->super_bytes == 0)
		return fail(RESULT_ABSENT, err, "no superblock");
	*bytes = d->super_bytes < max ? d->super_bytes : max;
	memcpy(to, d->super, *bytes);
	return RESULT_OK;
}

static enum result sim_super_set(struct journal_io *io, const uint8_t *from, uint32_t bytes,
                                 struct error *err)
{
	struct sim_disk *d = sim_of(io);
	if (d->cut)
		return off(err);
	CHECK_OP(bytes, <=, sizeof d->super);
	bool cut = cut_now(d);
	if (!cut || sim_random(d) % 2) {
		memcpy(d->super, from, bytes);
		d->super_bytes = bytes;
	}
	return cut ? off(err) : RESULT_OK;
}

static int sim_open(struct journal_io *io, uint64_t number)
{
	struct sim_disk *d = sim_of(io);
	struct sim_file *f = sim_disk_segment(d, number);
	return f ? (int)(f - d->file) : -ENOENT;
}

static void sim_close(struct journal_io *io, int handle)
{
	(void)io;
	CHECK_OP(handle, >=, 0);
}

static enum result sim_attach(struct journal_io *io, uint8_t *const *buffers, uint32_t count,
                              uint32_t buffer_bytes, uint32_t depth, struct error *err)
{
	(void)count;
	(void)buffer_bytes;
	(void)depth;
	(void)err;
	sim_of(io)->buffers = buffers;
	return RESULT_OK;
}

static void sim_use(struct journal_io *io, int handle)
{
	CHECK(sim_of(io)->file[handle].exists);
}

static void sim_write(struct journal_io *io, int handle, uint32_t buffer, uint32_t bytes,
                      uint64_t offset, uint32_t tag)
{
	struct sim_disk *d = sim_of(io);
	CHECK_OP(d->write_count, <, (uint32_t)SIM_WRITES_MAX);
	CHECK(d->file[handle].exists);
	CHECK_OP(offset + bytes, <=, d->file[handle].bytes);
	CHECK_OP(offset % 4096, ==, 0u);
	CHECK_OP(bytes % 4096, ==, 0u);
	d->write[d->write_count++] =
	    (struct sim_write){(uint32_t)handle, offset, buffer, bytes, tag};
	cut_now(d);
}

/* Some sectors of a write reach the disk: a prefix, or any of them. */
static void write_torn(struct sim_disk *d, const struct sim_write *w, uint32_t limit)
{
	bool prefix = sim_random(d) % 2;
	uint32_t sectors = limit / SECTOR_BYTES;
	uint32_t end = sectors > 0 ? (uint32_t)(sim_random(d) % (sectors + 1)) : 0;
	for (uint32_t s = 0; s < sectors; s++) {
		if (prefix ? s < end : sim_random(d) % 2)
			memcpy(d->file[w->file].data + w->offset + s * SECTOR_BYTES,
			       d->buffers[w->buffer] + s * SECTOR_BYTES, SECTOR_BYTES);
	}
}

static void write_whole(struct sim_disk *d, const struct sim_write *w)
{
	memcpy(d->file[w->file].data + w->offset, d->buffers[w->buffer], w->bytes);
}

/* What a power cut leaves of a write under way: all, nothing, or some sectors. */
static void write_cut(struct sim_disk *d, const struct sim_write *w)
{
	switch (sim_random(d) % 4) {
	case 0:
		write_whole(d, w);
		break;
	case 1:
		break;
	default:
		write_torn(d, w, w->bytes);
	}
}

/* What a kill leaves: the whole write, in the disk's cache. */
static void write_killed(struct sim_disk *d, const struct sim_write *w)
{
	if (d->cached_count == SIM_CACHED_MAX) /* the cache is full: the oldest goes to disk */
		cached_drop(d, d->cached[0].file, d->cached[0].offset, d->cached[0].bytes);
	struct sim_cached *c = &d->cached[d->cached_count++];
	*c = (struct sim_cached){w->file, w->offset, w->bytes, malloc(w->bytes)};
	CHECK(c->before);
	memcpy(c->before, d->file[w->file].data + w->offset, w->bytes);
	write_whole(d, w);
}

static int32_t write_end(struct sim_disk *d, const struct sim_write *w)
{
	cached_drop(d, w->file, w->offset, w->bytes);
	if (d->killed) {
		write_killed(d, w);
		return -EIO;
	}
	if (d->cut) {
		write_cut(d, w);
		return -EIO;
	}
	if (one_in(d, d->fail_write)) {
		write_torn(d, w, w->bytes);
		d->failures++;
		return sim_random(d) % 2 ? -EIO : -ENOSPC;
	}
	if (one_in(d, d->short_write)) {
		uint32_t part =
		    (uint32_t)(sim_random(d) % (w->bytes / SECTOR_BYTES)) * SECTOR_BYTES;
		memcpy(d->file[w->file].data + w->offset, d->buffers[w->buffer], part);
		d->failures++;
		return (int32_t)part;
	}
	write_whole(d, w);
	d->writes_done++;
	return (int32_t)w->bytes;
}

static uint32_t sim_poll(struct journal_io *io, struct journal_completion *done, uint32_t max)
{
	struct sim_disk *d = sim_of(io);
	uint32_t count = 0;
	d->now_us += sim_random(d) % 300;
	cut_now(d);
	/* after a cut every write ends: as an error, so that nobody is told it is durable */
	while (count < max && d->write_count > 0 && !(d->stuck && !d->cut)) {
		if (!d->cut && sim_random(d) % 3 == 0)
			break;
		uint32_t pick = (uint32_t)(sim_random(d) % d->write_count);
		struct sim_write w = d->write[pick];
		done[count++] = (struct journal_completion){w.tag, write_end(d, &w)};
		d->write[pick] = d->write[--d->write_count];
	}
	return count;
}

static void sim_wait(struct journal_io *io, uint32_t timeout_us)
{
	struct sim_disk *d = sim_of(io);
	d->now_us += sim_random(d) % (timeout_us + 1);
}

static int64_t sim_wall_ms(struct journal_io *io)
{
	return 1750000000000 + (int64_t)(sim_of(io)->now_us / 1000);
}

static uint64_t sim_mono_us(struct journal_io *io)
{
	return sim_of(io)->now_us;
}

static void sim_free(struct journal_io *io)
{
	(void)io; /* the test's */
}

static const struct journal_io_ops sim_ops = {
    .list = sim_list,
    .prepare = sim_prepare,
    .recycle = sim_recycle,
    .remove = sim_remove,
    .sync = sim_sync,
    .read = sim_read,
    .super_get = sim_super_get,
    .super_set = sim_super_set,
    .open = sim_open,
    .close = sim_close,
    .attach = sim_attach,
    .use = sim_use,
    .write = sim_write,
    .poll = sim_poll,
    .wait = sim_wait,
    .wall_ms = sim_wall_ms,
    .mono_us = sim_mono_us,
    .free = sim_free,
};

void sim_disk_init(struct sim_disk *d, uint64_t seed)
{
	memset(d, 0, sizeof *d);
	d->io.ops = &sim_ops;
	d->random = seed;
	d->now_us = 1000000;
}

void sim_disk_fini(struct sim_disk *d)
{
	for (uint32_t i = 0; i < SIM_FILES_MAX; i++)
		free(d->file[i].data);
	for (uint32_t i = 0; i < d->cached_count; i++)
		free(d->cached[i].before);
}

/* The power is gone, and with it the disk's cache, or most of it. */
static void cache_lost(struct sim_disk *d)
{
	while (d->cached_count > 0) {
		struct sim_cached *c = &d->cached[--d->cached_count];
		if (sim_random(d) % 4 != 0)
			memcpy(d->file[c->file].data + c->offset, c->before, c->bytes);
		free(c->before);
	}
}

void sim_disk_kill(struct sim_disk *d)
{
	d->cut = d->killed = true;
}

void sim_disk_restart(struct sim_disk *d)
{
	CHECK_OP(d->write_count, ==, 0u); /* the journal was closed, and with it its writes */
	if (d->cut && !d->killed)
		cache_lost(d);
	d->cut = d->killed = false;
	d->cut_after = 0;
	d->stuck = false;
	d->now_us += 1000000;
}
