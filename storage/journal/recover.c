/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery: from what lies in the segments to the one true sequence of blocks.
 *
 * Input: the segments and the superblock. Output: the replayed blocks, the place to go on at,
 * and a new epoch, written down before anything is appended.
 *
 * A block counts only if it is the journal's own (uuid), lies where it says it lies, has the next
 * number, an epoch not below its predecessor's, and a right CRC. The first that does not is the
 * end: torn, never written, or left over from the segment's earlier life. A block beyond the end
 * was never acknowledged; should it be whole, its epoch is lower than that of whatever will be
 * written before it, so it can never count later.
 *
 * Each block says up to which number everything was durable when it was closed. So a whole block
 * beyond the end which says that the missing one was durable proves damage: RESULT_MEDIA.
 *
 * A process that was killed may leave a whole block that only the disk's cache has. So a segment
 * is made durable before a block of it is replayed: neither the store nor a newer block may get
 * ahead of it.
 *
 * Thread: the one that opens the journal. Memory: malloc. Never writes to a segment.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "storage/journal/journal_priv.h"

/* Read this much first: most blocks of a lightly loaded journal are smaller. */
#define FIRST_READ_BYTES (32u * 1024u)
#define SCAN_BYTES       (1024u * 1024u)

static bool same_uuid(struct journal_uuid a, struct journal_uuid b)
{
	return a.half[0] == b.half[0] && a.half[1] == b.half[1];
}

/* A whole block of ours that lies at (segment, offset)? Then it is in `buffer`. */
static enum result block_at(struct walk *w, uint64_t segment, uint64_t offset,
                            struct block_header *h, bool *good, struct error *err)
{
	*good = false;
	enum result r =
	    w->io->ops->read(w->io, segment, offset, w->buffer, FIRST_READ_BYTES, err);
	if (r == RESULT_ABSENT)
		return RESULT_OK; /* the reader released all of it: the next block lies behind it */
	if (r != RESULT_OK)
		return r;
	if (!block_header_parse(w->buffer, h) || !same_uuid(h->uuid, w->uuid) ||
	    h->segment != segment || h->offset != offset)
		return RESULT_OK;
	if (h->block_bytes > FIRST_READ_BYTES) {
		r = w->io->ops->read(w->io, segment, offset + FIRST_READ_BYTES,
		                     w->buffer + FIRST_READ_BYTES,
		                     h->block_bytes - FIRST_READ_BYTES, err);
		if (r != RESULT_OK)
			return r;
	}
	*good = block_crc_good(w->buffer, h);
	return RESULT_OK;
}

enum result walk_next(struct walk *w, struct block_header *h, struct error *err)
{
	uint64_t segment = w->segment, offset = w->offset;
	for (int attempt = 0; attempt < 2 && segment <= w->last_segment; attempt++) {
		bool good;
		enum result r = block_at(w, segment, offset, h, &good, err);
		if (r != RESULT_OK)
			return r;
		if (good && (w->next == 0 || h->number == w->next) && h->epoch >= w->epoch &&
		    h->number > 0) {
			w->segment = segment;
			w->offset = offset + h->block_bytes;
			w->next = h->number + 1;
			w->epoch = h->epoch;
			return RESULT_OK;
		}
		if (offset == 0)
			break;
		segment++;
		offset = 0;
	}
	return RESULT_ABSENT;
}

