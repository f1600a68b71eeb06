/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share. Private to coap/.
 *
 *   coap_server.c    which datagram means what; requests to the application
 *   coap_request.c   from options to a request
 *   coap_exchange.c  requests and their answers, remembered
 *   coap_answer.c    answers to bytes, in blocks where they must
 *   coap_block.c     bodies: requests put together, answers handed out in blocks
 *   coap_observe.c   observers and their notifications
 *   coap_timer.c     what is due
 */
#ifndef HEADRACE_COAP_COAP_PRIV_H
#define HEADRACE_COAP_COAP_PRIV_H

#include <stddef.h>

#include "base/hash.h"
#include "base/wheel.h"
#include "coap/coap.h"
#include "coap/coap_message.h"

/* RFC 7252 4.8, 4.8.2 */
#define COAP_MAX_RETRANSMIT       4
#define COAP_EXCHANGE_LIFETIME_US UINT64_C(247000000)
#define COAP_NON_LIFETIME_US      UINT64_C(145000000)

/* An answer that is kept in its exchange, header included; a longer one takes a slot. */
#define COAP_ANSWER_BYTES 60
/* The longest datagram sent: a block of 1,024 bytes, header, token and the options around it. It
 * fits an IPv6 packet of the smallest MTU: 1,280 - 40 - 8. */
#define COAP_DATAGRAM_BYTES 1232

#define COAP_NIL UINT32_MAX

/*
 *   FREE -> TAKEN -> DONE                  answered in time (piggybacked), or NON
 *           TAKEN -> SENDING -> DONE       answered late; DONE by ACK, RST or giving up
 *           TAKEN -> LEISURE -> DONE       to a group: answered when its leisure is over
 *   DONE, SENDING, LEISURE -> FREE         when room is needed, or older than its lifetime
 */
enum coap_exchange_state { COAP_X_FREE, COAP_X_TAKEN, COAP_X_SENDING, COAP_X_LEISURE, COAP_X_DONE };

/* A request and what became of it. Known by the peer and the message id (4.5). */
struct coap_exchange {
	struct coap_peer peer;
	uint16_t id;        /* of the request */
	uint16_t answer_id; /* of a separate or NON answer */
	uint64_t created_us;
	uint64_t due_slot;  /* SENDING, LEISURE: when it is sent (again) */
	uint64_t key;       /* of the resource, for the blocks of a long answer */
	uint32_t block1, block2; /* as in the options; COAP_NIL: none */
	uint32_t observer;  /* registered by this request; COAP_NIL: none */
	uint32_t slot;      /* of a long answer; COAP_NIL: in `answer` */
	uint32_t bucket;
	uint32_t hash_next;
	uint32_t prev, next;             /* in the list of its state */
	uint32_t wheel_prev, wheel_next; /* SENDING, LEISURE */
	uint32_t generation;
	uint16_t timeout_slots;
	uint16_t answer_bytes;
	uint8_t state;
	uint8_t method;
	bool confirmable;
	bool multicast;
	bool acked; /* an empty ACK was sent */
	uint8_t attempts;
	uint8_t no_response; /* RFC 7967 */
	uint8_t token_bytes;
	uint8_t token[COAP_TOKEN_BYTES];
	uint8_t answer[COAP_ANSWER_BYTES]; /* DONE: for repeated requests; SENDING: to send again */
};
_Static_assert(sizeof(struct coap_exchange) == 192, "three cache lines");
_Static_assert(sizeof(struct coap_peer) == 36, "hashed and compared as bytes: no padding");

/* A long answer. Slots are used in turn; its exchange is forgotten when the slot is used again. */
struct coap_slot {
	uint32_t exchange; /* COAP_NIL: free */
	uint32_t generation;
	uint8_t bytes[COAP_DATAGRAM_BYTES];
};

/* What is handed over in blocks. */
enum coap_body_kind { COAP_BODY_FREE, COAP_BODY_REQUEST, COAP_BODY_RESPONSE };

struct coap_body {
	struct coap_peer peer;
	uint64_t key; /* of method, resource and representation */
	uint64_t touched_us;
	uint32_t used;
	uint8_t kind;
	/* of a response */
	uint8_t code;
	uint16_t content_format;
	bool has_max_age;
	uint32_t max_age_s;
	struct coap_etag etag;
};

