/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

void failed(struct world *w, const char *why)
{
	if (!w->failure)
		w->failure = why;
}

/* --- the server's application ------------------------------------------------------------- */

static struct served *served_of(struct world *w, tcp_handle conn)
{
	for (uint32_t i = 0; i < w->clients; i++) {
		if (w->served[i].open && w->served[i].handle == conn)
			return &w->served[i];
		if (w->former[i].open && w->former[i].handle == conn)
			return &w->former[i];
	}
	failed(w, "an event for a connection that is not open");
	return NULL;
}

static void server_send(struct world *w, struct served *s)
{
	const struct peer_config *g = &w->peers[s->client].config;
	uint8_t bytes[3000];
	while (s->open && !s->closing && s->sent < g->receive_bytes) {
		uint32_t n = 1 + (uint32_t)rng_below(&w->rng, 400);
		if (n > g->receive_bytes - s->sent)
			n = g->receive_bytes - s->sent;
		for (uint32_t i = 0; i < n; i++)
			bytes[i] = stream_byte(g->receive_stream, s->sent + i);
		if (!tcp_send(w->engine, s->handle, bytes, n))
			return;
		s->sent += n;
	}
	if (s->open && !s->closing && w->server_closes_first && s->received == g->send_bytes) {
		s->closing = true;
		tcp_close(w->engine, s->handle);
	}
}

static bool on_accept(void *app, tcp_handle conn, const struct tcp_peer *peer)
{
	struct world *w = app;
	for (uint32_t i = 0; i < w->clients; i++) {
		if (memcmp(&w->addresses[i], &peer->address, sizeof peer->address) != 0)
			continue;
		struct served *s = &w->served[i];
		if (w->port[i] != peer->port) {
			/* the handshake ended as the port changed */
			s = &w->former[i];
			w->abandon_us[CLIENTS_MAX + i] = w->now_us + 600 * 1000000ull;
			if (w->nat_us[i] != UINT64_MAX)
				failed(w, "accepted from a port that nobody has");
		}
		if (s->open)
			failed(w, "accepted twice");
		*s = (struct served){.handle = conn, .open = true, .client = i};
		server_send(w, s);
		return true;
	}
	failed(w, "accepted from nowhere");
	return false;
}

static uint32_t on_data(void *app, tcp_handle conn, const uint8_t *bytes, uint32_t count)
{
	struct world *w = app;
	struct served *s = served_of(w, conn);
	if (!s)
		return count;
	const struct peer_config *g = &w->peers[s->client].config;
	for (uint32_t i = 0; i < count; i++) {
		if (s->received + i >= g->send_bytes ||
		    bytes[i] != stream_byte(g->send_stream, s->received + i)) {
			failed(w, "a wrong byte from the client");
			return count;
		}
	}
	uint32_t take = count;
	if (s == &w->served[s->client] && rng_chance(&w->rng, w->keep_parts)) {
		take = (uint32_t)rng_below(&w->rng, count + 1);
		w->resume[s->client] = true;
		if (w->resume_us == UINT64_MAX)
			w->resume_us = w->now_us + 1 + rng_below(&w->rng, 3000000);
	}
	s->received += take;
	server_send(w, s);
	return take;
}

static void close_if_finished(struct world *w, struct served *s)
{
	const struct peer_config *g = &w->peers[s->client].config;
	if (s->open && !s->closing && s->sent == g->receive_bytes &&
	    s->received == g->send_bytes) {
		s->closing = true;
		tcp_close(w->engine, s->handle);
	}
}

static void on_finished(void *app, tcp_handle conn)
{
	struct world *w = app;
	struct served *s = served_of(w, conn);
	if (!s)
		return;
	if (s->received != w->peers[s->client].config.send_bytes)
		failed(w, "finished before all data was consumed");
	/* close once everything is queued */
	s->closing = s->sent == w->peers[s->client].config.receive_bytes;
	if (s->closing)
		tcp_close(w->engine, conn);
	else {
		server_send(w, s);
		close_if_finished(w, s);
	}
}

static void on_writable(void *app, tcp_handle conn)
{
	struct world *w = app;
	struct served *s = served_of(w, conn);
	if (!s)
		return;
	server_send(w, s);
	close_if_finished(w, s);
}

static void on_closed(void *app, tcp_handle conn, enum tcp_close_reason reason)
{
	struct world *w = app;
	struct served *s = served_of(w, conn);
	if (!s)
		return;
	s->open = false;
	s->closed = true;
	s->reason = reason;
}

const struct tcp_app world_app = {on_accept, on_data, on_finished, on_writable, on_closed};

/* --- links -------------------------------------------------------------------------------- */

static uint8_t *link_alloc(void *link, uint32_t bytes, bool control)
{
	struct world *w = link;
	CHECK_OP(bytes, <=, (uint32_t)NET_SEGMENT_MAX);
	return rng_chance(&w->rng, control ? w->no_buffer / 4 : w->no_buffer) ? NULL : w->buffer;
}

