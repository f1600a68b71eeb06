/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace-gen: a fleet of meters on a DPDK port, without a kernel in between.
 *
 *   options.c   what was asked for
 *   schedule.c  when each message is due (open loop), connections opened, the phases of a run
 *   items.c     the messages under way
 *   payload.c   meter and time -> JSON; a pure function, so that nothing sent has to be kept
 *   mqtt.c      MQTT 3.1.1, client side: packets out, CONNACK, PUBACK and PINGRESP in
 *   client.c    TCP, client side: active open, in-order, retransmission, the peer's window
 *   coap.c      CoAP, client side: CON with retransmission, NON
 *   wire.c      Ethernet, ARP, IPv4, UDP: which frame is whose
 *   link.c      the DPDK port; loss and reordering on the way out
 *   flood.c     SYNs from nobody
 *   bridge.c    a kernel's interface on the same port
 *   pcap.c      a capture's frames, sent again
 *   report.c    the line per second, the table, the JSON
 *   ledger.c    each reading sent, and whether it was acknowledged
 *
 * One thread does it all. A client is a TCP connection or a CoAP endpoint; 64 bytes each, and 8 for
 * its last timestamp. A message under way is an item of 40 bytes, rendered when it is sent and
 * again, to the same bytes, when it is sent again. All memory is taken at the start.
 */
#ifndef HEADRACE_GEN_H
#define HEADRACE_GEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/wheel.h"
#include "latency.h"
#include "link.h"

#define NONE          UINT32_MAX
#define STEPS_MAX     32
#define BATCH_MAX     100
#define MESSAGE_MAX   65000
#define PORT_FIRST    1024
#define PORT_TURNS    4 /* source ports of one client, used in turn */
#define PORT_SLOTS    ((65536 - PORT_FIRST) / PORT_TURNS) /* clients of one address */
#define INTERVAL_MS   900000
#define TCP_MSS       1460
#define COAP_DATAGRAM 1400

enum protocol { PROTOCOL_MQTT, PROTOCOL_COAP };
enum profile { PROFILE_STEADY, PROFILE_HERD, PROFILE_BACKLOG, PROFILE_HOLD, PROFILE_STORM,
	       PROFILE_REPLAY };
enum shape { SHAPE_FLAT, SHAPE_NESTED, SHAPE_BOTH, SHAPE_CBOR };

struct options {
	const char *device, *file_prefix, *hugepages;
	const char *json_file, *ledger_file, *devices_file;
	uint8_t server[4], first_address[4];
	uint16_t mqtt_port, coap_port;
	uint32_t cpu, memory_mb, addresses;
	enum protocol protocol;
	enum profile profile;
	enum shape shape;
	uint8_t qos; /* 0 or 1; CoAP: 0 is NON, 1 is CON */
	uint32_t meters, batch, intervals;
	double rates[STEPS_MAX]; /* messages per second; 0: flat out */
	uint32_t rate_count;
	double seconds, within, warmup, drain;
	bool poisson, quiet, close;
	double duplicates, late, loss, reorder; /* fractions of 1 */
	double connect_rate;
	uint32_t connect_window, keep_alive, rto_ms, nstart, inflight_max;
	uint32_t zero_window, zero_window_from, syn_flood_from; /* from: a step, 1 is the first */
	double syn_flood;
	const char *bridge; /* interface; NULL: none */
	const char *pcap_file;
	double pcap_speed; /* 1: as captured; 0: as fast as the port takes it */
	uint64_t seed;
};

enum client_state {
	CLIENT_CLOSED,
	CLIENT_SYN_SENT,
	CLIENT_CONNECTING, /* TCP is up, CONNECT on its way */
	CLIENT_UP,
	CLIENT_CLOSING, /* FIN sent */
	CLIENT_FAILED,  /* gave up */
};

enum client_flag {
	CLIENT_ACK_PENDING = 1, /* in the queue of delayed acknowledgements, and still owed */
	CLIENT_ACK_QUEUED = 2,  /* in that queue */
	CLIENT_HOLDER = 4,      /* advertises a window of 0 */
	CLIENT_ONE_SHOT = 8,    /* closes after its message */
	CLIENT_FIN_SEEN = 16,
	CLIENT_TIMESTAMPS = 32,
};

