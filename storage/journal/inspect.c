/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look from outside: see inspect.h. Stands on recovery's walk over the good blocks; where that
 * ends, every place behind it is searched for a block that proves damage, and the walk goes on
 * there.
 */
#include "storage/journal/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/journal/journal_priv.h"
#include "storage/journal/record.h"

#define SCAN_BYTES (1024u * 1024u)

struct journal_inspect {
	struct journal_io *io;
	struct super super;
	struct journal_segment_file *segments; /* by number */
	size_t count;
	struct walk walk;
	uint8_t *chunk; /* SCAN_BYTES */
	uint64_t done;
	bool any; /* a block was found: `totals` are those of the one before */
	struct fate_totals totals;
};

static int by_number(const void *a, const void *b)
{
	const struct journal_segment_file *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

static enum result list_again(struct journal_inspect *in, struct error *err)
{
	free(in->segments);
	in->segments = NULL;
	in->count = 0;
	enum result r = in->io->ops->list(in->io, &in->segments, &in->count, err);
	if (r != RESULT_OK)
		return r;
	if (in->count > 0)
		qsort(in->segments, in->count, sizeof in->segments[0], by_number);
	in->walk.last_segment = in->count ? in->segments[in->count - 1].number : 0;
	return RESULT_OK;
}

static enum result super_read(struct journal_inspect *in, const char *dir, struct error *err)
{
	uint8_t bytes[SUPER_BYTES];
	uint32_t count = 0;
	enum result r = in->io->ops->super_get(in->io, bytes, sizeof bytes, &count, err);
	if (r == RESULT_ABSENT)
		return fail(RESULT_ABSENT, err, "%s: no journal here (it has no superblock)", dir);
	if (r != RESULT_OK)
		return r;
	switch (super_parse(bytes, count, &in->super)) {
	case SUPER_GOOD:
		in->walk.uuid = in->super.uuid;
		return RESULT_OK;
	case SUPER_OTHER_VERSION:
		return fail(RESULT_INPUT, err,
		            "%s: its format is version %u, this program's is %u; use the program "
		            "that wrote it",
		            dir, in->super.format, JOURNAL_FORMAT);
	case SUPER_DAMAGED:
		break;
	}
	return fail(RESULT_MEDIA, err, "%s: the journal's superblock is damaged", dir);
}

enum result journal_inspect_open_io(const char *dir, struct journal_io *io,
                                    struct journal_inspect **out, struct error *err)
{
	struct journal_inspect *in = calloc(1, sizeof *in);
	if (!in) {
		io->ops->free(io);
		return fail(RESULT_RESOURCE, err, "journal: no memory");
	}
	in->io = in->walk.io = io;
	in->walk.buffer = aligned_alloc(BLOCK_ALIGN, BLOCK_BYTES_MAX);
	in->chunk = aligned_alloc(BLOCK_ALIGN, SCAN_BYTES);
	enum result r = RESULT_OK;
	if (!in->walk.buffer || !in->chunk)
		r = fail(RESULT_RESOURCE, err, "journal: no memory");
	if (r == RESULT_OK)
		r = super_read(in, dir, err);
	if (r == RESULT_OK)
		r = list_again(in, err);
	if (r != RESULT_OK) {
		journal_inspect_close(in);
		return r;
	}
	in->walk.segment = in->count ? in->segments[0].number : 0;
	*out = in;
	return RESULT_OK;
}

enum result journal_inspect_open(const char *dir, struct journal_inspect **out, struct error *err)
{
	struct journal_io *io;
	enum result r = journal_io_disk_readonly(dir, &io, err);
	return r == RESULT_OK ? journal_inspect_open_io(dir, io, out, err) : r;
}

void journal_inspect_close(struct journal_inspect *in)
{
	in->io->ops->free(in->io);
	free(in->segments);
	free(in->walk.buffer);
	free(in->chunk);
	free(in);
}

void journal_inspect_summary(const struct journal_inspect *in, struct inspect_summary *summary)
{
	*summary = (struct inspect_summary){
	    .uuid = {in->super.uuid.half[0], in->super.uuid.half[1]},
	    .epoch = in->super.epoch,
	    .created_ms = in->super.created_ms,
	    .segments = in->count,
	    .done = in->done,
	};
	for (size_t i = 0; i < in->count; i++)
		summary->bytes += in->segments[i].bytes;
}

const uint8_t *journal_inspect_bytes(const struct journal_inspect *in)
{
	return in->walk.buffer;
}

/* --- a good block --- */

/* Do the records add up to what the header and the totals say? */
static void check_inside(struct journal_inspect *in, struct inspect_found *found)
{
	const struct journal_block *b = &found->block;
	const uint8_t *at = b->records, *end = at + b->record_bytes;
	uint64_t stored = 0, errors = 0, errors_due = 0;
	struct record record;
	enum record_kind kind;
	while ((kind = record_get(&at, end, &record)) == RECORD_READING || kind == RECORD_ERROR) {
		stored += kind == RECORD_READING;
		errors += kind == RECORD_ERROR;
	}
	if (kind == RECORD_DAMAGED) {
		snprintf(found->problem, sizeof found->problem,
		         "record %" PRIu64 " is not a record", stored + errors);
		return;
	}
	if (stored + errors != b->record_count)
		snprintf(found->problem, sizeof found->problem,
		         "%" PRIu64 " records, its header says %u", stored + errors,
		         b->record_count);
	for (int f = FATE_CONFLICT; f < FATE_COUNT; f++)
		errors_due += b->totals.count[f] - in->totals.count[f];
	uint64_t stored_due = b->totals.count[FATE_STORED] - in->totals.count[FATE_STORED];
	if (in->any && (stored != stored_due || errors != errors_due))
		snprintf(found->problem, sizeof found->problem,
		         "%" PRIu64 " readings and %" PRIu64
		         " error entries, but the totals grew by %" PRIu64 " and %" PRIu64,
		         stored, errors, stored_due, errors_due);
}

static void take_block(struct journal_inspect *in, const struct block_header *h,
                       struct inspect_found *found)
{
	*found = (struct inspect_found){
	    .kind = INSPECT_BLOCK,
	    .segment = h->segment,
	    .offset = h->offset,
	    .block_bytes = h->block_bytes,
	    .durable_before = h->durable_before,
	};
	journal_block_view(in->walk.buffer, h, &found->block);
	check_inside(in, found);
	in->totals = h->totals;
	in->any = true;
	in->done = h->offset + h->block_bytes;
	for (size_t i = 0; i < in->count && in->segments[i].number < h->segment; i++)
		in->done += in->segments[i].bytes;
}

/* --- where the walk ends --- */

/* A whole block of ours that lies where it says: its header. */
static bool whole_block(struct journal_inspect *in, uint64_t segment, uint64_t offset,
                        struct block_header *h)
{
	struct error err;
	struct walk probe = in->walk;
	probe.segment = segment;
	probe.offset = offset;
	probe.next = 0;
	probe.epoch = 0;
	probe.last_segment = segment;
	return walk_next(&probe, h, &err) == RESULT_OK;
}

void journal_inspect_seek(struct journal_inspect *in, uint64_t number)
{
	struct block_header h;
	in->walk.segment = in->count ? in->segments[0].number : 0;
	in->walk.offset = 0;
	in->walk.next = 0;
	in->walk.epoch = 0;
	in->any = false;
	for (size_t i = 0; i < in->count; i++) {
		if (whole_block(in, in->segments[i].number, 0, &h) && h.number <= number)
			in->walk.segment = h.segment;
	}
}

struct search {
	struct block_header first; /* the block with the smallest number */
	uint32_t found;
	uint64_t durable; /* what any of them says was durable */
};

/* Is a block that should come before the found ones known to have been durable? */
static bool is_proven(const struct journal_inspect *in, const struct search *search)
{
	uint64_t missing = in->walk.next ? in->walk.next : search->first.number - 1;
	return search->found > 0 && missing > 0 && search->durable >= missing &&
	       search->first.number > missing;
}

static void search_place(struct journal_inspect *in, uint64_t segment, uint64_t offset,
                         struct search *search)
{
	struct block_header h;
	if (!whole_block(in, segment, offset, &h) || h.number < in->walk.next ||
	    h.epoch < in->walk.epoch)
		return;
	bool first = search->found++ == 0 || h.number < search->first.number ||
	             (h.number == search->first.number && h.epoch > search->first.epoch);
	if (first)
		search->first = h;
	if (h.durable_before > search->durable)
		search->durable = h.durable_before;
}

static enum result search_segment(struct journal_inspect *in,
                                  const struct journal_segment_file *file, uint64_t from,
                                  struct search *search, struct error *err)
{
	for (uint64_t base = from; base < file->bytes; base += SCAN_BYTES) {
		enum result r =
		    in->io->ops->read(in->io, file->number, base, in->chunk, SCAN_BYTES, err);
		if (r == RESULT_ABSENT)
			return RESULT_OK; /* recycled just now */
		if (r != RESULT_OK)
			return r;
		for (uint32_t at = 0; at < SCAN_BYTES; at += BLOCK_ALIGN) {
			struct block_header h;
			if (block_header_parse(in->chunk + at, &h) &&
			    h.segment == file->number && h.offset == base + at)
				search_place(in, file->number, base + at, search);
		}
	}
	return RESULT_OK;
}

/* Every place behind the walk, until a segment has a proof. */
static enum result search_behind(struct journal_inspect *in, struct search *search,
                                 struct error *err)
{
	enum result r = RESULT_OK;
	for (size_t i = 0; r == RESULT_OK && !is_proven(in, search) && i < in->count; i++) {
		const struct journal_segment_file *file = &in->segments[i];
		if (file->number < in->walk.segment)
			continue;
		uint64_t from = file->number == in->walk.segment ? in->walk.offset : 0;
		r = search_segment(in, file, from, search, err);
		in->done += from < file->bytes ? file->bytes - from : 0;
	}
	return r;
}

/* What lies where the next block should be. */
static void explain_place(struct journal_inspect *in, struct inspect_found *found)
{
	struct error err;
	struct block_header h;
	found->segment = in->walk.segment;
	found->offset = in->walk.offset;
	if (in->io->ops->read(in->io, found->segment, found->offset, in->chunk, BLOCK_ALIGN,
	                      &err) != RESULT_OK) {
		snprintf(found->cause, sizeof found->cause, "segment %" PRIx64 " can't be read",
		         found->segment);
		return;
	}
	bool header = block_header_parse(in->chunk, &h);
	bool ours = header && h.uuid.half[0] == in->super.uuid.half[0] &&
	            h.uuid.half[1] == in->super.uuid.half[1];
	bool here = ours && h.segment == found->segment && h.offset == found->offset;
	found->torn = here && h.number == in->walk.next;
	if (!header)
		snprintf(found->cause, sizeof found->cause, "no block header is there");
	else if (!ours)
		snprintf(found->cause, sizeof found->cause, "a block of another journal is there");
	else if (!here)
		snprintf(found->cause, sizeof found->cause,
		         "a block of segment %" PRIx64 " offset %" PRIu64 " is there", h.segment,
		         h.offset);
	else if (!found->torn)
		snprintf(found->cause, sizeof found->cause, "block %" PRIu64 " is there", h.number);
	else
		snprintf(found->cause, sizeof found->cause, "its checksum is wrong");
}

static void go_to(struct journal_inspect *in, const struct block_header *h)
{
	in->walk.segment = h->segment;
	in->walk.offset = h->offset;
	in->walk.next = h->number;
	in->walk.epoch = h->epoch;
	in->any = false;
}

/* Beside a daemon: did it take back the segment that we stood in? Then go on with the oldest. */
static bool was_released(struct journal_inspect *in, struct inspect_found *found)
{
	struct block_header h;
	if (in->count == 0 || in->walk.segment >= in->segments[0].number ||
	    !whole_block(in, in->segments[0].number, 0, &h) || h.number <= in->walk.next)
		return false;
	*found = (struct inspect_found){
	    .kind = INSPECT_RELEASED,
	    .segment = in->walk.segment,
	    .offset = in->walk.offset,
	    .missing_first = in->walk.next,
	    .missing_last = h.number - 1,
	};
	go_to(in, &h);
	return true;
}

static enum result look_behind(struct journal_inspect *in, struct inspect_found *found,
                               struct error *err)
{
	struct search search = {0};
	if (was_released(in, found))
		return RESULT_OK;
	enum result r = search_behind(in, &search, err);
	if (r != RESULT_OK)
		return r;
	/* a daemon may have written it since: look once more before saying that it is gone */
	struct block_header h;
	bool proven = is_proven(in, &search);
	if (search.found > 0 && walk_next(&in->walk, &h, err) == RESULT_OK) {
		take_block(in, &h, found);
		return RESULT_OK;
	}
	uint64_t last = proven ? search.first.number - 1 : 0;
	*found = (struct inspect_found){
	    .kind = proven ? INSPECT_DAMAGE : INSPECT_END,
	    .missing_first = in->walk.next ? in->walk.next : last,
	    .missing_last = last,
	    .beyond = search.found,
	};
	explain_place(in, found);
	if (proven)
		go_to(in, &search.first);
	return RESULT_OK;
}

enum result journal_inspect_next(struct journal_inspect *in, struct inspect_found *found,
                                 struct error *err)
{
	struct block_header h;
	enum result r = walk_next(&in->walk, &h, err);
	if (r == RESULT_ABSENT) {
		/* there may be a new segment since */
		r = list_again(in, err);
		if (r == RESULT_OK)
			r = walk_next(&in->walk, &h, err);
	}
	if (r == RESULT_ABSENT)
		return look_behind(in, found, err);
	if (r == RESULT_OK)
		take_block(in, &h, found);
	return r;
}
