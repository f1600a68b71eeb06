/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MQTT clients on libmosquitto, one per direct meter or gateway, driven from the fleet's epoll.
 *
 * QoS 1 messages belong to libmosquitto until they are acknowledged: over a reconnection it sends
 * them again with the same packet id and the DUP flag. QoS 0 is forgotten once it is handed over.
 * Only this file sees libmosquitto.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <mosquitto.h>

#include "base/check.h"
#include "base/clock.h"
#include "fleet.h"

#define CONNECTS_PER_TURN 40
#define CONNECT_WAIT_US   3000000 /* until the CONNACK */
#define RESTART_WAIT_US   800000  /* likewise, when restarts are expected */
#define RETRY_US          200000
#define KEEP_ALIVE_S      60

enum client_state { CLIENT_DOWN, CLIENT_CONNECTING, CLIENT_UP, CLIENT_GONE };

struct client {
	struct mosquitto *mosq;
	struct fleet *fleet;
	enum client_state state;
	int fd; /* as epoll knows it; -1: none */
	uint32_t events;
	uint64_t since_us; /* of the state */
	uint32_t inflight[CLIENT_INFLIGHT]; /* messages; NONE: free */
};

static struct client *clients;
static uint32_t clients_up, connect_next;

static uint32_t *inflight_place(struct client *c, uint32_t message)
{
	for (uint32_t i = 0; i < CLIENT_INFLIGHT; i++)
		if (c->inflight[i] == message)
			return &c->inflight[i];
	return NULL;
}

static void client_state_set(struct client *c, enum client_state state)
{
	if (c->state == CLIENT_UP)
		clients_up--;
	if (state == CLIENT_UP)
		clients_up++;
	c->state = state;
	c->since_us = clock_mono_us();
}

static void on_connect(struct mosquitto *mosq, void *object, int rc)
{
	struct client *c = object;
	(void)mosq;
	if (rc)
		fprintf(stderr, "headrace-fleet: CONNECT refused: %s\n",
		        mosquitto_connack_string(rc));
	else
		client_state_set(c, CLIENT_UP);
}

static void on_publish(struct mosquitto *mosq, void *object, int mid)
{
	struct client *c = object;
	(void)mosq;
	for (uint32_t i = 0; i < CLIENT_INFLIGHT; i++) {
		uint32_t message = c->inflight[i];
		if (message != NONE && c->fleet->messages[message].mid == mid) {
			c->inflight[i] = NONE;
			traffic_acked(c->fleet, message, clock_mono_us());
			return;
		}
	}
}

/* The connection is lost. What was in flight stays with libmosquitto if we come back. */
static void client_lost(struct client *c)
{
	struct fleet *f = c->fleet;
	c->fd = -1; /* closed by libmosquitto, so epoll has forgotten it */
	if (c->state == CLIENT_UP)
		f->totals.connections_lost++;
	if (f->options.reconnect || c->state == CLIENT_CONNECTING) {
		client_state_set(c, CLIENT_DOWN);
		return;
	}
	client_state_set(c, CLIENT_GONE);
	for (uint32_t i = 0; i < CLIENT_INFLIGHT; i++) {
		uint32_t message = c->inflight[i];
		c->inflight[i] = NONE;
		if (message != NONE)
			traffic_failed(f, message, 0);
	}
	f->failed = true;
}

static void client_watch(struct client *c)
{
	int fd = mosquitto_socket(c->mosq);
	if (fd < 0)
		return;
	uint32_t wanted = EPOLLIN;
	if (mosquitto_want_write(c->mosq) || c->state == CLIENT_CONNECTING)
		wanted |= EPOLLOUT;
	if (c->fd == fd && c->events == wanted)
		return;
	struct epoll_event event = {.events = wanted, .data.u32 = (uint32_t)(c - clients)};
	int op = c->fd == fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(c->fleet->epoll, op, fd, &event) && errno == EEXIST)
		epoll_ctl(c->fleet->epoll, EPOLL_CTL_MOD, fd, &event);
	c->fd = fd;
	c->events = wanted;
}

static void client_connect(struct client *c)
{
	struct fleet *f = c->fleet;
	bool again = mosquitto_socket(c->mosq) >= 0 || c->since_us;
	c->fd = -1;
	client_state_set(c, CLIENT_CONNECTING);
	int rc = again ? mosquitto_reconnect_async(c->mosq)
	               : mosquitto_connect_async(c->mosq, f->options.host,
	                                         (int)f->options.mqtt_port, KEEP_ALIVE_S);
	if (rc == MOSQ_ERR_SUCCESS)
		client_watch(c);
	else
		client_state_set(c, CLIENT_DOWN);
}

