/* SPDX-License-Identifier: Apache-2.0 */
#include "contract/coap_service.h"

#include <stdlib.h>

/* Twice what a record can be sure of, and some more in line. */
#define RING_BYTES (512u << 10)

_Static_assert(RING_BYTES / 2 > sizeof(struct coap_ask) + COAP_PATH_BYTES + COAP_QUERY_BYTES +
                                    COAP_TELL_BYTES_MAX + RECORD_HEADER_BYTES,
               "the longest record fits an empty ring");

struct coap_link *coap_link_new(uint32_t io_count)
{
	struct coap_link *link = aligned_alloc(CACHE_LINE, sizeof *link);
	if (!link)
		return NULL;
	memset(link, 0, sizeof *link);
	link->io_count = io_count;
	bool ok = true;
	for (uint32_t i = 0; i < io_count; i++)
		ok = ok && record_ring_init(&link->ask[i], RING_BYTES) &&
		     record_ring_init(&link->tell[i], RING_BYTES);
	if (ok)
		return link;
	coap_link_free(link);
	return NULL;
}

void coap_link_free(struct coap_link *link)
{
	if (!link)
		return;
	for (uint32_t i = 0; i < link->io_count; i++) {
		record_ring_fini(&link->ask[i]);
		record_ring_fini(&link->tell[i]);
	}
	free(link);
}

bool coap_link_serves(const struct coap_link *link, const char *path, uint32_t path_bytes)
{
	for (uint32_t i = 0; i < link->prefix_count; i++) {
		uint32_t bytes = (uint32_t)strlen(link->prefixes[i]);
		if (path_bytes >= bytes && memcmp(path, link->prefixes[i], bytes) == 0 &&
		    (path_bytes == bytes || path[bytes] == '/'))
			return true;
	}
	return false;
}
