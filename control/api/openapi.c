/* SPDX-License-Identifier: Apache-2.0 */
/* GET /openapi.json: the table of routes as an OpenAPI 3.1 description. Pure. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "control/api/openapi.h"
#include "control/api/shape.h"
#include "control/api/topics.h"

static void put_text(struct text *t, const char *key, const char *value)
{
	text_add(t, "\"%s\":", key);
	text_json(t, value, strlen(value));
}

static bool put_schema(struct text *t, const char *shape)
{
	text_add(t, "\"schema\":");
	return shape_schema(shape ? shape : "any", t);
}

/* --- the parts of one operation --- */

static bool put_parameters(struct text *t, const struct api_route *r)
{
	bool good = true;
	text_add(t, ",\"parameters\":[");
	for (const struct api_param *p = r->parameters; p && p->name; p++) {
		bool path = api_route_path_index(r, p->name) >= 0;
		text_add(t, "%s\n{", p == r->parameters ? "" : ",");
		put_text(t, "name", p->name);
		text_add(t, ",\"in\":\"%s\",\"required\":%s,", path ? "path" : "query",
		         path || api_param_required(p) ? "true" : "false");
		put_text(t, "description", p->about);
		text_add(t, ",");
		good = put_schema(t, p->type) && good;
		text_add(t, "}");
	}
	text_add(t, "]");
	return good;
}

/* "content": by media type. The schema is that of JSON, or of a line of it. */
static bool put_content(struct text *t, unsigned kinds, const char *shape)
{
	const char *separator = "";
	bool good = true;
	text_add(t, "\"content\":{");
	for (unsigned bit = 0; bit < API_KIND_COUNT; bit++) {
		if (!(kinds & 1u << bit))
			continue;
		text_add(t, "%s\"%s\":{", separator, api_kind_type(bit));
		separator = ",";
		if (1u << bit & (API_JSON | API_NDJSON))
			good = put_schema(t, shape) && good;
		text_add(t, "}");
	}
	text_add(t, "}");
	return good;
}

static bool put_answers(struct text *t, const struct api_route *r)
{
	bool good = true;
	text_add(t, ",\"responses\":{");
	for (const struct api_answer *a = r->answers; a && a->status; a++) {
		text_add(t, "\"%u\":{\"description\":\"%s\"", a->status,
		         a->status < 300 ? "Done" : "Not, or not all of it, done");
		if (a->kinds) {
			text_add(t, ",");
			good = put_content(t, a->kinds, a->shape) && good;
		}
		text_add(t, "},\n");
	}
	text_add(t, "\"default\":{\"$ref\":\"#/components/responses/Problem\"}}");
	return good;
}

/* "getDevicesId", unique as method and path are. */
static void put_operation_id(struct text *t, const struct api_route *r)
{
	text_add(t, ",\"operationId\":\"");
	for (const char *c = r->method; *c; c++)
		text_add(t, "%c", tolower((unsigned char)*c));
	bool upper = true;
	for (const char *c = r->path; *c; c++) {
		if (isalnum((unsigned char)*c))
			text_add(t, "%c", upper ? toupper((unsigned char)*c) : *c);
		upper = !isalnum((unsigned char)*c);
	}
	text_add(t, "\"");
}

static bool put_operation(struct text *t, const struct api_topic *topic, const struct api_route *r)
{
	bool good = true;
	for (const char *c = r->method; *c; c++)
		text_add(t, "%s%c", c == r->method ? "\"" : "", tolower((unsigned char)*c));
	text_add(t, "\":{\"tags\":[\"%s\"],", topic->name);
	put_text(t, "summary", r->summary);
	put_operation_id(t, r);
	text_add(t, ",\"x-role\":\"%s\"", api_role_name(r->role));
	if (r->role >= API_VIEWER)
		text_add(t, ",\"security\":[{\"token\":[]}]");
	good = put_parameters(t, r) && good;
	if (r->body.kinds) {
		text_add(t, ",\"requestBody\":{\"required\":%s,",
		         r->body.required ? "true" : "false");
		good = put_content(t, r->body.kinds, r->body.shape) && good;
		text_add(t, "}");
	}
	good = put_answers(t, r) && good;
	text_add(t, "}");
	return good;
}

