/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /devices/export and the like: objects as an import takes them, as one stream in bounded
 * memory: so many objects at a time, each time going on behind the last one's id. What is changed
 * meanwhile is in it or not, but never half.
 */
#include <stdlib.h>
#include <string.h>

#include "control/api/objects.h"
#include "control/registry/device_text.h"
#include "control/registry/point_text.h"

#define PART 1000

struct export
{
	struct registry *registry;
	const struct fields *fields, *more; /* columns; NULL: no more */
	enum registry_kind kind;
	bool csv, begun, done;
	bool points; /* of groups: first the devices, then the service points */
	struct registry_selection which;
	char prefix[128], group[128], search[128]; /* of which */
	char after[DEVICE_ID_BYTES + 1];
	uint32_t count; /* of the part */
	struct text text;
	size_t sent; /* of the text */
};

/* --- rows --- */

static void put_columns(struct export *e, const struct fields *fields, bool first)
{
	for (int i = 0; i < fields->count; i++)
		text_add(&e->text, "%s%s", first && i == 0 ? "" : ",", fields->list[i].name);
}

/* `object` NULL: empty. */
static void put_cells(struct export *e, const struct fields *fields, const void *object, bool first)
{
	char text[FIELD_TEXT_BYTES];
	for (int i = 0; i < fields->count; i++) {
		if (!first || i > 0)
			text_put(&e->text, ",", 1);
		if (object)
			text_csv(&e->text, fields_text(fields, object, i, text));
	}
}

static void put_line(struct export *e, const char *json, size_t bytes)
{
	text_put(&e->text, json, bytes);
	text_put(&e->text, "\n", 1);
}

/* Go on behind it; false: the part is full. */
static bool next(struct export *e, const char *id)
{
	snprintf(e->after, sizeof e->after, "%s", id);
	return ++e->count < PART && !e->text.failed;
}

static bool on_device(void *context, const struct device *d)
{
	struct export *e = context;
	char json[DEVICE_JSON_BYTES];
	if (e->csv) {
		put_cells(e, &device_fields, d, true);
		text_put(&e->text, "\n", 1);
	} else {
		put_line(e, json, device_export(d, json));
	}
	return next(e, d->id);
}

/* A row for each installation and each agreement: the point as it was since then. */
static void put_point_rows(struct export *e, const struct service_point *p)
{
	struct service_point *then = malloc(sizeof *then);
	uint32_t most = p->installation_count > p->agreement_count ? p->installation_count
								    : p->agreement_count;
	if (!then) {
		e->text.failed = true;
		return;
	}
	*then = *p;
	for (uint32_t i = 0; i < (most ? most : 1); i++) {
		if (i < p->agreement_count) {
			const struct agreement *a = &p->agreements[i];
			memcpy(then->customer, a->customer, sizeof then->customer);
			memcpy(then->tariff, a->tariff, sizeof then->tariff);
			then->since_day = a->from_day;
		}
		put_cells(e, &point_fields, then, true);
		put_cells(e, &installation_fields,
			  i < p->installation_count ? &p->installations[i] : NULL, false);
		text_put(&e->text, "\n", 1);
	}
	free(then);
}

static bool on_point(void *context, const struct service_point *p)
{
	struct export *e = context;
	char json[POINT_JSON_BYTES];
	if (e->which.group && !groups_have(p->groups, e->which.group))
		return true;
	if (e->csv)
		put_point_rows(e, p);
	else
		put_line(e, json, point_json(p, json));
	return next(e, p->id);
}

static bool on_customer(void *context, const struct customer *c)
{
	struct export *e = context;
	char json[CUSTOMER_JSON_BYTES];
	if (e->csv) {
		put_cells(e, &customer_fields, c, true);
		text_put(&e->text, "\n", 1);
	} else {
		put_line(e, json, customer_json(c, json));
	}
	return next(e, c->id);
}

static void put_group(struct export *e, const char *group, const char *device, const char *point)
{
	struct group_line line = {0};
	char text[FIELD_TEXT_BYTES * 4] = "{";
	snprintf(line.group, sizeof line.group, "%s", group);
	snprintf(line.device, sizeof line.device, "%s", device);
	snprintf(line.point, sizeof line.point, "%s", point);
	if (e->csv) {
		put_cells(e, &group_fields, &line, true);
		text_put(&e->text, "\n", 1);
		return;
	}
	size_t bytes = fields_json(&group_fields, &line, text, 1, sizeof text);
	text[bytes++] = '}';
	put_line(e, text, bytes);
}

