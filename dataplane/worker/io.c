/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/io.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/pages.h"

#define TCP_TIMER_BUDGET  256 /* expiries in one poll */
#define COAP_TIMER_BUDGET 64
#define TCP_TX_BUFFER     8192
/* IPv6 and UDP headers, CoAP header, token and the options of an answer or notification */
#define COAP_AROUND_BLOCK 208
/* a whole MQTT packet, and the start of the next */
#define TCP_RX_BUFFER_MIN 16384

static void on_tcp(void *context, const struct packet *p)
{
	struct io *io = context;
	struct tcp_address local, peer;
	memcpy(local.ip, p->destination, sizeof local.ip);
	memcpy(peer.ip, p->source, sizeof peer.ip);
	tcp_input_likely(io->tcp, p->note, &local, &peer, p->l4, p->l4_bytes);
}

static void on_icmp_error(void *context, const struct packet *p)
{
	struct io *io = context;
	struct tcp_address local, peer;
	memcpy(local.ip, p->destination, sizeof local.ip);
	memcpy(peer.ip, p->source, sizeof peer.ip);
	tcp_input_icmp(io->tcp, &local, &peer, p->l4, p->l4_bytes, p->mtu_bytes);
}

static bool on_udp(void *context, const struct packet *p)
{
	struct io *io = context;
	if (!io->coap || p->destination_port != io->config->coap_port)
		return false;
	io_coap_take(io, p);
	return true;
}

static const struct net_handlers handlers = {
    .announce = io_announce, .tcp = on_tcp, .icmp_error = on_icmp_error, .udp = on_udp};

static uint8_t *link_alloc(void *link, uint32_t bytes, bool control)
{
	struct io *io = link;
	return net_alloc(io->net, bytes, control);
}

static void link_send(void *link, const struct tcp_address *local, const struct tcp_address *peer,
                      uint8_t *segment, uint32_t bytes)
{
	struct io *io = link;
	net_send_tcp(io->net, local->ip, peer->ip, segment, bytes);
}

static const struct tcp_link tcp_link = {.alloc = link_alloc, .send = link_send};

static uint32_t rx_buffer_bytes(const struct pipeline_config *config)
{
	uint32_t bytes = config->mqtt.packet_bytes_max + 1460;
	return bytes > TCP_RX_BUFFER_MIN ? bytes : TCP_RX_BUFFER_MIN;
}

static enum result new_tcp(struct io *io, struct error *err)
{
	const struct pipeline_config *c = io->config;
	struct tcp_config config = {
	    .conns_max = c->connections,
	    .syn_cache_max = c->connections / 4 < 256 ? 256 : c->connections / 4,
	    .time_wait_max = c->connections / 4 < 256 ? 256 : c->connections / 4,
	    .rx_buffer_bytes = rx_buffer_bytes(c),
	    .rx_memory_bytes = c->rx_memory_bytes,
	    .tx_buffer_bytes = TCP_TX_BUFFER + io_broker_buffer_bytes(c),
	    .tx_memory_bytes = c->tx_memory_bytes,
	    .mtu_bytes = io->port->mtu,
	    .ports = {c->mqtt_port},
	    .seed = hash_key_random().k0,
	    .first_data_timeout_ms = c->mqtt.connect_timeout_ms,
	};
	struct hash_key keys[2] = {hash_key_random(), hash_key_random()};
	memcpy(config.secret, keys, sizeof config.secret);
	io->tcp_memory_bytes = tcp_engine_memory(&config);
	io->tcp = tcp_engine_new(&config, &io_tcp_app, io, &tcp_link, io, io->counters,
	                         clock_mono_us());
	if (!io->tcp)
		return fail(RESULT_RESOURCE, err,
		            "io%u: no memory for %u connections (%llu MB); lower "
		            "limits.connections, rx_memory_mb or tx_memory_mb",
		            io->index, c->connections,
		            (unsigned long long)(io->tcp_memory_bytes >> 20));
	return RESULT_OK;
}

static enum result new_mqtt(struct io *io, struct error *err)
{
	const struct pipeline_config *c = io->config;
	io->sessions = pages_new(c->connections, sizeof io->sessions[0]);
	io->conns = pages_new(c->connections, sizeof io->conns[0]);
	if (!io->sessions || !io->conns)
		return fail(RESULT_RESOURCE, err, "io%u: no memory for %u MQTT sessions",
		            io->index, c->connections);
	for (uint32_t i = 0; i < c->connections; i++)
		wheel_node_init(&io->conns[i].timer);
	/* a tick of 2^15 us, 33 ms, is fine for keep-alives */
	wheel_init(&io->keep_alive, &io->conns[0].timer, sizeof io->conns[0], 15, clock_mono_us());
	io->mqtt = (struct mqtt){
	    .config = c->mqtt, .ops = &io_mqtt_app, .app = io, .counters = io->counters};
	io->mqtt.id_seed = hash_key_random().k0;
	io->blocked_head = io->blocked_tail = io->credit_head = TICKET_NONE;
	if (c->mqtt.topic_alias_max > 0) {
		io->mqtt.aliases = mqtt_aliases_new(c->mqtt_alias_bytes);
		if (!io->mqtt.aliases)
			return fail(RESULT_RESOURCE, err, "io%u: no memory for topic aliases",
			            io->index);
	}
	return new_tcp(io, err);
}