/* A connection or CoAP endpoint. Numbers of RFC 9293 3.3.1 keep their names. */
struct client {
	struct wheel_node timer; /* the earliest of retransmission, keep-alive, reopening */
	uint32_t snd_una, snd_nxt, rcv_nxt;
	uint32_t snd_wnd;    /* bytes, scaled */
	uint32_t head, tail; /* items, oldest first; NONE: none */
	uint32_t unsent;     /* first item with bytes at or behind snd_nxt */
	uint32_t ts_recent;
	uint32_t active_ms; /* last sent anew, retransmitted, or progress by an ACK */
	uint16_t packet_id;
	uint8_t port_turn;
	uint8_t state;
	uint8_t flags;
	uint8_t backoff; /* time-outs in a row */
	uint8_t dup_acks;
	uint8_t wscale_stash; /* the peer's shift << 4 | bytes in stash */
	uint8_t stash[3];     /* the beginning of an MQTT packet */
	uint8_t spare;
};
_Static_assert(sizeof(struct client) == 64, "one cache line");

enum item_kind { ITEM_CONNECT, ITEM_PUBLISH, ITEM_PINGREQ, ITEM_DISCONNECT, ITEM_COAP };
enum item_flag {
	ITEM_AGAIN = 1,      /* MQTT DUP: sent on an earlier connection */
	ITEM_REPLAY = 2,     /* readings with a collection time of their own */
	ITEM_WAITS = 4,      /* CoAP: asked to come back later */
	ITEM_SENT = 8,       /* counted as sent */
	ITEM_DUPLICATE = 16, /* the same readings were sent before */
};

/* A piece of a client's stream, or a datagram, that is not yet done with. */
struct item {
	uint64_t due_us; /* when it was to be sent; the latency counts from here */
	int64_t ts_ms;   /* of the (first) reading */
	uint32_t next;
	uint32_t seq;  /* TCP: of its first byte; CoAP: ms when it was sent or may be sent again */
	uint32_t line; /* of the ledger; NONE */
	uint16_t bytes;
	uint16_t id; /* MQTT packet identifier, CoAP message id */
	uint8_t kind, flags, readings, step;
	uint8_t tries, spare[3];
};
_Static_assert(sizeof(struct item) == 40, "no holes");

struct totals {
	uint64_t opened, established, connected, refused, reset, closed_by_peer, timed_out;
	uint64_t holders, holders_lost, closed;
	uint64_t scheduled, sent, acked, unanswered, rejected, readings_sent, readings_acked;
	uint64_t tcp_retransmitted, coap_retransmitted, mqtt_again, overloaded;
	uint64_t rx_frames, tx_frames, rx_ignored, bad_checksum, out_of_order;
	uint64_t protocol_errors, early_acks, floods, bridged;
	uint64_t replayed, replay_skipped;
	uint64_t acks_sent, busy_clients, pings;
};

/* One offered load. */
struct step {
	double rate;
	uint64_t start_us, end_us; /* of the offered load */
	uint64_t scheduled;        /* messages due and handed to their clients */
	uint64_t acked;            /* of them */
	uint64_t acked_in_time;    /* acknowledged between start and end, of any step */
	uint64_t left_out;         /* due, but never handed over: no room before the end */
	uint64_t busy_cycles;      /* of this program, in polls that found something to do */
	struct latency latency;
};

enum phase {
	PHASE_ARP,
	PHASE_CONNECT,
	PHASE_LOAD,
	PHASE_DRAIN,
	PHASE_PAUSE, /* so that who watches can look at what the step left */
	PHASE_CLOSE,
	PHASE_END,
};

