/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many devices at once: those that are selected, a change of them all, the groups that there are.
 * Input: what an operator asks for. Output: devices, changes in parts, counts. Thread: any; the
 * lock is held for one part of a change at a time. Memory: four bytes a selected device; a group's
 * name and counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/registry/points_priv.h"

#define KEY_BYTES (2 + DEVICE_ID_BYTES + 1)

/* --- selecting --- */

struct selecting {
	const struct registry_selection *which;
	registry_device_fn *fn;
	void *context;
	bool damaged;
};

static bool is_selected(const struct registry_selection *w, const struct device *d)
{
	return (w->state < 0 || (int)d->state == w->state) &&
	       (!w->group || groups_have(d->groups, w->group)) &&
	       (!w->search || fields_have_text(&device_fields, d, w->search));
}

static bool on_device(void *context, const void *key, size_t key_bytes, const void *value,
		      size_t value_bytes)
{
	struct selecting *s = context;
	struct device d;
	(void)key, (void)key_bytes;
	s->damaged = !device_record_parse(&d, value, value_bytes);
	if (s->damaged)
		return false;
	return !is_selected(s->which, &d) || s->fn(s->context, &d);
}

enum result registry_select(struct registry *r, const struct registry_selection *which,
			    registry_device_fn *fn, void *context, struct error *err)
{
	char key[KEY_BYTES], behind[KEY_BYTES];
	const char *prefix = which->prefix ? which->prefix : "", *after = which->after;
	struct selecting s = {.which = which, .fn = fn, .context = context};
	enum result result;
	if (strlen(prefix) > DEVICE_ID_BYTES || (after && strlen(after) > DEVICE_ID_BYTES))
		return RESULT_OK;
	size_t length = (size_t)snprintf(key, sizeof key, "d/%s", prefix);
	/* one before the prefix is before all with it */
	if (after && strcmp(after, prefix) >= 0)
		result = store_kv_scan_after(r->store, STORE_REGISTRY, key, length, behind,
					     (size_t)snprintf(behind, sizeof behind, "d/%s", after),
					     on_device, &s, err);
	else
		result = store_kv_scan(r->store, STORE_REGISTRY, key, length, on_device, &s, err);
	if (result == RESULT_OK && s.damaged)
		return fail(RESULT_MEDIA, err, "a stored device record is damaged");
	return result;
}

/* --- setting --- */

struct numbers {
	uint32_t *list;
	size_t count, capacity;
	bool no_memory;
};

static bool note_number(void *context, const struct device *d)
{
	struct numbers *n = context;
	if (n->count == n->capacity) {
		size_t capacity = n->capacity ? n->capacity * 2 : 1024;
		uint32_t *list = realloc(n->list, capacity * sizeof *list);
		n->no_memory = !list;
		if (!list)
			return false;
		n->list = list;
		n->capacity = capacity;
	}
	n->list[n->count++] = d->number;
	return true;
}

struct setting {
	struct registry *r;
	const struct registry_author *author;
	const struct registry_selection *which;
	struct device fields;
	uint32_t given;
	bool dry;
	registry_complaint_fn *complain;
	void *context;
	struct registry_import *report;
	struct error *err;
};

/* One device into the change. It may have left the selection meanwhile. */
static enum result set_one(struct setting *s, struct change *c, uint32_t number, uint64_t place,
			   struct registry_import *part)
{
	char cause[FIELD_CAUSE_BYTES];
	enum change_kind kind = CHANGE_NONE;
	struct device d;
	enum result result = change_read(c, s->r->slots[number].id, &d, s->err);
	if (result != RESULT_OK)
		return result;
	if (is_selected(s->which, &d)) {
		struct device line = s->fields;
		memcpy(line.id, d.id, sizeof line.id);
		result = change_put(c, &line, s->given, &kind, cause, s->err);
	}
	part->changed += kind == CHANGE_CHANGED;
	part->unchanged += kind == CHANGE_NONE;
	part->failed += kind == CHANGE_REFUSED;
	if (result == RESULT_OK && kind == CHANGE_REFUSED && s->complain)
		s->complain(s->context, place, cause);
	return result;
}

