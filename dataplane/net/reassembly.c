/* SPDX-License-Identifier: Apache-2.0 */
#include "net/reassembly.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct range {
	uint32_t start, end;
};

struct datagram {
	bool used;
	bool given_up; /* the fragments still to come are dropped as well */
	uint8_t count;
	uint32_t id;
	uint32_t total; /* 0: the last fragment has not come */
	uint32_t have;  /* bytes; ranges don't overlap */
	uint64_t since_us;
	uint8_t source[16], destination[16];
	struct range ranges[REASSEMBLY_FRAGMENTS];
};

struct reassembly {
	struct counters *counters;
	uint32_t used;
	uint64_t oldest_us; /* no datagram is older; a lower bound */
	struct datagram datagrams[REASSEMBLY_DATAGRAMS];
	uint8_t bytes[REASSEMBLY_DATAGRAMS][REASSEMBLY_BYTES_MAX];
};

struct reassembly *reassembly_new(struct counters *counters)
{
	struct reassembly *r = calloc(1, sizeof *r);
	if (r)
		r->counters = counters;
	return r;
}

void reassembly_free(struct reassembly *r)
{
	free(r);
}

uint32_t reassembly_count(const struct reassembly *r)
{
	return r->used;
}

static void release(struct reassembly *r, struct datagram *d)
{
	d->used = false;
	r->used--;
}

void reassembly_expire(struct reassembly *r, uint64_t now_us)
{
	if (r->used == 0 || now_us < r->oldest_us + REASSEMBLY_TIMEOUT_US)
		return;
	uint64_t oldest_us = now_us;
	for (uint32_t i = 0; i < REASSEMBLY_DATAGRAMS; i++) {
		struct datagram *d = &r->datagrams[i];
		if (!d->used)
			continue;
		if (now_us >= d->since_us + REASSEMBLY_TIMEOUT_US) {
			if (!d->given_up)
				counter_add(r->counters, COUNTER_NET_REASSEMBLY_TIMEOUT, 1);
			release(r, d);
		} else if (d->since_us < oldest_us) {
			oldest_us = d->since_us;
		}
	}
	r->oldest_us = oldest_us;
}

/* Source, destination, identification; the protocol is always UDP (RFC 791 3.2, RFC 8200 4.5). */
static struct datagram *find(struct reassembly *r, const struct packet *p)
{
	for (uint32_t i = 0; i < REASSEMBLY_DATAGRAMS; i++) {
		struct datagram *d = &r->datagrams[i];
		if (d->used && d->id == p->fragment.id && memcmp(d->source, p->source, 16) == 0 &&
		    memcmp(d->destination, p->destination, 16) == 0)
			return d;
	}
	return NULL;
}

/* `a` goes before `b`: one that was given up, else the older. */
static bool goes_first(const struct datagram *a, const struct datagram *b)
{
	return a->given_up != b->given_up ? a->given_up : a->since_us < b->since_us;
}

static struct datagram *place(struct reassembly *r)
{
	struct datagram *choice = &r->datagrams[0];
	for (uint32_t i = 0; i < REASSEMBLY_DATAGRAMS; i++) {
		struct datagram *d = &r->datagrams[i];
		if (!d->used)
			return d;
		if (goes_first(d, choice))
			choice = d;
	}
	if (!choice->given_up)
		counter_add(r->counters, COUNTER_NET_REASSEMBLY_EVICTED, 1);
	release(r, choice);
	return choice;
}

static struct datagram *begin(struct reassembly *r, const struct packet *p, uint64_t now_us)
{
	struct datagram *d = place(r);
	*d = (struct datagram){.used = true, .id = p->fragment.id, .since_us = now_us};
	memcpy(d->source, p->source, 16);
	memcpy(d->destination, p->destination, 16);
	if (r->used++ == 0)
		r->oldest_us = now_us;
	return d;
}

enum fit {
	FIT,
	FIT_DUPLICATE,
	FIT_OVERLAP,
	FIT_TOO_MANY,
};

/* How a fragment goes with those that are there. */
static enum fit fit(const struct datagram *d, const uint8_t *kept, const struct packet *p)
{
	uint32_t start = p->fragment.offset, end = start + p->l4_bytes;
	uint32_t total = p->fragment.more ? d->total : end;
	for (uint32_t i = 0; i < d->count; i++) {
		const struct range *k = &d->ranges[i];
		bool same_end = p->fragment.more ? end != d->total : end == d->total;
		if (k->start == start && k->end == end && same_end &&
		    memcmp(kept + start, p->l4, p->l4_bytes) == 0)
			return FIT_DUPLICATE;
		if (start < k->end && k->start < end)
			return FIT_OVERLAP;
		if (total != 0 && k->end > total)
			return FIT_OVERLAP;
	}
	if (d->total != 0 && (!p->fragment.more || end >= d->total))
		return FIT_OVERLAP; /* two ends, or more behind the end */
	return d->count == REASSEMBLY_FRAGMENTS ? FIT_TOO_MANY : FIT;
}

static enum counter give_up(struct datagram *d, enum counter why)
{
	d->given_up = true;
	return why;
}

/* A fragment by itself; NET_RX_FRAGMENT: nothing wrong. */
static enum counter check(const struct packet *p)
{
	uint32_t end = p->fragment.offset + p->l4_bytes;
	if (p->l4_bytes == 0 || end > REASSEMBLY_BYTES_MAX ||
	    (p->fragment.more && p->l4_bytes % 8 != 0))
		return COUNTER_NET_RX_DROP_FRAGMENT_LENGTH;
	/* so the UDP header is in the first one (RFC 1858 3) */
	if (p->fragment.more && p->l4_bytes < REASSEMBLY_BYTES_LEAST)
		return COUNTER_NET_RX_DROP_FRAGMENT_TINY;
	return COUNTER_NET_RX_FRAGMENT;
}

enum counter reassembly_add(struct reassembly *r, const struct packet *fragment, uint64_t now_us,
                            struct bytes *whole)
{
	reassembly_expire(r, now_us);
	enum counter verdict = check(fragment);
	if (verdict != COUNTER_NET_RX_FRAGMENT)
		return verdict;
	struct datagram *d = find(r, fragment);
	if (!d)
		d = begin(r, fragment, now_us);
	if (d->given_up)
		return COUNTER_NET_RX_DROP_FRAGMENT_OVERLAP;

	uint8_t *kept = r->bytes[d - r->datagrams];
	switch (fit(d, kept, fragment)) {
	case FIT_DUPLICATE:
		return COUNTER_NET_RX_DROP_FRAGMENT_DUPLICATE;
	case FIT_OVERLAP:
		return give_up(d, COUNTER_NET_RX_DROP_FRAGMENT_OVERLAP);
	case FIT_TOO_MANY:
		return give_up(d, COUNTER_NET_RX_DROP_FRAGMENT_MANY);
	case FIT:
		break;
	}
	uint32_t start = fragment->fragment.offset, end = start + fragment->l4_bytes;
	memcpy(kept + start, fragment->l4, fragment->l4_bytes);
	d->ranges[d->count++] = (struct range){start, end};
	d->have += fragment->l4_bytes;
	if (!fragment->fragment.more)
		d->total = end;
	if (d->total == 0 || d->have != d->total)
		return COUNTER_NET_RX_FRAGMENT;
	*whole = (struct bytes){.data = kept, .count = d->total};
	release(r, d);
	counter_add(r->counters, COUNTER_NET_REASSEMBLED, 1);
	return COUNTER_NET_RX_UDP;
}
