/* SPDX-License-Identifier: Apache-2.0 */
/* A directory for one test, removed with all in it. */
#ifndef HEADRACE_TESTS_TEMP_DIR_H
#define HEADRACE_TESTS_TEMP_DIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline int temp_dir_remove_one(const char *path, const struct stat *st, int kind,
                                      struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

/* `path` has room for 256 bytes. */
static inline void temp_dir_make(char *path)
{
	const char *base = getenv("TMPDIR");
	snprintf(path, 256, "%s/headrace-test-XXXXXX", base && base[0] ? base : "/tmp");
	if (!mkdtemp(path)) {
		perror(path);
		abort();
	}
}

static inline void temp_dir_remove(const char *path)
{
	nftw(path, temp_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
