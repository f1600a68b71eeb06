/* SPDX-License-Identifier: Apache-2.0 */
/* Service points with their meters, customers, groups. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/api/objects.h"
#include "control/api/topics.h"
#include "control/registry/point_text.h"

/* --- lists --- */

struct list {
	const struct api_request *request;
	struct text *text;
	const char *customer, *group, *search;
	int state;
	uint64_t count, limit;
	bool more;
	char last[POINT_ID_BYTES + CUSTOMER_ID_BYTES];
};

/* False: there is no room for one more. */
static bool begin_item(struct list *l, const char *id)
{
	if (l->count == l->limit) {
		l->more = true;
		return false;
	}
	text_add(l->text, "%s\n", l->count++ ? "," : "");
	snprintf(l->last, sizeof l->last, "%s", id);
	return true;
}

static bool on_point(void *context, const struct service_point *p)
{
	struct list *l = context;
	char json[POINT_JSON_BYTES];
	if ((l->state >= 0 && (int)p->state != l->state) ||
	    (l->customer && strcmp(l->customer, p->customer) != 0) ||
	    (l->group && !groups_have(p->groups, l->group)) ||
	    (l->search && !fields_have_text(&point_fields, p, l->search)))
		return !api_is_stopping(l->request);
	if (!begin_item(l, p->id))
		return false;
	text_put(l->text, json, point_json(p, json));
	return !l->text->failed;
}

static bool on_customer(void *context, const struct customer *c)
{
	struct list *l = context;
	char json[CUSTOMER_JSON_BYTES];
	if (l->search && !fields_have_text(&customer_fields, c, l->search))
		return !api_is_stopping(l->request);
	if (!begin_item(l, c->id))
		return false;
	text_put(l->text, json, customer_json(c, json));
	return !l->text->failed;
}

static void list_objects(const struct api_request *request, struct api_reply *reply,
			 enum registry_kind kind)
{
	struct registry *r = request->context->registry;
	struct registry_selection which;
	struct error err;
	uint64_t limit;
	bool points = kind == REGISTRY_POINTS;
	if (!api_selection(request, reply, &which) ||
	    !api_number(request, reply, "limit", 1, 10000, 100, &limit))
		return;
	struct list l = {.request = request,
			 .text = &reply->text,
			 .customer = api_parameter(request, "customer"),
			 .group = which.group,
			 .search = which.search,
			 .state = which.state,
			 .limit = limit};
	const char *prefix = which.prefix ? which.prefix : "";
	text_add(l.text, "{\"%s\":[", points ? "points" : "customers");
	enum result result =
	    points ? registry_points(r, prefix, which.after, on_point, &l, &err)
		   : registry_customers(r, prefix, which.after, on_customer, &l, &err);
	if (api_stopped(request, reply))
		return;
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	text_add(l.text, "],\"count\":%" PRIu64 ",\"more\":%s", l.count, l.more ? "true" : "false");
	if (l.more) {
		text_add(l.text, ",\"next\":");
		text_json(l.text, l.last, strlen(l.last));
		api_next(request, reply, &(struct api_parameter){"after", l.last}, 1);
	}
	text_add(l.text, "}\n");
}

static void list_points(const struct api_request *request, struct api_reply *reply)
{
	list_objects(request, reply, REGISTRY_POINTS);
}

static void list_customers(const struct api_request *request, struct api_reply *reply)
{
	list_objects(request, reply, REGISTRY_CUSTOMERS);
}

static bool on_group(void *context, const char *name, uint64_t devices, uint64_t points)
{
	struct list *l = context;
	text_add(l->text, "%s\n{\"group\":", l->count++ ? "," : "");
	text_json(l->text, name, strlen(name));
	text_add(l->text, ",\"devices\":%" PRIu64 ",\"points\":%" PRIu64 "}", devices, points);
	return !l->text->failed;
}

