/* SPDX-License-Identifier: Apache-2.0 */
/* Which route a path and method mean. Pure. The topics' own files have the routes. */
#include "control/api/routes.h"

#include <stdio.h>
#include <string.h>

#include "control/api/topics.h"

const struct api_topic *const api_topics[] = {
    &api_topic_status,
    &api_topic_devices,
    &api_topic_points,
    &api_topic_readings,
    &api_topic_aggregates,
    &api_topic_usage,
    &api_topic_profile,
    &api_topic_edits,
    &api_topic_vee,
    &api_topic_explain,
    &api_topic_bills,
    &api_topic_errors,
    &api_topic_events,
    &api_topic_export,
    &api_topic_audit,
    &api_topic_backup,
    &api_topic_history,
    &api_topic_access,
    &api_topic_openapi,
    &api_topic_page,
    NULL,
};

const char *api_role_name(enum api_role role)
{
	static const char *const names[] = {"anybody", "monitor", "viewer", "operator", "admin"};
	_Static_assert(sizeof names / sizeof names[0] == API_ROLE_COUNT, "each has a name");
	return role < API_ROLE_COUNT ? names[role] : "nobody";
}

const char *api_kind_type(unsigned bit)
{
	static const char *const types[] = {
	    "application/json", "text/csv", "application/x-ndjson",     "text/plain",
	    "text/html",        "application/octet-stream", "*/*"};
	_Static_assert(sizeof types / sizeof types[0] == API_KIND_COUNT, "each has a type");
	return bit < API_KIND_COUNT ? types[bit] : "";
}

size_t api_segment_parameter(const char *segment, size_t length)
{
	return length > 2 && segment[0] == '{' && segment[length - 1] == '}' ? length - 2 : 0;
}

/* How well a template fits: -1 not at all, else a number in which an earlier literal segment
 * weighs more than all later ones. */
static int fit(const char *path, const char *const *segments, unsigned count)
{
	int weight = 0;
	unsigned i = 0;
	if (strcmp(path, "/") == 0)
		return count == 0 ? 0 : -1;
	for (; *path == '/'; i++) {
		size_t length = strcspn(++path, "/");
		if (i == count)
			return -1;
		bool literal = api_segment_parameter(path, length) == 0;
		if (literal && (strlen(segments[i]) != length ||
		                memcmp(segments[i], path, length) != 0))
			return -1;
		if (!literal && segments[i][0] == '\0')
			return -1;
		weight = weight * 2 + literal;
		path += length;
	}
	return i == count ? weight : -1;
}

/* HEAD is GET without the body. */
static bool is_method(const struct api_route *route, const char *method)
{
	return strcmp(route->method, strcmp(method, "HEAD") == 0 ? "GET" : method) == 0;
}

const struct api_route *api_route_find(const char *method, const char *const *segments,
                                       unsigned count, const struct api_route **other)
{
	const struct api_route *best = NULL;
	int best_fit = -1, other_fit = -1;
	*other = NULL;
	for (size_t t = 0; api_topics[t]; t++)
		for (const struct api_route *r = api_topics[t]->routes; r->method; r++) {
			int fits = fit(r->path, segments, count);
			if (fits > best_fit && is_method(r, method)) {
				best = r;
				best_fit = fits;
			} else if (fits > other_fit && !is_method(r, method)) {
				*other = r;
				other_fit = fits;
			}
		}
	return best;
}

void api_route_methods(const char *const *segments, unsigned count, char *out, size_t bytes)
{
	int used = 0;
	out[0] = '\0';
	for (size_t t = 0; api_topics[t]; t++)
		for (const struct api_route *r = api_topics[t]->routes; r->method; r++)
			if (fit(r->path, segments, count) >= 0 && used < (int)bytes)
				used += snprintf(out + used, bytes - (size_t)used, "%s%s%s",
				                 used ? ", " : "", r->method,
				                 strcmp(r->method, "GET") == 0 ? ", HEAD" : "");
}

const struct api_param *api_route_parameter(const struct api_route *route, const char *name)
{
	for (const struct api_param *p = route->parameters; p && p->name; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

int api_route_path_index(const struct api_route *route, const char *name)
{
	int index = 0;
	const char *path = route->path;
	while (*path == '/') {
		size_t length = strcspn(++path, "/");
		size_t parameter = api_segment_parameter(path, length);
		if (parameter > 0 && strlen(name) == parameter &&
		    memcmp(path + 1, name, parameter) == 0)
			return index;
		index += parameter > 0;
		path += length;
	}
	return -1;
}

bool api_param_required(const struct api_param *param)
{
	size_t length = strlen(param->type);
	return length > 0 && param->type[length - 1] == '!';
}
