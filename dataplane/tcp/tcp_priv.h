/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the TCP engine: records, pools and what the files call of each other.
 *
 * tcp_engine.c    start, pools of connections, the application's calls
 * tcp_table.c     the keyed hash table of connections, half-open ones and TIME-WAIT
 * tcp_options.c   TCP options in and out
 * tcp_in.c        demultiplexing, acceptability (RFC 9293 3.10.7), FIN
 * tcp_syn.c       passive open: SYN cache, SYN-ACK, the handshake's last ACK
 * tcp_cookie.c    SYN cookies
 * tcp_ack.c       acknowledgements: window, RTT, what our FIN's brings
 * tcp_cwnd.c      congestion window: CUBIC, recovery, undo
 * tcp_score.c     segments in flight: SACK, loss detection
 * tcp_rx.c        in-order delivery, kept data, reassembly
 * tcp_rxpool.c    buddy pool of receive buffers
 * tcp_tx.c        the send queue's chunks
 * tcp_out.c       building and sending segments
 * tcp_timer.c     deadlines of connections
 * tcp_delay.c     delayed ACKs
 * tcp_timewait.c  TIME-WAIT records
 * tcp_fetch.c     a burst's connections into the cache
 * tcp_icmp.c      ICMP errors
 * tcp_prefix.c    connections per prefix
 * tcp_pools.c     what the pools hold
 */
#ifndef HEADRACE_TCP_TCP_PRIV_H
#define HEADRACE_TCP_TCP_PRIV_H

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/pages.h"
#include "base/wheel.h"
#include "tcp/tcp.h"
#include "tcp/tcp_limits.h"

#define NONE UINT32_MAX

enum tcp_flag { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10, URG = 0x20 };

/* Modular comparisons (RFC 9293 3.4). */
static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* What identifies a connection. The local address is a number: the network layer passes on only
 * segments to addresses of its own, so there are few. */
struct key {
	uint8_t ip[16]; /* the peer's */
	uint16_t peer_port, local_port;
	uint16_t local;
};
_Static_assert(sizeof(struct key) == 22, "no padding: it is compared and hashed as bytes");

/* What the options of one segment said. */
struct options {
	bool has_mss, has_wscale, has_sack_permitted, has_ts;
	uint8_t wscale;
	uint8_t sack_count;
	uint16_t mss;
	uint32_t tsval, tsecr;
	struct range {
		uint32_t start, end;
	} sack[4];
	uint32_t ignored; /* known kinds of wrong length or place */
};

/* One segment, parsed. */
struct segment {
	uint32_t seq, ack;
	uint32_t data_bytes;
	const uint8_t *data;
	uint16_t window; /* as on the wire */
	uint8_t flags;
	struct options opt;
};

enum conn_state {
	STATE_FREE,
	STATE_ESTABLISHED,
	STATE_FIN_WAIT_1,
	STATE_FIN_WAIT_2,
	STATE_CLOSE_WAIT,
	STATE_CLOSING,
	STATE_LAST_ACK,
};

enum conn_flag {
	C_SACK = 1u << 0,        /* negotiated */
	C_TS = 1u << 1,          /* negotiated */
	C_WSCALE = 1u << 2,      /* negotiated */
	C_ACK_NOW = 1u << 3,     /* an ACK is due at the next flush */
	C_FIN_QUEUED = 1u << 4,  /* the application closed: FIN follows the queue */
	C_FIN_SENT = 1u << 5,
	C_FIN_RCVD = 1u << 6,    /* the peer's FIN is in rcv_nxt */
	C_FINISHED = 1u << 7,    /* `finished` was called */
	C_WANT_WRITE = 1u << 8,  /* a tcp_send failed */
	C_RESUME = 1u << 9,      /* offer kept data at the next flush */
	C_IN_FLUSH = 1u << 10,   /* in the flush list; outlives the connection */
	C_RECOVERY = 1u << 11,   /* fast recovery until `recover` */
	C_LOSS = 1u << 12,       /* recovery after a timeout until `recover` */
	C_FORCE = 1u << 13,      /* send one retransmission whatever the window says */
	C_TLP = 1u << 14,        /* a tail loss probe is out (RFC 8985 7) */
	C_DATA_SEEN = 1u << 15,  /* the peer has sent data */
	C_TIMER_TLP = 1u << 16,  /* rtx_at is a probe timeout */
	C_TIMER_REO = 1u << 17,  /* rtx_at is RACK's reordering timeout */
	C_SLOW_OPEN = 1u << 18,  /* the SYN-ACK was retransmitted */
	C_OFFERING = 1u << 19,   /* inside the data callback */
	C_SMALL_MSS = 1u << 20,  /* black-hole fallback in force */
	C_IPV4 = 1u << 21,
	C_CHALLENGED = 1u << 22, /* challenge_at is valid */
	C_PREFIX = 1u << 23,     /* counted in the prefix table */
	C_TLP_RETX = 1u << 24,   /* the probe was a retransmission */
	C_FULL_SEEN = 1u << 25,  /* a full segment has arrived since the last fallback */
	C_EVICT = 1u << 26,      /* abort it at the next flush: it holds receive memory */
	C_IN_DELAY = 1u << 27,   /* in a slot of delayed ACKs; outlives the connection */
};