static int by_number(const void *a, const void *b)
{
	const struct journal_segment_file *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* A first opening: no superblock. Blocks without one mean that it was lost. */
static enum result super_make(struct journal_io *io, struct recovered *out, struct walk *w,
                              struct error *err)
{
	for (size_t i = 0; i < out->segment_count; i++) {
		struct block_header h;
		enum result r = io->ops->read(io, out->segments[i].number, 0, w->buffer,
		                              FIRST_READ_BYTES, err);
		if (r != RESULT_OK)
			return r;
		if (block_header_parse(w->buffer, &h))
			return fail(RESULT_MEDIA, err,
			            "journal: the superblock is missing, but segment %" PRIx64
			            " holds blocks; put it back from a backup",
			            out->segments[i].number);
	}
	struct hash_key random = hash_key_random();
	out->super = (struct super){
	    .uuid = {{random.k0, random.k1}},
	    .created_ms = io->ops->wall_ms(io),
	};
	return RESULT_OK;
}

static enum result super_load(struct journal_io *io, struct recovered *out, struct walk *w,
                              struct error *err)
{
	uint8_t bytes[SUPER_BYTES];
	uint32_t count = 0;
	enum result r = io->ops->super_get(io, bytes, sizeof bytes, &count, err);
	if (r == RESULT_ABSENT)
		return super_make(io, out, w, err);
	if (r != RESULT_OK)
		return r;
	switch (super_parse(bytes, count, &out->super)) {
	case SUPER_GOOD:
		return RESULT_OK;
	case SUPER_OTHER_VERSION:
		return fail(RESULT_INPUT, err,
		            "journal: its format is version %u, this program's is %u; use the "
		            "program that wrote it",
		            out->super.format, JOURNAL_FORMAT);
	case SUPER_DAMAGED:
		break;
	}
	return fail(RESULT_MEDIA, err, "journal: the superblock is damaged");
}

void journal_block_view(const uint8_t *data, const struct block_header *h,
                        struct journal_block *block)
{
	*block = (struct journal_block){
	    .number = h->number,
	    .epoch = h->epoch,
	    .written_ms = h->written_ms,
	    .totals = h->totals,
	    .record_count = h->record_count,
	    .record_bytes = h->record_bytes,
	    .records = data + BLOCK_HEADER_BYTES,
	};
	memcpy(block->stage_seq, h->stage_seq, sizeof block->stage_seq);
}

/* The blocks that count, one by one; fills in where they end. */
static enum result walk_all(struct walk *w, uint64_t after, journal_replay_fn *replay,
                            void *context, struct recovered *out, struct error *err)
{
	enum result r;
	struct block_header h;
	out->active = out->segment_count;
	while ((r = walk_next(w, &h, err)) == RESULT_OK) {
		if (out->last_block == 0 && h.number > after + 1)
			return fail(RESULT_MEDIA, err,
			            "journal: blocks %" PRIu64 " to %" PRIu64
			            " are missing before segment %" PRIx64,
			            after + 1, h.number - 1, h.segment);
		size_t index = (size_t)(h.segment - out->segments[0].number);
		if (index != out->active) {
			r = w->io->ops->sync(w->io, h.segment, err);
			if (r != RESULT_OK)
				return r;
		}
		if (out->last_block != 0 && index != out->active)
			out->last_blocks[out->active] = out->last_block;
		out->active = index;
		out->end_offset = w->offset;
		out->last_block = h.number;
		out->totals = h.totals;
		if (h.number > after) {
			struct journal_block block;
			journal_block_view(w->buffer, &h, &block);
			r = replay(context, &block, err);
			if (r != RESULT_OK)
				return r;
		}
	}
	return r == RESULT_ABSENT ? RESULT_OK : r;
}

/* Does a whole block at (segment, offset) prove that block `missing` was durable? */
static enum result proves_damage(struct walk *w, uint64_t segment, uint64_t offset,
                                 uint64_t missing, struct error *err)
{
	struct block_header h;
	bool good;
	enum result r = block_at(w, segment, offset, &h, &good, err);
	if (r != RESULT_OK || !good)
		return r;
	if (h.durable_before < missing)
		return RESULT_OK;
	return fail(RESULT_MEDIA, err,
	            "journal: block %" PRIu64 " is damaged at segment %" PRIx64 " offset %" PRIu64
	            ": block %" PRIu64 " behind it (segment %" PRIx64 " offset %" PRIu64
	            ") says that it was durable",
	            missing, w->segment, w->offset, h.number, segment, offset);
}

/* Look at every place of a segment where a block can begin. */
static enum result scan_segment(struct walk *w, const struct journal_segment_file *file,
                                uint64_t from, uint64_t missing, uint8_t *chunk,
                                struct error *err)
{
	for (uint64_t base = from; base < file->bytes; base += SCAN_BYTES) {
		enum result r =
		    w->io->ops->read(w->io, file->number, base, chunk, SCAN_BYTES, err);
		for (uint32_t at = 0; r == RESULT_OK && at < SCAN_BYTES; at += BLOCK_ALIGN) {
			struct block_header h;
			if (block_header_parse(chunk + at, &h) && same_uuid(h.uuid, w->uuid) &&
			    h.segment == file->number && h.offset == base + at)
				r = proves_damage(w, file->number, base + at, missing, err);
		}
		if (r != RESULT_OK)
			return r;
	}
	return RESULT_OK;
}

/* Behind the end: the rest of its segment and the next one in full, of the others the start. */
static enum result check_behind(struct walk *w, const struct recovered *out, struct error *err)
{
	uint64_t missing = out->last_block + 1;
	size_t end = out->active < out->segment_count ? out->active : 0;
	enum result r = RESULT_OK;
	uint8_t *chunk = aligned_alloc(BLOCK_ALIGN, SCAN_BYTES);
	if (!chunk)
		return fail(RESULT_RESOURCE, err, "journal: no memory");
	for (size_t i = end; r == RESULT_OK && i < out->segment_count; i++) {
		const struct journal_segment_file *file = &out->segments[i];
		if (i <= end + 1)
			r = scan_segment(w, file, i == end ? out->end_offset : 0, missing, chunk,
			                 err);
		else
			r = proves_damage(w, file->number, 0, missing, err);
	}
	free(chunk);
	return r;
}

static enum result recover_blocks(struct walk *w, uint64_t after, journal_replay_fn *replay,
                                  void *context, struct recovered *out, struct error *err)
{
	enum result r = super_load(w->io, out, w, err);
	if (r != RESULT_OK)
		return r;
	w->uuid = out->super.uuid;
	if (out->segment_count > 0) {
		/* what lies behind a gap in the numbers can't belong to the sequence */
		size_t last = 0;
		while (last + 1 < out->segment_count &&
		       out->segments[last + 1].number == out->segments[last].number + 1)
			last++;
		w->segment = out->segments[0].number;
		w->last_segment = out->segments[last].number;
		r = walk_all(w, after, replay, context, out, err);
		if (r == RESULT_OK)
			r = check_behind(w, out, err);
		if (r != RESULT_OK)
			return r;
	}
	if (out->last_block < after)
		return fail(RESULT_MEDIA, err,
		            "journal: it ends with block %" PRIu64 ", but the store has block "
		            "%" PRIu64 " already; this journal is not the store's, or its end is "
		            "damaged",
		            out->last_block, after);
	if (w->epoch > out->super.epoch)
		return fail(RESULT_MEDIA, err,
		            "journal: block %" PRIu64 " has epoch %" PRIu64
		            ", the superblock only %" PRIu64 "; is it an old copy?",
		            out->last_block, w->epoch, out->super.epoch);
	return RESULT_OK;
}

enum result recover(struct journal_io *io, uint64_t after, journal_replay_fn *replay,
                    void *context, struct recovered *out, struct error *err)
{
	*out = (struct recovered){0};
	struct walk w = {.io = io};
	enum result r = io->ops->list(io, &out->segments, &out->segment_count, err);
	if (r != RESULT_OK)
		return r;
	if (out->segment_count > 0)
		qsort(out->segments, out->segment_count, sizeof out->segments[0], by_number);
	w.buffer = aligned_alloc(BLOCK_ALIGN, BLOCK_BYTES_MAX);
	out->last_blocks = calloc(out->segment_count + 1, sizeof out->last_blocks[0]);
	if (!w.buffer || !out->last_blocks)
		r = fail(RESULT_RESOURCE, err, "journal: no memory");
	else
		r = recover_blocks(&w, after, replay, context, out, err);
	if (r == RESULT_OK) {
		uint8_t bytes[SUPER_BYTES];
		out->super.epoch++;
		super_write(bytes, &out->super);
		r = io->ops->super_set(io, bytes, sizeof bytes, err);
	}
	free(w.buffer);
	return r;
}

void recovered_fini(struct recovered *r)
{
	free(r->segments);
	free(r->last_blocks);
}
