/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service points and customers: look-ups, and putting them into a change. Input: what operators
 * want. Output: the store's entries. Thread: any; changes with the registry's lock held. Memory:
 * the caller's and the change's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/registry/points_priv.h"

#define KEY_BYTES (2 + POINT_ID_BYTES + 1)

size_t meter_key(const char *meter, const char *point, char out[METER_KEY_BYTES])
{
	size_t at = (size_t)snprintf(out, METER_KEY_BYTES, "m/%s", meter) + 1;
	return at + (size_t)snprintf(out + at, METER_KEY_BYTES - at, "%s", point);
}

/* --- one entry --- */

struct one {
	void *out;
	size_t key_bytes;
	bool customer, found, good;
};

/* The shortest key with the prefix comes first: either it is the one, or there is none. */
static bool on_one(void *context, const void *key, size_t key_bytes, const void *value,
		   size_t value_bytes)
{
	struct one *one = context;
	(void)key;
	if (key_bytes != one->key_bytes)
		return false;
	one->found = true;
	one->good = one->customer ? customer_record_parse(one->out, value, value_bytes)
				  : point_record_parse(one->out, value, value_bytes);
	return false;
}

/* `c` NULL: as the store has it. */
static enum result read_one(struct store *store, struct change *c, const char *what, const char *id,
			    struct one *one, struct error *err)
{
	char key[KEY_BYTES];
	if (strlen(id) > POINT_ID_BYTES || id[0] == '\0')
		return fail(RESULT_ABSENT, err, "there is no %s '%.80s'", what, id);
	one->key_bytes = (size_t)snprintf(key, sizeof key, "%c/%s", one->customer ? 'c' : 'p', id);
	enum result result =
	    c ? change_find(c, key, one->key_bytes, on_one, one, err)
	      : store_kv_scan(store, STORE_REGISTRY, key, one->key_bytes, on_one, one, err);
	if (result != RESULT_OK)
		return result;
	if (!one->found)
		return fail(RESULT_ABSENT, err, "there is no %s '%s'", what, id);
	return one->good
		   ? RESULT_OK
		   : fail(RESULT_MEDIA, err, "the stored record of %s '%s' is damaged", what, id);
}

enum result registry_point_get(struct registry *r, const char *id, struct service_point *out,
			       struct error *err)
{
	struct one one = {.out = out};
	return read_one(r->store, NULL, "service point", id, &one, err);
}

enum result registry_customer_get(struct registry *r, const char *id, struct customer *out,
				  struct error *err)
{
	struct one one = {.out = out, .customer = true};
	return read_one(r->store, NULL, "customer", id, &one, err);
}

enum result change_point(struct change *c, const char *id, struct service_point *out,
			 struct error *err)
{
	struct one one = {.out = out};
	return read_one(NULL, c, "service point", id, &one, err);
}

enum result change_customer(struct change *c, const char *id, struct customer *out,
			    struct error *err)
{
	struct one one = {.out = out, .customer = true};
	return read_one(NULL, c, "customer", id, &one, err);
}

/* --- lists --- */

struct listing {
	registry_point_fn *on_point;
	registry_customer_fn *on_customer;
	void *context;
	struct service_point *point;
	bool damaged;
};

static bool on_listed(void *context, const void *key, size_t key_bytes, const void *value,
		      size_t value_bytes)
{
	struct listing *l = context;
	struct customer customer;
	(void)key, (void)key_bytes;
	l->damaged = l->on_point ? !point_record_parse(l->point, value, value_bytes)
				 : !customer_record_parse(&customer, value, value_bytes);
	if (l->damaged)
		return false;
	return l->on_point ? l->on_point(l->context, l->point)
			   : l->on_customer(l->context, &customer);
}

