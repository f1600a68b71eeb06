/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MQTT server side of one connection, versions 3.1.1 and 5.0 on the same port: bytes in, calls
 * out. A pure library: the time is an argument, memory is the caller's (struct mqtt_session lies
 * in an array parallel to the TCP engine's connections) but for the pool of topic aliases.
 *
 * What outlives a connection (sessions, subscriptions, retained messages, wills) is not known
 * here: the application answers for it.
 *
 * A protocol error ends the session and adds one to the counter of its section. A 5.0 client is
 * told the reason first (CONNACK before, DISCONNECT after it was accepted); a 3.1.1 connection is
 * reset.
 */
#ifndef HEADRACE_MQTT_MQTT_H
#define HEADRACE_MQTT_MQTT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "contract/counters.h"

struct mqtt_config {
	uint32_t packet_bytes_max;   /* largest packet taken, header included */
	uint16_t keep_alive_max_s;   /* used where the client says 0 or more; 0: no limit */
	uint32_t connect_timeout_ms; /* from the connection to a whole CONNECT */
	uint16_t receive_max;        /* QoS 1 and 2 publishes under way at once (5.0); 0: 65,535 */
	uint16_t topic_alias_max;    /* from the client, for each connection (5.0); 0: none */
	/* announced to 5.0 clients; true: not offered */
	bool no_retain, no_wildcards, no_subscription_ids, no_shared;
};

#define MQTT_CLIENT_BYTES 23
#define MQTT_ALIAS_NONE   UINT32_MAX

/* How a session ended, which decides about its will (3.1.2.5). */
enum mqtt_end {
	MQTT_END_LOST,      /* without a DISCONNECT of the client */
	MQTT_END_NORMAL,    /* DISCONNECT: no will */
	MQTT_END_WITH_WILL, /* DISCONNECT with reason 0x04 (5.0) */
};

/* One cache line: it counts for each idle connection. */
struct mqtt_session {
	uint64_t last_packet_us;    /* when the last whole control packet arrived */
	uint64_t client_hash;       /* set by the application in on_connect */
	uint32_t session_expiry_s;  /* as agreed; UINT32_MAX: never. 3.1.1: 0 or never */
	uint32_t client_packet_max; /* the client takes no longer packet */
	uint32_t alias_head;        /* its topic aliases; MQTT_ALIAS_NONE */
	uint16_t keep_alive_s;      /* 0: none */
	uint16_t inflight;          /* publishes without PUBACK or PUBREC */
	uint16_t unreleased;        /* QoS 2 publishes with PUBREC, without PUBCOMP */
	uint8_t version;            /* 4: 3.1.1, 5: 5.0; 0: no CONNECT yet */
	uint8_t state;              /* enum mqtt_state */
	uint8_t client_bytes;
	uint8_t end;                       /* enum mqtt_end */
	uint8_t flags;                     /* MQTT_S_* */
	char client_id[MQTT_CLIENT_BYTES]; /* cut if longer; for the error queue */
};
_Static_assert(sizeof(struct mqtt_session) <= 64, "it counts for each idle connection");

enum {
	/* A packet waits for room: the client's silence is our doing. */
	MQTT_S_WAITING = 1 << 0,
	MQTT_S_ASSIGNED = 1 << 1,   /* the client id is ours (3.1.3.1) */
	MQTT_S_LIMITED = 1 << 2,    /* the keep alive is ours (MQTT5 3.1.2.10) */
	MQTT_S_NO_PROBLEM = 1 << 3, /* no reason strings (MQTT5 3.1.2.11.7) */
	MQTT_S_EXPIRY_0 = 1 << 4,   /* CONNECT said session expiry 0 (MQTT5 3.14.2.2.2) */
};

enum mqtt_state {
	MQTT_FREE = 0,
	MQTT_AWAIT_CONNECT,
	MQTT_AWAIT_CONNACK, /* CONNECT was taken; the application has not answered it yet */
	MQTT_CONNECTED,
	MQTT_CLOSED, /* on_close was called; input is ignored */
};

