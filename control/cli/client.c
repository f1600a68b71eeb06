/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API's client: libcurl over the daemon's Unix socket, or over TCP to a URL, with TLS and a
 * token. Only this file sees libcurl.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/cli/client.h"

#define ANSWER_BYTES_MAX (256u << 20)
#define TIMEOUT_S        3600L /* an audit of a large store takes its time */
#define SILENCE_S        300L  /* of a stream */
#define CONNECT_S        10L
#define TRY_MS           1500L
#define HOOK_US          250000u

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
	struct answer *answer = context;
	size_t bytes = size * count;
	if (bytes > ANSWER_BYTES_MAX - answer->bytes)
		return 0;
	char *text = realloc(answer->text, answer->bytes + bytes + 1);
	if (!text)
		return 0;
	memcpy(text + answer->bytes, data, bytes);
	answer->text = text;
	answer->bytes += bytes;
	text[answer->bytes] = '\0';
	return bytes;
}

/* --- what went wrong --- */

static void explain_socket(const char *path, CURLcode code, long system_errno)
{
	if (code != CURLE_COULDNT_CONNECT) {
		fprintf(stderr, "headrace: the daemon at %s broke off: %s\n", path,
		        curl_easy_strerror(code));
		fprintf(stderr, "Look at headraced's log, then try again.\n");
		return;
	}
	int cause = access(path, F_OK) != 0 ? errno : access(path, W_OK) != 0 ? errno : 0;
	if (cause == 0)
		cause = system_errno ? (int)system_errno : ECONNREFUSED;
	fprintf(stderr, "headrace: no daemon answers at %s: %s\n", path, strerror(cause));
	if (cause == EACCES)
		fprintf(stderr, "Run this as the daemon's user or group (or with sudo).\n");
	else
		fprintf(stderr, "Start it with: headraced --config /etc/headrace/headrace.yaml\n"
		                "Or, if it runs, name its socket (api.socket in its configuration) "
		                "with --socket PATH or HEADRACE_SOCKET, or its address with "
		                "--url.\n");
}

static const char *url_remedy(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return "Is the host's name right?";
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
		return "Does headraced listen there (api.listen in its configuration), and may you "
		       "reach it?";
	case CURLE_PEER_FAILED_VERIFICATION:
		return "Give the certificate of its authority, or its own if it signed itself, "
		       "with --cacert FILE; the host in the URL must be one of its names.";
	case CURLE_SSL_CACERT_BADFILE:
		return "--cacert takes a file of certificates in PEM form.";
	case CURLE_SSL_CONNECT_ERROR:
		return "Is it https there, or should the URL begin with http?";
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
		return "Give a URL as https://host:port.";
	default:
		return "Is it headraced that listens there? http and https are not the same.";
	}
}

static void explain_url(const char *url, CURLcode code, const char *detail)
{
	fprintf(stderr, "headrace: no answer from %s: %s\n%s\n", url,
	        *detail ? detail : curl_easy_strerror(code), url_remedy(code));
}

/* --- waiting --- */

static struct {
	bool (*hook)(void *context);
	void *context;
	struct progress bar;
	uint64_t hooked_us;
} waiting;

void client_on_wait(bool (*hook)(void *context), void *context)
{
	waiting.hook = hook;
	waiting.context = context;
}

/* libcurl calls it about once a second, and oftener while bytes come and go. */
static int on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
	uint64_t now = clock_mono_us();
	(void)context;
	if (waiting.hook && now - waiting.hooked_us < HOOK_US)
		return 0;
	if (waiting.hook && waiting.hook(waiting.context)) {
		waiting.hooked_us = clock_mono_us();
		return 0;
	}
	waiting.bar.unit = NULL;
	if (up < up_total) {
		waiting.bar.what = "sending";
		progress_show(&waiting.bar, (uint64_t)up, (uint64_t)up_total);
	} else if (down > 0) {
		waiting.bar.what = "receiving";
		progress_show(&waiting.bar, (uint64_t)down, (uint64_t)down_total);
	} else {
		waiting.bar.what = "waiting for headraced";
		waiting.bar.unit = "s";
		progress_show(&waiting.bar, (now - waiting.bar.begun_us) / 1000000, 0);
	}
	return 0;
}

/* --- requests --- */

struct streaming {
	CURL *curl;
	client_chunk_fn *chunk;
	void *context;
	struct answer *answer;
	bool broken_off;
};

