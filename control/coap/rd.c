/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resource directory (RFC 9176): endpoints register at /rd, their registrations lie at /rd/N,
 * and are found at /rd-lookup/ep and /rd-lookup/res. Who registers is also entered into the
 * device registry, as far as the operator's policy lets it: the endpoint's name is the device id.
 *
 * Registrations live as long as they said, over restarts too (rd_disk.c): each is durable before it
 * is answered.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/coap/rd_priv.h"

#define LIFETIME_S   90000 /* RFC 9176 5: lt, when it is not given */
#define CAPABILITIES 200   /* bytes of the registry's field */

struct directory {
	struct registration_entry **all; /* registrations_max places, `count` used */
	uint32_t count, last_number;
	uint64_t looked_ms;
};

/* ---- entries ---- */

static struct registration_entry *by_name(const struct directory *d, const char *ep,
                                          const char *sector)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (strcmp(d->all[i]->ep, ep) == 0 && strcmp(d->all[i]->sector, sector) == 0)
			return d->all[i];
	return NULL;
}

static uint32_t place_of(const struct directory *d, const char *number)
{
	for (uint32_t i = 0; i < d->count; i++) {
		char text[12];
		snprintf(text, sizeof text, "%u", d->all[i]->number);
		if (strcmp(text, number) == 0)
			return i;
	}
	return UINT32_MAX;
}

void registration_entry_free(struct registration_entry *e)
{
	if (e)
		free(e->links);
	free(e);
}

static void remove_at(struct directory *d, uint32_t place)
{
	registration_entry_free(d->all[place]);
	d->all[place] = d->all[--d->count];
}

/* ---- what a registration says ---- */

static bool copy_text(char *out, size_t room, struct bytes value)
{
	if (value.count >= room)
		return false;
	for (uint32_t i = 0; i < value.count; i++)
		if (value.data[i] < 0x20 || value.data[i] == '"' || value.data[i] == '\\' ||
		    value.data[i] == 0x7f)
			return false;
	memcpy(out, value.data, value.count);
	out[value.count] = '\0';
	return true;
}

/* RFC 9176 5: a base has a scheme; the default one is where the request came from. */
static bool take_base(const struct coap_call *call, struct registration_entry *e,
                      struct bytes value)
{
	e->base_given = value.count > 0;
	if (e->base_given)
		return copy_text(e->base, sizeof e->base, value) && strstr(e->base, "://");
	char address[INET6_ADDRSTRLEN];
	const uint8_t *a = call->ask->address;
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool ipv4 = memcmp(a, mapped, sizeof mapped) == 0;
	inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? a + 12 : a, address, sizeof address);
	int used = snprintf(e->base, sizeof e->base, ipv4 ? "coap://%s" : "coap://[%s]", address);
	if (call->ask->port != 5683)
		snprintf(e->base + used, sizeof e->base - (size_t)used, ":%u", call->ask->port);
	return true;
}

static bool take_lifetime(struct registration_entry *e, struct bytes value)
{
	uint64_t seconds = 0;
	for (uint32_t i = 0; i < value.count; i++) {
		if (value.data[i] < '0' || value.data[i] > '9' || i == 10)
			return false;
		seconds = seconds * 10 + (value.data[i] - '0');
	}
	e->lifetime_s = (uint32_t)seconds;
	return value.count > 0 && seconds >= 1 && seconds <= UINT32_MAX;
}

static bool add_extra(struct registration_entry *e, struct bytes name, struct bytes value)
{
	char key[RD_NAME_BYTES_MAX + 1], text[RD_EXTRA_BYTES_MAX + 1];
	size_t used = strlen(e->extra);
	struct link_attribute a;
	if (!copy_text(key, sizeof key, name) || !copy_text(text, sizeof text, value))
		return false;
	int bytes = snprintf(e->extra + used, sizeof e->extra - used, ";%s=\"%s\"", key, text);
	struct bytes written = {(uint8_t *)e->extra + used, (uint32_t)bytes};
	return bytes > 0 && used + (size_t)bytes < sizeof e->extra &&
	       link_attribute_next(&written, &a) == LINK_NEXT && written.count == 0;
}

