/* SPDX-License-Identifier: Apache-2.0 */
/* CONNECT and the end of a connection: who takes which session up. */
#include <stdlib.h>
#include <string.h>

#include "control/broker/core_priv.h"

/* The variable parts of a BROKER_CONNECT. */
struct parts {
	struct bytes client, username, password, will_topic, will_props, will_payload;
};

static struct bytes next(const uint8_t **at, uint32_t count)
{
	struct bytes b = {*at, count};
	*at += count;
	return b;
}

static struct parts parts_of(const struct broker_connect *r)
{
	const uint8_t *at = (const uint8_t *)(r + 1);
	struct parts p;
	p.client = next(&at, r->client_bytes);
	p.username = next(&at, r->username_bytes);
	p.password = next(&at, r->password_bytes);
	p.will_topic = next(&at, r->will_topic_bytes);
	p.will_props = next(&at, r->will_props_bytes);
	p.will_payload = next(&at, r->will_payload_bytes);
	return p;
}

static void answer(struct core *c, uint32_t io, const struct broker_connect *r, uint8_t reason,
                   bool session_present, uint32_t expiry_s)
{
	if (reason == REASON_SUCCESS && !(r->flags & BROKER_CONNECT_WAITS))
		return;
	struct broker_connected *a =
	    core_record(c, io, r->head.conn, BROKER_CONNECTED, sizeof *a);
	a->session_expiry_s = expiry_s;
	a->reason = reason;
	a->session_present = session_present;
}

static uint8_t authenticate(struct core *c, const struct broker_connect *r, const struct parts *p)
{
	if (!c->hooks.authenticate)
		return REASON_SUCCESS;
	return c->hooks.authenticate(
	    c->context, p->client, r->flags & BROKER_CONNECT_USERNAME ? &p->username : NULL,
	    r->flags & BROKER_CONNECT_PASSWORD ? &p->password : NULL);
}

static uint32_t granted_expiry(const struct core *c, uint32_t wanted_s)
{
	return wanted_s < c->config.session_expiry_max_s ? wanted_s
	                                                 : c->config.session_expiry_max_s;
}

static void take_username(struct session *s, struct bytes username)
{
	free(s->username);
	s->username = NULL;
	s->username_bytes = (uint16_t)username.count;
	if (username.count > 0) {
		s->username = memory_new(username.count);
		memcpy(s->username, username.data, username.count);
	}
}

static struct will *will_of(struct core *c, const struct broker_connect *r, const struct parts *p)
{
	if (!(r->flags & BROKER_CONNECT_WILL))
		return NULL;
	struct will *w = memory_new(sizeof *w);
	w->message = message_new(&c->pool, p->will_topic, p->will_props, p->will_payload,
	                         r->will_qos, MESSAGE_NO_EXPIRY);
	w->delay_s = r->will_delay_s;
	w->expiry_s = r->will_expiry_s;
	w->retain = r->flags & BROKER_CONNECT_WILL_RETAIN;
	return w;
}

static void set_up(struct core *c, struct session *s, uint32_t io, const struct broker_connect *r,
                   const struct parts *p)
{
	session_bind(c, s, io, r->head.conn);
	s->sequence = r->sequence;
	s->credit = s->credit_first = r->credit_bytes;
	s->packet_bytes_max = r->packet_bytes_max;
	s->version = r->version;
	s->alias_max = r->topic_alias_max < ALIASES_MAX ? (uint8_t)r->topic_alias_max : ALIASES_MAX;
	s->window = r->receive_max < c->config.inflight_max ? r->receive_max
	                                                    : (uint16_t)c->config.inflight_max;
	s->expiry_s = granted_expiry(c, r->session_expiry_s);
	take_username(s, p->username);
	if (s->state) {
		away_remove(c, s->state);
		s->state->expires_at_ms = s->state->will_at_ms = INT64_MAX;
	}
}

/* MQTT5 3.1.4: the client's older connection ends. NULL: so did its session. */
static struct session *make_way(struct core *c, struct session *s, bool clean)
{
	if (s->conn) {
		bool ends = s->expiry_s == 0;
		COUNT(c, TAKEN_OVER);
		if (!s->closing)
			core_close(c, s, REASON_TAKEN_OVER);
		session_detach(c, s, BROKER_END_LOST);
		if (ends)
			return NULL;
	}
	if (clean) {
		session_end(c, s);
		return NULL;
	}
	return s;
}

/* A will is a PUBLISH in advance. 0, or why it is refused. */
static uint8_t judge_will(struct core *c, const struct broker_connect *r, const struct parts *p)
{
	uint64_t bytes = sizeof(struct message) + p->will_topic.count + p->will_props.count +
	                 p->will_payload.count;
	if (!(r->flags & BROKER_CONNECT_WILL))
		return REASON_SUCCESS;
	if (!core_may_publish(c, p->client, p->username, p->will_topic))
		return REASON_NOT_AUTHORISED;
	return core_memory(c) + bytes > c->config.memory_bytes ? REASON_QUOTA : REASON_SUCCESS;
}

static bool no_room(const struct core *c, const struct session *s, uint32_t expiry_s)
{
	bool counted = s && s->state && s->state->persistent;
	return expiry_s > 0 && !counted && c->persistent >= c->config.sessions_max;
}

void core_connect(struct core *c, uint32_t io, const struct broker_connect *r)
{
	struct parts p = parts_of(r);
	uint8_t reason = authenticate(c, r, &p);
	if (reason == REASON_SUCCESS && (reason = judge_will(c, r, &p)) != REASON_SUCCESS)
		COUNT(c, REFUSED_WILL);
	if (reason != REASON_SUCCESS) {
		answer(c, io, r, reason, false, 0);
		return;
	}
	struct session *s = session_by_id(c, p.client);
	if (s && s->conn && s->sequence > r->sequence) { /* a newer one was faster */
		COUNT(c, TAKEN_OVER);
		struct broker_close *close =
		    core_record(c, io, r->head.conn, BROKER_CLOSE, sizeof *close);
		close->reason = REASON_TAKEN_OVER;
		return;
	}
	if (s)
		s = make_way(c, s, r->flags & BROKER_CONNECT_CLEAN);
	if (no_room(c, s, granted_expiry(c, r->session_expiry_s))) {
		COUNT(c, REFUSED_SESSIONS);
		answer(c, io, r, REASON_QUOTA, false, 0);
		return;
	}
	bool present = s != NULL;
	if (!s)
		s = session_new(c, p.client);
	set_up(c, s, io, r, &p);
	if (c->hooks.presence)
		c->hooks.presence(c->context, p.client, CORE_CONNECTED, r->keep_alive_s);
	COUNT(c, CONNECTS);
	if (present)
		COUNT(c, RESUMED);
	if (s->expiry_s > 0 || (s->state && s->state->persistent))
		session_save(c, s, 0);
	session_set_will(c, s, will_of(c, r, &p));
	answer(c, io, r, REASON_SUCCESS, present, s->expiry_s);
	if (s->state)
		core_pump(c, s->state);
}

void core_disconnected(struct core *c, uint32_t io, const struct broker_disconnected *r)
{
	struct session *s = session_by_conn(c, io, r->head.conn);
	if (!s)
		return; /* refused, or closed for a newer one */
	/* MQTT5 3.14.2.2.2: DISCONNECT may change the expiry, but not make a session persistent */
	if (s->expiry_s > 0)
		s->expiry_s = granted_expiry(c, r->session_expiry_s);
	session_detach(c, s, (enum broker_end)r->end);
}
