/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of tariff files. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/tariffs.h"

static enum result add(struct tariff_book *book, const char *path, struct error *err)
{
	if (book->count == TARIFF_FILES_MAX)
		return fail(RESULT_INPUT, err, "%s: more than %d tariff files", path,
		            TARIFF_FILES_MAX);
	const struct tariff **more = realloc(book->all, (book->count + 1) * sizeof *more);
	if (more)
		book->all = more;
	struct tariff *t = malloc(sizeof *t);
	if (!more || !t) {
		free(t);
		return fail(RESULT_RESOURCE, err, "no memory for %s", path);
	}
	book->all[book->count++] = t;
	return tariff_load(path, t, err);
}

static bool is_tariff_file(const char *name)
{
	size_t bytes = strlen(name);
	return name[0] != '.' && bytes > 5 && strcmp(name + bytes - 5, ".yaml") == 0;
}

static int by_id(const void *a, const void *b)
{
	const struct tariff *const *x = a, *const *y = b;
	return strcmp((*x)->id, (*y)->id);
}

static uint32_t same_id(const struct tariff_book *book, uint32_t from)
{
	uint32_t end = from;
	while (end < book->count && strcmp(book->all[end]->id, book->all[from]->id) == 0)
		end++;
	return end;
}

static enum result sort_all(struct tariff_book *book, const char *dir, struct error *err)
{
	struct error why;
	if (book->count == 0)
		return RESULT_OK;
	qsort(book->all, book->count, sizeof *book->all, by_id);
	for (uint32_t i = 0, end; i < book->count; i = end) {
		end = same_id(book, i);
		if (tariff_sort(book->all + i, end - i, &why) != RESULT_OK)
			return fail(RESULT_INPUT, err, "%s: %s", dir, why.text);
	}
	return RESULT_OK;
}

enum result tariff_book_load(const char *dir, struct tariff_book *out, struct error *err)
{
	struct tariff_book book = {0};
	char path[4096];
	DIR *d = opendir(dir);
	if (!d)
		return fail(errno == ENOENT ? RESULT_ABSENT : RESULT_INPUT, err, "%s: %s", dir,
		            strerror(errno));
	enum result result = RESULT_OK;
	for (struct dirent *e = readdir(d); e && result == RESULT_OK; e = readdir(d)) {
		if (!is_tariff_file(e->d_name))
			continue;
		if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path)
			result = fail(RESULT_INPUT, err, "%s: the path is too long", dir);
		else
			result = add(&book, path, err);
	}
	closedir(d);
	if (result == RESULT_OK)
		result = sort_all(&book, dir, err);
	if (result == RESULT_OK)
		*out = book;
	else
		tariff_book_free(&book);
	return result;
}

void tariff_book_free(struct tariff_book *book)
{
	for (uint32_t i = 0; i < book->count; i++)
		free((void *)(uintptr_t)book->all[i]);
	free(book->all);
	*book = (struct tariff_book){0};
}

const struct tariff *const *tariff_book_find(const struct tariff_book *book, const char *id,
                                             uint32_t *count)
{
	*count = 0;
	for (uint32_t i = 0; i < book->count; i++)
		if (strcmp(book->all[i]->id, id) == 0) {
			*count = same_id(book, i) - i;
			return book->all + i;
		}
	return NULL;
}
