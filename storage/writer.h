/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store writer: carries durable blocks from the journal into the store.
 *
 * Input: journal_read. Output: store_apply, store_write_run when a run is due, store_flush every
 * few seconds or when the journal grows, then journal_release. It also publishes up to which
 * batch of each stage readings can be found in the store, for the exact duplicate check.
 *
 * Threads: two of its own, ordinary ones: one applies, one writes runs and flushes; the functions
 * below may be called from any other ordinary thread. Never touches the journal's appending side.
 */
#ifndef HEADRACE_STORAGE_WRITER_H
#define HEADRACE_STORAGE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "storage/journal/journal.h"
#include "storage/store/store.h"

struct store_writer;

/* Start the threads. The journal has been opened (so that the store has applied everything that
 * was replayed); both outlive the writer, and so does `journal_dir`, where its files are (NULL:
 * the store can't be healed without a restart). `flush_s`: seconds between two flushes, >= 1. */
MUST_USE enum result store_writer_start(struct journal *journal, const char *journal_dir,
                                        struct store *store, uint32_t flush_s,
                                        struct store_writer **out, struct error *err);

/* Apply everything durable in the journal, flush it, release the journal, end the threads, free.
 * The appending side has stopped before. Not RESULT_OK: the last step failed; nothing is lost,
 * the journal still has it. */
MUST_USE enum result store_writer_stop(struct store_writer *w, struct error *err);

/*
 * Wait until all batches 1..seq of `stage` can be found by store_find, at most `timeout_ms`.
 * False: not yet. Sequence numbers begin anew with the process: what was replayed is visible
 * before the first batch.
 */
bool store_writer_wait_visible(struct store_writer *w, uint32_t stage, uint64_t seq,
                               uint32_t timeout_ms);

/* Wait until everything that is durable in the journal now can be read from the store, at most
 * `timeout_ms`: who was acknowledged before finds what he sent. False: not yet. */
bool store_writer_catch_up(struct store_writer *w, uint32_t timeout_ms);

/* True while the writer can't proceed (it keeps retrying); `text` then says why. May be asked at
 * any time; `text` has room for `bytes`. */
bool store_writer_failed(struct store_writer *w, char *text, size_t bytes);

#endif