static void list_groups(const struct api_request *request, struct api_reply *reply)
{
	struct list l = {.text = &reply->text};
	struct error err;
	text_add(l.text, "{\"groups\":[");
	enum result result = registry_groups(request->context->registry, on_group, &l, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	text_add(l.text, "],\"count\":%" PRIu64 "}\n", l.count);
}

/* --- one --- */

static void put_point(const struct api_request *request, struct api_reply *reply)
{
	char json[POINT_JSON_BYTES];
	struct service_point p;
	struct error err;
	enum result result =
	    registry_point_get(request->context->registry, request->rest, &p, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	text_put(&reply->text, json, point_json(&p, json));
	text_put(&reply->text, "\n", 1);
}

static void put_customer(const struct api_request *request, struct api_reply *reply)
{
	char json[CUSTOMER_JSON_BYTES];
	struct customer c;
	struct error err;
	enum result result =
	    registry_customer_get(request->context->registry, request->rest, &c, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	text_put(&reply->text, json, customer_json(&c, json));
	text_put(&reply->text, "\n", 1);
}

/* --- customers and tariffs come and go --- */

static void set_point(const struct api_request *request, struct api_reply *reply)
{
	struct registry_author author = {request->who->name, clock_wall_ms()};
	struct error err;
	enum result result =
	    registry_point_set(request->context->registry, &author, request->rest, request->body,
			       request->body_bytes, &err);
	if (result == RESULT_OK)
		put_point(request, reply);
	else
		api_failed(reply, result, &err);
}

/* --- meters come and go --- */

static bool take_ratio(struct api_reply *reply, const json_t *body, struct ratio *ratio)
{
	const char *text = api_member(body, "ratio");
	if (!json_object_get(body, "ratio") || (text && ratio_parse(text, ratio)))
		return true;
	api_problem(reply, 400, "Bad ratio", "give it as text: \"40\", \"0.5\" or \"200/5\"",
		    "'ratio' is '%.40s'", text ? text : "not text");
	return false;
}

static bool take_dials(struct api_reply *reply, const json_t *body, uint32_t *dials)
{
	const json_t *value = json_object_get(body, "dials");
	json_int_t n = json_integer_value(value);
	if (!value || (json_is_integer(value) && n >= 0 && n <= 12)) {
		*dials = (uint32_t)n;
		return true;
	}
	api_problem(reply, 400, "Bad dials", "give a whole number from 0 to 12",
		    "'dials' is wrong");
	return false;
}

static void swap_meter(const struct api_request *request, struct api_reply *reply)
{
	static const char *const names[] = {"meter", "at",    "final", "initial",
					    "ratio", "dials", NULL};
	struct registry_author author = {request->who->name, clock_wall_ms()};
	struct point_swap swap = {0};
	struct error err;
	json_t *body = api_body_object(request, reply);
	if (!body)
		return;
	swap.meter = api_member(body, "meter");
	if (!swap.meter) {
		api_problem(reply, 400, "No meter", "give the new meter's id",
			    "'meter' is missing");
	} else if (api_members_known(reply, body, names) &&
		   api_member_instant(request, reply, body, "at", &swap.at_s) &&
		   api_member_energy(reply, body, "final", &swap.final_mwh) &&
		   api_member_energy(reply, body, "initial", &swap.initial_mwh) &&
		   take_ratio(reply, body, &swap.ratio) && take_dials(reply, body, &swap.dials)) {
		enum result result = registry_point_swap(request->context->registry, &author,
							 request->rest, &swap, &err);
		if (result == RESULT_OK)
			put_point(request, reply);
		else
			api_failed(reply, result, &err);
	}
	json_decref(body);
}

static void remove_meter(const struct api_request *request, struct api_reply *reply)
{
	static const char *const names[] = {"at", "final", NULL};
	struct registry_author author = {request->who->name, clock_wall_ms()};
	int64_t at_s, final_mwh;
	struct error err;
	json_t *body = api_body_object(request, reply);
	if (!body)
		return;
	if (api_members_known(reply, body, names) &&
	    api_member_instant(request, reply, body, "at", &at_s) &&
	    api_member_energy(reply, body, "final", &final_mwh)) {
		enum result result = registry_point_remove(request->context->registry, &author,
							   request->rest, at_s, final_mwh, &err);
		if (result == RESULT_OK)
			put_point(request, reply);
		else
			api_failed(reply, result, &err);
	}
	json_decref(body);
}

/* --- files, history --- */

static void import_points(const struct api_request *request, struct api_reply *reply)
{
	api_registry_import(request, reply, REGISTRY_POINTS);
}

static void import_customers(const struct api_request *request, struct api_reply *reply)
{
	api_registry_import(request, reply, REGISTRY_CUSTOMERS);
}

static void import_groups(const struct api_request *request, struct api_reply *reply)
{
	api_registry_import(request, reply, REGISTRY_GROUPS);
}

static void export_points(const struct api_request *request, struct api_reply *reply)
{
	api_registry_export(request, reply, REGISTRY_POINTS);
}

static void export_customers(const struct api_request *request, struct api_reply *reply)
{
	api_registry_export(request, reply, REGISTRY_CUSTOMERS);
}

static void export_groups(const struct api_request *request, struct api_reply *reply)
{
	api_registry_export(request, reply, REGISTRY_GROUPS);
}

static void point_history(const struct api_request *request, struct api_reply *reply)
{
	api_registry_history(request, reply, REGISTRY_POINTS);
}

static void customer_history(const struct api_request *request, struct api_reply *reply)
{
	api_registry_history(request, reply, REGISTRY_CUSTOMERS);
}

/* --- routes --- */

/* clang-format off */
#define IMPORT_BODY {.kinds = API_CSV | API_JSON | API_NDJSON, .bytes_max = API_IMPORT_BYTES_MAX}
#define IMPORT_ANSWERS API_ANSWERS({200, API_JSON, "Import"}, {500, API_JSON, "Import"})
#define ID {"id", "string", "of the object"}
#define PREFIX {"prefix", "string", "the beginning of the id"}
#define AFTER {"after", "string", "only ids behind it: the last one of the part before"}
#define GROUP {"group", "string", "only those in this group"}
#define SEARCH {"search", "string", "only those with this text in any field"}
#define LIMIT {"limit", "int", "at most so many, 1 to 10000; default 100"}
#define FILES API_ANSWERS({200, API_CSV | API_NDJSON, NULL})

const struct api_topic api_topic_points = {
    .name = "points",
    .about = "Service points with their meters, customers, groups",
    .routes = (const struct api_route[]){
	{"GET", "/points", list_points, API_VIEWER,
	 .summary = "Service points by their id",
	 .parameters = API_PARAMETERS(PREFIX, AFTER, GROUP, SEARCH,
	     {"customer", "string", "only this customer's"},
	     {"state", "'pending'|'active'|'suspended'|'retired'", "only these"}, LIMIT),
	 .answers = API_ANSWERS({200, API_JSON,
	     "{points:[Point] count:int more:bool next?:string}"})},
	{"GET", "/points/{id}", put_point, API_VIEWER,
	 .summary = "One service point, with the meters it has and had",
	 .parameters = API_PARAMETERS(ID),
	 .answers = API_ANSWERS({200, API_JSON, "Point"})},
	{"GET", "/points/{id}/history", point_history, API_VIEWER,
	 .summary = "Who changed what of it, and when",
	 .parameters = API_PARAMETERS(ID),
	 .answers = API_ANSWERS({200, API_JSON, "History"})},
	{"POST", "/points/{id}/set", set_point, API_OPERATOR,
	 .summary = "Fields of it; with 'since', its customer and tariff from that local day on",
	 .parameters = API_PARAMETERS(ID),
	 .body = {.kinds = API_JSON, .bytes_max = 65536, .required = true,
	          .shape = "{customer?:string tariff?:string since?:string state?:string "
	                   "address?:string groups?:string ...}"},
	 .answers = API_ANSWERS({200, API_JSON, "Point"})},
	{"POST", "/points/{id}/swap", swap_meter, API_OPERATOR,
	 .summary = "The meter that is there ends, another begins",
	 .parameters = API_PARAMETERS(ID),
	 .body = {.kinds = API_JSON, .bytes_max = 4096, .required = true,
	          .shape = "{meter:string at:string final?:string initial?:string ratio?:string "
	                   "dials?:int}"},
	 .answers = API_ANSWERS({200, API_JSON, "Point"})},
	{"POST", "/points/{id}/remove", remove_meter, API_OPERATOR,
	 .summary = "The meter that is there is taken away",
	 .parameters = API_PARAMETERS(ID),
	 .body = {.kinds = API_JSON, .bytes_max = 4096, .required = true,
	          .shape = "{at:string final?:string}"},
	 .answers = API_ANSWERS({200, API_JSON, "Point"})},
	{"POST", "/points/import", import_points, API_OPERATOR,
	 .summary = "Add and change service points from a list",
	 .body = IMPORT_BODY, .answers = IMPORT_ANSWERS},
	{"GET", "/points/export", export_points, API_VIEWER,
	 .summary = "All service points as an import takes them",
	 .parameters = API_PARAMETERS(PREFIX, GROUP, API_EXPORT_FORMAT), .answers = FILES},
	{"GET", "/customers", list_customers, API_VIEWER,
	 .summary = "Customers by their id",
	 .parameters = API_PARAMETERS(PREFIX, AFTER, SEARCH, LIMIT),
	 .answers = API_ANSWERS({200, API_JSON,
	     "{customers:[Customer] count:int more:bool next?:string}"})},
	{"GET", "/customers/{id}", put_customer, API_VIEWER,
	 .summary = "One customer",
	 .parameters = API_PARAMETERS(ID),
	 .answers = API_ANSWERS({200, API_JSON, "Customer"})},
	{"GET", "/customers/{id}/history", customer_history, API_VIEWER,
	 .summary = "Who changed what of it, and when",
	 .parameters = API_PARAMETERS(ID),
	 .answers = API_ANSWERS({200, API_JSON, "History"})},
	{"POST", "/customers/import", import_customers, API_OPERATOR,
	 .summary = "Add and change customers from a list",
	 .body = IMPORT_BODY, .answers = IMPORT_ANSWERS},
	{"GET", "/customers/export", export_customers, API_VIEWER,
	 .summary = "All customers as an import takes them",
	 .parameters = API_PARAMETERS(PREFIX, API_EXPORT_FORMAT), .answers = FILES},
	{"GET", "/groups", list_groups, API_VIEWER,
	 .summary = "Groups, with how many devices and service points are in them",
	 .answers = API_ANSWERS({200, API_JSON,
	     "{groups:[{group:string devices:int points:int}] count:int}"})},
	{"POST", "/groups/import", import_groups, API_OPERATOR,
	 .summary = "Put devices and service points into groups",
	 .body = IMPORT_BODY, .answers = IMPORT_ANSWERS},
	{"GET", "/groups/export", export_groups, API_VIEWER,
	 .summary = "Who is in which group, as an import takes it",
	 .parameters = API_PARAMETERS({"group", "string", "only this one"}, API_EXPORT_FORMAT),
	 .answers = FILES},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Point", "{id:string state:string customer?:string tariff?:string since?:string "
	 "address?:string groups?:string latitude?:number longitude?:number "
	 "agreements?:[Agreement] installations?:[Installation]}",
	 "A service point; fields that are not set are left out"},
	{"Installation", "{meter:string from:string to?:string ratio:string dials?:int "
	 "initial?:string final?:string}",
	 "A meter at a service point: times in UTC, register values in kWh"},
	{"Agreement", "{since:string customer?:string tariff?:string}",
	 "Who is supplied by which tariff from a local day on, until the next one begins; the last "
	 "one is the point's customer and tariff"},
	{"Customer", "{id:string name?:string contact?:string address?:string email?:string}",
	 "Who pays"},
	{"History", "{id:string history:[{at:string who:string action:string changes:<any>}] "
	 "count:int}",
	 "Changes of an object, oldest first; of each field [old, new]"},
	{0}},
};
/* clang-format on */
