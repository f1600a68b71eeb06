/* SPDX-License-Identifier: Apache-2.0 */
/* A temporary folder with files, for tests. */
#ifndef HEADRACE_TESTS_CONTROL_FOLDER_H
#define HEADRACE_TESTS_CONTROL_FOLDER_H

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static inline void folder_make(void)
{
	strcpy(folder, "/tmp/headrace-test-XXXXXX");
	if (!mkdtemp(folder))
		abort();
}

/* A path in the folder; valid until the fourth call after this one. */
static inline const char *folder_path(const char *name)
{
	static char paths[4][256];
	static unsigned turn;
	char *path = paths[turn++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static inline void folder_write(const char *name, const char *text)
{
	char parent[256];
	snprintf(parent, sizeof parent, "%s", folder_path(name));
	*strrchr(parent, '/') = '\0';
	mkdir(parent, 0700);
	FILE *f = fopen(folder_path(name), "wb");
	if (!f || fwrite(text, 1, strlen(text), f) != strlen(text) || fclose(f) != 0)
		abort();
}

static inline int folder_remove_entry(const char *path, const struct stat *st, int kind,
                                      struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static inline void folder_remove(void)
{
	nftw(folder, folder_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* For cmocka's groups and tests. */
static inline int folder_set_up(void **state)
{
	(void)state;
	folder_make();
	return 0;
}

static inline int folder_tear_down(void **state)
{
	(void)state;
	folder_remove();
	return 0;
}

#endif
