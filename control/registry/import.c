/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of the registry from CSV and JSON. Input: an operator's text, untrusted. Output: changes
 * of the registry in parts of CHANGE_ITEMS_MAX lines, and a complaint per bad line. Thread: any;
 * the lock is held for one part at a time. Memory: one change, whatever the text's length.
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
#include "control/registry/points_priv.h"

/* What a line has. */
union import_object {
	struct device device;
	struct point_line point;
	struct customer customer;
	struct group_line group;
};

struct import;

/* How objects of a kind are read and taken. */
struct import_kind {
	const struct fields *fields;
	const char *what;
	void (*defaults)(union import_object *o);
	/* of a JSON object; NULL: by `fields` alone */
	bool (*parse)(struct import *im, const char *text, size_t bytes, union import_object *o,
		      uint32_t *given, char *cause);
	/* an object that has an id, into the open change */
	enum result (*put)(struct import *im, const union import_object *o, uint32_t given,
			   enum change_kind *kind, char *cause);
};

struct import {
	struct registry *r;
	const struct import_kind *kind;
	const struct registry_author *author;
	struct fields fields; /* the kind's, in the territory's calendar */
	struct fields more;   /* further columns of CSV: of an installation */
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
	enum result result = change_begin(im->r, im->author, "import", &im->change, im->err);
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

static enum result take(struct import *im, uint64_t line, const union import_object *o,
			uint32_t given)
{
	char cause[FIELD_CAUSE_BYTES];
	enum change_kind kind;
	const struct field *id = &im->fields.list[0];
	if (!(given & 1u) || *((const char *)o + id->offset) == '\0') {
		snprintf(cause, sizeof cause, "the %s is missing; expected 1 to %zu bytes",
			 id->name, id->bytes - 1);
		complain(im, line, cause);
		return RESULT_OK;
	}
	enum result result = begin(im);
	if (result != RESULT_OK)
		return result;
	result = im->kind->put(im, o, given, &kind, cause);
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
	if (change_is_full(&im->change) || im->part.unchanged == CHANGE_ITEMS_MAX)
		return commit(im);
	return RESULT_OK;
}

/* --- kinds --- */

static void device_default(union import_object *o)
{
	device_defaults(&o->device);
}

static enum result device_put(struct import *im, const union import_object *o, uint32_t given,
			      enum change_kind *kind, char *cause)
{
	return change_put(&im->change, &o->device, given, kind, cause, im->err);
}

static void point_default(union import_object *o)
{
	point_defaults(&o->point.point);
	installation_defaults(&o->point.point.installations[0]);
}

static bool point_from_json(struct import *im, const char *text, size_t bytes,
			    union import_object *o, uint32_t *given, char *cause)
{
	bool good = point_line_parse(&o->point, im->r->calendar, text, bytes, cause);
	*given = o->point.given;
	return good;
}

static enum result point_put(struct import *im, const union import_object *o, uint32_t given,
			     enum change_kind *kind, char *cause)
{
	struct point_line *line = (struct point_line *)&o->point;
	line->given = given;
	return change_put_line(&im->change, line, kind, cause, im->err);
}

static void customer_default(union import_object *o)
{
	memset(&o->customer, 0, sizeof o->customer);
}

static enum result customer_put(struct import *im, const union import_object *o, uint32_t given,
				enum change_kind *kind, char *cause)
{
	struct customer old, now;
	(void)cause;
	enum result result = change_customer(&im->change, o->customer.id, &old, im->err);
	bool is_new = result == RESULT_ABSENT;
	if (result != RESULT_OK && !is_new)
		return result;
	now = is_new ? o->customer : old;
	for (int f = 0; f < CUSTOMER_FIELD_COUNT; f++)
		if (given & 1u << f)
			fields_copy(&customer_fields, &now, &o->customer, f);
	return change_put_customer(&im->change, &now, is_new ? NULL : &old, kind, im->err);
}

static void group_default(union import_object *o)
{
	memset(&o->group, 0, sizeof o->group);
}

/* Into the comma-separated list. False: there is no room. */
static bool join(char groups[GROUPS_BYTES], const struct fields *fields, int field, void *object,
		 const char *name, char *cause)
{
	char both[GROUPS_BYTES + 72];
	int length = snprintf(both, sizeof both, "%s,%s", groups, name);
	return fields_set(fields, object, field, both, (size_t)length, cause);
}

static enum result device_join(struct import *im, const struct group_line *g,
			       enum change_kind *kind, char *cause)
{
	struct device d;
	uint32_t before = im->change.device_count;
	enum result result = change_read(&im->change, g->device, &d, im->err);
	if (result == RESULT_ABSENT)
		snprintf(cause, FIELD_CAUSE_BYTES, "%.200s", im->err->text);
	if (result == RESULT_ABSENT ||
	    (result == RESULT_OK &&
	     !join(d.groups, &device_fields, device_field_find("groups", 6), &d, g->group, cause)))
		return RESULT_OK;
	if (result == RESULT_OK)
		result = change_replace(&im->change, &d, im->err);
	*kind = im->change.device_count > before ? CHANGE_CHANGED : CHANGE_NONE;
	return result;
}

static enum result point_join(struct import *im, const struct group_line *g, enum change_kind *kind,
			      char *cause)
{
	struct point_line *line = calloc(1, sizeof *line);
	if (!line)
		return fail(RESULT_RESOURCE, im->err, "registry: no memory");
	int field = fields_find(&point_fields, "groups", 6);
	struct service_point *p = &line->point;
	enum result result = change_point(&im->change, g->point, p, im->err);
	if (result == RESULT_ABSENT)
		snprintf(cause, FIELD_CAUSE_BYTES, "%.200s", im->err->text);
	line->given = 1u << field;
	p->installation_count = p->agreement_count = 0;
	if (result == RESULT_OK && join(p->groups, &point_fields, field, p, g->group, cause))
		result = change_put_line(&im->change, line, kind, cause, im->err);
	free(line);
	return result == RESULT_ABSENT ? RESULT_OK : result;
}

static enum result group_put(struct import *im, const union import_object *o, uint32_t given,
			     enum change_kind *kind, char *cause)
{
	const struct group_line *g = &o->group;
	(void)given;
	*kind = CHANGE_REFUSED;
	if (strchr(g->group, ',') || (g->device[0] != '\0') == (g->point[0] != '\0')) {
		snprintf(cause, FIELD_CAUSE_BYTES,
			 strchr(g->group, ',') ? "a group's name has no comma"
					       : "expected a device or a point, not both");
		return RESULT_OK;
	}
	return g->device[0] ? device_join(im, g, kind, cause) : point_join(im, g, kind, cause);
}

static const struct import_kind kinds[] = {
    [REGISTRY_DEVICES] = {&device_fields, "device", device_default, NULL, device_put},
    [REGISTRY_POINTS] = {&point_fields, "service point", point_default, point_from_json, point_put},
    [REGISTRY_CUSTOMERS] = {&customer_fields, "customer", customer_default, NULL, customer_put},
    [REGISTRY_GROUPS] = {&group_fields, "group", group_default, NULL, group_put},
};

/* --- CSV --- */

/* A column is a field of the kind, or, behind those, one of an installation. */
static int find_column(const struct import *im, const struct csv_field *f)
{
	int column = fields_find(&im->fields, f->text, f->bytes);
	if (column >= 0)
		return column;
	column = fields_find(&im->more, f->text, f->bytes);
	return column < 0 ? -1 : im->fields.count + column;
}

static enum result csv_header(const struct import *im, struct csv *csv, int columns[CSV_FIELDS_MAX],
			      uint32_t *count, struct error *err)
{
	uint32_t seen = 0;
	if (!csv_next(csv))
		return fail(RESULT_INPUT, err,
			    "line 1: the text is empty; expected a line with the names of the "
			    "columns, then one line per %s",
			    im->kind->what);
	if (csv->wrong)
		return fail(RESULT_INPUT, err, "line %llu: %s; expected the names of the columns",
		            (unsigned long long)csv->line, csv->wrong);
	for (uint32_t i = 0; i < csv->field_count; i++) {
		const struct csv_field *f = &csv->fields[i];
		columns[i] = find_column(im, f);
		if (columns[i] < 0)
			return fail(RESULT_INPUT, err,
				    "line %llu: unknown column '%.*s'; expected some of %s",
				    (unsigned long long)csv->line,
				    f->bytes < 40 ? (int)f->bytes : 40, f->text, im->fields.all);
		if (seen & 1u << columns[i])
			return fail(RESULT_INPUT, err, "line %llu: column '%.*s' is given twice",
			            (unsigned long long)csv->line, (int)f->bytes, f->text);
		seen |= 1u << columns[i];
	}
	if (!(seen & 1u))
		return fail(RESULT_INPUT, err,
			    "line %llu: there is no column '%s'; expected it and some of %s",
			    (unsigned long long)csv->line, im->fields.list[0].name, im->fields.all);
	*count = csv->field_count;
	return RESULT_OK;
}

static bool csv_set(struct import *im, union import_object *o, int column,
		    const struct csv_field *f, uint32_t *given, char *cause)
{
	if (column < im->fields.count) {
		*given |= 1u << column;
		return fields_set(&im->fields, o, column, f->text, f->bytes, cause);
	}
	int more = column - im->fields.count;
	o->point.installation_given[0] |= 1u << more;
	return fields_set(&im->more, &o->point.point.installations[0], more, f->text, f->bytes,
			  cause);
}

/* Columns of an installation count where there is a meter. */
static bool csv_installation(const struct csv *csv, const int *columns, int first,
			     struct point_line *line, char *cause)
{
	bool any = false;
	for (uint32_t i = 0; i < csv->field_count; i++)
		any = any || (columns[i] >= first && csv->fields[i].bytes > 0);
	line->point.installation_count = line->point.installations[0].meter[0] != '\0';
	if (any && line->point.installation_count == 0)
		snprintf(cause, FIELD_CAUSE_BYTES,
			 "an installation's values, but no meter; expected 'meter'");
	return !any || line->point.installation_count > 0;
}

static enum result csv_line(struct import *im, const struct csv *csv, const int *columns,
                            uint32_t count)
{
	char cause[FIELD_CAUSE_BYTES];
	union import_object o;
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
	im->kind->defaults(&o);
	if (im->more.count > 0)
		o.point.installation_given[0] = 0;
	bool good = true;
	for (uint32_t i = 0; i < count && good; i++)
		good = csv_set(im, &o, columns[i], &csv->fields[i], &given, cause);
	if (good && im->more.count > 0)
		good = csv_installation(csv, columns, im->fields.count, &o.point, cause);
	if (good)
		return take(im, csv->line, &o, given);
	complain(im, csv->line, cause);
	return RESULT_OK;
}

static enum result import_csv(struct import *im, const char *text, size_t bytes)
{
	int columns[CSV_FIELDS_MAX];
	uint32_t count = 0;
	struct csv csv;
	csv_init(&csv, text, bytes);
	enum result result = csv_header(im, &csv, columns, &count, im->err);
	while (result == RESULT_OK && csv_next(&csv))
		result = csv_line(im, &csv, columns, count);
	return result;
}

/* --- JSON --- */

static enum result json_piece(struct import *im, const struct json_split *s)
{
	char cause[FIELD_CAUSE_BYTES];
	union import_object o;
	uint32_t given = 0;

