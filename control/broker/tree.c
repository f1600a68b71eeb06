/* SPDX-License-Identifier: Apache-2.0 */
/* See tree.h: nodes, matching and retained messages; subscriptions are in subscriptions.c. */
#include "control/broker/tree_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/broker/memory.h"

#define BUCKETS_FIRST 1024

void tree_init(struct tree *t, struct message_pool *pool, struct hash_key key)
{
	*t = (struct tree){.pool = pool, .key = key, .bucket_count = BUCKETS_FIRST};
	t->root = memory_new(sizeof *t->root);
	t->buckets = memory_new(BUCKETS_FIRST * sizeof t->buckets[0]);
}

static void free_shares(struct tree *t, struct share *s)
{
	while (s) {
		struct share *next = s->next;
		for (uint32_t i = 0; i < s->members.count; i++)
			subscription_free(t, s->members.all[i]);
		free(s->members.all);
		free(s);
		s = next;
	}
}

static void free_node(struct tree *t, struct node *n)
{
	for (uint32_t i = 0; i < n->subscriptions.count; i++)
		subscription_free(t, n->subscriptions.all[i]);
	free(n->subscriptions.all);
	free_shares(t, n->shares);
	message_put(t->pool, n->retained);
	if (n != t->root)
		t->bytes -= sizeof *n + n->level_bytes;
	free(n);
}

void tree_fini(struct tree *t)
{
	for (uint64_t b = 0; b < t->bucket_count && t->buckets; b++)
		for (struct node *n = t->buckets[b], *next; n; n = next) {
			next = n->hash_next;
			free_node(t, n);
		}
	free_node(t, t->root);
	free(t->buckets);
	*t = (struct tree){0};
}

/* --- levels --- */

bool level_next(struct bytes *rest, struct bytes *level)
{
	if (!rest->data)
		return false;
	const uint8_t *slash = memchr(rest->data, '/', rest->count);
	level->data = rest->data;
	level->count = slash ? (uint32_t)(slash - rest->data) : rest->count;
	if (slash)
		*rest = (struct bytes){slash + 1, rest->count - level->count - 1};
	else
		*rest = (struct bytes){0};
	return true;
}

uint32_t tree_levels(struct bytes path)
{
	uint32_t count = 1;
	for (uint32_t i = 0; i < path.count; i++)
		count += path.data[i] == '/';
	return count;
}

static bool is_level(struct bytes level, char c)
{
	return level.count == 1 && level.data[0] == (uint8_t)c;
}

static bool is_node(const struct node *n, char c)
{
	return n->level_bytes == 1 && n->level[0] == (uint8_t)c;
}

/* --- nodes --- */

static uint64_t hash_of(const struct tree *t, const struct node *parent, struct bytes level)
{
	struct hash_key key = {t->key.k0 ^ (uint64_t)(uintptr_t)parent, t->key.k1};
	return siphash13(key, level.data, level.count);
}

struct node *node_child(const struct tree *t, const struct node *parent, struct bytes level)
{
	uint64_t hash = hash_of(t, parent, level);
	struct node *n = t->buckets[hash & (t->bucket_count - 1)];
	while (n && (n->hash != hash || n->parent != parent || n->level_bytes != level.count ||
	             memcmp(n->level, level.data, level.count) != 0))
		n = n->hash_next;
	return n;
}

static void grow(struct tree *t)
{
	uint64_t count = t->bucket_count * 2;
	struct node **buckets = memory_new(count * sizeof buckets[0]);
	for (uint64_t b = 0; b < t->bucket_count; b++)
		for (struct node *n = t->buckets[b], *next; n; n = next) {
			next = n->hash_next;
			n->hash_next = buckets[n->hash & (count - 1)];
			buckets[n->hash & (count - 1)] = n;
		}
	free(t->buckets);
	t->buckets = buckets;
	t->bucket_count = count;
}

static struct node *node_make(struct tree *t, struct node *parent, struct bytes level)
{
	struct node *n = node_child(t, parent, level);
	if (n)
		return n;
	if (t->node_count >= t->bucket_count)
		grow(t);
	n = memory_new(sizeof *n + level.count);
	n->parent = parent;
	n->hash = hash_of(t, parent, level);
	n->level_bytes = (uint16_t)level.count;
	t->bytes += sizeof *n + level.count;
	memcpy(n->level, level.data, level.count);
	n->hash_next = t->buckets[n->hash & (t->bucket_count - 1)];
	t->buckets[n->hash & (t->bucket_count - 1)] = n;
	n->next_sibling = parent->first_child;
	if (n->next_sibling)
		n->next_sibling->prev_sibling = n;
	parent->first_child = n;
	t->node_count++;
	return n;
}

struct node *node_find(const struct tree *t, struct bytes path)
{
	const struct node *n = t->root;
	struct bytes level;
	while (n && level_next(&path, &level))
		n = node_child(t, n, level);
	return (struct node *)n;
}

struct node *node_path(struct tree *t, struct bytes path)
{
	struct node *n = t->root;
	struct bytes level;
	while (level_next(&path, &level))
		n = node_make(t, n, level);
	return n;
}

