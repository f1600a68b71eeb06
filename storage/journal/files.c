/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's directory: segments ("segment-<16 hexadecimal digits>.hrj"), the superblock
 * ("superblock") and the lock ("lock").
 *
 * A segment gets its name only when all its bytes have been written: the first write to a block
 * of a merely allocated file costs a second write of metadata. Every change of a name is made
 * durable (fsync of the directory) before the function returns.
 *
 * Threads: ordinary ones. Memory: malloc. Never touches a block's bytes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "storage/journal/block.h"
#include "storage/journal/disk.h"

#define NAME_BYTES    32
#define CHUNK_BYTES   (1024u * 1024u)
#define LOCK_WAIT_MS  5000
#define NEW_SEGMENT   "segment.new"
#define SUPERBLOCK    "superblock"
#define SUPERBLOCK_NEW "superblock.new"

static struct disk *disk_of(struct journal_io *io)
{
	return (struct disk *)io;
}

static void segment_name(char name[NAME_BYTES], uint64_t number)
{
	snprintf(name, NAME_BYTES, "segment-%016" PRIx64 ".hrj", number);
}

static bool segment_name_parse(const char *name, uint64_t *number)
{
	char again[NAME_BYTES];
	if (sscanf(name, "segment-%16" SCNx64 ".hrj", number) != 1)
		return false;
	segment_name(again, *number);
	return strcmp(name, again) == 0;
}

/* Not every file system takes O_DIRECT (tmpfs does not). */
static int open_direct(struct disk *d, const char *name, int flags)
{
	int fd = -1;
	if (d->direct)
		fd = openat(d->dir_fd, name, flags | O_DIRECT | O_CLOEXEC, 0600);
	if (!d->direct || (fd < 0 && errno == EINVAL))
		fd = openat(d->dir_fd, name, flags | O_CLOEXEC, 0600);
	return fd;
}

static enum result media(int error, struct error *err, const char *what, const char *name)
{
	enum result r = error == ENOSPC || error == EMFILE || error == ENFILE || error == EDQUOT
	                    ? RESULT_RESOURCE
	                    : RESULT_MEDIA;
	return fail(r, err, "journal: %s %s: %s", what, name, strerror(error));
}

