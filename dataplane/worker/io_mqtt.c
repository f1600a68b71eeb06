/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MQTT on the io worker: connections to sessions, PUBLISHes to messages, tickets to PUBACKs.
 */
#include <string.h>

#include "base/check.h"
#include "worker/io.h"

#define UNBLOCK_PER_POLL 32
#define TIMER_BUDGET     64
#define TAKEOVER_BUDGET  32
#define PUBACK_BYTES     4
#define WAITING_CHECK_US 60000000ull /* how soon a held back session is looked at again */
/* An MQTT session without a client id is nobody's gateway. (A hash that no id has but by a 2^-64
 * chance; 0 would mean that the protocol knows no identities.) */
#define SENDER_ANONYMOUS 1

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
	                      .blocked_next = c->blocked_next};
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
	/* the beginning of a packet, and no more will come; not one that waits for room */
	if (used < count && !s->waiting && tcp_is_finished(io->tcp, handle) &&
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
	/* a session whose answer found no room was closed: nobody waits for this */
	(void)app;
	(void)handle;
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
	if (c->mapped)
		clients_remove(&io->clients, s->client_hash, index);
	wheel_cancel(&io->keep_alive, index);
	c->ticket_head = c->ticket_tail = TICKET_NONE;
	c->handle = 0;
	c->mapped = false;
	s->state = MQTT_FREE;
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

/* MQTT 3.1.1 3.1.4-2: a client id that connects again takes the session over. */
static void take_over(struct io *io, uint64_t hash)
{
	uint32_t other = clients_find(&io->clients, hash);
	if (other == CLIENT_NONE)
		return;
	mqtt_session_taken_over(&io->mqtt, &io->sessions[other]);
}

/* A hash travels as a pointer; the ring can be full only if a worker hangs for many polls, and
 * then the older session just lives until its keep-alive ends. */
static void announce(struct io *io, uint64_t hash)
{
	for (uint32_t i = 0; i < io->links.io_count; i++)
		if (i != io->index &&
		    !ring_push(io->links.takeover_out[i], (void *)(uintptr_t)hash))
			counter_add(io->counters, COUNTER_WORKER_TAKEOVER_LOST, 1);
}

void io_mqtt_run_takeovers(struct io *io)
{
	for (uint32_t i = 0; i < io->links.io_count; i++) {
		if (i == io->index)
			continue;
		for (uint32_t n = 0; n < TAKEOVER_BUDGET; n++) {
			void *hash = ring_pop(io->links.takeover_in[i]);
			if (!hash)
				break;
			take_over(io, (uint64_t)(uintptr_t)hash);
		}
	}
}

static enum mqtt_connack on_connect(void *app, struct mqtt_session *s,
                                    const struct mqtt_connect *connect)
{
	struct io *io = app;
	uint32_t index = (uint32_t)(s - io->sessions);
	s->client_hash = 0;
	if (connect->client_id.count > 0) {
		s->client_hash = identity_hash(io, connect->client_id);
		take_over(io, s->client_hash);
		announce(io, s->client_hash);
		clients_put(&io->clients, s->client_hash, index);
		io->conns[index].mapped = true;
	}
	/* the keep-alive may end before the CONNECT time-out that is armed */
	uint64_t keep_alive_us = (uint64_t)s->keep_alive_s * 1500000;
	if (keep_alive_us)
		wheel_arm(&io->keep_alive, index, io->now_us + keep_alive_us);
	return MQTT_CONNACK_ACCEPTED;
}

static void block(struct io *io, struct io_conn *c)
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
	return tcp_send_room(io->tcp, c->handle) >= PUBACK_BYTES * (s->inflight + 1u);
}

