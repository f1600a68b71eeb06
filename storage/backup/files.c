/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in, files out, every byte through a CRC. What is written is synced before it counts.
 * Threads: ordinary ones; blocks. Memory: one buffer a copy.
 */
#include "storage/backup/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

#define COPY_BYTES (1024u * 1024u)
#define DEPTH      16

static enum result failed(int error, const char *what, const char *path, struct error *err)
{
	enum result r = error == ENOSPC || error == EDQUOT || error == EMFILE || error == EACCES ||
	                        error == EROFS || error == EPERM
	                    ? RESULT_RESOURCE
	                    : RESULT_MEDIA;
	return fail(r, err, "%s %s: %s", what, path, strerror(error));
}

enum result meter_add(struct meter *m, uint64_t bytes, struct error *err)
{
	m->progress.done += bytes;
	if (m->fn && !m->fn(m->context, &m->progress))
		return fail(RESULT_RESOURCE, err, "broken off");
	return RESULT_OK;
}

enum result path_join(char out[PATH_MAX_BYTES], const char *a, const char *b, struct error *err)
{
	int length = snprintf(out, PATH_MAX_BYTES, "%s/%s", a, b);
	return length > 0 && (size_t)length < PATH_MAX_BYTES
	           ? RESULT_OK
	           : fail(RESULT_INPUT, err, "the path %.100s/%.100s is too long", a, b);
}

static enum result copy_bytes(int from, int to, const char *from_name, const char *to_name,
                              uint64_t *bytes, uint32_t *crc, struct meter *m, struct error *err)
{
	uint8_t *buffer = malloc(COPY_BYTES);
	enum result r = buffer ? RESULT_OK : fail(RESULT_RESOURCE, err, "no memory");
	*bytes = 0;
	*crc = 0;
	while (r == RESULT_OK) {
		ssize_t n = read(from, buffer, COPY_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = failed(errno, "read", from_name, err);
		if (n <= 0)
			break;
		*crc = crc32c(*crc, buffer, (size_t)n);
		*bytes += (uint64_t)n;
		for (ssize_t at = 0; r == RESULT_OK && to >= 0 && at < n;) {
			ssize_t w = write(to, buffer + at, (size_t)(n - at));
			if (w < 0 && errno != EINTR)
				r = failed(errno, "write", to_name, err);
			at += w > 0 ? w : 0;
		}
		if (r == RESULT_OK)
			r = meter_add(m, (uint64_t)n, err);
	}
	free(buffer);
	return r;
}

enum result file_copy(const char *from, const char *to, uint64_t *bytes, uint32_t *crc,
                      struct meter *m, struct error *err)
{
	int out = -1, in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return failed(errno, "open", from, err);
	if (to) {
		out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (out < 0) {
			enum result r = failed(errno, "make", to, err);
			close(in);
			return r;
		}
	}
	enum result r = copy_bytes(in, out, from, to ? to : "", bytes, crc, m, err);
	if (r == RESULT_OK && to && fsync(out) != 0)
		r = failed(errno, "sync", to, err);
	close(in);
	if (out >= 0 && close(out) != 0 && r == RESULT_OK)
		r = failed(errno, "close", to, err);
	return r;
}

enum result folders_make(const char *root, const char *path, struct error *err)
{
	char whole[PATH_MAX_BYTES];
	enum result r = path_join(whole, root, path, err);
	if (r != RESULT_OK)
		return r;
	for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(whole, 0700) != 0 && errno != EEXIST)
			return failed(errno, "make", whole, err);
		*slash = '/';
	}
	return RESULT_OK;
}

