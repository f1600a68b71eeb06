/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building the pipeline: matcher and decode plans, rings, stages, and what the control plane sees.
 */
#include <rte_rcu_qsbr.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/pipeline_priv.h"

static enum result build_decoding(struct pipeline *p, struct error *err)
{
	const struct profile_set *set = p->config.profiles;
	enum result r = matcher_new(set, &p->matcher, err);
	if (r != RESULT_OK)
		return r;
	for (uint32_t i = 0; i < set->count; i++) {
		const struct profile *profile = &set->profiles[i];
		p->plans[profile->id] = decode_plan_new(profile);
		if (!p->plans[profile->id])
			return fail(RESULT_RESOURCE, err, "profile %s: no memory", profile->name);
	}
	return RESULT_OK;
}

/* Every ring can hold every batch there is, so that no push between stages can fail. */
static enum result build_rings(struct pipeline *p, struct error *err)
{
	const struct pipeline_config *c = &p->config;
	uint32_t all = p->io_count * c->batches + p->stage_count * c->detours;
	bool ok = true;

	for (uint32_t i = 0; i < p->io_count; i++) {
		ok = ok && ring_init(&p->home[i], all);
		for (uint32_t s = 0; s < p->stage_count; s++)
			ok = ok && ring_init(&p->to_stage[i][s], all) &&
			     ring_init(&p->detour_return[i][s], all);
		for (uint32_t o = 0; o < p->io_count && p->io_count > 1; o++)
			ok = ok && ring_init(&p->takeover[i][o], 4096);
	}
	for (uint32_t s = 0; s < p->stage_count; s++)
		ok = ok && ring_init(&p->to_store[s], all) && ring_init(&p->to_resolver[s], all) &&
		     ring_init(&p->from_resolver[s], all);
	return ok ? RESULT_OK : fail(RESULT_RESOURCE, err, "rings: no memory");
}

static struct io_links links_of(struct pipeline *p, uint32_t io)
{
	struct io_links links = {
	    .home = &p->home[io], .stage_count = p->stage_count, .io_count = p->io_count};
	for (uint32_t s = 0; s < p->stage_count; s++) {
		links.to_stage[s] = &p->to_stage[io][s];
		links.detour_return[s] = &p->detour_return[io][s];
	}
	for (uint32_t o = 0; o < p->io_count; o++) {
		links.takeover_out[o] = &p->takeover[io][o];
		links.takeover_in[o] = &p->takeover[o][io];
	}
	return links;
}

static enum result build_io(struct pipeline *p, struct error *err)
{
	uint32_t index = 0;
	for (uint32_t i = 0; i < p->config.port_count; i++) {
		for (uint16_t w = 0; w < p->config.ports[i].workers; w++, index++) {
			struct io_setup setup = {
			    .index = index,
			    .config = &p->config,
			    .port = &p->config.ports[i],
			    .port_worker = w,
			    .links = links_of(p, index),
			    .registry = &p->registry,
			    .phase = &p->phase,
			    .matcher = p->matcher,
			    .plans = p->plans,
			};
			enum result r = io_new(&setup, &p->io[index], err);
			if (r != RESULT_OK)
				return r;
		}
	}
	return RESULT_OK;
}

static enum result build_stages(struct pipeline *p, struct error *err)
{
	for (uint32_t s = 0; s < p->stage_count; s++) {
		struct stage_worker *w = &p->stages[s];
		enum result r = stage_worker_init(w, &p->config, s, err);
		if (r != RESULT_OK)
			return r;
		w->io_count = p->io_count;
		for (uint32_t i = 0; i < p->io_count; i++) {
			w->from_io[i] = &p->to_stage[i][s];
			w->detour_return[i] = &p->detour_return[i][s];
		}
		w->to_store = &p->to_store[s];
		w->to_resolver = &p->to_resolver[s];
		w->from_resolver = &p->from_resolver[s];
		p->store.from_stage[s] = &p->to_store[s];
		p->resolver.from_stage[s] = &p->to_resolver[s];
		p->resolver.to_stage[s] = &p->from_resolver[s];
	}
	for (uint32_t i = 0; i < p->io_count; i++)
		p->store.home[i] = &p->home[i];
	p->store.journal = p->config.journal;
	p->store.stage_count = p->stage_count;
	p->resolver.stage_count = p->stage_count;
	p->resolver.store = p->config.store;
	return RESULT_OK;
}

