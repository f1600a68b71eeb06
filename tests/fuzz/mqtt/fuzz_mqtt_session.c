/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An MQTT session, 3.1.1 or 5.0, on arbitrary bytes. Oracles:
 * - the stream cut at random points gives the same calls and counters as the stream in one piece;
 * - what is handed on keeps the promises of mqtt.h (spans, UTF-8, packet ids, one on_close);
 * - each session ends for exactly one counted reason.
 *
 * Input: 8 bytes that choose the cuts and the application's answers, then the stream.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "mqtt/mqtt_priv.h"

#define SEED_BYTES 8
#define OFFERS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct run {
	struct mqtt m;
	struct mqtt_session s;
	struct counters counters;
	uint64_t seed;
	uint32_t trace; /* checksum over all calls but refused offers */
	uint32_t calls, sends, publishes, offers, closes, own_acks, qos1, qos2, own_recs;
	uint32_t pubrels, acks, filter_packets;
	bool reset;
	const uint8_t *piece, *piece_end;
};

static void note(struct run *r, const void *data, uint32_t count)
{
	r->trace = crc32c(r->trace, &count, sizeof count);
	r->trace = crc32c(r->trace, data, count);
	r->calls++;
}

static void check_inside(const struct run *r, struct bytes b)
{
	CHECK(b.data >= r->piece && b.data + b.count <= r->piece_end);
}

/* UTF-8 the slow way: decode, then judge the number. */
static void check_text(struct bytes text)
{
	for (uint32_t i = 0; i < text.count;) {
		uint8_t first = text.data[i];
		uint32_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
		uint32_t code = n == 1 ? first : first & (0x7fu >> n);
		CHECK(n == 1 || first >= 0xc0);
		CHECK_OP(i + n, <=, text.count);
		for (uint32_t k = 1; k < n; k++) {
			CHECK_OP(text.data[i + k] & 0xc0, ==, 0x80);
			code = code << 6 | (text.data[i + k] & 0x3f);
		}
		static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};
		CHECK_OP(code, >=, least[n]);
		CHECK_OP(code, <=, 0x10ffffu);
		CHECK(code < 0xd800 || code > 0xdfff);
		i += n;
	}
}

static void check_props(const struct run *r, const struct mqtt_props *props)
{
	static uint8_t out[70000];
	CHECK_OP(props->forward_bytes, <=, props->all.count);
	if (props->all.count > 0)
		check_inside(r, props->all);
	CHECK_OP(props->receive_max, >, 0);
	CHECK_OP(props->packet_bytes_max, >, 0u);
	CHECK_OP(props->payload_format, <=, 1);
	out[props->forward_bytes] = 0xa5;
	mqtt_props_forward(props, out);
	CHECK_OP(out[props->forward_bytes], ==, 0xa5);
	/* what is handed on is well-formed itself, and all of it is handed on again */
	uint8_t length[4];
	static uint8_t again[70000];
	uint32_t n = mqtt_varint_build(length, props->forward_bytes);
	memcpy(again, length, n);
	memcpy(again + n, out, props->forward_bytes);
	struct mqtt_cursor c = {again, again + n + props->forward_bytes};
	struct mqtt_props parsed;
	CHECK(mqtt_props_parse(&c, MQTT_PUBLISH, &parsed) == MQTT_WELL_FORMED);
	CHECK_OP(parsed.forward_bytes, ==, props->forward_bytes);
}

/* The n-th call finds room after 0 to 3 offers, however the stream was cut. */
static bool no_room(struct run *r, uint32_t n)
{
	if (r->offers < (r->seed >> 2 * (n % 16) & 3)) {
		r->offers++;
		return true;
	}
	r->offers = 0;
	return false;
}

