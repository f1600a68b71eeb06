/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exact answer for readings that a stage can't judge from memory. Ordinary thread.
 */
#ifndef HEADRACE_INGEST_RESOLVER_H
#define HEADRACE_INGEST_RESOLVER_H

#include <stdbool.h>

#include "contract/batch.h"
#include "contract/stored.h"

enum resolver_found { RESOLVER_ABSENT, RESOLVER_FOUND, RESOLVER_FAILED };

/* Look up a stored reading by identity. */
typedef enum resolver_found resolver_find_fn(void *context, uint32_t device, int64_t meter_ts_ms,
                                             struct stored_reading *out);

/* Set FATE_DUPLICATE or FATE_CONFLICT on each FATE_PENDING reading that the store has; leave the
 * others. False: a look-up failed; call again later (already judged readings keep their fate). */
bool resolver_run(struct batch *detour, resolver_find_fn *find, void *context);

#endif
