/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is sent when. Each sender is due at its rate and as long as its share of unacknowledged
 * messages is not used up (a closed loop: a slow server slows the fleet down).
 *
 * A repetition, a conflict or a defect is only made where the fate is certain beforehand:
 * conflicts with a reading that is already acknowledged, defects of meters with good clocks.
 */
#include <math.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "fleet.h"

#define ROLL_WH 1000000000 /* registers have six dials of kWh */

uint64_t fleet_random(struct fleet *f)
{
	uint64_t x = f->random += 0x9E3779B97F4A7C15u; /* splitmix64 */
	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
	x = (x ^ x >> 27) * 0x94D049BB133111EBu;
	return x ^ x >> 31;
}

uint32_t fleet_random_below(struct fleet *f, uint32_t n)
{
	return (uint32_t)((fleet_random(f) >> 32) * n >> 32);
}

/* --- lines --- */

static struct line *line_add(struct fleet *f, uint32_t meter, enum make make)
{
	if (f->line_count == f->line_room) {
		f->line_room = f->line_room ? f->line_room * 2 : 65536;
		f->lines = realloc(f->lines, f->line_room * sizeof *f->lines);
		CHECK(f->lines);
	}
	struct line *l = &f->lines[f->line_count++];
	*l = (struct line){.meter = meter, .make = (uint8_t)make};
	return l;
}

/* Move the meter's clock and register on; never more than half of what its capacity allows, and
 * the few Wh that the steps of a register may add at any time. */
static void meter_advance(struct meter *m)
{
	int64_t now = clock_wall_ms() + m->clock_ms;
	int64_t ts = now > m->last_ts_ms ? now : m->last_ts_ms + 1;
	if (m->last_ts_ms) {
		int64_t ms = ts - m->last_ts_ms;
		/* W * ms / 3,600 = mWh */
		m->energy_mwh += m->power_w * ms / 3600;
		int64_t most_wh = m->capacity_w * ms / 3600 / 1000 / 2 + 4;
		int64_t due_wh = m->energy_mwh / 1000 - m->wh;
		m->wh += due_wh < most_wh ? due_wh : most_wh;
	}
	m->last_ts_ms = ts;
}

static void line_fresh(struct fleet *f, uint32_t meter)
{
	struct meter *m = &f->meters[meter];
	meter_advance(m);
	struct line *l = line_add(f, meter, m->clock == CLOCK_REJECTED ? MAKE_DRIFTED : MAKE_FRESH);
	l->ts_ms = m->last_ts_ms;
	l->wh = m->wh % ROLL_WH;
}

/* A line that must be rejected. The meter's register does not move. */
static void line_defect(struct fleet *f, uint32_t meter, enum make make)
{
	struct meter *m = &f->meters[meter];
	struct line *l = line_add(f, meter, make);
	int64_t now = clock_wall_ms() + m->clock_ms;
	m->last_ts_ms = now > m->last_ts_ms ? now : m->last_ts_ms + 1;
	l->ts_ms = m->last_ts_ms;
	l->wh = m->wh % ROLL_WH;
	if (make == MAKE_OVER_CAPACITY)
		l->wh += 50000000;
	else if (make == MAKE_REGISTER_FELL)
		l->wh -= 500000;
}

static void line_again(struct fleet *f, uint32_t original, enum make make)
{
	struct line copy = f->lines[original];
	struct line *l = line_add(f, copy.meter, make);
	l->ts_ms = copy.ts_ms;
	l->wh = copy.wh + (make == MAKE_CONFLICTING ? 1 : 0);
}

static bool line_is_acked(const struct fleet *f, uint32_t line)
{
	return line != NONE && f->lines[line].state == LINE_ACKED;
}

/* --- messages --- */

static uint32_t message_take(struct fleet *f)
{
	if (f->free_message != NONE) {
		uint32_t index = f->free_message;
		f->free_message = f->messages[index].next;
		return index;
	}
	if (f->message_count % 1024 == 0) {
		f->messages = realloc(f->messages, (f->message_count + 1024) * sizeof *f->messages);
		CHECK(f->messages);
	}
	f->messages[f->message_count] = (struct message){0};
	return f->message_count++;
}

static void message_free(struct fleet *f, uint32_t index)
{
	struct message *m = &f->messages[index];
	f->senders[m->sender].inflight--;
	f->inflight--;
	m->generation++;
	m->next = f->free_message;
	f->free_message = index;
}

static bool message_transmit(struct fleet *f, uint32_t index)
{
	static char payload[PAYLOAD_MAX];
	const struct message *m = &f->messages[index];
	const struct sender *s = &f->senders[m->sender];
	uint32_t bytes = payload_render(f, m->first_line, m->lines, m->array, payload);
	if (s->route == ROUTE_COAP)
		return coap_send_message(f, index, payload, bytes);
	char topic[64];
	if (s->route == ROUTE_GATEWAY)
		snprintf(topic, sizeof topic, GATEWAY_TOPIC, s->id);
	else
		snprintf(topic, sizeof topic, METER_TOPIC, s->id);
	return mqtt_send(f, index, topic, payload, bytes);
}

