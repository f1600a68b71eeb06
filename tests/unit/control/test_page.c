/* SPDX-License-Identifier: Apache-2.0 */
/* The dashboard's files as they are served, and the history that it draws. */
#include "api_fixture.h"

#include "control/web/web.h"

/* GET with further header lines, each with its end. */
static int get_with(const char *path, const char *lines)
{
	char request[1024];
	int bytes = snprintf(request, sizeof request,
	                     "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n",
	                     path, lines);
	return exchange(dial(f.config.api.socket, 0), request, (size_t)bytes);
}

static void assert_header(const char *text)
{
	if (!strcasestr(headers, text))
		fail_msg("no '%s' in:\n%s", text, headers);
}

static void assert_no_header(const char *text)
{
	if (strcasestr(headers, text))
		fail_msg("'%s' in:\n%s", text, headers);
}

static void page_is_found_from_the_root(void **state)
{
	(void)state;
	assert_int_equal(ask("/"), 302);
	assert_header("\r\nLocation: /ui/");
	assert_int_equal(ask("/ui"), 302);
	assert_int_equal(ask("/ui/"), 200);
	assert_header("\r\nContent-Type: text/html; charset=utf-8");
	assert_has("<title>Headrace</title>");
}

static void every_file_has_its_type_and_the_policy(void **state)
{
	static const char *const types[][2] = {
	    {".js", "text/javascript"}, {".css", "text/css"}, {".svg", "image/svg+xml"},
	    {".html", "text/html"}};
	(void)state;
	assert_in_range(web_file_count, 10, 40);
	for (size_t i = 0; i < web_file_count; i++) {
		const struct web_file *file = &web_files[i];
		char path[128], line[128];
		snprintf(path, sizeof path, "/ui/%s", file->name);
		assert_int_equal(get_with(path, ""), 200);
		assert_int_equal(strlen(answer), file->bytes);
		assert_memory_equal(answer, file->plain, file->bytes);
		const char *ending = strrchr(file->name, '.');
		for (size_t k = 0; k < 4; k++)
			if (strcmp(types[k][0], ending) == 0) {
				snprintf(line, sizeof line, "\r\nContent-Type: %s", types[k][1]);
				assert_header(line);
			}
		assert_header("\r\nContent-Security-Policy: default-src 'none'; ");
		assert_header("\r\nX-Content-Type-Options: nosniff");
		assert_header("\r\nCache-Control: no-cache");
	}
}

static void file_is_compressed_for_who_takes_that(void **state)
{
	static const struct {
		const char *takes;
		bool gzip;
	} cases[] = {
	    {"Accept-Encoding: gzip, deflate, br\r\n", true},
	    {"Accept-Encoding: br;q=1, GZIP;q=0.5\r\n", true},
	    {"Accept-Encoding: gzip;q=0\r\n", false},
	    {"Accept-Encoding: gzip;q=0.000, br\r\n", false},
	    {"Accept-Encoding: br\r\n", false},
	    {"Accept-Encoding: gzippy\r\n", false},
	    {"", false},
	};
	(void)state;
	const struct web_file *file = web_find("main.js");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char line[64];
		assert_int_equal(get_with("/ui/main.js", cases[i].takes), 200);
		snprintf(line, sizeof line, "\r\nContent-Length: %zu",
		         cases[i].gzip ? file->gzip_bytes : file->bytes);
		assert_header(line);
		if (cases[i].gzip)
			assert_header("\r\nContent-Encoding: gzip");
		else
			assert_no_header("Content-Encoding");
	}
}

static void known_file_is_not_sent_again(void **state)
{
	char line[128];
	(void)state;
	const struct web_file *file = web_find("style.css");
	const char *const forms[] = {"If-None-Match: %s\r\n", "If-None-Match: \"x\", W/%s\r\n",
	                             "If-None-Match: %s , \"y\"\r\n"};
	for (size_t i = 0; i < 3; i++) {
		snprintf(line, sizeof line, forms[i], file->etag);
		assert_int_equal(get_with("/ui/style.css", line), 304);
		assert_string_equal(answer, "");
		assert_header(file->etag);
	}
	assert_int_equal(get_with("/ui/style.css", "If-None-Match: *\r\n"), 304);
	assert_int_equal(get_with("/ui/style.css", "If-None-Match: \"other\"\r\n"), 200);
	assert_int_equal(get_with("/ui/style.css", "If-None-Match: \r\n"), 200);
}

static void nothing_else_is_served(void **state)
{
	static const char *const paths[] = {"/ui/nothing.js", "/ui/../headraced", "/ui/%2e%2e%2fx",
	                                    "/ui/x/main.js", "/ui/main.js/", "/ui/MAIN.JS"};
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		assert_int_equal(ask(paths[i]), 404);
	assert_int_equal(ask("/ui/main.js?x=1"), 400);
}

static void page_comes_over_tcp_and_tells_nothing_of_meters(void **state)
{
	(void)state;
	assert_int_equal(ask_at(true, "GET", "/ui/main.js", NULL, ""), 200);
	assert_int_equal(ask_at(true, "GET", "/", NULL, ""), 302);
	assert_int_not_equal(ask_at(true, "GET", "/devices", NULL, ""), 200);
}

static void history_grows_by_samples(void **state)
{
	(void)state;
	json_t *h = NULL, *samples = NULL;
	for (int tries = 0; tries < 100; tries++) { /* one a second */
		assert_int_equal(ask("/status/history"), 200);
		json_decref(h);
		h = parsed();
		samples = json_object_get(h, "samples");
		if (json_array_size(samples) > 0)
			break;
		usleep(100000);
	}
	json_t *s = json_array_get(samples, 0);
	assert_int_equal(json_integer_value(json_object_get(s, "number")), 1);
	assert_int_equal(json_integer_value(json_object_get(s, "connections")), 4);
	assert_int_equal(json_array_size(json_object_get(s, "stages")),
	                 json_array_size(json_object_get(h, "stages")));
	assert_true(json_real_value(json_object_get(s, "seconds")) > 0);
	json_decref(h);
	assert_int_equal(ask("/status/history?after=x"), 400);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(page_is_found_from_the_root),
	    CASE(every_file_has_its_type_and_the_policy),
	    CASE(file_is_compressed_for_who_takes_that),
	    CASE(known_file_is_not_sent_again),
	    CASE(nothing_else_is_served),
	    CASE(page_comes_over_tcp_and_tells_nothing_of_meters),
	    CASE(history_grows_by_samples),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
