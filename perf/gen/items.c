/* SPDX-License-Identifier: Apache-2.0 */
/* Items: the pool, and what is counted when one is done with. */
#include "gen.h"

uint32_t item_new(struct gen *g)
{
	uint32_t index = g->free_item;
	if (index == NONE)
		return NONE;
	g->free_item = g->items[index].next;
	g->items[index] = (struct item){.next = NONE, .line = NONE};
	g->items_used++;
	return index;
}

void item_free(struct gen *g, uint32_t index)
{
	if (g->scratch_item == index)
		g->scratch_item = NONE;
	g->items[index].next = g->free_item;
	g->free_item = index;
	g->items_used--;
}

void gen_sent(struct gen *g, struct item *item)
{
	if (item->kind != ITEM_PUBLISH && item->kind != ITEM_COAP)
		return;
	g->totals.sent++;
	g->totals.readings_sent += item->readings;
}

void gen_acked(struct gen *g, uint32_t index)
{
	struct item *i = &g->items[index];
	struct step *step = &g->steps[i->step];
	uint64_t us = g->now_us > i->due_us ? g->now_us - i->due_us : 0;
	g->totals.acked++;
	g->totals.readings_acked += i->readings;
	step->acked++;
	if (g->schedule.phase == PHASE_LOAD)
		g->steps[g->schedule.step].acked_in_time++;
	latency_add(&g->second, us);
	if (i->due_us >= step->start_us + (uint64_t)(g->options.warmup * 1e6))
		latency_add(&step->latency, us);
	if (i->line != NONE)
		g->ledger[i->line].acked = 1;
	item_free(g, index);
}

void gen_unanswered(struct gen *g, uint32_t index)
{
	g->totals.unanswered++;
	item_free(g, index);
}
