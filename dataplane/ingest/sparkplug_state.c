/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of Sparkplug edge nodes: that they and their devices were born, the aliases
 * and types of metrics that the profile names, the last sequence number.
 *
 *	nodes     a pool, in a list by when they were heard last, found by hash through buckets
 *	metrics   a pool; each is in a bucket by its key and in its node's list
 *
 * A key is the keyed hash of (node, device, kind, alias or name): no attacker can make two meet.
 * Thread: the io worker that made it. Memory: all in sparkplug_new.
 */
#include "ingest/sparkplug.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "ingest/protobuf.h"

#define NONE UINT32_MAX

enum kind { KIND_ALIAS, KIND_NAME, KIND_DEVICE };
enum { PAYLOAD_METRIC = 2, PAYLOAD_SEQ = 3 };
enum { DEVICE_BORN, DEVICE_DEAD };

struct node {
	uint64_t hash;
	uint32_t newer, older; /* by when it was heard */
	uint32_t chained;
	uint32_t metrics;
	uint8_t seq;
	bool has_seq, born;
};

struct metric {
	uint64_t key;
	uint32_t chained, next; /* in the bucket; of the node, or free */
	uint32_t datatype;
	uint16_t name; /* place in the plan's names */
};

struct sparkplug {
	struct counters *counters;
	struct hash_key key;
	uint32_t node_mask, metric_mask; /* of buckets */
	uint32_t free_node, free_metric;
	uint32_t newest, oldest;
	struct node *nodes;
	struct metric *metrics;
	uint32_t *node_buckets, *metric_buckets;
};

static uint32_t buckets_for(uint32_t count)
{
	uint32_t buckets = 16;

	while (buckets < count)
		buckets *= 2;
	return buckets;
}

uint64_t sparkplug_memory(uint32_t nodes, uint32_t aliases)
{
	return sizeof(struct sparkplug) + (uint64_t)nodes * sizeof(struct node) +
	       (uint64_t)aliases * sizeof(struct metric) +
	       ((uint64_t)buckets_for(nodes) + buckets_for(aliases)) * sizeof(uint32_t);
}

static uint32_t *new_buckets(uint32_t count, uint32_t *mask)
{
	uint32_t buckets = buckets_for(count);
	uint32_t *all = malloc(buckets * sizeof *all);

	if (all)
		memset(all, 0xff, buckets * sizeof *all);
	*mask = buckets - 1;
	return all;
}

struct sparkplug *sparkplug_new(uint32_t nodes, uint32_t aliases, struct counters *counters)
{
	struct sparkplug *s = calloc(1, sizeof *s);

	CHECK(nodes > 0 && aliases > 0);
	if (!s)
		return NULL;
	s->counters = counters;
	s->key = hash_key_random();
	s->newest = s->oldest = NONE;
	s->nodes = calloc(nodes, sizeof s->nodes[0]);
	s->metrics = calloc(aliases, sizeof s->metrics[0]);
	s->node_buckets = new_buckets(nodes, &s->node_mask);
	s->metric_buckets = new_buckets(aliases, &s->metric_mask);
	if (!s->nodes || !s->metrics || !s->node_buckets || !s->metric_buckets) {
		sparkplug_free(s);
		return NULL;
	}
	for (uint32_t i = 0; i < nodes; i++)
		s->nodes[i].chained = i + 1 < nodes ? i + 1 : NONE;
	for (uint32_t i = 0; i < aliases; i++)
		s->metrics[i].next = i + 1 < aliases ? i + 1 : NONE;
	return s;
}

void sparkplug_free(struct sparkplug *s)
{
	if (!s)
		return;
	free(s->nodes);
	free(s->metrics);
	free(s->node_buckets);
	free(s->metric_buckets);
	free(s);
}

/* --- keys --- */

static uint64_t hash_text(const struct sparkplug *s, uint64_t seed, const struct bytes *text)
{
	struct hash_key key = {s->key.k0 ^ seed, s->key.k1};
	return siphash13(key, text->data, text->count);
}

static uint64_t metric_key(const struct sparkplug *s, const struct sparkplug_sender *sender,
                           enum kind kind, uint64_t what)
{
	uint64_t parts[4] = {sender->node, sender->device, kind, what};
	return siphash13(s->key, parts, sizeof parts);
}

/* --- metrics --- */

