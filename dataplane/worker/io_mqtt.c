/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MQTT on the io worker: connections to sessions, PUBLISHes to messages, tickets to PUBACKs. A
 * PUBLISH on a topic that a profile names is telemetry and becomes readings here; all others, and
 * all that outlives a connection, are the broker's (io_broker.c).
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "ingest/content.h"
#include "worker/io.h"

#define UNBLOCK_PER_POLL 32
#define TIMER_BUDGET     64
#define WAITING_CHECK_US 60000000ull /* how soon a held back session is looked at again */
static struct io_conn *conn_of(struct io *io, const struct mqtt_session *s)
{
	return &io->conns[s - io->sessions];
}

static bool is_running(const struct io *io)
{
	return atomic_load_explicit(io->phase, memory_order_relaxed) == PHASE_RUN;
}

/* --- TCP's events --- */

static bool on_accept(void *app, tcp_handle handle, const struct tcp_peer *peer)
{
	struct io *io = app;
	(void)peer;
	if (!is_running(io))
		return false;
	uint32_t index = tcp_index(handle);
	struct io_conn *c = &io->conns[index];
	*c = (struct io_conn){.timer = c->timer,
			      .handle = handle,
			      .ticket_head = TICKET_NONE,
			      .ticket_tail = TICKET_NONE,
			      .blocked = c->blocked,
			      .blocked_next = c->blocked_next,
			      .credit_due = c->credit_due,
			      .credit_next = c->credit_next};
	mqtt_session_init(&io->mqtt, &io->sessions[index], io->now_us);
	wheel_arm(&io->keep_alive, index, mqtt_deadline_us(&io->mqtt, &io->sessions[index]));
	return true;
}

static void on_finished(void *app, tcp_handle handle);

static uint32_t on_data(void *app, tcp_handle handle, const uint8_t *bytes, uint32_t count)
{
	struct io *io = app;
	uint32_t index = tcp_index(handle);
	struct mqtt_session *s = &io->sessions[index];
	uint32_t used = mqtt_input(&io->mqtt, s, bytes, count, io->now_us);
	io->conns[index].resumed = false;
	/* the beginning of a packet, and no more will come; not one that waits for us */
	bool waits = s->flags & MQTT_S_WAITING || s->state == MQTT_AWAIT_CONNACK;
	if (used < count && !waits && tcp_is_finished(io->tcp, handle) &&
	    !io->conns[index].finished) {
		counter_add(io->counters, COUNTER_MQTT_CUT_OFF, 1);
		on_finished(io, handle);
	}
	return used;
}

static void on_finished(void *app, tcp_handle handle)
{
	struct io *io = app;
	struct io_conn *c = &io->conns[tcp_index(handle)];
	if (c->ticket_head == TICKET_NONE)
		tcp_close(io->tcp, handle);
	else
		c->finished = true;
}

static void on_writable(void *app, tcp_handle handle)
{
	struct io *io = app;
	io_broker_give_credit(io, &io->conns[tcp_index(handle)]);
}

static void on_closed(void *app, tcp_handle handle, enum tcp_close_reason reason)
{
	struct io *io = app;
	uint32_t index = tcp_index(handle);
	struct io_conn *c = &io->conns[index];
	struct mqtt_session *s = &io->sessions[index];
	(void)reason;
	for (uint32_t t = c->ticket_head; t != TICKET_NONE;) {
		struct ticket *ticket = &io->tickets.all[t];
		uint32_t next = ticket->next;
		ticket->kind = TICKET_ORPHAN;
		if (ticket->pending == 0)
			ticket_put(&io->tickets, t);
		t = next;
	}
	if (c->announced)
		io_broker_disconnected(io, c, s);
	wheel_cancel(&io->keep_alive, index);
	c->ticket_head = c->ticket_tail = TICKET_NONE;
	c->handle = 0;
	mqtt_session_fini(&io->mqtt, s);
}

const struct tcp_app io_tcp_app = {
    .accept = on_accept,
    .data = on_data,
    .finished = on_finished,
    .writable = on_writable,
    .closed = on_closed,
};

/* --- MQTT's events --- */

/* Never 0, which means "no identity". */
static uint64_t identity_hash(const struct io *io, struct bytes id)
{
	uint64_t hash = siphash13(io->view->key, id.data, id.count);
	return hash ? hash : 1;
}

void io_mqtt_accepted(struct io *io, uint32_t index)
{
	/* the keep-alive may end before the CONNECT time-out that is armed */
	const struct mqtt_session *s = &io->sessions[index];
	uint64_t keep_alive_us = (uint64_t)s->keep_alive_s * 1500000;
	if (s->state == MQTT_CONNECTED && keep_alive_us)
		wheel_arm(&io->keep_alive, index, io->now_us + keep_alive_us);
}

