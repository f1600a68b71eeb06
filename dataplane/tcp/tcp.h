/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A passive-open TCP engine: a pure library, (now, segment) -> events + segments.
 *
 * Input:   segments with their addresses (tcp_input), the time (tcp_run_timers), the
 *          application's calls.
 * Output:  events through struct tcp_app, segments through struct tcp_link.
 * Thread:  one engine belongs to one thread; engines share nothing.
 * Memory:  everything is taken at tcp_engine_new, from pools sized by struct tcp_config.
 * Never:   reads a clock, draws random numbers of its own, allocates or blocks after start.
 *
 * Call order of one poll:
 *     tcp_set_now(e, now_us);
 *     for each segment: tcp_input(e, ...);     events are called from inside
 *     tcp_run_timers(e, budget);               events are called from inside
 *     tcp_flush(e);                            sends data, ACKs and window updates, coalesced
 * An application may call tcp_send, tcp_close, tcp_abort and tcp_resume at any time between
 * tcp_set_now and tcp_flush, also from inside an event.
 */
#ifndef HEADRACE_TCP_TCP_H
#define HEADRACE_TCP_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contract/counters.h"

struct tcp_engine;

/* A connection: generation << 32 | index. A stale handle is recognised and ignored; 0 is never
 * a connection. The index is below tcp_config.conns_max and fit for parallel arrays. */
typedef uint64_t tcp_handle;

static inline uint32_t tcp_index(tcp_handle h)
{
	return (uint32_t)h;
}

/* IPv6 address, or an IPv4 one as ::ffff:a.b.c.d. */
struct tcp_address {
	uint8_t ip[16];
};

struct tcp_peer {
	struct tcp_address address;
	uint16_t port;       /* the peer's */
	uint16_t local_port; /* ours */
};

enum tcp_close_reason {
	TCP_CLOSED_NORMAL,  /* both sides finished */
	TCP_CLOSED_RESET,   /* the peer reset it */
	TCP_CLOSED_TIMEOUT, /* retransmissions, probes or keep-alives went unanswered */
	TCP_CLOSED_ABORTED, /* by tcp_abort, or by the engine for lack of memory */
};

/* Events to the application; `app` is tcp_engine_new's. All must be set. */
struct tcp_app {
	/* A handshake completed. False: reset it (no `closed` event follows). */
	bool (*accept)(void *app, tcp_handle conn, const struct tcp_peer *peer);
	/* In-order data. Returns how many of the bytes were consumed; the rest is kept, counts
	 * against the advertised window, and is offered again together with what arrives next, or
	 * at once after tcp_resume, and once when the peer's FIN comes behind it: see
	 * tcp_is_finished. `bytes` is borrowed until the return. */
	uint32_t (*data)(void *app, tcp_handle conn, const uint8_t *bytes, uint32_t count);
	/* The peer has sent FIN and all its data was consumed. Usually answered by tcp_close. */
	void (*finished)(void *app, tcp_handle conn);
	/* A tcp_send that returned false may be tried again. */
	void (*writable)(void *app, tcp_handle conn);
	/* The connection is gone and the handle stale. Last event of a connection. */
	void (*closed)(void *app, tcp_handle conn, enum tcp_close_reason reason);
};

/* The way out: TCP segments without IP header. */
struct tcp_link {
	/* A buffer for a segment of at most `bytes`, or NULL when there is none. `control` marks
	 * segments without data (ACK, RST, SYN-ACK), for which a reserve is kept. */
	uint8_t *(*alloc)(void *link, uint32_t bytes, bool control);
	/* Send the segment that was built in the buffer from the last alloc. The TCP checksum
	 * field is zero: the link fills it, or has the hardware do so. */
	void (*send)(void *link, const struct tcp_address *local, const struct tcp_address *peer,
	             uint8_t *segment, uint32_t bytes);
};

#define TCP_PORTS_MAX 8

struct tcp_config {
	uint32_t conns_max;        /* connections, 1..2^24 */
	uint32_t syn_cache_max;    /* half-open connections before cookies */
	uint32_t time_wait_max;
	uint32_t rx_buffer_bytes;  /* largest window of a connection, and the longest run of bytes
	                            * that `data` can be offered at once; >= 2,048 */
	uint64_t rx_memory_bytes;  /* for all connections: kept in-order and out-of-order data */
	uint32_t tx_buffer_bytes;  /* most unacknowledged and unsent bytes of a connection */
	uint64_t tx_memory_bytes;  /* for all connections */
	uint16_t mtu_bytes;        /* of the link, with IP header; 576..9000 */
	uint16_t ports[TCP_PORTS_MAX]; /* listening ports; 0 ends the list */
	uint8_t secret[32];        /* keys for sequence numbers, timestamps, cookies, the table */
	uint64_t seed;             /* of the engine's random numbers (jitter, choices) */
	uint32_t first_data_timeout_ms; /* from accept to the first data; 0: none */
	uint32_t conns_per_prefix_max;  /* per IPv4 address or IPv6 /64; 0: no cap */
};

/* NULL: not enough memory; the caller prints tcp_engine_memory. `counters` gets the TCP lines. */
struct tcp_engine *tcp_engine_new(const struct tcp_config *config, const struct tcp_app *app_ops,
                                  void *app, const struct tcp_link *link_ops, void *link,
                                  struct counters *counters, uint64_t now_us);