static enum result list(struct registry *r, const char *prefix, const char *after,
			struct listing *l, struct error *err)
{
	char key[KEY_BYTES], behind[KEY_BYTES], letter = l->on_point ? 'p' : 'c';
	enum result result;
	if (strlen(prefix) > POINT_ID_BYTES || (after && strlen(after) > POINT_ID_BYTES))
		return RESULT_OK;
	size_t length = (size_t)snprintf(key, sizeof key, "%c/%s", letter, prefix);
	/* one before the prefix is before all with it */
	if (after && strcmp(after, prefix) >= 0)
		result = store_kv_scan_after(
		    r->store, STORE_REGISTRY, key, length, behind,
		    (size_t)snprintf(behind, sizeof behind, "%c/%s", letter, after), on_listed, l,
		    err);
	else
		result = store_kv_scan(r->store, STORE_REGISTRY, key, length, on_listed, l, err);
	if (result == RESULT_OK && l->damaged)
		return fail(RESULT_MEDIA, err, "a stored record of a %s is damaged",
			    l->on_point ? "service point" : "customer");
	return result;
}

enum result registry_points(struct registry *r, const char *prefix, const char *after,
			    registry_point_fn *fn, void *context, struct error *err)
{
	struct listing l = {.on_point = fn, .context = context};
	l.point = malloc(sizeof *l.point);
	if (!l.point)
		return fail(RESULT_RESOURCE, err, "registry: no memory");
	enum result result = list(r, prefix, after, &l, err);
	free(l.point);
	return result;
}

enum result registry_customers(struct registry *r, const char *prefix, const char *after,
			       registry_customer_fn *fn, void *context, struct error *err)
{
	struct listing l = {.on_customer = fn, .context = context};
	return list(r, prefix, after, &l, err);
}

/* --- where a meter is --- */

const struct installation *point_installation_at(const struct service_point *p, int64_t at_s)
{
	for (uint32_t i = 0; i < p->installation_count; i++) {
		const struct installation *in = &p->installations[i];
		if (in->from_s <= at_s && at_s < installation_end_s(in))
			return in;
	}
	return NULL;
}

static bool on_place(void *context, const void *key, size_t key_bytes, const void *value,
		     size_t value_bytes)
{
	struct places *p = context;
	(void)value, (void)value_bytes;
	size_t bytes = key_bytes - p->prefix_bytes;
	void *more = realloc(p->ids, (p->count + 1) * sizeof *p->ids);
	p->no_memory = !more;
	if (!more || bytes > POINT_ID_BYTES)
		return more != NULL;
	p->ids = more;
	memcpy(p->ids[p->count], (const char *)key + p->prefix_bytes, bytes);
	p->ids[p->count++][bytes] = '\0';
	return true;
}

enum result places_find(struct store *store, struct change *c, const char *meter,
			struct places *out, struct error *err)
{
	char prefix[METER_KEY_BYTES];
	*out = (struct places){0};
	if (strlen(meter) > DEVICE_ID_BYTES)
		return fail(RESULT_ABSENT, err, "there is no meter '%.80s'", meter);
	out->prefix_bytes = meter_key(meter, "", prefix);
	enum result result =
	    c ? change_scan(c, prefix, out->prefix_bytes, on_place, out, err)
	      : store_kv_scan(store, STORE_REGISTRY, prefix, out->prefix_bytes, on_place, out, err);
	if (result == RESULT_OK && out->no_memory)
		result = fail(RESULT_RESOURCE, err, "registry: no memory");
	if (result != RESULT_OK)
		free(out->ids);
	return result;
}

enum result registry_points_of(struct registry *r, const char *meter, registry_point_fn *fn,
			       void *context, struct error *err)
{
	struct places places;
	enum result result = places_find(r->store, NULL, meter, &places, err);
	if (result != RESULT_OK || places.count == 0)
		return result;
	struct service_point *p = malloc(sizeof *p);
	if (!p)
		result = fail(RESULT_RESOURCE, err, "registry: no memory");
	bool more = true;
	for (uint32_t i = 0; i < places.count && result == RESULT_OK && more; i++) {
		result = registry_point_get(r, places.ids[i], p, err);
		more = result == RESULT_OK && fn(context, p);
	}
	free(p);
	free(places.ids);
	return result;
}

