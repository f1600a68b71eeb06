/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resources that CoAP interoperability tests ask for (those of the ETSI CoAP plugtests), so
 * that other implementations' checkers can be pointed at this server. Off unless configured:
 * whoever reaches the port may change them. They share nothing with readings or devices.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/coap/service_priv.h"

#define BODY_MAX     16384
#define CREATED_MAX  16   /* at /large-create */
#define LATER_MAX    64   /* of /separate, at once */
#define LARGE_LINE   34
#define LARGE_BYTES  (40 * LARGE_LINE) /* more than a block */
#define SEPARATE_MS  2000 /* later than any empty ACK */
#define PERIOD_MS    5000 /* observed resources change this often */

struct later {
	uint64_t exchange, due_ms;
	uint32_t io;
};

/* A resource that is what was put there. */
struct item {
	char *data;
	uint32_t bytes;
	uint16_t format;
	bool exists;
};

enum item_index {
	ITEM_TEST,
	ITEM_VALIDATE,
	ITEM_CREATE,
	ITEM_LARGE_UPDATE,
	/* observable */
	ITEM_OBS,
	ITEM_OBS_NON,
	ITEM_OBS_LARGE,
	ITEM_OBS_PUMPING,
	ITEM_OBS_PUMPING_NON,
	ITEM_COUNT
};
#define FIRST_OBSERVABLE ITEM_OBS

struct interop {
	struct item items[ITEM_COUNT];
	struct item created[CREATED_MAX];
	struct later later[LATER_MAX];
	uint32_t later_count;
	uint64_t changed_ms;
	uint32_t round;
};

/* ---- items ---- */

static bool item_set(struct item *item, const void *data, uint32_t bytes, uint16_t format)
{
	char *copy = malloc(bytes + 1);
	if (!copy || bytes > BODY_MAX) {
		free(copy);
		return false;
	}
	if (bytes > 0)
		memcpy(copy, data, bytes);
	free(item->data);
	*item = (struct item){.data = copy, .bytes = bytes, .format = format, .exists = true};
	return true;
}

static bool item_set_text(struct item *item, const char *text)
{
	return item_set(item, text, (uint32_t)strlen(text), CONTENT_TEXT);
}

static void item_remove(struct item *item)
{
	free(item->data);
	*item = (struct item){0};
}

/* A text of numbered lines, a little longer than a block. */
static void large_text(char out[LARGE_BYTES + 1], uint32_t round)
{
	char line[LARGE_LINE + 1];
	for (uint32_t n = 0; n < LARGE_BYTES / LARGE_LINE; n++) {
		snprintf(line, sizeof line, "line %07u of round %011u\n", n % 1000, round);
		memcpy(out + n * LARGE_LINE, line, LARGE_LINE);
	}
	out[LARGE_BYTES] = '\0';
}

static void reply_item(const struct item *item, struct coap_reply *reply)
{
	reply->code = CODE_CONTENT;
	reply->format = item->format;
	text_put(&reply->body, item->data, item->bytes);
}

static void get_item(struct coap_call *call, const struct item *item)
{
	uint16_t format;
	if (!item->exists) {
		call_problem(call, CODE_NOT_FOUND, "nothing was put there");
		return;
	}
	if (item->format != COAP_FORMAT_NONE && !call_format(call, &item->format, 1, &format))
		return;
	reply_item(item, &call->reply);
}

/* RFC 7252 5.8.3, 5.10.8; false: a problem was answered. */
static bool put_item(struct coap_call *call, struct item *item)
{
	struct coap_etag etag = etag_of(item->data, item->bytes, item->format);
	bool existed = item->exists;
	if (!call_condition(call, existed ? &etag : NULL))
		return false;
	if (!item_set(item, call->payload.data, call->payload.count, call->ask->content_format)) {
		call_problem(call, CODE_TOO_LARGE, "at most %u bytes", BODY_MAX);
		return false;
	}
	call->reply.code = existed ? CODE_CHANGED : CODE_CREATED;
	return true;
}

static void delete_item(struct coap_call *call, struct item *item)
{
	item_remove(item);
	call->reply.code = CODE_DELETED; /* RFC 7252 5.8.4: also when there was nothing */
}

/* ---- observers ---- */

static bool is_non(enum item_index index)
{
	return index == ITEM_OBS_NON || index == ITEM_OBS_PUMPING_NON;
}