/* Does the client need anything that the broker knows before it has its CONNACK? */
static bool needs_broker(const struct io *io, const struct mqtt_session *s,
			 const struct mqtt_connect *connect)
{
	return io->config->mqtt_auth || !connect->clean || connect->has_will ||
	       s->session_expiry_s > 0;
}

static enum mqtt_taken on_connect(void *app, struct mqtt_session *s,
				  const struct mqtt_connect *connect)
{
	struct io *io = app;
	struct io_conn *c = conn_of(io, s);
	uint32_t index = (uint32_t)(c - io->conns);
	bool waits = needs_broker(io, s, connect);
	s->client_hash = identity_hash(io, io->config->mqtt_identity_username
						       ? connect->username
						       : connect->client_id);
	if (!io_broker_connect(io, c, s, connect, waits)) {
		io_mqtt_block(io, c);
		return MQTT_NO_ROOM;
	}
	if (!waits) {
		mqtt_connack(&io->mqtt, s, &(struct mqtt_connack){.reason = MQTT_SUCCESS});
		io_mqtt_accepted(io, index);
	}
	return MQTT_TAKEN;
}

void io_mqtt_block(struct io *io, struct io_conn *c)
{
	counter_add(io->counters, COUNTER_WORKER_BLOCKED, 1);
	if (c->blocked)
		return;
	uint32_t index = (uint32_t)(c - io->conns);
	c->blocked = true;
	c->blocked_next = TICKET_NONE;
	if (io->blocked_tail == TICKET_NONE)
		io->blocked_head = index;
	else
		io->conns[io->blocked_tail].blocked_next = index;
	io->blocked_tail = index;
}

void io_mqtt_unblock(struct io *io)
{
	for (uint32_t n = 0; n < UNBLOCK_PER_POLL && io->blocked_head != TICKET_NONE; n++) {
		if (atomic_load_explicit(&io->free_count, memory_order_relaxed) == 0)
			return;
		struct io_conn *c = &io->conns[io->blocked_head];
		io->blocked_head = c->blocked_next;
		if (io->blocked_head == TICKET_NONE)
			io->blocked_tail = TICKET_NONE;
		c->blocked = false;
		c->resumed = true;
		if (c->handle)
			tcp_resume(io->tcp, c->handle);
	}
}

/* While others are waiting in line, the last quarter of the batches is theirs. */
static bool must_queue(const struct io *io, const struct io_conn *c)
{
	return io->blocked_head != TICKET_NONE && !c->resumed &&
	       atomic_load_explicit(&io->free_count, memory_order_relaxed) <=
		   io->config->batches / 4;
}

/* Room in TCP for the answers to everything that the connection has under way: a session whose
 * peer does not read its PUBACKs is held back, not closed. */
static bool answers_have_room(const struct io *io, const struct io_conn *c,
			      const struct mqtt_session *s)
{
	return tcp_send_room(io->tcp, c->handle) >= mqtt_owed_bytes(s);
}

static uint64_t topic_candidates(struct io *io, struct io_conn *c, struct bytes topic)
{
	if (topic.count > TOPIC_BYTES)
		return 0;
	uint64_t hash = siphash13(io->view->key, topic.data, topic.count);
	if (c->topic_hash != hash) {
		c->topic_hash = hash;
		c->candidates =
		    match_topic(io->matcher, io->scratch, (const char *)topic.data, topic.count);
	}
	return c->candidates;
}

static void queue_ticket(struct io *io, struct io_conn *c, uint32_t index)
{
	if (c->ticket_tail == TICKET_NONE)
		c->ticket_head = index;
	else
		io->tickets.all[c->ticket_tail].next = index;
	c->ticket_tail = index;
}

uint32_t io_mqtt_ticket(struct io *io, struct io_conn *c, const struct mqtt_publish *p)
{
	uint32_t index = ticket_get(&io->tickets);
	if (index != TICKET_NONE) {
		struct ticket *t = &io->tickets.all[index];
		t->owner = c->handle;
		t->taken_us = io->now_us;
		t->kind = p->qos == 2 ? TICKET_MQTT_QOS2 : TICKET_MQTT;
		t->packet_id = p->packet_id;
	}
	return index;
}

/* Of the profiles that the topic may belong to, those in a format that the Content Type (MQTT5
 * 3.3.2.3.9) leaves open. */
static uint64_t fit_content(const struct io *io, const struct mqtt_publish *p, uint64_t candidates)
{
	const struct bytes *type = &p->props.content_type;
	if (type->count == 0)
		return candidates;
	uint8_t formats = content_of_media_type((const char *)type->data, type->count);
	return candidates & match_formats(io->matcher, formats);
}

