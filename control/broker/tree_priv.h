/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes of the tree, for its two files. */
#ifndef HEADRACE_BROKER_TREE_PRIV_H
#define HEADRACE_BROKER_TREE_PRIV_H

#include "control/broker/tree.h"

/* The next level of a path; what is left has no data after the last. */
bool level_next(struct bytes *rest, struct bytes *level);

struct node *node_child(const struct tree *t, const struct node *parent, struct bytes level);
/* NULL: there is none. */
struct node *node_find(const struct tree *t, struct bytes path);
/* Made where absent. */
struct node *node_path(struct tree *t, struct bytes path);
/* The struct alone. */
void subscription_free(struct tree *t, struct subscription *s);
/* Free it, and its parents, as far as they have no purpose. */
void node_drop(struct tree *t, struct node *n);

#endif
