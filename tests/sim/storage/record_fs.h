/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records what a process does to the files below one folder, and rebuilds the states that a power
 * cut could leave.
 *
 * Recording: record_fs.c defines open, write, fsync and their kin itself, so that the program's own
 * calls and those of the libraries it is linked with (RocksDB) come through it; the journal's
 * io_uring writes are told by record_write and record_durable. Any thread.
 *
 * What a power cut leaves of what was not synced: of each file's writes none, all, the first few,
 * some, or some sectors of each; of names created, renamed or removed the first few, in order over
 * all folders (as a journalling file system does) or folder by folder (as POSIX allows). A synced
 * file's name is not synced with it: only a sync of its folder does that.
 */
#ifndef HEADRACE_TESTS_RECORD_FS_H
#define HEADRACE_TESTS_RECORD_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- recording --- */

/* `root`: an absolute path; everything below it counts from now on. */
void record_begin(const char *root);
void record_end(void);

/* A write by other means on an open file, and that it is durable now. */
void record_write(int fd, uint64_t offset, const void *data, size_t bytes);
void record_durable(int fd, uint64_t offset, size_t bytes);

/* Something to remember at this point of the log: what was promised, up to which number. */
void record_promise(uint32_t kind, uint64_t number);
#define PROMISES_MAX 4

/* Operations so far. */
size_t record_count(void);

/* --- rebuilding --- */

/* Replay the log up to (not including) operation `cut`: calls with rising cuts continue. */
void rebuild_to(size_t cut);
/* The promises kept up to there. */
uint64_t rebuild_promise(uint32_t kind);
/* Write one state that the power cut could leave below `dir`, by the dice of `seed`.
 * Returns the number of operations that were undecided. */
uint32_t rebuild_state(const char *dir, uint64_t seed);

/* --- faults --- */

enum fault_kind { FAULT_NONE, FAULT_WRITE, FAULT_SHORT_WRITE, FAULT_SYNC, FAULT_READ_FLIP };

/* From now on each such call on a file whose path has `part` in it fails with `error` (a short
 * write: writes half; a flipped read: changes a bit). Also without recording. */
void fault_set(enum fault_kind kind, const char *part, int error);
uint64_t fault_count(void); /* how often it struck */

#endif