/* The query of a registration or an update; false: a problem was answered. */
static bool take_query(struct coap_call *call, struct registration_entry *e, bool update)
{
	struct bytes left = {(const uint8_t *)call->query, call->ask->query_bytes}, name, value;
	char extra[RD_EXTRA_BYTES_MAX + 1];
	memcpy(extra, e->extra, sizeof extra);
	e->extra[0] = '\0';
	while (query_next(&left, &name, &value)) {
		bool good;
		if (bytes_are(name, "ep"))
			good = !update && copy_text(e->ep, sizeof e->ep, value);
		else if (bytes_are(name, "d"))
			good = !update && copy_text(e->sector, sizeof e->sector, value);
		else if (bytes_are(name, "lt"))
			good = take_lifetime(e, value);
		else if (bytes_are(name, "base"))
			good = value.count > 0 && take_base(call, e, value);
		else
			good = add_extra(e, name, value);
		if (!good) {
			call_problem(call, CODE_BAD_REQUEST, "%.*s: not possible here",
			             (int)(name.count < 64 ? name.count : 64), name.data);
			return false;
		}
	}
	if (update && e->extra[0] == '\0') /* RFC 9176 5.3.1: what is not said stays */
		memcpy(e->extra, extra, sizeof extra);
	return true;
}

/* RFC 9176 5: limited link format: targets and anchors are URIs or begin with a slash. */
static bool take_links(struct coap_call *call, struct registration_entry *e)
{
	struct bytes left = call->payload;
	struct link link;
	enum link_step step;
	if (call->ask->content_format == CONTENT_JSON)
		left.count = 0;
	while ((step = link_next(&left, &link)) == LINK_NEXT) {
		bool absolute = link.href.count > 0 && link.href.data[0] == '/';
		absolute |= link.href.count > 0 && memchr(link.href.data, ':', link.href.count);
		if (!absolute)
			step = LINK_BAD;
		if (step == LINK_BAD)
			break;
	}
	if (step == LINK_BAD || call->payload.count > RD_LINKS_BYTES_MAX) {
		call_problem(call, CODE_BAD_REQUEST, "the links are not in link format");
		return false;
	}
	e->links_bytes = call->ask->content_format == CONTENT_JSON ? 0 : call->payload.count;
	e->links = malloc(e->links_bytes + 1);
	if (!e->links) {
		call_problem(call, CODE_UNAVAILABLE, "no memory");
		return false;
	}
	if (e->links_bytes > 0)
		memcpy(e->links, call->payload.data, e->links_bytes);
	return true;
}

/* ---- the device registry ---- */

/* The fields of a registration that devices tell of themselves; the operator's own are not. */
static const char *const device_fields[] = {"manufacturerId", "modelNumber", "serialNumber",
                                            "firmwareVersion"};

static void put_device_json(const struct coap_call *call, const struct registration_entry *e,
                            struct text *t)
{
	struct bytes value, left = {(const uint8_t *)e->links, e->links_bytes};
	struct link link;
	bool any = false;
	text_add(t, "{");
	for (size_t i = 0; i < sizeof device_fields / sizeof device_fields[0]; i++)
		if (call_query(call, device_fields[i], &value)) {
			text_add(t, "\"%s\":", device_fields[i]);
			text_json(t, (const char *)value.data, value.count);
			text_add(t, ",");
		}
	text_add(t, "\"capabilities\":[");
	size_t start = t->used;
	while (link_next(&left, &link) == LINK_NEXT && link.href.count < CAPABILITIES &&
	       t->used - start + link.href.count < CAPABILITIES) {
		text_add(t, "%s", any ? "," : "");
		text_json(t, (const char *)link.href.data, link.href.count);
		any = true;
	}
	text_add(t, "],\"communicationProfile\":{\"protocol\":\"coap\"}}");
}

static uint8_t code_of(enum registration_outcome outcome)
{
	switch (outcome) {
	case REGISTRATION_INVALID:
		return CODE_BAD_REQUEST;
	case REGISTRATION_FULL:
		return CODE_UNAVAILABLE;
	default:
		return CODE_FORBIDDEN;
	}
}