static void trace(struct world *w, const char *who, uint32_t n, const uint8_t *s, uint32_t bytes)
{
	if (!w->verbose)
		return;
	uint32_t header = (uint32_t)(s[12] >> 4) * 4;
	printf("%12.6f %s %u %c%c%c%c seq %u ack %u win %u len %u", (double)w->now_us / 1e6, who, n,
	       s[13] & 2 ? 'S' : '-', s[13] & 1 ? 'F' : '-', s[13] & 4 ? 'R' : '-',
	       s[13] & 16 ? 'A' : '-', get_be32(s + 4), get_be32(s + 8), get_be16(s + 14),
	       bytes - header);
	for (uint32_t at = 20; at < header;) {
		if (s[at] == 5)
			for (uint32_t i = at + 2; i < at + s[at + 1]; i += 8)
				printf(" sack %u-%u", get_be32(s + i), get_be32(s + i + 4));
		at += s[at] <= 1 ? 1 : s[at + 1];
	}
	printf("\n");
}

static void link_send(void *link, const struct tcp_address *local, const struct tcp_address *peer,
                      uint8_t *segment, uint32_t bytes)
{
	struct world *w = link;
	if (memcmp(local, &w->server, sizeof *local) != 0)
		failed(w, "sent from a wrong address");
	for (uint32_t i = 0; i < w->clients; i++) {
		if (memcmp(peer, &w->addresses[i], sizeof *peer) != 0)
			continue;
		trace(w, "server -> client", i, segment, bytes);
		uint16_t to = get_be16(segment + 2);
		if (to == w->port[i]) {
			put_be16(segment + 2, w->peers[i].config.port);
			net_send(&w->net, w->now_us, 0, i + 1, segment, bytes);
		} else if (!w->nat_us[i]) {
			failed(w, "sent to a wrong port");
		}
		return; /* else the NAT has forgotten that port */
	}
	failed(w, "sent to a wrong address");
}

const struct tcp_link world_link = {link_alloc, link_send};

void world_peer_send(void *context, struct peer *p, const uint8_t *segment, uint32_t bytes)
{
	struct world *w = context;
	uint32_t i = (uint32_t)(p - w->peers);
	uint8_t out[NET_SEGMENT_MAX];
	CHECK_OP(bytes, <=, (uint32_t)sizeof out);
	memcpy(out, segment, bytes);
	put_be16(out, w->port[i]);
	trace(w, "client -> server", i, out, bytes);
	net_send(&w->net, w->now_us, i + 1, 0, out, bytes);
}

/* --- what happens to clients --------------------------------------------------------------- */

/* The client opens anew, with the same streams from their start; its former connection stays with
 * the server until that notices. */
static void come_back(struct world *w, uint32_t i, uint16_t port)
{
	struct peer_config g = w->peers[i].config;
	struct served *s = &w->served[i];
	g.port = port;
	g.iss += 1000000 + (uint32_t)rng_below(&w->rng, 1000000);
	g.start_us = w->now_us + rng_below(&w->rng, 5000000);
	g.pause_us = g.read_pause_us = 0;
	peer_fini(&w->peers[i]);
	peer_init(&w->peers[i], &g);
	w->peers[i].send = world_peer_send;
	w->peers[i].context = w;
	w->port[i] = port;
	w->resume[i] = false;
	w->came_back++;
	if (s->open) {
		w->former[i] = *s;
		w->abandon_us[CLIENTS_MAX + i] = w->now_us + 600 * 1000000ull;
		w->abandon_us[i] = 0;
		*s = (struct served){.client = i};
	}
}

bool world_is_lost(const struct world *w, uint32_t i)
{
	return w->peers[i].state == PEER_RESET && w->port[i] != w->peers[i].config.port;
}

static void change_client(struct world *w, uint32_t i)
{
	const struct peer *p = &w->peers[i];
	if (world_is_lost(w, i)) {
		come_back(w, i, w->port[i]);
		return;
	}
	if (w->nat_us[i] == 0 || w->now_us < w->nat_us[i] || p->state != PEER_OPEN)
		return;
	w->nat_us[i] = UINT64_MAX; /* once */
	if (w->reboots[i])
		come_back(w, i, p->config.port);
	else
		w->port[i] = (uint16_t)(w->port[i] ^ 0x0100);
}

void world_change(struct world *w)
{
	for (uint32_t i = 0; i < w->clients; i++)
		change_client(w, i);
	if (w->mtu_us && w->now_us >= w->mtu_us)
		w->net.config.mtu_bytes = w->mtu_bytes;
}

uint64_t world_change_us(const struct world *w)
{
	uint64_t next = UINT64_MAX;
	for (uint32_t i = 0; i < w->clients; i++) {
		if (w->nat_us[i] > w->now_us && w->nat_us[i] < next)
			next = w->nat_us[i];
		if (world_is_lost(w, i))
			next = w->now_us;
	}
	return next;
}