static enum result build_rcu(struct pipeline *p, struct error *err)
{
	size_t bytes = rte_rcu_qsbr_get_memsize(MAX_WORKERS);
	p->rcu = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));
	if (!p->rcu || rte_rcu_qsbr_init(p->rcu, MAX_WORKERS) != 0)
		return fail(RESULT_RESOURCE, err, "pipeline: no memory");
	return RESULT_OK;
}

enum result pipeline_new(const struct pipeline_config *config, struct pipeline **out,
                         struct error *err)
{
	struct pipeline *p = aligned_alloc(CACHE_LINE, sizeof *p);
	if (!p)
		return fail(RESULT_RESOURCE, err, "pipeline: no memory");
	memset(p, 0, sizeof *p);
	p->config = *config;
	atomic_init(&p->phase, PHASE_RUN);
	atomic_init(&p->registry, config->registry);
	for (uint32_t i = 0; i < config->port_count; i++)
		p->io_count += config->ports[i].workers;
	for (uint32_t i = 0; i < config->worker_count; i++)
		p->stage_count += (uint32_t)__builtin_popcount(config->workers[i].stage_mask);

	enum result r = build_rcu(p, err);
	if (r == RESULT_OK)
		r = build_decoding(p, err);
	if (r == RESULT_OK)
		r = build_rings(p, err);
	if (r == RESULT_OK)
		r = build_io(p, err);
	if (r == RESULT_OK)
		r = build_stages(p, err);
	if (r != RESULT_OK) {
		pipeline_free(p);
		return r;
	}
	*out = p;
	return RESULT_OK;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->io_count; i++) {
		io_free(p->io[i]);
		ring_fini(&p->home[i]);
		for (uint32_t s = 0; s < p->stage_count; s++) {
			ring_fini(&p->to_stage[i][s]);
			ring_fini(&p->detour_return[i][s]);
		}
		for (uint32_t o = 0; o < p->io_count; o++)
			ring_fini(&p->takeover[i][o]);
	}
	for (uint32_t s = 0; s < p->stage_count; s++) {
		stage_worker_fini(&p->stages[s]);
		ring_fini(&p->to_store[s]);
		ring_fini(&p->to_resolver[s]);
		ring_fini(&p->from_resolver[s]);
	}
	for (uint32_t i = 0; i < 256; i++)
		if (p->plans[i])
			decode_plan_free(p->plans[i]);
	if (p->matcher)
		matcher_free(p->matcher);
	free(p->rcu);
	free(p);
}

/* --- what the control plane sees --- */

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
	level(list, "pool", tcp.rx_bytes, tcp.rx_bytes_max, "io%u receive bytes", i);
	level(list, "pool", tcp.tx_bytes, tcp.tx_bytes_max, "io%u transmit bytes", i);
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

uint32_t pipeline_bytes_per_connection(const struct pipeline *p)
{
	struct tcp_levels tcp;
	tcp_levels_get(p->io[0]->tcp, &tcp);
	return tcp.bytes_per_idle_conn + (uint32_t)sizeof(struct mqtt_session) +
	       (uint32_t)sizeof(struct io_conn) + 2 * (uint32_t)sizeof(struct client_slot);
}

uint64_t pipeline_memory_bytes(const struct pipeline *p)
{
	const struct pipeline_config *c = &p->config;
	uint64_t per_conn = sizeof(struct mqtt_session) + sizeof(struct io_conn) +
	                    2 * sizeof(struct client_slot);
	uint64_t per_io = sizeof(struct io) + c->connections * per_conn +
	                  c->batches * sizeof(struct batch) + c->messages * sizeof(struct ticket);
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
