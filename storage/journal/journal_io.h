/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal asks of the disk, as a table of functions: the real one (files.c, uring.c)
 * and the simulated one of the tests. Private to storage/journal and its tests.
 *
 * Threads: the "files" part may be called from any ordinary thread, and may block; the "writes"
 * part only from the thread that called `attach`, and never blocks (but for `wait`).
 */
#ifndef HEADRACE_JOURNAL_IO_H
#define HEADRACE_JOURNAL_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

struct journal_io;

/* A write is done: result is the number of bytes written or a negative errno. */
struct journal_completion {
	uint32_t tag;
	int32_t result;
};

struct journal_segment_file {
	uint64_t number;
	uint64_t bytes;
};

struct journal_io_ops {
	/* --- files --- */
	/* All segments, in any order; *files is malloc'd, for the caller to free. */
	enum result (*list)(struct journal_io *io, struct journal_segment_file **files,
	                    size_t *count, struct error *err);
	/* A new segment of `bytes`, every byte of it written with zeros; durable, name included.
	 * *out_errno (0 when there is none) says why it failed. */
	enum result (*prepare)(struct journal_io *io, uint64_t number, uint64_t bytes,
	                       int *out_errno, struct error *err);
	/* Segment `from` becomes segment `to` (contents unchanged); durable. When it failed it may
	 * have happened all the same: then it may be tried again. ENOENT: there is neither. */
	enum result (*recycle)(struct journal_io *io, uint64_t from, uint64_t to, int *out_errno,
	                       struct error *err);
	/* A segment that is gone already is no error: the first attempt may have ended half-way. */
	enum result (*remove)(struct journal_io *io, uint64_t number, struct error *err);
	/* Whatever `read` shows of the segment is durable afterwards. */
	enum result (*sync)(struct journal_io *io, uint64_t number, struct error *err);
	/* Read at a multiple of BLOCK_ALIGN; what lies behind the end of the file reads as zeros.
	 * RESULT_ABSENT: there is no such segment. */
	enum result (*read)(struct journal_io *io, uint64_t number, uint64_t offset, uint8_t *to,
	                    uint32_t bytes, struct error *err);
	/* The superblock: RESULT_ABSENT when there is none. Replaced as a whole, durably. */
	enum result (*super_get)(struct journal_io *io, uint8_t *to, uint32_t max, uint32_t *bytes,
	                         struct error *err);
	enum result (*super_set)(struct journal_io *io, const uint8_t *from, uint32_t bytes,
	                         struct error *err);
	/* Open a segment for writing: a handle >= 0, or a negative errno. */
	int (*open)(struct journal_io *io, uint64_t number);
	void (*close)(struct journal_io *io, int handle);

	/* --- writes --- */
	enum result (*attach)(struct journal_io *io, uint8_t *const *buffers, uint32_t count,
	                      uint32_t buffer_bytes, uint32_t depth, struct error *err);
	/* From now on writes go to this handle too. */
	void (*use)(struct journal_io *io, int handle);
	/* Start a durable write of buffers[buffer]. At most `depth` are under way. */
	void (*write)(struct journal_io *io, int handle, uint32_t buffer, uint32_t bytes,
	              uint64_t offset, uint32_t tag);
	/* Completions that are there, at most `max`. */
	uint32_t (*poll)(struct journal_io *io, struct journal_completion *done, uint32_t max);
	/* Wait until there is one, at most so long. */
	void (*wait)(struct journal_io *io, uint32_t timeout_us);

	/* --- time, and the end --- */
	int64_t (*wall_ms)(struct journal_io *io);
	uint64_t (*mono_us)(struct journal_io *io);
	void (*free)(struct journal_io *io);
};

struct journal_io {
	const struct journal_io_ops *ops;
};

/* The real disk: directory `dir` (made if absent, mode 0700), locked against other processes. */
MUST_USE enum result journal_io_disk(const char *dir, struct journal_io **out, struct error *err);
/* The same without lock, for looking only: the "writes" part is out of order. */
MUST_USE enum result journal_io_disk_readonly(const char *dir, struct journal_io **out,
                                              struct error *err);

#endif
