/* SPDX-License-Identifier: Apache-2.0 */
/* See acl.h. Input: an operator's file, and names from the network. Memory: the heap, at start. */
#include "control/broker/acl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/broker/tree.h"

#define LINE_BYTES     2048
#define EXPANDED_BYTES 65535

enum scope { SCOPE_ALL, SCOPE_PATTERN, SCOPE_USER, SCOPE_CLIENT };

struct rule {
	enum scope scope;
	unsigned access;
	unsigned order; /* of the line, so that sorting changes nothing else */
	char *name;     /* of the user or client; "" */
	char *filter;
};

struct acl {
	struct rule *rules; /* by scope and name */
	size_t count, capacity;
};

/* --- the file --- */

struct reader {
	struct acl *acl;
	enum scope scope;
	char name[LINE_BYTES];
	const char *path;
	unsigned line;
	struct error *err;
};

static enum result add(struct reader *r, enum scope scope, unsigned access, const char *filter)
{
	struct acl *a = r->acl;
	if (a->count == a->capacity) {
		size_t capacity = a->capacity ? a->capacity * 2 : 64;
		struct rule *longer = realloc(a->rules, capacity * sizeof *longer);
		if (!longer)
			return fail(RESULT_RESOURCE, r->err, "%s: no memory", r->path);
		a->rules = longer;
		a->capacity = capacity;
	}
	struct rule *rule = &a->rules[a->count++];
	bool named = scope == SCOPE_USER || scope == SCOPE_CLIENT;
	*rule = (struct rule){.scope = scope, .access = access, .order = r->line,
	                      .name = strdup(named ? r->name : ""), .filter = strdup(filter)};
	return rule->name && rule->filter
	           ? RESULT_OK
	           : fail(RESULT_RESOURCE, r->err, "%s: no memory", r->path);
}

static bool is_filter(const char *text)
{
	for (const char *c = text; *c; c++) {
		bool first = c == text || c[-1] == '/', last = c[1] == '\0';
		if (*c == '#' && (!first || !last))
			return false;
		if (*c == '+' && (!first || (!last && c[1] != '/')))
			return false;
	}
	return *text != '\0';
}

static enum result take_topic(struct reader *r, enum scope scope, char *rest)
{
	static const struct {
		const char *word;
		unsigned access;
	} words[] = {{"read ", ACL_READ}, {"write ", ACL_WRITE},
	             {"readwrite ", ACL_READ | ACL_WRITE}};
	unsigned access = ACL_READ | ACL_WRITE;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strncmp(rest, words[i].word, strlen(words[i].word)) == 0) {
			access = words[i].access;
			rest += strlen(words[i].word);
			rest += strspn(rest, " \t");
			break;
		}
	bool only_access = strcmp(rest, "read") == 0 || strcmp(rest, "write") == 0 ||
	                   strcmp(rest, "readwrite") == 0;
	if (only_access || !is_filter(rest))
		return fail(RESULT_INPUT, r->err,
		            "%s:%u: '%.80s' is no topic filter; expected [read|write|readwrite] "
		            "FILTER", r->path, r->line, rest);
	return add(r, scope, access, rest);
}

static enum result take_line(struct reader *r, char *line)
{
	size_t length = strlen(line);
	while (length > 0 && strchr(" \t\r\n", line[length - 1]))
		line[--length] = '\0';
	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#')
		return RESULT_OK;
	char *rest = line + strcspn(line, " \t");
	if (*rest) {
		*rest++ = '\0';
		rest += strspn(rest, " \t");
	}
	bool user = strcmp(line, "user") == 0, client = strcmp(line, "client") == 0;
	if ((user || client) && *rest) {
		r->scope = user ? SCOPE_USER : SCOPE_CLIENT;
		snprintf(r->name, sizeof r->name, "%s", rest);
		return RESULT_OK;
	}
	if (strcmp(line, "topic") == 0)
		return take_topic(r, r->scope, rest);
	if (strcmp(line, "pattern") == 0)
		return take_topic(r, SCOPE_PATTERN, rest);
	return fail(RESULT_INPUT, r->err,
	            "%s:%u: expected 'user NAME', 'client ID', 'topic ...' or 'pattern ...'",
	            r->path, r->line);
}