static bool take_telemetry(struct io *io, struct mqtt_session *s, const struct mqtt_publish *p,
			   uint64_t candidates, uint32_t ticket)
{
	struct tcp_peer peer;
	struct io_conn *c = conn_of(io, s);
	if (!tcp_peer_of(io->tcp, c->handle, &peer))
		return false;
	return io_dispatch(
	    io, &(struct message){
		    .candidates = fit_content(io, p, candidates),
		    .sender_hash = s->client_hash,
		    .ticket = ticket,
		    .payload = p->payload.data,
		    .payload_bytes = p->payload.count,
		    .client = s->client_id,
		    .client_bytes = s->client_bytes,
		    .topic = (const char *)p->topic.data,
		    .topic_bytes = p->topic.count < TOPIC_BYTES ? p->topic.count : TOPIC_BYTES,
		    .address = peer.address.ip,
		    .port = peer.port,
		    .protocol = PROTOCOL_MQTT,
		    .qos = p->qos,
		    /* a long client id was cut */
		    .client_is_sender = s->client_bytes < MQTT_CLIENT_BYTES &&
					!io->config->mqtt_identity_username,
		});
}

/* Stopped at its own limit: a 5.0 client that goes beyond it was told of it, and is not here. */
static bool at_limit(struct io *io, struct io_conn *c, const struct mqtt_session *s,
		     const struct mqtt_publish *p)
{
	/* s->inflight counts this one already */
	if (p->qos == 0 || s->inflight <= io->config->mqtt_inflight_max)
		return false;
	c->awaits_ack = true;
	counter_add(io->counters, COUNTER_WORKER_BLOCKED, 1);
	return true;
}

static bool take_publish(struct io *io, struct mqtt_session *s, const struct mqtt_publish *p)
{
	struct io_conn *c = conn_of(io, s);
	uint64_t candidates = topic_candidates(io, c, p->topic);
	bool telemetry = candidates != 0;
	if ((telemetry && must_queue(io, c)) || (p->qos > 0 && !answers_have_room(io, c, s)))
		return false;
	uint32_t ticket = TICKET_NONE;
	if (p->qos > 0 && (ticket = io_mqtt_ticket(io, c, p)) == TICKET_NONE)
		return false;
	bool taken = telemetry ? take_telemetry(io, s, p, candidates, ticket)
			       : io_broker_publish(io, c, p, ticket);
	if (ticket == TICKET_NONE)
		return taken;
	if (!taken) {
		ticket_put(&io->tickets, ticket);
		return false;
	}
	queue_ticket(io, c, ticket);
	if (io->tickets.all[ticket].pending == 0) /* it had no reading to wait for */
		io_mqtt_done(io, ticket);
	return true;
}

static enum mqtt_taken on_publish(void *app, struct mqtt_session *s, const struct mqtt_publish *p)
{
	struct io *io = app;
	struct io_conn *c = conn_of(io, s);
	if (!is_running(io) || at_limit(io, c, s, p))
		return MQTT_NO_ROOM;
	if (take_publish(io, s, p))
		return MQTT_TAKEN;
	io_mqtt_block(io, c);
	return MQTT_NO_ROOM;
}

static enum mqtt_taken taken_or_blocked(struct io *io, struct io_conn *c, bool taken)
{
	if (taken)
		return MQTT_TAKEN;
	io_mqtt_block(io, c);
	return MQTT_NO_ROOM;
}

/* PUBREL of telemetry ends here: nothing has to be remembered, since a reading counts once. The
 * broker holds the ids of all else, and those of earlier connections of the session. */
static enum mqtt_taken on_pubrel(void *app, struct mqtt_session *s, uint16_t packet_id)
{
	struct io *io = app;
	struct io_conn *c = conn_of(io, s);
	if (c->broker_qos2)
		return taken_or_blocked(io, c, io_broker_ack(io, c, BROKER_PUBREL, packet_id, 0));
	mqtt_pubcomp(&io->mqtt, s, packet_id,
		     s->unreleased > 0 ? MQTT_SUCCESS : MQTT_NO_SUCH_PACKET_ID);
	return MQTT_TAKEN;
}

static enum mqtt_taken on_ack(void *app, struct mqtt_session *s, uint8_t type, uint16_t packet_id,
			      uint8_t reason)
{
	static const uint16_t kinds[] = {
	    [4] = BROKER_PUBACK, [5] = BROKER_PUBREC, [7] = BROKER_PUBCOMP};
	struct io *io = app;
	struct io_conn *c = conn_of(io, s);
	return taken_or_blocked(io, c, io_broker_ack(io, c, kinds[type], packet_id, reason));
}