/* `c` NULL: as the store has it. */
static enum result point_of(struct registry *r, struct change *c, const char *meter, int64_t at_s,
			    struct service_point *out, struct error *err)
{
	struct places places;
	const struct installation *in = NULL;
	enum result result = places_find(r->store, c, meter, &places, err);
	if (result != RESULT_OK)
		return result;
	for (uint32_t i = 0; i < places.count && result == RESULT_OK && !in; i++) {
		result = c ? change_point(c, places.ids[i], out, err)
			   : registry_point_get(r, places.ids[i], out, err);
		if (result == RESULT_OK)
			in = point_installation_at(out, at_s);
		if (in && strcmp(in->meter, meter) != 0)
			in = NULL;
	}
	free(places.ids);
	if (result == RESULT_OK && !in)
		return fail(RESULT_ABSENT, err, "meter '%s' is at no service point then", meter);
	return result;
}

enum result registry_point_of(struct registry *r, const char *meter, int64_t at_s,
			      struct service_point *out, struct error *err)
{
	return point_of(r, NULL, meter, at_s, out, err);
}

enum result change_point_of(struct change *c, const char *meter, int64_t at_s,
			    struct service_point *out, struct error *err)
{
	return point_of(c->r, c, meter, at_s, out, err);
}

/* --- into a change --- */

static const struct installation *same_one(const struct service_point *p,
					   const struct installation *in)
{
	for (uint32_t i = 0; p && i < p->installation_count; i++)
		if (p->installations[i].from_s == in->from_s &&
		    strcmp(p->installations[i].meter, in->meter) == 0)
			return &p->installations[i];
	return NULL;
}

/* The meter that is there now; NULL: none. */
static const struct installation *open_one(const struct service_point *p)
{
	const struct installation *last =
	    p && p->installation_count > 0 ? &p->installations[p->installation_count - 1] : NULL;
	return last && last->to_s == INSTALLATION_OPEN ? last : NULL;
}

/* What the device's own record says of it: where it is, since when its register counts. */
static enum result tell_meter(struct change *c, const struct service_point *p,
			      const struct installation *in, bool is_new, bool is_there,
			      struct error *err)
{
	struct device d;
	enum result result = change_read(c, in->meter, &d, err);
	if (result != RESULT_OK)
		return result;
	if (is_new && in->from_s > d.register_from_s)
		d.register_from_s = in->from_s;
	if (is_there)
		snprintf(d.service_point, sizeof d.service_point, "%s", p->id);
	else if (strcmp(d.service_point, p->id) == 0)
		d.service_point[0] = '\0';
	return change_replace(c, &d, err);
}

static enum result tell_meters(struct change *c, const struct service_point *p,
			       const struct service_point *old, struct error *err)
{
	char key[METER_KEY_BYTES], prefix[METER_KEY_BYTES];
	enum result result = RESULT_OK;
	const struct installation *there = open_one(p), *before = open_one(old);
	if (before && !(there && strcmp(there->meter, before->meter) == 0))
		result = tell_meter(c, p, before, false, false, err);
	for (uint32_t i = 0; i < p->installation_count && result == RESULT_OK; i++) {
		const struct installation *in = &p->installations[i];
		bool is_new = !same_one(old, in);
		if (is_new)
			result = change_add(c, key, meter_key(in->meter, p->id, key),
					    meter_key(in->meter, "", prefix), "", 0, err);
		if (result == RESULT_OK && (is_new || in == there))
			result = tell_meter(c, p, in, is_new, in == there, err);
	}
	return result;
}

