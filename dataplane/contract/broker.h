/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crosses between the io workers, who own the connections and speak MQTT, and the broker
 * thread of the control plane, who owns what outlives a connection: sessions, subscriptions,
 * retained messages, wills, outbound QoS 1 and 2.
 *
 *   io worker i --to_broker[i]--> broker --to_io[i]--> io worker i        (struct record_ring)
 *
 * Every record starts with struct broker_head; its variable parts follow its struct in the order
 * of the `_bytes` fields, without padding. Record structs lie at 8-byte aligned addresses, what
 * follows them does not. Numbers are in the machine's order. The io workers have checked all that
 * a specification says about form (UTF-8, topic names and filters, ranges): the broker trusts it.
 *
 * Rules that both sides keep:
 * - A connection is known by (io worker, `conn`); a `conn` is never used twice, so a record about
 *   one that is gone is recognised and ignored (but for BROKER_PUBLISH_DONE, see there).
 * - The io worker never waits. A packet for which to_broker has no room stays in TCP. The ring
 *   keeps room for the BROKER_DISCONNECTED of each connection that has one coming, so that one
 *   always fits. The io worker always empties to_io, so the broker may wait for room there.
 * - Every BROKER_CONNECT is followed by exactly one BROKER_DISCONNECTED, whoever ended the
 *   connection and whatever the broker answered.
 * - Which of two connections with one client id is the newer one is decided by `sequence` alone:
 *   it is drawn from one number for all io workers. The broker closes the older one, in whichever
 *   order the two records arrive (MQTT 3.1.4).
 */
#ifndef HEADRACE_CONTRACT_BROKER_H
#define HEADRACE_CONTRACT_BROKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/record_ring.h"
#include "contract/limits.h"
#include "contract/reading.h"

enum broker_kind {
	/* io worker -> broker */
	BROKER_CONNECT = 1,  /* struct broker_connect */
	BROKER_DISCONNECTED, /* struct broker_disconnected */
	BROKER_PUBLISH,      /* struct broker_publish */
	BROKER_PUBREL,       /* struct broker_ack: of a QoS 2 PUBLISH of the client */
	BROKER_SUBSCRIBE,    /* struct broker_filters */
	BROKER_UNSUBSCRIBE,  /* struct broker_filters */
	BROKER_PUBACK,       /* struct broker_ack: of what the broker sent; PUBREC, PUBCOMP too */
	BROKER_PUBREC,
	BROKER_PUBCOMP,
	BROKER_CREDIT,  /* struct broker_credit */
	BROKER_READING, /* struct broker_reading */
	/* broker -> io worker */
	BROKER_CONNECTED = 64, /* struct broker_connected */
	BROKER_PUBLISH_DONE,   /* struct broker_publish_done */
	BROKER_PUBREL_DONE,    /* struct broker_ack: send PUBCOMP */
	BROKER_SUBACK,         /* struct broker_codes */
	BROKER_UNSUBACK,       /* struct broker_codes */
	BROKER_SEND,           /* struct broker_send */
	BROKER_CLOSE,          /* struct broker_close */
};

struct broker_head {
	uint64_t conn; /* tcp_handle; 0 in records that belong to no connection */
	uint16_t kind; /* enum broker_kind */
	uint16_t spare[3];
};
_Static_assert(sizeof(struct broker_head) == 16, "before every record");

#define BROKER_NO_EXPIRY UINT32_MAX /* of a message or session: never */
#define BROKER_NO_LIMIT  UINT32_MAX /* of a packet's size */

/* --- io worker -> broker --- */

enum {
	/* The connection waits for BROKER_CONNECTED: its session may be persistent or taken up
	 * again, it has a will, or the server wants credentials. Without this flag the client has
	 * its CONNACK (session present 0) already and its older session ends now. */
	BROKER_CONNECT_WAITS = 1 << 0,
	BROKER_CONNECT_CLEAN = 1 << 1, /* clean session (3.1.1), clean start (5.0) */
	BROKER_CONNECT_USERNAME = 1 << 2,
	BROKER_CONNECT_PASSWORD = 1 << 3,
	BROKER_CONNECT_WILL = 1 << 4,
	BROKER_CONNECT_WILL_RETAIN = 1 << 5,
	BROKER_CONNECT_RESPONSE = 1 << 6, /* it asked for response information (5.0) */
};

