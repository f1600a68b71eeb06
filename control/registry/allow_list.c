/* SPDX-License-Identifier: Apache-2.0 */
/* See allow_list.h. Input: an operator's file. Thread: the one that starts; look-ups: any. */
#include "control/registry/allow_list.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "contract/limits.h"

#define LIST_BYTES_MAX (1ll << 30)

static enum result read_file(struct allow_list *list, const char *path, struct error *err)
{
	struct stat st;
	enum result result = RESULT_OK;
	FILE *f = fopen(path, "rbe");
	if (!f || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_size > LIST_BYTES_MAX)
		result = fail(RESULT_INPUT, err, "%s: %s; expected a readable file of device ids",
		              path, f ? "not an ordinary file, or too long" : strerror(errno));
	else if (!(list->text = malloc((size_t)st.st_size + 1)))
		result = fail(RESULT_RESOURCE, err, "%s: no memory", path);
	else {
		size_t bytes = fread(list->text, 1, (size_t)st.st_size, f);
		list->text[bytes] = '\0';
		if (ferror(f) || strlen(list->text) != bytes)
			result = fail(RESULT_INPUT, err, "%s: not a text file", path);
	}
	if (f)
		fclose(f);
	return result;
}

/* The line without the blanks around it. */
static char *trim(char *line)
{
	line += strspn(line, " \t\r");
	size_t length = strlen(line);
	while (length > 0 && strchr(" \t\r", line[length - 1]))
		length--;
	line[length] = '\0';
	return line;
}

static bool append(char ***array, size_t *count, char *text)
{
	if (*count % 1024 == 0) {
		char **longer = realloc(*array, (*count + 1024) * sizeof **array);
		if (!longer)
			return false;
		*array = longer;
	}
	(*array)[(*count)++] = text;
	return true;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

enum result allow_list_load(struct allow_list *list, const char *path, struct error *err)
{
	*list = (struct allow_list){0};
	enum result result = read_file(list, path, err);
	unsigned long number = 0;
	char *rest = list->text, *line;
	while (result == RESULT_OK && (line = strsep(&rest, "\n"))) {
		number++;
		line = trim(line);
		if (*line == '\0' || *line == '#')
			continue;
		bool pattern = strpbrk(line, "*?") != NULL;
		if (strlen(line) > DEVICE_ID_BYTES || strpbrk(line, "[]\\\""))
			result = fail(RESULT_INPUT, err,
			              "%s:%lu: '%.80s' is no device id; expected at most %d bytes "
			              "without brackets, quotes and backslashes", path, number,
			              line, DEVICE_ID_BYTES);
		else if (!(pattern ? append(&list->patterns, &list->pattern_count, line)
		                   : append(&list->ids, &list->id_count, line)))
			result = fail(RESULT_RESOURCE, err, "%s: no memory", path);
	}
	if (result != RESULT_OK)
		allow_list_free(list);
	else if (list->id_count > 0)
		qsort(list->ids, list->id_count, sizeof list->ids[0], by_text);
	return result;
}

void allow_list_free(struct allow_list *list)
{
	free(list->text);
	free(list->ids);
	free(list->patterns);
	*list = (struct allow_list){0};
}

bool allow_list_has(const struct allow_list *list, const char *id)
{
	if (list->id_count > 0 &&
	    bsearch(&id, list->ids, list->id_count, sizeof list->ids[0], by_text))
		return true;
	for (size_t i = 0; i < list->pattern_count; i++)
		if (fnmatch(list->patterns[i], id, 0) == 0)
			return true;
	return false;
}