void tcp_engine_free(struct tcp_engine *e);

/* Bytes that tcp_engine_new takes for this configuration. */
uint64_t tcp_engine_memory(const struct tcp_config *config);

/* Microseconds on a monotonic clock; never goes back. */
void tcp_set_now(struct tcp_engine *e, uint64_t now_us);

/* One segment: TCP header onwards, exactly as long as the IP header says, checksum verified.
 * Untrusted. Borrowed until the return. */
void tcp_input(struct tcp_engine *e, const struct tcp_address *local,
               const struct tcp_address *peer, const uint8_t *segment, uint32_t bytes);

/* An ICMP error that quotes a segment of ours: `quote` starts at the quoted TCP header.
 * `mtu_bytes` is non-zero for "fragmentation needed" / "packet too big". Untrusted. */
void tcp_input_icmp(struct tcp_engine *e, const struct tcp_address *local,
                    const struct tcp_address *peer, const uint8_t *quote, uint32_t bytes,
                    uint32_t mtu_bytes);

/* Handle at most `budget` expired timers. */
void tcp_run_timers(struct tcp_engine *e, uint32_t budget);

/* When tcp_run_timers has something to do next, at the latest (us); UINT64_MAX: nothing armed. */
uint64_t tcp_next_timer_us(const struct tcp_engine *e);

/* Send what is due on every connection touched since the last flush. */
void tcp_flush(struct tcp_engine *e);

/* Queue all `count` bytes, or none of them (false: no room, `writable` will follow; or the
 * handle is stale or closing). The bytes are copied. More than tx_buffer_bytes at once never
 * fit. */
bool tcp_send(struct tcp_engine *e, tcp_handle conn, const void *bytes, uint32_t count);

/* How many bytes tcp_send would take now (0: stale or closing). */
uint32_t tcp_send_room(const struct tcp_engine *e, tcp_handle conn);

/* Have `writable` called once at least half of the send buffer is free and memory is not short, as
 * if a tcp_send had failed. */
void tcp_notify_writable(struct tcp_engine *e, tcp_handle conn);

/* Offer the kept data again before the next tcp_flush ends. */
void tcp_resume(struct tcp_engine *e, tcp_handle conn);

/* Send what is queued, then FIN; further data from the peer is discarded. `closed` follows. */
void tcp_close(struct tcp_engine *e, tcp_handle conn);

/* Send RST and forget the connection. `closed` is called before this returns. */
void tcp_abort(struct tcp_engine *e, tcp_handle conn);

/* The peer's FIN has arrived: nothing will follow what `data` is offering. Bytes that it can't
 * consume without more are the beginning of something that never comes. */
bool tcp_is_finished(const struct tcp_engine *e, tcp_handle conn);

/* False: the handle is stale. */
bool tcp_peer_of(const struct tcp_engine *e, tcp_handle conn, struct tcp_peer *peer);

/* Levels, for the status page. Safe to call from another thread (values may be torn apart, each
 * one is whole). */
struct tcp_levels {
	uint32_t conns, conns_max;
	uint32_t half_open, half_open_max;
	uint32_t time_wait, time_wait_max;
	uint32_t exts, exts_max; /* of connections with something in flight or out of order */
	uint32_t timers;         /* connections with one armed */
	uint64_t rx_bytes, rx_bytes_max;
	uint64_t tx_bytes, tx_bytes_max;
	uint32_t bytes_per_idle_conn;
};
void tcp_levels_get(const struct tcp_engine *e, struct tcp_levels *levels);

/* The same, when it is probably of the connection with this tcp_index (UINT32_MAX: no idea): that
 * one is looked at first, which saves looking it up. */
void tcp_input_likely(struct tcp_engine *e, uint32_t likely, const struct tcp_address *local,
                      const struct tcp_address *peer, const uint8_t *segment, uint32_t bytes);

/* For a burst of segments, before tcp_input is called for each of them: tcp_fetch for all, then
 * tcp_fetch_conn for all with what it returned (0: nothing). The latter fetches the connection and
 * returns its tcp_index, or UINT32_MAX; it may be the wrong one, which costs time and nothing
 * else: tcp_input_likely takes it. */
uint64_t tcp_fetch(struct tcp_engine *e, const struct tcp_address *local,
                   const struct tcp_address *peer, const uint8_t *segment, uint32_t bytes);
uint32_t tcp_fetch_conn(const struct tcp_engine *e, uint64_t fetched);
/* Fetch a connection that is about to be sent on. */
void tcp_fetch_index(const struct tcp_engine *e, uint32_t index);
/* And, when that is there, what hangs on it. */
void tcp_fetch_more(const struct tcp_engine *e, uint32_t index);

/* A pool, by number; false: no such. Any thread. */
struct tcp_pool {
	const char *name;
	uint32_t record_bytes;
	uint64_t used, capacity; /* records */
	bool each;           /* each connection has one, idle or not */
	bool of_connections; /* established ones; else of peers that are not connected */
};
bool tcp_pool_get(const struct tcp_engine *e, uint32_t index, struct tcp_pool *out);

#endif