#define COAP_OBSERVER_IDS 4

enum coap_observer_state { COAP_O_FREE, COAP_O_ASKED, COAP_O_ACTIVE };

/* Known by the peer and the token (RFC 7641 4.1). */
struct coap_observer {
	struct wheel_node timer; /* of the CON notification under way */
	struct coap_peer peer;
	coap_handle asked_by; /* ASKED: the exchange that registers it */
	uint64_t key;
	uint64_t last_con_us;
	uint64_t budget_us; /* when the NON notifications of the past have been paid for */
	uint32_t generation;
	uint32_t bucket, hash_next; /* in the free list when FREE */
	uint32_t sequence; /* of the last notification, 24 bits */
	uint32_t timeout_ms;
	uint16_t ids[COAP_OBSERVER_IDS]; /* of the last notifications, newest first */
	uint16_t bytes;    /* of the newest notification */
	uint8_t state;
	uint8_t token_bytes;
	uint8_t token[COAP_TOKEN_BYTES];
	uint8_t id_count;
	uint8_t szx;
	uint8_t attempts;
	uint8_t non_count; /* since the last CON */
	bool confirmable;  /* so was the registration, so are the notifications */
	bool in_flight;    /* a CON is not acknowledged yet: ids[0] */
	bool unsent;       /* `message` is newer than what was sent */
	bool ending;       /* the newest one is the last */
	bool in_order;     /* say when it arrived */
	bool non;          /* whatever the registration was */
	uint8_t message[COAP_DATAGRAM_BYTES]; /* the newest notification; type and id when sent */
};

struct coap_list {
	uint32_t head, tail, count;
};

#define COAP_NOTIFY_IDS  1024
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
	struct coap_list sending;  /* SENDING, LEISURE, by time of the answer */
	struct coap_list done;     /* DONE, by time of the answer */
	struct coap_wheel wheel;
	struct coap_slot *slots;
	uint32_t slot_next;

	struct coap_body *bodies;
	uint8_t *body_bytes; /* payload_bytes_max for each */
	_Atomic uint32_t bodies_used;

	struct coap_observer *observers;
	uint32_t *observer_buckets;
	uint32_t observer_mask;
	uint32_t observer_free; /* list by hash_next */
	struct wheel observer_wheel;
	uint64_t timer_now_us; /* while it expires */
	_Atomic uint32_t observers_used;
	uint16_t notify_ids[COAP_NOTIFY_IDS]; /* by the peer's hash: the next notification's id */

	uint8_t scratch[COAP_DATAGRAM_BYTES];
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

static inline coap_handle coap_exchange_handle(const struct coap_server *c,
                                               const struct coap_exchange *e)
{
	return (coap_handle)e->generation << 32 | coap_exchange_index(c, e);
}

/* ---- coap_timer.c ---- */

void coap_wheel_init(struct coap_wheel *w);
void coap_wheel_remove(struct coap_server *c, struct coap_exchange *e);
/* The first transmission of a separate answer was made: time the next. */
void coap_retransmit_start(struct coap_server *c, struct coap_exchange *e, uint64_t now_us);
/* An answer to a group: time its only transmission. */
void coap_leisure_start(struct coap_server *c, struct coap_exchange *e, uint64_t now_us);
/* A number below `bound`, > 0. */
uint32_t coap_random_below(struct coap_server *c, uint32_t bound);

/* ---- coap_request.c ---- */

enum coap_observe { COAP_OBSERVE_NONE, COAP_OBSERVE_REGISTER, COAP_OBSERVE_CANCEL };

/* What a request asks of the server rather than of the application. */
struct coap_demand {
	uint8_t no_response;  /* RFC 7967; 0: all answers are wanted */
	uint8_t observe;      /* enum coap_observe */
	uint16_t bad_option;  /* the first one that was not understood */
	uint32_t size1;       /* of the whole body, as announced; 0: not */
	struct coap_block block1, block2;
	uint64_t request_tag; /* a digest; 0: none (RFC 9175 3) */
};

/* Fill `request` (but for peer, multicast and observer) from a well-formed request message.
 * COAP_WELL_FORMED, or the counter of the reason why it is refused. */
