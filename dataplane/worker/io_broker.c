/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The io worker's side of contract/broker.h: what clients want of the broker into its ring, what
 * it says out of the other.
 *
 * Thread: the io worker's. Memory: the rings, taken at start. Never waits: what finds no room in
 * the ring stays in TCP; what finds none in TCP is dropped (QoS 0) or ends the connection.
 */
#include <string.h>

#include "base/check.h"
#include "contract/broker.h"
#include "worker/io.h"

#define POLL_RECORDS    512 /* from the broker, in one poll */
#define CREDIT_PER_POLL 64
#define ANSWER_BYTES    4096 /* of the send buffer, that credit leaves to acknowledgements */
#define RING_SLACK      64   /* what a lap of the ring can cost beside the records themselves */
#define PACKET_EXTRA    256  /* an outbound packet may be that much longer than an inbound one */

static uint32_t credit_max(const struct pipeline_config *config)
{
	return config->mqtt.packet_bytes_max + PACKET_EXTRA;
}

uint32_t io_broker_buffer_bytes(const struct pipeline_config *config)
{
	return credit_max(config) + ANSWER_BYTES;
}

static struct record_ring *out_ring(const struct io *io)
{
	return &io->config->broker->to_broker[io->index];
}

/* A record with its head, or NULL. What every connection is owed at its end is left alone. */
static void *begin(struct io *io, uint16_t kind, tcp_handle conn, uint64_t bytes, uint32_t keep)
{
	if (bytes > record_ring_record_max(out_ring(io)))
		return NULL;
	struct broker_head *head =
	    record_ring_reserve(out_ring(io), (uint32_t)bytes,
				keep + RING_SLACK + broker_kept_bytes(io->announced_count));
	if (head)
		*head = (struct broker_head){.conn = conn, .kind = kind};
	return head;
}

static uint8_t *put(uint8_t *at, struct bytes b)
{
	if (b.count > 0)
		memcpy(at, b.data, b.count);
	return at + b.count;
}

/* --- to the broker --- */

static uint16_t connect_flags(const struct mqtt_connect *c, bool waits)
{
	return (uint16_t)((waits ? BROKER_CONNECT_WAITS : 0) |
			  (c->clean ? BROKER_CONNECT_CLEAN : 0) |
			  (c->has_username ? BROKER_CONNECT_USERNAME : 0) |
			  (c->has_password ? BROKER_CONNECT_PASSWORD : 0) |
			  (c->has_will ? BROKER_CONNECT_WILL : 0) |
			  (c->will_retain ? BROKER_CONNECT_WILL_RETAIN : 0) |
			  (c->props.request_response ? BROKER_CONNECT_RESPONSE : 0));
}

static void fill_connect(struct broker_connect *r, const struct mqtt_session *s,
			 const struct mqtt_connect *c)
{
	r->session_expiry_s = s->session_expiry_s;
	r->packet_bytes_max = c->props.packet_bytes_max;
	r->receive_max = c->props.receive_max;
	r->topic_alias_max = c->props.topic_alias_max;
	r->version = c->version;
	r->will_qos = c->will_qos;
	r->keep_alive_s = s->keep_alive_s;
	r->will_delay_s = c->will_props.will_delay_s;
	r->will_expiry_s = c->will_props.message_expiry_s;
	r->client_bytes = (uint16_t)c->client_id.count;
	r->username_bytes = (uint16_t)c->username.count;
	r->password_bytes = (uint16_t)c->password.count;
	r->will_topic_bytes = (uint16_t)c->will_topic.count;
	r->will_props_bytes = (uint16_t)c->will_props.forward_bytes;
	r->will_payload_bytes = (uint16_t)c->will_message.count;
}