/* As many as one change takes. */
static enum result set_part(struct setting *s, const struct numbers *n, size_t *at)
{
	struct registry_import part = {0};
	enum result result;
	size_t end = *at + CHANGE_ITEMS_MAX / 2 < n->count ? *at + CHANGE_ITEMS_MAX / 2 : n->count;
	struct change *c = change_open(s->r, s->author, "set", &result, s->err);
	if (!c)
		return result;
	for (; *at < end && result == RESULT_OK; ++*at)
		result = set_one(s, c, n->list[*at], *at + 1, &part);
	if (s->dry && result == RESULT_OK) {
		result = change_close(c, RESULT_ABSENT, s->err) == RESULT_ABSENT ? RESULT_OK
										 : RESULT_BUG;
	} else {
		result = change_close(c, result, s->err);
	}
	if (result == RESULT_OK) {
		s->report->changed += part.changed;
		s->report->unchanged += part.unchanged;
		s->report->failed += part.failed;
	}
	return result;
}

static enum result parse_fields(struct setting *s, const char *json, size_t bytes)
{
	char cause[FIELD_CAUSE_BYTES];
	device_defaults(&s->fields);
	if (!device_parse(&s->fields, json, bytes, &s->given, cause))
		return fail(RESULT_INPUT, s->err, "%s", cause);
	if (s->given == 0)
		return fail(RESULT_INPUT, s->err, "nothing to set; expected some of %s",
			    device_field_names());
	if (s->given & 1u << DEVICE_FIELD_ID)
		return fail(RESULT_INPUT, s->err, "an id is never changed");
	return RESULT_OK;
}

enum result registry_set(struct registry *r, const struct registry_author *author,
			 const struct registry_selection *which, const char *json, size_t bytes,
			 bool dry, registry_complaint_fn *complain, void *context,
			 struct registry_import *report, struct error *err)
{
	struct numbers n = {0};
	size_t at = 0;
	struct setting s = {.r = r,
			    .author = author,
			    .which = which,
			    .dry = dry,
			    .complain = complain,
			    .context = context,
			    .report = report,
			    .err = err};
	*report = (struct registry_import){0};
	enum result result = parse_fields(&s, json, bytes);
	if (result == RESULT_OK)
		result = registry_select(r, which, note_number, &n, err);
	if (result == RESULT_OK && n.no_memory)
		result = fail(RESULT_RESOURCE, err, "registry: no memory for a selection");
	report->lines = n.count;
	while (at < n.count && result == RESULT_OK)
		result = set_part(&s, &n, &at);
	free(n.list);
	return result;
}

/* --- groups --- */

struct group {
	char name[GROUPS_BYTES];
	uint64_t devices, points;
};

struct grouping {
	struct group *list; /* by name */
	size_t count, capacity;
	bool point, no_memory;
};

/* Where the name is, or belongs. */
static size_t place_of(const struct grouping *g, const char *name)
{
	size_t low = 0, high = g->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strcmp(g->list[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool count_in(struct grouping *g, const char *name)
{
	size_t at = place_of(g, name);
	if (at == g->count || strcmp(g->list[at].name, name) != 0) {
		if (g->count == g->capacity) {
			size_t capacity = g->capacity ? g->capacity * 2 : 64;
			struct group *list = realloc(g->list, capacity * sizeof *list);
			g->no_memory = !list;
			if (!list)
				return false;
			g->list = list;
			g->capacity = capacity;
		}
		memmove(&g->list[at + 1], &g->list[at], (g->count - at) * sizeof *g->list);
		g->list[at] = (struct group){0};
		snprintf(g->list[at].name, sizeof g->list[at].name, "%s", name);
		g->count++;
	}
	g->list[at].devices += !g->point;
	g->list[at].points += g->point;
	return true;
}

static bool count_groups(struct grouping *g, const char *groups)
{
	char text[GROUPS_BYTES], *rest = text, *name;
	snprintf(text, sizeof text, "%s", groups);
	while (*groups && (name = strsep(&rest, ",")))
		if (!count_in(g, name))
			return false;
	return true;
}

static bool group_device(void *context, const struct device *d)
{
	return count_groups(context, d->groups);
}

static bool group_point(void *context, const struct service_point *p)
{
	return count_groups(context, p->groups);
}

enum result registry_groups(struct registry *r, registry_group_fn *fn, void *context,
			    struct error *err)
{
	struct grouping g = {0};
	enum result result = registry_select(r, &REGISTRY_EVERY, group_device, &g, err);
	g.point = true;
	if (result == RESULT_OK && !g.no_memory)
		result = registry_points(r, "", NULL, group_point, &g, err);
	if (result == RESULT_OK && g.no_memory)
		result = fail(RESULT_RESOURCE, err, "registry: no memory for groups");
	for (size_t i = 0; i < g.count && result == RESULT_OK; i++)
		if (!fn(context, g.list[i].name, g.list[i].devices, g.list[i].points))
			break;
	free(g.list);
	return result;
}
