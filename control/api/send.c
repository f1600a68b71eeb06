/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers on their way out: compressed when the client takes gzip (RFC 9110 §12.5.3), 304 when it
 * has the same already (§13.1.2), as one piece or as a stream. Memory: an answer in one piece,
 * twice while it is compressed; a stream has two buffers of a fixed size.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/hash.h"
#include "control/api/page.h"
#include "control/api/server.h"

#define STREAM_BYTES   (256u * 1024)
#define GZIP_LEAST     860 /* below, a packet is a packet */
#define GZIP_WINDOW    (15 + 16) /* zlib: a gzip header and trailer */
#define GZIP_LEVEL     4
#define READER_PATIENCE 4 /* times request_timeout_s, for a block of a stream */
#define READER_BYTES_S 16384 /* the slowest one of an answer in one piece */

/* --- ETags --- */

void server_etag(const struct text *text, char out[ETAG_BYTES])
{
	static const struct hash_key key; /* the same bytes, the same tag, after a restart too */
	snprintf(out, ETAG_BYTES, "\"%016" PRIx64 "\"",
	         siphash24(key, text->data ? text->data : "", text->used));
}

bool server_etag_listed(const char *list, const char *etag)
{
	/* within the quotes: the same content may have gone out as "tag-gzip" */
	size_t length = strlen(etag) - 2;
	while (*list) {
		list += strspn(list, " \t,");
		if (*list == '*')
			return true;
		if (strncmp(list, "W/", 2) == 0)
			list += 2;
		if (*list != '"')
			return false;
		const char *end = strchr(++list, '"');
		if (!end)
			return false;
		if (strncmp(list, etag + 1, length) == 0 &&
		    ((size_t)(end - list) == length || strncmp(list + length, "-gzip\"", 6) == 0))
			return true;
		list = end + 1;
	}
	return false;
}

/* --- gzip --- */

/* RFC 9110 §12.4.2: 0 to 1 with three decimals at most; what is malformed is not 0. */
static bool is_zero_weight(const char *at, size_t bytes)
{
	const char *q = memmem(at, bytes, "q=", 2);
	if (!q || q[2] != '0')
		return false;
	q += 3 + (q[3] == '.');
	q += strspn(q, "0");
	return *q < '1' || *q > '9';
}

bool server_takes_gzip(const char *at)
{
	while (at && *at) {
		at += strspn(at, " \t,");
		size_t name = strcspn(at, ";, \t"), whole = strcspn(at, ",");
		if ((name == 4 && strncasecmp(at, "gzip", 4) == 0) || (name == 1 && *at == '*'))
			return !is_zero_weight(at, whole);
		at += whole;
	}
	return false;
}

/* True: `text` is compressed now. */
static bool compress_text(struct text *text)
{
	z_stream z = {0};
	if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	size_t most = deflateBound(&z, text->used);
	char *out = malloc(most);
	z.next_in = (Bytef *)text->data;
	z.avail_in = (uInt)text->used; /* at most TEXT_BYTES_MAX */
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)most;
	bool good = out && deflate(&z, Z_FINISH) == Z_STREAM_END;
	deflateEnd(&z);
	if (!good) {
		free(out);
		return false;
	}
	free(text->data);
	text->data = out;
	text->used = most - z.avail_out;
	return true;
}

/* --- streams --- */

struct sending {
	struct api_stream stream;
	struct peer *peer;
	uint32_t patience_s; /* with the reader of a block */
	bool gzip, ended;
	z_stream z;
	char *in; /* what is being compressed */
};

static void sending_free(struct sending *s)
{
	if (s->gzip)
		deflateEnd(&s->z);
	free(s->in);
	free(s);
}

/* Fills `to` as far as one piece of the stream goes; at the end, with the trailer. */
static ssize_t more_gzip(struct sending *s, char *to, size_t max)
{
	s->z.next_out = (Bytef *)to;
	s->z.avail_out = (uInt)max;
	while (s->z.avail_out == max) {
		int flush = Z_NO_FLUSH;
		if (s->z.avail_in == 0 && !s->ended) {
			ssize_t n = s->stream.more(s->stream.context, s->in, STREAM_BYTES / 2);
			if (n == API_STREAM_BROKEN)
				return MHD_CONTENT_READER_END_WITH_ERROR;
			s->ended = n == API_STREAM_END;
			s->z.next_in = (Bytef *)s->in;
			s->z.avail_in = s->ended ? 0 : (uInt)n;
		}
		/* a small piece is news that somebody waits for */
		if (s->z.avail_in < STREAM_BYTES / 8)
			flush = s->ended ? Z_FINISH : Z_SYNC_FLUSH;
		int done = deflate(&s->z, flush);
		if (done == Z_STREAM_END && s->z.avail_out == max)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (done == Z_STREAM_ERROR)
			return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	return (ssize_t)(max - s->z.avail_out);
}

static ssize_t on_stream(void *context, uint64_t position, char *to, size_t max)
{
	struct sending *s = context;
	(void)position;
	peer_allow_s(s->peer, 0); /* our own time is not the client's */
	ssize_t n;
	if (s->gzip) {
		n = more_gzip(s, to, max);
	} else {
		n = s->stream.more(s->stream.context, to, max);
		if (n == API_STREAM_BROKEN)
			n = MHD_CONTENT_READER_END_WITH_ERROR;
		else if (n == API_STREAM_END)
			n = MHD_CONTENT_READER_END_OF_STREAM;
	}
	peer_allow_s(s->peer, s->patience_s);
	return n;
}

static void on_stream_end(void *context)
{
	struct sending *s = context;
	s->stream.end(s->stream.context);
	sending_free(s);
}

static struct MHD_Response *make_stream(struct incoming *in, bool gzip, uint32_t patience_s)
{
	struct sending *s = calloc(1, sizeof *s);
	struct MHD_Response *response = NULL;
	if (!s)
		return NULL;
	s->peer = in->peer;
	s->patience_s = patience_s;
	if (gzip) {
		s->in = malloc(STREAM_BYTES / 2);
		s->gzip = s->in && deflateInit2(&s->z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8,
		                                Z_DEFAULT_STRATEGY) == Z_OK;
	}
	s->stream = in->reply.stream;
	if (!gzip || s->gzip)
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BYTES,
		                                             on_stream, s, on_stream_end);
	if (!response)
		sending_free(s);
	else
		in->reply.stream = (struct api_stream){0}; /* the response's now */
	return response;
}

