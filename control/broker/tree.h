/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of topic levels. A filter's node has its subscriptions, a topic's node its retained
 * message; both live in one tree, in which '+' and '#' are levels like any other.
 *
 *   cmd/+/reboot         root -> "cmd" -> "+" -> "reboot": subscriptions
 *   cmd/SM-1/reboot      root -> "cmd" -> "SM-1" -> "reboot": a retained message
 *
 * Input: topic names and filters of good form. Output: nodes, in calls. Thread: the owner's.
 * Memory: the heap, about 120 bytes per node; a node without a purpose is freed at once.
 * Depth is limited to TREE_LEVELS_MAX, since walking recurses.
 */
#ifndef HEADRACE_BROKER_TREE_H
#define HEADRACE_BROKER_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "control/broker/message.h"

#define TREE_LEVELS_MAX 128

struct subscriber;

/* One subscriber's interest in one filter. */
struct subscription {
	struct subscriber *owner;
	struct node *node;
	struct share *share;                      /* NULL: an ordinary one */
	struct subscription *owner_next, *owner_prev;
	uint32_t index;                           /* in the list that it is in */
	uint32_t id;                              /* subscription identifier; 0: none */
	uint8_t options;                          /* MQTT5 3.8.3.1 */
};

#define SUBSCRIPTION_QOS(options)        ((options) & 3)
#define SUBSCRIPTION_NO_LOCAL            (1 << 2)
#define SUBSCRIPTION_RETAIN_AS_PUBLISHED (1 << 3)
#define SUBSCRIPTION_RETAIN_HANDLING(o)  ((o) >> 4 & 3)

/* Embedded in whoever subscribes. */
struct subscriber {
	struct subscription *first;
	uint32_t count;
};

struct subscription_list {
	struct subscription **all;
	uint32_t count, capacity;
};

/* Those who share a filter: each message goes to one of them. */
struct share {
	struct share *next;
	struct subscription_list members;
	uint32_t turn; /* whose it is next */
	uint16_t name_bytes;
	char name[];
};

struct node {
	struct node *parent, *hash_next, *first_child, *next_sibling, *prev_sibling;
	struct subscription_list subscriptions;
	struct share *shares;
	struct message *retained; /* one use of it */
	uint64_t hash;
	uint32_t retained_below; /* here and below */
	uint16_t level_bytes;
	uint8_t level[];
};

struct tree {
	struct node *root;
	struct node **buckets;
	struct hash_key key;
	struct message_pool *pool;
	uint64_t node_count, bucket_count, retained_count, retained_bytes, subscription_count;
	uint64_t bytes; /* of nodes and subscriptions */
};

void tree_init(struct tree *t, struct message_pool *pool, struct hash_key key);
void tree_fini(struct tree *t);

/* Levels of a name or filter. */
uint32_t tree_levels(struct bytes path);

/* --- subscriptions --- */

/* "$share/NAME/FILTER" taken apart; false: an ordinary filter, all of it in *filter. */
bool tree_share_split(struct bytes text, struct bytes *name, struct bytes *filter);

/* Subscribe, or change what there is of the same filter (and share). The filter may begin with
 * $share. *is_new: it was not there. NULL: more levels than TREE_LEVELS_MAX. */
struct subscription *tree_subscribe(struct tree *t, struct subscriber *owner, struct bytes filter,
                                    uint8_t options, uint32_t id, bool *is_new);

/* NULL: there is none. */
struct subscription *tree_find(struct tree *t, const struct subscriber *owner,
                               struct bytes filter);
void tree_unsubscribe(struct tree *t, struct subscription *s);

/* Its filter as it was given, with $share: written to `out`, whose size is returned. */
uint32_t tree_filter(const struct subscription *s, uint8_t out[65535]);

/* Calls for each node whose filter matches the topic and which has subscriptions or shares.
 * MQTT5 4.7.2: a wildcard in the first level does not match a topic that begins with '$'. */
typedef void tree_match_fn(void *context, struct node *node);
void tree_match(struct tree *t, struct bytes topic, tree_match_fn *fn, void *context);

/* --- retained messages --- */

/* Keep `m` (a use is taken) for its topic, or nothing (NULL). False: too many levels. */
bool tree_retain(struct tree *t, struct bytes topic, struct message *m);
struct message *tree_retained(struct tree *t, struct bytes topic);

/* Calls for each retained message that the filter (without $share) matches. The call may not
 * change the tree. False ends it. */
typedef bool tree_retained_fn(void *context, struct message *m);
void tree_retained_match(struct tree *t, struct bytes filter, tree_retained_fn *fn, void *context);

/* Does a filter match a topic, or (cover) all that another filter matches? */
bool filter_covers(struct bytes filter, struct bytes other);

#endif
