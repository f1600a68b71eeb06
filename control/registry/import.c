/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices from CSV and JSON. Input: an operator's text, untrusted. Output: changes of the registry
 * in parts of CHANGE_ITEMS_MAX lines, and a complaint per bad line. Thread: any; the lock is held
 * for one part at a time. Memory: one change, whatever the text's length.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/registry/csv.h"
#include "control/registry/json_split.h"
#include "control/registry/registry_priv.h"

struct import {
	struct registry *r;
	registry_complaint_fn *complain;
	void *context;
	struct registry_import *report;
	struct error *err;
	struct change change;
	bool open;
	struct registry_import part; /* of the open change: counts once it is committed */
};

static void complain(struct import *im, uint64_t line, const char *cause)
{
	im->report->failed++;
	if (im->complain)
		im->complain(im->context, line, cause);
}

static enum result begin(struct import *im)
{
	if (im->open)
		return RESULT_OK;
	pthread_mutex_lock(&im->r->lock);
	enum result result = change_begin(im->r, &im->change, im->err);
	if (result != RESULT_OK) {
		pthread_mutex_unlock(&im->r->lock);
		return result;
	}
	im->part = (struct registry_import){0};
	im->open = true;
	return RESULT_OK;
}

static enum result commit(struct import *im)
{
	if (!im->open)
		return RESULT_OK;
	enum result result = change_commit(&im->change, im->err);
	pthread_mutex_unlock(&im->r->lock);
	im->open = false;
	if (result == RESULT_OK) {
		im->report->added += im->part.added;
		im->report->changed += im->part.changed;
		im->report->unchanged += im->part.unchanged;
	}
	return result;
}

static enum result take(struct import *im, uint64_t line, const struct device *d, uint32_t given)
{
	char cause[DEVICE_CAUSE_BYTES];
	enum change_kind kind;
	if (!(given & 1u << DEVICE_FIELD_ID) || d->id[0] == '\0') {
		complain(im, line, "the id is missing; expected 1 to 64 bytes");
		return RESULT_OK;
	}
	enum result result = begin(im);
	if (result != RESULT_OK)
		return result;
	result = change_put(&im->change, d, given, &kind, cause, im->err);
	if (result != RESULT_OK) {
		change_abort(&im->change);
		pthread_mutex_unlock(&im->r->lock);
		im->open = false;
		return result;
	}
	im->part.added += kind == CHANGE_NEW;
	im->part.changed += kind == CHANGE_CHANGED;
	im->part.unchanged += kind == CHANGE_NONE;
	if (kind == CHANGE_REFUSED)
		complain(im, line, cause);
	/* unchanged lines cost no room, but others want the lock, too */
	if (im->change.count == CHANGE_ITEMS_MAX || im->part.unchanged == CHANGE_ITEMS_MAX)
		return commit(im);
	return RESULT_OK;
}

/* --- CSV --- */

static enum result csv_header(struct csv *csv, int columns[CSV_FIELDS_MAX], uint32_t *count,
                              struct error *err)
{
	uint32_t seen = 0;
	if (!csv_next(csv))
		return fail(RESULT_INPUT, err,
		            "line 1: the text is empty; expected a line with the names of the "
		            "columns, then one line per device");
	if (csv->wrong)
		return fail(RESULT_INPUT, err, "line %llu: %s; expected the names of the columns",
		            (unsigned long long)csv->line, csv->wrong);
	for (uint32_t i = 0; i < csv->field_count; i++) {
		const struct csv_field *f = &csv->fields[i];
		columns[i] = device_field_find(f->text, f->bytes);
		if (columns[i] < 0)
			return fail(RESULT_INPUT, err,
			            "line %llu: unknown column '%.*s'; expected some of %s",
			            (unsigned long long)csv->line,
			            f->bytes < 40 ? (int)f->bytes : 40, f->text,
			            device_field_names());
		if (seen & 1u << columns[i])
			return fail(RESULT_INPUT, err, "line %llu: column '%.*s' is given twice",
			            (unsigned long long)csv->line, (int)f->bytes, f->text);
		seen |= 1u << columns[i];
	}
	if (!(seen & 1u << DEVICE_FIELD_ID))
		return fail(RESULT_INPUT, err,
		            "line %llu: there is no column 'id'; expected it and some of %s",
		            (unsigned long long)csv->line, device_field_names());
	*count = csv->field_count;
	return RESULT_OK;
}