enum result change_put_point(struct change *c, struct service_point *p,
			     const struct service_point *old, enum change_kind *kind,
			     char cause[FIELD_CAUSE_BYTES], struct error *err)
{
	char key[KEY_BYTES];
	uint8_t record[POINT_RECORD_BYTES];
	bool good;
	enum result result = installations_check(c, p, &good, cause, err);
	if (result == RESULT_OK && good)
		good = agreements_check(c, p, old, cause);
	*kind = good ? old ? CHANGE_CHANGED : CHANGE_NEW : CHANGE_REFUSED;
	if (result != RESULT_OK || !good)
		return result;
	char *changes = malloc(POINT_CHANGES_BYTES);
	if (!changes)
		return fail(RESULT_RESOURCE, err, "registry: no memory");
	size_t bytes = point_changes(old, p, changes);
	if (bytes == 0)
		*kind = CHANGE_NONE;
	else
		result = change_history(c, REGISTRY_POINTS, p->id, changes, bytes, err);
	free(changes);
	if (result != RESULT_OK || bytes == 0)
		return result;
	size_t key_bytes = (size_t)snprintf(key, sizeof key, "p/%s", p->id);
	result = change_add(c, key, key_bytes, key_bytes, record, point_record(p, record), err);
	return result == RESULT_OK ? tell_meters(c, p, old, err) : result;
}

enum result change_put_customer(struct change *c, const struct customer *now,
				const struct customer *old, enum change_kind *kind,
				struct error *err)
{
	char key[KEY_BYTES], changes[2 * CUSTOMER_JSON_BYTES];
	uint8_t record[CUSTOMER_RECORD_BYTES];
	size_t bytes = fields_changes(&customer_fields, old, now, changes, 0, sizeof changes);
	*kind = bytes == 0 ? CHANGE_NONE : old ? CHANGE_CHANGED : CHANGE_NEW;
	if (bytes == 0)
		return RESULT_OK;
	enum result result = change_history(c, REGISTRY_CUSTOMERS, now->id, changes, bytes, err);
	size_t key_bytes = (size_t)snprintf(key, sizeof key, "c/%s", now->id);
	if (result == RESULT_OK)
		result = change_add(c, key, key_bytes, key_bytes, record,
				    customer_record(now, record), err);
	return result;
}

/* --- a file's line --- */

static bool merge(struct service_point *p, const struct point_line *line, char *cause)
{
	for (int f = 0; f < POINT_FIELD_COUNT; f++)
		if (line->given & 1u << f && f != POINT_FIELD_CUSTOMER && f != POINT_FIELD_TARIFF &&
		    f != POINT_FIELD_SINCE)
			fields_copy(&point_fields, p, &line->point, f);
	if (!agreements_merge(p, line, cause))
		return false;
	for (uint32_t i = 0; i < line->point.installation_count; i++) {
		const struct installation *in = &line->point.installations[i];
		struct installation *known = (struct installation *)same_one(p, in);
		if (!known && p->installation_count == INSTALLATIONS_MAX) {
			snprintf(cause, FIELD_CAUSE_BYTES,
				 "point '%s' has had %d meters; there is no room for more", p->id,
				 INSTALLATIONS_MAX);
			return false;
		}
		if (!known) {
			p->installations[p->installation_count++] = *in;
			continue;
		}
		for (int f = 0; f < INSTALLATION_FIELD_COUNT; f++)
			if (line->installation_given[i] & 1u << f)
				fields_copy(&installation_fields, known, in, f);
	}
	return true;
}

enum result change_put_line(struct change *c, const struct point_line *line, enum change_kind *kind,
			    char cause[FIELD_CAUSE_BYTES], struct error *err)
{
	struct service_point *both = malloc(2 * sizeof *both);
	*kind = CHANGE_REFUSED;
	if (!both)
		return fail(RESULT_RESOURCE, err, "registry: no memory");
	struct service_point *old = &both[0], *now = &both[1];
	enum result result = change_point(c, line->point.id, old, err);
	bool is_new = result == RESULT_ABSENT;
	if (is_new) {
		result = RESULT_OK;
		point_defaults(now);
	} else {
		*now = *old;
	}
	if (result == RESULT_OK && merge(now, line, cause))
		result = change_put_point(c, now, is_new ? NULL : old, kind, cause, err);
	free(both);
	return result;
}
