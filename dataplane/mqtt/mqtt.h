/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MQTT 3.1.1 server side of one connection: bytes in, calls out. A pure library: the time is
 * an argument, memory is the caller's (struct mqtt_session lies in an array parallel to the TCP
 * engine's connections).
 *
 * A protocol error closes the connection and adds one to the counter of its section.
 */
#ifndef HEADRACE_MQTT_MQTT_H
#define HEADRACE_MQTT_MQTT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "contract/counters.h"

struct mqtt_config {
	uint32_t packet_bytes_max; /* largest packet taken, header included */
	uint16_t keep_alive_max_s; /* used where the client says 0 or more; 0: no limit */
	uint32_t connect_timeout_ms; /* from the connection to a whole CONNECT */
};

/* At most 64 bytes: it counts for each idle connection. */
struct mqtt_session {
	uint64_t last_packet_us; /* when the last whole control packet arrived */
	uint64_t client_hash;    /* set by the application in on_connect */
	uint64_t user;           /* the application's (e.g. topic cache) */
	uint32_t keep_alive_s;   /* 0: none */
	uint16_t inflight;       /* QoS 1 publishes not yet acknowledged */
	uint8_t state;           /* enum mqtt_state */
	uint8_t client_bytes;
	char client_id[23 + 1]; /* cut if longer; for the error queue */
	bool waiting; /* a PUBLISH waits for room: the client's silence is our doing */
};
_Static_assert(sizeof(struct mqtt_session) <= 64, "one cache line for each idle connection");

enum mqtt_state {
	MQTT_FREE = 0,
	MQTT_AWAIT_CONNECT,
	MQTT_CONNECTED,
	MQTT_CLOSED, /* on_close was called; input is ignored */
};

struct mqtt_connect {
	struct bytes client_id;
	bool clean_session;
	uint16_t keep_alive_s;
	bool has_username, has_password, has_will;
	bool will_retain;
	uint8_t will_qos;
	struct bytes username, password, will_topic, will_message;
};

struct mqtt_publish {
	struct bytes topic;
	struct bytes payload;
	uint16_t packet_id; /* QoS 1 */
	uint8_t qos;
	bool retain, dup;
};

/* CONNACK return codes, MQTT 3.1.1 3.2.2.3 */
enum mqtt_connack {
	MQTT_CONNACK_ACCEPTED = 0,
	MQTT_CONNACK_BAD_VERSION = 1,
	MQTT_CONNACK_BAD_CLIENT_ID = 2,
	MQTT_CONNACK_UNAVAILABLE = 3,
	MQTT_CONNACK_BAD_CREDENTIALS = 4,
	MQTT_CONNACK_NOT_AUTHORISED = 5,
};

struct mqtt_app {
	/* A well-formed CONNECT. The answer goes into the CONNACK; anything but ACCEPTED closes.
	 * An empty client id stands for a new one that nobody else has (3.1.3.1): it takes over
	 * no other session. */
	enum mqtt_connack (*on_connect)(void *app, struct mqtt_session *s,
	                                const struct mqtt_connect *connect);
	/* A well-formed PUBLISH. False: no room now; the packet is not consumed and is offered
	 * again by the next mqtt_input. For QoS 1 the application later calls mqtt_puback. */
	bool (*on_publish)(void *app, struct mqtt_session *s, const struct mqtt_publish *publish);
	/* Queue bytes to the client; false when there is no room (the session ends then). */
	bool (*on_send)(void *app, struct mqtt_session *s, const void *bytes, uint32_t count);
	/* The session is over: close the connection (orderly after DISCONNECT or a refused
	 * CONNECT, by reset where `reset` is set). Called at most once. */
	void (*on_close)(void *app, struct mqtt_session *s, bool reset);
};

struct mqtt {
	struct mqtt_config config;
	const struct mqtt_app *ops;
	void *app;
	struct counters *counters;
};

/* A connection was accepted. */
void mqtt_session_init(const struct mqtt *m, struct mqtt_session *s, uint64_t now_us);

/* A newer session has the same client id: end this one (3.1.4). Calls on_close. */
void mqtt_session_taken_over(const struct mqtt *m, struct mqtt_session *s);

/* In-order bytes from the peer; returns how many were consumed. What is left is an incomplete
 * packet, or a PUBLISH for which there was no room. Untrusted. */
uint32_t mqtt_input(const struct mqtt *m, struct mqtt_session *s, const uint8_t *bytes,
                    uint32_t count, uint64_t now_us);

/* Acknowledge a QoS 1 PUBLISH, also from within on_publish. Once for each that was taken; ignored
 * when the session has ended meanwhile. */
void mqtt_puback(const struct mqtt *m, struct mqtt_session *s, uint16_t packet_id);

/* When mqtt_check has to be called at the latest, us; UINT64_MAX: never. */
uint64_t mqtt_deadline_us(const struct mqtt *m, const struct mqtt_session *s);

/* Close the session if its deadline has passed (3.1.2.10: one and a half keep-alive times). */
void mqtt_check(const struct mqtt *m, struct mqtt_session *s, uint64_t now_us);

#endif