/* False: a problem was answered. */
static bool enter_registry(struct coap_call *call, const struct registration_entry *e)
{
	struct text json = {0};
	struct registration_answer answer;
	struct error err;
	if (call->ask->content_format == CONTENT_JSON)
		text_put(&json, call->payload.data, call->payload.count);
	else
		put_device_json(call, e, &json);
	struct registration_request request = {
	    .id = e->ep, .id_bytes = strlen(e->ep), .json = json.data, .json_bytes = json.used};
	struct registration *registration = call->service->config.registration;
	enum result r = json.failed ? RESULT_RESOURCE
				    : registration_submit(registration, clock_wall_ms(), &request,
							  &answer, 1, &err);
	text_free(&json);
	if (r != RESULT_OK) {
		log_error("coap", "registration of %s failed", e->ep);
		call_problem(call, CODE_UNAVAILABLE, "the registry can't be written now");
		return false;
	}
	if (!registration_accepted(answer.outcome))
		call_problem(call, code_of(answer.outcome), "%s", answer.detail);
	return registration_accepted(answer.outcome);
}

/* ---- /rd ---- */

static bool is_format_known(const struct coap_call *call)
{
	uint16_t format = call->ask->content_format;
	return format == CONTENT_LINKS || format == CONTENT_JSON ||
	       (format == COAP_FORMAT_NONE && call->payload.count == 0);
}

/* False: a problem was answered. */
static bool make_durable(struct coap_call *call, const struct registration_entry *e)
{
	struct error err;
	if (rd_disk_put(call->service->config.store, e, call->service->now_ms, &err) == RESULT_OK)
		return true;
	log_error("coap", "the registration of %s can't be kept: %s", e->ep, err.text);
	call_problem(call, CODE_UNAVAILABLE, "the directory can't be written now");
	return false;
}

/* Put it in the place of one of the same name, or in a new one. */
static bool keep_entry(struct coap_call *call, struct registration_entry *e)
{
	struct coap_service *s = call->service;
	struct directory *d = s->directory;
	struct registration_entry *old = by_name(d, e->ep, e->sector);
	if (!old && d->count == s->config.registrations_max) {
		call_problem(call, CODE_UNAVAILABLE, "the directory is full");
		return false;
	}
	e->number = old ? old->number : d->last_number + 1;
	e->expires_ms = s->now_ms + e->lifetime_s * UINT64_C(1000);
	if (!make_durable(call, e))
		return false;
	for (uint32_t i = 0; i < d->count && old; i++)
		if (d->all[i] == old)
			d->all[i] = e;
	if (!old) {
		d->all[d->count++] = e;
		d->last_number = e->number;
	}
	registration_entry_free(old);
	return true;
}

static bool register_endpoint(struct coap_call *call, struct registration_entry *e)
{
	e->lifetime_s = LIFETIME_S;
	if (!is_format_known(call)) {
		call_problem(call, CODE_BAD_FORMAT, "links in format 40, or a device in 50");
		return false;
	}
	if (!take_base(call, e, (struct bytes){NULL, 0}) || !take_query(call, e, false))
		return false;
	if (e->ep[0] == '\0') {
		call_problem(call, CODE_BAD_REQUEST, "ep is missing"); /* RFC 9176 5 */
		return false;
	}
	return take_links(call, e) && enter_registry(call, e) && keep_entry(call, e);
}

static void rd_register(struct coap_call *call)
{
	struct registration_entry *e = calloc(1, sizeof *e);
	bool taken = e && register_endpoint(call, e);
	if (!e)
		call_problem(call, CODE_UNAVAILABLE, "no memory");
	service_count(call->service, taken ? COAP_SERVICE_REGISTERED
	                                   : COAP_SERVICE_REGISTRATIONS_REFUSED);
	if (!taken) {
		registration_entry_free(e);
		return;
	}
	call->reply.code = CODE_CREATED;
	snprintf(call->reply.location_path, sizeof call->reply.location_path, "rd/%u", e->number);
}

/* RFC 9176 5.3.1 */
static void rd_update(struct coap_call *call, struct registration_entry *e)
{
	struct registration_entry changed = *e;
	if (call->payload.count > 0) {
		call_problem(call, CODE_BAD_REQUEST, "an update has no links");
		return;
	}
	if (!changed.base_given)
		take_base(call, &changed, (struct bytes){NULL, 0});
	if (!take_query(call, &changed, true))
		return;
	changed.expires_ms = call->service->now_ms + changed.lifetime_s * UINT64_C(1000);
	if (!make_durable(call, &changed))
		return;
	*e = changed;
	call->reply.code = CODE_CHANGED;
}

/* RFC 9176 5.3.2 */
static void rd_remove(struct coap_call *call, uint32_t place)
{
	struct directory *d = call->service->directory;
	struct error err;
	if (rd_disk_remove(call->service->config.store, d->all[place]->number, &err) !=
	    RESULT_OK) {
		log_error("coap", "a registration can't be removed: %s", err.text);
		call_problem(call, CODE_UNAVAILABLE, "the directory can't be written now");
		return;
	}
	remove_at(d, place);
	call->reply.code = CODE_DELETED;
}

