/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: exchanges, their lists and timers. */
#ifndef HEADRACE_COAP_COAP_PRIV_H
#define HEADRACE_COAP_COAP_PRIV_H

#include <stddef.h>

#include "base/hash.h"
#include "coap/coap.h"
#include "coap/coap_message.h"

/* RFC 7252 4.8, 4.8.2 */
#define COAP_MAX_RETRANSMIT       4
#define COAP_EXCHANGE_LIFETIME_US UINT64_C(247000000)
#define COAP_NON_LIFETIME_US      UINT64_C(145000000)

/* An answer, header included. Longer diagnostics are cut: they are for people. */
#define COAP_ANSWER_BYTES 88

#define COAP_NIL UINT32_MAX

/*
 *   FREE -> TAKEN -> DONE                  answered in time (piggybacked), or NON
 *           TAKEN -> SENDING -> DONE       answered late; DONE by ACK, RST or giving up
 *   DONE, SENDING -> FREE                  when room is needed, or older than its lifetime
 */
enum coap_exchange_state { COAP_X_FREE, COAP_X_TAKEN, COAP_X_SENDING, COAP_X_DONE };

/* A request and what became of it. Known by the peer and the message id (4.5). */
struct coap_exchange {
	struct coap_peer peer;
	uint16_t id;        /* of the request */
	uint16_t answer_id; /* of a separate or NON answer */
	uint64_t created_us;
	uint64_t due_slot;  /* SENDING: when it is sent again */
	uint32_t bucket;
	uint32_t hash_next;
	uint32_t prev, next;             /* in the list of its state */
	uint32_t wheel_prev, wheel_next; /* SENDING */
	uint32_t generation;
	uint16_t timeout_slots;
	uint8_t state;
	bool confirmable;
	bool acked; /* an empty ACK was sent */
	uint8_t attempts;
	uint8_t no_response; /* RFC 7967 */
	uint8_t answer_bytes;
	uint8_t token_bytes;
	uint8_t token[COAP_TOKEN_BYTES];
	uint8_t answer[COAP_ANSWER_BYTES]; /* DONE: for repeated requests; SENDING: to send again */
};
_Static_assert(sizeof(struct coap_exchange) == 192, "three cache lines");
_Static_assert(sizeof(struct coap_peer) == 36, "hashed and compared as bytes: no padding");

struct coap_list {
	uint32_t head, tail, count;
};

#define COAP_WHEEL_SLOTS 2048
#define COAP_SLOT_US     UINT64_C(64000)

/* Retransmissions: 131 s long, more than 2^4 * 3 s. */
struct coap_wheel {
	uint64_t cursor; /* no slot before this one holds anything */
	uint32_t count;
	uint64_t filled[COAP_WHEEL_SLOTS / 64];
	uint32_t head[COAP_WHEEL_SLOTS];
};

struct coap_server {
	struct coap_config config;
	const struct coap_app *ops;
	void *app;
	struct counters *counters;
	struct hash_key key;
	uint64_t random;
	struct coap_exchange *exchanges; /* exchanges_max, and a spare for the request at hand */
	uint32_t *buckets;
	uint32_t bucket_mask;
	struct coap_list free;
	struct coap_list ack_wait; /* TAKEN, CON, no empty ACK yet; by age */
	struct coap_list sending;  /* SENDING, by time of the answer */
	struct coap_list done;     /* DONE, by time of the answer */
	struct coap_wheel wheel;
};

/* ---- coap_exchange.c ---- */

bool coap_exchanges_init(struct coap_server *c);

/* A keyed hash of the peer: places exchanges, and offsets our message ids. */
static inline uint64_t coap_peer_hash(const struct coap_server *c, const struct coap_peer *peer)
{
	return siphash13(c->key, peer, sizeof *peer);
}

/*
 * The message id of an answer that is not piggybacked. The client may use an id once per
 * lifetime, and each request has one answer, so an offset that is constant for the peer keeps
 * ours just as unique (4.4) and lets an ACK lead back to the request without another table.
 */
static inline uint16_t coap_answer_id(uint64_t peer_hash, uint16_t request_id)
{
	return (uint16_t)(request_id + (peer_hash >> 48));
}

static inline uint16_t coap_request_id(uint64_t peer_hash, uint16_t answer_id)
{
	return (uint16_t)(answer_id - (peer_hash >> 48));
}

/* NULL: none, or it was too old and is gone now. */
struct coap_exchange *coap_exchange_find(struct coap_server *c, const struct coap_peer *peer,
                                         uint64_t peer_hash, uint16_t id, uint64_t now_us);

/* Is there room for a request, if need be by forgetting an answered one? */
bool coap_exchange_room(const struct coap_server *c);

/* Only when there is room. */
struct coap_exchange *coap_exchange_take(struct coap_server *c, const struct coap_peer *peer,
                                         uint64_t peer_hash, uint16_t id, uint64_t now_us,
                                         bool confirmable);
/* The request was accepted: forget the oldest answered exchange if no spare is left. */
void coap_exchange_keep_spare(struct coap_server *c, const struct coap_exchange *accepted);
void coap_exchange_release(struct coap_server *c, struct coap_exchange *e);

/* Move to a state, and into its list. */
void coap_exchange_to(struct coap_server *c, struct coap_exchange *e,
                      enum coap_exchange_state state);
/* The empty ACK is out: it does not wait for one any more. */
void coap_exchange_acked(struct coap_server *c, struct coap_exchange *e);

static inline uint32_t coap_exchange_index(const struct coap_server *c,
                                           const struct coap_exchange *e)
{
	return (uint32_t)(e - c->exchanges);
}

/* ---- coap_timer.c ---- */

void coap_wheel_init(struct coap_wheel *w);
void coap_wheel_remove(struct coap_server *c, struct coap_exchange *e);
/* The first transmission of a separate answer was made: time the next. */
void coap_retransmit_start(struct coap_server *c, struct coap_exchange *e, uint64_t now_us);

/* ---- coap_request.c ---- */

struct coap_demand {
	uint8_t no_response;  /* RFC 7967; 0: all answers are wanted */
	uint16_t bad_option;  /* the first one that was not understood */
};

/* Fill `request` (but for peer) from a well-formed request message. COAP_WELL_FORMED, or the
 * counter of the reason why it is refused. */
enum counter coap_request_read(const struct coap_message *msg, uint32_t payload_bytes_max,
                               struct coap_request *request, struct coap_demand *demand);

/* ---- coap_server.c ---- */

/* Send; `what` counts it, COUNTER_COAP_UNSENT if there was no buffer. */
void coap_send(struct coap_server *c, const struct coap_peer *peer, const uint8_t *bytes,
               uint32_t count, enum counter what);
void coap_send_empty(struct coap_server *c, const struct coap_peer *peer, enum coap_type type,
                     uint16_t id, enum counter what);

#endif
