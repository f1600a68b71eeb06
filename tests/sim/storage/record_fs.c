/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder: calls in, a log of operations in memory out. See record_fs.h; rebuild_fs.c makes
 * states of the log. One lock; the real call is made under it, so that the log's order is the
 * order in which things happened.
 */
/* open and open64 are two names to define, not one. */
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/sim/storage/record_log.h"

#define FDS_MAX 4096

struct open_file {
	char *path; /* relative to the root; NULL: not ours */
	bool dir;
	uint32_t file;
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct open_file fds[FDS_MAX];
static char root[PATH_MAX];
static bool recording;

struct record_log record_log;

static struct {
	enum fault_kind kind;
	char part[128];
	int error;
	uint64_t count;
} fault;

static void *next(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);
	if (!f)
		abort();
	return f;
}

#define REAL(name) ((__typeof__(&name))next(#name))

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static struct record_op *op_add(enum record_kind_fs kind)
{
	struct record_log *l = &record_log;
	if (l->count == l->room) {
		l->room = l->room ? 2 * l->room : 4096;
		l->op = must(realloc(l->op, l->room * sizeof l->op[0]));
	}
	l->op[l->count] = (struct record_op){.kind = kind};
	return &l->op[l->count++];
}

/* The path below the root; NULL: elsewhere. */
static const char *ours(const char *path)
{
	size_t n = strlen(root);
	if (!recording || strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return NULL;
	return path[n] ? path + n + 1 : "";
}

/* As ours, for a name in an open folder; *owned is to be freed. */
static const char *ours_at(int dir, const char *name, char **owned)
{
	*owned = NULL;
	if (name[0] == '/' || dir == AT_FDCWD)
		return ours(name);
	if (dir < 0 || dir >= FDS_MAX || !fds[dir].path)
		return NULL;
	if (strcmp(name, ".") == 0)
		return fds[dir].path;
	if (asprintf(owned, "%s%s%s", fds[dir].path, fds[dir].path[0] ? "/" : "", name) < 0)
		abort();
	return *owned;
}

/* --- what has which name now --- */

static struct live {
	char *path;
	uint32_t file;
} *live;
static size_t live_count;

static struct live *live_find(const char *path)
{
	for (size_t i = 0; i < live_count; i++)
		if (strcmp(live[i].path, path) == 0)
			return &live[i];
	return NULL;
}

static void live_drop(struct live *l)
{
	free(l->path);
	*l = live[--live_count];
}

static void live_add(const char *path, uint32_t file)
{
	struct live *old = live_find(path);
	if (old)
		live_drop(old);
	live = must(realloc(live, (live_count + 1) * sizeof live[0]));
	live[live_count++] = (struct live){must(strdup(path)), file};
}

/* --- open and close --- */

static void note_open(int fd, const char *path, int flags, bool existed)
{
	struct stat st;
	if (fd < 0 || fd >= FDS_MAX || fstat(fd, &st) != 0)
		return;
	struct open_file *f = &fds[fd];
	free(f->path);
	*f = (struct open_file){must(strdup(path)), S_ISDIR(st.st_mode), 0};
	if (f->dir) {
		size_t length = strlen(f->path); /* "a/b/.." is "a" */
		if (length >= 3 && strcmp(f->path + length - 3, "/..") == 0) {
			f->path[length - 3] = '\0';
			char *slash = strrchr(f->path, '/');
			*(slash ? slash : f->path) = '\0';
		}
		return;
	}
	struct live *known = live_find(path);
	if (!known && (existed || !(flags & O_CREAT))) {
		free(f->path); /* made by means that we don't see: the program's own log */
		f->path = NULL;
		return;
	}
	if (!known) {
		struct record_op *op = op_add(FS_CREATE);
		op->path = must(strdup(path));
		op->file = f->file = record_log.files++;
		live_add(path, f->file);
		return;
	}
	f->file = known->file;
	if (existed && (flags & O_TRUNC)) {
		struct record_op *op = op_add(FS_TRUNCATE);
		op->file = f->file;
	}
}

static int open_noted(int (*real)(int, const char *, int, ...), int dir, const char *name,
                      int flags, mode_t mode)
{
	char *owned;
	pthread_mutex_lock(&lock);
	const char *path = recording ? ours_at(dir, name, &owned) : (owned = NULL);
	bool existed = path && faccessat(dir, name, F_OK, 0) == 0;
	int fd = real(dir, name, flags, mode);
	int error = errno;
	if (fd >= 0 && fd < FDS_MAX && fds[fd].path) {
		free(fds[fd].path); /* closed by means that we don't see */
		fds[fd].path = NULL;
	}
	if (path)
		note_open(fd, path, flags, existed);
	free(owned);
	pthread_mutex_unlock(&lock);
	errno = error;
	return fd;
}

#define MODE(flags, mode)                                                                          \
	do {                                                                                       \
		va_list ap;                                                                        \
		va_start(ap, flags);                                                               \
		mode = (flags) & (O_CREAT | __O_TMPFILE) ? (mode_t)va_arg(ap, int) : 0;            \
		va_end(ap);                                                                        \
	} while (0)

int open(const char *name, int flags, ...)
{
	mode_t mode;
	MODE(flags, mode);
	return open_noted(REAL(openat), AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...)
{
	mode_t mode;
	MODE(flags, mode);
	return open_noted(REAL(openat64), AT_FDCWD, name, flags, mode);
}

int openat(int dir, const char *name, int flags, ...)
{
	mode_t mode;
	MODE(flags, mode);
	return open_noted(REAL(openat), dir, name, flags, mode);
}

int openat64(int dir, const char *name, int flags, ...)
{
	mode_t mode;
	MODE(flags, mode);
	return open_noted(REAL(openat64), dir, name, flags, mode);
}

int close(int fd)
{
	pthread_mutex_lock(&lock);
	if (fd >= 0 && fd < FDS_MAX) {
		free(fds[fd].path);
		fds[fd].path = NULL;
	}
	int r = REAL(close)(fd);
	pthread_mutex_unlock(&lock);
	return r;
}

/* --- data --- */

static struct open_file *file_of(int fd)
{
	if (!recording || fd < 0 || fd >= FDS_MAX || !fds[fd].path || fds[fd].dir)
		return NULL;
	return &fds[fd];
}

static bool all_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static void note_write(int fd, uint64_t offset, const void *data, size_t bytes)
{
	const struct open_file *f = file_of(fd);
	if (!f || bytes == 0)
		return;
	struct record_op *op = op_add(FS_WRITE);
	op->file = f->file;
	op->offset = offset;
	op->bytes = bytes;
	if (!all_zero(data, bytes)) {
		op->data = must(malloc(bytes));
		memcpy(op->data, data, bytes);
	}
}

static bool strikes(enum fault_kind kind, int fd)
{
	char link[64], path[PATH_MAX];
	if (fault.kind != kind)
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	if (!strstr(path, fault.part))
		return false;
	fault.count++;
	return true;
}

/* May this write go ahead, with how many bytes? */
static bool write_allowed(int fd, size_t *bytes)
{
	if (strikes(FAULT_WRITE, fd)) {
		errno = fault.error;
		return false;
	}
	if (*bytes > 1 && strikes(FAULT_SHORT_WRITE, fd))
		*bytes /= 2;
	return true;
}

ssize_t write(int fd, const void *data, size_t bytes)
{
	pthread_mutex_lock(&lock);
	off_t at = file_of(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
	if (file_of(fd) && fcntl(fd, F_GETFL) & O_APPEND)
		at = lseek(fd, 0, SEEK_END);
	ssize_t n = write_allowed(fd, &bytes) ? REAL(write)(fd, data, bytes) : -1;
	int error = errno;
	if (n > 0)
		note_write(fd, (uint64_t)at, data, (size_t)n);
	pthread_mutex_unlock(&lock);
	errno = error;
	return n;
}

static ssize_t pwrite_noted(int fd, const void *data, size_t bytes, off_t at)
{
	pthread_mutex_lock(&lock);
	ssize_t n = write_allowed(fd, &bytes) ? REAL(pwrite)(fd, data, bytes, at) : -1;
	int error = errno;
	if (n > 0)
		note_write(fd, (uint64_t)at, data, (size_t)n);
	pthread_mutex_unlock(&lock);
	errno = error;
	return n;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at)
{
	return pwrite_noted(fd, data, bytes, at);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at)
{
	return pwrite_noted(fd, data, bytes, at);
}

ssize_t pread64(int fd, void *data, size_t bytes, off64_t at)
{
	ssize_t n = REAL(pread64)(fd, data, bytes, at);
	if (n > 0 && strikes(FAULT_READ_FLIP, fd))
		((uint8_t *)data)[n / 2] ^= 0x10;
	return n;
}

ssize_t pread(int fd, void *data, size_t bytes, off_t at)
{
	return pread64(fd, data, bytes, at);
}

static void note_size(int fd, off_t size, bool only_grow)
{
	const struct open_file *f = file_of(fd);
	if (!f)
		return;
	struct record_op *op = op_add(only_grow ? FS_EXTEND : FS_TRUNCATE);
	op->file = f->file;
	op->offset = (uint64_t)size;
}

int ftruncate(int fd, off_t size)
{
	pthread_mutex_lock(&lock);
	int r = REAL(ftruncate)(fd, size);
	if (r == 0)
		note_size(fd, size, false);
	pthread_mutex_unlock(&lock);
	return r;
}

int ftruncate64(int fd, off64_t size)
{
	return ftruncate(fd, size);
}

int fallocate(int fd, int mode, off_t at, off_t bytes)
{
	pthread_mutex_lock(&lock);
	int r = REAL(fallocate)(fd, mode, at, bytes);
	if (r == 0 && mode == 0)
		note_size(fd, at + bytes, true);
	pthread_mutex_unlock(&lock);
	return r;
}

int fallocate64(int fd, int mode, off64_t at, off64_t bytes)
{
	return fallocate(fd, mode, at, bytes);
}

int posix_fallocate(int fd, off_t at, off_t bytes)
{
	pthread_mutex_lock(&lock);
	int r = REAL(posix_fallocate)(fd, at, bytes);
	if (r == 0)
		note_size(fd, at + bytes, true);
	pthread_mutex_unlock(&lock);
	return r;
}

int posix_fallocate64(int fd, off64_t at, off64_t bytes)
{
	return posix_fallocate(fd, at, bytes);
}

static int sync_noted(int (*real)(int), int fd)
{
	pthread_mutex_lock(&lock);
	int r = strikes(FAULT_SYNC, fd) ? (errno = fault.error, -1) : real(fd);
	int error = errno;
	if (r == 0 && recording && fd >= 0 && fd < FDS_MAX && fds[fd].path) {
		struct record_op *op = op_add(fds[fd].dir ? FS_SYNC_DIR : FS_SYNC);
		op->file = fds[fd].file;
		if (fds[fd].dir)
			op->path = must(strdup(fds[fd].path));
	}
	pthread_mutex_unlock(&lock);
	errno = error;
	return r;
}

int fsync(int fd)
{
	return sync_noted(REAL(fsync), fd);
}

int fdatasync(int fd)
{
	return sync_noted(REAL(fdatasync), fd);
}

/* --- names --- */

static void note_rename(const char *from, const char *to)
{
	struct live *l = live_find(from);
	if (!l)
		return;
	struct record_op *op = op_add(FS_RENAME);
	op->path = must(strdup(from));
	op->to = must(strdup(to));
	op->file = l->file;
	live_add(to, l->file);
	live_drop(live_find(from));
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	char *a_owned = NULL, *b_owned = NULL;
	pthread_mutex_lock(&lock);
	const char *a = recording ? ours_at(from_dir, from, &a_owned) : NULL;
	const char *b = recording ? ours_at(to_dir, to, &b_owned) : NULL;
	int r = REAL(renameat)(from_dir, from, to_dir, to);
	int error = errno;
	if (r == 0 && a && b)
		note_rename(a, b);
	free(a_owned);
	free(b_owned);
	pthread_mutex_unlock(&lock);
	errno = error;
	return r;
}

int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	char *a_owned = NULL, *b_owned = NULL;
	pthread_mutex_lock(&lock);
	const char *a = recording ? ours_at(from_dir, from, &a_owned) : NULL;
	const char *b = recording ? ours_at(to_dir, to, &b_owned) : NULL;
	int r = REAL(linkat)(from_dir, from, to_dir, to, flags);
	int error = errno;
	struct live *l = r == 0 && a && b ? live_find(a) : NULL;
	if (l) {
		uint32_t file = l->file;
		struct record_op *op = op_add(FS_LINK);
		op->path = must(strdup(b));
		op->file = file;
		live_add(b, file);
	}
	free(a_owned);
	free(b_owned);
	pthread_mutex_unlock(&lock);
	errno = error;
	return r;
}

int link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int dir, const char *name, int flags)
{
	char *owned = NULL;
	pthread_mutex_lock(&lock);
	const char *path = recording ? ours_at(dir, name, &owned) : NULL;
	int r = REAL(unlinkat)(dir, name, flags);
	int error = errno;
	struct live *l = r == 0 && path ? live_find(path) : NULL;
	if (l) {
		struct record_op *op = op_add(FS_UNLINK);
		op->path = must(strdup(path));
		op->file = l->file;
		live_drop(l);
	}
	free(owned);
	pthread_mutex_unlock(&lock);
	errno = error;
	return r;
}

int unlink(const char *name)
{
	return unlinkat(AT_FDCWD, name, 0);
}

int mkdir(const char *name, mode_t mode)
{
	pthread_mutex_lock(&lock);
	const char *path = ours(name);
	int r = REAL(mkdir)(name, mode);
	int error = errno;
	if (r == 0 && path) {
		struct record_op *op = op_add(FS_MKDIR);
		op->path = must(strdup(path));
		op->file = record_log.files++;
	}
	pthread_mutex_unlock(&lock);
	errno = error;
	return r;
}

/* --- what the test tells --- */

void record_begin(const char *folder)
{
	pthread_mutex_lock(&lock);
	snprintf(root, sizeof root, "%s", folder);
	recording = true;
	pthread_mutex_unlock(&lock);
}

void record_end(void)
{
	pthread_mutex_lock(&lock);
	recording = false;
	pthread_mutex_unlock(&lock);
}

void record_write(int fd, uint64_t offset, const void *data, size_t bytes)
{
	pthread_mutex_lock(&lock);
	note_write(fd, offset, data, bytes);
	pthread_mutex_unlock(&lock);
}

void record_durable(int fd, uint64_t offset, size_t bytes)
{
	pthread_mutex_lock(&lock);
	const struct open_file *f = file_of(fd);
	if (f) {
		struct record_op *op = op_add(FS_SYNC_RANGE);
		op->file = f->file;
		op->offset = offset;
		op->bytes = bytes;
	}
	pthread_mutex_unlock(&lock);
}

void record_promise(uint32_t kind, uint64_t number)
{
	pthread_mutex_lock(&lock);
	struct record_op *op = op_add(FS_PROMISE);
	op->file = kind;
	op->offset = number;
	pthread_mutex_unlock(&lock);
}

size_t record_count(void)
{
	return record_log.count;
}

void fault_set(enum fault_kind kind, const char *part, int error)
{
	pthread_mutex_lock(&lock);
	fault.kind = kind;
	fault.error = error;
	fault.count = 0;
	snprintf(fault.part, sizeof fault.part, "%s", part ? part : "");
	pthread_mutex_unlock(&lock);
}

uint64_t fault_count(void)
{
	return fault.count;
}