static enum result disk_list(struct journal_io *io, struct journal_segment_file **files,
                             size_t *count, struct error *err)
{
	struct disk *d = disk_of(io);
	int fd = openat(d->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		return media(error, err, "list", "the directory");
	}
	struct journal_segment_file *list = NULL;
	size_t used = 0, room = 0;
	enum result r = RESULT_OK;
	for (struct dirent *e; r == RESULT_OK && (e = readdir(dir));) {
		uint64_t number;
		struct stat st;
		if (!segment_name_parse(e->d_name, &number))
			continue;
		if (used == room) {
			room = room ? 2 * room : 64;
			void *grown = realloc(list, room * sizeof *list);
			if (!grown) {
				r = fail(RESULT_RESOURCE, err, "journal: no memory");
				break;
			}
			list = grown;
		}
		if (fstatat(d->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			r = media(errno, err, "look at", e->d_name);
		else if (S_ISREG(st.st_mode))
			list[used++] =
			    (struct journal_segment_file){number, (uint64_t)st.st_size};
	}
	closedir(dir);
	if (r != RESULT_OK) {
		free(list);
		return r;
	}
	*files = list;
	*count = used;
	return RESULT_OK;
}

static int write_zeros(int fd, uint64_t bytes)
{
	uint8_t *zeros = aligned_alloc(BLOCK_ALIGN, CHUNK_BYTES);
	if (!zeros)
		return ENOMEM;
	memset(zeros, 0, CHUNK_BYTES);
	int error = posix_fallocate(fd, 0, (off_t)bytes);
	for (uint64_t at = 0; error == 0 && at < bytes;) {
		uint64_t left = bytes - at;
		ssize_t n = pwrite(fd, zeros, left < CHUNK_BYTES ? left : CHUNK_BYTES, (off_t)at);
		if (n < 0 && errno != EINTR)
			error = errno;
		else if (n == 0)
			error = EIO;
		else if (n > 0)
			at += (uint64_t)n;
	}
	if (error == 0 && fsync(fd) != 0)
		error = errno;
	free(zeros);
	return error;
}

/* Give a file its name for good. Returns 0 or an errno. */
static int rename_durably(struct disk *d, const char *from, const char *to)
{
	if (renameat(d->dir_fd, from, d->dir_fd, to) != 0 || fsync(d->dir_fd) != 0)
		return errno;
	return 0;
}

static enum result disk_prepare(struct journal_io *io, uint64_t number, uint64_t bytes,
                                int *out_errno, struct error *err)
{
	struct disk *d = disk_of(io);
	char name[NAME_BYTES];
	segment_name(name, number);
	int fd = open_direct(d, NEW_SEGMENT, O_WRONLY | O_CREAT | O_TRUNC);
	int error = fd < 0 ? errno : write_zeros(fd, bytes);
	if (fd >= 0)
		close(fd);
	if (error == 0)
		error = rename_durably(d, NEW_SEGMENT, name);
	*out_errno = error;
	if (error != 0) {
		unlinkat(d->dir_fd, NEW_SEGMENT, 0);
		return media(error, err, "prepare", name);
	}
	return RESULT_OK;
}

static enum result disk_recycle(struct journal_io *io, uint64_t from, uint64_t to, int *out_errno,
                                struct error *err)
{
	char from_name[NAME_BYTES], to_name[NAME_BYTES];
	segment_name(from_name, from);
	segment_name(to_name, to);
	struct disk *d = disk_of(io);
	/* a second attempt may find that only the directory was not durable */
	if (faccessat(d->dir_fd, from_name, F_OK, 0) != 0 &&
	    faccessat(d->dir_fd, to_name, F_OK, 0) == 0)
		*out_errno = fsync(d->dir_fd) == 0 ? 0 : errno;
	else
		*out_errno = rename_durably(d, from_name, to_name);
	return *out_errno == 0 ? RESULT_OK : media(*out_errno, err, "recycle", from_name);
}

static enum result disk_remove(struct journal_io *io, uint64_t number, struct error *err)
{
	struct disk *d = disk_of(io);
	char name[NAME_BYTES];
	segment_name(name, number);
	/* a second attempt may find that only the directory was not durable */
	if ((unlinkat(d->dir_fd, name, 0) != 0 && errno != ENOENT) || fsync(d->dir_fd) != 0)
		return media(errno, err, "remove", name);
	return RESULT_OK;
}

static enum result disk_sync(struct journal_io *io, uint64_t number, struct error *err)
{
	char name[NAME_BYTES];
	segment_name(name, number);
	int fd = openat(disk_of(io)->dir_fd, name, O_RDONLY | O_CLOEXEC);
	int error = fd < 0 || fdatasync(fd) != 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	return error == 0 ? RESULT_OK : media(error, err, "sync", name);
}

/* Fill `to` from the file; the rest, behind its end, with zeros. Returns 0 or an errno. */
static int read_fully(int fd, uint64_t offset, uint8_t *to, uint32_t bytes)
{
	uint32_t got = 0;
	while (got < bytes) {
		ssize_t n = pread(fd, to + got, bytes - got, (off_t)(offset + got));
		if (n < 0 && errno != EINTR)
			return errno;
		if (n == 0)
			break;
		if (n > 0)
			got += (uint32_t)n;
	}
	memset(to + got, 0, bytes - got);
	return 0;
}

static enum result disk_read(struct journal_io *io, uint64_t number, uint64_t offset, uint8_t *to,
                             uint32_t bytes, struct error *err)
{
	char name[NAME_BYTES];
	segment_name(name, number);
	int fd = open_direct(disk_of(io), name, O_RDONLY);
	int error = fd < 0 ? errno : read_fully(fd, offset, to, bytes);
	if (fd >= 0)
		close(fd);
	if (error == ENOENT)
		return fail(RESULT_ABSENT, err, "journal: no %s", name);
	return error == 0 ? RESULT_OK : media(error, err, "read", name);
}

static enum result disk_super_get(struct journal_io *io, uint8_t *to, uint32_t max,
                                  uint32_t *bytes, struct error *err)
{
	struct disk *d = disk_of(io);
	int fd = openat(d->dir_fd, SUPERBLOCK, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return fail(RESULT_ABSENT, err, "journal: no superblock");
	ssize_t n = fd < 0 ? -1 : read(fd, to, max);
	int error = errno;
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return media(error, err, "read", SUPERBLOCK);
	*bytes = (uint32_t)n;
	return RESULT_OK;
}

static enum result disk_super_set(struct journal_io *io, const uint8_t *from, uint32_t bytes,
                                  struct error *err)
{
	struct disk *d = disk_of(io);
	int fd = openat(d->dir_fd, SUPERBLOCK_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int error = 0;
	if (fd < 0)
		return media(errno, err, "make", SUPERBLOCK_NEW);
	ssize_t n = write(fd, from, bytes);
	if (n < 0 || fsync(fd) != 0)
		error = errno;
	else if (n != (ssize_t)bytes)
		error = ENOSPC;
	close(fd);
	if (error == 0)
		error = rename_durably(d, SUPERBLOCK_NEW, SUPERBLOCK);
	return error == 0 ? RESULT_OK : media(error, err, "write", SUPERBLOCK);
}

static int disk_open(struct journal_io *io, uint64_t number)
{
	char name[NAME_BYTES];
	segment_name(name, number);
	int fd = open_direct(disk_of(io), name, O_WRONLY);
	return fd < 0 ? -errno : fd;
}

static void disk_close(struct journal_io *io, int handle)
{
	(void)io;
	close(handle);
}

static int64_t disk_wall_ms(struct journal_io *io)
{
	(void)io;
	return clock_wall_ms();
}

static uint64_t disk_mono_us(struct journal_io *io)
{
	(void)io;
	return clock_mono_us();
}

static void disk_free(struct journal_io *io)
{
	struct disk *d = disk_of(io);
	uring_free(d);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	if (d->dir_fd >= 0)
		close(d->dir_fd);
	free(d);
}

static const struct journal_io_ops disk_ops = {
    .list = disk_list,
    .prepare = disk_prepare,
    .recycle = disk_recycle,
    .remove = disk_remove,
    .sync = disk_sync,
    .read = disk_read,
    .super_get = disk_super_get,
    .super_set = disk_super_set,
    .open = disk_open,
    .close = disk_close,
    .attach = uring_attach,
    .use = uring_use,
    .write = uring_write,
    .poll = uring_poll,
    .wait = uring_wait,
    .wall_ms = disk_wall_ms,
    .mono_us = disk_mono_us,
    .free = disk_free,
};

/* O_DIRECT is a property of the file system: try it once, on the lock file. */
static bool takes_direct(struct disk *d)
{
	int fd = openat(d->dir_fd, "lock", O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* A killed process holds the lock until its last write is over: wait a little for that. */
static enum result take_lock(struct disk *d, const char *dir, struct error *err)
{
	d->lock_fd = openat(d->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->lock_fd < 0)
		return media(errno, err, "make the lock in", dir);
	struct timespec nap = {.tv_nsec = 10 * 1000000};
	for (int waited_ms = 0; flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0; waited_ms += 10) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return media(errno, err, "lock", dir);
		if (waited_ms >= LOCK_WAIT_MS)
			return fail(RESULT_RESOURCE, err,
			            "journal: %s is in use by another process", dir);
		nanosleep(&nap, NULL);
	}
	return RESULT_OK;
}

/* Make the directory when it is not there; its name is durable then. */
static enum result make_dir(const char *dir, struct error *err)
{
	if (mkdir(dir, 0700) != 0)
		return errno == EEXIST ? RESULT_OK : media(errno, err, "make", dir);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int parent = fd < 0 ? -1 : openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = parent < 0 || fsync(parent) != 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (parent >= 0)
		close(parent);
	return error == 0 ? RESULT_OK : media(error, err, "make", dir);
}

static enum result disk_new(const char *dir, bool readonly, struct journal_io **out,
                            struct error *err)
{
	struct disk *d = calloc(1, sizeof *d);
	if (!d)
		return fail(RESULT_RESOURCE, err, "journal: no memory");
	d->io.ops = &disk_ops;
	d->lock_fd = -1;
	d->direct = true;
	d->dir_fd = -1;
	enum result r = readonly ? RESULT_OK : make_dir(dir, err);
	if (r == RESULT_OK) {
		d->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (d->dir_fd < 0)
			r = media(errno, err, "open", dir);
	}
	if (r == RESULT_OK && !readonly)
		r = take_lock(d, dir, err);
	if (r == RESULT_OK && !readonly)
		d->direct = takes_direct(d);
	if (r == RESULT_OK && !readonly)
		r = uring_probe(err);
	if (r != RESULT_OK) {
		disk_free(&d->io);
		return r;
	}
	*out = &d->io;
	return RESULT_OK;
}

enum result journal_io_disk(const char *dir, struct journal_io **out, struct error *err)
{
	return disk_new(dir, false, out, err);
}

enum result journal_io_disk_readonly(const char *dir, struct journal_io **out, struct error *err)
{
	return disk_new(dir, true, out, err);
}