static uint32_t find_metric(const struct sparkplug *s, uint64_t key)
{
	uint32_t i = s->metric_buckets[key & s->metric_mask];

	while (i != NONE && s->metrics[i].key != key)
		i = s->metrics[i].chained;
	return i;
}

static void add_metric(struct sparkplug *s, struct node *node, uint64_t key, uint16_t name,
                       uint32_t datatype)
{
	uint32_t i = find_metric(s, key);

	if (i == NONE) {
		i = s->free_metric;
		if (i == NONE) {
			counter_add(s->counters, COUNTER_INGEST_SPARKPLUG_FULL, 1);
			return;
		}
		s->free_metric = s->metrics[i].next;
		s->metrics[i].key = key;
		s->metrics[i].chained = s->metric_buckets[key & s->metric_mask];
		s->metric_buckets[key & s->metric_mask] = i;
		s->metrics[i].next = node->metrics;
		node->metrics = i;
	}
	s->metrics[i].name = name;
	s->metrics[i].datatype = datatype;
}

static void drop_metrics(struct sparkplug *s, struct node *node)
{
	while (node->metrics != NONE) {
		uint32_t i = node->metrics;
		struct metric *m = &s->metrics[i];
		uint32_t *at = &s->metric_buckets[m->key & s->metric_mask];
		while (*at != i)
			at = &s->metrics[*at].chained;
		*at = m->chained;
		node->metrics = m->next;
		m->next = s->free_metric;
		s->free_metric = i;
	}
}

bool sparkplug_find_alias(const struct sparkplug *s, const struct sparkplug_sender *sender,
                          uint64_t alias, uint16_t *name, uint32_t *datatype)
{
	uint32_t i = find_metric(s, metric_key(s, sender, KIND_ALIAS, alias));

	if (i == NONE)
		return false;
	*name = s->metrics[i].name;
	*datatype = s->metrics[i].datatype;
	return true;
}

bool sparkplug_find_name(const struct sparkplug *s, const struct sparkplug_sender *sender,
                         uint16_t name, uint32_t *datatype)
{
	uint32_t i = find_metric(s, metric_key(s, sender, KIND_NAME, name));

	if (i == NONE)
		return false;
	*datatype = s->metrics[i].datatype;
	return true;
}

/* --- nodes --- */

static uint32_t find_node(const struct sparkplug *s, uint64_t hash)
{
	uint32_t i = s->node_buckets[hash & s->node_mask];

	while (i != NONE && s->nodes[i].hash != hash)
		i = s->nodes[i].chained;
	return i;
}

static void unlink_age(struct sparkplug *s, uint32_t i)
{
	struct node *n = &s->nodes[i];

	if (n->newer == NONE)
		s->newest = n->older;
	else
		s->nodes[n->newer].older = n->older;
	if (n->older == NONE)
		s->oldest = n->newer;
	else
		s->nodes[n->older].newer = n->newer;
}

static void make_newest(struct sparkplug *s, uint32_t i)
{
	struct node *n = &s->nodes[i];

	n->newer = NONE;
	n->older = s->newest;
	if (s->newest == NONE)
		s->oldest = i;
	else
		s->nodes[s->newest].newer = i;
	s->newest = i;
}

static void drop_node(struct sparkplug *s, uint32_t i)
{
	struct node *n = &s->nodes[i];
	uint32_t *at = &s->node_buckets[n->hash & s->node_mask];

	drop_metrics(s, n);
	while (*at != i)
		at = &s->nodes[*at].chained;
	*at = n->chained;
	unlink_age(s, i);
	n->chained = s->free_node;
	s->free_node = i;
}

static struct node *heard(struct sparkplug *s, uint32_t i)
{
	unlink_age(s, i);
	make_newest(s, i);
	return &s->nodes[i];
}

static struct node *new_node(struct sparkplug *s, uint64_t hash)
{
	if (s->free_node == NONE) {
		counter_add(s->counters, COUNTER_INGEST_SPARKPLUG_EVICTED, 1);
		drop_node(s, s->oldest);
	}
	uint32_t i = s->free_node;
	struct node *n = &s->nodes[i];
	s->free_node = n->chained;
	*n = (struct node){.hash = hash, .metrics = NONE};
	n->chained = s->node_buckets[hash & s->node_mask];
	s->node_buckets[hash & s->node_mask] = i;
	make_newest(s, i);
	return n;
}