bool io_broker_connect(struct io *io, struct io_conn *c, const struct mqtt_session *s,
		       const struct mqtt_connect *connect, bool waits)
{
	uint64_t bytes = sizeof(struct broker_connect) + connect->client_id.count +
			 connect->username.count + connect->password.count +
			 connect->will_topic.count + connect->will_props.forward_bytes +
			 connect->will_message.count;
	struct broker_connect *r =
	    begin(io, BROKER_CONNECT, c->handle, bytes, broker_kept_bytes(1));
	if (!r)
		return false;
	struct broker_head head = r->head;
	memset(r, 0, sizeof *r);
	r->head = head;
	fill_connect(r, s, connect);
	r->sequence = atomic_fetch_add(&io->config->broker->sequence, 1) + 1;
	r->flags = connect_flags(connect, waits);
	r->credit_bytes = credit_max(io->config);
	uint8_t *at = put((uint8_t *)(r + 1), connect->client_id);
	at = put(at, connect->username);
	at = put(at, connect->password);
	at = put(at, connect->will_topic);
	mqtt_props_forward(&connect->will_props, at);
	put(at + connect->will_props.forward_bytes, connect->will_message);
	record_ring_commit(out_ring(io), (uint32_t)bytes);
	c->credit_bytes = r->credit_bytes;
	c->announced = true;
	io->announced_count++;
	return true;
}

void io_broker_disconnected(struct io *io, struct io_conn *c, const struct mqtt_session *s)
{
	static const uint8_t ends[] = {[MQTT_END_LOST] = BROKER_END_LOST,
				       [MQTT_END_NORMAL] = BROKER_END_NORMAL,
				       [MQTT_END_WITH_WILL] = BROKER_END_WITH_WILL};
	io->announced_count--;
	c->announced = false;
	struct broker_disconnected *r = record_ring_reserve(out_ring(io), sizeof *r, 0);
	CHECK(r != NULL); /* room was kept for it since its CONNECT */
	*r = (struct broker_disconnected){
	    .head = {.conn = c->handle, .kind = BROKER_DISCONNECTED},
	    .session_expiry_s = s->session_expiry_s,
	    .end = ends[s->end],
	};
	record_ring_commit(out_ring(io), sizeof *r);
}

bool io_broker_publish(struct io *io, struct io_conn *c, const struct mqtt_publish *p,
		       uint32_t ticket)
{
	uint64_t bytes = sizeof(struct broker_publish) + p->topic.count + p->props.forward_bytes +
			 p->payload.count;
	struct broker_publish *r = begin(io, BROKER_PUBLISH, c->handle, bytes, 0);
	if (!r)
		return false;
	struct broker_head head = r->head;
	*r = (struct broker_publish){
	    .head = head,
	    .ticket = ticket,
	    .expiry_s = p->props.message_expiry_s,
	    .packet_id = p->packet_id,
	    .qos = p->qos,
	    .flags = p->retain ? BROKER_PUBLISH_RETAIN : 0,
	    .topic_bytes = (uint16_t)p->topic.count,
	    .props_bytes = (uint16_t)p->props.forward_bytes,
	    .payload_bytes = p->payload.count,
	};
	uint8_t *at = put((uint8_t *)(r + 1), p->topic);
	mqtt_props_forward(&p->props, at);
	put(at + p->props.forward_bytes, p->payload);
	record_ring_commit(out_ring(io), (uint32_t)bytes);
	if (ticket != TICKET_NONE)
		io->tickets.all[ticket].pending = 1;
	c->broker_qos2 |= p->qos == 2;
	return true;
}

bool io_broker_filters(struct io *io, struct io_conn *c, const struct mqtt_filters *filters)
{
	uint32_t filters_bytes = filters->text_bytes + filters->count * BROKER_FILTER_HEADER;
	uint64_t bytes = sizeof(struct broker_filters) + filters_bytes;
	struct broker_filters *r = begin(
	    io, filters->subscribe ? BROKER_SUBSCRIBE : BROKER_UNSUBSCRIBE, c->handle, bytes, 0);
	if (!r)
		return false;
	r->subscription_id = filters->subscription_id;
	r->packet_id = filters->packet_id;
	r->count = filters->count;
	r->filters_bytes = filters_bytes;
	uint8_t *at = (uint8_t *)(r + 1);
	struct mqtt_filters walk = *filters;
	struct bytes filter;
	uint8_t options;
	while (mqtt_filter_next(&walk, &filter, &options)) {
		put_le16(at, (uint16_t)filter.count);
		at[2] = options;
		at = put(at + BROKER_FILTER_HEADER, filter);
	}
	record_ring_commit(out_ring(io), (uint32_t)bytes);
	return true;
}

