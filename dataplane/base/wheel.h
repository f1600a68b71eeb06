/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hierarchical timer wheel: 4 levels of 256 slots, O(1) to arm and cancel.
 *
 * The nodes lie in the caller's array, one per timer, found by index: node i is at
 * nodes + i * stride_bytes, so that it can be a member of a larger struct. A timer never fires
 * before its deadline and, if wheel_expire is called often enough, at most one tick after it
 * (a deadline further away than WHEEL_HORIZON_TICKS fires at that distance: check and re-arm).
 *
 * Input:   deadlines and the time, in microseconds of one monotonic clock.
 * Output:  calls of the expire callback.
 * Thread:  the one that owns the wheel and the nodes.
 * Memory:  struct wheel (4.2 KB) and the nodes (16 bytes each), both the caller's.
 * Never:   reads a clock, allocates, or handles more nodes than the budget in one call.
 *
 * Call order: wheel_init; wheel_node_init for each node; then arm, cancel and expire freely,
 * also from inside the callback (whose node is already unarmed).
 */
#ifndef HEADRACE_BASE_WHEEL_H
#define HEADRACE_BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_LEVELS        4
#define WHEEL_SLOTS         256
#define WHEEL_HORIZON_TICKS 0x7fffffffu
#define WHEEL_NONE          UINT32_MAX

struct wheel_node {
	uint32_t next;     /* index; WHEEL_NONE ends the slot's list */
	uint32_t prev;     /* index; WHEEL_NONE: first of its slot */
	uint32_t deadline; /* low 32 bits of the tick */
	uint32_t slot;     /* level * 256 + slot; WHEEL_NONE: not armed */
};

struct wheel {
	uint8_t *nodes;
	size_t stride_bytes;
	uint32_t tick_shift; /* a tick is 2^tick_shift microseconds */
	uint32_t armed;      /* nodes in the wheel */
	uint64_t tick;       /* the next tick to handle; all before it are done */
	uint64_t used[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* a bit per slot that is not empty */
	uint32_t head[WHEEL_LEVELS * WHEEL_SLOTS];
};

/* `nodes` is the first node, `stride_bytes` the distance to the next. tick_shift: 0..20. */
void wheel_init(struct wheel *w, struct wheel_node *nodes, size_t stride_bytes,
                uint32_t tick_shift, uint64_t now_us);

/* Before a node's first use. */
static inline void wheel_node_init(struct wheel_node *node)
{
	node->slot = WHEEL_NONE;
}

static inline bool wheel_is_armed(const struct wheel_node *node)
{
	return node->slot != WHEEL_NONE;
}

/* Arm, or arm anew, for a deadline; one that has passed fires in the next wheel_expire. */
void wheel_arm(struct wheel *w, uint32_t index, uint64_t deadline_us);

/* No effect when it is not armed. */
void wheel_cancel(struct wheel *w, uint32_t index);

typedef void (*wheel_callback)(void *context, uint32_t index);

/* Call `expired` for each timer that is due at now_us, earlier ticks first. At most `budget`
 * nodes are touched (expired or moved down a level); returns how many were. Returning `budget`
 * means that more may be due. */
uint32_t wheel_expire(struct wheel *w, uint64_t now_us, uint32_t budget, wheel_callback expired,
                      void *context);

/* When wheel_expire has something to do next (us): never later than the earliest deadline's
 * tick, possibly earlier, when nodes must move down. UINT64_MAX: nothing is armed. */
uint64_t wheel_next_us(const struct wheel *w);

#endif