static enum result new_pools(struct io *io, struct error *err)
{
	const struct pipeline_config *c = io->config;
	io->batches = aligned_alloc(CACHE_LINE, sizeof io->batches[0] * c->batches);
	if (!io->batches || !tickets_init(&io->tickets, c->messages))
		return fail(RESULT_RESOURCE, err, "io%u: no memory for %u batches and %u messages",
		            io->index, c->batches, c->messages);
	for (uint32_t i = 0; i < c->batches; i++) {
		batch_reset(&io->batches[i]);
		io->batches[i].next = io->free_batches;
		io->free_batches = &io->batches[i];
	}
	atomic_store(&io->free_count, c->batches);
	return RESULT_OK;
}

/* The largest block whose datagram, with all the options that may be around it, fits the MTU. */
static uint8_t largest_block(uint16_t mtu)
{
	uint8_t szx = 6;
	while (szx > 0 && (16u << szx) + COAP_AROUND_BLOCK > mtu)
		szx--;
	return szx;
}

static enum result new_coap(struct io *io, struct error *err)
{
	struct coap_config coap = io->config->coap;
	coap.seed = hash_key_random().k0;
	coap.szx_max = largest_block(io->port->mtu);
	io->coap = coap_server_new(&coap, &io_coap_app, io, io->counters);
	if (io->coap)
		return RESULT_OK;
	return fail(RESULT_RESOURCE, err,
	            "io%u: no memory for CoAP (%llu MB); lower coap.exchanges_max, answers_max, "
	            "bodies_max or observers_max",
	            io->index, (unsigned long long)(coap_server_memory(&coap) >> 20));
}

enum result io_new(const struct io_setup *setup, struct io **out, struct error *err)
{
	struct io *io = aligned_alloc(CACHE_LINE, (sizeof *io + CACHE_LINE - 1) & ~63ul);
	if (!io)
		return fail(RESULT_RESOURCE, err, "io%u: no memory", setup->index);
	memset(io, 0, sizeof *io);
	io->index = setup->index;
	io->config = setup->config;
	io->port = setup->port;
	io->links = setup->links;
	io->registry = setup->registry;
	io->phase = setup->phase;
	io->matcher = setup->matcher;
	io->plans = setup->plans;
	io->counters = calloc(1, sizeof *io->counters);
	*out = io;
	if (!io->counters)
		return fail(RESULT_RESOURCE, err, "io%u: no memory", io->index);

	enum result r = new_pools(io, err);
	if (r == RESULT_OK)
		r = match_scratch_new(io->matcher, &io->scratch, err);
	io->decoder = decoder_new(&io->config->decoder, io->counters);
	if (r == RESULT_OK && !io->decoder)
		r = fail(RESULT_RESOURCE, err, "io%u: no memory for %u Sparkplug nodes", io->index,
		         io->config->decoder.nodes);
	if (r == RESULT_OK)
		r = net_stack_new(io->port, setup->port_worker, &handlers, io, io->counters,
		                  &io->net, err);
	if (r == RESULT_OK)
		r = new_mqtt(io, err);
	if (r == RESULT_OK && io->config->coap_port)
		r = new_coap(io, err);
	return r;
}

void io_free(struct io *io)
{
	if (!io)
		return;
	if (io->coap)
		coap_server_free(io->coap);
	if (io->tcp)
		tcp_engine_free(io->tcp);
	net_stack_free(io->net);
	mqtt_aliases_free(io->mqtt.aliases);
	free(io->sessions);
	free(io->conns);
	tickets_fini(&io->tickets);
	free(io->batches);
	decoder_free(io->decoder);
	if (io->scratch)
		match_scratch_free(io->scratch);
	free(io->counters);
	free(io);
}

bool io_is_idle(const struct io *io)
{
	return atomic_load(&io->tickets.used) == 0 &&
	       atomic_load(&io->free_count) == io->config->batches;
}

uint32_t io_poll(struct io *io)
{
	uint64_t started = clock_cycles();
	meter_poll(&io->meter);
	io->now_us = clock_mono_us();
	io->now_ms = clock_wall_ms();
	io->view = atomic_load_explicit(io->registry, memory_order_acquire);
	tcp_set_now(io->tcp, io->now_us);

	uint32_t frames = net_stack_poll(io->net, io->now_us);
	uint32_t home = io_take_home(io);
	home += io_broker_poll(io);
	io_mqtt_unblock(io);
	tcp_run_timers(io->tcp, TCP_TIMER_BUDGET);
	io_mqtt_run_timers(io);
	uint32_t told = io->coap ? io_coap_run_service(io) : 0;
	told += io_replay_poll(io);
	if (io->coap)
		coap_run_timers(io->coap, io->now_us, COAP_TIMER_BUDGET);
	if (atomic_load_explicit(io->phase, memory_order_relaxed) == PHASE_CLOSE &&
	    !io->drained_closed)
		io_mqtt_close_all(io);
	tcp_flush(io->tcp); /* may offer kept data again, and so fill batches */
	io_hand_over(io);
	uint32_t relayed = net_flush(io->net);
	if (frames || home || relayed || told) {
		meter_add(&io->meter, clock_cycles() - started, frames);
		histogram_add(&io->poll_us, clock_mono_us() - io->now_us);
	}
	return frames + home + relayed + told;
}