static void rd_serve(struct coap_call *call)
{
	struct directory *d = call->service->directory;
	if (call->rest[0] == '\0') {
		if (call_method(call, ALLOW_POST))
			rd_register(call);
		return;
	}
	uint32_t place = place_of(d, call->rest);
	if (place == UINT32_MAX) {
		call_problem(call, CODE_NOT_FOUND, "there is no such registration");
	} else if (call_method(call, ALLOW_POST | ALLOW_DELETE)) {
		if (call->ask->method == COAP_POST)
			rd_update(call, d->all[place]);
		else
			rd_remove(call, place);
	}
}

/* ---- /rd-lookup (RFC 9176 6) ---- */

static void put_endpoint(const struct registration_entry *e, struct text *t)
{
	text_add(t, "</rd/%u>;ep=\"%s\";base=\"%s\"", e->number, e->ep, e->base);
	if (e->sector[0])
		text_add(t, ";d=\"%s\"", e->sector);
	text_add(t, "%s;rt=\"core.rd-ep\"", e->extra);
}

/* "coap://host:port" of a base. */
static int origin_bytes(const char *base)
{
	const char *host = strstr(base, "://") + 3;
	return (int)(host - base) + (int)strcspn(host, "/");
}

static void put_reference(const struct registration_entry *e, struct bytes reference,
                          struct text *t)
{
	if (reference.count > 0 && reference.data[0] == '/')
		text_add(t, "%.*s", origin_bytes(e->base), e->base);
	text_put(t, reference.data, reference.count);
}

static void put_resource(const struct registration_entry *e, const struct link *link,
                         struct text *t)
{
	struct bytes left = link->attributes;
	struct link_attribute a;
	text_add(t, "<");
	put_reference(e, link->href, t);
	text_add(t, ">");
	while (link_attribute_next(&left, &a) == LINK_NEXT) {
		text_add(t, ";%.*s", (int)a.name.count, a.name.data);
		if (!a.has_value)
			continue;
		text_add(t, "=\"");
		if (bytes_are(a.name, "anchor"))
			put_reference(e, a.value, t);
		else
			text_put(t, a.value.data, a.value.count);
		text_add(t, "\"");
	}
}

static bool any_link_matches(const struct registration_entry *e, struct bytes name,
                             struct bytes value)
{
	struct bytes left = {(const uint8_t *)e->links, e->links_bytes};
	struct link link;
	while (link_next(&left, &link) == LINK_NEXT)
		if (link_matches(&link, name, value))
			return true;
	return false;
}

/* RFC 9176 6.2: every criterion matches the endpoint, or the link (NULL: any link of it). */
static bool is_wanted(const struct coap_call *call, const struct registration_entry *e,
                      const struct link *link)
{
	struct text text = {0};
	struct bytes left = {(const uint8_t *)call->query, call->ask->query_bytes}, name, value;
	struct link endpoint = {.href = {NULL, 0}};
	bool wanted = true;
	put_endpoint(e, &text);
	struct bytes whole = {(const uint8_t *)text.data, (uint32_t)text.used};
	if (text.failed || link_next(&whole, &endpoint) != LINK_NEXT)
		wanted = false;
	while (wanted && query_next(&left, &name, &value)) {
		if (bytes_are(name, "page") || bytes_are(name, "count"))
			continue;
		wanted = link_matches(&endpoint, name, value) ||
		         (link ? link_matches(link, name, value)
		               : any_link_matches(e, name, value));
	}
	text_free(&text);
	return wanted;
}

/* "page" and "count"; false: a problem was answered. */
static bool take_number(struct coap_call *call, const char *name, uint32_t *out)
{
	struct bytes value;
	uint64_t n = 0;
	if (!call_query(call, name, &value))
		return true;
	bool good = value.count > 0 && value.count < 10;
	for (uint32_t i = 0; i < value.count && good; i++) {
		good = value.data[i] >= '0' && value.data[i] <= '9';
		n = n * 10 + (value.data[i] - '0');
	}
	*out = (uint32_t)n;
	if (!good)
		call_problem(call, CODE_BAD_REQUEST, "%s is not a number", name);
	return good;
}