void node_drop(struct tree *t, struct node *n)
{
	while (n != t->root && !n->first_child && n->subscriptions.count == 0 && !n->shares &&
	       !n->retained) {
		struct node *parent = n->parent;
		struct node **link = &t->buckets[n->hash & (t->bucket_count - 1)];
		while (*link != n)
			link = &(*link)->hash_next;
		*link = n->hash_next;
		if (n->prev_sibling)
			n->prev_sibling->next_sibling = n->next_sibling;
		else
			parent->first_child = n->next_sibling;
		if (n->next_sibling)
			n->next_sibling->prev_sibling = n->prev_sibling;
		free_node(t, n);
		t->node_count--;
		n = parent;
	}
}

/* --- matching --- */

struct matching {
	struct tree *tree;
	tree_match_fn *fn;
	void *context;
};

static void found(const struct matching *m, struct node *n)
{
	if (n && (n->subscriptions.count > 0 || n->shares))
		m->fn(m->context, n);
}

/* `rest` are the levels below `n`; a wildcard may take the first of them or not. */
static void match(const struct matching *m, struct node *n, struct bytes rest, bool wildcards)
{
	static const struct bytes plus = {(const uint8_t *)"+", 1};
	static const struct bytes hash = {(const uint8_t *)"#", 1};
	struct bytes level;
	if (!n->first_child && rest.data)
		return;
	/* MQTT5 4.7.1.2: "sport/#" matches "sport" as well */
	if (wildcards)
		found(m, node_child(m->tree, n, hash));
	if (!level_next(&rest, &level)) {
		found(m, n);
		return;
	}
	struct node *child = node_child(m->tree, n, level);
	if (child)
		match(m, child, rest, true);
	child = wildcards ? node_child(m->tree, n, plus) : NULL;
	if (child)
		match(m, child, rest, true);
}

void tree_match(struct tree *t, struct bytes topic, tree_match_fn *fn, void *context)
{
	struct matching m = {t, fn, context};
	match(&m, t->root, topic, topic.count == 0 || topic.data[0] != '$');
}

/* --- retained messages --- */

static void count_retained(struct node *n, int32_t change)
{
	for (; n; n = n->parent)
		n->retained_below += (uint32_t)change;
}

bool tree_retain(struct tree *t, struct bytes topic, struct message *m)
{
	if (tree_levels(topic) > TREE_LEVELS_MAX)
		return false;
	struct node *n = m ? node_path(t, topic) : node_find(t, topic);
	if (!n)
		return true;
	if (n->retained) {
		t->retained_count--;
		t->retained_bytes -= message_bytes(n->retained);
		count_retained(n, -1);
		message_put(t->pool, n->retained);
	}
	n->retained = m ? message_use(m) : NULL;
	if (m) {
		t->retained_count++;
		t->retained_bytes += message_bytes(m);
		count_retained(n, 1);
	} else {
		node_drop(t, n);
	}
	return true;
}

struct message *tree_retained(struct tree *t, struct bytes topic)
{
	struct node *n = node_find(t, topic);
	return n ? n->retained : NULL;
}

struct enumeration {
	struct tree *tree;
	tree_retained_fn *fn;
	void *context;
};

/* All at and below `n`. */
static bool enumerate_all(const struct enumeration *e, const struct node *n, bool dollar)
{
	if (n->retained && !e->fn(e->context, n->retained))
		return false;
	for (const struct node *c = n->first_child; c; c = c->next_sibling) {
		bool hidden = !dollar && c->level_bytes > 0 && c->level[0] == '$';
		if (c->retained_below > 0 && !hidden && !enumerate_all(e, c, true))
			return false;
	}
	return true;
}

static bool enumerate(const struct enumeration *e, const struct node *n, struct bytes rest,
                      bool dollar)
{
	struct bytes level;
	if (n->retained_below == 0)
		return true;
	if (!level_next(&rest, &level))
		return !n->retained || e->fn(e->context, n->retained);
	if (is_level(level, '#'))
		return enumerate_all(e, n, dollar);
	if (!is_level(level, '+')) {
		const struct node *c = node_child(e->tree, n, level);
		return !c || enumerate(e, c, rest, true);
	}
	for (const struct node *c = n->first_child; c; c = c->next_sibling) {
		bool hidden = !dollar && c->level_bytes > 0 && c->level[0] == '$';
		if (!hidden && !is_node(c, '+') && !is_node(c, '#') &&
		    !enumerate(e, c, rest, true))
			return false;
	}
	return true;
}

void tree_retained_match(struct tree *t, struct bytes filter, tree_retained_fn *fn, void *context)
{
	struct enumeration e = {t, fn, context};
	enumerate(&e, t->root, filter, false);
}

/* --- filters --- */

bool filter_covers(struct bytes filter, struct bytes other)
{
	struct bytes f, o;
	bool first = true;
	while (level_next(&filter, &f)) {
		bool more = level_next(&other, &o);
		bool hidden = first && more && o.count > 0 && o.data[0] == '$';
		if (is_level(f, '#'))
			return !hidden;
		if (!more || is_level(o, '#'))
			return false;
		if (is_level(f, '+')) {
			if (hidden)
				return false;
		} else if (f.count != o.count || memcmp(f.data, o.data, f.count) != 0) {
			return false;
		}
		first = false;
	}
	return !other.data;
}