static enum mqtt_taken on_connect(void *app, struct mqtt_session *s, const struct mqtt_connect *c)
{
	struct run *r = app;
	CHECK_OP(r->closes, ==, 0u);
	CHECK_OP(c->client_id.count, >, 0u);
	CHECK_OP(s->client_bytes, <=, c->client_id.count);
	CHECK(memcmp(s->client_id, c->client_id.data, s->client_bytes) == 0);
	CHECK(!c->has_password || c->has_username || c->version == 5);
	CHECK_OP(c->will_qos, <=, 2);
	CHECK(c->version == 4 || c->version == 5);
	check_text(c->client_id);
	note(r, c->client_id.data, c->client_id.count);
	if (c->version == 5)
		check_props(r, &c->props);
	if (c->has_will) {
		check_inside(r, c->will_topic);
		check_inside(r, c->will_message);
		check_text(c->will_topic);
		note(r, c->will_message.data, c->will_message.count);
		check_props(r, &c->will_props);
	}
	if (c->has_username) {
		check_text(c->username);
		note(r, c->username.data, c->username.count);
	}
	if (c->has_password)
		check_inside(r, c->password);
	struct mqtt_connack answer = {
	    .reason = r->seed >> 60 == 15 ? MQTT_NOT_AUTHORISED : MQTT_SUCCESS,
	    .session_present = r->seed >> 60 == 14,
	    .session_expiry_s = r->seed >> 60 == 13 ? 7 : s->session_expiry_s,
	};
	mqtt_connack(&r->m, s, &answer);
	return MQTT_TAKEN;
}

static enum mqtt_taken on_publish(void *app, struct mqtt_session *s, const struct mqtt_publish *p)
{
	struct run *r = app;
	CHECK_OP(r->closes, ==, 0u);
	CHECK_OP(s->state, ==, MQTT_CONNECTED);
	if (no_room(r, r->publishes))
		return MQTT_NO_ROOM;
	r->publishes++;
	CHECK_OP(p->qos, <=, 2);
	CHECK_OP(p->qos > 0, ==, p->packet_id != 0);
	CHECK(p->qos > 0 || !p->dup);
	CHECK_OP(p->topic.count, >, 0u);
	if (p->props.topic_alias == 0)
		check_inside(r, p->topic);
	check_inside(r, p->payload);
	check_text(p->topic);
	check_props(r, &p->props);
	CHECK(!memchr(p->topic.data, '#', p->topic.count));
	CHECK(!memchr(p->topic.data, '+', p->topic.count));
	note(r, p->topic.data, p->topic.count);
	note(r, p->payload.data, p->payload.count);
	r->qos1 += p->qos == 1;
	r->qos2 += p->qos == 2;
	if (p->qos == 1 && p->packet_id & 1) {
		r->own_acks++;
		mqtt_puback(&r->m, s, p->packet_id, p->packet_id & 2 ? 0x99 : 0, "fuzz");
	} else if (p->qos == 2 && p->packet_id & 1) {
		r->own_recs++;
		mqtt_pubrec(&r->m, s, p->packet_id, p->packet_id & 2 ? 0x99 : 0, NULL);
	}
	return MQTT_TAKEN;
}

static enum mqtt_taken on_pubrel(void *app, struct mqtt_session *s, uint16_t packet_id)
{
	struct run *r = app;
	CHECK_OP(packet_id, !=, 0);
	if (no_room(r, r->pubrels))
		return MQTT_NO_ROOM;
	r->pubrels++;
	note(r, &packet_id, sizeof packet_id);
	mqtt_pubcomp(&r->m, s, packet_id, s->unreleased ? 0 : MQTT_NO_SUCH_PACKET_ID);
	return MQTT_TAKEN;
}

