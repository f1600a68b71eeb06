/* SPDX-License-Identifier: Apache-2.0 */
/* The resource directory's entries: rd.c and rd_disk.c. Private to control/coap. */
#ifndef HEADRACE_CONTROL_COAP_RD_PRIV_H
#define HEADRACE_CONTROL_COAP_RD_PRIV_H

#include "control/coap/service_priv.h"

#define RD_NAME_BYTES_MAX  63 /* RFC 9176 5: ep and d */
#define RD_BASE_BYTES_MAX  255
#define RD_EXTRA_BYTES_MAX 511
#define RD_LINKS_BYTES_MAX 16384

struct registration_entry {
	uint32_t number;
	char ep[RD_NAME_BYTES_MAX + 1], sector[RD_NAME_BYTES_MAX + 1];
	char base[RD_BASE_BYTES_MAX + 1];
	bool base_given; /* else it follows the endpoint's address */
	uint32_t lifetime_s;
	uint64_t expires_ms; /* monotonic */
	char extra[RD_EXTRA_BYTES_MAX + 1]; /* ";et=\"x\"": what else was said of the endpoint */
	char *links;                        /* link format; never NULL */
	uint32_t links_bytes;
};

void registration_entry_free(struct registration_entry *e);

/* --- rd_disk.c: durable when they return --- */

MUST_USE enum result rd_disk_put(struct store *s, const struct registration_entry *e,
                                 uint64_t now_ms, struct error *err);
MUST_USE enum result rd_disk_remove(struct store *s, uint32_t number, struct error *err);

/* Every entry that is kept, in order of their numbers; one whose time is over expires at once.
 * `take` owns the entry; false ends it. *last is the highest number that was ever given. */
typedef bool rd_take_fn(void *context, struct registration_entry *e);
MUST_USE enum result rd_disk_load(struct store *s, uint64_t now_ms, rd_take_fn *take, void *context,
                                  uint32_t *last, struct error *err);

#endif