struct broker_connect {
	struct broker_head head;
	uint64_t sequence;         /* newer is larger; one number for all io workers */
	uint32_t session_expiry_s; /* 3.1.1: 0 if clean, else BROKER_NO_EXPIRY */
	uint32_t packet_bytes_max; /* the client's; BROKER_NO_LIMIT */
	uint32_t credit_bytes;     /* the first credit: see struct broker_credit */
	uint16_t receive_max;      /* the client's: 1..65,535 */
	uint16_t topic_alias_max;  /* the client's; 0: no aliases to it */
	uint16_t flags;            /* BROKER_CONNECT_* */
	uint8_t version;           /* 4: 3.1.1, 5: 5.0 */
	uint8_t will_qos;
	uint16_t keep_alive_s; /* 0: none */
	uint32_t will_delay_s;
	uint32_t will_expiry_s; /* BROKER_NO_EXPIRY: none */
	uint16_t client_bytes;  /* never 0 */
	uint16_t username_bytes;
	uint16_t password_bytes;
	uint16_t will_topic_bytes;
	uint16_t will_props_bytes; /* as broker_publish.props_bytes */
	uint16_t will_payload_bytes;
};

enum broker_end {
	BROKER_END_NORMAL,    /* DISCONNECT: no will */
	BROKER_END_WITH_WILL, /* DISCONNECT with reason 0x04: the will is published (5.0) */
	BROKER_END_LOST,      /* no DISCONNECT: the will is published */
};

struct broker_disconnected {
	struct broker_head head;
	uint32_t session_expiry_s; /* as in CONNECT, or as changed by DISCONNECT (5.0) */
	uint8_t end;               /* enum broker_end */
	uint8_t spare[3];
};

enum {
	BROKER_PUBLISH_RETAIN = 1 << 0,
};

/* For QoS 1 and 2 the broker answers each one with exactly one BROKER_PUBLISH_DONE, also when the
 * connection is gone meanwhile. */
struct broker_publish {
	struct broker_head head;
	uint32_t ticket;    /* to be given back; TICKET_NONE for QoS 0 */
	uint32_t expiry_s;  /* message expiry; BROKER_NO_EXPIRY: none */
	uint16_t packet_id; /* 0 for QoS 0 */
	uint8_t qos;
	uint8_t flags;        /* BROKER_PUBLISH_* */
	uint16_t topic_bytes; /* never 0: an alias was replaced by its topic */
	/* What goes on to subscribers unchanged, as on the wire: payload format, content type,
	 * response topic, correlation data, user properties (in their order). Neither a length
	 * before it nor message expiry and topic alias are in it. */
	uint16_t props_bytes;
	uint32_t payload_bytes;
};

/* PUBACK, PUBREC, PUBCOMP of the client for what the broker sent; PUBREL of what the client
 * published; the broker's answer to PUBREL. */
struct broker_ack {
	struct broker_head head;
	uint16_t packet_id;
	uint8_t reason; /* 5.0; 0 for 3.1.1. BROKER_PUBREL_DONE: 0x92 where the id was not known */
	uint8_t spare[5];
};

/* SUBSCRIBE and UNSUBSCRIBE: `count` filters follow; walk them with broker_filter_next. */
struct broker_filters {
	struct broker_head head;
	uint32_t subscription_id; /* 0: none */
	uint16_t packet_id;
	uint16_t count;
	uint32_t filters_bytes;
	uint32_t spare;
};

/*
 * One filter:  | length, 2 | options, 1 | the filter |
 * Options as in MQTT5 3.8.3.1: QoS (bits 0, 1), no local (2), retain as published (3), retain
 * handling (4, 5); 3.1.1 has the QoS alone; 0 for UNSUBSCRIBE.
 */
#define BROKER_FILTER_HEADER 3

static inline bool broker_filter_next(struct bytes *left, struct bytes *filter, uint8_t *options)
{
	if (left->count < BROKER_FILTER_HEADER)
		return false;
	*filter = (struct bytes){left->data + BROKER_FILTER_HEADER, get_le16(left->data)};
	*options = left->data[2];
	left->data += BROKER_FILTER_HEADER + filter->count;
	left->count -= BROKER_FILTER_HEADER + filter->count;
	return true;
}