static enum result csv_line(struct import *im, const struct csv *csv, const int *columns,
                            uint32_t count)
{
	char cause[DEVICE_CAUSE_BYTES];
	struct device d;
	uint32_t given = 0;

	im->report->lines++;
	if (csv->wrong) {
		complain(im, csv->line, csv->wrong);
		return RESULT_OK;
	}
	if (csv->field_count != count) {
		snprintf(cause, sizeof cause, "%u fields; expected %u, as the first line has",
		         csv->field_count, count);
		complain(im, csv->line, cause);
		return RESULT_OK;
	}
	device_defaults(&d);
	for (uint32_t i = 0; i < count; i++) {
		if (!device_set(&d, columns[i], csv->fields[i].text, csv->fields[i].bytes,
		                cause)) {
			complain(im, csv->line, cause);
			return RESULT_OK;
		}
		given |= 1u << columns[i];
	}
	return take(im, csv->line, &d, given);
}

static enum result import_csv(struct import *im, const char *text, size_t bytes)
{
	int columns[CSV_FIELDS_MAX];
	uint32_t count = 0;
	struct csv csv;
	csv_init(&csv, text, bytes);
	enum result result = csv_header(&csv, columns, &count, im->err);
	while (result == RESULT_OK && csv_next(&csv))
		result = csv_line(im, &csv, columns, count);
	return result;
}

/* --- JSON --- */

static enum result json_piece(struct import *im, const struct json_split *s)
{
	char cause[DEVICE_CAUSE_BYTES];
	struct device d;
	uint32_t given = 0;

	im->report->lines++;
	device_defaults(&d);
	if (s->wrong) {
		complain(im, s->line, s->wrong);
	} else if (!device_parse(&d, s->text, s->bytes, &given, cause)) {
		complain(im, s->line, cause);
	} else {
		return take(im, s->line, &d, given);
	}
	return RESULT_OK;
}

static enum result import_json(struct import *im, const char *text, size_t bytes)
{
	struct json_split split;
	enum result result = RESULT_OK;
	json_split_init(&split, text, bytes);
	while (result == RESULT_OK && json_split_next(&split))
		result = json_piece(im, &split);
	if (result == RESULT_OK && im->report->lines == 0 && !split.array)
		return fail(RESULT_INPUT, im->err,
		            "line 1: the text is empty; expected an array of objects, or one "
		            "object per line");
	return result;
}

enum result registry_import_text(struct registry *r, enum registry_format format,
                                 const char *text, size_t bytes, registry_complaint_fn *complain_fn,
                                 void *context, struct registry_import *report, struct error *err)
{
	*report = (struct registry_import){0};
	struct import *im = calloc(1, sizeof *im);
	if (!im)
		return fail(RESULT_RESOURCE, err, "registry: no memory for an import");
	im->r = r;
	im->complain = complain_fn;
	im->context = context;
	im->report = report;
	im->err = err;
	enum result result = format == REGISTRY_CSV ? import_csv(im, text, bytes)
	                                            : import_json(im, text, bytes);
	if (result == RESULT_OK)
		result = commit(im);
	free(im);
	return result;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);
	return length >= tail && strcmp(text + length - tail, end) == 0;
}

enum result registry_import_file(struct registry *r, const char *path,
                                 registry_complaint_fn *complain_fn, void *context,
                                 struct registry_import *report, struct error *err)
{
	struct stat st;
	enum registry_format format =
	    ends_with(path, ".json") || ends_with(path, ".jsonl") || ends_with(path, ".ndjson")
	        ? REGISTRY_JSON
	        : REGISTRY_CSV;
	*report = (struct registry_import){0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		enum result result =
		    fail(RESULT_INPUT, err, "%s: %s; expected a readable file", path,
		         fd < 0 ? strerror(errno) : "not an ordinary file");
		if (fd >= 0)
			close(fd);
		return result;
	}
	size_t bytes = (size_t)st.st_size;
	void *text = bytes ? mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
	close(fd);
	if (text == MAP_FAILED)
		return fail(RESULT_RESOURCE, err, "%s: cannot be mapped: %s", path,
		            strerror(errno));
	struct error cause;
	enum result result = registry_import_text(r, format, text ? text : "", bytes, complain_fn,
	                                          context, report, &cause);
	if (text)
		munmap(text, bytes);
	return result == RESULT_OK ? result : fail(result, err, "%s: %.400s", path, cause.text);
}