	im->report->lines++;
	if (s->wrong) {
		complain(im, s->line, s->wrong);
		return RESULT_OK;
	}
	im->kind->defaults(&o);
	bool good = im->kind->parse
			? im->kind->parse(im, s->text, s->bytes, &o, &given, cause)
			: fields_parse(&im->fields, &o, s->text, s->bytes, &given, cause);
	if (good)
		return take(im, s->line, &o, given);
	complain(im, s->line, cause);
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

enum result registry_import_text(struct registry *r, enum registry_kind kind,
				 const struct registry_author *author, enum registry_format format,
				 const char *text, size_t bytes, registry_complaint_fn *complain_fn,
				 void *context, struct registry_import *report, struct error *err)
{
	struct error unused;
	*report = (struct registry_import){0};
	struct import *im = calloc(1, sizeof *im);
	if (!im)
		return fail(RESULT_RESOURCE, err, "registry: no memory for an import");
	im->r = r;
	im->kind = &kinds[kind];
	im->author = author;
	im->fields = *im->kind->fields;
	im->fields.calendar = r->calendar;
	if (kind == REGISTRY_POINTS)
		im->more = installation_fields;
	im->more.calendar = r->calendar;
	im->complain = complain_fn;
	im->context = context;
	im->report = report;
	im->err = err ? err : &unused;
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

enum result registry_import_file(struct registry *r, const struct registry_author *author,
				 const char *path, registry_complaint_fn *complain_fn,
				 void *context, struct registry_import *report, struct error *err)
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
	enum result result =
	    registry_import_text(r, REGISTRY_DEVICES, author, format, text ? text : "", bytes,
				 complain_fn, context, report, &cause);
	if (text)
		munmap(text, bytes);
	return result == RESULT_OK ? result : fail(result, err, "%s: %.400s", path, cause.text);
}
