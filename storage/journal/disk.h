/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real disk behind struct journal_io: shared by files.c (names, segments, superblock; any
 * ordinary thread) and uring.c (writes; the thread that attached). Private to storage/journal.
 */
#ifndef HEADRACE_JOURNAL_DISK_H
#define HEADRACE_JOURNAL_DISK_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/journal/journal_io.h"

#define DISK_SLOTS 8u /* registered files besides the lock; a write spans at most 3 segments */

struct disk {
	struct journal_io io;
	/* files.c; written when it is made */
	int dir_fd;
	int lock_fd; /* -1: for looking only */
	bool direct; /* the file system takes O_DIRECT */
	/* uring.c */
	bool attached;
	bool files_registered, buffers_registered;
	struct io_uring ring;
	uint32_t unsubmitted; /* entries the kernel did not take yet */
	uint8_t *const *buffers;
	uint32_t slot_next;
	int slot_handle[DISK_SLOTS]; /* -1: free */
};

/* Can this kernel give us a ring at all? Says why not. */
MUST_USE enum result uring_probe(struct error *err);
MUST_USE enum result uring_attach(struct journal_io *io, uint8_t *const *buffers, uint32_t count,
                                  uint32_t buffer_bytes, uint32_t depth, struct error *err);
void uring_use(struct journal_io *io, int handle);
void uring_write(struct journal_io *io, int handle, uint32_t buffer, uint32_t bytes,
                 uint64_t offset, uint32_t tag);
uint32_t uring_poll(struct journal_io *io, struct journal_completion *done, uint32_t max);
void uring_wait(struct journal_io *io, uint32_t timeout_us);
void uring_free(struct disk *d);

#endif
