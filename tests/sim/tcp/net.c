/* SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

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

void net_init(struct net *n, const struct net_config *config, uint64_t seed)
{
	memset(n, 0, sizeof *n);
	n->config = *config;
	n->rng.state = seed;
}

void net_fini(struct net *n)
{
	for (uint32_t i = 0; i < n->count; i++)
		free(n->heap[i].segment);
	free(n->heap);
}

/* RFC 1071; the pseudo header is the same for both ends here and left out. */
static uint16_t checksum(const uint8_t *p, uint32_t bytes)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i + 1 < bytes; i += 2)
		sum += get_be16(p + i);
	if (bytes & 1)
		sum += (uint64_t)p[bytes - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static bool before(const struct packet *a, const struct packet *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void push(struct net *n, struct packet p)
{
	if (n->count == n->room) {
		n->room = n->room ? n->room * 2 : 64;
		n->heap = realloc(n->heap, n->room * sizeof *n->heap);
		CHECK(n->heap);
	}
	uint32_t i = n->count++;
	while (i > 0 && before(&p, &n->heap[(i - 1) / 2])) {
		n->heap[i] = n->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	n->heap[i] = p;
}

static struct packet pop(struct net *n)
{
	struct packet top = n->heap[0];
	struct packet last = n->heap[--n->count];
	uint32_t i = 0;
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child >= n->count)
			break;
		if (child + 1 < n->count && before(&n->heap[child + 1], &n->heap[child]))
			child++;
		if (before(&last, &n->heap[child]))
			break;
		n->heap[i] = n->heap[child];
		i = child;
	}
	if (n->count > 0)
		n->heap[i] = last;
	return top;
}

static void enqueue(struct net *n, uint64_t now_us, uint32_t from, uint32_t to,
                    const uint8_t *segment, uint32_t bytes)
{
	struct packet p = {.to = to, .from = from, .bytes = bytes, .order = n->order++};
	p.due_us = now_us + n->config.delay_us + 1;
	if (n->config.jitter_us)
		p.due_us += rng_below(&n->rng, n->config.jitter_us);
	if (rng_chance(&n->rng, n->config.reorder))
		p.due_us += rng_below(&n->rng, n->config.delay_us + 20000);
	p.segment = malloc(bytes);
	CHECK(p.segment);
	memcpy(p.segment, segment, bytes);
	put_be16(p.segment + 16, 0);
	put_be16(p.segment + 16, checksum(p.segment, bytes));
	if (rng_chance(&n->rng, n->config.corrupt))
		p.segment[rng_below(&n->rng, bytes)] ^= (uint8_t)(1u << rng_below(&n->rng, 8));
	push(n, p);
}

static bool is_lost(struct net *n, uint64_t now_us, uint32_t to, uint32_t bytes)
{
	const struct net_config *g = &n->config;
	bool *burst = &n->in_burst[to == 0];
	/* a fade is over after some seconds, also for one who waits */
	if (now_us - n->burst_us[to == 0] > 4000000)
		*burst = false;
	n->burst_us[to == 0] = now_us;
	if (*burst ? rng_chance(&n->rng, g->burst_end) : rng_chance(&n->rng, g->burst_start))
		*burst = !*burst;
	if (to != 0 && g->mtu_bytes && bytes + 40 > g->mtu_bytes)
		return true;
	return rng_chance(&n->rng, *burst ? g->burst_loss : g->loss);
}

void net_send(struct net *n, uint64_t now_us, uint32_t from, uint32_t to,
              const uint8_t *segment, uint32_t bytes)
{
	CHECK_OP(bytes, <=, (uint32_t)NET_SEGMENT_MAX);
	n->sent++;
	if (is_lost(n, now_us, to, bytes)) {
		n->dropped++;
		return;
	}
	enqueue(n, now_us, from, to, segment, bytes);
	if (rng_chance(&n->rng, n->config.duplicate))
		enqueue(n, now_us, from, to, segment, bytes);
}

uint64_t net_next_us(const struct net *n)
{
	return n->count ? n->heap[0].due_us : UINT64_MAX;
}

bool net_receive(struct net *n, uint64_t now_us, struct packet *out)
{
	while (n->count > 0 && n->heap[0].due_us <= now_us) {
		*out = pop(n);
		if (checksum(out->segment, out->bytes) == 0)
			return true;
		n->dropped++;
		free(out->segment);
	}
	return false;
}
