/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

bool ring_init(struct ring *r, uint32_t count)
{
	CHECK_OP(count, >, 0u);
	CHECK_OP(count, <=, 1u << 30);
	uint32_t slots = 1;
	while (slots < count)
		slots *= 2;
	memset(r, 0, sizeof *r);
	r->mask = slots - 1;
	r->slots = calloc(slots, sizeof r->slots[0]);
	return r->slots != NULL;
}

void ring_fini(struct ring *r)
{
	free(r->slots);
	r->slots = NULL;
}
