/* SPDX-License-Identifier: Apache-2.0 */
#include "contract/replay.h"

#include <stdlib.h>
#include <string.h>

#define ASK_RING_BYTES  (1u << 20)
#define TELL_RING_BYTES (32u << 10)

_Static_assert(ASK_RING_BYTES / 2 > sizeof(struct replay_ask) + REPLAY_PAYLOAD_MAX +
                                        REPLAY_READINGS_MAX * sizeof(struct reading) +
                                        UINT8_MAX + UINT16_MAX + RECORD_HEADER_BYTES,
               "the longest ask fits an empty ring");
_Static_assert(TELL_RING_BYTES / 2 >
                   REPLAY_ASKS_MAX * (RECORD_HEADER_BYTES + sizeof(struct replay_tell)),
               "a tell always has room");

struct replay_link *replay_link_new(void)
{
	struct replay_link *link = aligned_alloc(CACHE_LINE, sizeof *link);
	if (!link)
		return NULL;
	memset(link, 0, sizeof *link);
	if (record_ring_init(&link->ask, ASK_RING_BYTES) &&
	    record_ring_init(&link->tell, TELL_RING_BYTES))
		return link;
	replay_link_free(link);
	return NULL;
}

void replay_link_free(struct replay_link *link)
{
	if (!link)
		return;
	record_ring_fini(&link->ask);
	record_ring_fini(&link->tell);
	free(link);
}
