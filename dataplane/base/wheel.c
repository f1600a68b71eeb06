/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wheel.h"

#include <string.h>

#include "base/check.h"
#include "base/fetch.h"

/*
 * Level L holds deadlines from 256^L up to 256^(L+1) ticks away, slot (deadline >> 8L) & 255.
 * When the time reaches a multiple of 256^L, that slot of level L is distributed to the levels
 * below. Slots are emptied node by node, so a budget may interrupt both expiry and distribution
 * anywhere: what is left is found again by the same tick.
 */
#define SLOT_MASK (WHEEL_SLOTS - 1u)

static struct wheel_node *node_at(const struct wheel *w, uint32_t index)
{
	return (struct wheel_node *)(void *)(w->nodes + (size_t)index * w->stride_bytes);
}

void wheel_init(struct wheel *w, struct wheel_node *nodes, size_t stride_bytes,
                uint32_t tick_shift, uint64_t now_us)
{
	CHECK_OP(tick_shift, <=, 20u);
	CHECK_OP(stride_bytes, >=, sizeof(struct wheel_node));
	memset(w, 0, sizeof *w);
	memset(w->head, 0xff, sizeof w->head);
	w->nodes = (uint8_t *)nodes;
	w->stride_bytes = stride_bytes;
	w->tick_shift = tick_shift;
	w->tick = now_us >> tick_shift;
}

static void insert(struct wheel *w, uint32_t index, uint64_t deadline)
{
	struct wheel_node *node = node_at(w, index);
	uint64_t delta = deadline - w->tick;
	uint32_t level = 0;
	while (level < WHEEL_LEVELS - 1 && delta >> (8 * (level + 1)) != 0)
		level++;
	uint32_t slot = level * WHEEL_SLOTS + (uint32_t)(deadline >> (8 * level) & SLOT_MASK);
	node->deadline = (uint32_t)deadline;
	node->slot = slot;
	node->prev = WHEEL_NONE;
	node->next = w->head[slot];
	if (node->next != WHEEL_NONE)
		node_at(w, node->next)->prev = index;
	w->head[slot] = index;
	w->used[level][(slot & SLOT_MASK) / 64] |= 1ull << (slot & 63);
	w->armed++;
}

static void take_out(struct wheel *w, uint32_t index)
{
	struct wheel_node *node = node_at(w, index);
	uint32_t slot = node->slot;
	if (node->prev != WHEEL_NONE)
		node_at(w, node->prev)->next = node->next;
	else
		w->head[slot] = node->next;
	if (node->next != WHEEL_NONE)
		node_at(w, node->next)->prev = node->prev;
	if (w->head[slot] == WHEEL_NONE)
		w->used[slot / WHEEL_SLOTS][(slot & SLOT_MASK) / 64] &= ~(1ull << (slot & 63));
	node->slot = WHEEL_NONE;
	w->armed--;
}

/* The node that heads a slot, for the next turn. */
static void fetch_head(const struct wheel *w, uint32_t slot)
{
	if (w->head[slot] != WHEEL_NONE)
		fetch_line(node_at(w, w->head[slot]));
}

void wheel_arm(struct wheel *w, uint32_t index, uint64_t deadline_us)
{
	wheel_cancel(w, index);
	/* round up: a timer never fires early */
	uint64_t tick = deadline_us >> w->tick_shift;
	if (deadline_us & ((1ull << w->tick_shift) - 1))
		tick++;
	if (tick < w->tick)
		tick = w->tick;
	if (tick - w->tick > WHEEL_HORIZON_TICKS)
		tick = w->tick + WHEEL_HORIZON_TICKS;
	insert(w, index, tick);
}

void wheel_cancel(struct wheel *w, uint32_t index)
{
	if (wheel_is_armed(node_at(w, index)))
		take_out(w, index);
}

/* The slot of an upper level that must be distributed before tick w->tick is handled. */
static uint32_t slot_to_distribute(const struct wheel *w)
{
	for (uint32_t level = 1; level < WHEEL_LEVELS; level++) {
		if (w->tick & ((1ull << (8 * level)) - 1))
			break;
		uint32_t slot =
		    level * WHEEL_SLOTS + (uint32_t)(w->tick >> (8 * level) & SLOT_MASK);
		if (w->head[slot] != WHEEL_NONE)
			return slot;
	}
	return WHEEL_NONE;
}

static uint32_t first_used(const uint64_t used[WHEEL_SLOTS / 64], uint32_t from)
{
	for (uint32_t word = from / 64; word < WHEEL_SLOTS / 64; word++) {
		uint64_t bits = used[word];
		if (word == from / 64)
			bits &= ~0ull << (from & 63);
		if (bits)
			return word * 64 + (uint32_t)__builtin_ctzll(bits);
	}
	return WHEEL_SLOTS;
}

/* The first tick >= w->tick with something to do; UINT64_MAX: none. */
static uint64_t next_stop(const struct wheel *w)
{
	if (w->armed == 0)
		return UINT64_MAX;
	if (slot_to_distribute(w) != WHEEL_NONE)
		return w->tick;
	for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
		uint64_t at = w->tick >> (8 * level);
		/* above level 0 the current slot has been distributed */
		uint32_t from = (uint32_t)(at & SLOT_MASK) + (level > 0);
		uint32_t slot = first_used(w->used[level], from);
		if (slot < WHEEL_SLOTS)
			return ((at & ~(uint64_t)SLOT_MASK) | slot) << (8 * level);
		if (first_used(w->used[level], 0) < WHEEL_SLOTS)
			return ((at >> 8) + 1) << (8 * (level + 1)); /* in the next round */
	}
	return UINT64_MAX;
}

static uint64_t deadline_of(const struct wheel *w, const struct wheel_node *node)
{
	return w->tick + (uint32_t)(node->deadline - (uint32_t)w->tick);
}

uint32_t wheel_expire(struct wheel *w, uint64_t now_us, uint32_t budget, wheel_callback expired,
                      void *context)
{
	uint64_t now = now_us >> w->tick_shift;
	uint32_t touched = 0;
	while (touched < budget) {
		uint64_t stop = next_stop(w);
		if (stop > now) {
			if (w->tick < now)
				w->tick = now;
			break;
		}
		w->tick = stop;
		uint32_t slot = slot_to_distribute(w);
		if (slot != WHEEL_NONE) {
			uint32_t index = w->head[slot];
			take_out(w, index);
			fetch_head(w, slot);
			insert(w, index, deadline_of(w, node_at(w, index)));
			touched++;
			continue;
		}
		uint32_t index = w->head[w->tick & SLOT_MASK];
		if (index == WHEEL_NONE)
			continue;
		take_out(w, index);
		fetch_head(w, w->tick & SLOT_MASK);
		touched++;
		expired(context, index);
	}
	return touched;
}

uint64_t wheel_next_us(const struct wheel *w)
{
	uint64_t stop = next_stop(w);
	return stop == UINT64_MAX ? UINT64_MAX : stop << w->tick_shift;
}
