/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace-fleet: simulated meters on real client libraries (libmosquitto, libcoap).
 *
 *   meters.c    who there is: ids, routes, clocks, registers
 *   traffic.c   what is sent when: fresh readings, repetitions, conflicts, defects
 *   payload.c   a line of the ledger -> JSON, always the same bytes for the same line
 *   ledger.c    what was sent and what was acknowledged, on disk at the end (or as it happens)
 *   mqtt.c      one libmosquitto client per direct meter or gateway
 *   coap.c      one libcoap session (so: one source port) per CoAP meter
 *   main.c      options, the loop, the live line, the summary
 *
 * One thread, one epoll. Everything random comes from --seed. What is sent is described by ledger
 * lines; a message is a run of consecutive lines, rendered when it is sent and again, to the same
 * bytes, when it is sent again.
 */
#ifndef HEADRACE_FLEET_H
#define HEADRACE_FLEET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/histogram.h"

#define NONE            UINT32_MAX
#define PAYLOAD_MAX     60000
#define GATEWAY_METERS  50 /* at most this many meters behind one gateway */
#define CLIENT_INFLIGHT 8  /* at most this many unacknowledged messages of one MQTT client */
#define SESSION_INFLIGHT 2 /* likewise of one CoAP session */
#define METER_TOPIC     "meters/%s/readings"
#define GATEWAY_TOPIC   "gateways/%s/readings"
#define COAP_PATH       "readings"

enum route { ROUTE_MQTT, ROUTE_GATEWAY, ROUTE_COAP };
enum shape { SHAPE_FLAT, SHAPE_NESTED };
enum clock_kind { CLOCK_OK, CLOCK_FLAGGED, CLOCK_REPLACED, CLOCK_REJECTED };

/* What a line is made to be: X(identifier, fate it must get). Fate names are contract/fate.h's. */
#define MAKES(X)                                                                                   \
	X(FRESH, "stored")                                                                         \
	X(REPEATED, "duplicate")                                                                   \
	X(CONFLICTING, "conflict")                                                                 \
	X(DRIFTED, "clock_drift")                                                                  \
	X(BROKEN_JSON, "bad_payload")                                                              \
	X(EMPTY_ARRAY, "no_profile")                                                               \
	X(FOREIGN, "no_profile")                                                                   \
	X(MISSING_TIME, "missing_field")                                                           \
	X(WRONG_TYPE, "bad_field")                                                                 \
	X(UNKNOWN_METER, "unknown_device")                                                         \
	X(SUSPENDED_METER, "inactive_device")                                                      \
	X(UNAUTHORISED, "not_authorised")                                                          \
	X(NEGATIVE, "negative")                                                                    \
	X(OUT_OF_RANGE, "out_of_range")                                                            \
	X(OVER_CAPACITY, "over_capacity")                                                          \
	X(REGISTER_FELL, "register_decreased")

enum make {
#define X(id, fate) MAKE_##id,
	MAKES(X)
#undef X
	    MAKE_COUNT
};

enum line_state { LINE_SENT, LINE_ACKED };

/* One reading sent once; the index is its number in the ledger. */
struct line {
	int64_t ts_ms; /* as the meter says */
	int64_t wh;    /* register */
	uint32_t meter;
	uint8_t make;
	uint8_t protocol; /* enum route; ROUTE_GATEWAY is MQTT too */
	uint8_t qos;      /* 1: QoS 1 or CON */
	uint8_t state;    /* enum line_state */
};

struct meter {
	char id[24];
	enum route route;
	enum shape shape;
	enum clock_kind clock;
	int64_t clock_ms;    /* what the meter's clock is ahead */
	int64_t last_ts_ms;  /* rises with each line */
	int64_t energy_mwh;  /* register with fractions */
	int64_t wh;          /* register as last sent */
	uint32_t power_w;    /* of its consumers */
	uint32_t capacity_w; /* what the registry says */
	uint32_t sender;     /* that carries its messages */
	uint32_t last_fresh; /* line: newest confirmable fresh one, NONE */
	uint32_t judged;     /* line: last one that is judged against the one before, NONE */
};