/* MQTT5 2.4: the codes that this server sends or acts upon. */
enum mqtt_reason {
	MQTT_SUCCESS = 0x00,
	MQTT_DISCONNECT_WITH_WILL = 0x04,
	MQTT_NO_SUBSCRIBERS = 0x10,
	MQTT_UNSPECIFIED = 0x80,
	MQTT_MALFORMED = 0x81,
	MQTT_PROTOCOL_ERROR = 0x82,
	MQTT_BAD_VERSION = 0x84,
	MQTT_BAD_CLIENT_ID = 0x85,
	MQTT_BAD_CREDENTIALS = 0x86,
	MQTT_NOT_AUTHORISED = 0x87,
	MQTT_UNAVAILABLE = 0x88,
	MQTT_BANNED = 0x8a,
	MQTT_SHUTTING_DOWN = 0x8b,
	MQTT_BAD_METHOD = 0x8c,
	MQTT_KEEP_ALIVE_TIMEOUT = 0x8d,
	MQTT_TAKEN_OVER = 0x8e,
	MQTT_BAD_FILTER = 0x8f,
	MQTT_BAD_TOPIC = 0x90,
	MQTT_NO_SUCH_PACKET_ID = 0x92,
	MQTT_RECEIVE_MAX = 0x93,
	MQTT_BAD_ALIAS = 0x94,
	MQTT_TOO_LARGE = 0x95,
	MQTT_QUOTA = 0x97,
	MQTT_ADMINISTRATIVE = 0x98,
	MQTT_NO_RETAIN = 0x9a,
	MQTT_NO_SHARED = 0x9e,
};

/* MQTT5 2.2.2: the properties of one packet. Values of absent ones are their defaults. */
struct mqtt_props {
	uint64_t present;       /* bit n: property n */
	struct bytes all;       /* as on the wire, without the length before them */
	struct bytes content_type; /* when it is present */
	uint32_t forward_bytes; /* of those that go on to subscribers: see mqtt_props_forward */
	uint32_t session_expiry_s, message_expiry_s; /* UINT32_MAX: never */
	uint32_t will_delay_s, packet_bytes_max, subscription_id;
	uint16_t receive_max, topic_alias_max, topic_alias;
	uint8_t payload_format, request_problem, request_response;
};

/* Copy what a PUBLISH or will hands on unchanged: payload format, content type, response topic,
 * correlation data, user properties; forward_bytes of them. */
void mqtt_props_forward(const struct mqtt_props *props, uint8_t *out);

struct mqtt_connect {
	struct bytes client_id; /* never empty: where the client has none, one is made */
	uint8_t version;
	bool clean; /* clean session, clean start */
	uint16_t keep_alive_s;
	bool has_username, has_password, has_will;
	bool will_retain;
	uint8_t will_qos;
	struct bytes username, password, will_topic, will_message;
	struct mqtt_props props, will_props;
};

struct mqtt_publish {
	struct bytes topic; /* a topic alias is resolved */
	struct bytes payload;
	uint16_t packet_id; /* QoS 1 and 2 */
	uint8_t qos;
	bool retain, dup;
	struct mqtt_props props;
};

/* Filters of a SUBSCRIBE or UNSUBSCRIBE; walk them with mqtt_filter_next. */
struct mqtt_filters {
	uint16_t packet_id;
	uint16_t count;
	uint32_t subscription_id; /* 0: none */
	uint32_t text_bytes;      /* of all filters together */
	bool subscribe;           /* each filter has options */
	struct bytes left;
};

/* False: that was the last one. Options: QoS, and in 5.0 those of MQTT5 3.8.3.1. */
bool mqtt_filter_next(struct mqtt_filters *filters, struct bytes *filter, uint8_t *options);

/* The application's answer to CONNECT. */
struct mqtt_connack {
	uint8_t reason; /* enum mqtt_reason; from 0x80: refused */
	bool session_present;
	uint32_t session_expiry_s; /* what is kept */
	struct bytes response;     /* response information, at most 255 bytes; 5.0 */
};

enum mqtt_taken {
	MQTT_TAKEN,
	MQTT_NO_ROOM, /* the packet is not consumed; the next mqtt_input offers it again */
};

