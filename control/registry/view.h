/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building the next contract/registry_view.h out of the present one: pages that change are copied,
 * all others are shared. Private to control/registry; the registry's lock is held.
 */
#ifndef HEADRACE_REGISTRY_VIEW_H
#define HEADRACE_REGISTRY_VIEW_H

#include <stdbool.h>

#include "contract/registry_view.h"

/* An empty view for at most `devices_max` devices, with a new hash key; NULL: no memory. */
struct registry_view *view_new(uint32_t devices_max);
/* With all its pages. */
void view_free(struct registry_view *view);

/* A successor under construction: it shares every page as yet. NULL: no memory. */
struct registry_view *view_begin(const struct registry_view *now);

/* Add the entry, or replace the one with its hash. False: no memory, nothing changed. */
bool view_put(struct registry_view *next, const struct registry_view *now,
              const struct device_entry *entry);

/* One of two gives way: frees it and the pages that only it has. */
void view_drop(struct registry_view *drop, const struct registry_view *keep);

#endif