/* Tell those who observe an item; a code other than 2.05 is the last that they hear. */
static void notify_all(struct coap_service *s, enum item_index index, uint8_t code)
{
	const struct item *item = &s->interop->items[index];
	for (struct watch *w = watch_first(s); w; w = watch_next(s, w)) {
		if (w->kind != WATCH_INTEROP || w->subject != (uint32_t)index)
			continue;
		struct coap_reply reply = {.code = code, .format = COAP_FORMAT_NONE};
		reply.body.bytes_max = COAP_TELL_BYTES_MAX;
		if (code == CODE_CONTENT) {
			reply_item(item, &reply);
			reply.has_max_age = true;
			reply.max_age_s = PERIOD_MS / 1000;
			reply.etag = etag_of(item->data, item->bytes, item->format);
			reply.non = is_non(index);
		}
		service_notify(s, w, &reply);
	}
}

static void put_observed(struct coap_call *call, enum item_index index)
{
	struct item *item = &call->service->interop->items[index];
	uint16_t format = item->format;
	if (!put_item(call, item))
		return;
	/* RFC 7641 4.2: notifications keep the format of the first answer */
	bool same = format == item->format;
	notify_all(call->service, index, same ? CODE_CONTENT : CODE_NOT_ACCEPTABLE);
}

static void serve_observed(struct coap_call *call, enum item_index index)
{
	struct item *item = &call->service->interop->items[index];
	if (!call_method(call, ALLOW_GET | ALLOW_PUT | ALLOW_DELETE))
		return;
	if (call->ask->method == COAP_PUT) {
		put_observed(call, index);
	} else if (call->ask->method == COAP_DELETE) {
		delete_item(call, item);
		notify_all(call->service, index, CODE_NOT_FOUND);
	} else {
		get_item(call, item);
		if (call->reply.code == CODE_CONTENT)
			watch_begin(call, WATCH_INTEROP, (uint32_t)index);
		call->reply.has_max_age = call->reply.code == CODE_CONTENT;
		call->reply.max_age_s = PERIOD_MS / 1000;
	}
}

/* ---- the resources ---- */

static void test_serve(struct coap_call *call)
{
	struct item *item = &call->service->interop->items[ITEM_TEST];
	switch (call->ask->method) {
	case COAP_GET:
		get_item(call, item);
		call->reply.has_max_age = call->reply.code == CODE_CONTENT;
		call->reply.max_age_s = 30;
		break;
	case COAP_POST:
		call->reply.code = CODE_CREATED;
		snprintf(call->reply.location_path, LOCATION_BYTES,
		         "location1/location2/location3");
		break;
	case COAP_PUT:
		put_item(call, item);
		break;
	default:
		call->reply.code = CODE_DELETED; /* and yet it stays, for the next test */
	}
}

static void keep_serve(struct coap_call *call, enum item_index index)
{
	struct item *item = &call->service->interop->items[index];
	if (!call_method(call, ALLOW_GET | ALLOW_PUT | ALLOW_DELETE))
		return;
	if (call->ask->method == COAP_GET)
		get_item(call, item);
	else if (call->ask->method == COAP_PUT)
		put_item(call, item);
	else
		delete_item(call, item);
}

static void validate_serve(struct coap_call *call)
{
	keep_serve(call, ITEM_VALIDATE);
}

static void create_serve(struct coap_call *call)
{
	keep_serve(call, ITEM_CREATE);
}

static void large_update_serve(struct coap_call *call)
{
	keep_serve(call, ITEM_LARGE_UPDATE);
}

static void obs_serve(struct coap_call *call)
{
	serve_observed(call, ITEM_OBS);
}

static void obs_non_serve(struct coap_call *call)
{
	serve_observed(call, ITEM_OBS_NON);
}

static void obs_large_serve(struct coap_call *call)
{
	serve_observed(call, ITEM_OBS_LARGE);
}

static void obs_pumping_serve(struct coap_call *call)
{
	serve_observed(call, ITEM_OBS_PUMPING);
}

static void obs_pumping_non_serve(struct coap_call *call)
{
	serve_observed(call, ITEM_OBS_PUMPING_NON);
}

static void reply_text(struct coap_call *call, const char *text)
{
	static const uint16_t formats[] = {CONTENT_TEXT};
	if (!call_method(call, ALLOW_GET) || !call_format(call, formats, 1, &call->reply.format))
		return;
	call->reply.code = CODE_CONTENT;
	text_put(&call->reply.body, text, strlen(text));
}

