/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask the API what, how often, and how answers travel: over a real socket and TCP port. */
#include <errno.h>
#include <poll.h>
#include <zlib.h>

#include "control/api/routes.h"
#include "control/api/shape.h"
#include "api_fixture.h"

/* With more header lines, each with its end. */
static int ask_with(bool tcp, const char *method, const char *path, const char *lines,
                    const char *body)
{
	char request[8192];
	int length = snprintf(request, sizeof request,
	                      "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s"
	                      "Content-Length: %zu\r\n\r\n%s",
	                      method, path, lines, strlen(body), body);
	return exchange(dial(f.config.api.socket, tcp ? tcp_port : 0), request, (size_t)length);
}

#define JSON "Content-Type: application/json\r\n"

/* A token of a role, as a header line. */
static const char *bearer(const char *name, const char *role)
{
	static char line[4][128];
	static unsigned next;
	char body[128];
	snprintf(body, sizeof body, "{\"name\":\"%s\",\"role\":\"%s\"}", name, role);
	assert_int_equal(ask_with(false, "POST", "/tokens", JSON, body), 201);
	json_t *s = parsed();
	char *out = line[next++ % 4];
	snprintf(out, sizeof line[0], "Authorization: Bearer %s\r\n",
	         json_string_value(json_object_get(s, "token")));
	json_decref(s);
	return out;
}

static void token_opens_what_its_role_may(void **state)
{
	(void)state;
	const char *viewer = bearer("v", "viewer");
	const char *operator = bearer("o", "operator");
	const char *admin = bearer("a", "admin");
	const char *monitor = bearer("m", "monitor");
	const char *csv = "Content-Type: text/csv\r\n";
	char both[256];
	assert_int_equal(ask_with(true, "GET", "/devices/SM-1", "", ""), 401);
	assert_int_equal(ask_with(true, "GET", "/devices/SM-1", monitor, ""), 403);
	assert_has("needs the role viewer; 'm' is monitor");
	assert_int_equal(ask_with(true, "GET", "/metrics", monitor, ""), 200);
	assert_int_equal(ask_with(true, "GET", "/devices/SM-1", viewer, ""), 200);
	snprintf(both, sizeof both, "%s%s", viewer, csv);
	assert_int_equal(ask_with(true, "POST", "/devices/import", both, "id\nE-1\n"), 403);
	assert_int_equal(registry_number_of(f.registry, "E-1", 3), DEVICE_NONE);
	snprintf(both, sizeof both, "%s%s", operator, csv);
	assert_int_equal(ask_with(true, "POST", "/devices/import", both, "id\nE-1\n"), 200);
	assert_int_not_equal(registry_number_of(f.registry, "E-1", 3), DEVICE_NONE);
	assert_int_equal(ask_with(true, "GET", "/tokens", operator, ""), 403);
	assert_int_equal(ask_with(true, "GET", "/tokens", admin, ""), 200);
	assert_has("{\"name\":\"a\",\"id\":\"");
	assert_has("\"count\":4}");
	assert_int_equal(ask_with(true, "GET", "/whoami", viewer, ""), 200);
	assert_has("{\"name\":\"v\",\"role\":\"viewer\",\"from\":\"127.0.0.1:");
	/* a token at a foreign name of this machine is fine: no browser was talked into it */
	assert_int_equal(ask_with(true, "DELETE", "/tokens/v", admin, ""), 200);
	assert_int_equal(ask_with(true, "GET", "/devices/SM-1", viewer, ""), 401);
	assert_int_equal(ask_with(true, "GET", "/metrics", viewer, ""), 401);
	assert_int_equal(ask_with(false, "DELETE", "/tokens/v", "", ""), 404);
	assert_int_equal(ask_with(true, "GET", "/metrics", "Authorization: Basic YTpi\r\n", ""),
	                 401);
}