struct pages {
	uint64_t first, end, seen;
};

static bool is_on_page(struct pages *p)
{
	uint64_t at = p->seen++;
	return at >= p->first && at < p->end;
}

static void look_up_resources(struct coap_call *call, const struct registration_entry *e,
                              struct pages *pages)
{
	struct bytes left = {(const uint8_t *)e->links, e->links_bytes};
	struct text *t = &call->reply.body;
	struct link link;
	while (link_next(&left, &link) == LINK_NEXT)
		if (is_wanted(call, e, &link) && is_on_page(pages)) {
			text_add(t, "%s", t->used ? "," : "");
			put_resource(e, &link, t);
		}
}

static void look_up(struct coap_call *call, bool resources)
{
	static const uint16_t formats[] = {CONTENT_LINKS};
	const struct directory *d = call->service->directory;
	struct text *t = &call->reply.body;
	uint32_t page = 0, count = UINT32_MAX;
	if (!call_method(call, ALLOW_GET) || !call_format(call, formats, 1, &call->reply.format) ||
	    !take_number(call, "page", &page) || !take_number(call, "count", &count))
		return;
	struct pages pages = {.first = (uint64_t)page * count};
	pages.end = pages.first + count;
	call->reply.code = CODE_CONTENT;
	for (uint32_t i = 0; i < d->count; i++) {
		const struct registration_entry *e = d->all[i];
		if (resources) {
			look_up_resources(call, e, &pages);
		} else if (is_wanted(call, e, NULL) && is_on_page(&pages)) {
			text_add(t, "%s", t->used ? "," : "");
			put_endpoint(e, t);
		}
	}
	if (t->failed)
		call_problem(call, CODE_BAD_REQUEST,
		             "the result is longer than %u bytes: ask for it by page and count",
		             COAP_TELL_BYTES_MAX);
}

static void endpoints_serve(struct coap_call *call)
{
	look_up(call, false);
}

static void resources_serve(struct coap_call *call)
{
	look_up(call, true);
}

static const struct resource directory_resources[] = {
    {"/rd", true, "rt=\"core.rd\";ct=40", rd_serve},
    {"/rd-lookup/ep", false, "rt=\"core.rd-lookup-ep\";ct=40", endpoints_serve},
    {"/rd-lookup/res", false, "rt=\"core.rd-lookup-res\";ct=40", resources_serve},
};

/* ---- start, time, end ---- */

static bool on_kept(void *context, struct registration_entry *e)
{
	struct coap_service *s = context;
	struct directory *d = s->directory;
	if (d->count == s->config.registrations_max) { /* the limit was lowered */
		log_warning("coap", "more than %u registrations: the later ones are left out",
		         s->config.registrations_max);
		registration_entry_free(e);
		return false;
	}
	d->all[d->count++] = e;
	return true;
}

enum result directory_new(struct coap_service *s, struct error *err)
{
	s->directory = calloc(1, sizeof *s->directory);
	if (s->directory)
		s->directory->all =
		    calloc(s->config.registrations_max, sizeof s->directory->all[0]);
	if (!s->directory || !s->directory->all)
		return fail(RESULT_RESOURCE, err, "CoAP service: no memory for %u registrations",
		            s->config.registrations_max);
	service_offer(s, directory_resources,
	              sizeof directory_resources / sizeof directory_resources[0]);
	return rd_disk_load(s->config.store, clock_mono_us() / 1000, on_kept, s,
	                    &s->directory->last_number, err);
}

void directory_run(struct coap_service *s)
{
	struct directory *d = s->directory;
	if (s->now_ms < d->looked_ms + 1000)
		return;
	d->looked_ms = s->now_ms;
	for (uint32_t i = d->count; i-- > 0;)
		if (d->all[i]->expires_ms <= s->now_ms) {
			struct error err;
			/* what stays there for now expires again at the next start */
			if (rd_disk_remove(s->config.store, d->all[i]->number, &err) != RESULT_OK)
				log_warning("coap", "an expired registration: %s", err.text);
			remove_at(d, i);
			service_count(s, COAP_SERVICE_REGISTRATIONS_EXPIRED);
		}
}

void directory_free(struct coap_service *s)
{
	if (!s->directory)
		return;
	for (uint32_t i = 0; i < s->directory->count; i++)
		registration_entry_free(s->directory->all[i]);
	free(s->directory->all);
	free(s->directory);
}