static int by_scope(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;
	if (x->scope != y->scope)
		return x->scope < y->scope ? -1 : 1;
	int order = strcmp(x->name, y->name);
	return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

enum result acl_load(const char *path, struct acl **out, struct error *err)
{
	char line[LINE_BYTES];
	FILE *f = fopen(path, "re");
	if (!f)
		return fail(RESULT_INPUT, err, "%s: %s", path, strerror(errno));
	struct acl *a = calloc(1, sizeof *a);
	struct reader r = {.acl = a, .path = path, .err = err};
	enum result result = a ? RESULT_OK : fail(RESULT_RESOURCE, err, "%s: no memory", path);
	while (result == RESULT_OK && fgets(line, sizeof line, f)) {
		r.line++;
		result = strlen(line) == sizeof line - 1
		             ? fail(RESULT_INPUT, err, "%s:%u: the line is too long", path, r.line)
		             : take_line(&r, line);
	}
	if (result == RESULT_OK && ferror(f))
		result = fail(RESULT_INPUT, err, "%s: cannot be read", path);
	fclose(f);
	if (result != RESULT_OK) {
		acl_free(a);
		return result;
	}
	if (a->count > 0)
		qsort(a->rules, a->count, sizeof a->rules[0], by_scope);
	*out = a;
	return RESULT_OK;
}

void acl_free(struct acl *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->count; i++) {
		free(a->rules[i].name);
		free(a->rules[i].filter);
	}
	free(a->rules);
	free(a);
}

/* --- checking --- */

static int compare(const struct rule *rule, enum scope scope, struct bytes name)
{
	if (rule->scope != scope)
		return rule->scope < scope ? -1 : 1;
	size_t length = strlen(rule->name), shorter = length < name.count ? length : name.count;
	int order = shorter ? memcmp(rule->name, name.data, shorter) : 0;
	return order ? order : length < name.count ? -1 : length > name.count;
}

static size_t first_of(const struct acl *a, enum scope scope, struct bytes name)
{
	size_t low = 0, high = a->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (compare(&a->rules[middle], scope, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A name that is put into a filter must not be more than one level. */
static bool is_one_level(struct bytes name)
{
	for (uint32_t i = 0; i < name.count; i++)
		if (strchr("+#/", name.data[i]))
			return false;
	return name.count > 0;
}

/* False: the rule is not for this client. */
static bool expand(const char *pattern, struct bytes client, struct bytes user,
                   struct bytes *filter, uint8_t out[EXPANDED_BYTES])
{
	uint32_t used = 0;
	for (const char *c = pattern; *c; c++) {
		bool is_client = c[0] == '%' && c[1] == 'c', is_user = c[0] == '%' && c[1] == 'u';
		struct bytes part = is_client ? client : user;
		if (!is_client && !is_user)
			part = (struct bytes){(const uint8_t *)c, 1};
		else if (!is_one_level(part))
			return false;
		else
			c++;
		if (used + part.count > EXPANDED_BYTES)
			return false;
		memcpy(out + used, part.data, part.count);
		used += part.count;
	}
	*filter = (struct bytes){out, used};
	return true;
}

static bool allows(const struct acl *a, enum scope scope, struct bytes name, struct bytes client,
                   struct bytes user, struct bytes topic, enum acl_access access)
{
	uint8_t expanded[EXPANDED_BYTES];
	for (size_t i = first_of(a, scope, name);
	     i < a->count && compare(&a->rules[i], scope, name) == 0; i++) {
		const struct rule *rule = &a->rules[i];
		struct bytes filter = {(const uint8_t *)rule->filter,
		                       (uint32_t)strlen(rule->filter)};
		if (!(rule->access & access))
			continue;
		if (scope == SCOPE_PATTERN &&
		    !expand(rule->filter, client, user, &filter, expanded))
			continue;
		if (filter_covers(filter, topic))
			return true;
	}
	return false;
}

bool acl_allows(const struct acl *a, struct bytes client, struct bytes user, struct bytes topic,
                enum acl_access access)
{
	const struct bytes nobody = {0};
	return allows(a, SCOPE_ALL, nobody, client, user, topic, access) ||
	       allows(a, SCOPE_CLIENT, client, client, user, topic, access) ||
	       (user.count > 0 && allows(a, SCOPE_USER, user, client, user, topic, access)) ||
	       allows(a, SCOPE_PATTERN, nobody, client, user, topic, access);
}
