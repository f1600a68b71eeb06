/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive buffers: a buddy allocator over one region, blocks of 256 << order bytes.
 *
 * A free block holds its list links in its own first bytes; order_of[] tells of each 256-byte
 * block whether a free block starts there, and its order.
 */
#include "tcp/tcp_priv.h"

#include <stdlib.h>

struct free_links {
	uint32_t next, prev;
};

static struct free_links *links_at(const struct rxpool *p, uint32_t block)
{
	return (struct free_links *)(void *)rxpool_at(p, block);
}

static uint32_t block_count(uint64_t memory, uint32_t largest)
{
	uint64_t unit = 1ull << (rxpool_order(largest) + RX_BLOCK_SHIFT);
	uint64_t units = (memory + unit - 1) / unit;
	return (uint32_t)((units ? units : 1) * (unit >> RX_BLOCK_SHIFT));
}

uint64_t rxpool_bytes(uint64_t memory, uint32_t largest)
{
	return (uint64_t)block_count(memory, largest) * ((1u << RX_BLOCK_SHIFT) + 1);
}

static void list_add(struct rxpool *p, uint32_t block, uint32_t order)
{
	struct free_links *l = links_at(p, block);
	l->prev = NONE;
	l->next = p->free_head[order];
	if (l->next != NONE)
		links_at(p, l->next)->prev = block;
	p->free_head[order] = block;
	p->order_of[block] = (uint8_t)(order + 1);
}

static void list_take(struct rxpool *p, uint32_t block, uint32_t order)
{
	struct free_links *l = links_at(p, block);
	if (l->prev != NONE)
		links_at(p, l->prev)->next = l->next;
	else
		p->free_head[order] = l->next;
	if (l->next != NONE)
		links_at(p, l->next)->prev = l->prev;
	p->order_of[block] = 0;
}

bool rxpool_init(struct rxpool *p, uint64_t memory, uint32_t largest)
{
	memset(p, 0, sizeof *p);
	memset(p->free_head, 0xff, sizeof p->free_head);
	p->blocks = block_count(memory, largest);
	p->max_order = rxpool_order(largest);
	CHECK_OP(p->max_order, <, (uint32_t)RX_ORDERS);
	p->size = (uint64_t)p->blocks << RX_BLOCK_SHIFT;
	p->base = pages_new(p->size, 1);
	p->order_of = pages_new(p->blocks, 1);
	if (!p->base || !p->order_of)
		return false;
	for (uint32_t b = p->blocks; b > 0; b -= 1u << p->max_order)
		list_add(p, b - (1u << p->max_order), p->max_order);
	return true;
}

void rxpool_fini(struct rxpool *p)
{
	free(p->base);
	free(p->order_of);
	memset(p, 0, sizeof *p);
}

uint32_t rxpool_get(struct rxpool *p, uint32_t order)
{
	uint32_t from = order;
	while (from <= p->max_order && p->free_head[from] == NONE)
		from++;
	if (from > p->max_order)
		return NONE;
	uint32_t block = p->free_head[from];
	list_take(p, block, from);
	while (from > order) {
		from--;
		list_add(p, block + (1u << from), from);
	}
	p->used += 1ull << (order + RX_BLOCK_SHIFT);
	return block;
}

void rxpool_put(struct rxpool *p, uint32_t block, uint32_t order)
{
	CHECK_OP(p->order_of[block], ==, 0);
	p->used -= 1ull << (order + RX_BLOCK_SHIFT);
	while (order < p->max_order) {
		uint32_t buddy = block ^ 1u << order;
		if (p->order_of[buddy] != order + 1)
			break;
		list_take(p, buddy, order);
		block &= ~(1u << order);
		order++;
	}
	list_add(p, block, order);
}