/* --- the whole --- */

/* Its first route in the table puts all methods of a path. */
static bool is_first_of_path(const struct api_route *route)
{
	for (size_t i = 0; api_topics[i]; i++)
		for (const struct api_route *r = api_topics[i]->routes; r->method; r++) {
			if (r == route)
				return true;
			if (strcmp(r->path, route->path) == 0)
				return false;
		}
	return true;
}

static bool put_path(struct text *t, const char *path)
{
	const char *separator = "";
	bool good = true;
	text_add(t, "\"%s\":{", path);
	for (size_t i = 0; api_topics[i]; i++)
		for (const struct api_route *r = api_topics[i]->routes; r->method; r++)
			if (strcmp(r->path, path) == 0) {
				text_add(t, "%s\n", separator);
				good = put_operation(t, api_topics[i], r) && good;
				separator = ",";
			}
	text_add(t, "}");
	return good;
}

static bool put_paths(struct text *t)
{
	const char *separator = "";
	bool good = true;
	text_add(t, ",\n\"paths\":{");
	for (size_t i = 0; api_topics[i]; i++)
		for (const struct api_route *r = api_topics[i]->routes; r->method; r++)
			if (is_first_of_path(r)) {
				text_add(t, "%s\n", separator);
				good = put_path(t, r->path) && good;
				separator = ",";
			}
	text_add(t, "}");
	return good;
}

static bool put_components(struct text *t)
{
	bool good = true;
	text_add(t, ",\n\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\","
	            "\"scheme\":\"bearer\"}},\n\"responses\":{\"Problem\":{\"description\":"
	            "\"What is wrong and what to do (RFC 9457)\",\"content\":"
	            "{\"application/problem+json\":{\"schema\":{\"$ref\":"
	            "\"#/components/schemas/Problem\"}}}}},\n\"schemas\":{\"Problem\":");
	good = shape_schema("{type:string title:string status:int detail:string remedy:string}", t);
	for (size_t i = 0; api_topics[i]; i++)
		for (const struct api_shape *s = api_topics[i]->shapes; s && s->name; s++) {
			text_add(t, ",\n\"%s\":{\"description\":", s->name);
			text_json(t, s->about, strlen(s->about));
			text_add(t, ",\"allOf\":[");
			good = shape_schema(s->shape, t) && good;
			text_add(t, "]}");
		}
	text_add(t, "}}");
	return good;
}

bool openapi_put(struct text *t, const char *version)
{
	text_add(t, "{\"openapi\":\"3.1.0\",\n\"info\":{\"title\":\"Headrace\",");
	put_text(t, "version", version);
	text_add(t, ",\"description\":\"The head-end's API. At the Unix socket everybody who can "
	            "open it is an admin; over TCP a token says who asks (Authorization: Bearer). "
	            "x-role is the least role that may ask.\",\"license\":{\"name\":"
	            "\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}},\n\"servers\":[{\"url\":"
	            "\"/\"}],\n\"tags\":[");
	for (size_t i = 0; api_topics[i]; i++) {
		text_add(t, "%s\n{", i ? "," : "");
		put_text(t, "name", api_topics[i]->name);
		text_add(t, ",");
		put_text(t, "description", api_topics[i]->about);
		text_add(t, "}");
	}
	text_add(t, "]");
	bool good = put_paths(t);
	good = put_components(t) && good;
	text_add(t, "}\n");
	return good && !t->failed;
}

static void api_openapi(const struct api_request *request, struct api_reply *reply)
{
	if (!openapi_put(&reply->text, request->context->version))
		api_problem(reply, 500, "The description is malformed", "report this as a bug",
		            "a shape in the table of routes can't be read");
}

/* --- routes --- */

/* clang-format off */

const struct api_topic api_topic_openapi = {
    .name = "openapi",
    .about = "This description",
    .routes = (const struct api_route[]){
	{"GET", "/openapi.json", api_openapi, API_ANYBODY,
	 .summary = "The API as an OpenAPI 3.1 description",
	 .answers = API_ANSWERS({200, API_JSON, "{...}"})},
	{0}},
};
/* clang-format on */
