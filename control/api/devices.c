/* SPDX-License-Identifier: Apache-2.0 */
/* GET /devices, GET /devices/ID, POST /devices/import. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "control/api/api_priv.h"
#include "control/api/topics.h"
#include "control/registry/device_text.h"

#define COMPLAINTS_MAX 1000 /* told one by one; the rest is counted */

struct list {
	struct text *text;
	const char *state; /* only these; NULL: all */
	uint64_t skip, count, limit;
	bool more;
	const struct api_request *request;
};

static bool on_device(void *context, const struct device *d)
{
	struct list *l = context;
	char json[DEVICE_JSON_BYTES];
	if (l->state && strcmp(device_state_name(d->state), l->state) != 0)
		return !api_is_stopping(l->request);
	if (l->state && l->skip > 0) {
		l->skip--;
		return true;
	}
	if (l->count == l->limit) {
		l->more = true;
		return false;
	}
	text_add(l->text, "%s\n", l->count ? "," : "");
	l->count++;
	text_put(l->text, json, device_json(d, json));
	return !l->text->failed;
}

static bool is_state(const char *name)
{
	for (int state = 0; device_state_name((enum device_state)state); state++)
		if (strcmp(device_state_name((enum device_state)state), name) == 0)
			return true;
	return false;
}

static void api_devices(const struct api_request *request, struct api_reply *reply)
{
	const char *prefix = api_parameter(request, "prefix");
	const char *state = api_parameter(request, "state");
	struct registry *registry = request->context->registry;
	uint64_t offset, limit;
	struct error err;

	if (!api_number(request, reply, "offset", 0, UINT32_MAX, 0, &offset) ||
	    !api_number(request, reply, "limit", 1, 10000, 100, &limit))
		return;
	if (state && !is_state(state)) {
		api_problem(reply, 400, "Bad parameter",
		            "one of pending, active, suspended, retired",
		            "there is no state '%.40s'", state);
		return;
	}
	text_add(&reply->text, "{\"total\":%" PRIu32 ",\"offset\":%" PRIu64 ",\"devices\":[",
	         registry_count(registry), offset);
	struct list l = {.text = &reply->text, .state = state, .skip = offset, .limit = limit,
	                 .request = request};
	enum result result = registry_list(registry, prefix ? prefix : "", state ? 0 : offset,
	                                   state ? UINT64_MAX : limit + 1, on_device, &l, &err);
	if (api_stopped(request, reply))
		return;
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	text_add(&reply->text, "],\"count\":%" PRIu64 ",\"more\":%s}\n", l.count,
	         l.more ? "true" : "false");
	if (l.more) {
		char next[24];
		snprintf(next, sizeof next, "%" PRIu64, offset + limit);
		api_next(request, reply, &(struct api_parameter){"offset", next}, 1);
	}
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

struct complaints {
	struct text text;
	uint64_t count;
};

static void on_complaint(void *context, uint64_t line, const char *cause)
{
	struct complaints *c = context;
	if (c->count++ >= COMPLAINTS_MAX)
		return;
	text_add(&c->text, "%s{\"line\":%" PRIu64 ",\"cause\":", c->count > 1 ? ",\n" : "", line);
	text_json(&c->text, cause, strlen(cause));
	text_put(&c->text, "}", 1);
}

static bool import_format(const struct api_request *request, enum registry_format *format)
{
	const char *type = request->content_type ? request->content_type : "";
	size_t length = strcspn(type, "; ");
	static const struct {
		const char *type;
		enum registry_format format;
	} types[] = {{"text/csv", REGISTRY_CSV},
	             {"application/json", REGISTRY_JSON},
	             {"application/x-ndjson", REGISTRY_JSON},
	             {"application/jsonl", REGISTRY_JSON}};
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strlen(types[i].type) == length && strncmp(types[i].type, type, length) == 0) {
			*format = types[i].format;
			return true;
		}
	return false;
}

static void api_devices_import(const struct api_request *request, struct api_reply *reply)
{
	struct registry_author author = {request->who->name, clock_wall_ms()};
	enum registry_format format;
	struct registry_import report;
	struct complaints complaints = {0};
	struct error err;

	if (!import_format(request, &format)) {
		api_problem(reply, 415, "Unknown type of body",
		            "set Content-Type to text/csv, application/json or "
		            "application/x-ndjson",
		            "Content-Type is '%.80s'",
		            request->content_type ? request->content_type : "not set");
		return;
	}
	enum result result = registry_import_text(
	    request->context->registry, REGISTRY_DEVICES, &author, format, request->body,
	    request->body_bytes, on_complaint, &complaints, &report, &err);
	if (result != RESULT_OK && report.added + report.changed == 0) {
		api_failed(reply, result, &err);
	} else {
		text_add(&reply->text,
		         "{\"lines\":%" PRIu64 ",\"added\":%" PRIu64 ",\"changed\":%" PRIu64
		         ",\"unchanged\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"complete\":%s",
		         report.lines, report.added, report.changed, report.unchanged,
		         report.failed, result == RESULT_OK ? "true" : "false");
		if (result != RESULT_OK) {
			reply->status = 500;
			text_add(&reply->text, ",\"detail\":");
			text_json(&reply->text, err.text, strlen(err.text));
		}
		text_add(&reply->text, ",\"errors\":[%s]}\n",
		         complaints.text.data ? complaints.text.data : "");
	}
	text_free(&complaints.text);
}

/* --- routes --- */

/* clang-format off */
#define DECISION "{id:string state:string}"

const struct api_topic api_topic_devices = {
    .name = "devices",
    .about = "The registry of meters",
    .routes = (const struct api_route[]){
	{"GET", "/devices", api_devices, API_VIEWER,
	 .summary = "Devices by their id's beginning and their state",
	 .parameters = API_PARAMETERS(
	     {"prefix", "string", "the beginning of the id"},
	     {"state", "'pending'|'active'|'suspended'|'retired'", "only these"},
	     {"offset", "int", "how many to skip; default 0"},
	     {"limit", "int", "at most so many, 1 to 10000; default 100"}),
	 .answers = API_ANSWERS({200, API_JSON,
	     "{total:int offset:int devices:[Device] count:int more:bool}"})},
	{"GET", "/devices/{id}", api_device, API_VIEWER,
	 .summary = "One device",
	 .parameters = API_PARAMETERS({"id", "string", "of the device"}),
	 .answers = API_ANSWERS({200, API_JSON, "Device"})},
	{"POST", "/devices/import", api_devices_import, API_OPERATOR,
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
