/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building the pipeline: matcher and decode plans, rings, stages.
 */
#include <rte_rcu_qsbr.h>
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

static bool has_format(const struct profile_set *set, enum payload_format format)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (set->profiles[i].format == format)
			return true;
	return false;
}

enum result pipeline_new(const struct pipeline_config *config, struct pipeline **out,
                         struct error *err)
{
	struct pipeline *p = aligned_alloc(CACHE_LINE, sizeof *p);
	if (!p)
		return fail(RESULT_RESOURCE, err, "pipeline: no memory");
	memset(p, 0, sizeof *p);
	p->config = *config;
	if (!has_format(config->profiles, FORMAT_SPARKPLUG))
		p->config.decoder = (struct decoder_config){0};
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

const struct matcher *pipeline_matcher(const struct pipeline *p)
{
	return p->matcher;
}

struct decode_plan *const *pipeline_plans(const struct pipeline *p)
{
	return p->plans;
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
