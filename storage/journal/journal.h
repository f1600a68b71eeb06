/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: the write-ahead log. A reading whose block is durable here may be acknowledged.
 *
 * Blocks of records go to preallocated segment files by io_uring (O_DIRECT, RWF_DSYNC, registered
 * buffers and files), at most a few in flight; durability is reported strictly in order.
 *
 * Threads: one store worker owns append, submit and poll; it never allocates, locks or blocks in
 * them. One helper thread inside prepares and recycles segments. One reader (the store writer
 * thread) takes blocks by journal_read and gives segments back by journal_release.
 */
#ifndef HEADRACE_JOURNAL_JOURNAL_H
#define HEADRACE_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/result.h"
#include "contract/batch.h"
#include "contract/fate.h"

struct journal;

struct journal_config {
	const char *dir;          /* made if absent, with mode 0700 */
	uint64_t segment_bytes;   /* of one file; a multiple of 1 MiB, >= 4 MiB */
	uint32_t segments_spare;  /* prepared ahead, >= 1 */
	uint64_t bytes_max;       /* of all segments; beyond it nothing is acknowledged (0: disk) */
	uint32_t block_bytes_max; /* 128 KiB..1 MiB, a multiple of 4 KiB: any batch fits */
	uint32_t buffers;         /* block buffers, inflight + 2..64 */
	uint32_t inflight;        /* blocks being written at once, 1..8 */
};

/* One block, as the reader and the replay get it. Numbers run from 1 without a gap. */
struct journal_block {
	uint64_t number;
	uint64_t epoch;       /* rises with each opening of the journal */
	int64_t written_ms;   /* wall clock when it was closed */
	struct fate_totals totals; /* since the store was created, this block included */
	uint64_t stage_seq[MAX_STAGE_WORKERS]; /* newest batch of each stage in it or before it */
	uint32_t record_count;
	uint32_t record_bytes;
	const uint8_t *records; /* see record.h */
};

/* Called for each durable block beyond `after`, in order, while opening. */
typedef enum result journal_replay_fn(void *context, const struct journal_block *block,
                                      struct error *err);

/* Open or create, replay what is beyond block `after` (the last one the store has), and be
 * ready to append. A torn or stale end is cut off; damage before the end is RESULT_MEDIA.
 * Runs on an ordinary thread and may take as long as it takes to read the journal. */
MUST_USE enum result journal_open(const struct journal_config *config, uint64_t after,
                                  journal_replay_fn *replay, void *context, struct journal **out,
                                  struct error *err);

/* Ends the helper thread, frees all. Called on the thread that attached, it waits for what is in
 * flight; on another one the kernel finishes that by itself: what must be durable has to be polled
 * for before. */
void journal_close(struct journal *j);

/* --- the store worker's side --- */

/* Must be called once, on the thread that will append (the ring has a single issuer). */
MUST_USE enum result journal_attach(struct journal *j, struct error *err);

/* Append every reading of `batch` (each with its fate) to the open block: STORED ones as reading
 * records, conflicts and rejections as error records, duplicates by their count alone.
 * False: no room now (blocks in flight, no segment, media trouble); nothing was appended,
 * try again after journal_poll. */
bool journal_append(struct journal *j, const struct batch *batch);

/* Number of the block that the last successful journal_append went into. */
uint64_t journal_append_block(const struct journal *j);

/* Start writing the open block if it holds anything and the group commit rule says so: at once
 * when nothing is in flight, else when it is full or a write completes. `flush` skips the rule. */
void journal_submit(struct journal *j, bool flush);

/* Reap completions. Returns the newest block number up to which everything is durable. */
uint64_t journal_poll(struct journal *j);

/* Wait in the kernel for a completion, at most `timeout_us`. False: nothing is in flight (returns
 * at once). */
bool journal_wait(struct journal *j, uint32_t timeout_us);

/* --- the reader's side --- */

/* The next durable block, in order, starting after journal_open's replay. Comes from memory when
 * the reader keeps up, from the file when it does not. RESULT_ABSENT: none yet. The block is
 * valid until the next call. */
MUST_USE enum result journal_read(struct journal *j, struct journal_block *block,
                                  struct error *err);

/* Everything up to block `number` is safe elsewhere: its segments may be recycled. */
void journal_release(struct journal *j, uint64_t number);

/* --- anybody --- */

/* Blocks beyond `number` stay where they are, released or not, until the hold moves on or ends:
 * for who copies the files. One holder at a time; JOURNAL_HOLD_NONE ends it. Whatever was released
 * before may be gone. */
#define JOURNAL_HOLD_NONE UINT64_MAX
void journal_hold(struct journal *j, uint64_t number);

struct journal_status {
	uint64_t durable_block;
	uint64_t released_block;
	uint64_t bytes_written;
	uint64_t blocks_written;
	uint64_t segments, segments_free;
	uint32_t inflight;
	bool stalled;          /* nothing can be appended: see alarm */
	char alarm[160];       /* last trouble ("" when none): "segment 12: No space left" */
	const struct histogram *write_us; /* durations of device writes */
};
void journal_status_get(const struct journal *j, struct journal_status *status);

/* Counts of readings by fate up to the newest durable block (or to what was replayed). */
void journal_totals_get(const struct journal *j, struct fate_totals *totals);

#endif