static void token_wishes_are_checked(void **state)
{
	static const char *const bad[] = {
	    "",
	    "[]",
	    "{",
	    "{\"name\":\"x\"}",
	    "{\"role\":\"viewer\"}",
	    "{\"name\":\"x\",\"role\":\"king\"}",
	    "{\"name\":\"x\",\"role\":\"anybody\"}",
	    "{\"name\":\"x\",\"name\":\"y\",\"role\":\"viewer\"}",
	    "{\"name\":\"x y\",\"role\":\"viewer\"}",
	    "{\"name\":\"x\",\"role\":\"viewer\",\"expires_days\":0}",
	    "{\"name\":\"x\",\"role\":\"viewer\",\"expires_days\":\"1\"}",
	    "{\"name\":\"x\",\"role\":\"viewer\",\"secret\":\"1\"}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(ask_with(false, "POST", "/tokens", JSON, bad[i]), 400);
		assert_has("\"remedy\":");
	}
	assert_int_equal(ask_with(false, "POST", "/tokens", "Content-Type: text/xml\r\n", "<x/>"),
	                 415);
	assert_int_equal(ask("/tokens"), 200);
	assert_has("\"count\":0}");
	assert_int_equal(ask_with(false, "POST", "/tokens", JSON,
	                          "{\"name\":\"x\",\"role\":\"viewer\",\"expires_days\":1}"), 201);
	assert_non_null(strstr(headers, "Location: /tokens/x"));
	assert_lacks("\"expires\":null");
}

static void changes_are_in_the_audit_log(void **state)
{
	(void)state;
	assert_int_equal(ask("/audit-log"), 200);
	assert_has("\"count\":0,\"more\":false");
	const char *admin = bearer("a", "admin");
	assert_int_equal(ask_at(false, "POST", "/devices/import", "text/csv",
	                        "id,state\nP/1,pending\n"), 200);
	assert_int_equal(ask_with(true, "POST", "/devices/approve/P%2F1", admin, ""), 200);
	assert_int_equal(ask_with(true, "POST", "/devices/approve/P%2F1", admin, ""), 409);
	assert_int_equal(ask("/audit-log"), 200);
	assert_has("\"count\":4,\"more\":false");
	assert_has("\"who\":\"a\",\"role\":\"admin\",\"from\":\"127.0.0.1:");
	assert_has("\"method\":\"POST\",\"target\":\"/devices/approve/P%2F1\",\"object\":\"P/1\","
	           "\"status\":200,\"outcome\":\"done\"");
	assert_has("\"status\":409,\"outcome\":\"refused\"");
	assert_has("\"from\":\"unix:");
	assert_int_equal(ask("/audit-log?who=a&limit=1"), 200);
	assert_has("\"number\":4");
	assert_has("\"count\":1,\"more\":true");
	assert_int_equal(ask("/audit-log?from=1&limit=3"), 200);
	assert_has("\"count\":3,\"more\":true");
	assert_non_null(strstr(headers, "Link: </audit-log?limit=3&from=4>; rel=\"next\""));
	assert_int_equal(ask("/audit-log?from=4&limit=3"), 200);
	assert_has("\"count\":1,\"more\":false");
	assert_int_equal(ask("/audit-log?object=P%2F1&method=post&path=/devices"), 200);
	assert_has("\"count\":2,");
	assert_int_equal(ask("/audit-log?since=2000-01-01&until=2000-01-02"), 200);
	assert_has("\"count\":0,");
}

static void too_many_requests_are_told_when_to_come_again(void **state)
{
	struct error err;
	(void)state;
	const char *viewer = bearer("v", "viewer");
	api_stop(f.api);
	f.config.api.requests_per_s = 3;
	assert_int_equal(api_start(&f.context, &f.api, &err), RESULT_OK);
	int status = 200, asked = 0;
	for (; status == 200 && asked < 1000; asked++)
		status = ask_with(true, "GET", "/health", viewer, "");
	assert_int_equal(status, 429);
	assert_non_null(strstr(headers, "Retry-After: "));
	assert_has("asked more often than it may");
	assert_true(asked > 6);
	assert_int_equal(ask("/health"), 200); /* the socket's users are not limited */
}

