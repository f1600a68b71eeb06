/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the daemon is: its Unix socket, or a URL with a token. A token never leaves the machine
 * unencrypted.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/cli/client.h"

#define SOCKET_DEFAULT "/run/headrace/api.sock"

static const char *environment(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

static bool wrong(char *why, size_t bytes, const char *what, const char *value, const char *more)
{
	snprintf(why, bytes, "%s%s%s", what, value, more);
	return false;
}

/* The file's first line. */
static bool read_token(const char *path, struct target *t, char *why, size_t bytes)
{
	FILE *f = fopen(path, "re");
	size_t used = f ? fread(t->token, 1, sizeof t->token - 1, f) : 0;
	bool good = f && !ferror(f);
	int cause = errno;
	if (f)
		fclose(f);
	if (!good)
		return wrong(why, bytes, path, ": ", strerror(cause));
	t->token[used] = '\0';
	t->token[strcspn(t->token, "\r\n")] = '\0';
	return t->token[0] ? true : wrong(why, bytes, path, "", " has no token in its first line");
}

/* https, or a host that is this machine. */
static bool is_private(const char *url)
{
	static const char *const own[] = {"localhost", "127.", "[::1]"};
	if (strncasecmp(url, "https://", 8) == 0)
		return true;
	const char *host = strstr(url, "://");
	host = host ? host + 3 : url;
	size_t length = strcspn(host, "/?#");
	if (memchr(host, '@', length))
		return false;
	length = host[0] == '[' ? length : strcspn(host, ":/");
	for (unsigned i = 0; i < 3; i++) {
		size_t n = strlen(own[i]);
		bool whole = i == 0 ? length == n
		             : i == 1 ? strspn(host, "0123456789.") == length
		                      : true;
		if (length >= n && strncasecmp(host, own[i], n) == 0 && whole)
			return true;
	}
	return false;
}

static bool take_token(const struct arguments *a, struct target *t, char *why, size_t bytes)
{
	const char *token = a->options[OPTION_TOKEN], *file = a->options[OPTION_TOKEN_FILE];
	if (!token && !file)
		token = environment("HEADRACE_TOKEN");
	if (!token && !file)
		file = environment("HEADRACE_TOKEN_FILE");
	if (token && strlen(token) >= sizeof t->token)
		return wrong(why, bytes, "the token is too long", "", "");
	if (token)
		strcpy(t->token, token);
	else if (file && !read_token(file, t, why, bytes))
		return false;
	for (const char *c = t->token; *c; c++)
		if (*c <= ' ' || *c > '~')
			return wrong(why, bytes, "the token has characters that no token has",
			             "", "");
	if (t->token[0] && t->url && !is_private(t->url))
		return wrong(why, bytes, "the token would travel unencrypted to ", t->url,
		             "\nUse https.");
	return true;
}

static bool take(const struct arguments *a, struct target *t, char *why, size_t bytes)
{
	const char *url = a->options[OPTION_URL], *path = a->options[OPTION_SOCKET];
	*t = (struct target){0};
	if (!url && !path)
		url = environment("HEADRACE_URL");
	if (url) {
		size_t length = strlen(url);
		if (!strstr(url, "://") || length >= sizeof t->url_text)
			return wrong(why, bytes, "the URL is '", url,
			             "'; expected one as https://host:port");
		strcpy(t->url_text, url);
		while (length > 0 && url[length - 1] == '/')
			t->url_text[--length] = '\0';
		t->url = t->url_text;
	} else {
		path = path ? path : environment("HEADRACE_SOCKET");
		t->socket = path ? path : SOCKET_DEFAULT;
	}
	t->cacert = a->options[OPTION_CACERT];
	if (!t->cacert)
		t->cacert = environment("HEADRACE_CACERT");
	return take_token(a, t, why, bytes);
}

bool target_try(const struct arguments *a, struct target *t)
{
	char why[2048];
	return take(a, t, why, sizeof why);
}

bool target_read(const struct arguments *a, struct target *t)
{
	char why[2048];
	bool good = take(a, t, why, sizeof why);
	if (!good)
		fprintf(stderr, "headrace: %s\n", why);
	return good;
}