static size_t on_chunk(char *data, size_t size, size_t count, void *context)
{
	struct streaming *s = context;
	long status = 0;
	curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return on_data(data, size, count, s->answer);
	s->broken_off = !s->chunk(s->context, data, size * count);
	return s->broken_off ? 0 : size * count;
}

static void watch_progress(CURL *curl)
{
	progress_begin(&waiting.bar, "");
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
}

/* One for the process, so that a connection serves all that --watch and top ask. */
static CURL *make_request(void)
{
	static CURL *curl;
	if (curl)
		curl_easy_reset(curl);
	else
		curl = curl_easy_init();
	return curl;
}

static struct curl_slist *set_target(CURL *curl, const struct target *t, struct curl_slist *headers)
{
	char line[TOKEN_MAX + 32];
	if (!t->url) {
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, t->socket);
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	}
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "headrace/" HEADRACE_VERSION);
	if (t->url)
		curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
	if (t->cacert)
		curl_easy_setopt(curl, CURLOPT_CAINFO, t->cacert);
	if (!t->token[0])
		return headers;
	snprintf(line, sizeof line, "Authorization: Bearer %s", t->token);
	return curl_slist_append(headers, line);
}

static CURLcode transfer(CURL *curl, const struct target *t, const char *path,
                         struct curl_slist *headers, char *detail)
{
	char *url = NULL;
	if (asprintf(&url, "%s%s", t->url ? t->url : "http://headrace", path) < 0)
		return CURLE_OUT_OF_MEMORY;
	headers = set_target(curl, t, headers);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
	CURLcode code = curl_easy_perform(curl);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(headers);
	free(url);
	return code;
}

/* `stream` NULL: the whole answer is kept. */
static bool perform(const struct arguments *a, CURL *curl, const char *path,
                    struct curl_slist *headers, struct answer *answer, struct streaming *stream)
{
	struct target t;
	char detail[CURL_ERROR_SIZE] = "";
	*answer = (struct answer){0};
	if (!target_read(a, &t)) {
		curl_slist_free_all(headers);
		return false;
	}
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, stream ? on_chunk : on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, stream ? (void *)stream : (void *)answer);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, stream ? 0L : TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, stream ? SILENCE_S : TIMEOUT_S);
	if (!stream)
		watch_progress(curl);
	CURLcode code = transfer(curl, &t, path, headers, detail);
	if (!stream)
		progress_end(&waiting.bar);
	if (code != CURLE_OK && stream && stream->broken_off)
		return false; /* who did so says why */
	if (code != CURLE_OK) {
		long system_errno = 0;
		curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &system_errno);
		if (t.url)
			explain_url(t.url, code, detail);
		else
			explain_socket(t.socket, code, system_errno);
		answer_free(answer);
		return false;
	}
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
	if (!answer->text)
		answer->text = calloc(1, 1);
	return answer->text != NULL;
}

bool client_get(const struct arguments *a, const char *path, struct answer *answer)
{
	CURL *curl = make_request();
	return curl && perform(a, curl, path, NULL, answer, NULL);
}

json_t *client_try(const struct arguments *a, const char *path)
{
	CURL *curl = curl_easy_init(); /* of its own: another request may be under way */
	struct target t;
	struct answer answer = {0};
	char detail[CURL_ERROR_SIZE];
	long status = 0;
	if (!curl || !target_try(a, &t)) {
		curl_easy_cleanup(curl);
		return NULL;
	}
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TRY_MS);
	CURLcode code = transfer(curl, &t, path, NULL, detail);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	json_t *json = code == CURLE_OK && status == 200
	                   ? json_loadb(answer.text ? answer.text : "", answer.bytes, 0, NULL)
	                   : NULL;
	answer_free(&answer);
	curl_easy_cleanup(curl);
	return json;
}

bool client_post(const struct arguments *a, const char *path, const char *content_type,
                 const char *body, size_t bytes, struct answer *answer)
{
	CURL *curl = make_request();
	struct curl_slist *headers = NULL;
	char line[128];
	if (!curl)
		return false;
	if (content_type) {
		snprintf(line, sizeof line, "Content-Type: %s", content_type);
		headers = curl_slist_append(headers, line);
	}
	/* the daemon takes it or not; a round trip to ask first is no use */
	headers = curl_slist_append(headers, "Expect:");
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body ? body : "");
	return perform(a, curl, path, headers, answer, NULL);
}