static void text_serve(struct coap_call *call)
{
	reply_text(call, call->path);
}

static void query_serve(struct coap_call *call)
{
	reply_text(call, call->query);
}

static void large_serve(struct coap_call *call)
{
	char text[LARGE_BYTES + 1];
	large_text(text, 0);
	reply_text(call, text);
}

static void separate_serve(struct coap_call *call)
{
	struct interop *in = call->service->interop;
	if (!call_method(call, ALLOW_GET))
		return;
	if (in->later_count == LATER_MAX) {
		call_problem(call, CODE_UNAVAILABLE, "too many at once");
		return;
	}
	in->later[in->later_count++] =
	    (struct later){call->ask->exchange, call->service->now_ms + SEPARATE_MS, call->io};
	call->later = true;
}

static void multi_format_serve(struct coap_call *call)
{
	static const uint16_t formats[] = {CONTENT_TEXT, CONTENT_XML};
	if (!call_method(call, ALLOW_GET) || !call_format(call, formats, 2, &call->reply.format))
		return;
	call->reply.code = CODE_CONTENT;
	text_add(&call->reply.body, call->reply.format == CONTENT_XML ? "<ok>multi-format</ok>"
	                                                             : "multi-format");
}

static void location_query_serve(struct coap_call *call)
{
	if (!call_method(call, ALLOW_POST))
		return;
	call->reply.code = CODE_CREATED;
	snprintf(call->reply.location_query, LOCATION_BYTES, "first=1&second=2");
}

static void large_post_serve(struct coap_call *call)
{
	struct text *t = &call->reply.body;
	if (!call_method(call, ALLOW_POST))
		return;
	call->reply.code = CODE_CHANGED;
	call->reply.format = call->ask->content_format;
	for (uint32_t i = 0; i < call->payload.count; i++) {
		char c = (char)toupper(call->payload.data[i]);
		text_put(t, &c, 1);
	}
}

/* POST makes a new one: /large-create/1 ... */
static void large_create(struct coap_call *call)
{
	struct interop *in = call->service->interop;
	for (uint32_t i = 0; i < CREATED_MAX; i++) {
		if (in->created[i].exists)
			continue;
		if (!put_item(call, &in->created[i]))
			return;
		snprintf(call->reply.location_path, LOCATION_BYTES, "large-create/%u", i + 1);
		return;
	}
	call_problem(call, CODE_UNAVAILABLE, "delete some first");
}

static void large_create_serve(struct coap_call *call)
{
	struct interop *in = call->service->interop;
	if (call->rest[0] == '\0') {
		if (call_method(call, ALLOW_POST))
			large_create(call);
		return;
	}
	char *end;
	unsigned long number = strtoul(call->rest, &end, 10);
	if (*end || number < 1 || number > CREATED_MAX || !in->created[number - 1].exists)
		call_problem(call, CODE_NOT_FOUND, "not created");
	else if (call_method(call, ALLOW_GET | ALLOW_DELETE)) {
		if (call->ask->method == COAP_GET)
			get_item(call, &in->created[number - 1]);
		else
			delete_item(call, &in->created[number - 1]);
	}
}

static void path_serve(struct coap_call *call)
{
	static const char links[] = "</path/sub1>,</path/sub2>,</path/sub3>";
	static const uint16_t formats[] = {CONTENT_LINKS};
	bool known = strncmp(call->rest, "sub", 3) == 0 && call->rest[3] >= '1' &&
	             call->rest[3] <= '3' && call->rest[4] == '\0';
	if (known) {
		reply_text(call, call->path);
	} else if (call->rest[0]) {
		call_problem(call, CODE_NOT_FOUND, "%s", "");
	} else if (call_method(call, ALLOW_GET) &&
	           call_format(call, formats, 1, &call->reply.format)) {
		call->reply.code = CODE_CONTENT;
		text_put(&call->reply.body, links, strlen(links));
	}
}