enum result file_read(const char *path, uint64_t bytes_max, char **text, size_t *bytes,
                      struct error *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return fail(RESULT_ABSENT, err, "there is no %s", path);
	if (fd < 0 || fstat(fd, &st) != 0) {
		enum result r = failed(errno, "open", path, err);
		if (fd >= 0)
			close(fd);
		return r;
	}
	size_t room = (uint64_t)st.st_size <= bytes_max ? (size_t)st.st_size : 0;
	enum result r = RESULT_OK;
	*bytes = 0;
	*text = malloc(room + 1);
	if ((uint64_t)st.st_size > bytes_max || !*text)
		r = fail(RESULT_RESOURCE, err, "%s is too large", path);
	while (r == RESULT_OK && *bytes < room) {
		ssize_t n = read(fd, *text + *bytes, room - *bytes);
		if (n < 0 && errno != EINTR)
			r = failed(errno, "read", path, err);
		if (n == 0)
			break;
		*bytes += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (r == RESULT_OK) {
		(*text)[*bytes] = '\0';
	} else {
		free(*text);
		*text = NULL;
	}
	return r;
}

enum result dir_sync(const char *dir, struct error *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	return error == 0 ? RESULT_OK : failed(error, "sync", dir, err);
}

enum result file_write(const char *dir, const char *name, const void *data, size_t bytes,
                       struct error *err)
{
	char path[PATH_MAX_BYTES], fresh[PATH_MAX_BYTES + 8];
	enum result r = path_join(path, dir, name, err);
	if (r != RESULT_OK)
		return r;
	snprintf(fresh, sizeof fresh, "%s.new", path);
	int error = 0, fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return failed(errno, "make", fresh, err);
	for (size_t at = 0; error == 0 && at < bytes;) {
		ssize_t n = write(fd, (const char *)data + at, bytes - at);
		if (n < 0 && errno != EINTR)
			error = errno;
		at += n > 0 ? (size_t)n : 0;
	}
	if (error == 0 && fsync(fd) != 0)
		error = errno;
	close(fd);
	if (error == 0 && rename(fresh, path) != 0)
		error = errno;
	return error == 0 ? dir_sync(dir, err) : failed(error, "write", path, err);
}

/* --- trees --- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path) == 0 || errno == ENOENT ? 0 : errno;
}

enum result tree_remove(const char *dir, struct error *err)
{
	struct stat st;
	if (lstat(dir, &st) != 0 && errno == ENOENT)
		return RESULT_OK;
	int error = nftw(dir, remove_one, DEPTH, FTW_DEPTH | FTW_PHYS);
	return error == 0 ? RESULT_OK : failed(error > 0 ? error : errno, "remove", dir, err);
}

static int sync_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	struct error err;
	(void)st, (void)where;
	return kind == FTW_D && dir_sync(path, &err) != RESULT_OK ? EIO : 0;
}

enum result tree_sync(const char *dir, struct error *err)
{
	int error = nftw(dir, sync_one, DEPTH, FTW_PHYS);
	return error == 0 ? RESULT_OK : failed(error > 0 ? error : errno, "sync", dir, err);
}

enum result dir_make_empty(const char *dir, struct error *err)
{
	if (mkdir(dir, 0700) == 0)
		return RESULT_OK;
	if (errno != EEXIST)
		return failed(errno, "make", dir, err);
	DIR *d = opendir(dir);
	if (!d)
		return failed(errno, "open", dir, err);
	bool empty = true;
	for (struct dirent *e; empty && (e = readdir(d));)
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	closedir(d);
	return empty ? RESULT_OK
	             : fail(RESULT_INPUT, err, "%s is not empty; name a new folder", dir);
}

static enum result walk_into(const char *root, const char *below, unsigned depth, file_fn *fn,
                             void *context, struct error *err);

static enum result walk_entry(const char *root, const char *path, unsigned depth, file_fn *fn,
                              void *context, struct error *err)
{
	char whole[PATH_MAX_BYTES];
	struct stat st;
	enum result r = path_join(whole, root, path, err);
	if (r != RESULT_OK)
		return r;
	if (stat(whole, &st) != 0)
		return failed(errno, "look at", whole, err);
	if (S_ISDIR(st.st_mode))
		return walk_into(root, path, depth + 1, fn, context, err);
	return S_ISREG(st.st_mode) ? fn(context, path, err) : RESULT_OK;
}

static enum result walk_into(const char *root, const char *below, unsigned depth, file_fn *fn,
                             void *context, struct error *err)
{
	char whole[PATH_MAX_BYTES], path[PATH_MAX_BYTES];
	enum result r = path_join(whole, root, below, err);
	DIR *d = r == RESULT_OK && depth < DEPTH ? opendir(whole) : NULL;
	if (r == RESULT_OK && !d)
		r = failed(depth < DEPTH ? errno : ELOOP, "open", whole, err);
	for (struct dirent *e; r == RESULT_OK && (e = readdir(d));) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (*below)
			r = path_join(path, below, e->d_name, err);
		else
			snprintf(path, sizeof path, "%s", e->d_name);
		if (r == RESULT_OK)
			r = walk_entry(root, path, depth, fn, context, err);
	}
	if (d)
		closedir(d);
	return r;
}

enum result tree_walk(const char *dir, file_fn *fn, void *context, struct error *err)
{
	return walk_into(dir, "", 0, fn, context, err);
}
