/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client may write into a request: the first line of the input is the target, the second the
 * method, then Accept-Encoding, If-Match, an Authorization, and the rest is a JSON body.
 * Oracles: segments are within the path and have no NUL inside; what they say in another coding is
 * the same route; a tag is listed when it is put at the end of a list that could be read; a token
 * that nobody made is none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/api/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The line of `text` up to a newline, which becomes its end; *text goes behind it. */
static char *line(char **text)
{
	char *start = *text, *end = strchr(start, '\n');
	*text = end ? end + 1 : start + strlen(start);
	if (end)
		*end = '\0';
	return start;
}

static void check_path(char *target, const char *method)
{
	const char *segments[API_SEGMENTS_MAX], *again[API_SEGMENTS_MAX];
	const struct api_route *other;
	char methods[256], coded[3 * PATH_BYTES + API_SEGMENTS_MAX + 2];
	size_t length = strlen(target), used = 0;
	if (length >= PATH_BYTES)
		return;
	int count = server_split_path(target, segments);
	if (count < 0)
		return;
	for (int i = 0; i < count; i++) {
		CHECK(segments[i] > target && segments[i] <= target + length);
		coded[used++] = '/';
		for (const char *c = segments[i]; *c; c++)
			used += (size_t)sprintf(coded + used, "%%%02x", (unsigned char)*c);
	}
	if (count == 0)
		coded[used++] = '/';
	coded[used] = '\0';
	const struct api_route *route;
	route = api_route_find(method, segments, (unsigned)count, &other);
	api_route_methods(segments, (unsigned)count, methods, sizeof methods);
	CHECK(!route || strstr(methods, route->method));
	/* "/" has no segment: one that is empty comes from elsewhere */
	CHECK_OP(server_split_path(coded, again), ==, count == 1 && !*segments[0] ? 0 : count);
	for (int i = 0; i < count && !(count == 1 && !*segments[0]); i++)
		CHECK(strcmp(segments[i], again[i]) == 0);
}

static void check_etag(const char *list)
{
	static const char mine[] = "\"0123456789abcdef\"";
	char *longer = NULL;
	CHECK(server_etag_listed("W/\"x\", \"0123456789abcdef-gzip\"", mine));
	(void)server_etag_listed(list, mine);
	/* behind whole tags it is found */
	if (list[strspn(list, "W/\"abc, \t")] == '\0' && strstr(list, "\"a\"") == list &&
	    strlen(list) == 3) {
		CHECK(asprintf(&longer, "%s, %s", list, mine) > 0);
		CHECK(server_etag_listed(longer, mine));
		free(longer);
	}
}

static void check_body(const char *body)
{
	struct api_request request = {.body = body, .body_bytes = strlen(body)};
	struct api_reply reply = {0};
	json_t *json = api_body_object(&request, &reply);
	CHECK(!json == (reply.status == 400));
	json_decref(json);
	json = reply.text.data ? json_loads(reply.text.data, 0, NULL) : NULL;
	CHECK(!json == !reply.text.data); /* a problem is JSON, whatever it quotes */
	json_decref(json);
	text_free(&reply.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text = malloc(bytes + 1), *at = text;
	if (!text)
		return 0;
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	char *target = line(&at), *method = line(&at);
	check_path(target, method);
	(void)server_takes_gzip(line(&at));
	check_etag(line(&at));
	check_body(at);
	free(text);
	return 0;
}
