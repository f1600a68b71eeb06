/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators do with the error queue: readings that were refused are sent once more, corrected
 * or discarded. The entries themselves never change; what became of one is a record of its own in
 * the store's control space:
 *
 *   "q/" | number, 8, big-endian            -> JSON: state, who, when, why, result
 *   "Q/" | device, 4 | meter's time, 8      -> number, 8: the entry that a stored reading came from
 *
 * An entry is in exactly one state. Sent once more, a reading passes the same rules as a message
 * that comes in and counts like one (protocol "replay"): stored, duplicate or refused again; the
 * refusal is a new entry that takes the old one's place. What surely would be refused (the device
 * is still unknown, the bytes still can't be decoded) is not sent: the entry stays open. The
 * record is written after the readings are durable, so what a crash leaves open is sent again and
 * found to be a duplicate.
 *
 * Threads: any ordinary ones; operations one after the other, behind a lock. Memory: 16 bytes for
 * each entry that is not open, and one part of a bulk operation.
 */
#ifndef HEADRACE_ERRORS_QUEUE_H
#define HEADRACE_ERRORS_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "contract/channel.h"
#include "contract/counters.h"
#include "contract/fate.h"
#include "contract/profile.h"
#include "contract/replay.h"
#include "control/registry/registry.h"
#include "storage/store/store.h"
#include "storage/writer.h"

#define ERROR_PART_MAX  500 /* entries in one part of a bulk operation */
#define ERROR_WHO_BYTES 64
#define ERROR_WHY_BYTES 256
#define ERROR_SETS_MAX  (READING_CHANNELS + 1)

/* The numbers are stored on disk: append only. */
enum error_state { ERROR_OPEN, ERROR_REPLAYED, ERROR_CORRECTED, ERROR_DISCARDED, ERROR_STATES };
extern const char *const error_state_name[ERROR_STATES];
/* ERROR_STATES: no such state. */
enum error_state error_state_find(const char *name);

/* COUNT(identifier, name, help) */
#define ERROR_QUEUE_COUNTS(COUNT)                                                                  \
	COUNT(REPLAYED, "errors_replayed", "error entries that an operator sent once more")        \
	COUNT(CORRECTED, "errors_corrected", "error entries that an operator corrected")           \
	COUNT(DISCARDED, "errors_discarded", "error entries that an operator discarded")           \
	COUNT(STORED, "errors_replay_stored", "readings of the error queue stored after all")      \
	COUNT(DUPLICATE, "errors_replay_duplicate",                                                \
	      "readings of the error queue that were stored already")                              \
	COUNT(REFUSED, "errors_replay_refused", "readings of the error queue refused once more")   \
	COUNT(KEPT, "errors_kept_open",                                                            \
	      "attempts that were not sent: the cause of the refusal is still there")              \
	COUNT(UNANSWERED, "errors_replay_unanswered",                                              \
	      "attempts that were not durable in time; they can be made again")

enum error_queue_count {
#define ERROR_QUEUE_ID(id, name, help) ERROR_QUEUE_##id,
	ERROR_QUEUE_COUNTS(ERROR_QUEUE_ID)
#undef ERROR_QUEUE_ID
	    ERROR_QUEUE_COUNT_COUNT
};
extern const struct counter_info error_queue_info[ERROR_QUEUE_COUNT_COUNT];

struct matcher;
struct decode_plan;

struct error_queue_config {
	struct store *store;
	struct store_writer *writer; /* NULL: what is durable is taken to be in the store */
	struct registry *registry;
	const struct profile_set *profiles;
	const struct channel_catalogue *channels;
	struct replay_link *link; /* to the pipeline */
	/* the pipeline's: a message is decoded one way */
	const struct matcher *matcher;
	struct decode_plan *const *plans; /* by profile id */
	bool strict_authorisation;
	uint32_t answer_ms; /* how long to wait until a part is durable */
};

struct error_queue;
MUST_USE enum result error_queue_open(const struct error_queue_config *config,
                                      struct error_queue **out, struct error *err);
void error_queue_close(struct error_queue *q);

/* These two take NULL for a queue in which nothing was done. */
enum error_state error_queue_state(struct error_queue *q, uint64_t number);
/* The record of an entry as JSON, to be freed; NULL with RESULT_OK: it was never touched. */
MUST_USE enum result error_queue_record(struct error_queue *q, uint64_t number, char **json,
                                        struct error *err);
/* The entry whose replay or correction stored this reading. RESULT_ABSENT: none. */
MUST_USE enum result error_queue_origin(struct error_queue *q, uint32_t device,
                                        int64_t meter_ts_ms, uint64_t *number,
                                        struct error *err);
const _Atomic uint64_t *error_queue_counts(const struct error_queue *q);

/* --- operations --- */

struct error_operator {
	const char *who, *why; /* why: "" where nothing was said */
	int64_t now_ms;
};

/* Which entries: those with the numbers, or else open ones by reason and time of receipt. */
struct error_selection {
	const uint64_t *numbers;
	uint32_t number_count; /* 0: by what follows */
	int reason;            /* enum fate; -1: any */
	int64_t from_ms, to_ms;
	/* numbers first <= n < end: what the operation itself adds to the queue is not its own */
	uint64_t first, end;
};

enum error_outcome {
	ERROR_DONE,       /* the entry's state is new */
	ERROR_KEPT,       /* it stays open: see why */
	ERROR_UNANSWERED, /* likewise */
	ERROR_NOT_OPEN,   /* it was not open before */
	ERROR_ABSENT,     /* there is no such entry */
};

struct error_attempt {
	uint64_t number;
	enum error_outcome outcome;
	enum error_state state;
	uint16_t stored, duplicate, refused;
	enum fate fate;      /* of the first refusal */
	uint64_t refused_as; /* the new entry; 0: none, or not found */
	char why[ERROR_WHY_BYTES];
};
typedef void error_attempt_fn(void *context, const struct error_attempt *attempt);

/* One part of a bulk operation: at most ERROR_PART_MAX entries. *next: where the next part begins;
 * 0: all was seen. */
MUST_USE enum result error_queue_replay(struct error_queue *q, const struct error_selection *which,
                                        bool accept_late, const struct error_operator *by,
                                        error_attempt_fn *fn, void *context, uint64_t *next,
                                        struct error *err);
MUST_USE enum result error_queue_discard(struct error_queue *q, const struct error_selection *which,
                                         const struct error_operator *by, error_attempt_fn *fn,
                                         void *context, uint64_t *next, struct error *err);

/* What is to be different from the bytes that came. */
struct error_correction {
	struct {
		const char *name, *value; /* "time", or a channel or its unit: "kwh" */
	} set[ERROR_SETS_MAX];
	uint32_t set_count;
	const char *device;     /* NULL: as it is */
	const uint8_t *payload; /* in place of the bytes; NULL: as they are */
	uint32_t payload_bytes;
	bool accept_late;
};

/* RESULT_INPUT: the correction can't be made; nothing was changed. */
MUST_USE enum result error_queue_correct(struct error_queue *q, uint64_t number,
                                         const struct error_correction *correction,
                                         const struct error_operator *by,
                                         struct error_attempt *attempt, struct error *err);

#endif