/* A large text on its way. */
struct sent {
	char *data;
	atomic_uint *places;
};

static void on_sent(void *context)
{
	struct sent *sent = context;
	text_leave_place(sent->places);
	free(sent->data);
	free(sent);
}

static struct MHD_Response *make_large(struct text *text)
{
	struct sent *sent = malloc(sizeof *sent);
	if (!sent)
		return NULL;
	*sent = (struct sent){text->data, text->places};
	struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
	    text->used, text->data, on_sent, sent);
	if (!response)
		free(sent);
	return response;
}

static struct MHD_Response *make_text(struct api_reply *reply)
{
	if (reply->text.has_place) {
		struct MHD_Response *large = make_large(&reply->text);
		if (large)
			reply->text = (struct text){0};
		return large;
	}
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    reply->text.used, reply->text.data, MHD_RESPMEM_MUST_FREE);
	if (response)
		reply->text = (struct text){0}; /* the response's now */
	return response;
}

/* --- headers --- */

static void add(struct MHD_Response *response, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add(struct MHD_Response *response, const char *name, const char *format, ...)
{
	char value[1024];
	va_list ap;
	va_start(ap, format);
	vsnprintf(value, sizeof value, format, ap);
	va_end(ap);
	MHD_add_response_header(response, name, value);
}

static void add_status_headers(struct MHD_Response *response, const struct incoming *in)
{
	const struct api_reply *reply = &in->reply;
	char methods[256];
	if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED) {
		api_route_methods(in->segments, (unsigned)in->segment_count, methods,
		                  sizeof methods);
		add(response, MHD_HTTP_HEADER_ALLOW, "%s", methods);
	}
	if (reply->status == MHD_HTTP_UNAUTHORIZED)
		add(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"headrace\"");
	if (reply->retry_after_s > 0)
		add(response, MHD_HTTP_HEADER_RETRY_AFTER, "%u", reply->retry_after_s);
	if (reply->close)
		add(response, MHD_HTTP_HEADER_CONNECTION, "close");
	if (reply->location[0])
		add(response, MHD_HTTP_HEADER_LOCATION, "%s", reply->location);
	if (reply->next[0])
		add(response, "Link", "<%s>; rel=\"next\"", reply->next);
}

static void add_headers(struct MHD_Response *response, const struct incoming *in,
                        const char *etag, bool gzip)
{
	const struct api_reply *reply = &in->reply;
	add(response, MHD_HTTP_HEADER_CACHE_CONTROL, etag[0] ? "private, no-cache" : "no-store");
	add(response, MHD_HTTP_HEADER_VARY, "Accept-Encoding, Authorization");
	add(response, "X-Content-Type-Options", "nosniff");
	if (reply->status != MHD_HTTP_NOT_MODIFIED && reply->content_type)
		add(response, MHD_HTTP_HEADER_CONTENT_TYPE, "%s", reply->content_type);
	if (gzip)
		add(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
	if (etag[0])
		add(response, MHD_HTTP_HEADER_ETAG, "%.17s%s\"", etag, gzip ? "-gzip" : "");
	add_status_headers(response, in);
}

/* --- sending --- */

/* The client has it already. */
static bool is_known(struct MHD_Connection *connection, const char *etag)
{
	const char *list = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
	                                               MHD_HTTP_HEADER_IF_NONE_MATCH);
	return list && server_etag_listed(list, etag);
}

enum MHD_Result server_send(const struct listener *l, struct MHD_Connection *connection,
                            struct incoming *in, bool head_or_get)
{
	struct api_reply *reply = &in->reply;
	uint32_t patience_s = READER_PATIENCE * l->api->context.config->api.request_timeout_s;
	char etag[ETAG_BYTES] = "";
	if (reply->file)
		return page_send(connection, reply->file);
	bool stream = reply->stream.more, gzip;
	gzip = server_takes_gzip(MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
	                                                     MHD_HTTP_HEADER_ACCEPT_ENCODING));
	if (head_or_get && reply->status == MHD_HTTP_OK && !stream) {
		server_etag(&reply->text, etag);
		if (is_known(connection, etag)) {
			reply->status = MHD_HTTP_NOT_MODIFIED;
			text_free(&reply->text);
		}
	}
	if (!stream)
		gzip = gzip && reply->text.used >= GZIP_LEAST && compress_text(&reply->text);
	uint64_t bytes = stream ? 0 : reply->text.used;
	struct MHD_Response *response =
	    stream ? make_stream(in, gzip, patience_s) : make_text(reply);
	if (!response)
		return MHD_NO;
	add_headers(response, in, etag, gzip);
	enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	if (in->peer)
		peer_allow_s(in->peer, patience_s + (uint32_t)(bytes / READER_BYTES_S));
	return result;
}