/* The entry of a device's birth says in its datatype whether a DEATH has followed. */
static bool is_device_born(const struct sparkplug *s, const struct sparkplug_sender *sender)
{
	uint32_t i = find_metric(s, metric_key(s, sender, KIND_DEVICE, 0));
	return i != NONE && s->metrics[i].datatype == DEVICE_BORN;
}

struct sparkplug_sender sparkplug_sender(const struct sparkplug *s, const struct decode_plan *plan,
                                         const struct sparkplug_topic *t)
{
	struct sparkplug_sender sender;
	uint64_t group = hash_text(s, plan->profile->id, &t->group);

	sender.node = hash_text(s, group, &t->node);
	sender.device = t->device.data == t->node.data ? 0 : hash_text(s, sender.node, &t->device);
	uint32_t i = find_node(s, sender.node);
	sender.born = i != NONE && s->nodes[i].born;
	if (sender.born && sender.device)
		sender.born = is_device_born(s, &sender);
	return sender;
}

/* --- learning --- */

/* A birth's metrics that a field names. */
static void learn(struct sparkplug *s, struct node *node, const struct decode_plan *plan,
                  const struct sparkplug_sender *sender, const struct bytes *bytes)
{
	struct sparkplug_metric m;

	if (!sparkplug_metric(bytes, &m) || m.name.count == 0 ||
	    m.name.count >= PROFILE_PATH_BYTES)
		return;
	uint16_t name = plan_find(plan, 0, (const char *)m.name.data, m.name.count);
	if (name == PLAN_NONE)
		return;
	add_metric(s, node, metric_key(s, sender, KIND_NAME, name), name, m.datatype);
	if (m.has_alias)
		add_metric(s, node, metric_key(s, sender, KIND_ALIAS, m.alias), name, m.datatype);
}

/* Its metrics when it is a birth, and its sequence number. False: malformed. */
static bool read_payload(struct sparkplug *s, struct node *node, const struct decode_plan *plan,
                         const struct sparkplug_sender *sender, bool birth,
                         const struct decode_source *in, int *seq)
{
	const uint8_t *p = in->payload, *end = p + in->bytes;
	struct pb_field f;

	*seq = -1;
	while (p < end) {
		p = pb_field(p, end, &f);
		if (!p)
			return false;
		if (birth && f.number == PAYLOAD_METRIC && f.type == PB_BYTES)
			learn(s, node, plan, sender, &f.bytes);
		if (f.number == PAYLOAD_SEQ && f.type == PB_VARINT)
			*seq = (int)(f.value & 0xff);
	}
	return true;
}

/* Sparkplug 3.0 §6.4.6: 0 to 255 and again, one on with each message but a death of the node. */
static void check_sequence(struct sparkplug *s, struct node *node, int seq, bool begins)
{
	if (seq < 0)
		return;
	if (!begins && node->has_seq && (uint8_t)(node->seq + 1) != seq)
		counter_add(s->counters, COUNTER_INGEST_SPARKPLUG_GAPS, 1);
	node->seq = (uint8_t)seq;
	node->has_seq = true;
}

void sparkplug_commit(struct sparkplug *s, const struct decode_plan *plan,
                      const struct decode_source *in)
{
	struct sparkplug_topic t;
	int seq;

	if (!sparkplug_topic(in->topic, in->topic_bytes, &t) || in->bytes > PAYLOAD_BYTES_MAX)
		return;
	struct sparkplug_sender sender = sparkplug_sender(s, plan, &t);
	uint32_t i = find_node(s, sender.node);
	if (t.type == SPARKPLUG_NDEATH) {
		if (i != NONE)
			drop_node(s, i);
		return;
	}
	bool node_birth = t.type == SPARKPLUG_NBIRTH;
	if (i == NONE && !node_birth)
		return; /* without its birth, nothing that it says of itself has a ground */
	struct node *node = i == NONE ? new_node(s, sender.node) : heard(s, i);
	if (node_birth) {
		drop_metrics(s, node);
		node->born = true;
	}
	bool birth = node_birth || t.type == SPARKPLUG_DBIRTH;
	if (!read_payload(s, node, plan, &sender, birth, in, &seq))
		return;
	if (t.type == SPARKPLUG_DBIRTH || (t.type == SPARKPLUG_DDEATH && sender.born))
		add_metric(s, node, metric_key(s, &sender, KIND_DEVICE, 0), 0,
		           birth ? DEVICE_BORN : DEVICE_DEAD);
	check_sequence(s, node, seq, node_birth);
}
