/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bad network between two sides: what goes in comes out later, or not, or twice, or damaged.
 *
 * Input:   packets (any bytes), the side that they go to, the time.
 * Output:  the same packets, copied, when they are due.
 * Memory:  malloc; a packet that is taken out is the caller's to free.
 * Never:   reads a clock. Everything is decided by one seeded generator, so that a seed and the
 *          same calls replay a run exactly.
 */
#ifndef HEADRACE_TESTS_SIM_IMPAIR_IMPAIR_H
#define HEADRACE_TESTS_SIM_IMPAIR_IMPAIR_H

#include <stdbool.h>
#include <stdint.h>

#define IMPAIR_WAYS 2

/* splitmix64 (Steele, Lea, Flood, 2014). */
struct rng {
	uint64_t state;
};
uint64_t rng_next(struct rng *r);
/* 0..n-1 */
uint64_t rng_below(struct rng *r, uint64_t n);
/* True with probability parts / 10,000. */
bool rng_chance(struct rng *r, uint32_t parts);

/* Of one way. Probabilities are of 10,000. */
struct impair_config {
	uint32_t loss, duplicate, corrupt;
	uint32_t reorder; /* is late by up to delay_us + 20 ms */
	/* Gilbert-Elliott: a fade starts and ends before a packet with these chances, and loses
	 * with burst_loss instead of loss. A silence of 4 s ends it, too. */
	uint32_t burst_start, burst_end, burst_loss;
	uint64_t delay_us, jitter_us; /* jitter: evenly between 0 and this, added */
	bool jitter_reorders;         /* else nothing overtakes but by `reorder` */
	uint64_t rate_bytes_s;        /* 0: no limit */
	uint32_t queue_bytes;         /* before the limit, tail drop; 0: 64 KB */
	uint32_t bytes_max;           /* longer ones vanish without a word; 0: none do */
};

struct impair_packet {
	uint64_t due_us, order;
	uint64_t tag; /* the caller's */
	uint32_t way;
	uint32_t bytes;
	uint8_t *data;
};

struct impair_counts {
	uint64_t in, out, lost, too_long, queue_full, duplicated, corrupted, reordered;
};

struct impair {
	struct impair_config config[IMPAIR_WAYS];
	struct rng rng;
	struct impair_packet *heap;
	uint32_t count, room;
	uint64_t order;
	bool in_burst[IMPAIR_WAYS];
	uint64_t burst_us[IMPAIR_WAYS];    /* of the last packet that way */
	uint64_t free_us[IMPAIR_WAYS];     /* when the link has sent all that is queued */
	uint64_t last_due_us[IMPAIR_WAYS]; /* of the last one in order */
	struct impair_counts counts[IMPAIR_WAYS];
};

void impair_init(struct impair *im, const struct impair_config config[IMPAIR_WAYS], uint64_t seed);
void impair_fini(struct impair *im);

/* Copies; `tag` comes back with the packet. */
void impair_put(struct impair *im, uint64_t now_us, uint32_t way, uint64_t tag, const uint8_t *data,
                uint32_t bytes);

/* When the next packet is due; UINT64_MAX: none is under way. */
uint64_t impair_next_us(const struct impair *im);

/* The next packet that is due; its `data` is the caller's to free. False: none is. */
bool impair_get(struct impair *im, uint64_t now_us, struct impair_packet *out);

#endif
