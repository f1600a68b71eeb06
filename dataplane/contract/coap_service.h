/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoAP requests that an ordinary thread answers (readings, commands, the resource directory):
 * records from an io worker to the service, and back. Each lies in a ring of its own direction and
 * worker; the struct first, its texts behind it in the order of their lengths.
 *
 *   ask:  struct coap_ask  | path | query | payload
 *   tell: struct coap_tell | location path | location query | payload
 *
 * Handles are the worker's own; the service only hands them back. Each COAP_ASK_REQUEST gets one
 * COAP_TELL_ANSWER. A worker never waits: a request for which `ask` has no room is answered 5.03,
 * and it always empties `tell`, so the service may wait for room there. COAP_ASK_GONE is said again
 * for each notification to an observer that is no more.
 */
#ifndef HEADRACE_CONTRACT_COAP_SERVICE_H
#define HEADRACE_CONTRACT_COAP_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/record_ring.h"
#include "contract/limits.h"

#define COAP_PATH_BYTES  256 /* with the final 0 */
#define COAP_QUERY_BYTES 512
#define COAP_ETAGS_MAX   4
#define COAP_FORMAT_NONE UINT16_MAX
/* Longest answer, and so longest record's text. */
#define COAP_TELL_BYTES_MAX 60000

enum coap_method { COAP_GET = 1, COAP_POST = 2, COAP_PUT = 3, COAP_DELETE = 4 };

struct coap_etag {
	uint8_t bytes; /* 0: none */
	uint8_t value[8];
};

enum coap_ask_kind {
	COAP_ASK_REQUEST,
	COAP_ASK_GONE,      /* `observer` has ended */
	COAP_ASK_DELIVERED, /* its last in-order notification was acknowledged */
};

enum {
	COAP_ASK_OBSERVE = 1 << 0,
	COAP_ASK_IF_MATCH = 1 << 1,
	COAP_ASK_IF_NONE_MATCH = 1 << 2,
};

struct coap_ask {
	uint64_t exchange;
	uint64_t observer;
	uint8_t address[16]; /* of the peer; IPv6 or v4-mapped */
	uint16_t port;
	uint16_t content_format, accept;
	uint8_t kind;   /* enum coap_ask_kind */
	uint8_t method; /* enum coap_method */
	uint8_t flags;  /* COAP_ASK_* */
	uint8_t etag_count, match_count;
	struct coap_etag etags[COAP_ETAGS_MAX], matches[COAP_ETAGS_MAX];
	uint16_t path_bytes, query_bytes;
	uint32_t payload_bytes;
};

enum coap_tell_kind { COAP_TELL_ANSWER, COAP_TELL_NOTIFY };

enum {
	COAP_TELL_OBSERVED = 1 << 0,
	COAP_TELL_IN_ORDER = 1 << 1,
	COAP_TELL_MAX_AGE = 1 << 2,
	COAP_TELL_NON = 1 << 3,
};

struct coap_tell {
	uint64_t handle; /* exchange or observer */
	uint32_t max_age_s;
	uint32_t payload_bytes;
	uint16_t content_format;
	uint16_t location_path_bytes, location_query_bytes;
	uint8_t kind; /* enum coap_tell_kind */
	uint8_t code;
	uint8_t flags; /* COAP_TELL_* */
	struct coap_etag etag;
};

#define COAP_PREFIXES_MAX 64

/* Made before the pipeline and the service, freed after both. */
struct coap_link {
	uint32_t io_count;
	/* what the service answers for: "/rd" stands for "/rd" and "/rd/..."; set before the
	 * pipeline starts, and not changed after that */
	uint32_t prefix_count;
	const char *prefixes[COAP_PREFIXES_MAX];
	struct record_ring ask[MAX_IO_WORKERS];  /* io worker -> service */
	struct record_ring tell[MAX_IO_WORKERS]; /* service -> io worker */
};

/* NULL: no memory. */
struct coap_link *coap_link_new(uint32_t io_count);
void coap_link_free(struct coap_link *link);

bool coap_link_serves(const struct coap_link *link, const char *path, uint32_t path_bytes);

#endif