bool io_broker_ack(struct io *io, struct io_conn *c, uint16_t kind, uint16_t packet_id,
		   uint8_t reason)
{
	struct broker_ack *r = begin(io, kind, c->handle, sizeof *r, 0);
	if (!r)
		return false;
	r->packet_id = packet_id;
	r->reason = reason;
	record_ring_commit(out_ring(io), sizeof *r);
	return true;
}

static void show_one(struct io *io, const struct batch *b, const struct reading *r)
{
	const uint8_t *id = batch_raw(b, r) + r->id_offset;
	if (!broker_watches(&io->config->broker->watch, id, r->id_bytes))
		return;
	/* watchers never take more than half of the ring from those who wait for an answer */
	struct broker_reading *out =
	    begin(io, BROKER_READING, 0, sizeof *out + r->id_bytes, out_ring(io)->mask / 2);
	if (!out) {
		counter_add(io->counters, COUNTER_MQTT_TAIL_DROPPED, 1);
		return;
	}
	out->reading = *r;
	out->id_bytes = r->id_bytes;
	memcpy(out + 1, id, r->id_bytes);
	record_ring_commit(out_ring(io), (uint32_t)sizeof *out + r->id_bytes);
}

void io_broker_show(struct io *io, const struct batch *b)
{
	const struct broker_link *link = io->config->broker;
	if (!atomic_load_explicit(&link->watch.any, memory_order_relaxed))
		return;
	for (uint32_t i = 0; i < b->count; i++)
		if (b->readings[i].fate == FATE_STORED && b->readings[i].id_bytes > 0)
			show_one(io, b, &b->readings[i]);
}

/* --- credit --- */

/* False: the ring is full. Credit never promises more than the connection's buffer has free. */
static bool try_credit(struct io *io, struct io_conn *c)
{
	uint32_t most = credit_max(io->config);
	uint32_t room = tcp_send_room(io->tcp, c->handle);
	uint32_t free_bytes = room > ANSWER_BYTES ? room - ANSWER_BYTES : 0;
	if (free_bytes > most)
		free_bytes = most;
	if (free_bytes < c->credit_bytes + most / 2) {
		tcp_notify_writable(io->tcp, c->handle);
		return true;
	}
	struct broker_credit *r = begin(io, BROKER_CREDIT, c->handle, sizeof *r, 0);
	if (!r)
		return false;
	r->bytes = free_bytes - c->credit_bytes;
	c->credit_bytes = free_bytes;
	record_ring_commit(out_ring(io), sizeof *r);
	return true;
}

void io_broker_give_credit(struct io *io, struct io_conn *c)
{
	if (!c->announced || c->credit_due || try_credit(io, c))
		return;
	c->credit_due = true;
	c->credit_next = io->credit_head;
	io->credit_head = (uint32_t)(c - io->conns);
}

static void run_credit(struct io *io)
{
	for (uint32_t n = 0; n < CREDIT_PER_POLL && io->credit_head != TICKET_NONE; n++) {
		struct io_conn *c = &io->conns[io->credit_head];
		if (c->handle && c->announced && !try_credit(io, c))
			return;
		c->credit_due = false;
		io->credit_head = c->credit_next;
	}
}

/* --- from the broker --- */

static void take_connected(struct io *io, struct io_conn *c, struct mqtt_session *s,
			   const struct broker_connected *r)
{
	struct bytes response = {(const uint8_t *)(r + 1), r->response_bytes};
	c->broker_qos2 |= r->session_present;
	mqtt_connack(&io->mqtt, s,
		     &(struct mqtt_connack){
			 .reason = r->reason,
			 .session_present = r->session_present,
			 .session_expiry_s = r->session_expiry_s,
			 .response = response,
		     });
	if (s->state != MQTT_CONNECTED)
		return;
	io_mqtt_accepted(io, (uint32_t)(c - io->conns));
	tcp_resume(io->tcp, c->handle);
}

/* Also for connections that are gone: their tickets are orphans then. */
static void take_publish_done(struct io *io, const struct broker_publish_done *r)
{
	CHECK_OP(r->ticket, <, io->tickets.count);
	struct ticket *t = &io->tickets.all[r->ticket];
	CHECK_OP(t->pending, ==, 1u);
	t->pending = 0;
	t->reason = r->reason;
	io_mqtt_done(io, r->ticket);
}

