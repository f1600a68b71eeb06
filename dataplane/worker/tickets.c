/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/tickets.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fetch.h"
#include "base/pages.h"
#include "base/tally.h"

bool tickets_init(struct tickets *t, uint32_t count)
{
	memset(t, 0, sizeof *t);
	t->all = pages_new(count, sizeof t->all[0]);
	if (!t->all)
		return false;
	t->count = count;
	for (uint32_t i = 0; i < count; i++)
		t->all[i].next = i + 1 < count ? i + 1 : TICKET_NONE;
	return true;
}

void tickets_fini(struct tickets *t)
{
	free(t->all);
	t->all = NULL;
}

uint32_t ticket_get(struct tickets *t)
{
	uint32_t index = t->free;
	if (index == TICKET_NONE)
		return TICKET_NONE;
	struct ticket *ticket = &t->all[index];
	t->free = ticket->next;
	if (t->free != TICKET_NONE)
		fetch_line(&t->all[t->free]); /* for the next one */
	*ticket = (struct ticket){.next = TICKET_NONE};
	level_add(&t->used, 1);
	return index;
}

void ticket_put(struct tickets *t, uint32_t index)
{
	CHECK_OP(index, <, t->count);
	CHECK_OP(atomic_load_explicit(&t->used, memory_order_relaxed), >, 0u);
	t->all[index].next = t->free;
	t->free = index;
	level_add(&t->used, -1);
}