static void waiting_append(struct fleet *f, uint32_t index, uint64_t due_us)
{
	struct message *m = &f->messages[index];
	m->next = NONE;
	m->due_us = due_us;
	if (f->waiting_last == NONE)
		f->waiting_first = index;
	else
		f->messages[f->waiting_last].next = index;
	f->waiting_last = index;
}

/* Send the lines from `first_line` on as one message. */
static void message_send(struct fleet *f, struct sender *s, uint32_t first_line, bool array,
                         uint8_t qos, uint64_t now_us)
{
	uint32_t index = message_take(f);
	struct message *m = &f->messages[index];
	m->first_line = first_line;
	m->lines = f->line_count - first_line;
	m->sender = (uint32_t)(s - f->senders);
	m->array = array;
	m->qos = qos;
	m->started_us = now_us;
	for (uint32_t i = first_line; i < f->line_count; i++) {
		f->lines[i].protocol = (uint8_t)s->route;
		f->lines[i].qos = qos;
		ledger_line(f, i);
		if (f->lines[i].make == MAKE_FRESH && qos)
			f->meters[f->lines[i].meter].last_fresh = i;
	}
	s->inflight++;
	f->inflight++;
	f->totals.messages_sent++;
	f->totals.readings_sent += m->lines;
	if (!message_transmit(f, index))
		traffic_failed(f, index, now_us + 200000);
}

void traffic_acked(struct fleet *f, uint32_t index, uint64_t now_us)
{
	struct message *m = &f->messages[index];
	for (uint32_t i = m->first_line; i < m->first_line + m->lines; i++) {
		f->lines[i].state = LINE_ACKED;
		ledger_line(f, i);
	}
	histogram_add(&f->latency, now_us - m->started_us);
	histogram_add(&f->latency_second, now_us - m->started_us);
	f->totals.messages_acked++;
	f->totals.readings_acked += m->lines;
	message_free(f, index);
}

void traffic_unanswered(struct fleet *f, uint32_t index)
{
	f->totals.unanswered += f->messages[index].lines;
	message_free(f, index);
}

void traffic_failed(struct fleet *f, uint32_t index, uint64_t again_us)
{
	if (!f->messages[index].qos) {
		traffic_unanswered(f, index);
	} else if (again_us) {
		waiting_append(f, index, again_us);
	} else {
		f->totals.abandoned += f->messages[index].lines;
		f->failed = true;
		message_free(f, index);
	}
}

void traffic_run_waiting(struct fleet *f, uint64_t now_us)
{
	uint32_t index = f->waiting_first;
	f->waiting_first = f->waiting_last = NONE;
	while (index != NONE) {
		uint32_t next = f->messages[index].next;
		if (now_us < f->messages[index].due_us) {
			waiting_append(f, index, f->messages[index].due_us);
		} else {
			f->totals.messages_again++;
			if (!message_transmit(f, index))
				traffic_failed(f, index, now_us + 200000);
		}
		index = next;
	}
}

/* --- the mix --- */

static struct sender *sender_other_way(struct fleet *f, enum route not_this)
{
	for (int tries = 0; tries < 64; tries++) {
		struct sender *s = &f->senders[fleet_random_below(f, f->sender_count)];
		if (s->route == ROUTE_GATEWAY || s->route == not_this)
			continue;
		if (s->route == ROUTE_COAP ? s->inflight < SESSION_INFLIGHT
		                           : mqtt_ready(f, s->transport))
			return s;
	}
	return NULL;
}

static enum make random_defect(struct fleet *f, const struct meter *m, const struct sender *s)
{
	if (m->clock != CLOCK_OK || m->wh % ROLL_WH < 1000000 || m->wh > 900000000)
		return MAKE_FRESH;
	enum make make = MAKE_BROKEN_JSON + fleet_random_below(f, MAKE_COUNT - MAKE_BROKEN_JSON);
	if (make == MAKE_UNAUTHORISED && s->route != ROUTE_MQTT)
		return MAKE_UNKNOWN_METER; /* CoAP without DTLS has no identity */
	/* judged against the reading before: only where the order of arrival is certain */
	bool ordered = s->route == ROUTE_MQTT && !f->options.reconnect;
	if (make >= MAKE_OVER_CAPACITY && !(ordered && line_is_acked(f, m->last_fresh)))
		return MAKE_NEGATIVE;
	return make;
}

/* A meter behind a gateway, with a good clock, for which nobody else may send. */
static uint32_t random_guarded(struct fleet *f)
{
	for (int tries = 0; tries < 64; tries++) {
		uint32_t i = fleet_random_below(f, f->options.meters);
		if (f->meters[i].route == ROUTE_GATEWAY && f->meters[i].clock == CLOCK_OK)
			return i;
	}
	return NONE;
}