/* An id that the broker does not know is one of telemetry, or of a session before a restart. */
static void take_pubrel_done(struct io *io, struct mqtt_session *s, const struct broker_ack *r)
{
	uint8_t reason = s->unreleased > 0 ? (uint8_t)MQTT_SUCCESS : r->reason;
	mqtt_pubcomp(&io->mqtt, s, r->packet_id, reason);
}

static void take_send(struct io *io, struct io_conn *c, struct mqtt_session *s,
		      const struct broker_send *r)
{
	const uint8_t *packet = (const uint8_t *)(r + 1);
	CHECK_OP(r->packet_bytes, <=, c->credit_bytes);
	c->credit_bytes -= r->packet_bytes;
	if (s->state != MQTT_CONNECTED)
		return;
	bool sent = !io->send_memory_short &&
		    tcp_send_room(io->tcp, c->handle) >= r->packet_bytes + mqtt_owed_bytes(s) &&
		    tcp_send(io->tcp, c->handle, packet, r->packet_bytes);
	if (sent) {
		bool publish = packet[0] >> 4 == 3;
		counter_add(io->counters,
			    publish ? COUNTER_MQTT_OUT_PUBLISH : COUNTER_MQTT_OUT_PUBREL, 1);
	} else if (r->flags & BROKER_SEND_MAY_DROP) {
		counter_add(io->counters, COUNTER_MQTT_QOS0_DROPPED, 1);
	} else {
		mqtt_disconnect(&io->mqtt, s, MQTT_QUOTA, COUNTER_MQTT_SLOW_SUBSCRIBER);
		return;
	}
	if (c->credit_bytes < credit_max(io->config) / 2)
		io_broker_give_credit(io, c);
}

static void take_close(struct io *io, struct mqtt_session *s, const struct broker_close *r)
{
	mqtt_disconnect(&io->mqtt, s, r->reason,
			r->reason == MQTT_TAKEN_OVER ? COUNTER_MQTT_TAKEN_OVER
						     : COUNTER_MQTT_CLOSED_BY_BROKER);
}

static void take(struct io *io, const struct broker_head *head)
{
	if (head->kind == BROKER_PUBLISH_DONE) {
		take_publish_done(io, (const struct broker_publish_done *)head);
		return;
	}
	uint32_t index = tcp_index(head->conn);
	CHECK_OP(index, <, io->config->connections);
	struct io_conn *c = &io->conns[index];
	struct mqtt_session *s = &io->sessions[index];
	if (c->handle != head->conn || !c->announced)
		return;
	switch (head->kind) {
	case BROKER_CONNECTED:
		take_connected(io, c, s, (const struct broker_connected *)head);
		break;
	case BROKER_PUBREL_DONE:
		take_pubrel_done(io, s, (const struct broker_ack *)head);
		break;
	case BROKER_SUBACK:
	case BROKER_UNSUBACK: {
		const struct broker_codes *r = (const struct broker_codes *)head;
		mqtt_suback(&io->mqtt, s, head->kind == BROKER_SUBACK, r->packet_id,
			    (const uint8_t *)(r + 1), r->count);
		break;
	}
	case BROKER_SEND:
		take_send(io, c, s, (const struct broker_send *)head);
		break;
	default:
		CHECK(head->kind == BROKER_CLOSE);
		take_close(io, s, (const struct broker_close *)head);
		break;
	}
}

/* The last quarter of the send memory is for acknowledgements. */
static bool send_memory_is_short(const struct io *io)
{
	struct tcp_levels levels;
	tcp_levels_get(io->tcp, &levels);
	return levels.tx_bytes > levels.tx_bytes_max / 4 * 3;
}

uint32_t io_broker_poll(struct io *io)
{
	struct record_ring *in = &io->config->broker->to_io[io->index];
	uint32_t count = 0, bytes;
	const void *record;
	while (count < POLL_RECORDS && (record = record_ring_peek(in, &bytes)) != NULL) {
		if (count++ == 0)
			io->send_memory_short = send_memory_is_short(io);
		take(io, record);
		record_ring_release(in);
	}
	run_credit(io);
	return count;
}