int mqtt_start(struct fleet *f)
{
	mosquitto_lib_init();
	clients = calloc(f->mqtt_senders ? f->mqtt_senders : 1, sizeof *clients);
	CHECK(clients);
	for (uint32_t i = 0; i < f->sender_count; i++) {
		const struct sender *s = &f->senders[i];
		if (s->route == ROUTE_COAP)
			continue;
		struct client *c = &clients[s->transport];
		c->fleet = f;
		c->fd = -1;
		memset(c->inflight, 0xff, sizeof c->inflight);
		c->mosq = mosquitto_new(s->id, true, c);
		if (!c->mosq) {
			fprintf(stderr, "headrace-fleet: mosquitto_new: %s\n", strerror(errno));
			return -1;
		}
		mosquitto_connect_callback_set(c->mosq, on_connect);
		mosquitto_publish_callback_set(c->mosq, on_publish);
		mosquitto_int_option(c->mosq, MOSQ_OPT_TCP_NODELAY, 1);
	}
	return 0;
}

bool mqtt_ready(const struct fleet *f, uint32_t transport)
{
	(void)f;
	struct client *c = &clients[transport];
	return c->state == CLIENT_UP && inflight_place(c, NONE) && !mosquitto_want_write(c->mosq);
}

bool mqtt_send(struct fleet *f, uint32_t message, const char *topic, const char *payload,
               uint32_t bytes)
{
	struct message *m = &f->messages[message];
	struct client *c = &clients[f->senders[m->sender].transport];
	uint32_t *place = inflight_place(c, NONE);
	if (c->state != CLIENT_UP || !place)
		return false;
	int mid = 0;
	if (!m->qos) {
		int rc = mosquitto_publish(c->mosq, &mid, topic, (int)bytes, payload, 0, false);
		client_watch(c);
		if (rc == MOSQ_ERR_SUCCESS)
			traffic_unanswered(f, message);
		return rc == MOSQ_ERR_SUCCESS;
	}
	/* From here on the message is libmosquitto's, also when the connection breaks in it. */
	*place = message;
	mosquitto_publish(c->mosq, &mid, topic, (int)bytes, payload, 1, false);
	f->messages[message].mid = (uint16_t)mid;
	client_watch(c);
	return true;
}

void mqtt_event(struct fleet *f, uint32_t transport, uint32_t events)
{
	(void)f;
	struct client *c = &clients[transport];
	int rc = MOSQ_ERR_SUCCESS;
	if (events & EPOLLOUT)
		rc = mosquitto_loop_write(c->mosq, 1);
	if (rc == MOSQ_ERR_SUCCESS && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		rc = mosquitto_loop_read(c->mosq, CLIENT_INFLIGHT + 1);
	if (rc != MOSQ_ERR_SUCCESS || mosquitto_socket(c->mosq) < 0)
		client_lost(c);
	else
		client_watch(c);
}

/* Keep-alive of all; connect those that are down, a few at a time. */
void mqtt_housekeep(struct fleet *f, uint64_t now_us)
{
	uint32_t budget = CONNECTS_PER_TURN;
	uint64_t wait_us = f->options.reconnect ? RESTART_WAIT_US : CONNECT_WAIT_US;
	for (uint32_t n = 0; n < f->mqtt_senders; n++) {
		struct client *c = &clients[connect_next];
		connect_next = (connect_next + 1) % f->mqtt_senders;
		bool overdue = c->state == CLIENT_CONNECTING && now_us > c->since_us + wait_us;
		bool down = c->state == CLIENT_DOWN &&
		            (!c->since_us || now_us > c->since_us + RETRY_US);
		if ((overdue || down) && budget) {
			budget--;
			client_connect(c);
		} else if (c->state == CLIENT_UP) {
			int rc = mosquitto_loop_misc(c->mosq);
			if (rc != MOSQ_ERR_SUCCESS || mosquitto_socket(c->mosq) < 0)
				client_lost(c);
			else
				client_watch(c);
		}
	}
}

uint32_t mqtt_connected(const struct fleet *f)
{
	(void)f;
	return clients_up;
}

void mqtt_stop(struct fleet *f)
{
	for (uint32_t i = 0; i < f->mqtt_senders; i++) {
		mosquitto_disconnect(clients[i].mosq);
		mosquitto_destroy(clients[i].mosq);
	}
	free(clients);
	mosquitto_lib_cleanup();
}