enum counter coap_request_read(const struct coap_message *msg, uint32_t payload_bytes_max,
                               struct coap_request *request, struct coap_demand *demand);

/* ---- coap_answer.c ---- */

bool coap_slots_init(struct coap_server *c);

/* Message layer of an answer, and the blocks around its payload. */
struct coap_envelope {
	uint8_t type; /* enum coap_type */
	uint8_t token_bytes;
	uint16_t id;
	const uint8_t *token;
	uint32_t block1, block2; /* of the request; COAP_NIL: none */
	uint32_t sequence;       /* Observe; COAP_NIL: none */
};

/* Write an answer or notification to `out`; returns its bytes. *sliced: its payload did not fit,
 * more blocks are there to be fetched. */
uint32_t coap_answer_build(const struct coap_server *c, uint8_t out[COAP_DATAGRAM_BYTES],
                           const struct coap_envelope *envelope,
                           const struct coap_response *response, bool *sliced);
/* Put an answer's bytes where its exchange finds them. */
void coap_answer_keep(struct coap_server *c, struct coap_exchange *e, const uint8_t *bytes,
                      uint32_t count);
const uint8_t *coap_answer_bytes(const struct coap_server *c, const struct coap_exchange *e);

static inline uint32_t coap_block_pack(const struct coap_block *b)
{
	return b->present ? b->number << 4 | (uint32_t)b->more << 3 | b->szx : COAP_NIL;
}

/* ---- coap_block.c ---- */

bool coap_bodies_init(struct coap_server *c);

/* What an answer's blocks belong to (RFC 7959 2.4): method, path, query and Accept. */
uint64_t coap_resource_key(const struct coap_server *c, const struct coap_request *request);

/* Take a block of a request. COUNTER_COAP_TAKEN: it was the last, request->payload is the whole
 * body, *body its place; COUNTER_COAP_CONTINUED; or why it is refused. */
enum counter coap_block_take(struct coap_server *c, struct coap_request *request,
                             const struct coap_demand *demand, uint64_t key, uint64_t now_us,
                             struct coap_body **body);
void coap_body_release(struct coap_server *c, struct coap_body *body);

/* Keep an answer for those who fetch the rest of it. */
void coap_body_keep(struct coap_server *c, const struct coap_peer *peer, uint64_t key,
                    const struct coap_response *response, uint64_t now_us);
/* The answer that was kept; NULL: none. `out` points into it. */
bool coap_body_kept(struct coap_server *c, const struct coap_peer *peer, uint64_t key,
                    struct coap_response *out, uint64_t now_us);

/* ---- coap_observe.c ---- */

bool coap_observers_init(struct coap_server *c);

/* The request `e` registers: an observer that waits for the application's consent; COAP_NIL: there
 * is no room. An older one of the same peer and token ends. */
uint32_t coap_observer_ask(struct coap_server *c, const struct coap_exchange *e, uint64_t peer_hash,
                           const struct coap_message *msg, uint8_t szx, uint64_t now_us);
coap_handle coap_observer_handle(const struct coap_server *c, uint32_t index);
/* The application's word on the observer that `e` asked for, if that still waits: the sequence
 * number of the first state; or COAP_NIL, it is no more. */
uint32_t coap_observer_settle(struct coap_server *c, struct coap_exchange *e, bool accepted,
                              uint64_t now_us);
/* The client deregisters. */
void coap_observer_cancel(struct coap_server *c, const struct coap_peer *peer, uint64_t peer_hash,
                          const struct coap_message *msg);
/* An ACK or RST; false: it is not about a notification. */
bool coap_observer_reply(struct coap_server *c, const struct coap_peer *peer, uint64_t peer_hash,
                         const struct coap_message *msg, uint64_t now_us);
void coap_observer_run_timers(struct coap_server *c, uint64_t now_us, uint32_t budget);

/* ---- coap_server.c ---- */

/* Send; `what` counts it, COUNTER_COAP_UNSENT if there was no buffer. */
void coap_send(struct coap_server *c, const struct coap_peer *peer, const uint8_t *bytes,
               uint32_t count, enum counter what);
void coap_send_empty(struct coap_server *c, const struct coap_peer *peer, enum coap_type type,
                     uint16_t id, enum counter what);

#endif