static void answers_are_compressed_for_who_takes_it(void **state)
{
	static char plain[sizeof answer];
	static const char *const takes[] = {"gzip", "br, gzip;q=0.5", "*"};
	static const char *const not[] = {"br", "gzip;q=0", "identity"};
	char line[64];
	(void)state;
	assert_int_equal(ask("/openapi.json"), 200);
	size_t bytes = strlen(answer);
	strcpy(plain, answer);
	for (size_t i = 0; i < 3; i++) {
		snprintf(line, sizeof line, "Accept-Encoding: %s\r\n", not[i]);
		assert_int_equal(ask_with(false, "GET", "/openapi.json", line, ""), 200);
		assert_null(strstr(headers, "Content-Encoding"));
		snprintf(line, sizeof line, "Accept-Encoding: %s\r\n", takes[i]);
		assert_int_equal(ask_with(false, "GET", "/openapi.json", line, ""), 200);
		assert_non_null(strstr(headers, "Content-Encoding: gzip"));
		assert_non_null(strstr(headers, "-gzip\""));
	}
	assert_true(answer_bytes < bytes / 2);
	static char out[sizeof answer];
	z_stream z = {.next_in = (Bytef *)answer, .avail_in = (uInt)answer_bytes,
	              .next_out = (Bytef *)out, .avail_out = sizeof out - 1};
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	inflateEnd(&z);
	assert_string_equal(out, plain);
}

/* Every $ref of the description leads somewhere. */
static void check_references(json_t *value, json_t *schemas)
{
	const char *key;
	json_t *member;
	size_t i;
	json_array_foreach(value, i, member)
		check_references(member, schemas);
	json_object_foreach(value, key, member) {
		const char *to = strcmp(key, "$ref") == 0 ? json_string_value(member) : NULL;
		static const char place[] = "#/components/schemas/";
		if (to && strncmp(to, place, strlen(place)) == 0 &&
		    !json_object_get(schemas, to + strlen(place)))
			fail_msg("there is no shape %s", to);
		check_references(member, schemas);
	}
}

static void description_is_whole(void **state)
{
	const char *path;
	json_t *methods;
	(void)state;
	assert_int_equal(ask("/openapi.json"), 200);
	json_t *s = parsed();
	check_references(s, json_object_get(json_object_get(s, "components"), "schemas"));
	json_t *paths = json_object_get(s, "paths");
	for (size_t t = 0; api_topics[t]; t++)
		for (const struct api_route *r = api_topics[t]->routes; r->method; r++) {
			char method[16] = "";
			for (size_t i = 0; r->method[i]; i++)
				method[i] = (char)(r->method[i] | 0x20);
			if (!json_object_get(json_object_get(paths, r->path), method))
				fail_msg("%s %s is not described", r->method, r->path);
			assert_non_null(r->summary);
			assert_non_null(r->answers);
		}
	json_object_foreach(paths, path, methods)
		assert_true(json_object_size(methods) > 0);
	json_decref(s);
}

static void shapes_become_schemas(void **state)
{
	static const struct {
		const char *shape, *schema;
	} good[] = {
	    {"int", "{\"type\":\"integer\"}"},
	    {"'a'|'b'", "{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}"},
	    {"int?", "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"null\"}]}"},
	    {"int|Name", "{\"anyOf\":[{\"type\":\"integer\"},"
	                 "{\"$ref\":\"#/components/schemas/Name\"}]}"},
	    {"[bool]", "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}"},
	    {"<any>", "{\"type\":\"object\",\"additionalProperties\":{}}"},
	    {"{a:any b?:any}", "{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},"
	                       "\"required\":[\"a\"],\"additionalProperties\":false}"},
	    {"{...}", "{\"type\":\"object\",\"properties\":{}}"},
	    {"int!", "{\"type\":\"integer\"}"},
	};
	static const char *const bad[] = {"",       "integer", "[int",    "{a int}",
	                                  "{a:int", "{:int}",  "'a",      "<int",
	                                  "int int", "{... a:int}", "int|"};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct text t = {0};
		assert_true(shape_schema(good[i].shape, &t));
		assert_string_equal(t.data, good[i].schema);
		text_free(&t);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct text t = {0};
		assert_false(shape_schema(bad[i], &t));
		text_free(&t);
	}
}

