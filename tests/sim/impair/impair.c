/* SPDX-License-Identifier: Apache-2.0 */
#include "impair.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define BURST_SILENCE_US 4000000
#define QUEUE_BYTES      65536

uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

bool rng_chance(struct rng *r, uint32_t parts)
{
	return rng_below(r, 10000) < parts;
}

void impair_init(struct impair *im, const struct impair_config config[IMPAIR_WAYS], uint64_t seed)
{
	memset(im, 0, sizeof *im);
	memcpy(im->config, config, sizeof im->config);
	im->rng.state = seed;
}

void impair_fini(struct impair *im)
{
	for (uint32_t i = 0; i < im->count; i++)
		free(im->heap[i].data);
	free(im->heap);
}

/* --- the queue: a heap by time, then by order of arrival ------------------------------------ */

static bool before(const struct impair_packet *a, const struct impair_packet *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void push(struct impair *im, struct impair_packet p)
{
	if (im->count == im->room) {
		im->room = im->room ? im->room * 2 : 64;
		im->heap = realloc(im->heap, im->room * sizeof *im->heap);
		CHECK(im->heap);
	}
	uint32_t i = im->count++;
	while (i > 0 && before(&p, &im->heap[(i - 1) / 2])) {
		im->heap[i] = im->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	im->heap[i] = p;
}

static struct impair_packet pop(struct impair *im)
{
	struct impair_packet top = im->heap[0];
	struct impair_packet last = im->heap[--im->count];
	uint32_t i = 0;
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child >= im->count)
			break;
		if (child + 1 < im->count && before(&im->heap[child + 1], &im->heap[child]))
			child++;
		if (before(&last, &im->heap[child]))
			break;
		im->heap[i] = im->heap[child];
		i = child;
	}
	if (im->count > 0)
		im->heap[i] = last;
	return top;
}

/* --- what happens to a packet --------------------------------------------------------------- */

static bool is_lost(struct impair *im, uint64_t now_us, uint32_t way, uint32_t bytes)
{
	const struct impair_config *g = &im->config[way];
	bool *burst = &im->in_burst[way];
	/* a fade is over after some seconds, also for one who waits */
	if (now_us - im->burst_us[way] > BURST_SILENCE_US)
		*burst = false;
	im->burst_us[way] = now_us;
	if (rng_chance(&im->rng, *burst ? g->burst_end : g->burst_start))
		*burst = !*burst;
	if (g->bytes_max && bytes > g->bytes_max) {
		im->counts[way].too_long++;
		return true;
	}
	bool lost = rng_chance(&im->rng, *burst ? g->burst_loss : g->loss);
	im->counts[way].lost += lost;
	return lost;
}

/* The time at which the last bit has left the rate-limited link; UINT64_MAX: its queue is full. */
static uint64_t departure(struct impair *im, uint64_t now_us, uint32_t way, uint32_t bytes)
{
	const struct impair_config *g = &im->config[way];
	if (g->rate_bytes_s == 0)
		return now_us;
	uint64_t start = im->free_us[way] > now_us ? im->free_us[way] : now_us;
	uint64_t queued = (start - now_us) * g->rate_bytes_s / 1000000;
	if (queued + bytes > (g->queue_bytes ? g->queue_bytes : QUEUE_BYTES)) {
		im->counts[way].queue_full++;
		return UINT64_MAX;
	}
	im->free_us[way] = start + (uint64_t)bytes * 1000000 / g->rate_bytes_s;
	return im->free_us[way];
}

static uint64_t arrival(struct impair *im, uint64_t leaves_us, uint32_t way)
{
	const struct impair_config *g = &im->config[way];
	uint64_t due_us = leaves_us + g->delay_us + 1;
	if (g->jitter_us)
		due_us += rng_next(&im->rng) % g->jitter_us;
	bool late = rng_chance(&im->rng, g->reorder);
	im->counts[way].reordered += late;
	if (late)
		return due_us + rng_next(&im->rng) % (g->delay_us + 20000);
	if (!g->jitter_reorders && due_us < im->last_due_us[way])
		due_us = im->last_due_us[way];
	im->last_due_us[way] = due_us;
	return due_us;
}

static void enqueue(struct impair *im, uint64_t leaves_us, uint32_t way, uint64_t tag,
                    const uint8_t *data, uint32_t bytes)
{
	struct impair_packet p = {.tag = tag, .way = way, .bytes = bytes, .order = im->order++};
	p.due_us = arrival(im, leaves_us, way);
	p.data = malloc(bytes ? bytes : 1);
	CHECK(p.data);
	memcpy(p.data, data, bytes);
	if (rng_chance(&im->rng, im->config[way].corrupt) && bytes) {
		uint64_t at = rng_next(&im->rng) % bytes;
		p.data[at] ^= (uint8_t)(1u << rng_next(&im->rng) % 8);
		im->counts[way].corrupted++;
	}
	push(im, p);
}

void impair_put(struct impair *im, uint64_t now_us, uint32_t way, uint64_t tag, const uint8_t *data,
                uint32_t bytes)
{
	CHECK_OP(way, <, (uint32_t)IMPAIR_WAYS);
	im->counts[way].in++;
	if (is_lost(im, now_us, way, bytes))
		return;
	uint64_t leaves_us = departure(im, now_us, way, bytes);
	if (leaves_us == UINT64_MAX)
		return;
	enqueue(im, leaves_us, way, tag, data, bytes);
	if (rng_chance(&im->rng, im->config[way].duplicate)) {
		im->counts[way].duplicated++;
		enqueue(im, leaves_us, way, tag, data, bytes);
	}
}

uint64_t impair_next_us(const struct impair *im)
{
	return im->count ? im->heap[0].due_us : UINT64_MAX;
}

bool impair_get(struct impair *im, uint64_t now_us, struct impair_packet *out)
{
	if (im->count == 0 || im->heap[0].due_us > now_us)
		return false;
	*out = pop(im);
	im->counts[out->way].out++;
	return true;
}
