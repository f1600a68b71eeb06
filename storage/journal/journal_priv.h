/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's insides, shared by its files and by the simulation:
 *   recover.c   walks what is on disk and finds its end        (the thread that opens)
 *   append.c    open block, group commit, durable order        (the store worker)
 *   segments.c  prepares and recycles segments                 (the helper thread)
 *   read.c      gives blocks to the store writer               (the reader)
 *   journal.c   opening, closing, status
 *
 * Nothing is shared but by the atomics and SPSC rings marked so.
 */
#ifndef HEADRACE_JOURNAL_PRIV_H
#define HEADRACE_JOURNAL_PRIV_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/ring.h"
#include "storage/journal/block.h"
#include "storage/journal/journal.h"
#include "storage/journal/journal_io.h"

#define JOURNAL_BUFFERS_MAX  64u
#define JOURNAL_INFLIGHT_MAX 8u
#define SEGMENTS_KEPT        16u /* free segments kept beyond segments_spare for reuse */
#define RETRY_US_MIN         10000u
#define RETRY_US_MAX         1000000u
#define PREPARE_RETRY_US     1000000u

struct segment {
	uint64_t number;
	uint64_t bytes;
	int handle;          /* -1: closed */
	uint64_t last_block; /* set when it is full: newest block in it */
	struct segment *next; /* the helper's list */
};

/*
 * A buffer's life: FREE -> OPEN -> QUEUED -> WRITING -> WRITTEN -> DURABLE -> FREE, and
 * WRITING -> FAILED -> WRITING when the disk says no. The appender makes every change but two:
 * the reader pins a durable one (DURABLE -> PINNED) and lets it go (PINNED -> FREE).
 */
enum buffer_state {
	BUFFER_FREE,
	BUFFER_OPEN,
	BUFFER_QUEUED,
	BUFFER_WRITING,
	BUFFER_FAILED,
	BUFFER_WRITTEN, /* but an earlier block is not */
	BUFFER_DURABLE,
	BUFFER_PINNED,
};

struct buffer {
	_Atomic uint64_t state; /* block number << 3 | enum buffer_state */
	uint8_t *data;
	struct block_header header;
	struct segment *segment;
	int handle;
	uint64_t started_us;
	uint64_t retry_at_us;
};

static inline uint64_t buffer_word(uint64_t number, enum buffer_state state)
{
	return number << 3 | state;
}

/* What is wrong, for anybody to read: kind << 56 | errno << 40 | segment. 0: nothing. */
enum alarm_kind {
	ALARM_NONE,
	ALARM_WRITE,      /* a write failed; it is retried */
	ALARM_SHORT,      /* a write ended early; it is retried */
	ALARM_PREPARE,    /* no new segment could be made */
	ALARM_RECYCLE,
	ALARM_FULL,       /* bytes_max is reached: the reader does not release */
	ALARM_NO_SEGMENT, /* waiting for the helper */
};

static inline uint64_t alarm_word(enum alarm_kind kind, int error, uint64_t segment)
{
	return (uint64_t)kind << 56 | (uint64_t)(error & 0xffff) << 40 |
	       (segment & ((1ull << 40) - 1));
}

/* A walk over the blocks on disk, in order. */
struct walk {
	struct journal_io *io;
	struct journal_uuid uuid;
	uint64_t segment, offset; /* where the next block must lie */
	uint64_t next; /* its number; 0: any (the first of all) */
	uint64_t epoch; /* of the last one */
	uint64_t last_segment; /* the newest that may be looked into */
	uint8_t *buffer; /* BLOCK_BYTES_MAX, aligned */
};

/* The block that comes next: RESULT_OK (in w->buffer; the walk stands behind it),
 * RESULT_ABSENT (what is there is not the next block), or why it can't be read. */
enum result walk_next(struct walk *w, struct block_header *h, struct error *err);

struct recovered {
	struct super super;
	struct journal_segment_file *segments; /* sorted; malloc'd */
	size_t segment_count;
	size_t active;          /* index of the segment with the end; segment_count: none */
	uint64_t *last_blocks;  /* newest block of each segment before the active one */
	uint64_t end_offset;
	uint64_t last_block;    /* 0: none */
	struct fate_totals totals;
};