static void etag(char line[128], const char *name)
{
	const char *at = strstr(headers, "ETag: ");
	assert_non_null(at);
	snprintf(line, 128, "%s: %.*s\r\n", name, (int)strcspn(at + 6, "\r"), at + 6);
}

static void answer_that_is_known_is_not_sent_again(void **state)
{
	char line[128];
	(void)state;
	assert_int_equal(ask("/devices/SM-1"), 200);
	etag(line, "If-None-Match");
	assert_int_equal(ask_with(false, "GET", "/devices/SM-1", line, ""), 304);
	assert_string_equal(answer, "");
	assert_int_equal(ask_with(false, "HEAD", "/devices/SM-1", line, ""), 304);
	assert_int_equal(ask_with(false, "HEAD", "/devices/SM-1", "", ""), 200);
	assert_string_equal(answer, "");
	assert_int_equal(ask_with(false, "GET", "/devices/SM-2", line, ""), 200);
	assert_int_equal(ask_with(false, "GET", "/devices/SM-2",
	                          "If-None-Match: \"x\", W/\"y\" ,*\r\n", ""), 304);
	assert_int_equal(ask_with(false, "GET", "/devices/SM-2", "If-None-Match: garbage\r\n", ""),
	                 200);
}

static void change_is_made_only_if_nothing_changed_meanwhile(void **state)
{
	char line[192];
	(void)state;
	assert_int_equal(ask("/tokens"), 200);
	etag(line, "If-Match");
	strcat(line, JSON);
	assert_int_equal(ask_with(false, "POST", "/tokens", line,
	                          "{\"name\":\"x\",\"role\":\"viewer\"}"), 201);
	assert_int_equal(ask_with(false, "POST", "/tokens", line,
	                          "{\"name\":\"y\",\"role\":\"viewer\"}"), 412);
	assert_has("It has changed since");
	assert_int_equal(ask("/tokens"), 200);
	assert_has("\"count\":1}");
}

static void wrong_methods_and_paths_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(ask_with(false, "PUT", "/tokens", "", ""), 405);
	assert_non_null(strstr(headers, "Allow: GET, HEAD, POST\r\n"));
	assert_non_null(strstr(headers, "application/problem+json"));
	assert_int_equal(ask_with(false, "BREW", "/devices/SM-1", "", ""), 405);
	assert_int_equal(ask("/devices/"), 404);
	assert_int_equal(ask("/devices/%00"), 400);
	assert_int_equal(ask("/devices/%4"), 400);
	assert_int_equal(ask("/devices/SM-1?x=%00"), 400);
	assert_int_equal(ask("/1/2/3/4/5/6/7/8/9"), 400);
	assert_int_equal(ask("//"), 404);
}

static int raw(const char *request)
{
	return exchange(dial(f.config.api.socket, 0), request, strlen(request));
}

