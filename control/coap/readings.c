/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /readings/DEVICE: the last reading, as JSON or SenML (RFC 8428). It can be observed: when the
 * store has taken new blocks, each observed device's last reading is looked at again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "control/api/reading_text.h"
#include "control/coap/service_priv.h"
#include "control/config/decimal.h"

#define MAX_AGE_DEFAULT_S 60

static const uint16_t formats[] = {CONTENT_JSON, CONTENT_SENML};

static void put_json(const struct coap_service *s, const char *id, const struct stored_reading *r,
                     struct text *t)
{
	char time[TIME_TEXT_BYTES], meter[TIME_TEXT_BYTES];
	text_add(t, "{\"device\":");
	text_json(t, id, strlen(id));
	text_add(t, ",\"time\":\"%s\",\"meter_time\":\"%s\",\"values\":{",
	         time_format(r->ts_ms, time), time_format(r->meter_ts_ms, meter));
	reading_put_values(t, s->config.channels, r);
	text_add(t, "}}");
}

/* RFC 8428 4: base name and time once, then a record for each channel. */
static void put_senml(const struct coap_service *s, const char *id, const struct stored_reading *r,
                      struct text *t)
{
	char value[DECIMAL_BYTES], base[DEVICE_ID_BYTES + 2];
	snprintf(base, sizeof base, "%s/", id);
	text_add(t, "[{\"bn\":");
	text_json(t, base, strlen(base));
	text_add(t, ",\"bt\":%" PRId64 ".%03u", r->ts_ms / 1000, (unsigned)(r->ts_ms % 1000));
	for (unsigned i = 0; i < r->channel_count; i++) {
		const struct channel *ch = &s->config.channels->by_id[r->channel[i]];
		text_add(t, "%s\"n\":", i ? "},{" : ",");
		text_json(t, ch->name, strlen(ch->name));
		text_add(t, ",\"u\":");
		const char *unit = strcmp(ch->unit, "1") == 0 ? "/" : ch->unit;
		text_json(t, unit, strlen(unit));
		text_add(t, ",\"v\":%s", decimal_format(r->value[i], ch->decimals, value));
	}
	text_add(t, "}]");
}

/* What tells one reading of a device from another. */
static uint64_t version_of(const struct stored_reading *r)
{
	return (uint64_t)r->meter_ts_ms ^ (uint64_t)r->received_ms << 20;
}

/* RESULT_ABSENT: nothing stored; the reply says so in its own way. */
static enum result represent(struct coap_service *s, uint32_t device, const char *id,
                             uint16_t format, struct coap_reply *reply, uint64_t *version)
{
	struct stored_reading reading;
	struct error err;
	*version = 0;
	enum result r = store_last(s->config.store, device, &reading, &err);
	if (r != RESULT_OK && r != RESULT_ABSENT) {
		log_error("coap", "%s", err.text);
		return r;
	}
	reply->code = CODE_CONTENT;
	reply->format = format;
	reply->has_max_age = true;
	reply->max_age_s = MAX_AGE_DEFAULT_S;
	if (r == RESULT_ABSENT) {
		if (format == CONTENT_SENML)
			text_add(&reply->body, "[]");
		else
			text_add(&reply->body, "{\"device\":\"%s\"}", id);
		return RESULT_OK;
	}
	const struct profile *p = s->config.profiles->by_id[reading.profile];
	if (p && p->interval_ms >= 1000)
		reply->max_age_s = p->interval_ms / 1000;
	if (format == CONTENT_SENML)
		put_senml(s, id, &reading, &reply->body);
	else
		put_json(s, id, &reading, &reply->body);
	*version = version_of(&reading);
	return RESULT_OK;
}

void readings_serve(struct coap_call *call)
{
	struct coap_service *s = call->service;
	uint16_t format;
	uint64_t version;
	if (!call_method(call, ALLOW_GET))
		return;
	uint32_t device = registry_number_of(s->config.registry, call->rest, strlen(call->rest));
	if (device == DEVICE_NONE) {
		call_problem(call, CODE_NOT_FOUND, "there is no device '%.64s'", call->rest);
		return;
	}
	if (!call_format(call, formats, 2, &format))
		return;
	if (represent(s, device, call->rest, format, &call->reply, &version) != RESULT_OK) {
		call_problem(call, CODE_UNAVAILABLE, "the store can't be read now");
		return;
	}
	struct watch *w = watch_begin(call, WATCH_READING, device);
	if (w)
		w->version = version;
}

static void look_again(struct coap_service *s, struct watch *w)
{
	struct coap_reply reply = {.body.bytes_max = COAP_TELL_BYTES_MAX};
	char id[DEVICE_ID_BYTES + 1];
	uint16_t format = w->accept == CONTENT_SENML ? CONTENT_SENML : CONTENT_JSON;
	uint64_t version;
	if (!registry_id_of(s->config.registry, w->subject, id) ||
	    represent(s, w->subject, id, format, &reply, &version) != RESULT_OK ||
	    version == w->version) {
		text_free(&reply.body);
		return;
	}
	w->version = version;
	reply.etag = etag_of(reply.body.data, reply.body.used, reply.format);
	service_notify(s, w, &reply);
}

void readings_run(struct coap_service *s)
{
	if (!watch_first(s))
		return;
	uint64_t block = store_applied_block(s->config.store);
	if (block == s->store_block)
		return;
	s->store_block = block;
	for (struct watch *w = watch_first(s); w; w = watch_next(s, w))
		if (w->kind == WATCH_READING)
			look_again(s, w);
}
