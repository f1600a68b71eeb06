/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequences of fragments into the reassembly, against a model that keeps every datagram as plain
 * bytes beside a byte per byte: which fragment of it came. Six bytes make a fragment:
 *
 *     0       1              3              5
 *     | flags | offset, or - | length, or - | time passed, in 50 ms
 *
 *     flags: bits 0-2 which datagram; 3 more follow; 4 the offset is one byte, in 48 bytes;
 *     5 the length is; 6 the bytes are not the datagram's
 *
 * Oracles: the verdict is the model's; a datagram that is handed out is complete and byte for byte
 * the model's; a datagram that overlapped is never handed out; the number under way is the model's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "net/reassembly.h"

#define DATAGRAMS 8
#define STEP      6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct model {
	bool used, given_up;
	uint32_t total, count;
	uint64_t since_us;
	uint8_t owner[REASSEMBLY_BYTES_MAX]; /* 0: nothing came; else the fragment's number + 1 */
	uint8_t bytes[REASSEMBLY_BYTES_MAX];
};

static struct model models[DATAGRAMS];
static uint8_t pattern[REASSEMBLY_BYTES_MAX + 65536];

static void expire(uint64_t now_us)
{
	for (uint32_t i = 0; i < DATAGRAMS; i++)
		if (models[i].used && now_us - models[i].since_us >= REASSEMBLY_TIMEOUT_US)
			models[i].used = false;
}

static bool alone_is_wrong(const struct packet *p, enum counter *why)
{
	uint32_t end = p->fragment.offset + p->l4_bytes;
	bool length = p->l4_bytes == 0 || (p->fragment.more && p->l4_bytes % 8 != 0) ||
	              end > REASSEMBLY_BYTES_MAX;
	*why = length ? COUNTER_NET_RX_DROP_FRAGMENT_LENGTH : COUNTER_NET_RX_DROP_FRAGMENT_TINY;
	return length || (p->fragment.more && p->l4_bytes < REASSEMBLY_BYTES_LEAST);
}

/* Exactly one earlier fragment's bytes, all of them, the same, and as last as that one. */
static bool is_duplicate(const struct model *m, const struct packet *p)
{
	uint32_t start = p->fragment.offset, end = start + p->l4_bytes;
	uint8_t owner = m->owner[start];
	for (uint32_t i = start; i < end; i++)
		if (owner == 0 || m->owner[i] != owner || m->bytes[i] != p->l4[i - start])
			return false;
	return (start == 0 || m->owner[start - 1] != owner) &&
	       (end == REASSEMBLY_BYTES_MAX || m->owner[end] != owner) &&
	       p->fragment.more == (end != m->total);
}

static bool contradicts(const struct model *m, const struct packet *p)
{
	uint32_t start = p->fragment.offset, end = start + p->l4_bytes;
	for (uint32_t i = start; i < end; i++)
		if (m->owner[i])
			return true;
	for (uint32_t i = end; !p->fragment.more && i < REASSEMBLY_BYTES_MAX; i++)
		if (m->owner[i])
			return true;
	return m->total && (!p->fragment.more || end > m->total);
}

static enum counter model_add(struct model *m, const struct packet *p, uint64_t now_us)
{
	enum counter why;
	if (alone_is_wrong(p, &why))
		return why;
	if (!m->used) {
		memset(m, 0, sizeof *m);
		m->used = true;
		m->since_us = now_us;
	}
	if (m->given_up)
		return COUNTER_NET_RX_DROP_FRAGMENT_OVERLAP;
	if (is_duplicate(m, p))
		return COUNTER_NET_RX_DROP_FRAGMENT_DUPLICATE;
	if (contradicts(m, p)) {
		m->given_up = true;
		return COUNTER_NET_RX_DROP_FRAGMENT_OVERLAP;
	}
	if (m->count == REASSEMBLY_FRAGMENTS) {
		m->given_up = true;
		return COUNTER_NET_RX_DROP_FRAGMENT_MANY;
	}
	m->count++;
	memset(m->owner + p->fragment.offset, (int)m->count, p->l4_bytes);
	memcpy(m->bytes + p->fragment.offset, p->l4, p->l4_bytes);
	if (!p->fragment.more)
		m->total = p->fragment.offset + p->l4_bytes;
	return m->total && !memchr(m->owner, 0, m->total) ? COUNTER_NET_RX_UDP
	                                                  : COUNTER_NET_RX_FRAGMENT;
}

static uint32_t models_used(void)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < DATAGRAMS; i++)
		count += models[i].used;
	return count;
}

static void step(struct reassembly *r, const uint8_t *in, uint64_t *now_us)
{
	uint32_t number = in[0] & 7;
	struct model *m = &models[number];
	struct packet p = {.kind = PACKET_FRAGMENT, .source = {number & 1},
	                   .destination = {number >> 1 & 1}};
	struct bytes whole = {0};
	p.fragment.id = number >> 2;
	p.fragment.more = in[0] & 8;
	/* offsets near each other meet more often */
	p.fragment.offset = in[0] & 16 ? in[1] * 48u : (in[1] << 8 | in[2]) * 8u & 0xffff;
	p.l4_bytes = in[0] & 32 ? in[3] % 8 * 48u : (uint32_t)(in[3] << 8 | in[4]);
	uint32_t from = p.fragment.offset % REASSEMBLY_BYTES_MAX + (in[0] & 64 ? 1 : 0);
	uint8_t *exact = malloc(p.l4_bytes ? p.l4_bytes : 1);
	CHECK(exact != NULL);
	memcpy(exact, pattern + from, p.l4_bytes);
	p.l4 = exact;
	*now_us += in[5] * 50000ull;
	expire(*now_us);

	enum counter expected = model_add(m, &p, *now_us);
	enum counter verdict = reassembly_add(r, &p, *now_us, &whole);
	CHECK_OP(verdict, ==, expected);
	free(exact);
	if (verdict == COUNTER_NET_RX_UDP) {
		CHECK_OP(whole.count, ==, m->total);
		CHECK(memcmp(whole.data, m->bytes, m->total) == 0);
		m->used = false;
	}
	CHECK_OP(reassembly_count(r), ==, models_used());
}

/* One table for all inputs, since making it costs more than a run: time empties it in between. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct counters counters;
	static struct reassembly *r;
	static uint64_t now_us;
	if (!r) {
		for (uint32_t i = 0; i < sizeof pattern; i++)
			pattern[i] = (uint8_t)(i * 31 + (i >> 8));
		r = reassembly_new(&counters);
		CHECK(r != NULL);
	}
	now_us += REASSEMBLY_TIMEOUT_US;
	reassembly_expire(r, now_us);
	expire(now_us);
	CHECK_OP(reassembly_count(r), ==, 0u);
	for (; bytes >= STEP; data += STEP, bytes -= STEP)
		step(r, data, &now_us);
	return 0;
}
