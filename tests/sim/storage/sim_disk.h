/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk in memory behind struct journal_io, whose accidents come from a seed: writes that end
 * out of order, fail, end early, a power cut that leaves of each write under way all, none or
 * some of its sectors, and a kill of the process that leaves them to the disk's cache: whole, but
 * a later power cut may still undo what was not synced. Its clock is virtual. One thread.
 */
#ifndef HEADRACE_TESTS_SIM_DISK_H
#define HEADRACE_TESTS_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/journal/journal_io.h"

#define SIM_FILES_MAX  256
#define SIM_WRITES_MAX 16
#define SIM_CACHED_MAX 64
#define SECTOR_BYTES   512u

struct sim_file {
	bool exists;
	uint64_t number;
	uint64_t bytes;
	uint8_t *data;
};

struct sim_write {
	uint32_t file;
	uint64_t offset;
	uint32_t buffer, bytes, tag;
};

/* What a write that only the disk's cache has will leave behind when the power goes. */
struct sim_cached {
	uint32_t file;
	uint64_t offset;
	uint32_t bytes;
	uint8_t *before; /* malloc'd */
};

struct sim_disk {
	struct journal_io io;
	uint64_t random;
	uint64_t now_us;
	struct sim_file file[SIM_FILES_MAX]; /* a handle is an index into it */
	uint8_t super[256];
	uint32_t super_bytes; /* 0: none */
	uint8_t *const *buffers;
	struct sim_write write[SIM_WRITES_MAX];
	uint32_t write_count;
	struct sim_cached cached[SIM_CACHED_MAX];
	uint32_t cached_count;
	/* accidents, one in so many (0: never) */
	uint32_t fail_write, short_write, fail_prepare;
	uint32_t fail_recycle, fail_remove; /* done half the time all the same */
	bool stuck; /* no write ends */
	uint64_t cut_after; /* operations until the power goes; 0: never */
	bool kills; /* at cut_after the process is killed, but the power stays */
	bool cut;
	bool killed; /* with `cut`: the process ended, the power stayed */
	/* what happened */
	uint64_t failures, writes_done, syncs;
};

void sim_disk_init(struct sim_disk *d, uint64_t seed);
void sim_disk_fini(struct sim_disk *d);

/* The process is killed: everything fails until the restart. */
void sim_disk_kill(struct sim_disk *d);
/* Power on again; the journal has been closed, which decided what of its writes was left. */
void sim_disk_restart(struct sim_disk *d);

/* The file of a segment; NULL: none. */
struct sim_file *sim_disk_segment(struct sim_disk *d, uint64_t number);
/* Make a segment with such contents (for the tests of recovery). */
struct sim_file *sim_disk_add(struct sim_disk *d, uint64_t number, uint64_t bytes);

uint64_t sim_random(struct sim_disk *d);

#endif