static const struct resource interop_resources[] = {
    {"/test", false, "title=\"Default test resource\"", test_serve},
    {"/validate", false, "title=\"Resource which varies\"", validate_serve},
    {"/create1", false, "title=\"To be created\"", create_serve},
    {"/seg1/seg2/seg3", false, "title=\"Long path resource\"", text_serve},
    {"/query", false, "title=\"Resource accepting query parameters\"", query_serve},
    {"/location1/location2/location3", false, NULL, text_serve},
    {"/location-query", false, "title=\"Perform POST transaction with responses containing "
                               "several Location-Query options\"", location_query_serve},
    {"/multi-format", false, "title=\"Text and XML\";ct=\"0 41\"", multi_format_serve},
    {"/separate", false, "title=\"Resource which cannot be served immediately\"",
     separate_serve},
    {"/large", false, "title=\"Large resource\";rt=\"block\";sz=1360", large_serve},
    {"/large-update", false, "title=\"Large resource that can be updated\";rt=\"block\"",
     large_update_serve},
    {"/large-create", true, "title=\"Large resource that can be created\";rt=\"block\"",
     large_create_serve},
    {"/large-post", false, "title=\"Handle POST with two-way blockwise transfer\";rt=\"block\"",
     large_post_serve},
    {"/obs", false, "title=\"Observable resource\";rt=\"observe\";obs", obs_serve},
    {"/obs-non", false, "title=\"Notified by NON\";rt=\"observe\";obs", obs_non_serve},
    {"/obs-large", false, "title=\"Large and observable\";rt=\"observe block\";obs",
     obs_large_serve},
    {"/obs-pumping", false, "title=\"Changes every 5 seconds\";rt=\"observe\";obs",
     obs_pumping_serve},
    {"/obs-pumping-non", false, "title=\"The same by NON\";rt=\"observe\";obs",
     obs_pumping_non_serve},
    {"/path", true, "title=\"Hierarchical link description\";ct=40", path_serve},
    {"/link1", false, "title=\"Link test resource\";rt=\"Type1 Type2\";if=\"If1\"", text_serve},
    {"/link2", false, "title=\"Link test resource\";rt=\"Type2 Type3\";if=\"If2\"", text_serve},
    {"/link3", false, "title=\"Link test resource\";rt=\"Type1 Type3\";if=\"foo\"", text_serve},
};

/* ---- start, time, end ---- */

static bool change_observed(struct interop *in)
{
	char text[LARGE_BYTES + 1];
	bool ok = true;
	in->round++;
	for (int i = FIRST_OBSERVABLE; i < ITEM_COUNT; i++) {
		if (in->round > 1 && !in->items[i].exists)
			continue; /* deleted by somebody */
		if (in->round > 1 && in->items[i].format != CONTENT_TEXT)
			continue; /* somebody put something else */
		if (i == ITEM_OBS_LARGE)
			large_text(text, in->round);
		else
			snprintf(text, sizeof text, "state %u", in->round);
		ok &= item_set_text(&in->items[i], text);
	}
	return ok;
}

enum result interop_new(struct coap_service *s, struct error *err)
{
	char large[LARGE_BYTES + 1];
	struct interop *in = s->interop = calloc(1, sizeof *in);
	large_text(large, 0);
	if (!in || !item_set_text(&in->items[ITEM_TEST], "test") ||
	    !item_set_text(&in->items[ITEM_VALIDATE], "validate") ||
	    !item_set_text(&in->items[ITEM_LARGE_UPDATE], large) || !change_observed(in))
		return fail(RESULT_RESOURCE, err, "CoAP service: no memory");
	service_offer(s, interop_resources,
	              sizeof interop_resources / sizeof interop_resources[0]);
	return RESULT_OK;
}

static void answer_later(struct coap_service *s)
{
	struct interop *in = s->interop;
	for (uint32_t i = in->later_count; i-- > 0;) {
		struct later *l = &in->later[i];
		if (s->now_ms < l->due_ms)
			continue;
		struct coap_reply reply = {.code = CODE_CONTENT, .format = CONTENT_TEXT};
		text_add(&reply.body, "separate");
		service_answer(s, l->io, l->exchange, false, &reply);
		*l = in->later[--in->later_count];
	}
}

void interop_run(struct coap_service *s)
{
	struct interop *in = s->interop;
	answer_later(s);
	if (s->now_ms < in->changed_ms + PERIOD_MS)
		return;
	in->changed_ms = s->now_ms;
	if (!change_observed(in))
		return;
	for (int i = FIRST_OBSERVABLE; i < ITEM_COUNT; i++)
		if (in->items[i].exists)
			notify_all(s, (enum item_index)i, CODE_CONTENT);
}

void interop_free(struct coap_service *s)
{
	if (!s->interop)
		return;
	for (int i = 0; i < ITEM_COUNT; i++)
		free(s->interop->items[i].data);
	for (int i = 0; i < CREATED_MAX; i++)
		free(s->interop->created[i].data);
	free(s->interop);
}
