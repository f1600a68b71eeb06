/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's loop: its stages in the order of the data, then a nap when there was nothing to do.
 * And the start and the end of the threads.
 */
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_rcu_qsbr.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/sched.h"
#include "worker/pipeline_priv.h"

#define EMPTY_POLLS_BEFORE_NAP 64
#define NAP_US                 50
#define LONG_NAP_US            500
#define NAPS_BEFORE_LONG_NAP   400 /* 20 ms without work */
#define CLOSE_MS               300 /* for the last FINs */
#define WORKER_NICE            (-8) /* whoever shares its core has a seventh of it at least */

struct idle {
	uint32_t empty_polls, naps;
};

static void sleep_us(uint32_t us)
{
	struct timespec ts = {.tv_nsec = (long)us * 1000};
	nanosleep(&ts, NULL);
}

/* Nothing to do: spin a little, then nap, then nap longer. With writes in flight the nap is a
 * wait for their completion, which the kernel ends at once. */
static void idle_wait(struct pipeline *p, const struct pipeline_worker_config *w,
                      struct idle *idle)
{
	if (p->config.spin || idle->empty_polls++ < EMPTY_POLLS_BEFORE_NAP)
		return;
	if (w->store && journal_wait(p->config.journal, NAP_US)) {
		idle->naps = 0;
		return;
	}
	sleep_us(idle->naps++ < NAPS_BEFORE_LONG_NAP ? NAP_US : LONG_NAP_US);
}

static uint32_t poll_stages(struct pipeline *p, const struct pipeline_worker_config *w)
{
	uint32_t work = 0;
	for (uint32_t i = 0; i < p->io_count; i++)
		if (w->io_mask >> i & 1)
			work += io_poll(p->io[i]);
	for (uint32_t s = 0; s < p->stage_count; s++)
		if (w->stage_mask >> s & 1)
			work += stage_worker_poll(&p->stages[s]);
	if (w->store)
		work += store_worker_poll(&p->store);
	return work;
}

int worker_run(void *argument)
{
	const struct worker_start *start = argument;
	struct pipeline *p = start->pipeline;
	uint32_t index = start->index;
	const struct pipeline_worker_config *w = &p->config.workers[index];
	struct idle idle = {0};

	prctl(PR_SET_TIMERSLACK, 1000ul); /* naps of 50 us, not of 100 */
	sched_soon(WORKER_NICE);
	enum result attached = RESULT_OK;
	if (w->store)
		attached = journal_attach(p->config.journal, &p->attach_error);
	if (w->store)
		atomic_store(&p->attach_result, (int)attached);
	rte_rcu_qsbr_thread_register(p->rcu, index);
	rte_rcu_qsbr_thread_online(p->rcu, index);
	atomic_fetch_add(&p->running, 1);

	/* without a journal there is nothing to do but to let pipeline_start say why */
	while (attached == RESULT_OK &&
	       atomic_load_explicit(&p->phase, memory_order_relaxed) != PHASE_STOP) {
		uint32_t work = poll_stages(p, w);
		/* no snapshot is held between polls; pairs with pipeline_publish_registry */
		rte_rcu_qsbr_quiescent(p->rcu, index);
		if (work)
			idle = (struct idle){0};
		else
			idle_wait(p, w, &idle);
	}
	rte_rcu_qsbr_thread_offline(p->rcu, index);
	rte_rcu_qsbr_thread_unregister(p->rcu, index);
	return 0;
}

static void join_workers(struct pipeline *p)
{
	atomic_store(&p->phase, PHASE_STOP);
	for (uint32_t i = 0; i < p->config.worker_count; i++)
		rte_eal_wait_lcore(i + 1);
}

enum result pipeline_start(struct pipeline *p, struct error *err)
{
	static struct worker_start starts[MAX_WORKERS];
	enum result r = resolver_thread_start(&p->resolver, err);
	uint32_t launched = 0;
	for (uint32_t i = 0; r == RESULT_OK && i < p->config.worker_count; i++) {
		starts[i] = (struct worker_start){.pipeline = p, .index = i};
		int rc = rte_eal_remote_launch(worker_run, &starts[i], i + 1);
		if (rc != 0)
			r = fail(RESULT_BUG, err, "worker %u: not started: lcore %u is busy", i,
			         i + 1);
		else
			launched++;
	}
	while (atomic_load(&p->running) < launched)
		sleep_us(NAP_US);
	if (r == RESULT_OK && (r = (enum result)atomic_load(&p->attach_result)) != RESULT_OK)
		*err = p->attach_error;
	if (r != RESULT_OK) {
		join_workers(p);
		resolver_thread_stop(&p->resolver);
	}
	return r;
}

void pipeline_publish_registry(struct pipeline *p, const struct registry_view *view)
{
	/* pairs with the acquire in io_poll */
	atomic_store_explicit(&p->registry, view, memory_order_release);
	rte_rcu_qsbr_synchronize(p->rcu, RTE_QSBR_THRID_INVALID);
}

static bool all_idle(const struct pipeline *p)
{
	for (uint32_t i = 0; i < p->io_count; i++)
		if (!io_is_idle(p->io[i]))
			return false;
	for (uint32_t s = 0; s < p->stage_count; s++)
		if (atomic_load(&p->stages[s].free_count) != p->config.detours)
			return false;
	return true;
}

static bool wait_idle(const struct pipeline *p, uint32_t timeout_ms)
{
	uint64_t deadline = clock_mono_us() + (uint64_t)timeout_ms * 1000;
	while (!all_idle(p)) {
		if (clock_mono_us() > deadline)
			return false;
		sleep_us(1000);
	}
	return true;
}

/* Connections still open after the FINs were sent. */
static bool connections_open(const struct pipeline *p)
{
	for (uint32_t i = 0; i < p->io_count; i++) {
		struct tcp_levels levels;
		tcp_levels_get(p->io[i]->tcp, &levels);
		if (levels.conns > 0)
			return true;
	}
	return false;
}

bool pipeline_stop(struct pipeline *p, uint32_t timeout_ms)
{
	atomic_store(&p->phase, PHASE_DRAIN);
	sleep_us(2 * LONG_NAP_US * 2); /* every worker has seen it: nothing new enters */
	bool drained = wait_idle(p, timeout_ms);
	atomic_store(&p->phase, PHASE_CLOSE);
	for (uint32_t ms = 0; ms < CLOSE_MS && connections_open(p); ms++)
		sleep_us(1000);
	join_workers(p);
	resolver_thread_stop(&p->resolver);
	return drained;
}
