/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detours against the store. In: a detour batch whose barrier is visible, and a look-up. Out:
 * FATE_DUPLICATE or FATE_CONFLICT where the store has the identity. Thread: an ordinary one, which
 * may wait in `find`. No memory. Never gives any other fate: what is new is for the stage to judge.
 */
#include "ingest/resolver.h"

#include <string.h>

/* Same channels in the same order with the same values. */
static bool same_values(const struct reading *r, const struct stored_reading *stored)
{
	return r->channel_count == stored->channel_count &&
	       memcmp(r->channel, stored->channel, r->channel_count) == 0 &&
	       memcmp(r->value, stored->value, r->channel_count * sizeof r->value[0]) == 0;
}

bool resolver_run(struct batch *detour, resolver_find_fn *find, void *context)
{
	struct stored_reading stored;

	for (uint32_t i = 0; i < detour->count; i++) {
		struct reading *r = &detour->readings[i];
		if (r->fate != FATE_PENDING)
			continue;
		switch (find(context, r->device, r->meter_ts_ms, &stored)) {
		case RESOLVER_FOUND:
			r->fate = same_values(r, &stored) ? FATE_DUPLICATE : FATE_CONFLICT;
			break;
		case RESOLVER_ABSENT:
			break;
		case RESOLVER_FAILED:
			return false;
		}
	}
	return true;
}