struct schedule {
	enum phase phase;
	uint64_t phase_us; /* when it began */
	uint32_t opened;   /* clients opened in order */
	uint32_t opening;  /* the first of those that this phase opens */
	uint32_t half_open;
	double open_due_us;
	uint32_t close_next;
	int64_t backlog_ms; /* the first interval that is replayed */
	uint64_t first_open_us, last_up_us;
	uint32_t step;
	uint64_t next;           /* message of the step */
	uint64_t total;          /* messages of the step; UINT64_MAX: as many as fit its time */
	uint64_t base;           /* messages of the steps before */
	double due_us;           /* of the next message */
	uint32_t stride, cursor; /* the order of the clients */
};

struct pcap {
	const uint8_t *data;
	size_t bytes, at; /* at: the next record */
	uint64_t first_us, began_us;
	bool big_endian, nanoseconds;
	bool cut; /* the last record is not all there */
};

struct pcap_frame {
	uint64_t at_us;
	const uint8_t *frame;
	uint32_t bytes;
	bool whole; /* nothing was cut off by the capture */
};

struct gen {
	struct options options;
	struct link link;
	uint64_t now_us;
	int64_t wall_offset_ms; /* wall time = now_us / 1000 + this */
	uint64_t random;
	uint8_t mac[6], server_mac[6];
	bool server_known;

	struct client *clients;
	int64_t *last_ts;      /* by client: its newest reading's time; before: see schedule.c */
	uint32_t client_count; /* senders, then zero-window holders */
	uint32_t senders;
	uint32_t up;
	struct wheel wheel;
	struct item *items;
	uint32_t free_item, items_used;

	struct ack_queue {
		struct ack_due {
			uint32_t client, due_ms;
		} * all;
		uint32_t mask, head, tail;
	} acks;

	struct schedule schedule;
	struct step *steps;
	struct totals totals;
	struct latency setup;  /* from when a connection was due to its CONNACK */
	struct latency second; /* of the current second */
	double flood_due_us;
	int bridge_fd; /* -1: none */
	uint64_t bridge_look_us;
	struct pcap pcap;

	struct ledger_line *ledger;
	uint32_t ledger_count, ledger_max;
	uint8_t *scratch;      /* a rendered message that doesn't fit one segment */
	uint32_t scratch_item; /* which one; NONE */
	volatile bool stop;
};

/* --- random numbers: splitmix64 --- */
static inline uint64_t mix64(uint64_t x)
{
	x += 0x9E3779B97F4A7C15u;
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
	return x ^ (x >> 31);
}

static inline uint64_t gen_random(struct gen *g)
{
	g->random += 0x9E3779B97F4A7C15u;
	return mix64(g->random);
}

/* 0 <= r < 1 */
static inline double gen_random_unit(struct gen *g)
{
	return (double)(gen_random(g) >> 11) * 0x1p-53;
}

static inline uint32_t gen_now_ms(const struct gen *g)
{
	return (uint32_t)(g->now_us / 1000);
}

static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/* --- options.c --- */
/* 0: go on; else the exit status + 1. */
int options_parse(struct options *o, int argc, char **argv);

/* --- payload.c --- */
/* Fixed for a run: how many bytes a message has. */
uint32_t payload_bytes(const struct options *o, uint32_t client, const struct item *item);
uint32_t payload_render(const struct options *o, uint32_t client, const struct item *item,
			uint8_t *out);
/* Meter and time of one of the readings in a message. */
void payload_reading(const struct options *o, uint32_t client, const struct item *item,
		     uint32_t index, uint32_t *meter, int64_t *ts_ms);
enum shape payload_shape(const struct options *o, uint32_t meter);
/* "SM-00000001"; returns its length. */
uint32_t payload_meter_id(const struct options *o, uint32_t meter, char out[32]);
/* {"active_energy":"123456.789",...}: what the store must give back. */
void payload_channels(FILE *out, const struct options *o, uint32_t meter, int64_t ts_ms);
int payload_write_devices(const struct options *o, const char *path);

/* --- items.c --- */
/* NONE: all in use. */
uint32_t item_new(struct gen *g);
void item_free(struct gen *g, uint32_t index);
/* A message was sent for the first time. */
void gen_sent(struct gen *g, struct item *item);
/* A message was acknowledged; the item is freed. */
void gen_acked(struct gen *g, uint32_t item);
/* A message that will never be; the item is freed. */
void gen_unanswered(struct gen *g, uint32_t item);

