/* SPDX-License-Identifier: Apache-2.0 */
/* See tree.h: who subscribes to what. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/broker/memory.h"
#include "control/broker/tree_priv.h"

#define SHARE_PREFIX "$share/"

bool tree_share_split(struct bytes text, struct bytes *name, struct bytes *filter)
{
	const uint32_t prefix = sizeof SHARE_PREFIX - 1;
	*name = (struct bytes){0};
	*filter = text;
	if (text.count <= prefix || memcmp(text.data, SHARE_PREFIX, prefix) != 0)
		return false;
	const uint8_t *slash = memchr(text.data + prefix, '/', text.count - prefix);
	if (!slash)
		return false;
	*name = (struct bytes){text.data + prefix,
	                       (uint32_t)(slash - text.data) - prefix};
	*filter = (struct bytes){slash + 1, text.count - prefix - name->count - 1};
	return true;
}

static struct share *share_find(const struct node *n, struct bytes name)
{
	struct share *s = n->shares;
	while (s && (s->name_bytes != name.count || memcmp(s->name, name.data, name.count) != 0))
		s = s->next;
	return s;
}

static struct share *share_make(struct node *n, struct bytes name)
{
	struct share *s = share_find(n, name);
	if (!s) {
		s = memory_new(sizeof *s + name.count);
		s->name_bytes = (uint16_t)name.count;
		memcpy(s->name, name.data, name.count);
		s->next = n->shares;
		n->shares = s;
	}
	return s;
}

static void share_drop(struct node *n, struct share *s)
{
	struct share **link = &n->shares;
	if (s->members.count > 0)
		return;
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	free(s->members.all);
	free(s);
}

static void list_add(struct subscription_list *l, struct subscription *s)
{
	if (l->count == l->capacity) {
		l->capacity = l->capacity ? l->capacity * 2 : 1;
		l->all = memory_grow(l->all, l->capacity, sizeof l->all[0]);
	}
	s->index = l->count;
	l->all[l->count++] = s;
}

static void list_remove(struct subscription_list *l, const struct subscription *s)
{
	CHECK(l->all[s->index] == s);
	l->all[s->index] = l->all[--l->count];
	l->all[s->index]->index = s->index;
	if (l->count == 0) {
		free(l->all);
		*l = (struct subscription_list){0};
	}
}

/* The shorter of the two lists that it must be in is searched. */
static struct subscription *find(const struct subscriber *owner, const struct node *n,
                                 const struct share *share)
{
	const struct subscription_list *l = share ? &share->members : &n->subscriptions;
	if (l->count < owner->count) {
		for (uint32_t i = 0; i < l->count; i++)
			if (l->all[i]->owner == owner)
				return l->all[i];
		return NULL;
	}
	struct subscription *s = owner->first;
	while (s && (s->node != n || s->share != share))
		s = s->owner_next;
	return s;
}

void subscription_free(struct tree *t, struct subscription *s)
{
	t->bytes -= sizeof *s;
	free(s);
}

struct subscription *tree_find(struct tree *t, const struct subscriber *owner,
                               struct bytes text)
{
	struct bytes name, filter;
	bool shared = tree_share_split(text, &name, &filter);
	struct node *n = node_find(t, filter);
	struct share *share = n && shared ? share_find(n, name) : NULL;
	return n && (share || !shared) ? find(owner, n, share) : NULL;
}

struct subscription *tree_subscribe(struct tree *t, struct subscriber *owner, struct bytes text,
                                    uint8_t options, uint32_t id, bool *is_new)
{
	struct bytes name, filter;
	bool shared = tree_share_split(text, &name, &filter);
	if (tree_levels(filter) > TREE_LEVELS_MAX)
		return NULL;
	struct node *n = node_path(t, filter);
	struct share *share = shared ? share_make(n, name) : NULL;
	struct subscription *s = find(owner, n, share);
	*is_new = !s;
	if (!s) {
		s = memory_new(sizeof *s);
		t->bytes += sizeof *s;
		s->owner = owner;
		s->node = n;
		s->share = share;
		list_add(share ? &share->members : &n->subscriptions, s);
		s->owner_next = owner->first;
		if (s->owner_next)
			s->owner_next->owner_prev = s;
		owner->first = s;
		owner->count++;
		t->subscription_count++;
	}
	s->options = options;
	s->id = id;
	return s;
}

void tree_unsubscribe(struct tree *t, struct subscription *s)
{
	struct node *n = s->node;
	list_remove(s->share ? &s->share->members : &n->subscriptions, s);
	if (s->share)
		share_drop(n, s->share);
	if (s->owner_prev)
		s->owner_prev->owner_next = s->owner_next;
	else
		s->owner->first = s->owner_next;
	if (s->owner_next)
		s->owner_next->owner_prev = s->owner_prev;
	s->owner->count--;
	t->subscription_count--;
	subscription_free(t, s);
	node_drop(t, n);
}

uint32_t tree_filter(const struct subscription *s, uint8_t out[65535])
{
	const struct node *levels[TREE_LEVELS_MAX];
	uint32_t depth = 0, used = 0;
	if (s->share) {
		memcpy(out, SHARE_PREFIX, sizeof SHARE_PREFIX - 1);
		used = sizeof SHARE_PREFIX - 1;
		memcpy(out + used, s->share->name, s->share->name_bytes);
		used += s->share->name_bytes;
		out[used++] = '/';
	}
	for (const struct node *n = s->node; n->parent; n = n->parent) {
		CHECK_OP(depth, <, (uint32_t)TREE_LEVELS_MAX);
		levels[depth++] = n;
	}
	while (depth-- > 0) {
		memcpy(out + used, levels[depth]->level, levels[depth]->level_bytes);
		used += levels[depth]->level_bytes;
		if (depth > 0)
			out[used++] = '/';
	}
	return used;
}