static enum mqtt_taken on_filters(void *app, struct mqtt_session *s, const struct mqtt_filters *f)
{
	struct io *io = app;
	struct io_conn *c = conn_of(io, s);
	return taken_or_blocked(io, c, io_broker_filters(io, c, f));
}

static bool on_send(void *app, struct mqtt_session *s, const void *bytes, uint32_t count)
{
	struct io *io = app;
	return tcp_send(io->tcp, conn_of(io, s)->handle, bytes, count);
}

static void on_close(void *app, struct mqtt_session *s, bool reset)
{
	struct io *io = app;
	struct io_conn *c = conn_of(io, s);
	tcp_handle handle = c->handle;
	if (c->announced)
		io_broker_disconnected(io, c, s);
	if (reset)
		tcp_abort(io->tcp, handle);
	else
		tcp_close(io->tcp, handle);
}

const struct mqtt_app io_mqtt_app = {
    .on_connect = on_connect,
    .on_publish = on_publish,
    .on_pubrel = on_pubrel,
    .on_filters = on_filters,
    .on_ack = on_ack,
    .on_send = on_send,
    .on_close = on_close,
};

/* --- the way back --- */

/* PUBACK or PUBREC; 5.0 clients are told how many readings of their message were refused. */
static void answer(struct io *io, struct mqtt_session *s, const struct ticket *t)
{
	char text[100];
	const char *why = NULL;
	uint8_t reason = t->readings == 0 ? t->reason : MQTT_SUCCESS;
	if (t->readings > 0 && t->refused > 0) {
		const struct fate_info *fate = &fate_info[t->first_refusal];
		reason = fate->mqtt5_reason;
		snprintf(text, sizeof text, "%u of %u readings refused: %s", t->refused,
			 t->readings, fate->name);
		why = text;
	}
	if (t->kind == TICKET_MQTT)
		mqtt_puback(&io->mqtt, s, t->packet_id, reason, why);
	else
		mqtt_pubrec(&io->mqtt, s, t->packet_id, reason, why);
}

void io_mqtt_done(struct io *io, uint32_t ticket)
{
	if (io->tickets.all[ticket].kind == TICKET_ORPHAN) {
		ticket_put(&io->tickets, ticket);
		return;
	}
	uint32_t index = tcp_index(io->tickets.all[ticket].owner);
	struct io_conn *c = &io->conns[index];
	struct mqtt_session *s = &io->sessions[index];

	/* answers leave in the order of the PUBLISHes: those that are done at the head */
	while (c->ticket_head != TICKET_NONE) {
		uint32_t head = c->ticket_head;
		struct ticket t = io->tickets.all[head];
		if (t.pending > 0)
			break;
		c->ticket_head = t.next;
		if (c->ticket_head == TICKET_NONE)
			c->ticket_tail = TICKET_NONE;
		histogram_add(&io->ack_us, io->now_us - t.taken_us);
		ticket_put(&io->tickets, head);
		answer(io, s, &t);
	}
	if (c->awaits_ack) {
		c->awaits_ack = false;
		tcp_resume(io->tcp, c->handle);
	}
	if (c->finished && c->ticket_head == TICKET_NONE)
		tcp_close(io->tcp, c->handle);
}

static void on_timer(void *context, uint32_t index)
{
	struct io *io = context;
	struct mqtt_session *s = &io->sessions[index];
	mqtt_check(&io->mqtt, s, io->now_us);
	if (!io->conns[index].handle)
		return;
	uint64_t deadline = mqtt_deadline_us(&io->mqtt, s);
	if (s->flags &
	    MQTT_S_WAITING) /* we hold it back: it can't be blamed now, but watch it again later */
		deadline = io->now_us + WAITING_CHECK_US;
	if (deadline != UINT64_MAX)
		wheel_arm(&io->keep_alive, index, deadline);
}

void io_mqtt_run_timers(struct io *io)
{
	wheel_expire(&io->keep_alive, io->now_us, TIMER_BUDGET, on_timer, io);
}

void io_mqtt_close_all(struct io *io)
{
	for (uint32_t i = 0; i < io->config->connections; i++) {
		if (!io->conns[i].handle)
			continue;
		if (io->sessions[i].state == MQTT_CONNECTED && io->sessions[i].version == 5)
			mqtt_disconnect(&io->mqtt, &io->sessions[i], MQTT_SHUTTING_DOWN,
					COUNTER_MQTT_SHUT_DOWN);
		else
			tcp_close(io->tcp, io->conns[i].handle);
	}
	io->drained_closed = true;
}