/* A segment in flight. */
struct sent {
	uint32_t end; /* sequence number behind it; it starts where the one before ends */
	uint32_t xmit_us; /* low 32 bits; differences are below 35 minutes */
	uint32_t flags;
};
enum sent_flag { SENT_SACKED = 1, SENT_LOST = 2, SENT_RETX = 4 };
/* What may still prove that a loss was none. */
enum undo { UNDO_BY_ACK = 1, UNDO_BY_DSACK = 2 };

/* A connection: three cache lines. */
struct conn {
	/* receive path */
	struct key key;
	uint8_t state;
	uint8_t rx_order;          /* of rx_buffer */
	uint32_t generation;
	uint32_t flags;
	uint32_t rcv_nxt;
	uint32_t rcv_adv;          /* right edge of the advertised window */
	uint32_t snd_una;
	uint32_t snd_nxt;
	uint32_t snd_wnd;
	uint32_t ts_recent;
	uint32_t ts_recent_tick;
	uint32_t rx_buffer;        /* block in the receive pool; NONE */
	/* congestion, RTT, timers */
	struct wheel_node timer;
	uint32_t rtx_at, ack_at, life_at, poke_at; /* ticks; 0: off */
	uint32_t srtt_us, rttvar_us;
	uint32_t cwnd, ssthresh;
	uint32_t recover;
	uint32_t snd_wl1, snd_wl2;
	uint16_t mss;              /* payload of a full segment without options */
	uint8_t backoff;
	uint8_t dup_acks;
	/* queues */
	uint32_t ext;              /* extension block; NONE */
	uint32_t tx_head, tx_tail; /* chunks; NONE */
	uint32_t tx_bytes;         /* queued: sent and not acknowledged, or not sent */
	uint32_t tx_cursor;        /* chunk that holds snd_nxt, or NONE: walk from the head */
	uint8_t tx_head_offset, tx_cursor_offset;
	uint16_t hole_s;           /* low bits of the second of the last black-hole fallback */
	uint8_t snd_wscale : 4;
	uint8_t ack_segments : 4;  /* received since the last ACK, 2: or more */
	uint8_t kept_at;           /* kept_now() when the oldest of rx_bytes was kept */
	uint16_t max_window;       /* largest seen, as on the wire */
	uint32_t ts_offset;
	uint32_t last_ack_sent;
	struct sent single;        /* the only segment in flight, while there is no extension */
	uint32_t rx_bytes;         /* kept, in order */
	uint32_t rtx_since;        /* tick of the first unanswered retransmission; 0: none */
	uint32_t flush_next;
	uint16_t challenge_at;     /* low bits of the tick */
	uint16_t full_mss : 14;    /* before the black-hole fallback; 0: ICMP has set the size */
	uint16_t holes : 2;        /* fallbacks since a full segment arrived */
};
_Static_assert(sizeof(struct conn) == 192, "three cache lines");
#define CONN_BYTES (sizeof(struct conn) + sizeof(uint32_t)) /* with its link in ack_next */
_Static_assert(CHUNK_BYTES <= UINT8_MAX, "offsets in chunks are bytes");