static uint64_t topic_candidates(struct io *io, struct io_conn *c, struct bytes topic)
{
	if (topic.count > TOPIC_BYTES)
		return 0;
	uint64_t hash = siphash13(io->view->key, topic.data, topic.count);
	if (c->topic_hash != hash) {
		c->topic_hash = hash;
		c->candidates = match_topic(io->matcher, io->scratch, (const char *)topic.data,
		                            topic.count);
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

/* A ticket for a QoS 1 publish that isn't in the queue yet; TICKET_NONE: no room. */
static uint32_t new_ticket(struct io *io, struct io_conn *c, const struct mqtt_publish *p)
{
	uint32_t index = ticket_get(&io->tickets);
	if (index != TICKET_NONE) {
		struct ticket *t = &io->tickets.all[index];
		t->owner = c->handle;
		t->taken_us = io->now_us;
		t->kind = TICKET_MQTT;
		t->packet_id = p->packet_id;
	}
	return index;
}

/* A topic that no profile names has no candidates: its message goes to the error queue, since
 * nobody else would take it and an acknowledgement never means less than a durable fate. */
static bool take_telemetry(struct io *io, struct mqtt_session *s, const struct mqtt_publish *p,
                           uint32_t ticket)
{
	struct tcp_peer peer;
	struct io_conn *c = conn_of(io, s);
	if (!tcp_peer_of(io->tcp, c->handle, &peer))
		return false;
	return io_dispatch(io, &(struct message){
	                           .candidates = topic_candidates(io, c, p->topic),
	                           .sender_hash = s->client_hash ? s->client_hash
	                                                         : SENDER_ANONYMOUS,
	                           .ticket = ticket,
	                           .payload = p->payload.data,
	                           .payload_bytes = p->payload.count,
	                           .client = s->client_id,
	                           .client_bytes = s->client_bytes,
	                           .topic = (const char *)p->topic.data,
	                           .topic_bytes = p->topic.count < TOPIC_BYTES
	                                              ? p->topic.count
	                                              : TOPIC_BYTES,
	                           .address = peer.address.ip,
	                           .port = peer.port,
	                           .protocol = PROTOCOL_MQTT,
	                           .qos = p->qos,
	                       });
}

static bool on_publish(void *app, struct mqtt_session *s, const struct mqtt_publish *p)
{
	struct io *io = app;
	struct io_conn *c = conn_of(io, s);
	if (!is_running(io))
		return false;
	/* s->inflight counts this one already */
	if (p->qos > 0 && s->inflight > io->config->mqtt_inflight_max) {
		c->awaits_ack = true;
		counter_add(io->counters, COUNTER_WORKER_BLOCKED, 1);
		return false;
	}
	if (must_queue(io, c) || (p->qos > 0 && !answers_have_room(io, c, s))) {
		block(io, c);
		return false;
	}
	uint32_t ticket = TICKET_NONE;
	if (p->qos > 0 && (ticket = new_ticket(io, c, p)) == TICKET_NONE) {
		block(io, c);
		return false;
	}
	if (!take_telemetry(io, s, p, ticket)) {
		if (ticket != TICKET_NONE)
			ticket_put(&io->tickets, ticket);
		block(io, c);
		return false;
	}
	if (ticket != TICKET_NONE) {
		queue_ticket(io, c, ticket);
		if (io->tickets.all[ticket].pending == 0) /* it had no reading to wait for */
			io_mqtt_done(io, ticket);
	}
	return true;
}

static bool on_send(void *app, struct mqtt_session *s, const void *bytes, uint32_t count)
{
	struct io *io = app;
	return tcp_send(io->tcp, conn_of(io, s)->handle, bytes, count);
}

static void on_close(void *app, struct mqtt_session *s, bool reset)
{
	struct io *io = app;
	tcp_handle handle = conn_of(io, s)->handle;
	if (reset)
		tcp_abort(io->tcp, handle);
	else
		tcp_close(io->tcp, handle);
}

const struct mqtt_app io_mqtt_app = {
    .on_connect = on_connect,
    .on_publish = on_publish,
    .on_send = on_send,
    .on_close = on_close,
};

/* --- the way back --- */

void io_mqtt_done(struct io *io, uint32_t ticket)
{
	uint32_t index = tcp_index(io->tickets.all[ticket].owner);
	struct io_conn *c = &io->conns[index];
	struct mqtt_session *s = &io->sessions[index];

	/* PUBACKs leave in the order of the PUBLISHes: answer the done ones at the head */
	while (c->ticket_head != TICKET_NONE) {
		uint32_t head = c->ticket_head;
		struct ticket *t = &io->tickets.all[head];
		if (t->pending > 0)
			break;
		c->ticket_head = t->next;
		if (c->ticket_head == TICKET_NONE)
			c->ticket_tail = TICKET_NONE;
		histogram_add(&io->ack_us, io->now_us - t->taken_us);
		uint16_t packet_id = t->packet_id;
		ticket_put(&io->tickets, head);
		mqtt_puback(&io->mqtt, s, packet_id);
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
	if (s->waiting) /* we hold it back: it can't be blamed now, but watch it again later */
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
	for (uint32_t i = 0; i < io->config->connections; i++)
		if (io->conns[i].handle)
			tcp_close(io->tcp, io->conns[i].handle);
	io->drained_closed = true;
}
