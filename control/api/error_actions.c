/* SPDX-License-Identifier: Apache-2.0 */
/* POST /errors/replay, /errors/discard, /errors/NUMBER/correct. */
#include "control/api/error_actions.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/api/api_priv.h"

static const char *const outcome_names[] = {[ERROR_DONE] = "done",
                                            [ERROR_KEPT] = "kept_open",
                                            [ERROR_UNANSWERED] = "unanswered",
                                            [ERROR_NOT_OPEN] = "not_open",
                                            [ERROR_ABSENT] = "absent"};

static void put_attempt(struct text *t, const struct error_attempt *a)
{
	text_add(t,
	         "{\"number\":%" PRIu64 ",\"outcome\":\"%s\",\"state\":\"%s\",\"stored\":%u,"
	         "\"duplicate\":%u,\"refused\":%u",
	         a->number, outcome_names[a->outcome], error_state_name[a->state], a->stored,
	         a->duplicate, a->refused);
	if (a->refused > 0)
		text_add(t, ",\"reason\":\"%s\"", fate_info[a->fate].name);
	if (a->refused_as)
		text_add(t, ",\"refused_as\":%" PRIu64, a->refused_as);
	if (a->why[0]) {
		text_add(t, ",\"why\":");
		text_json(t, a->why, strlen(a->why));
	}
	text_put(t, "}", 1);
}

struct acting {
	struct text *text;
	uint64_t count, done, stored, duplicate, refused, kept, not_open;
};

static void on_attempt(void *context, const struct error_attempt *a)
{
	struct acting *acting = context;
	text_add(acting->text, "%s", acting->count++ ? ",\n" : "\n");
	put_attempt(acting->text, a);
	acting->done += a->outcome == ERROR_DONE;
	acting->kept += a->outcome == ERROR_KEPT || a->outcome == ERROR_UNANSWERED;
	acting->not_open += a->outcome == ERROR_NOT_OPEN || a->outcome == ERROR_ABSENT;
	acting->stored += a->stored;
	acting->duplicate += a->duplicate;
	acting->refused += a->refused;
}

/* --- parameters --- */

static bool bad_numbers(struct api_reply *reply, const char *text)
{
	api_problem(reply, 400, "Bad parameter", "at most 500 of them, as 17,18,19",
	            "numbers is '%.80s'", text);
	return false;
}

static bool take_numbers(struct api_reply *reply, const char *text,
                         uint64_t numbers[ERROR_PART_MAX], uint32_t *count)
{
	const char *at = text;
	for (*count = 0; text; at++) {
		char *end;
		if (*at < '0' || *at > '9' || *count == ERROR_PART_MAX)
			return bad_numbers(reply, text);
		errno = 0;
		numbers[(*count)++] = strtoull(at, &end, 10);
		if (errno || (*end != ',' && *end != '\0'))
			return bad_numbers(reply, text);
		at = end;
		if (*at == '\0')
			break;
	}
	return true;
}

static bool is_there(const struct api_request *request, struct api_reply *reply)
{
	if (!request->context->errors)
		api_problem(reply, 503, "No error queue", "ask headraced itself",
		            "nothing can be replayed here");
	return request->context->errors != NULL;
}

static bool take_selection(const struct api_request *request, struct api_reply *reply,
                           uint64_t numbers[ERROR_PART_MAX], struct error_selection *which)
{
	uint64_t now = (store_applied_block(request->context->store) + 1) << 20;
	const char *list = api_parameter(request, "numbers");
	*which = (struct error_selection){.numbers = numbers};
	if (!is_there(request, reply) ||
	    !take_numbers(reply, list, numbers, &which->number_count) ||
	    !api_error_reason(request, reply, &which->reason) ||
	    !api_time(request, reply, "from", INT64_MIN, &which->from_ms) ||
	    !api_time(request, reply, "to", INT64_MAX, &which->to_ms) ||
	    !api_number(request, reply, "first", 0, UINT64_MAX, 0, &which->first) ||
	    !api_number(request, reply, "until", 0, UINT64_MAX, now, &which->end))
		return false;
	bool some = list || which->reason >= 0 || api_parameter(request, "from") ||
	            api_parameter(request, "to");
	if (!some)
		api_problem(reply, 400, "Nothing is chosen", "give numbers, a reason or a time",
		            "this would be the whole error queue");
	return some;
}

static bool take_yes(const struct api_request *request, struct api_reply *reply,
                     const char *name, bool *out)
{
	const char *value = api_parameter(request, name);
	*out = value && strcmp(value, "yes") == 0;
	if (!value || *out || strcmp(value, "no") == 0)
		return true;
	api_problem(reply, 400, "Bad parameter", "yes or no", "%s is '%.40s'", name, value);
	return false;
}

static struct error_operator operator_of(const struct api_request *request)
{
	const char *why = api_parameter(request, "why");
	return (struct error_operator){.who = request->who ? request->who->name : "local",
	                               .why = why ? why : "",
	                               .now_ms = clock_wall_ms()};
}

static void finish(struct api_reply *reply, const struct acting *a,
                   const struct error_selection *which, uint64_t next, enum result result,
                   const struct error *err)
{
	if (result != RESULT_OK) {
		api_failed(reply, result, err);
		return;
	}
	text_add(&reply->text,
	         "],\"done\":%" PRIu64 ",\"stored\":%" PRIu64 ",\"duplicate\":%" PRIu64
	         ",\"refused\":%" PRIu64 ",\"kept_open\":%" PRIu64 ",\"not_open\":%" PRIu64
	         ",\"until\":%" PRIu64,
	         a->done, a->stored, a->duplicate, a->refused, a->kept, a->not_open, which->end);
	if (next)
		text_add(&reply->text, ",\"next\":%" PRIu64, next);
	text_add(&reply->text, "}\n");
}

