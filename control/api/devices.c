/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of devices: lists, one of them, imports, bulk changes, resets. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "control/api/objects.h"
#include "control/api/topics.h"
#include "control/registry/device_text.h"
#include "control/registry/service_point.h"

struct list {
	struct text *text;
	uint64_t skip, count, limit;
	bool more;
	char last[DEVICE_ID_BYTES + 1];
	const struct api_request *request;
};

static bool on_device(void *context, const struct device *d)
{
	struct list *l = context;
	char json[DEVICE_JSON_BYTES];
	if (l->skip > 0) {
		l->skip--;
		return !api_is_stopping(l->request);
	}
	if (l->count == l->limit) {
		l->more = true;
		return false;
	}
	text_add(l->text, "%s\n", l->count ? "," : "");
	l->count++;
	snprintf(l->last, sizeof l->last, "%s", d->id);
	text_put(l->text, json, device_json(d, json));
	return !l->text->failed;
}

static void api_devices(const struct api_request *request, struct api_reply *reply)
{
	struct registry *registry = request->context->registry;
	struct registry_selection which;
	uint64_t offset, limit;
	struct error err;

	if (!api_number(request, reply, "offset", 0, UINT32_MAX, 0, &offset) ||
	    !api_number(request, reply, "limit", 1, 10000, 100, &limit) ||
	    !api_selection(request, reply, &which))
		return;
	text_add(&reply->text, "{\"total\":%" PRIu32 ",\"offset\":%" PRIu64 ",\"devices\":[",
	         registry_count(registry), offset);
	struct list l = {.text = &reply->text, .skip = offset, .limit = limit, .request = request};
	enum result result = registry_select(registry, &which, on_device, &l, &err);
	if (api_stopped(request, reply))
		return;
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	text_add(&reply->text, "],\"count\":%" PRIu64 ",\"more\":%s", l.count,
		 l.more ? "true" : "false");
	if (l.more) {
		text_add(&reply->text, ",\"next\":");
		text_json(&reply->text, l.last, strlen(l.last));
		api_next(request, reply,
			 (const struct api_parameter[]){{"after", l.last}, {"offset", "0"}}, 2);
	}
	text_add(&reply->text, "}\n");
}

