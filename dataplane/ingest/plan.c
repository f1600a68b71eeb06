/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/plan.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "ingest/decode.h"

_Static_assert(PROFILE_FIELDS_MAX <= 32, "struct decode_plan.required has a bit for each field");
_Static_assert(PLAN_NAMES_MAX % 64 == 0, "whole words of seen bits");

static uint16_t add_node(struct decode_plan *plan)
{
	struct plan_node *node = &plan->nodes[plan->node_count];

	node->first = node->last = PLAN_NONE;
	for (uint32_t i = 0; i < PLAN_BUCKETS; i++)
		node->bucket[i] = PLAN_NONE;
	return (uint16_t)plan->node_count++;
}

static bool is_plain(const char *text, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++) {
		uint8_t c = (uint8_t)text[i];
		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			return false;
	}
	return true;
}

/* A new name at the end of a node's order, which is a ring: after an element's last comes the
 * first. */
static uint16_t add_name(struct decode_plan *plan, uint16_t at, const char *text, uint32_t bytes)
{
	struct plan_node *node = &plan->nodes[at];
	uint16_t index = (uint16_t)plan->name_count++;
	struct plan_name *name = &plan->names[index];
	uint16_t *bucket = &node->bucket[plan_bucket(text, bytes)];

	name->field = name->node = name->sum = PLAN_NONE;
	name->bytes = (uint8_t)bytes;
	name->plain = is_plain(text, bytes);
	memcpy(name->text, text, bytes);
	name->head = get_le64(name->text);
	name->head_mask = bytes >= 8 ? UINT64_MAX : (1ull << 8 * bytes) - 1;
	if (bytes > 8)
		name->tail = get_le64(name->text + bytes - 8);
	name->chained = *bucket;
	*bucket = index;
	if (node->first == PLAN_NONE)
		node->first = index;
	else
		plan->names[node->last].next = index;
	name->next = node->first;
	node->last = index;
	return index;
}

/* The whole path is one name. */
static void add_flat(struct decode_plan *plan, uint16_t field, const char *path)
{
	uint32_t bytes = (uint32_t)strlen(path);
	uint16_t name = plan_find(plan, 0, path, bytes);
	if (name == PLAN_NONE)
		name = add_name(plan, 0, path, bytes);
	struct plan_name *entry = &plan->names[name];
	uint16_t *place = plan->profile->fields[field].sum ? &entry->sum : &entry->field;
	if (*place == PLAN_NONE)
		*place = field;
}

/* Hang a field's path into the tree. When two fields have the same path, the first counts. */
static void add_path(struct decode_plan *plan, uint16_t field, const char *path)
{
	uint16_t node = 0;

	for (;;) {
		uint32_t bytes = (uint32_t)strcspn(path, ".");
		uint16_t name = plan_find(plan, node, path, bytes);
		if (name == PLAN_NONE)
			name = add_name(plan, node, path, bytes);
		struct plan_name *entry = &plan->names[name];
		path += bytes;
		if (*path == '\0') {
			if (entry->field == PLAN_NONE)
				entry->field = field;
			return;
		}
		path++;
		if (entry->node == PLAN_NONE)
			entry->node = add_node(plan);
		node = entry->node;
	}
}

/* Names in all paths together: one more than its dots for each. */
static uint32_t count_names(const struct profile *profile)
{
	uint32_t names = 0;

	for (uint32_t i = 0; i < profile->field_count; i++) {
		names++;
		for (const char *c = profile->fields[i].path; *c; c++)
			names += *c == '.';
	}
	return names;
}

static void add_field(struct decode_plan *plan, uint16_t i)
{
	const struct profile_field *field = &plan->profile->fields[i];

	/* without an identity, there is no reading */
	if (field->required || field->role == FIELD_DEVICE || field->role == FIELD_TIMESTAMP)
		plan->required |= 1u << i;
	if (plan->profile->format == FORMAT_JSON)
		add_path(plan, i, field->path);
	else
		add_flat(plan, i, field->path);
}

struct decode_plan *decode_plan_new(const struct profile *profile)
{
	static _Atomic uint32_t serial;
	uint32_t names = count_names(profile);
	struct decode_plan *plan = calloc(1, sizeof *plan);

	if (!plan)
		return NULL;
	plan->profile = profile;
	plan->serial = 1 + atomic_fetch_add(&serial, 1);
	plan->names = calloc(names + 1, sizeof plan->names[0]);
	plan->nodes = calloc(names + 1, sizeof plan->nodes[0]);
	if (!plan->names || !plan->nodes) {
		decode_plan_free(plan);
		return NULL;
	}
	add_node(plan);
	for (uint32_t i = 0; i < profile->channel_count; i++)
		plan->channels |= (uint64_t)profile->channels[i].channel << 8 * i;
	plan->needs_id = profile->format != FORMAT_JSON ||
	                 profile->device_source != DEVICE_FROM_PAYLOAD;
	for (uint32_t i = 0; i < profile->field_count; i++)
		add_field(plan, (uint16_t)i);
	plan->seen_words = (plan->name_count + 63) / 64;
	return plan;
}

void decode_plan_free(struct decode_plan *plan)
{
	if (!plan)
		return;
	free(plan->names);
	free(plan->nodes);
	free(plan);
}