static enum mqtt_taken on_filters(void *app, struct mqtt_session *s, const struct mqtt_filters *f)
{
	static uint8_t codes[UINT16_MAX];
	struct run *r = app;
	struct mqtt_filters walk = *f;
	struct bytes filter;
	uint8_t options;
	uint32_t count = 0, text_bytes = 0;
	if (no_room(r, r->filter_packets))
		return MQTT_NO_ROOM;
	r->filter_packets++;
	CHECK_OP(f->packet_id, !=, 0);
	while (mqtt_filter_next(&walk, &filter, &options)) {
		check_inside(r, filter);
		check_text(filter);
		CHECK_OP(filter.count, >, 0u);
		CHECK_OP(options & 3, !=, 3);
		note(r, filter.data, filter.count);
		count++;
		text_bytes += filter.count;
	}
	CHECK_OP(count, ==, f->count);
	CHECK_OP(text_bytes, ==, f->text_bytes);
	mqtt_suback(&r->m, s, f->subscribe, f->packet_id, codes, count);
	return MQTT_TAKEN;
}

static enum mqtt_taken on_ack(void *app, struct mqtt_session *s, uint8_t type, uint16_t packet_id,
			      uint8_t reason)
{
	struct run *r = app;
	(void)s;
	if (no_room(r, r->acks))
		return MQTT_NO_ROOM;
	r->acks++;
	CHECK(type == 4 || type == 5 || type == 7);
	CHECK_OP(packet_id, !=, 0);
	note(r, &reason, 1);
	return MQTT_TAKEN;
}

static bool on_send(void *app, struct mqtt_session *s, const void *bytes, uint32_t count)
{
	struct run *r = app;
	(void)s;
	CHECK_OP(r->closes, ==, 0u);
	CHECK_OP(count, >, 0u);
	note(r, bytes, count);
	return ++r->sends != (r->seed >> 32 & 0x3f);
}

static void on_close(void *app, struct mqtt_session *s, bool reset)
{
	struct run *r = app;
	CHECK_OP(s->state, ==, MQTT_CLOSED);
	CHECK_OP(r->closes, ==, 0u);
	r->closes++;
	r->reset = reset;
	note(r, &reset, sizeof reset);
}

static const struct mqtt_app ops = {
    .on_connect = on_connect,
    .on_publish = on_publish,
    .on_pubrel = on_pubrel,
    .on_filters = on_filters,
    .on_ack = on_ack,
    .on_send = on_send,
    .on_close = on_close,
};

/* One call of mqtt_input with an exact copy of [from, to); returns what was consumed. */
static size_t feed(struct run *r, const uint8_t *stream, size_t from, size_t to, uint64_t now_us)
{
	uint8_t *exact = malloc(to - from ? to - from : 1);
	CHECK(exact != NULL);
	memcpy(exact, stream + from, to - from);
	r->piece = exact;
	r->piece_end = exact + (to - from);
	uint32_t used = mqtt_input(&r->m, &r->s, exact, (uint32_t)(to - from), now_us);
	CHECK_OP(used, <=, to - from);
	CHECK(r->closes == 0 || used == to - from);
	free(exact);
	return used;
}

static void begin(struct run *r, uint64_t seed)
{
	memset(r, 0, sizeof *r);
	r->seed = seed;
	r->m.config = (struct mqtt_config){.packet_bytes_max = seed >> 59 & 1 ? 200 : 60000,
					   .connect_timeout_ms = 5000,
					   .receive_max = seed >> 55 & 1 ? 3 : 0,
					   .topic_alias_max = 3,
					   .no_retain = seed >> 54 & 1};
	r->m.aliases = mqtt_aliases_new(64 * 5);
	CHECK(r->m.aliases != NULL);
	r->m.ops = &ops;
	r->m.app = r;
	r->m.counters = &r->counters;
	mqtt_session_init(&r->m, &r->s, 0);
}