void api_errors_replay(const struct api_request *request, struct api_reply *reply)
{
	uint64_t numbers[ERROR_PART_MAX], next = 0;
	struct error_selection which;
	struct acting a = {.text = &reply->text};
	struct error err;
	bool accept_late;
	if (!take_selection(request, reply, numbers, &which) ||
	    !take_yes(request, reply, "accept_late", &accept_late) ||
	    !api_caught_up(request, reply))
		return;
	struct error_operator by = operator_of(request);
	text_add(&reply->text, "{\"entries\":[");
	enum result result = error_queue_replay(request->context->errors, &which, accept_late, &by,
	                                        on_attempt, &a, &next, &err);
	finish(reply, &a, &which, next, result, &err);
}

void api_errors_discard(const struct api_request *request, struct api_reply *reply)
{
	uint64_t numbers[ERROR_PART_MAX], next = 0;
	struct error_selection which;
	struct acting a = {.text = &reply->text};
	struct error err;
	if (!take_selection(request, reply, numbers, &which) || !api_caught_up(request, reply))
		return;
	struct error_operator by = operator_of(request);
	if (by.why[0] == '\0') {
		api_problem(reply, 400, "No reason", "say why: it stays with the entries",
		            "why is empty");
		return;
	}
	text_add(&reply->text, "{\"entries\":[");
	enum result result = error_queue_discard(request->context->errors, &which, &by, on_attempt,
	                                         &a, &next, &err);
	finish(reply, &a, &which, next, result, &err);
}

/* --- correct --- */

static int digit_of(char c)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* RFC 4648 §4. In place of `text`; false: malformed. */
static bool decode_base64(char *text, size_t *bytes)
{
	uint32_t group = 0;
	unsigned bits = 0;
	size_t used = 0, length = strlen(text);
	while (length > 0 && text[length - 1] == '=')
		length--;
	for (size_t i = 0; i < length; i++) {
		int digit = digit_of(text[i]);
		if (digit < 0)
			return false;
		group = group << 6 | (uint32_t)digit;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			text[used++] = (char)(group >> bits);
		}
	}
	*bytes = used;
	return used > 0;
}

static bool bad_body(struct api_reply *reply, const char *cause)
{
	api_problem(reply, 400, "Bad body",
	            "{\"set\":{\"time\":\"2026-01-31T08:15:00Z\",\"kwh\":\"12.5\"}}, and device "
	            "or payload_base64",
	            "%s", cause);
	return false;
}

static bool take_sets(const json_t *set, struct api_reply *reply, struct error_correction *c)
{
	const char *name;
	json_t *value;
	if (set && !json_is_object(set))
		return bad_body(reply, "set is no object");
	json_object_foreach((json_t *)set, name, value)
	{
		if (!json_is_string(value))
			return bad_body(reply, "what is set is text: \"12.5\"");
		if (c->set_count == ERROR_SETS_MAX)
			return bad_body(reply, "that is more than a reading has");
		c->set[c->set_count].name = name;
		c->set[c->set_count++].value = json_string_value(value);
	}
	return true;
}

static bool take_body(const json_t *body, char **payload, struct api_reply *reply,
                      struct error_correction *c)
{
	const json_t *device = json_object_get(body, "device");
	const json_t *base64 = json_object_get(body, "payload_base64");
	size_t bytes = 0;
	if (!json_is_object(body))
		return bad_body(reply, "the body is no JSON object");
	if ((device && !json_is_string(device)) || (base64 && !json_is_string(base64)))
		return bad_body(reply, "device and payload_base64 are text");
	c->device = json_string_value(device);
	if (base64) {
		*payload = strdup(json_string_value(base64));
		if (!*payload || !decode_base64(*payload, &bytes))
			return bad_body(reply, "payload_base64 is not Base64 (RFC 4648)");
		c->payload = (const uint8_t *)*payload;
		c->payload_bytes = (uint32_t)bytes;
	}
	return take_sets(json_object_get(body, "set"), reply, c);
}

static void correct(const struct api_request *request, struct api_reply *reply, uint64_t number,
                    const struct error_correction *c)
{
	struct error_operator by = operator_of(request);
	struct error_attempt attempt = {0};
	struct error err;
	enum result result =
	    error_queue_correct(request->context->errors, number, c, &by, &attempt, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
	} else if (attempt.outcome == ERROR_ABSENT) {
		api_problem(reply, 404, "Not found", "see: headrace errors list",
		            "there is no error entry %" PRIu64, number);
	} else if (attempt.outcome != ERROR_DONE) {
		api_problem(reply, 409, "Not corrected", "see: headrace errors show NUMBER", "%s",
		            attempt.why);
	} else {
		put_attempt(&reply->text, &attempt);
		text_put(&reply->text, "\n", 1);
	}
}

void api_error_correct(const struct api_request *request, struct api_reply *reply)
{
	struct error_correction c = {0};
	char *payload = NULL;
	uint64_t number;
	json_t *body = json_loadb(request->body, request->body_bytes, 0, NULL);
	if (is_there(request, reply) && api_error_number(request, reply, &number) &&
	    take_yes(request, reply, "accept_late", &c.accept_late) &&
	    take_body(body, &payload, reply, &c) && api_caught_up(request, reply))
		correct(request, reply, number, &c);
	free(payload);
	json_decref(body);
}