/* A sender: an MQTT client (meter or gateway) or a CoAP session. */
struct sender {
	char id[24]; /* client id */
	enum route route;
	uint32_t first_meter, meters; /* indexes into fleet.behind */
	uint64_t next_us;             /* when its next message is due */
	uint32_t inflight;
	uint32_t transport; /* index in mqtt.c or coap.c */
};

struct message {
	uint32_t next; /* in the list of free or of waiting messages */
	uint32_t first_line, lines;
	uint32_t sender;
	uint8_t qos;
	uint8_t array; /* sent as an array even with one line */
	uint16_t generation;
	uint16_t mid;       /* MQTT */
	uint64_t started_us; /* first sent: the latency counts from here */
	uint64_t due_us;    /* waiting: not before */
};

struct options {
	const char *host;
	const char *ledger_file, *devices_file, *summary_file;
	uint32_t mqtt_port, coap_port;
	uint32_t meters, seconds;
	double rate; /* messages per second of each sender */
	uint64_t seed;
	bool reconnect, ledger_sync, clean, quiet;
};

struct totals {
	uint64_t messages_sent, messages_acked, messages_again;
	uint64_t readings_sent, readings_acked;
	uint64_t unanswered;  /* best effort: QoS 0, or NON without an answer in time */
	uint64_t abandoned;   /* confirmable, given up */
	uint64_t connections_lost, overloaded;
};

struct fleet {
	struct options options;
	struct meter *meters;
	struct sender *senders;
	uint32_t *behind; /* meter indexes, grouped by sender */
	uint32_t sender_count, mqtt_senders, coap_senders;
	struct line *lines;
	uint32_t line_count, line_room;
	struct message *messages;
	uint32_t message_count, free_message, waiting_first, waiting_last;
	uint32_t inflight;
	struct totals totals;
	struct histogram latency, latency_second;
	uint64_t random;
	FILE *ledger;
	int epoll;
	bool failed; /* a connection or a confirmable message was lost for good */
};

/* meters.c */
void fleet_populate(struct fleet *f);
int fleet_write_devices(const struct fleet *f, const char *path);

/* traffic.c */
uint64_t fleet_random(struct fleet *f);
uint32_t fleet_random_below(struct fleet *f, uint32_t n);
void traffic_start(struct fleet *f, uint64_t now_us);
void traffic_run(struct fleet *f, uint64_t now_us);      /* new messages that are due */
void traffic_run_waiting(struct fleet *f, uint64_t now_us); /* those to be sent again */
/* Outcomes, from the transports. */
void traffic_acked(struct fleet *f, uint32_t message, uint64_t now_us);
void traffic_unanswered(struct fleet *f, uint32_t message);
void traffic_failed(struct fleet *f, uint32_t message, uint64_t again_us);

/* payload.c: returns the number of bytes, at most PAYLOAD_MAX */
uint32_t payload_render(const struct fleet *f, uint32_t first_line, uint32_t lines, bool array,
                        char *out);
void payload_channels(FILE *out, const struct fleet *f, const struct line *l);
void payload_ts(int64_t ms, char out[32]);
const char *make_fate(enum make make);

/* ledger.c */
int ledger_open(struct fleet *f);
void ledger_line(struct fleet *f, uint32_t line); /* only with --ledger-sync */
int ledger_close(struct fleet *f);

/* mqtt.c: epoll data is its own index; see main.c */
int mqtt_start(struct fleet *f);
bool mqtt_ready(const struct fleet *f, uint32_t transport);
bool mqtt_send(struct fleet *f, uint32_t message, const char *topic, const char *payload,
               uint32_t bytes);
void mqtt_event(struct fleet *f, uint32_t transport, uint32_t events);
void mqtt_housekeep(struct fleet *f, uint64_t now_us);
uint32_t mqtt_connected(const struct fleet *f);
void mqtt_stop(struct fleet *f);

/* coap.c */
int coap_start(struct fleet *f);
bool coap_send_message(struct fleet *f, uint32_t message, const char *payload, uint32_t bytes);
void coap_event(struct fleet *f);
void coap_housekeep(struct fleet *f, uint64_t now_us);
void coap_stop(struct fleet *f);

#endif