/* Read everything, replay what is beyond `after`, find the end, write the new epoch down. */
enum result recover(struct journal_io *io, uint64_t after, journal_replay_fn *replay,
                    void *context, struct recovered *out, struct error *err);
void recovered_fini(struct recovered *r);

struct journal {
	/* set when opened */
	struct journal_io *io;
	struct journal_config config;
	struct journal_uuid uuid;
	uint64_t epoch;
	struct buffer *buffers;
	uint8_t *data[JOURNAL_BUFFERS_MAX]; /* the buffers' memory */
	uint8_t *memory;

	/* --- the appender's --- */
	_Alignas(CACHE_LINE) bool attached;
	pthread_t appender;
	struct segment *active;    /* NULL: none yet */
	uint64_t cursor;           /* end of the blocks in it */
	uint64_t next;             /* number of the next block to open */
	int open;                  /* index of the open buffer; -1: none */
	uint32_t open_capacity;    /* bytes of records it may hold */
	uint32_t inflight, queued, failed;
	bool closing;              /* nothing is started any more */
	bool reaped;               /* a write ended since the last one was started */
	uint64_t retry_us;
	uint64_t failed_newest;    /* newest block a write of which failed; 0: all is well */
	uint64_t appended_block;
	uint64_t durable;          /* the appender's own copy */
	struct block_header running; /* stage_seq and totals up to now */
	uint8_t outstanding[JOURNAL_BUFFERS_MAX]; /* buffer of block n at n % buffers */

	/* --- the appender writes, anybody reads --- */
	_Alignas(CACHE_LINE) _Atomic uint64_t durable_block;
	_Atomic uint64_t active_number;
	_Atomic uint64_t bytes_written, blocks_written;
	_Atomic uint32_t inflight_shown;
	_Atomic uint64_t append_alarm;
	_Atomic uint32_t totals_seq; /* odd while the totals are being written */
	_Atomic uint64_t totals[FATE_COUNT];
	struct histogram write_us;

	/* --- appender to helper and back --- */
	struct ring ready;  /* helper -> appender: prepared segments */
	struct ring filled; /* appender -> helper: full segments */
	sem_t helper_wake;

	/* --- the helper's --- */
	_Alignas(CACHE_LINE) pthread_t helper;
	bool helper_runs;
	_Atomic bool stop;
	struct segment *used_first, **used_end; /* oldest first */
	uint64_t used_count;
	uint64_t next_segment;
	uint64_t total_bytes; /* of all segments */
	uint64_t trouble_until_us; /* nothing is tried on the disk before */
	uint64_t reuse_after_us; /* no old segment is taken back before; 0: no trouble */
	struct segment *unopened;
	_Atomic uint64_t helper_alarm;
	_Atomic uint64_t segment_count;

	/* --- the reader's --- */
	_Alignas(CACHE_LINE) struct walk reader;
	int pinned; /* -1: none */
	_Atomic uint64_t released;
	_Atomic uint64_t held; /* anybody's: nothing beyond it is recycled */
};

/* As journal_open, on any disk, which the journal then owns even when opening fails. Without
 * `threaded`, journal_helper_step must be called by hand. */
MUST_USE enum result journal_open_io(const struct journal_config *config, struct journal_io *io,
                                     bool threaded, uint64_t after, journal_replay_fn *replay,
                                     void *context, struct journal **out, struct error *err);

struct journal_inspect;
/* As journal_inspect_open, on any disk, which the look then owns even when opening fails. */
MUST_USE enum result journal_inspect_open_io(const char *dir, struct journal_io *io,
                                             struct journal_inspect **out, struct error *err);

/* One round of the helper's work. */
void journal_helper_step(struct journal *j);
void *journal_helper_main(void *journal);

/* Show the reader's and the replay's view of a block that lies at `data`. */
void journal_block_view(const uint8_t *data, const struct block_header *h,
                        struct journal_block *block);

#endif