/* Only while more than one segment is in flight or data is out of order. */
struct ext {
	struct sent sent[SCORE_SEGS];
	uint32_t sent_count;
	/* RFC 8985 */
	uint32_t rack_xmit_us, rack_end, rack_rtt_us, min_rtt_us;
	uint32_t fack; /* highest sequence number known to have arrived */
	uint8_t rack_valid, reordering_seen, reo_mult, reo_persist;
	uint32_t reo_round; /* snd_nxt when the reordering window grew last */
	uint32_t tlp_end;
	/* RFC 9438 4.1.2; bytes and milliseconds */
	uint32_t w_max, w_est, cwnd_prior;
	uint32_t cubic_k_ms, cubic_epoch_ms;
	bool cubic_epoch; /* the two are valid */
	uint8_t undo;     /* enum undo */
	/* RFC 6937 */
	uint32_t prr_flight, prr_delivered, prr_out;
	/* state before a recovery or timeout, to undo it */
	uint32_t undo_cwnd, undo_ssthresh, undo_w_max, undo_tsval;
	uint32_t undo_from;   /* snd_una then */
	uint32_t undo_resent; /* segments since, not yet reported as duplicates */
	/* out of order, most recent first (RFC 2018 4) */
	struct range ooo[OOO_RANGES];
	uint32_t ooo_count;
	uint32_t ooo_fin; /* its sequence number */
	bool ooo_has_fin;
	uint32_t ooo_tick; /* of the last range that was stored */
	uint32_t conn;     /* whose it is; NONE: free */
	uint32_t next_free;
};

struct chunk {
	uint32_t next;
	uint8_t data[CHUNK_BYTES];
};

/* Half open. */
struct syn {
	struct key key;
	uint8_t tries;
	uint8_t wscale;
	uint32_t irs, iss;
	uint32_t ts_recent;
	uint32_t sent_us; /* of the first SYN-ACK */
	uint16_t mss;
	uint8_t flags; /* C_SACK, C_TS, C_WSCALE */
	uint8_t in_use : 1;
	uint8_t repeated : 1; /* a second SYN was answered: no RTT sample */
	struct wheel_node timer;
};
_Static_assert(sizeof(struct syn) <= 64, "one cache line");

struct time_wait {
	struct key key;
	uint16_t flags; /* 1: timestamps */
	uint32_t next, prev;
	uint32_t expires; /* tick */
	uint32_t rcv_nxt, snd_nxt;
	uint32_t ts_recent;
};
_Static_assert(sizeof(struct time_wait) <= 48, "small");

/* What a table entry refers to: kind << 30 | index. */
enum entry_kind { ENTRY_CONN = 0, ENTRY_SYN = 1, ENTRY_TIME_WAIT = 2 };
#define ENTRY(kind, index)  ((uint32_t)(kind) << 30 | (index))
#define ENTRY_KIND(entry)   ((entry) >> 30)
#define ENTRY_INDEX(entry)  ((entry) & 0x3fffffffu)

#define BUCKET_SLOTS 10
struct bucket {
	uint16_t tag[BUCKET_SLOTS]; /* 0: free */
	uint16_t passed;            /* entries that lie further on because this was full */
	uint16_t count;
	uint32_t entry[BUCKET_SLOTS];
};
_Static_assert(sizeof(struct bucket) == 64, "one cache line");

struct table {
	struct bucket *buckets;
	uint32_t mask;
	struct hash_key hash_key;
};

/* Buddy pool of receive buffers: blocks of 256 << order bytes. */
struct rxpool {
	uint8_t *base;
	uint8_t *order_of;   /* per 256-byte block: order + 1 of the free block starting there */
	uint32_t blocks;
	uint32_t max_order;
	uint32_t free_head[RX_ORDERS];
	uint64_t used, size; /* bytes */
};

struct tcp_engine {
	uint64_t now_us;
	struct tcp_config config;
	struct tcp_app app;
	void *app_context;
	struct tcp_link link;
	void *link_context;
	struct counters *counters;

	struct table table;
	struct tcp_address locals[LOCALS_MAX];
	uint32_t local_count;

	struct conn *conns;
	uint32_t conn_free, conn_count; /* free list through flush_next's twin: rx_buffer */
	struct ext *exts;
	uint32_t ext_free, ext_max, ext_used;
	uint32_t evict_hand;      /* the next extension block to look at for stale ranges */
	uint32_t kept_hand;       /* the next connection to look at for stale kept bytes */
	uint32_t kept_evict_at;   /* tick from which the next one may be evicted; 0: any */
	struct chunk *chunks;
	uint32_t chunk_free, chunk_max, chunk_used;
	struct rxpool rx;

	struct syn *syns;
	uint32_t syn_free, syn_count;
	struct time_wait *time_waits;
	uint32_t tw_free, tw_count, tw_head, tw_tail;

