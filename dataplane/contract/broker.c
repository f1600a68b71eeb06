/* SPDX-License-Identifier: Apache-2.0 */
#include "contract/broker.h"

#include <stdlib.h>

#define RING_BYTES_MIN (1u << 20)

struct broker_link *broker_link_new(uint32_t io_count, uint32_t connections,
				    uint32_t packet_bytes_max)
{
	struct broker_link *link = aligned_alloc(CACHE_LINE, sizeof *link);
	if (!link)
		return NULL;
	memset(link, 0, sizeof *link);
	link->io_count = io_count;
	/* a record of a packet, in the half that a record can be sure of; some more in line */
	uint32_t room = 4 * (packet_bytes_max + (uint32_t)sizeof(struct broker_connect));
	if (room < RING_BYTES_MIN)
		room = RING_BYTES_MIN;
	bool ok = true;
	for (uint32_t i = 0; i < io_count; i++)
		ok = ok &&
		     record_ring_init(&link->to_broker[i], room + broker_kept_bytes(connections)) &&
		     record_ring_init(&link->to_io[i], room);
	if (ok)
		return link;
	broker_link_free(link);
	return NULL;
}

void broker_link_free(struct broker_link *link)
{
	if (!link)
		return;
	for (uint32_t i = 0; i < link->io_count; i++) {
		record_ring_fini(&link->to_broker[i]);
		record_ring_fini(&link->to_io[i]);
	}
	free(link);
}
