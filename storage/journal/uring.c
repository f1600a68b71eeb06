/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable writes by io_uring: RWF_DSYNC on registered buffers and files.
 *
 * The ring has a single issuer and runs its completion work only when asked (DEFER_TASKRUN):
 * waiting in the kernel instead of spinning gives the better tail. Older kernels get a plain
 * ring. The directory's lock is registered as file 0: the kernel drops it only after the last
 * write of a killed process is over, so a new process can't meet a stale write.
 *
 * Thread: the one that attached. Memory: the ring's, taken in uring_attach. Never blocks but in
 * uring_wait.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "storage/journal/disk.h"

#define RING_ENTRIES 32u /* more than the deepest queue (8): no entry is ever missing */

static const unsigned ring_flags[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

static int ring_make(struct io_uring *ring)
{
	int r = -EINVAL;
	for (size_t i = 0; r == -EINVAL && i < sizeof ring_flags / sizeof ring_flags[0]; i++)
		r = io_uring_queue_init(RING_ENTRIES, ring, ring_flags[i]);
	return r;
}

static enum result ring_refused(int error, struct error *err)
{
	if (error == EPERM || error == EACCES)
		return fail(RESULT_RESOURCE, err,
		            "journal: io_uring is forbidden here (%s); allow it (sysctl "
		            "kernel.io_uring_disabled=0, or the container's seccomp profile)",
		            strerror(error));
	if (error == ENOSYS)
		return fail(RESULT_RESOURCE, err,
		            "journal: this kernel has no io_uring; Linux 5.10 or newer is needed");
	return fail(RESULT_RESOURCE, err, "journal: io_uring: %s", strerror(error));
}

enum result uring_probe(struct error *err)
{
	struct io_uring ring;
	int r = ring_make(&ring);
	if (r < 0)
		return ring_refused(-r, err);
	io_uring_queue_exit(&ring);
	return RESULT_OK;
}

/* Without these the ring still works, only slower: memory locking may be limited, for one. */
static void register_all(struct disk *d, uint32_t count, uint32_t buffer_bytes)
{
	int files[1 + DISK_SLOTS];
	files[0] = d->lock_fd;
	for (uint32_t i = 0; i < DISK_SLOTS; i++)
		files[1 + i] = d->slot_handle[i] = -1;
	d->files_registered = io_uring_register_files(&d->ring, files, 1 + DISK_SLOTS) == 0;

	struct iovec *iov = calloc(count, sizeof *iov);
	if (!iov)
		return;
	for (uint32_t i = 0; i < count; i++)
		iov[i] = (struct iovec){d->buffers[i], buffer_bytes};
	d->buffers_registered = io_uring_register_buffers(&d->ring, iov, count) == 0;
	free(iov);
}

enum result uring_attach(struct journal_io *io, uint8_t *const *buffers, uint32_t count,
                         uint32_t buffer_bytes, uint32_t depth, struct error *err)
{
	struct disk *d = (struct disk *)io;
	CHECK(!d->attached);
	CHECK_OP(depth, <=, RING_ENTRIES);
	int r = ring_make(&d->ring);
	if (r < 0)
		return ring_refused(-r, err);
	d->attached = true;
	d->buffers = buffers;
	register_all(d, count, buffer_bytes);
	return RESULT_OK;
}

/* A handle number comes again when a segment was closed: its old slot then holds another file. */
static uint32_t slot_for(const struct disk *d, int handle)
{
	for (uint32_t i = 0; i < DISK_SLOTS; i++) {
		if (d->slot_handle[i] == handle)
			return i;
	}
	return d->slot_next;
}

void uring_use(struct journal_io *io, int handle)
{
	struct disk *d = (struct disk *)io;
	if (!d->files_registered)
		return;
	uint32_t slot = slot_for(d, handle);
	if (slot == d->slot_next)
		d->slot_next = (d->slot_next + 1) % DISK_SLOTS;
	d->slot_handle[slot] =
	    io_uring_register_files_update(&d->ring, 1 + slot, &handle, 1) == 1 ? handle : -1;
}

static void submit(struct disk *d)
{
	int r = io_uring_submit(&d->ring);
	if (r > 0)
		d->unsubmitted -= (uint32_t)r;
}

void uring_write(struct journal_io *io, int handle, uint32_t buffer, uint32_t bytes,
                 uint64_t offset, uint32_t tag)
{
	struct disk *d = (struct disk *)io;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&d->ring);
	CHECK(sqe);
	int file = handle;
	bool fixed = false;
	for (uint32_t i = 0; d->files_registered && i < DISK_SLOTS; i++) {
		if (d->slot_handle[i] == handle) {
			file = (int)(1 + i);
			fixed = true;
		}
	}
	if (d->buffers_registered)
		io_uring_prep_write_fixed(sqe, file, d->buffers[buffer], bytes, offset,
		                          (int)buffer);
	else
		io_uring_prep_write(sqe, file, d->buffers[buffer], bytes, offset);
	sqe->rw_flags = RWF_DSYNC;
	if (fixed)
		sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = tag;
	d->unsubmitted++;
	submit(d);
}

uint32_t uring_poll(struct journal_io *io, struct journal_completion *done, uint32_t max)
{
	struct disk *d = (struct disk *)io;
	struct io_uring_cqe *cqe;
	uint32_t count = 0;

	if (d->unsubmitted > 0)
		submit(d);
	while (count < max && io_uring_peek_cqe(&d->ring, &cqe) == 0) {
		done[count++] = (struct journal_completion){(uint32_t)cqe->user_data, cqe->res};
		io_uring_cqe_seen(&d->ring, cqe);
	}
	return count;
}

void uring_wait(struct journal_io *io, uint32_t timeout_us)
{
	struct disk *d = (struct disk *)io;
	struct io_uring_cqe *cqe;
	struct __kernel_timespec ts = {.tv_sec = timeout_us / 1000000,
	                               .tv_nsec = (long long)(timeout_us % 1000000) * 1000};
	if (d->unsubmitted > 0)
		submit(d);
	io_uring_wait_cqe_timeout(&d->ring, &cqe, &ts);
}

void uring_free(struct disk *d)
{
	if (d->attached)
		io_uring_queue_exit(&d->ring);
	d->attached = false;
}
