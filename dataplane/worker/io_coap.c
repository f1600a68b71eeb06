/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoAP on the io worker: POST and PUT to a profile's URIs become messages, tickets become
 * responses whose code and diagnostic say what became of the readings. What an ordinary thread
 * answers goes to it and comes back (io_coap_service.c).
 */
#include <stdio.h>

#include "base/check.h"
#include "base/hash.h"
#include "ingest/content.h"
#include "net/address.h"
#include "worker/io.h"

static uint64_t uri_candidates(struct io *io, const struct coap_request *r)
{
	uint64_t hash = siphash13(io->view->key, r->path, r->path_bytes);
	struct uri_slot *slot = &io->uri_cache[hash % URI_CACHE_SLOTS];
	if (slot->hash != hash) {
		slot->hash = hash;
		slot->candidates = match_uri(io->matcher, io->scratch, r->path, r->path_bytes);
	}
	return slot->candidates;
}

static bool is_running(const struct io *io)
{
	return atomic_load_explicit(io->phase, memory_order_relaxed) == PHASE_RUN;
}

static enum coap_take ask_service(struct io *io, coap_handle exchange,
                                  const struct coap_request *r)
{
	return is_running(io) && io_coap_ask(io, exchange, r) ? COAP_TAKEN : COAP_OVERLOADED;
}

/* RFC 7252 5.10.8: what readings are sent to exists, and has no ETag. */
static bool condition_fails(const struct coap_request *r)
{
	return r->if_none_match || r->match_count > 0;
}

static enum coap_take take_readings(struct io *io, coap_handle exchange,
                                    const struct coap_request *r, uint64_t candidates)
{
	if (condition_fails(r))
		return COAP_BAD_CONDITION;
	if (r->content_format != COAP_FORMAT_NONE)
		candidates &= match_formats(io->matcher, content_of_coap(r->content_format));
	if (!candidates)
		return COAP_BAD_FORMAT;
	if (!is_running(io))
		return COAP_OVERLOADED;

	uint32_t index = ticket_get(&io->tickets);
	if (index == TICKET_NONE)
		return COAP_OVERLOADED;
	struct ticket *t = &io->tickets.all[index];
	t->owner = exchange;
	t->taken_us = io->now_us;
	t->kind = TICKET_COAP;
	bool taken = io_dispatch(io, &(struct message){
	                                 .candidates = candidates,
	                                 .ticket = index,
	                                 .payload = r->payload.data,
	                                 .payload_bytes = r->payload.count,
	                                 .topic = r->path,
	                                 .topic_bytes = r->path_bytes,
	                                 .address = r->peer.address,
	                                 .port = r->peer.port,
	                                 .protocol = PROTOCOL_COAP,
	                                 .qos = r->confirmable ? 1 : 0,
	                             });
	if (!taken)
		ticket_put(&io->tickets, index);
	return taken ? COAP_TAKEN : COAP_OVERLOADED;
}

static enum coap_take on_request(void *app, coap_handle exchange, const struct coap_request *r)
{
	struct io *io = app;
	const struct coap_link *link = io->config->coap_service;
	bool served = link && coap_link_serves(link, r->path, r->path_bytes);
	bool sends = r->method == COAP_POST || r->method == COAP_PUT;
	if (served && !sends)
		return ask_service(io, exchange, r);
	if (r->multicast)
		return COAP_NOT_FOUND; /* nothing else is of use to a group */
	uint64_t candidates = uri_candidates(io, r);
	if (candidates && sends)
		return take_readings(io, exchange, r, candidates);
	if (served)
		return ask_service(io, exchange, r);
	return candidates ? COAP_NOT_ALLOWED : COAP_NOT_FOUND;
}

static void on_observer_gone(void *app, coap_handle observer)
{
	io_coap_report(app, COAP_ASK_GONE, observer);
}

static void on_delivered(void *app, coap_handle observer)
{
	io_coap_report(app, COAP_ASK_DELIVERED, observer);
}

/* Where answers come from: the address that was asked, or one of ours for a group. */
static void local_address(const struct packet_local *us, const struct packet *p, uint8_t out[16])
{
	if (!address_is_group(p->destination))
		memcpy(out, p->destination, 16);
	else if (address_is_ipv4(p->destination))
		address_from_ipv4(out, us->ipv4);
	else
		memcpy(out, address_is_link_local(p->source) ? us->link_local : us->ipv6, 16);
}

static struct coap_peer peer_of(const struct io *io, const struct packet *p)
{
	struct coap_peer peer = {.port = p->source_port, .local_port = p->destination_port};
	memcpy(peer.address, p->source, sizeof peer.address);
	local_address(&io->port->local, p, peer.local);
	return peer;
}

void io_coap_announce(struct io *io, const struct packet *packets, uint32_t count)
{
	uint32_t fetched[BURST_MAX], n = 0;
	CHECK_OP(count, <=, BURST_MAX);
	for (uint32_t i = 0; i < count; i++) {
		const struct packet *p = &packets[i];
		if (p->kind != PACKET_UDP || p->destination_port != io->config->coap_port)
			continue;
		struct coap_peer peer = peer_of(io, p);
		fetched[n++] = coap_fetch(io->coap, &peer, p->l4, p->l4_bytes);
	}
	for (uint32_t i = 0; i < n; i++)
		coap_fetch_exchange(io->coap, fetched[i]);
}

void io_coap_take(struct io *io, const struct packet *p)
{
	struct coap_peer peer = peer_of(io, p);
	coap_input(io->coap, &peer, address_is_group(p->destination), p->l4, p->l4_bytes,
	           io->now_us);
}

static bool on_send(void *app, const struct coap_peer *peer, const uint8_t *bytes, uint32_t count)
{
	struct io *io = app;
	return net_send_udp(io->net, peer->local, peer->local_port, peer->address, peer->port,
	                    bytes, count);
}

const struct coap_app io_coap_app = {.on_request = on_request,
                                     .on_send = on_send,
                                     .on_observer_gone = on_observer_gone,
                                     .on_delivered = on_delivered};

void io_coap_done(struct io *io, uint32_t ticket)
{
	const struct ticket *t = &io->tickets.all[ticket];
	char text[160];
	int bytes = 0;
	uint8_t code = COAP_CODE(2, 4);

	if (t->refused > 0) {
		const struct fate_info *why = &fate_info[t->first_refusal];
		if (t->refused == t->readings)
			code = why->coap_code;
		bytes = t->readings == 1
		            ? snprintf(text, sizeof text, "%s: %s", why->name, why->help)
		            : snprintf(text, sizeof text, "%u of %u refused, first: %s", t->refused,
		                       t->readings, why->name);
	}
	histogram_add(&io->ack_us, io->now_us - t->taken_us);
	coap_respond(io->coap, t->owner, code, text, (uint32_t)bytes, io->now_us);
	ticket_put(&io->tickets, ticket);
}
