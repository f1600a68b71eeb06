/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the log to the states that a power cut could leave. Input: record_log. What was synced is
 * folded into the base; what was not is decided by dice for each state. One thread.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sim/storage/record_log.h"

#define SECTOR 512u
#define CHUNK  (64u * 1024u)

struct content {
	uint8_t *data;
	uint64_t size, room;
};

struct inode {
	struct content base;
	size_t *pending; /* operations on its content, not synced */
	size_t count, room;
};

struct name {
	char *path; /* of the operation that gave it */
	uint32_t file;
	bool dir;
};

struct names {
	struct name *at;
	size_t count, room;
};

static struct {
	size_t position;
	struct inode *inode;
	struct names base;
	size_t *pending; /* operations on names, not synced */
	size_t pending_count, pending_room;
	size_t floor; /* an ordered file system has synced every operation on names before it */
	uint64_t promise[PROMISES_MAX];
} now;

static uint64_t dice_state;

static uint64_t dice(uint64_t below)
{
	/* splitmix64 (Steele, Lea, Flood, 2014) */
	uint64_t z = dice_state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) % below;
}

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* --- contents --- */

static void resize(struct content *c, uint64_t size)
{
	if (size > c->room) {
		c->room = size + size / 2 + 4096;
		c->data = must(realloc(c->data, c->room));
	}
	if (size > c->size)
		memset(c->data + c->size, 0, size - c->size);
	c->size = size;
}

static void put(struct content *c, const struct record_op *op, uint64_t at, size_t bytes)
{
	if (at + bytes > c->size)
		resize(c, at + bytes);
	if (op->data)
		memcpy(c->data + at, op->data + (at - op->offset), bytes);
	else
		memset(c->data + at, 0, bytes);
}

static void apply(struct content *c, const struct record_op *op)
{
	if (op->kind == FS_WRITE)
		put(c, op, op->offset, op->bytes);
	else if (op->kind == FS_TRUNCATE || op->offset > c->size)
		resize(c, op->offset);
}

/* Some sectors of a write. */
static void apply_torn(struct content *c, const struct record_op *op)
{
	uint64_t end = op->offset + op->bytes;
	if (op->kind != FS_WRITE) {
		apply(c, op);
		return;
	}
	for (uint64_t at = op->offset; at < end;) {
		uint64_t next = (at / SECTOR + 1) * SECTOR;
		if (next > end)
			next = end;
		if (dice(2))
			put(c, op, at, next - at);
		at = next;
	}
}

static void push(size_t **list, size_t *count, size_t *room, size_t op)
{
	if (*count == *room) {
		*room = *room ? 2 * *room : 16;
		*list = must(realloc(*list, *room * sizeof **list));
	}
	(*list)[(*count)++] = op;
}

static void sync_file(struct inode *n)
{
	for (size_t i = 0; i < n->count; i++)
		apply(&n->base, &record_log.op[n->pending[i]]);
	n->count = 0;
}

static void sync_range(struct inode *n, const struct record_op *range)
{
	for (size_t i = n->count; i-- > 0;) {
		const struct record_op *op = &record_log.op[n->pending[i]];
		if (op->kind != FS_WRITE || op->offset != range->offset ||
		    op->bytes != range->bytes)
			continue;
		apply(&n->base, op);
		memmove(n->pending + i, n->pending + i + 1,
		        (n->count - i - 1) * sizeof n->pending[0]);
		n->count--;
		return;
	}
}

/* --- names --- */

static void name_remove(struct names *n, const char *path)
{
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->at[i].path, path) == 0) {
			n->at[i] = n->at[--n->count];
			return;
		}
}

static bool name_known(const struct names *n, const char *path, size_t length)
{
	for (size_t i = 0; i < n->count; i++)
		if (strlen(n->at[i].path) == length && memcmp(n->at[i].path, path, length) == 0)
			return true;
	return false;
}

static void name_add(struct names *n, char *path, uint32_t file, bool dir)
{
	name_remove(n, path);
	if (n->count == n->room) {
		n->room = n->room ? 2 * n->room : 64;
		n->at = must(realloc(n->at, n->room * sizeof n->at[0]));
	}
	n->at[n->count++] = (struct name){path, file, dir};
}

static void name_apply(struct names *n, const struct record_op *op)
{
	if (op->kind == FS_UNLINK || op->kind == FS_RENAME)
		name_remove(n, op->path);
	if (op->kind == FS_RENAME)
		name_add(n, op->to, op->file, false);
	else if (op->kind != FS_UNLINK)
		name_add(n, op->path, op->file, op->kind == FS_MKDIR);
}

static size_t folder_length(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? (size_t)(slash - path) : 0;
}

static bool same_folder(const char *path, const char *folder, size_t length)
{
	return folder_length(path) == length && memcmp(path, folder, length) == 0;
}

static void sync_folder(const char *folder)
{
	size_t kept = 0, length = strlen(folder);
	for (size_t i = 0; i < now.pending_count; i++) {
		size_t op = now.pending[i];
		if (same_folder(record_log.op[op].path, folder, length)) {
			name_apply(&now.base, &record_log.op[op]);
			now.floor = op;
		} else {
			now.pending[kept++] = op;
		}
	}
	now.pending_count = kept;
}

