/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reassembly against a bitmap: segments of a known stream in any order, overlapping, repeated,
 * beyond the window; an application that takes what it likes. Bytes come in fours: offset (two),
 * length, how much the application takes.
 *
 * Oracles: each byte is delivered once, in order and right; what has been acknowledged is either
 * delivered or kept; the SACK blocks name only bytes that were sent.
 */
#include <stdlib.h>

#include "tests/sim/tcp/invariants.h"
#include "tests/sim/tcp/peer.h"
#include "tcp/tcp_priv.h"

#define STREAM_BYTES 20000
#define ISS          0xfffff000u /* wraps within the stream */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct {
	struct tcp_engine *engine;
	struct counters counters;
	tcp_handle conn;
	uint32_t delivered, most;
	uint32_t acked; /* offset */
	uint8_t take;
	uint8_t sent[STREAM_BYTES + 1];
	uint32_t engine_iss;
	uint8_t buffer[2048];
	uint64_t now_us;
} w;

static const struct tcp_address server = {{[10] = 0xff, 0xff, 10, 0, 0, 1}};
static const struct tcp_address client = {{[10] = 0xff, 0xff, 10, 0, 0, 2}};

static bool on_accept(void *app, tcp_handle conn, const struct tcp_peer *peer)
{
	(void)app;
	(void)peer;
	w.conn = conn;
	return true;
}

static uint32_t on_data(void *app, tcp_handle conn, const uint8_t *bytes, uint32_t count_)
{
	(void)app;
	CHECK(conn == w.conn);
	for (uint32_t i = 0; i < count_; i++) {
		CHECK(w.sent[w.delivered + i]);
		CHECK_OP(bytes[i], ==, stream_byte(1, w.delivered + i));
	}
	uint32_t take = (uint32_t)((uint64_t)count_ * w.take / 255);
	w.delivered += take;
	return take;
}

static void on_nothing(void *app, tcp_handle conn)
{
	(void)app;
	(void)conn;
}

static void on_closed(void *app, tcp_handle conn, enum tcp_close_reason reason)
{
	(void)app;
	(void)conn;
	(void)reason;
	check_failed(__FILE__, __LINE__, "nothing closes it");
}

static uint8_t *link_alloc(void *link, uint32_t bytes, bool control)
{
	(void)link;
	(void)control;
	return bytes <= sizeof w.buffer ? w.buffer : NULL;
}

static void check_sack(const uint8_t *s)
{
	struct options o;
	CHECK(options_parse(s + 20, (uint32_t)(s[12] >> 4) * 4 - 20, s[13] & SYN, &o));
	for (uint32_t i = 0; i < o.sack_count; i++)
		for (uint32_t at = o.sack[i].start; at != o.sack[i].end; at++)
			CHECK(at - ISS - 1 < STREAM_BYTES && w.sent[at - ISS - 1]);
}

static void link_send(void *link, const struct tcp_address *local, const struct tcp_address *peer,
                      uint8_t *s, uint32_t bytes)
{
	(void)link;
	(void)local;
	(void)peer;
	(void)bytes;
	if (s[13] & SYN)
		w.engine_iss = get_be32(s + 4);
	uint32_t acked = get_be32(s + 8) - ISS - 1;
	CHECK_OP(acked, >=, w.acked);
	for (uint32_t i = w.acked; i < acked; i++)
		CHECK(w.sent[i]);
	w.acked = acked;
	check_sack(s);
}

static void inject(uint8_t flags, uint32_t offset, uint32_t count_)
{
	uint8_t s[24 + 256] = {0};
	uint32_t header = flags & SYN ? 24 : 20;
	put_be16(s, 5000);
	put_be16(s + 2, 1883);
	put_be32(s + 4, ISS + offset);
	put_be32(s + 8, w.engine_iss + 1);
	s[12] = (uint8_t)(header / 4 << 4);
	s[13] = flags;
	put_be16(s + 14, 5000);
	if (flags & SYN)
		memcpy(s + 20, (uint8_t[]){4, 2, 1, 1}, 4);
	for (uint32_t i = 0; i < count_; i++) {
		s[header + i] = stream_byte(1, offset - 1 + i);
		w.sent[offset - 1 + i] = 1;
	}
	uint8_t *exact = malloc(header + count_);
	CHECK(exact);
	memcpy(exact, s, header + count_);
	w.now_us += 1000;
	tcp_set_now(w.engine, w.now_us);
	tcp_input(w.engine, &server, &client, exact, header + count_);
	free(exact);
	tcp_run_timers(w.engine, 100);
	tcp_flush(w.engine);
	const char *broken = tcp_invariants(w.engine);
	if (broken)
		check_failed(__FILE__, __LINE__, broken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct tcp_app app = {on_accept, on_data, on_nothing, on_nothing, on_closed};
	static const struct tcp_link link = {link_alloc, link_send};
	if (bytes < 1)
		return 0;
	struct tcp_config config = {.conns_max = 2, .syn_cache_max = 2, .time_wait_max = 2,
	    .rx_buffer_bytes = 2048u << data[0] % 4, .rx_memory_bytes = 65536,
	    .tx_buffer_bytes = 4096, .tx_memory_bytes = 65536, .mtu_bytes = 1500, .ports = {1883}};
	memset(&w, 0, sizeof w);
	w.engine = tcp_engine_new(&config, &app, NULL, &link, NULL, &w.counters, 0);
	CHECK(w.engine);
	w.take = 255;
	inject(SYN, 0, 0);
	inject(ACK, 1, 0);
	for (size_t at = 1; at + 3 < bytes; at += 4) {
		uint32_t offset = get_be16(data + at) % (STREAM_BYTES - 256);
		/* half of them near what is expected next */
		if (data[at] & 0x80)
			offset = min_u32(w.acked + data[at + 1] * 4u, STREAM_BYTES - 256);
		w.take = data[at + 3];
		inject(ACK, 1 + offset, data[at + 2]);
		if (w.conn)
			tcp_resume(w.engine, w.conn);
	}
	/* the rest in order: the whole stream arrives */
	w.take = 255;
	for (uint32_t rounds = 0; w.acked < STREAM_BYTES && rounds < 2000; rounds++) {
		tcp_resume(w.engine, w.conn);
		inject(ACK, 1 + w.acked, min_u32(200, STREAM_BYTES - w.acked));
		w.now_us += 50000;
	}
	tcp_resume(w.engine, w.conn);
	inject(ACK, 1 + w.acked, 0);
	CHECK_OP(w.delivered, ==, (uint32_t)STREAM_BYTES);
	struct tcp_levels levels;
	tcp_levels_get(w.engine, &levels);
	CHECK(levels.rx_bytes == 0);
	tcp_engine_free(w.engine);
	return 0;
}
