/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile's member paths as a tree of names. Never leaves this folder.
 *
 *	node 0 (the element)    meterId -> timestamp -> energy -> status -> (again)
 *	node 1 (under energy)   active_kwh -> reactive_kvarh -> ...
 *
 * Look-up tries the name that follows the last one in the profile's order (a meter repeats its
 * order, and profiles are written in it), then a hash table. Both are immutable after
 * decode_plan_new, so that all workers share one plan.
 */
#ifndef HEADRACE_INGEST_PLAN_H
#define HEADRACE_INGEST_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "contract/profile.h"

#define PLAN_NONE    UINT16_MAX
#define PLAN_BUCKETS 64
/* Each name takes at least one byte and a dot of a path. */
#define PLAN_NAMES_MAX  (PROFILE_FIELDS_MAX * PROFILE_PATH_BYTES / 2)
#define PLAN_SEEN_WORDS (PLAN_NAMES_MAX / 64)

struct plan_name {
	uint16_t field;   /* index into the profile's fields; PLAN_NONE: only a way to others */
	uint16_t node;    /* of the members inside; PLAN_NONE: none of interest */
	uint16_t sum;     /* SenML: the field that takes the record's sum; PLAN_NONE: none */
	uint16_t next;    /* expected after this one, in the same node */
	uint16_t chained; /* same bucket, same node */
	uint8_t bytes;
	bool plain;               /* no byte of it is ever escaped */
	uint64_t head, head_mask; /* its first eight bytes as a little-endian word */
	uint64_t tail;            /* its last eight, when there are more */
	char text[PROFILE_PATH_BYTES];
};

struct plan_node {
	uint16_t first; /* expected first; PLAN_NONE: no names */
	uint16_t last;  /* while building */
	uint16_t bucket[PLAN_BUCKETS];
};

struct decode_plan {
	const struct profile *profile;
	uint32_t serial;     /* from 1; no other plan of the process has it */
	uint32_t required;   /* bit i: fields[i] must be there */
	bool needs_id;       /* the device is no field: its id must be there all the same */
	uint32_t name_count; /* of names */
	uint32_t seen_words; /* of 64 names each */
	uint64_t channels;   /* the slots' channel ids, the first lowest */
	uint32_t node_count;
	struct plan_name *names;
	struct plan_node *nodes;
};

static inline uint32_t plan_bucket(const char *text, uint32_t bytes)
{
	if (bytes == 0)
		return 0;
	uint32_t first = (uint8_t)text[0], last = (uint8_t)text[bytes - 1];
	return (bytes * 31 + first * 7 + last) % PLAN_BUCKETS;
}

/* PLAN_NONE: no such name in the node. */
static inline uint16_t plan_find(const struct decode_plan *plan, uint16_t node, const char *text,
                                 uint32_t bytes)
{
	uint16_t i = plan->nodes[node].bucket[plan_bucket(text, bytes)];
	while (i != PLAN_NONE) {
		const struct plan_name *name = &plan->names[i];
		if (name->bytes == bytes && memcmp(name->text, text, bytes) == 0)
			break;
		i = name->chained;
	}
	return i;
}

#endif
