/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control plane sees of the pipeline: meters, levels, pools. Read-only; numbers that the
 * workers write meanwhile are snapshots.
 */
#include <stdarg.h>
#include <stdio.h>

#include "worker/pipeline_priv.h"

static uint32_t cpu_of(const struct pipeline *p, enum report_stage_kind kind, uint32_t index)
{
	for (uint32_t i = 0; i < p->config.worker_count; i++) {
		const struct pipeline_worker_config *w = &p->config.workers[i];
		if ((kind == REPORT_IO && w->io_mask >> index & 1) ||
		    (kind == REPORT_STAGE && w->stage_mask >> index & 1) ||
		    (kind == REPORT_STORE && w->store))
			return w->cpu;
	}
	return 0;
}

/* Two meters of each io worker (all of it, and decoding alone), each stage, the store. */
uint32_t pipeline_stage_count(const struct pipeline *p)
{
	return 2 * p->io_count + p->stage_count + 1;
}

void pipeline_stage(const struct pipeline *p, uint32_t index, struct report_stage *out)
{
	*out = (struct report_stage){.kind = REPORT_STORE, .meter = &p->store.meter};
	uint32_t number = 0;
	if (index < 2 * p->io_count) {
		number = index / 2;
		const struct io *io = p->io[number];
		bool decoding = index % 2;
		out->kind = decoding ? REPORT_DECODE : REPORT_IO;
		out->meter = decoding ? &io->decode_meter : &io->meter;
		out->counters = decoding ? NULL : io->counters;
		out->ack_us = decoding ? NULL : &io->ack_us;
		out->poll_us = decoding ? NULL : &io->poll_us;
		snprintf(out->name, sizeof out->name, decoding ? "decode%u" : "io%u", number);
	} else if (index < 2 * p->io_count + p->stage_count) {
		number = index - 2 * p->io_count;
		out->kind = REPORT_STAGE;
		out->meter = &p->stages[number].meter;
		out->counters = p->stages[number].counters;
		snprintf(out->name, sizeof out->name, "stage%u", number);
	} else {
		snprintf(out->name, sizeof out->name, "store");
	}
	out->cpu = cpu_of(p, out->kind == REPORT_DECODE ? REPORT_IO : out->kind, number);
}

struct level_list {
	struct report_level *out;
	uint32_t max, count;
};

__attribute__((format(printf, 5, 6))) static void
level(struct level_list *list, const char *kind, uint64_t used, uint64_t capacity,
      const char *format, ...)
{
	if (list->count < list->max) {
		struct report_level *l = &list->out[list->count];
		*l = (struct report_level){.kind = kind, .used = used, .capacity = capacity};
		va_list ap;
		va_start(ap, format);
		vsnprintf(l->name, sizeof l->name, format, ap);
		va_end(ap);
	}
	list->count++;
}

static void io_levels(struct level_list *list, const struct pipeline *p, uint32_t i)
{
	const struct io *io = p->io[i];
	struct tcp_levels tcp;
	tcp_levels_get(io->tcp, &tcp);
	uint32_t batches = p->config.batches;
	level(list, "pool", batches - atomic_load(&io->free_count), batches, "io%u batches", i);
	level(list, "pool", atomic_load(&io->tickets.used), io->tickets.count, "io%u messages", i);
	level(list, "pool", tcp.conns, tcp.conns_max, "io%u connections", i);
	level(list, "pool", tcp.half_open, tcp.half_open_max, "io%u half open", i);
	level(list, "pool", tcp.time_wait, tcp.time_wait_max, "io%u TIME-WAIT", i);
	level(list, "pool", tcp.exts, tcp.exts_max, "io%u extension blocks", i);
	level(list, "pool", tcp.timers, tcp.conns_max, "io%u TCP timers", i);
	level(list, "pool", io->keep_alive.armed, tcp.conns_max, "io%u keep-alive timers", i);
	level(list, "pool", tcp.rx_bytes, tcp.rx_bytes_max, "io%u receive bytes", i);
	level(list, "pool", tcp.tx_bytes, tcp.tx_bytes_max, "io%u transmit bytes", i);
	if (io->coap) {
		struct coap_levels coap;
		coap_levels_get(io->coap, &coap);
		level(list, "pool", coap.bodies, p->config.coap.bodies_max, "io%u CoAP bodies", i);
		level(list, "pool", coap.observers, p->config.coap.observers_max,
		      "io%u CoAP observers", i);
	}
	for (uint32_t s = 0; s < p->stage_count; s++)
		level(list, "ring", ring_count(&p->to_stage[i][s]),
		      ring_slots(&p->to_stage[i][s]), "io%u to stage%u", i, s);
	level(list, "ring", ring_count(&p->home[i]), ring_slots(&p->home[i]), "store to io%u", i);
}

bool pipeline_port(const struct pipeline *p, uint32_t index, struct report_port *out)
{
	if (index >= p->config.port_count)
		return false;
	const struct port *port = &p->config.ports[index];
	*out = (struct report_port){
	    .device = port->device,
	    .queues = port->queues,
	    .ios = port->workers,
	    .distribution = port_distribution_name(port->distribution),
	};
	for (uint32_t i = 0; i < index; i++)
		out->io_first += p->config.ports[i].workers;
	return true;
}