static bool put_groups(struct export *e, const char *groups, const char *device, const char *point)
{
	char names[GROUPS_BYTES], *rest = names, *name;
	snprintf(names, sizeof names, "%s", groups);
	while (*groups && (name = strsep(&rest, ",")))
		if (!e->which.group || strcmp(e->which.group, name) == 0)
			put_group(e, name, device, point);
	return next(e, *device ? device : point);
}

static bool on_group_device(void *context, const struct device *d)
{
	return put_groups(context, d->groups, d->id, "");
}

static bool on_group_point(void *context, const struct service_point *p)
{
	return put_groups(context, p->groups, "", p->id);
}

static enum result make_group_part(struct export *e, const char *after, struct error *err)
{
	enum result result = e->points
				 ? registry_points(e->registry, "", after, on_group_point, e, err)
				 : registry_select(e->registry, &e->which, on_group_device, e, err);
	if (e->count < PART && !e->points) {
		e->points = true;
		e->after[0] = '\0';
		e->count = PART; /* there is more */
	}
	return result;
}

/* --- the stream --- */

static enum result make_part(struct export *e, struct error *err)
{
	const char *after = e->after[0] ? e->after : NULL;
	const char *prefix = e->which.prefix ? e->which.prefix : "";
	e->text.used = e->sent = 0;
	e->count = 0;
	if (!e->begun && e->csv) {
		put_columns(e, e->fields, true);
		if (e->more)
			put_columns(e, e->more, false);
		text_put(&e->text, "\n", 1);
	}
	e->begun = true;
	e->which.after = after;
	switch (e->kind) {
	case REGISTRY_POINTS:
		return registry_points(e->registry, prefix, after, on_point, e, err);
	case REGISTRY_CUSTOMERS:
		return registry_customers(e->registry, prefix, after, on_customer, e, err);
	case REGISTRY_GROUPS:
		return make_group_part(e, after, err);
	default:
		return registry_select(e->registry, &e->which, on_device, e, err);
	}
}

static ssize_t more(void *context, char *to, size_t max)
{
	struct export *e = context;
	struct error err;
	if (e->sent == e->text.used && e->done)
		return API_STREAM_END;
	while (e->sent == e->text.used && !e->done) {
		if (make_part(e, &err) != RESULT_OK || e->text.failed)
			return API_STREAM_BROKEN;
		e->done = e->count < PART;
	}
	if (e->sent == e->text.used)
		return API_STREAM_END;
	size_t bytes = e->text.used - e->sent < max ? e->text.used - e->sent : max;
	memcpy(to, e->text.data + e->sent, bytes);
	e->sent += bytes;
	return (ssize_t)bytes;
}

static void end(void *context)
{
	struct export *e = context;
	text_free(&e->text);
	free(e);
}

static const char *keep(const char *text, char *out, size_t bytes)
{
	if (text)
		snprintf(out, bytes, "%s", text);
	return text ? out : NULL;
}

void api_registry_export(const struct api_request *request, struct api_reply *reply,
			 enum registry_kind kind)
{
	const char *format = api_parameter(request, "format");
	struct registry_selection which;
	if (format && strcmp(format, "csv") != 0 && strcmp(format, "jsonl") != 0) {
		api_problem(reply, 400, "Bad parameter", "give csv or jsonl", "format is '%.40s'",
			    format);
		return;
	}
	if (!api_selection(request, reply, &which))
		return;
	struct export *e = calloc(1, sizeof *e);
	if (!e) {
		api_problem(reply, 503, "Out of resources", "try again later", "no memory");
		return;
	}
	e->registry = request->context->registry;
	e->kind = kind;
	e->csv = !format || strcmp(format, "csv") == 0;
	e->fields = kind == REGISTRY_POINTS      ? &point_fields
		    : kind == REGISTRY_CUSTOMERS ? &customer_fields
		    : kind == REGISTRY_GROUPS    ? &group_fields
						 : &device_fields;
	e->more = kind == REGISTRY_POINTS ? &installation_fields : NULL;
	e->which = (struct registry_selection){
	    .prefix = keep(which.prefix, e->prefix, sizeof e->prefix),
	    .group = keep(which.group, e->group, sizeof e->group),
	    .search = keep(which.search, e->search, sizeof e->search),
	    .state = which.state,
	};
	reply->content_type = e->csv ? "text/csv; charset=utf-8" : "application/x-ndjson";
	reply->stream = (struct api_stream){more, end, e};
}