/*
 * The broker may have sent at most as many bytes by BROKER_SEND as it was given credit for since
 * BROKER_CONNECT. The io worker gives new credit as the client reads: a slow one stops its own
 * deliveries, nobody else's. A whole packet of the configured maximum fits the first credit.
 */
struct broker_credit {
	struct broker_head head;
	uint32_t bytes; /* more */
	uint32_t spare;
};

/* A reading that was stored just now, of a device that somebody may be watching (struct
 * broker_watch). The device id follows. */
struct broker_reading {
	struct broker_head head;
	struct reading reading;
	uint16_t id_bytes;
	uint16_t spare[3];
};

/* --- broker -> io worker --- */

/* The answer to a BROKER_CONNECT with BROKER_CONNECT_WAITS. */
struct broker_connected {
	struct broker_head head;
	uint32_t session_expiry_s; /* what is kept; told to the client where it differs (5.0) */
	uint8_t reason;            /* 0, or an MQTT 5.0 CONNACK reason code: 0x86, 0x87, 0x97 ... */
	bool session_present;
	uint16_t response_bytes; /* response information, if it asked for it; 0: none */
};

struct broker_publish_done {
	struct broker_head head;
	uint32_t ticket;
	uint8_t reason; /* of PUBACK or PUBREC, 5.0: 0, 0x10 no subscribers, 0x87, 0x97 ... */
	uint8_t spare[3];
};

/* SUBACK, UNSUBACK: a reason code (5.0; 3.1.1: 0..2 or 0x80) for each filter follows. The io
 * worker puts 5.0 codes into 3.1.1's where the client speaks that. */
struct broker_codes {
	struct broker_head head;
	uint16_t packet_id;
	uint16_t count;
	uint32_t spare;
};

enum {
	BROKER_SEND_MAY_DROP = 1 << 0, /* QoS 0: may be dropped where memory is short */
};

/* One whole control packet (PUBLISH or PUBREL) follows. */
struct broker_send {
	struct broker_head head;
	uint32_t packet_bytes;
	uint32_t flags; /* BROKER_SEND_* */
};

struct broker_close {
	struct broker_head head;
	uint8_t reason; /* of DISCONNECT (5.0): 0x8e taken over, 0x97 quota, 0x98 administrative */
	uint8_t spare[7];
};

/* --- what both see --- */

/*
 * Which devices' readings somebody watches: a filter of 1,024 bits over the device ids, written by
 * the broker, read by the io workers. A bit too many costs a record, none too few.
 */
#define BROKER_WATCH_WORDS 16

struct broker_watch {
	_Atomic uint32_t any; /* 0: nobody watches anything */
	_Atomic uint64_t bits[BROKER_WATCH_WORDS];
};

static inline uint32_t broker_watch_bit(const void *id, uint32_t bytes)
{
	return crc32c(0, id, bytes) % (BROKER_WATCH_WORDS * 64);
}

static inline bool broker_watches(const struct broker_watch *w, const void *id, uint32_t bytes)
{
	if (!atomic_load_explicit(&w->any, memory_order_relaxed))
		return false;
	uint32_t bit = broker_watch_bit(id, bytes);
	return atomic_load_explicit(&w->bits[bit / 64], memory_order_relaxed) >> bit % 64 & 1;
}

/* Made before the pipeline and the broker thread, freed after both. */
struct broker_link {
	uint32_t io_count;
	struct record_ring to_broker[MAX_IO_WORKERS];
	struct record_ring to_io[MAX_IO_WORKERS];
	struct broker_watch watch;
	_Alignas(CACHE_LINE) _Atomic uint64_t sequence; /* the last one drawn */
};

/* Rings for packets of at most `packet_bytes_max` and `connections` per io worker. NULL: no
 * memory. */
struct broker_link *broker_link_new(uint32_t io_count, uint32_t connections,
				    uint32_t packet_bytes_max);
void broker_link_free(struct broker_link *link);

/* The ring's room that belongs to the BROKER_DISCONNECTED of `connections`. */
static inline uint32_t broker_kept_bytes(uint32_t connections)
{
	return connections * (RECORD_HEADER_BYTES + (uint32_t)sizeof(struct broker_disconnected));
}

#endif