bool client_delete(const struct arguments *a, const char *path, struct answer *answer)
{
	CURL *curl = make_request();
	if (!curl)
		return false;
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
	return perform(a, curl, path, NULL, answer, NULL);
}

bool client_stream(const struct arguments *a, bool post, const char *path, client_chunk_fn *chunk,
                   void *context, struct answer *answer)
{
	struct streaming s = {
	    .curl = make_request(), .chunk = chunk, .context = context, .answer = answer};
	*answer = (struct answer){0};
	if (!s.curl)
		return false;
	if (post) {
		curl_easy_setopt(s.curl, CURLOPT_POST, 1L);
		curl_easy_setopt(s.curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
		curl_easy_setopt(s.curl, CURLOPT_POSTFIELDS, "");
	}
	return perform(a, s.curl, path, NULL, answer, &s);
}

void answer_free(struct answer *answer)
{
	free(answer->text);
	*answer = (struct answer){0};
}

int answer_check(const struct answer *answer)
{
	if (answer->status >= 200 && answer->status < 300)
		return EXIT_GOOD;
	json_t *problem = json_loadb(answer->text, answer->bytes, 0, NULL);
	/* a detail may quote what a device sent */
	char *title = shown_text(json_object_get(problem, "title"));
	char *detail = shown_text(json_object_get(problem, "detail"));
	char *remedy = shown_text(json_object_get(problem, "remedy"));
	if (title && *title && detail && *detail)
		fprintf(stderr, "headrace: %s: %s\n", title, detail);
	else
		fprintf(stderr, "headrace: the daemon answered with HTTP status %ld\n",
		        answer->status);
	if (remedy && *remedy)
		fprintf(stderr, "What to do: %s\n", remedy);
	free(title);
	free(detail);
	free(remedy);
	json_decref(problem);
	if (answer->status == 401 || answer->status == 403)
		return EXIT_REFUSED;
	return answer->status == 400 ? EXIT_USAGE : EXIT_FAILED;
}

json_t *answer_json(const struct answer *answer)
{
	json_error_t error;
	json_t *json = json_loadb(answer->text, answer->bytes, 0, &error);
	if (!json)
		fprintf(stderr,
		        "headrace: the daemon's answer is not understood: %s\n"
		        "Are headrace and headraced of the same version? See: headrace --version\n",
		        error.text);
	return json;
}

char *client_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0);
	char *copy = escaped ? strdup(escaped) : NULL;
	curl_free(escaped);
	return copy;
}

char *client_query(const struct arguments *a, const enum option *options, size_t count)
{
	char *query = strdup("");
	for (size_t i = 0; i < count && query; i++) {
		const char *value = a->options[options[i]];
		if (!value)
			continue;
		char *escaped = client_escape(value), *longer = NULL;
		if (!escaped || asprintf(&longer, "%s%c%s=%s", query, *query ? '&' : '?',
		                         option_name(options[i]), escaped) < 0)
			longer = NULL;
		free(escaped);
		free(query);
		query = longer;
	}
	return query;
}

char *client_subject(const struct arguments *a, const enum option *options, size_t count)
{
	char *subject = client_escape(a->words[0]), *query = client_query(a, options, count);
	char *both = NULL;
	if (!subject || !query || asprintf(&both, "%s%s", subject, query) < 0)
		both = NULL;
	free(subject);
	free(query);
	return both;
}

int client_fetch(const struct arguments *a, const char *folder, char *tail, struct answer *answer)
{
	char *path = NULL;
	int code = EXIT_UNREACHABLE;
	if (!tail || asprintf(&path, "%s%s", folder, tail) < 0) {
		path = NULL;
		code = EXIT_FAILED;
		fprintf(stderr, "headrace: no memory\n");
	}
	if (path && client_get(a, path, answer)) {
		code = answer_check(answer);
		if (code != EXIT_GOOD)
			answer_free(answer);
	}
	free(path);
	free(tail);
	return code;
}

int client_json(const struct arguments *a, const char *folder, char *tail, json_t **json)
{
	struct answer answer;
	*json = NULL;
	int code = client_fetch(a, folder, tail, &answer);
	if (code != EXIT_GOOD)
		return code;
	if (a->options[OPTION_JSON])
		fwrite(answer.text, 1, answer.bytes, stdout);
	else if (!(*json = answer_json(&answer)))
		code = EXIT_FAILED;
	answer_free(&answer);
	return code;
}
