/* SPDX-License-Identifier: Apache-2.0 */
/* The log between record_fs.c, which writes it, and rebuild_fs.c, which makes states of it. */
#ifndef HEADRACE_TESTS_RECORD_LOG_H
#define HEADRACE_TESTS_RECORD_LOG_H

#include "tests/sim/storage/record_fs.h"

enum record_kind_fs {
	FS_CREATE,     /* path, file */
	FS_MKDIR,      /* path */
	FS_LINK,       /* path: one more name of file */
	FS_RENAME,     /* path to `to` */
	FS_UNLINK,     /* path */
	FS_WRITE,      /* file, offset, bytes, data (NULL: zeros) */
	FS_TRUNCATE,   /* file, offset: the size */
	FS_EXTEND,     /* file, offset: at least this size */
	FS_SYNC,       /* file */
	FS_SYNC_RANGE, /* file, offset, bytes: a write that is durable by itself */
	FS_SYNC_DIR,   /* path */
	FS_PROMISE,    /* file: kind, offset: number */
};

struct record_op {
	enum record_kind_fs kind;
	uint32_t file;
	uint64_t offset;
	size_t bytes;
	uint8_t *data;
	char *path, *to;
};

struct record_log {
	struct record_op *op;
	size_t count, room;
	uint32_t files;
};

extern struct record_log record_log;

#endif
