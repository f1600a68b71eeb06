/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /ui/...: the dashboard's files, which are part of the program. Nothing of the meters is in
 * them: anybody who reaches the address may have them. What the page may do in a browser the policy
 * below says: run and ask this server only.
 */
#include "control/api/page.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/api/api_priv.h"
#include "control/api/topics.h"

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

static const char *const headers[][2] = {
    {MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache"}, /* kept, but asked for each time */
    {MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING},
    {"Content-Security-Policy", policy},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

static const char *header(struct MHD_Connection *connection, const char *name)
{
	const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
	return value ? value : "";
}

/* The next member of a comma-separated list, without spaces around; NULL: the end. */
static const char *next_member(const char **list, size_t *length)
{
	const char *at = *list + strspn(*list, ", \t");
	*length = strcspn(at, ",");
	*list = at + *length;
	return *at ? at : NULL;
}

/* RFC 9110 §12.5.3: named, and not with the weight 0. */
static bool takes_gzip(struct MHD_Connection *connection)
{
	const char *list = header(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING), *member;
	size_t length;
	while ((member = next_member(&list, &length))) {
		size_t name = strcspn(member, "; \t,");
		if (name != strlen("gzip") || strncasecmp(member, "gzip", name) != 0)
			continue;
		const char *weight = memmem(member, length, "q=0", 3);
		return !weight || strcspn(weight, "123456789") < length - (size_t)(weight - member);
	}
	return false;
}

/* RFC 9110 §13.1.2, by weak comparison. */
static bool has_already(struct MHD_Connection *connection, const char *etag)
{
	const char *list = header(connection, MHD_HTTP_HEADER_IF_NONE_MATCH), *member;
	size_t length;
	while ((member = next_member(&list, &length))) {
		if (length >= 2 && strncmp(member, "W/", 2) == 0) {
			member += 2;
			length -= 2;
		}
		while (length > 0 && (member[length - 1] == ' ' || member[length - 1] == '\t'))
			length--;
		if ((length == strlen(etag) && strncmp(member, etag, length) == 0) ||
		    (length == 1 && *member == '*'))
			return true;
	}
	return false;
}

static struct MHD_Response *body_of(const struct web_file *file, bool gzip, bool empty)
{
	size_t bytes = empty ? 0 : gzip ? file->gzip_bytes : file->bytes;
	return MHD_create_response_from_buffer(bytes, (void *)(gzip ? file->gzip : file->plain),
	                                       MHD_RESPMEM_PERSISTENT);
}

enum MHD_Result page_send(struct MHD_Connection *connection, const struct web_file *file)
{
	bool gzip = takes_gzip(connection), known = has_already(connection, file->etag);
	struct MHD_Response *response = body_of(file, gzip, known);
	if (!response)
		return MHD_NO;
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
		MHD_add_response_header(response, headers[i][0], headers[i][1]);
	MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, file->etag);
	if (!known) {
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, file->type);
		if (gzip)
			MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
	}
	enum MHD_Result result = MHD_queue_response(
	    connection, known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static void page_file(const struct api_request *request, struct api_reply *reply)
{
	reply->file = web_find(request->rest[0] ? request->rest : "index.html");
	if (!reply->file)
		api_problem(reply, 404, "No such file", "the page is at /ui/",
		            "there is no /ui/%.80s", request->rest);
}

static void page_redirect(const struct api_request *request, struct api_reply *reply)
{
	(void)request;
	reply->status = MHD_HTTP_FOUND;
	snprintf(reply->location, sizeof reply->location, "/ui/");
	text_add(&reply->text, "{\"location\":\"/ui/\"}\n");
}

/* clang-format off */
const struct api_topic api_topic_page = {
    .name = "page",
    .about = "The dashboard, for a browser",
    .routes = (const struct api_route[]){
	{"GET", "/", page_redirect, API_ANYBODY,
	 .summary = "To the dashboard",
	 .answers = API_ANSWERS({302, API_JSON, "{location:string}"})},
	{"GET", "/ui", page_redirect, API_ANYBODY,
	 .summary = "To the dashboard",
	 .answers = API_ANSWERS({302, API_JSON, "{location:string}"})},
	{"GET", "/ui/", page_file, API_ANYBODY,
	 .summary = "The dashboard's page",
	 .answers = API_ANSWERS({200, API_HTML, NULL}, {304, 0, NULL})},
	{"GET", "/ui/{file}", page_file, API_ANYBODY,
	 .summary = "A file of the dashboard",
	 .parameters = API_PARAMETERS({"file", "string", "its name"}),
	 .answers = API_ANSWERS({200, API_OTHER, NULL}, {304, 0, NULL})},
	{0}},
};
/* clang-format on */
