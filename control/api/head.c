/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a request's head means one thing only. libmicrohttpd takes heads that RFC 9112 refuses; a
 * proxy in front may read those in another way, and what it let pass is then another request than
 * the one answered here. Input: a parsed head, not trusted. Pure.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/api/server.h"

struct head {
	unsigned hosts, lengths, codings;
	bool chunked;
	char bad_name[40]; /* "": none */
};

/* RFC 9110 §5.6.2 */
static bool is_token(const char *text, size_t bytes)
{
	static const char signs[] = "!#$%&'*+-.^_`|~0123456789"
	                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	return bytes > 0 && strspn(text, signs) == bytes;
}

static enum MHD_Result on_field(void *context, enum MHD_ValueKind kind, const char *name,
                                size_t name_bytes, const char *value, size_t value_bytes)
{
	struct head *h = context;
	(void)kind, (void)value_bytes;
	if (!is_token(name, name_bytes) && !h->bad_name[0])
		snprintf(h->bad_name, sizeof h->bad_name, "'%.32s'", name);
	if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0)
		h->hosts++;
	if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0)
		h->lengths++;
	if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
		h->chunked = value && strcasecmp(value, "chunked") == 0;
		h->codings++;
	}
	return MHD_YES;
}

static bool refuse(struct incoming *in, unsigned status, const char *remedy, const char *detail)
{
	api_problem(&in->reply, status,
	            status == 431   ? "The head is too long"
	            : status == 501 ? "Unknown transfer coding"
	                            : "Malformed request",
	            remedy, "%s", detail);
	in->reply.close = true;
	return false;
}

bool server_check_head(struct MHD_Connection *connection, struct incoming *in, const char *version)
{
	struct head h = {0};
	char words[128];
	size_t bytes = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)
	                   ->header_size;
	MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_field, &h);
	/* RFC 6585 §5 */
	snprintf(words, sizeof words, "the head is longer than %u bytes", HEAD_BYTES);
	if (bytes > HEAD_BYTES)
		return refuse(in, 431, "send fewer or shorter header fields", words);
	/* RFC 9112 §5.1 */
	snprintf(words, sizeof words, "a header field's name is %s", h.bad_name);
	if (h.bad_name[0])
		return refuse(in, 400, "give names without spaces and control characters", words);
	/* RFC 9112 §3.2 */
	if (h.hosts > 1 || (h.hosts == 0 && strcmp(version, MHD_HTTP_VERSION_1_1) == 0))
		return refuse(in, 400, "send one Host header", "there must be one Host header");
	/* RFC 9112 §6.1 */
	if (h.codings > 1 || (h.codings == 1 && !h.chunked))
		return refuse(in, 501, "send Transfer-Encoding: chunked, or Content-Length",
		              "the only Transfer-Encoding that is known is chunked");
	/* RFC 9112 §6.3 */
	if (h.lengths > 1 || (h.lengths == 1 && h.codings == 1))
		return refuse(in, 400, "send one Content-Length, or Transfer-Encoding: chunked",
		              "the body's length is told twice");
	return true;
}