/* --- mqtt.c --- */
uint32_t mqtt_item_bytes(const struct gen *g, uint32_t client, const struct item *item);
uint32_t mqtt_render(const struct gen *g, uint32_t client, const struct item *item, uint8_t *out);
/* In-order bytes of the stream. False: the peer breaks the protocol. */
bool mqtt_input(struct gen *g, uint32_t client, const uint8_t *bytes, uint32_t count);

/* --- client.c --- */
void client_open(struct gen *g, uint32_t client);
/* Append to the stream; it is sent by the next client_output. */
void client_append(struct gen *g, uint32_t client, uint32_t item);
void client_output(struct gen *g, uint32_t client);
void client_input(struct gen *g, uint32_t client, const uint8_t *tcp, uint32_t bytes);
/* Send what is queued, then FIN. */
void client_close(struct gen *g, uint32_t client);
void client_timer(struct gen *g, uint32_t client);
void client_run_acks(struct gen *g);
/* Take an item that is at `previous`'s next (NONE: at the head) out of the list. */
void client_unlink(struct gen *g, struct client *c, uint32_t previous, uint32_t item);

/* --- coap.c --- */
uint32_t coap_item_bytes(const struct gen *g, uint32_t client, const struct item *item);
void coap_append(struct gen *g, uint32_t client, uint32_t item);
void coap_input(struct gen *g, uint32_t client, const uint8_t *datagram, uint32_t bytes);
void coap_timer(struct gen *g, uint32_t client);

/* --- wire.c --- */
/* Room for an L4 segment behind the headers; NULL: no buffer. */
uint8_t *wire_new(struct gen *g);
/* Send what was built in the last wire_new. `checksum_at`: where the L4 checksum field is. */
void wire_send(struct gen *g, const uint8_t source[4], uint8_t protocol, uint32_t l4_bytes,
	       uint32_t checksum_at);
void wire_client_address(const struct gen *g, uint32_t client, uint8_t ipv4[4], uint16_t *port);
void wire_arp_ask(struct gen *g, uint32_t address);
/* Take what has come in; returns the number of frames. */
uint32_t wire_poll(struct gen *g);

/* --- flood.c --- */
void flood_run(struct gen *g);

/* --- bridge.c --- */
/* False: what failed is on stderr. */
bool bridge_open(struct gen *g);
void bridge_close(struct gen *g);
/* Frames of the interface to the port. */
void bridge_poll(struct gen *g);
/* A frame of the port that is for nobody here. False: not for the interface either. */
bool bridge_take(struct gen *g, const uint8_t *frame, uint32_t bytes);

/* --- pcap.c --- */
/* False: what is wrong is on stderr. */
bool pcap_open(struct pcap *p, const char *path);
void pcap_close(struct pcap *p);
/* A file in memory; NULL, or what is wrong with it. */
const char *pcap_take(struct pcap *p, const uint8_t *data, size_t bytes);
/* False: that was the last one. */
bool pcap_next(struct pcap *p, struct pcap_frame *f);
/* Send the frames that are due. False: all were sent. */
bool pcap_run(struct gen *g);

/* --- schedule.c --- */
void schedule_start(struct gen *g);
/* False: the run is over. */
bool schedule_run(struct gen *g);
/* A client's CONNECT was accepted; a message of it is done with. */
void schedule_client_up(struct gen *g, uint32_t client);
void schedule_message_done(struct gen *g, uint32_t client);

/* --- report.c --- */
void report_second(struct gen *g);
void report_step(const struct gen *g, uint32_t step);
void report_table(const struct gen *g);
int report_json(const struct gen *g, bool complete);

/* --- ledger.c --- */
struct ledger_line {
	int64_t ts_ms;
	uint32_t client;
	uint8_t readings, flags, acked, spare;
};
bool ledger_open(struct gen *g);
uint32_t ledger_add(struct gen *g, uint32_t client, const struct item *item);
int ledger_close(struct gen *g);

#endif
