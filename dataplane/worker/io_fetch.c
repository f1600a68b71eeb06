/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that the next steps need, fetched for many at once. At a million connections nothing of
 * a connection is in the cache when its packet comes: table, connection, session and device are
 * five misses in a row, each as long as a hundred instructions; side by side for a burst they cost
 * little more than one.
 *
 * Nothing is changed or decided here, and a wrong guess only costs time.
 */
#include "base/fetch.h"
#include "worker/io.h"

#define PAGE_LINES 4 /* of a registry page: its entries are searched one after the other */

static void fetch_session(const struct io *io, uint32_t index)
{
	fetch_lines(&io->sessions[index], sizeof io->sessions[0]);
	fetch_lines(&io->conns[index], sizeof io->conns[0]);
}

/* A meter's client id is its device's id as a rule; a gateway's costs a useless fetch. */
static void fetch_directory(const struct io *io, uint32_t index)
{
	const struct registry_view *view = io->view;
	uint64_t hash = io->sessions[index].client_hash;
	fetch_line(&view->pages[hash >> 1 >> (view->shift - 1)]);
}

static void fetch_page(const struct io *io, uint32_t index)
{
	const struct registry_page *page =
	    registry_view_page(io->view, io->sessions[index].client_hash);
	if (page)
		fetch_lines(page, PAGE_LINES * FETCH_LINE);
}

/* The tcp_index of the packets' connections, as far as it can be guessed; returns how many. */
static uint32_t fetch_connections(struct io *io, struct packet *packets, uint32_t count,
                                  uint32_t index[BURST_MAX])
{
	uint64_t fetched[BURST_MAX];
	uint32_t known = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct packet *p = &packets[i];
		struct tcp_address local, peer;
		fetched[i] = 0;
		if (p->kind != PACKET_TCP)
			continue;
		memcpy(local.ip, p->destination, sizeof local.ip);
		memcpy(peer.ip, p->source, sizeof peer.ip);
		fetched[i] = tcp_fetch(io->tcp, &local, &peer, p->l4, p->l4_bytes);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t likely = packets[i].note = tcp_fetch_conn(io->tcp, fetched[i]);
		if (likely == UINT32_MAX)
			continue;
		fetch_session(io, likely);
		index[known++] = likely;
	}
	return known;
}

void io_announce(void *context, struct packet *packets, uint32_t count)
{
	struct io *io = context;
	uint32_t index[BURST_MAX];
	for (uint32_t at = 0; at < count; at += BURST_MAX) {
		uint32_t n = count - at < BURST_MAX ? count - at : BURST_MAX;
		uint32_t known = fetch_connections(io, packets + at, n, index);
		if (io->coap)
			io_coap_announce(io, packets + at, n);
		for (uint32_t i = 0; i < known; i++)
			fetch_directory(io, index[i]);
		for (uint32_t i = 0; i < known; i++) {
			tcp_fetch_more(io->tcp, index[i]);
			fetch_page(io, index[i]);
		}
	}
}

void io_fetch_home(const struct io *io, const struct batch *b)
{
	uint32_t last = TICKET_NONE;
	for (uint32_t i = 0; i < b->count; i++)
		if (b->readings[i].ticket != TICKET_NONE)
			fetch_line(&io->tickets.all[b->readings[i].ticket]);
	for (uint32_t i = 0; i < b->count; i++) {
		uint32_t ticket = b->readings[i].ticket;
		if (ticket == last || ticket == TICKET_NONE)
			continue;
		last = ticket;
		const struct ticket *t = &io->tickets.all[ticket];
		if (t->kind != TICKET_MQTT)
			continue;
		tcp_fetch_index(io->tcp, tcp_index(t->owner));
		fetch_session(io, tcp_index(t->owner));
	}
}