static void send_defect(struct fleet *f, struct sender *s, uint32_t meter, uint8_t qos,
                        uint64_t now_us)
{
	enum make make = random_defect(f, &f->meters[meter], s);
	uint32_t first = f->line_count;
	uint32_t guarded = make == MAKE_UNAUTHORISED ? random_guarded(f) : NONE;
	if (guarded != NONE)
		line_defect(f, guarded, make);
	else if (make == MAKE_FRESH || make == MAKE_UNAUTHORISED)
		line_fresh(f, meter);
	else
		line_defect(f, meter, make);
	if (make >= MAKE_OVER_CAPACITY) {
		f->meters[meter].judged = first;
		qos = 1; /* its acknowledgement is waited for */
	}
	message_send(f, s, first, false, qos, now_us);
}

/* A reading again: the same way, the other protocol, or in an array with a fresh one. */
static void send_again(struct fleet *f, struct sender *s, uint32_t meter, uint8_t qos,
                       uint64_t now_us)
{
	uint32_t original = f->meters[meter].last_fresh, first = f->line_count;
	uint32_t way = fleet_random_below(f, 4);
	struct sender *by = way == 0 ? sender_other_way(f, s->route) : s;
	line_again(f, original, MAKE_REPEATED);
	if (way == 1)
		line_fresh(f, meter);
	message_send(f, by ? by : s, first, way <= 1, qos, now_us);
}

/* A meter's own message. Of 1,000: 50 repetitions, 8 conflicts, 40 defects, 60 small arrays. */
static void send_single(struct fleet *f, struct sender *s, uint64_t now_us)
{
	uint32_t meter = f->behind[s->first_meter], first = f->line_count;
	const struct meter *m = &f->meters[meter];
	uint32_t mix = fleet_random_below(f, 1000);
	uint8_t qos = fleet_random_below(f, 100) < (s->route == ROUTE_COAP ? 70 : 85);
	if (f->options.clean)
		mix = 1000;
	if (mix < 50 && m->last_fresh != NONE) {
		send_again(f, s, meter, qos, now_us);
	} else if (mix >= 50 && mix < 58 && line_is_acked(f, m->last_fresh)) {
		line_again(f, m->last_fresh, MAKE_CONFLICTING);
		message_send(f, s, first, false, qos, now_us);
	} else if (mix >= 58 && mix < 98) {
		send_defect(f, s, meter, qos, now_us);
	} else {
		uint32_t lines = mix >= 98 && mix < 158 ? 1 + fleet_random_below(f, 3) : 1;
		for (uint32_t i = 0; i < lines; i++)
			line_fresh(f, meter);
		message_send(f, s, first, mix >= 98 && mix < 158, qos, now_us);
	}
}

/* A gateway's message: an array with one reading of each meter, some twice, some in conflict. */
static void send_batch(struct fleet *f, struct sender *s, uint64_t now_us)
{
	uint32_t first = f->line_count;
	uint8_t qos = fleet_random_below(f, 10) > 0;
	for (uint32_t i = 0; i < s->meters; i++) {
		uint32_t meter = f->behind[s->first_meter + i];
		uint32_t last = f->meters[meter].last_fresh;
		uint32_t mix = f->options.clean ? 1000 : fleet_random_below(f, 1000);
		line_fresh(f, meter);
		if (mix < 20 && last != NONE)
			line_again(f, last, MAKE_REPEATED);
		else if (mix >= 20 && mix < 25 && line_is_acked(f, last))
			line_again(f, last, MAKE_CONFLICTING);
		else if (mix >= 25 && mix < 28 && f->meters[meter].clock == CLOCK_OK)
			line_defect(f, meter, MAKE_NEGATIVE);
	}
	message_send(f, s, first, true, qos, now_us);
}

/* A replaced time is the time of arrival: readings of such a meter must not overtake each other.
 * Nor must any overtake one that is judged by the one before, while the store is asked about it. */
static bool sender_ready(const struct fleet *f, const struct sender *s)
{
	const struct meter *m = &f->meters[f->behind[s->first_meter]];
	if (s->route == ROUTE_COAP)
		return s->inflight < (m->clock == CLOCK_REPLACED ? 1 : SESSION_INFLIGHT);
	if (s->route == ROUTE_MQTT && s->inflight > 0 && m->judged != NONE &&
	    !line_is_acked(f, m->judged))
		return false;
	return s->inflight < CLIENT_INFLIGHT && mqtt_ready(f, s->transport);
}

static uint64_t interval_us(const struct fleet *f)
{
	return f->options.rate > 0 ? (uint64_t)llround(1e6 / f->options.rate) : 0;
}

void traffic_start(struct fleet *f, uint64_t now_us)
{
	uint32_t spread = (uint32_t)interval_us(f);
	for (uint32_t i = 0; i < f->sender_count; i++)
		f->senders[i].next_us = now_us + fleet_random_below(f, spread + 1);
}

void traffic_run(struct fleet *f, uint64_t now_us)
{
	uint64_t interval = interval_us(f);
	for (uint32_t i = 0; i < f->sender_count; i++) {
		struct sender *s = &f->senders[i];
		if (now_us < s->next_us || !sender_ready(f, s))
			continue;
		if (s->route == ROUTE_GATEWAY)
			send_batch(f, s, now_us);
		else
			send_single(f, s, now_us);
		s->next_us += interval;
		if (s->next_us < now_us)
			s->next_us = now_us; /* what was missed is not made up for */
	}
}
