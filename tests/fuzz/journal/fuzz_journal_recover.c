/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery from arbitrary segments. The input is a program that lays blocks out on the simulated
 * disk and then spoils bytes; sums are made right afterwards or not, as the input says, so that
 * the fuzzer gets behind the CRC.
 *
 * Eight bytes an instruction: op, a, b, c (1 byte each), value (4 bytes, little-endian).
 *
 * Whatever lies there: recovery ends, what it replays has numbers in a row from `after` + 1 and
 * epochs that never fall, every record parses within its block, and a second recovery of the
 * same disk replays exactly the same and then lets the journal append.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "storage/journal/journal_priv.h"
#include "storage/journal/record.h"
#include "tests/sim/storage/sim_disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define SEGMENTS      3u
#define SEGMENT_BYTES (4u << 20)
#define FILE_BYTES    (128u << 10) /* of those on the disk: keeps a run short */
#define USED_BYTES    (64u << 10)
#define OPS_MAX       64u

struct seen {
	uint64_t after, count, last, epoch;
	uint32_t crc; /* over all that was replayed */
};

static enum result replay(void *context, const struct journal_block *b, struct error *err)
{
	struct seen *s = context;
	(void)err;
	CHECK_OP(b->number, ==, s->after + 1 + s->count);
	CHECK_OP(b->epoch, >=, s->epoch);
	s->count++;
	s->last = b->number;
	s->epoch = b->epoch;
	s->crc = crc32c(s->crc, b->records, b->record_bytes);
	s->crc = crc32c(s->crc, &b->totals, sizeof b->totals);
	const uint8_t *at = b->records, *end = at + b->record_bytes;
	struct record record;
	enum record_kind kind;
	while ((kind = record_get(&at, end, &record)) != RECORD_END && kind != RECORD_DAMAGED)
		CHECK(at <= end);
	return RESULT_OK;
}

/* A plausible block; `value` chooses how far it is off. */
static void put_block(struct sim_file *f, uint32_t page, uint8_t number, uint8_t epoch,
                      uint32_t value)
{
	struct block_header h = {
	    .uuid = {{1, 2}},
	    .epoch = epoch,
	    .number = number,
	    .segment = f->number + (value >> 30),
	    .offset = (uint64_t)page * BLOCK_ALIGN,
	    .durable_before = value >> 8 & 0xff,
	    .record_bytes = value >> 16 & 0x1fff,
	    .record_count = value & 0xff,
	    .stage_seq = {value},
	};
	h.totals.count[FATE_STORED] = number;
	h.block_bytes = block_bytes_for(h.record_bytes);
	uint8_t *at = f->data + h.offset;
	if (h.record_count > h.record_bytes)
		h.record_count = h.record_bytes;
	for (uint32_t i = 0; i < h.record_bytes; i++)
		at[BLOCK_HEADER_BYTES + i] = (uint8_t)(i % 7 == 0 ? value : 0);
	block_seal(at, &h);
}

static void fix_crc(struct sim_file *f, uint32_t page)
{
	uint8_t *at = f->data + (uint64_t)page * BLOCK_ALIGN;
	uint32_t records = get_le32(at + 84);
	if (records > BLOCK_BYTES_MAX - BLOCK_HEADER_BYTES)
		return;
	put_le32(at + 12, 0);
	put_le32(at + 12, crc32c(0, at, BLOCK_HEADER_BYTES + records));
}

static void run_op(struct sim_disk *d, const uint8_t *op, uint64_t *after)
{
	struct sim_file *f = sim_disk_segment(d, 1 + op[1] % SEGMENTS);
	uint32_t value = get_le32(op + 4);
	uint32_t page = op[2] % (USED_BYTES / BLOCK_ALIGN);
	if (!f)
		return;
	switch (op[0] % 6) {
	case 0:
	case 1:
		put_block(f, page, op[3], (uint8_t)(op[0] >> 4), value);
		break;
	case 2: /* spoil a byte of a header */
		f->data[(uint64_t)page * BLOCK_ALIGN + value % BLOCK_HEADER_BYTES] ^= op[3];
		break;
	case 3:
		fix_crc(f, page);
		break;
	case 4: /* cut the file */
		if (op[3] == 77)
			f->bytes = value % FILE_BYTES;
		break;
	default:
		*after = op[3] % 8;
	}
}

static enum result open_once(struct sim_disk *d, struct seen *s, struct journal **j)
{
	struct error err;
	const struct journal_config config = {
	    .segment_bytes = SEGMENT_BYTES, .segments_spare = 1, .block_bytes_max = 128u << 10,
	    .buffers = 3, .inflight = 1};
	return journal_open_io(&config, &d->io, false, s->after, replay, s, j, &err);
}

static void go_on(struct journal *j, uint64_t last)
{
	static struct batch batch;
	struct error err;
	CHECK(journal_attach(j, &err) == RESULT_OK);
	journal_helper_step(j);
	batch_reset(&batch);
	batch.stage_seq = 1;
	CHECK(journal_append(j, &batch));
	CHECK_OP(journal_append_block(j), ==, last + 1);
	journal_submit(j, true);
	for (int i = 0; i < 100 && journal_poll(j) <= last; i++)
		;
	CHECK_OP(journal_poll(j), ==, last + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct sim_disk disk;
	static uint8_t *memory[SEGMENTS];
	struct super super = {.uuid = {{1, 2}}, .epoch = 15};
	struct seen first = {0}, second;
	struct journal *j;

	sim_disk_init(&disk, 1);
	super_write(disk.super, &super);
	disk.super_bytes = SUPER_BYTES;
	for (uint32_t i = 0; i < SEGMENTS; i++) { /* the memory is used again: calloc is slow */
		if (!memory[i])
			memory[i] = malloc(FILE_BYTES);
		CHECK(memory[i]);
		memset(memory[i], 0, FILE_BYTES);
		disk.file[i] = (struct sim_file){true, 1 + i, FILE_BYTES, memory[i]};
	}
	for (size_t at = 0; at + 8 <= bytes && at < OPS_MAX * 8; at += 8)
		run_op(&disk, data + at, &first.after);

	second = first;
	if (open_once(&disk, &first, &j) == RESULT_OK) {
		journal_close(j);
		CHECK(open_once(&disk, &second, &j) == RESULT_OK);
		CHECK_OP(second.count, ==, first.count);
		CHECK_OP(second.crc, ==, first.crc);
		go_on(j, first.count > 0 ? first.last : j->durable);
		journal_close(j);
		struct seen third = {.after = first.after};
		CHECK(open_once(&disk, &third, &j) == RESULT_OK);
		CHECK_OP(third.count, >=, first.count);
		journal_close(j);
	}
	/* what was removed or prepared meanwhile: our own three go back in place */
	for (uint32_t i = 0; i < SIM_FILES_MAX; i++) {
		uint8_t *p = disk.file[i].data;
		bool ours = false;
		for (uint32_t k = 0; k < SEGMENTS; k++)
			ours |= p == memory[k];
		if (p && !ours)
			free(p);
	}
	for (uint32_t k = 0; k < SEGMENTS; k++) {
		bool kept = false;
		for (uint32_t i = 0; i < SIM_FILES_MAX; i++)
			kept |= disk.file[i].data == memory[k];
		if (!kept)
			memory[k] = NULL; /* freed with its segment */
	}
	return 0;
}