	struct wheel wheel, syn_wheel;
	uint32_t ack_slot[ACK_SLOTS]; /* lists of connections with a delayed ACK, by tick; */
	uint32_t *ack_next;       /* ... of each connection */
	uint32_t ack_tick;        /* the slots of the ticks before are empty */
	uint32_t ack_waiting;     /* connections in the slots */
	uint32_t flush_head, flush_tail;
	bool link_full;           /* no buffer for data in this flush */
	bool link_shut;           /* not even for a segment without data */
	uint8_t rcv_wscale;

	struct hash_key isn_key, ts_key, cookie_key;
	uint64_t random;
	uint32_t rst_tokens, rst_tick;
	bool cookies_out;         /* one was sent in cookie_period */
	uint32_t cookie_period;
	uint32_t cookies_used[COOKIE_SETS][COOKIE_WAYS];
	uint32_t *prefix_counts;  /* NULL: no cap */
	uint32_t prefix_mask;
};

static inline uint32_t now_tick(const struct tcp_engine *e)
{
	return (uint32_t)(e->now_us >> TICK_SHIFT);
}

/* A deadline `ms` from now; never 0, which means "off". */
static inline uint32_t tick_in_ms(const struct tcp_engine *e, uint64_t ms)
{
	uint32_t t = (uint32_t)((e->now_us + ms * 1000) >> TICK_SHIFT) + 1;
	return t ? t : 1;
}

static inline uint32_t tick_in_us(const struct tcp_engine *e, uint64_t us)
{
	uint32_t t = (uint32_t)((e->now_us + us) >> TICK_SHIFT) + 1;
	return t ? t : 1;
}

static inline bool tick_passed(const struct tcp_engine *e, uint32_t tick)
{
	return (int32_t)(now_tick(e) - tick) >= 0;
}

static inline uint16_t now_s(const struct tcp_engine *e)
{
	return (uint16_t)(e->now_us / US_PER_S);
}

static inline uint8_t kept_now(const struct tcp_engine *e)
{
	return (uint8_t)(e->now_us >> KEPT_SHIFT);
}

static inline void count(struct tcp_engine *e, enum counter id)
{
	counter_add(e->counters, id, 1);
}

static inline tcp_handle handle_of(const struct tcp_engine *e, const struct conn *c)
{
	return (uint64_t)c->generation << 32 | (uint32_t)(c - e->conns);
}

static inline struct ext *ext_of(const struct tcp_engine *e, const struct conn *c)
{
	return c->ext == NONE ? NULL : &e->exts[c->ext];
}

/* The connection of a handle; NULL: stale. */
struct conn *conn_get(const struct tcp_engine *e, tcp_handle handle);