/* Each is a problem of ours, and the connection ends: exchange returns. */
static void head_that_could_be_read_in_two_ways_is_refused(void **state)
{
	static char fields[32768 + 256];
	static const struct {
		int status;
		const char *detail, *request;
	} cases[] = {
	    {400, "one Host", "GET /health HTTP/1.1\r\n\r\n"},
	    {400, "one Host", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
	    {400, "name is 'A '", "GET /health HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n"},
	    {400, "told twice", "POST /audit HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
	                        "Content-Length: 5\r\n\r\n"},
	    {400, "told twice", "POST /audit HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
	                        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	    {501, "chunked", "POST /audit HTTP/1.1\r\nHost: a\r\n"
	                     "Transfer-Encoding: gzip\r\n\r\n"},
	    {501, "chunked", "POST /audit HTTP/1.1\r\nHost: a\r\n"
	                     "Transfer-Encoding: gzip, chunked\r\n\r\n"},
	    {431, "longer than 32768", fields},
	};
	(void)state;
	int used = sprintf(fields, "GET /health HTTP/1.1\r\nHost: a\r\nX: ");
	memset(fields + used, 'x', 32768);
	strcpy(fields + used + 32768, "\r\n\r\n");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(raw(cases[i].request), cases[i].status);
		assert_non_null(strstr(headers, "application/problem+json"));
		assert_non_null(strstr(headers, "Connection: close"));
		assert_has(cases[i].detail);
		assert_has("\"remedy\":");
	}
	assert_int_equal(raw("GET /health HTTP/1.0\r\n\r\n"), 200);
}

/* Answers that nobody reads stay in memory: a few large ones at a time, then none; small ones
 * always. */
static void large_answers_are_few_at_a_time(void **state)
{
	static const char request[] = "GET /readings/X%2FY%20Z?limit=100000 HTTP/1.1\r\n"
	                              "Host: localhost\r\nConnection: close\r\n\r\n";
	char byte;
	int fd[4];
	(void)state;
	for (int i = 0; i < 9000; i++)
		add_reading(2, T0 + i * 1000, 1000 + i, 0);
	for (int i = 0; i < 4; i++) {
		fd[i] = dial(f.config.api.socket, 0);
		assert_int_equal(send(fd[i], request, strlen(request), MSG_NOSIGNAL),
		                 strlen(request));
		assert_int_equal(recv(fd[i], &byte, 1, 0), 1); /* it is there, and waits for us */
	}
	assert_int_equal(raw(request), 503);
	assert_has("\"title\":\"Busy\"");
	assert_int_equal(ask("/readings/X%2FY%20Z?limit=10"), 200);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	int status = 503;
	for (int tries = 0; status == 503 && tries < 1000; tries++) {
		status = raw(request);
		usleep(10000);
	}
	assert_int_equal(status, 200);
	assert_true(answer_bytes > 2 << 20);
}

static void slow_request_ends(void **state)
{
	struct error err;
	char byte;
	(void)state;
	api_stop(f.api);
	f.config.api.request_timeout_s = 1;
	assert_int_equal(api_start(&f.context, &f.api, &err), RESULT_OK);
	int fd = dial("", tcp_port);
	const char *slow = "GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: bbbbbbbbbbbbbbbbbbbb";
	/* a byte now and then is no silence, and no reason to wait for ever */
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};
	int sent = 0;
	while (poll(&p, 1, 200) == 0 && slow[sent])
		assert_int_equal(send(fd, &slow[sent++], 1, MSG_NOSIGNAL), 1);
	assert_true(slow[sent] != '\0');
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
	assert_int_equal(ask("/health"), 200);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(token_opens_what_its_role_may),
	    CASE(token_wishes_are_checked),
	    CASE(changes_are_in_the_audit_log),
	    CASE(description_is_whole),
	    CASE(shapes_become_schemas),
	    CASE(too_many_requests_are_told_when_to_come_again),
	    CASE(answers_are_compressed_for_who_takes_it),
	    CASE(answer_that_is_known_is_not_sent_again),
	    CASE(change_is_made_only_if_nothing_changed_meanwhile),
	    CASE(wrong_methods_and_paths_are_told_apart),
	    CASE(head_that_could_be_read_in_two_ways_is_refused),
	    CASE(large_answers_are_few_at_a_time),
	    CASE(slow_request_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