struct mqtt_app {
	/* A well-formed CONNECT. Answered by mqtt_connack, from within or later; until then no
	 * further packet is looked at. */
	enum mqtt_taken (*on_connect)(void *app, struct mqtt_session *s,
				      const struct mqtt_connect *connect);
	/* A well-formed PUBLISH. For QoS 1 the application later calls mqtt_puback, for QoS 2
	 * mqtt_pubrec. */
	enum mqtt_taken (*on_publish)(void *app, struct mqtt_session *s,
				      const struct mqtt_publish *publish);
	/* PUBREL; the application later calls mqtt_pubcomp. */
	enum mqtt_taken (*on_pubrel)(void *app, struct mqtt_session *s, uint16_t packet_id);
	/* Later answered by mqtt_suback. */
	enum mqtt_taken (*on_filters)(void *app, struct mqtt_session *s,
				      const struct mqtt_filters *filters);
	/* PUBACK (4), PUBREC (5) or PUBCOMP (7) of something that the application sent. */
	enum mqtt_taken (*on_ack)(void *app, struct mqtt_session *s, uint8_t type,
				  uint16_t packet_id, uint8_t reason);
	/* Queue bytes to the client; false when there is no room (the session ends then). */
	bool (*on_send)(void *app, struct mqtt_session *s, const void *bytes, uint32_t count);
	/* The session is over: close the connection (by reset where `reset` is set). Called at
	 * most once; s->end says how. */
	void (*on_close)(void *app, struct mqtt_session *s, bool reset);
};

struct mqtt_aliases;

struct mqtt {
	struct mqtt_config config;
	const struct mqtt_app *ops;
	void *app;
	struct counters *counters;
	struct mqtt_aliases *aliases; /* NULL: no topic aliases are offered */
	uint64_t id_seed;             /* of the client ids made here; random */
	uint64_t ids_made;
};

/* A pool for the topics behind aliases of all connections, `bytes` large. NULL: no memory. */
struct mqtt_aliases *mqtt_aliases_new(uint64_t bytes);
void mqtt_aliases_free(struct mqtt_aliases *aliases);

/* A connection was accepted. */
void mqtt_session_init(const struct mqtt *m, struct mqtt_session *s, uint64_t now_us);

/* The connection is gone: give back what the session holds. */
void mqtt_session_fini(const struct mqtt *m, struct mqtt_session *s);

/* End the session from our side, for `reason` (told to 5.0 clients), counted in `why`. Calls
 * on_close. Nothing happens when it has ended already. */
void mqtt_disconnect(const struct mqtt *m, struct mqtt_session *s, enum mqtt_reason reason,
		     enum counter why);

/* In-order bytes from the peer; returns how many were consumed. What is left is an incomplete
 * packet, or one for which there was no room. Untrusted. */
uint32_t mqtt_input(struct mqtt *m, struct mqtt_session *s, const uint8_t *bytes, uint32_t count,
		    uint64_t now_us);

/* Answer a CONNECT. Ignored when the session has ended meanwhile; so are all below. */
void mqtt_connack(const struct mqtt *m, struct mqtt_session *s, const struct mqtt_connack *answer);

/* Acknowledge a PUBLISH, also from within on_publish: QoS 1 and QoS 2, each exactly once. `text`
 * is a reason string for 5.0 clients that want one and may be NULL; it is left out where there
 * is no room for it. Where `reason` is 0x80 or more, a QoS 2 publish is over. */
void mqtt_puback(const struct mqtt *m, struct mqtt_session *s, uint16_t packet_id, uint8_t reason,
		 const char *text);
void mqtt_pubrec(const struct mqtt *m, struct mqtt_session *s, uint16_t packet_id, uint8_t reason,
		 const char *text);
void mqtt_pubcomp(const struct mqtt *m, struct mqtt_session *s, uint16_t packet_id, uint8_t reason);

/* Bytes that the acknowledgements still due can take at most. */
static inline uint32_t mqtt_owed_bytes(const struct mqtt_session *s)
{
	return 5u * s->inflight + 5u * s->unreleased;
}

/* SUBACK or UNSUBACK, with 5.0's reason code for each filter; `subscribe` tells which. */
void mqtt_suback(const struct mqtt *m, struct mqtt_session *s, bool subscribe, uint16_t packet_id,
		 const uint8_t *codes, uint32_t count);

/* When mqtt_check has to be called at the latest, us; UINT64_MAX: never. */
uint64_t mqtt_deadline_us(const struct mqtt *m, const struct mqtt_session *s);

/* Close the session if its deadline has passed (3.1.2.10: one and a half keep-alive times). */
void mqtt_check(const struct mqtt *m, struct mqtt_session *s, uint64_t now_us);

#endif