/* tcp_engine.c */
struct conn *conn_new(struct tcp_engine *e, const struct key *key);
/* Gives all memory back and makes the handle stale; no event. */
void conn_free(struct tcp_engine *e, struct conn *c);
/* conn_free, then the `closed` event. */
void conn_close(struct tcp_engine *e, struct conn *c, enum tcp_close_reason reason);
/* The same for a connection that is out of the table already. */
void conn_end(struct tcp_engine *e, struct conn *c, enum tcp_close_reason reason);
/* RST, then conn_close. */
void conn_abort(struct tcp_engine *e, struct conn *c, enum tcp_close_reason reason);
/* Put it into the flush list. */
void conn_touch(struct tcp_engine *e, struct conn *c);
struct ext *ext_need(struct tcp_engine *e, struct conn *c);
void ext_release_if_idle(struct tcp_engine *e, struct conn *c);
uint64_t random_next(struct tcp_engine *e);
bool memory_is_short(const struct tcp_engine *e);
/* Number of a local address; NONE: unknown and not added. */
uint32_t local_number(struct tcp_engine *e, const struct tcp_address *local, bool add);
static inline bool is_ipv4(const uint8_t ip[16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
	return memcmp(ip, prefix, 12) == 0;
}

/* tcp_table.c */
uint64_t table_bytes(uint32_t entries);
bool table_init(struct table *t, uint32_t entries, struct hash_key hash_key);
void table_fini(struct table *t);
/* NONE: absent. */
/* A look-up in two steps, for many at once: fetch the bucket; then the likely entry, NONE if there
 * is none in its first bucket. */
uint64_t table_fetch(const struct table *t, const struct key *key);
uint32_t table_peek(const struct table *t, uint64_t fetched);
uint32_t table_find(struct tcp_engine *e, const struct key *key);
/* False: the probe sequence is full. The key must be absent. */
bool table_add(struct tcp_engine *e, const struct key *key, uint32_t entry);
void table_remove(struct tcp_engine *e, const struct key *key, uint32_t entry);
/* The same key, another record. */
void table_replace(struct tcp_engine *e, const struct key *key, uint32_t from, uint32_t to);
const struct key *entry_key(const struct tcp_engine *e, uint32_t entry);

/* tcp_options.c */
/* False: malformed (RFC 9293 3.1): the segment is dropped. */
bool options_parse(const uint8_t *options, uint32_t bytes, bool syn, struct options *out);
uint32_t options_put_syn(uint8_t *out, uint16_t mss, const uint8_t *wscale, bool sack,
                         bool ts, uint32_t tsval, uint32_t tsecr);
uint32_t options_put_ts(uint8_t *out, uint32_t tsval, uint32_t tsecr);
uint32_t options_put_sack(uint8_t *out, const struct range *ranges, uint32_t range_count);

/* tcp_in.c */
bool segment_parse(struct tcp_engine *e, const uint8_t *bytes, uint32_t count,
                   struct segment *s);
void conn_input(struct tcp_engine *e, struct conn *c, struct segment *s);
/* The peer's FIN is next in order. False: the connection is gone. */
bool fin_received(struct tcp_engine *e, struct conn *c);
/* `finished`, once the data is consumed. False: the connection is gone. */
bool finished_if_due(struct tcp_engine *e, struct conn *c);
bool port_is_open(const struct tcp_engine *e, uint16_t port);

/* tcp_syn.c */
/* What a handshake agrees on. */
struct offer {
	uint32_t irs, iss;
	uint32_t ts_recent;
	uint32_t rtt_us; /* 0: no sample */
	uint16_t mss;
	uint8_t wscale;
	uint8_t flags; /* C_SACK, C_TS, C_WSCALE */
	bool slow;     /* the SYN-ACK was retransmitted */
};
void offer_make(const struct tcp_engine *e, const struct key *key, const struct segment *s,
                struct offer *o);
bool syn_ack_send(struct tcp_engine *e, const struct key *key, const struct offer *o,
                  uint32_t tsval);
/* Start a new connection that is in the table, and hand it the segment that completed it. */
void conn_established(struct tcp_engine *e, struct conn *c, const struct offer *o,
                      struct segment *s);
uint16_t syn_window(const struct tcp_engine *e);
void syn_input(struct tcp_engine *e, const struct key *key, const struct segment *s);
void syn_entry_input(struct tcp_engine *e, uint32_t index, struct segment *s);
void syn_expired(void *context, uint32_t index);
void syn_init(struct tcp_engine *e);
uint32_t isn_make(const struct tcp_engine *e, const struct key *key);
uint32_t ts_offset_make(const struct tcp_engine *e, const struct key *key);
uint16_t mss_of_link(const struct tcp_engine *e, const struct key *key);

/* tcp_cookie.c */
void cookie_send(struct tcp_engine *e, const struct key *key, struct offer *o);
/* An ACK without a connection. False: no cookies are out, it is not our business. */
bool cookie_input(struct tcp_engine *e, const struct key *key, struct segment *s);
bool cookie_is_valid(const struct tcp_engine *e, const struct key *key, const struct segment *s);

/* tcp_prefix.c */
uint64_t prefix_bytes(const struct tcp_config *config);
bool prefix_init(struct tcp_engine *e);
void prefix_fini(struct tcp_engine *e);
bool prefix_is_full(const struct tcp_engine *e, const struct key *key);
void prefix_add(struct tcp_engine *e, struct conn *c);
void prefix_remove(struct tcp_engine *e, struct conn *c);

/* tcp_ack.c */
/* RFC 9293 3.10.7.4, fifth. False: the segment is dropped or the connection gone. */
bool ack_input(struct tcp_engine *e, struct conn *c, const struct segment *s);
uint32_t rto_us(const struct conn *c);
void rtt_sample(struct conn *c, uint32_t rtt_us);
/* What fits any path: the size to fall back to. */
static inline uint16_t mss_least(const struct conn *c)
{
	return c->flags & C_IPV4 ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6;
}

/* tcp_score.c */
struct ack_result {
	bool original_seen;  /* something arrived that was never retransmitted */
	bool head_resent;    /* the first of those cumulatively acknowledged was sent again, */
	uint32_t head_age_us; /* so long ago */
	bool rtt_valid;
	bool dsack;
	uint32_t dsack_end;
	uint32_t rtt_us;
	uint32_t retx_age_us; /* since a retransmission that is acknowledged now; 0: none */
	uint32_t delivered;  /* bytes */
	uint32_t largest;    /* segment among them */
};
struct sent *score_segments(struct tcp_engine *e, struct conn *c, uint32_t *count_out);
bool score_has_room(struct tcp_engine *e, struct conn *c);
void score_append(struct tcp_engine *e, struct conn *c, uint32_t end);
void score_ack(struct tcp_engine *e, struct conn *c, const struct segment *s,
               struct ack_result *r);
void score_sack(struct tcp_engine *e, struct conn *c, const struct segment *s,
                struct ack_result *r);
/* Marks losses; true: something is newly lost. `wait_us`: when to look again; 0: not needed. */
bool score_detect(struct tcp_engine *e, struct conn *c, uint32_t *wait_us);
void score_mark_all_lost(struct tcp_engine *e, struct conn *c);
void score_mark_first_lost(struct tcp_engine *e, struct conn *c);
void score_unmark_lost(struct tcp_engine *e, struct conn *c);
uint32_t score_pipe(struct tcp_engine *e, struct conn *c);
/* Index of the first lost segment; NONE. */
uint32_t score_first_lost(struct tcp_engine *e, struct conn *c);
/* Segment `i` is sent anew as [its start, start + bytes); splits it where that is shorter. */
void score_resent(struct tcp_engine *e, struct conn *c, uint32_t i, uint32_t bytes);
uint32_t score_start(struct tcp_engine *e, struct conn *c, uint32_t i);

/* tcp_cwnd.c */
uint32_t cwnd_initial(const struct conn *c);
/* `flight` was in flight when the ACK of `acked` bytes came. */
void cwnd_grow(struct tcp_engine *e, struct conn *c, uint32_t acked, uint32_t flight);
void cwnd_timeout(struct tcp_engine *e, struct conn *c);
/* A tail loss probe has repaired a loss. */
void cwnd_probe_repaired(struct tcp_engine *e, struct conn *c);
void enter_recovery(struct tcp_engine *e, struct conn *c);
/* `safe`: snd_una has advanced and nothing is newly lost. */
void recovery_ack(struct tcp_engine *e, struct conn *c, uint32_t delivered, bool safe);
void leave_recovery(struct conn *c);
void undo_by_ack(struct tcp_engine *e, struct conn *c, const struct segment *s,
                 const struct ack_result *r);
void undo_by_dsack(struct tcp_engine *e, struct conn *c, const struct ack_result *r);

/* tcp_rx.c */
/* In-window data; trims, delivers, keeps or reassembles. False: the connection is gone. */
bool rx_input(struct tcp_engine *e, struct conn *c, struct segment *s);
/* Offer kept data. False: the connection is gone. */
bool rx_offer(struct tcp_engine *e, struct conn *c);
void rx_release(struct tcp_engine *e, struct conn *c);
/* The peer's FIN is next: whatever lies behind it is void. */
void rx_end(struct tcp_engine *e, struct conn *c);
/* The window to advertise now, in bytes (not rounded). */
uint32_t rx_window(const struct tcp_engine *e, const struct conn *c);
bool rx_update_due(const struct tcp_engine *e, const struct conn *c);

/* tcp_rxpool.c */
uint64_t rxpool_bytes(uint64_t memory, uint32_t largest);
bool rxpool_init(struct rxpool *p, uint64_t memory, uint32_t largest);
void rxpool_fini(struct rxpool *p);
uint32_t rxpool_get(struct rxpool *p, uint32_t order);
void rxpool_put(struct rxpool *p, uint32_t block, uint32_t order);
static inline uint8_t *rxpool_at(const struct rxpool *p, uint32_t block)
{
	return p->base + ((size_t)block << RX_BLOCK_SHIFT);
}
static inline uint32_t rxpool_order(uint32_t bytes)
{
	uint32_t order = 0;
	while ((1u << (order + RX_BLOCK_SHIFT)) < bytes)
		order++;
	return order;
}

/* tcp_tx.c */
bool tx_append(struct tcp_engine *e, struct conn *c, const uint8_t *bytes, uint32_t count);
void tx_drop(struct tcp_engine *e, struct conn *c, uint32_t bytes);
void tx_release(struct tcp_engine *e, struct conn *c);
/* Copy [offset, offset + count) from snd_una on. A read at snd_nxt is O(1) per chunk; the caller
 * then advances snd_nxt by as much. */
void tx_copy(struct tcp_engine *e, struct conn *c, uint32_t offset, uint8_t *out,
             uint32_t count);

/* tcp_out.c */
void conn_output(struct tcp_engine *e, struct conn *c);
/* An ACK right now; `dsack` may be NULL (RFC 2883). */
void send_ack(struct tcp_engine *e, struct conn *c, const struct range *dsack);
/* RFC 5961: an ACK, throttled per connection. */
void send_challenge(struct tcp_engine *e, struct conn *c);
void send_rst(struct tcp_engine *e, struct conn *c);
/* One byte (or what fits) beyond the window (RFC 9293 3.8.6.1). False: no buffer. */
bool send_probe(struct tcp_engine *e, struct conn *c);
/* Retransmit segment `i`. False: no buffer. */
bool retransmit(struct tcp_engine *e, struct conn *c, uint32_t i);
/* New data within the peer's window whatever cwnd says; for tail loss probes. */
bool send_new(struct tcp_engine *e, struct conn *c, uint32_t most);
/* A token of the rate limit that replies without a connection share. */
bool rst_token(struct tcp_engine *e);
/* RST without a connection. */
void reply_rst(struct tcp_engine *e, const struct key *key, const struct segment *s);
struct bare {
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	const uint8_t *options;
	uint32_t option_bytes;
};
bool send_bare(struct tcp_engine *e, const struct key *key, const struct bare *b);
uint32_t unsent(const struct conn *c);
/* Data or a FIN waits to be sent. */
static inline bool has_unsent(const struct conn *c)
{
	return unsent(c) > 0 || (c->flags & (C_FIN_QUEUED | C_FIN_SENT)) == C_FIN_QUEUED;
}
/* ... or something is to be sent again. */
bool has_output(struct tcp_engine *e, struct conn *c);
uint32_t payload_max(const struct conn *c);
static inline uint32_t ts_now(const struct tcp_engine *e, uint32_t ts_offset)
{
	return (uint32_t)(e->now_us / 1000) + ts_offset;
}

/* tcp_delay.c */
bool delay_init(struct tcp_engine *e);
/* An ACK within 40 ms, unless one goes out before. */
void delay_ack(struct tcp_engine *e, struct conn *c);
uint32_t delay_expire(struct tcp_engine *e, uint32_t budget);
/* Tick of the first slot that is not empty; there is one. */
uint32_t delay_next(const struct tcp_engine *e);

/* tcp_timer.c */
void timer_arm(struct tcp_engine *e, struct conn *c);
void conn_expired(void *context, uint32_t index);
/* Set the deadline of what guards the segments in flight, or of the zero-window probe. Whoever
 * handles the event (conn_input, tcp_flush, conn_expired) brings the wheel up to date after it. */
void rtx_arm(struct tcp_engine *e, struct conn *c);

static inline bool before_tick(uint32_t at, uint32_t tick)
{
	return at != 0 && (int32_t)(at - tick) < 0;
}

/* Bring the wheel up to date. A node that is armed for the earliest deadline or before it stays:
 * it fires, and is armed again. */
static inline void timer_update(struct tcp_engine *e, struct conn *c)
{
	uint32_t armed = c->timer.deadline;
	if ((c->rtx_at | c->life_at | c->poke_at) == 0)
		return; /* an armed node fires, finds nothing due and stays off */
	if (!wheel_is_armed(&c->timer) || before_tick(c->rtx_at, armed) ||
	    before_tick(c->life_at, armed) || before_tick(c->poke_at, armed))
		timer_arm(e, c);
}

/* tcp_timewait.c */
void time_wait_init(struct tcp_engine *e);
/* The connection becomes a TIME-WAIT record and is closed normally. */
void time_wait_enter(struct tcp_engine *e, struct conn *c);
void time_wait_input(struct tcp_engine *e, uint32_t index, const struct segment *s);
uint32_t time_wait_expire(struct tcp_engine *e, uint32_t budget);

#endif