static void api_device(const struct api_request *request, struct api_reply *reply)
{
	char json[DEVICE_JSON_BYTES];
	struct device d;
	struct error err;
	enum result result = registry_get(request->context->registry, request->rest, &d, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	text_put(&reply->text, json, device_json(&d, json));
	text_put(&reply->text, "\n", 1);
}

/* Only what waits is approved or rejected: other changes of state come by import. */
static void decide(const struct api_request *request, struct api_reply *reply,
                   enum device_state state)
{
	struct registry *registry = request->context->registry;
	struct registry_author author = {request->who->name, clock_wall_ms()};
	struct device d;
	struct error err;
	enum result result = registry_get(registry, request->rest, &d, &err);
	if (result == RESULT_OK && d.state != DEVICE_PENDING) {
		api_problem(reply, 409, "Not pending",
		            "import a line with another state to change it",
		            "device '%s' is %s, it does not wait for approval", d.id,
		            device_state_name(d.state));
		return;
	}
	if (result == RESULT_OK)
		result = registry_set_state(registry, &author, request->rest, state, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	text_add(&reply->text, "{\"id\":");
	text_json(&reply->text, d.id, strlen(d.id));
	text_add(&reply->text, ",\"state\":\"%s\"}\n", device_state_name(state));
}

static void api_device_approve(const struct api_request *request, struct api_reply *reply)
{
	decide(request, reply, DEVICE_ACTIVE);
}

static void api_device_reject(const struct api_request *request, struct api_reply *reply)
{
	decide(request, reply, DEVICE_RETIRED);
}

/* --- many, one by one --- */

/* "true", or without a value. */
static bool is_set(const struct api_request *request, const char *name)
{
	const char *value = api_parameter(request, name);
	return value && strcmp(value, "false") != 0;
}

static void set_devices(const struct api_request *request, struct api_reply *reply)
{
	struct registry_author author = {request->who->name, clock_wall_ms()};
	bool all = is_set(request, "all"), dry = is_set(request, "dry-run");
	struct api_complaints complaints = {0};
	struct registry_selection which;
	struct registry_import report;
	struct error err;
	if (!api_selection(request, reply, &which))
		return;
	if (!which.prefix && !which.group && !which.search && which.state < 0 && !all) {
		api_problem(reply, 400, "Which devices?",
			    "give prefix, group, search or state; or all=true for every device",
			    "nothing says which devices are meant");
		return;
	}
	enum result result =
	    registry_set(request->context->registry, &author, &which, request->body,
			 request->body_bytes, dry, api_complain, &complaints, &report, &err);
	api_put_report(reply, result, &err, &report, &complaints);
}

static void reset_device(const struct api_request *request, struct api_reply *reply)
{
	static const char *const names[] = {"at", "final", "initial", NULL};
	struct registry_author author = {request->who->name, clock_wall_ms()};
	int64_t at_s, final_mwh, initial_mwh;
	struct error err;
	json_t *body = api_body_object(request, reply);
	if (!body)
		return;
	if (api_members_known(reply, body, names) &&
	    api_member_instant(request, reply, body, "at", &at_s) &&
	    api_member_energy(reply, body, "final", &final_mwh) &&
	    api_member_energy(reply, body, "initial", &initial_mwh)) {
		enum result result =
		    registry_device_reset(request->context->registry, &author, request->rest, at_s,
					  final_mwh, initial_mwh, &err);
		if (result == RESULT_OK)
			api_device(request, reply);
		else
			api_failed(reply, result, &err);
	}
	json_decref(body);
}

static void device_history(const struct api_request *request, struct api_reply *reply)
{
	api_registry_history(request, reply, REGISTRY_DEVICES);
}

static void export_devices(const struct api_request *request, struct api_reply *reply)
{
	api_registry_export(request, reply, REGISTRY_DEVICES);
}

static void import_devices(const struct api_request *request, struct api_reply *reply)
{
	api_registry_import(request, reply, REGISTRY_DEVICES);
}

/* --- routes --- */

/* clang-format off */
#define DECISION "{id:string state:string}"
#define SELECTION \
	{"prefix", "string", "the beginning of the id"}, \
	{"group", "string", "only those in this group"}, \
	{"search", "string", "only those with this text in any field"}, \
	{"state", "'pending'|'active'|'suspended'|'retired'", "only these"}

const struct api_topic api_topic_devices = {
    .name = "devices",
    .about = "The registry of meters",
    .routes = (const struct api_route[]){
	{"GET", "/devices", api_devices, API_VIEWER,
	 .summary = "Devices by their id",
	 .parameters = API_PARAMETERS(SELECTION,
	     {"after", "string", "only ids behind it: the last one of the part before"},
	     {"offset", "int", "how many to skip; default 0"},
	     {"limit", "int", "at most so many, 1 to 10000; default 100"}),
	 .answers = API_ANSWERS({200, API_JSON,
	     "{total:int offset:int devices:[Device] count:int more:bool next?:string}"})},
	{"GET", "/devices/export", export_devices, API_VIEWER,
	 .summary = "All devices, or some, as an import takes them",
	 .parameters = API_PARAMETERS(SELECTION, API_EXPORT_FORMAT),
	 .answers = API_ANSWERS({200, API_CSV | API_NDJSON, NULL})},
	{"POST", "/devices/set", set_devices, API_OPERATOR,
	 .summary = "Change fields of all devices that are selected",
	 .parameters = API_PARAMETERS(SELECTION,
	     {"all", "string", "true: every device, where nothing else says which"},
	     {"dry-run", "string", "true: count what would change and change nothing"}),
	 .body = {.kinds = API_JSON, .bytes_max = 65536, .required = true, .shape = "{...}"},
	 .answers = API_ANSWERS({200, API_JSON, "Import"}, {500, API_JSON, "Import"})},
	{"GET", "/devices/{id}/history", device_history, API_VIEWER,
	 .summary = "Who changed what of it, and when",
	 .parameters = API_PARAMETERS({"id", "string", "of the device"}),
	 .answers = API_ANSWERS({200, API_JSON, "History"})},
	{"POST", "/devices/{id}/reset", reset_device, API_OPERATOR,
	 .summary = "Its register counts anew from a time on",
	 .parameters = API_PARAMETERS({"id", "string", "of the device"}),
	 .body = {.kinds = API_JSON, .bytes_max = 4096, .required = true,
	          .shape = "{at:string final?:string initial?:string}"},
	 .answers = API_ANSWERS({200, API_JSON, "Device"})},
	{"GET", "/devices/{id}", api_device, API_VIEWER,
	 .summary = "One device",
	 .parameters = API_PARAMETERS({"id", "string", "of the device"}),
	 .answers = API_ANSWERS({200, API_JSON, "Device"})},
	{"POST", "/devices/import", import_devices, API_OPERATOR,
	 .summary = "Add and change devices from a list",
	 .body = {.kinds = API_CSV | API_JSON | API_NDJSON,
	          .bytes_max = API_IMPORT_BYTES_MAX},
	 .answers = API_ANSWERS({200, API_JSON, "Import"}, {500, API_JSON, "Import"})},
	{"POST", "/devices/approve/{id}", api_device_approve, API_OPERATOR,
	 .summary = "A device that waits for approval becomes active",
	 .parameters = API_PARAMETERS({"id", "string", "of the device"}),
	 .answers = API_ANSWERS({200, API_JSON, DECISION})},
	{"POST", "/devices/reject/{id}", api_device_reject, API_OPERATOR,
	 .summary = "A device that waits for approval is retired",
	 .parameters = API_PARAMETERS({"id", "string", "of the device"}),
	 .answers = API_ANSWERS({200, API_JSON, DECISION})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Device", "{number:int id:string state:string ...}",
	 "A device; fields that are not set are left out"},
	{"Import", "{lines:int added:int changed:int unchanged:int failed:int complete:bool "
	 "detail?:string errors:[{line:int cause:string}]}",
	 "What became of a list"},
	{0}},
};
/* clang-format on */
