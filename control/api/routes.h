/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of routes: what the server, the OpenAPI description (GET /openapi.json) and the tests
 * know of every method of every path. Nothing else says which paths there are.
 *
 * To add a topic: a file control/api/<topic>.c with the endpoints (static functions) and at its end
 *
 *	const struct api_topic api_topic_<topic> = {
 *		.name = "<topic>", .about = "one line for people",
 *		.routes = (const struct api_route[]){{...}, {...}, {0}},
 *		.shapes = (const struct api_shape[]){{"Name", "{...}", "about"}, {0}}, (or left out)
 *	};
 *
 * one line in api_topics of routes.c, and the file's name in meson.build. A route:
 *
 *	{"GET", "/service-points/{id}/installations", list_installations, API_VIEWER,
 *	 .summary = "Which meters served a service point, and when",
 *	 .parameters = API_PARAMETERS({"id", "string", "of the service point"},
 *	                              {"from", "time!", "begin of the period"},
 *	                              {"format", "'json'|'csv'", "of the answer; default json"}),
 *	 .answers = API_ANSWERS({200, API_JSON | API_CSV, "{installations:[Installation]}"})},
 *
 * The path. Segments in braces are parameters (see api_request.path and api_path); each is
 * percent-decoded on its own, so an id may have a '/' (as %2F). A literal segment wins over a
 * parameter: /devices/import is not the device "import". HEAD is answered wherever GET is.
 *
 * Parameters. Those of the path and of the query are listed together. A query parameter that is
 * not listed, is given twice, or is required and absent, is answered with 400 before the endpoint
 * runs; the endpoint checks values (api_number, api_time ...).
 *
 * Bodies. Without `body` a request may have none. With it, a Content-Type that is not among its
 * kinds is a 415 and more than bytes_max a 413. Bodies over API_BODY_LARGE are taken one at a time.
 *
 * Answers. Those of success, and what is no problem document. Problems (RFC 9457) need not be
 * listed: every route may answer 400, 404, 409 ... by api_problem and api_failed.
 *
 * Roles. The least one that may ask. Each may what those before it may. Reading is API_VIEWER's;
 * what changes readings, devices, events ... API_OPERATOR's; tokens, files on the server's disk and
 * what ends things API_ADMIN's. Every request that is not GET or HEAD is written to the audit log
 * by the server, with its outcome; an endpoint that wants a better word for the object than the
 * path's parameters sets reply->object.
 *
 * Shapes say what JSON looks like, in a short notation (shape.h) from which JSON Schemas are
 * made. The end-to-end test validates real answers against them: a member that is not in the shape
 * fails it.
 */
#ifndef HEADRACE_API_ROUTES_H
#define HEADRACE_API_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

struct api_request;
struct api_reply;
typedef void api_endpoint(const struct api_request *request, struct api_reply *reply);

enum api_role {
	API_ANYBODY,  /* pages and descriptions: nothing of the meters */
	API_MONITOR,  /* rates and counters: programs on this machine, without a name */
	API_VIEWER,   /* reads */
	API_OPERATOR, /* changes */
	API_ADMIN,    /* everything */
	API_ROLE_COUNT
};
const char *api_role_name(enum api_role role);

/* Kinds of bodies and answers; several may be possible. */
enum api_kind {
	API_JSON = 1,
	API_CSV = 2,
	API_NDJSON = 4, /* JSON lines */
	API_TEXT = 8,
	API_HTML = 16,
	API_BYTES = 32,
	API_OTHER = 64, /* any */
	API_KIND_COUNT = 7
};
/* "text/csv"; bit 0 is API_JSON's. */
const char *api_kind_type(unsigned bit);

#define API_PARAMETERS_MAX 48 /* of one request */
#define API_SEGMENTS_MAX   8  /* of a path */
#define API_BODY_LARGE     (1u << 20)

struct api_param {
	const char *name;
	const char *type; /* a shape: "string", "int", "time", "'json'|'csv'"; with a '!' behind it
	                   * the query must have it */
	const char *about;
};

struct api_answer {
	unsigned status;
	unsigned kinds;    /* enum api_kind; 0: no body */
	const char *shape; /* of JSON; of one line of JSON lines; NULL: not told */
};

struct api_body {
	unsigned kinds;
	size_t bytes_max;
	const char *shape; /* as above */
	bool required;     /* an empty one is a 400 */
};

struct api_route {
	const char *method, *path; /* NULL: the end of a table */
	api_endpoint *endpoint;
	enum api_role role;
	const char *summary;
	const struct api_param *parameters; /* NULL: none */
	struct api_body body;
	const struct api_answer *answers;
	bool quick; /* takes some ten microseconds: urgency.h */
};

#define API_PARAMETERS(...) ((const struct api_param[]){__VA_ARGS__, {0}})
#define API_ANSWERS(...)    ((const struct api_answer[]){__VA_ARGS__, {0}})

/* A shape that others name: "Device" may be used by every topic. */
struct api_shape {
	const char *name, *shape, *about;
};

struct api_topic {
	const char *name, *about;
	const struct api_route *routes;
	const struct api_shape *shapes; /* NULL: none */
};

extern const struct api_topic *const api_topics[]; /* up to NULL */

/* The route of a path in segments (decoded) for a method. `other`: one with another method, when
 * NULL is returned. */
const struct api_route *api_route_find(const char *method, const char *const *segments,
                                       unsigned count, const struct api_route **other);
/* "GET, HEAD, POST": what a path takes. */
void api_route_methods(const char *const *segments, unsigned count, char *out, size_t bytes);

/* Is the segment of a template a parameter? Its name's length, 0: a literal. */
size_t api_segment_parameter(const char *segment, size_t length);

const struct api_param *api_route_parameter(const struct api_route *route, const char *name);
bool api_param_required(const struct api_param *param);
/* Is it a parameter of the path? Its number among those, -1: of the query. */
int api_route_path_index(const struct api_route *route, const char *name);

#endif
