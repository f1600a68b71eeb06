/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reference TCP client, written apart from the engine and as simple as it can be: it opens,
 * sends a stream of a known content, checks the stream it gets, and closes. Its send side is
 * go-back-N with a small fixed window and doubling timeouts; its receive side keeps one flag per
 * byte of the expected stream, from which SACK blocks follow.
 */
#ifndef HEADRACE_TESTS_SIM_TCP_PEER_H
#define HEADRACE_TESTS_SIM_TCP_PEER_H

#include <stdbool.h>
#include <stdint.h>

/* The content of a stream, by offset. */
uint8_t stream_byte(uint64_t stream, uint32_t offset);

struct peer_config {
	uint16_t port, server_port;
	uint32_t iss, ts_start;
	bool ts, sack, wscale_on;
	uint8_t wscale;
	uint16_t mss;
	uint32_t buffer_bytes;    /* receive window */
	uint32_t window_segments; /* most segments in flight */
	uint32_t send_bytes, receive_bytes;
	uint64_t send_stream, receive_stream;
	uint64_t read_pause_us;   /* reads nothing for so long after the first byte */
	uint64_t start_us;
	uint64_t pause_us;        /* silence in the middle of sending */
	bool close_last;          /* its FIN waits for the server's */
};

enum peer_state {
	PEER_IDLE,
	PEER_SYN_SENT,
	PEER_OPEN,
	PEER_DONE,   /* both FINs are through */
	PEER_RESET,  /* the server reset it, or it gave up */
};

struct peer {
	struct peer_config config;
	enum peer_state state;
	uint64_t now_us;
	uint32_t irs;
	/* sending, as offsets into the stream; the FIN is the byte behind the last */
	uint32_t una, nxt, high;
	uint32_t window, wscale_in;
	uint32_t dup_acks;
	uint64_t rto_us, timer_us;
	uint32_t tries;
	/* receiving */
	uint8_t *have;
	uint32_t got, read;     /* in order; taken by the reader */
	uint32_t most_seen;
	bool fin_seen;
	uint32_t fin_at;
	uint64_t read_from_us;  /* the reader starts again */
	uint64_t pause_until_us;
	uint64_t ack_at_us;
	uint64_t heard_us;      /* last segment from the server */
	uint32_t ts_recent;
	uint64_t done_us;
	const char *failure;
	void (*send)(void *context, struct peer *p, const uint8_t *segment, uint32_t bytes);
	void *context;
};

void peer_init(struct peer *p, const struct peer_config *config);
void peer_fini(struct peer *p);
void peer_input(struct peer *p, uint64_t now_us, const uint8_t *segment, uint32_t bytes);
/* Do what is due: open, retransmit, acknowledge, read. */
void peer_poll(struct peer *p, uint64_t now_us);
uint64_t peer_next_us(const struct peer *p);

#endif