static void port_levels(struct level_list *list, const struct port *port, uint32_t io_first)
{
	struct port_ring r;
	for (uint32_t i = 0; port_ring(port, i, &r); i++)
		level(list, "ring", r.used, r.slots, "io%u to io%u %s", io_first + r.from,
		      io_first + r.to, r.transmit ? "transmit" : "frames");
}

uint32_t pipeline_levels(const struct pipeline *p, struct report_level *out, uint32_t max)
{
	struct level_list list = {.out = out, .max = max};
	uint32_t io_first = 0;
	for (uint32_t i = 0; i < p->config.port_count; i++) {
		port_levels(&list, &p->config.ports[i], io_first);
		io_first += p->config.ports[i].workers;
	}
	for (uint32_t i = 0; i < p->io_count; i++)
		io_levels(&list, p, i);
	for (uint32_t s = 0; s < p->stage_count; s++) {
		uint32_t detours = p->config.detours;
		level(&list, "pool", detours - atomic_load(&p->stages[s].free_count), detours,
		      "stage%u detours", s);
		level(&list, "ring", ring_count(&p->to_store[s]), ring_slots(&p->to_store[s]),
		      "stage%u to store", s);
		level(&list, "ring", ring_count(&p->to_resolver[s]),
		      ring_slots(&p->to_resolver[s]), "stage%u to resolver", s);
	}
	return list.count;
}

/* --- memory of connections --- */

/* What an io stage keeps beside TCP's pools. */
static bool io_pool(const struct pipeline *p, uint32_t i, uint32_t index, struct report_pool *out)
{
	const struct io *io = p->io[i];
	struct tcp_levels tcp;
	tcp_levels_get(io->tcp, &tcp);
	uint64_t most = p->config.connections;
	const struct report_pool pools[] = {
	    {"MQTT sessions", REPORT_POOL_EACH, sizeof(struct mqtt_session), tcp.conns, most},
	    {"io connection state", REPORT_POOL_EACH, sizeof(struct io_conn), tcp.conns, most},
	    {"messages under way", REPORT_POOL_SOME, sizeof(struct ticket),
	     atomic_load_explicit(&io->tickets.used, memory_order_relaxed), io->tickets.count},
	};
	if (index >= sizeof pools / sizeof pools[0])
		return false;
	*out = pools[index];
	return true;
}

static bool pool_of(const struct pipeline *p, uint32_t i, uint32_t index, struct report_pool *out)
{
	struct tcp_pool pool;
	uint32_t tcp_pools = 0;
	while (tcp_pools < index && tcp_pool_get(p->io[i]->tcp, tcp_pools, &pool))
		tcp_pools++;
	if (!tcp_pool_get(p->io[i]->tcp, index, &pool))
		return io_pool(p, i, index - tcp_pools, out);
	*out = (struct report_pool){
	    .name = pool.name,
	    .kind = pool.each ? REPORT_POOL_EACH
	                      : pool.of_connections ? REPORT_POOL_SOME : REPORT_POOL_OTHER,
	    .record_bytes = pool.record_bytes,
	    .used = pool.used,
	    .capacity = pool.capacity,
	};
	return true;
}

bool pipeline_pool(const struct pipeline *p, uint32_t index, struct report_pool *out)
{
	struct report_pool one;
	if (!pool_of(p, 0, index, out))
		return false;
	for (uint32_t i = 1; i < p->io_count && pool_of(p, i, index, &one); i++) {
		out->used += one.used;
		out->capacity += one.capacity;
	}
	return true;
}

uint32_t pipeline_bytes_per_connection(const struct pipeline *p)
{
	struct report_pool pool;
	uint32_t bytes = 0;
	for (uint32_t i = 0; pool_of(p, 0, i, &pool); i++)
		if (pool.kind == REPORT_POOL_EACH)
			bytes += pool.record_bytes;
	return bytes;
}

uint64_t pipeline_memory_bytes(const struct pipeline *p)
{
	const struct pipeline_config *c = &p->config;
	uint64_t per_conn = sizeof(struct mqtt_session) + sizeof(struct io_conn);
	uint64_t per_io = sizeof(struct io) + c->connections * per_conn +
	                  c->batches * sizeof(struct batch) + c->messages * sizeof(struct ticket);
	if (c->coap_port)
		per_io += coap_server_memory(&c->coap);
	per_io += decoder_memory(&c->decoder);
	uint64_t bytes = p->io_count * per_io;
	for (uint32_t i = 0; i < p->io_count; i++)
		bytes += p->io[i]->tcp_memory_bytes;
	return bytes + p->stage_count * c->detours * sizeof(struct batch);
}

uint64_t pipeline_readings_received(const struct pipeline *p)
{
	uint64_t total = 0;
	for (uint32_t i = 0; i < p->io_count; i++)
		total += atomic_load_explicit(&p->io[i]->readings_received, memory_order_relaxed);
	return total;
}