/* Feed all of it, in pieces of 1..step bytes; step 0: in one piece. */
static void run(struct run *r, uint64_t seed, const uint8_t *stream, size_t bytes, uint32_t step)
{
	size_t from = 0, to = 0;
	uint32_t stuck = 0;
	begin(r, seed);
	while (from < bytes && stuck < OFFERS_MAX) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		size_t more = step ? 1 + (seed >> 33) % step : bytes;
		bool whole = to == bytes;
		to = more < bytes - to ? to + more : bytes;
		size_t used = feed(r, stream, from, to, 1);
		from += used;
		/* an incomplete packet stays; a PUBLISH without room gets it within four offers */
		stuck = used == 0 && whole ? stuck + 1 : 0;
	}
	CHECK(from == bytes || r->closes == 0);
	CHECK(!(r->s.flags & MQTT_S_WAITING) || r->closes > 0);
	mqtt_session_fini(&r->m, &r->s);
	CHECK(mqtt_alias_offered(r->m.aliases, 2)); /* every chunk came back */
	mqtt_aliases_free(r->m.aliases);
}

static uint64_t sum(const struct counters *c, enum counter first, enum counter last)
{
	uint64_t total = 0;
	for (uint32_t id = first; id <= last; id++)
		total += counter_get(c, id);
	return total;
}

/* What ends a session: one of these, once. */
static void check_accounts(const struct run *r)
{
	const struct counters *c = &r->counters;
	uint64_t ends = sum(c, COUNTER_MQTT_REFUSED_VERSION, COUNTER_MQTT_ERR_SESSION_EXPIRY) +
			counter_get(c, COUNTER_MQTT_IN_DISCONNECT);
	if (counter_get(c, COUNTER_MQTT_SEND_FAILED) == 0 &&
	    counter_get(c, COUNTER_MQTT_CLIENT_LIMIT) == 0)
		CHECK_OP(ends, ==, (uint64_t)r->closes);
	CHECK_OP(sum(c, COUNTER_MQTT_IN_PUBLISH_QOS0, COUNTER_MQTT_IN_PUBLISH_QOS2), ==,
		 (uint64_t)r->publishes);
	CHECK_OP(counter_get(c, COUNTER_MQTT_IN_PUBLISH_QOS1), ==, (uint64_t)r->qos1);
	CHECK_OP(r->qos1 + r->qos2, ==, r->own_acks + r->own_recs + r->s.inflight);
	CHECK_OP(counter_get(c, COUNTER_MQTT_IN_PUBREL), ==, (uint64_t)r->pubrels);
}

static struct run whole_run, cut_run;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const uint8_t connect[] = {0x10, 13,   0, 4, 'M', 'Q', 'T', 'T',
					  4,    0x02, 0, 9, 0,   1,   'f'};
	static const uint8_t connect_5[] = {0x10, 14, 0, 4, 'M', 'Q', 'T', 'T',
					    5,    2,  0, 9, 0,   0,   1,   'f'};
	static uint8_t stream[sizeof connect_5 + 70000];
	if (bytes < SEED_BYTES || bytes > 70000)
		return 0;
	uint64_t seed = get_le64(data);
	size_t n = 0;
	if (!(seed >> 58 & 1)) { /* most streams begin well */
		bool v5 = seed >> 53 & 1;
		n = v5 ? sizeof connect_5 : sizeof connect;
		memcpy(stream, v5 ? connect_5 : connect, n);
	}
	memcpy(stream + n, data + SEED_BYTES, bytes - SEED_BYTES);
	n += bytes - SEED_BYTES;

	static const uint32_t steps[] = {1, 3, 17, 300};
	run(&whole_run, seed, stream, n, 0);
	run(&cut_run, seed, stream, n, steps[seed >> 56 & 3]);
	check_accounts(&whole_run);
	check_accounts(&cut_run);
	CHECK_OP(whole_run.calls, ==, cut_run.calls);
	CHECK_OP(whole_run.trace, ==, cut_run.trace);
	for (uint32_t id = 0; id < COUNTER_COUNT; id++)
		if (id != COUNTER_MQTT_PUBLISH_DEFERRED)
			CHECK_OP(counter_get(&whole_run.counters, id), ==,
				 counter_get(&cut_run.counters, id));
	return 0;
}