/* --- the log --- */

void rebuild_to(size_t cut)
{
	if (!now.inode)
		now.inode = must(calloc(record_log.files + 1, sizeof now.inode[0]));
	for (; now.position < cut; now.position++) {
		const struct record_op *op = &record_log.op[now.position];
		struct inode *n = &now.inode[op->kind == FS_PROMISE ? 0 : op->file];
		switch (op->kind) {
		case FS_WRITE:
		case FS_TRUNCATE:
		case FS_EXTEND:
			push(&n->pending, &n->count, &n->room, now.position);
			break;
		case FS_SYNC:
			sync_file(n);
			break;
		case FS_SYNC_RANGE:
			sync_range(n, op);
			break;
		case FS_SYNC_DIR:
			sync_folder(op->path);
			break;
		case FS_PROMISE:
			now.promise[op->file] = op->offset;
			break;
		default:
			push(&now.pending, &now.pending_count, &now.pending_room, now.position);
		}
	}
}

uint64_t rebuild_promise(uint32_t kind)
{
	return now.promise[kind];
}

/* --- one state --- */

/* The first few, in order over all folders. */
static void names_ordered(struct names *n)
{
	size_t least = 0;
	while (least < now.pending_count && now.pending[least] < now.floor)
		least++;
	size_t kept = least + dice(now.pending_count - least + 1);
	for (size_t i = 0; i < kept; i++)
		name_apply(n, &record_log.op[now.pending[i]]);
}

/* The first few of each folder. */
static void names_by_folder(struct names *n)
{
	for (size_t i = 0; i < now.pending_count; i++) {
		const char *path = record_log.op[now.pending[i]].path;
		size_t length = folder_length(path), count = 0;
		bool first = true;
		for (size_t k = 0; k < now.pending_count; k++) {
			bool same = same_folder(record_log.op[now.pending[k]].path, path, length);
			first = first && !(same && k < i);
			count += same;
		}
		size_t kept = first ? dice(count + 1) : 0;
		for (size_t k = i; kept > 0; k++) {
			const struct record_op *op = &record_log.op[now.pending[k]];
			if (same_folder(op->path, path, length)) {
				name_apply(n, op);
				kept--;
			}
		}
	}
}

static void decide_content(const struct inode *n, struct content *c)
{
	size_t first = dice(n->count + 1);
	uint64_t way = dice(5);
	resize(c, 0);
	resize(c, n->base.size);
	if (n->base.size > 0)
		memcpy(c->data, n->base.data, n->base.size);
	for (size_t i = 0; i < n->count; i++) {
		const struct record_op *op = &record_log.op[n->pending[i]];
		if (way == 1 || (way == 2 && i < first) || (way == 3 && dice(2)))
			apply(c, op);
		else if (way == 4)
			apply_torn(c, op);
	}
}

static void write_file(const char *path, const struct content *c)
{
	static const uint8_t zeros[CHUNK];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)c->size) != 0) {
		perror(path);
		abort();
	}
	for (uint64_t at = 0; at < c->size; at += CHUNK) {
		size_t bytes = c->size - at < CHUNK ? c->size - at : CHUNK;
		if (memcmp(c->data + at, zeros, bytes) != 0 &&
		    pwrite(fd, c->data + at, bytes, (off_t)at) != (ssize_t)bytes) {
			perror(path);
			abort();
		}
	}
	close(fd);
}

/* Folders before what is in them; what is in one that is not there is not there either. */
static void write_names(const struct names *n, const char *dir)
{
	static struct content content;
	char path[4096];
	for (size_t depth = 0, left = n->count; left > 0 && depth < 8; depth++) {
		for (size_t i = 0; i < n->count; i++) {
			const struct name *name = &n->at[i];
			size_t slashes = 0, parent = folder_length(name->path);
			for (const char *c = name->path; *c; c++)
				slashes += *c == '/';
			if (slashes != depth)
				continue;
			left--;
			snprintf(path, sizeof path, "%s/%s", dir, name->path);
			if (parent > 0 && !name_known(n, name->path, parent))
				continue;
			snprintf(path, sizeof path, "%s/%.*s", dir, (int)parent, name->path);
			if (access(path, F_OK) != 0)
				continue;
			snprintf(path, sizeof path, "%s/%s", dir, name->path);
			if (name->dir) {
				mkdir(path, 0700);
			} else {
				decide_content(&now.inode[name->file], &content);
				write_file(path, &content);
			}
		}
	}
}

uint32_t rebuild_state(const char *dir, uint64_t seed)
{
	struct names n = {.count = now.base.count, .room = now.base.count + 1};
	size_t undecided = now.pending_count;
	dice_state = seed;
	n.at = must(malloc(n.room * sizeof n.at[0]));
	if (n.count > 0)
		memcpy(n.at, now.base.at, n.count * sizeof n.at[0]);
	if (dice(2))
		names_ordered(&n);
	else
		names_by_folder(&n);
	write_names(&n, dir);
	for (size_t i = 0; i < n.count; i++)
		undecided += n.at[i].dir ? 0 : now.inode[n.at[i].file].count;
	free(n.at);
	return (uint32_t)undecided;
}
