/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that one thread writes and anybody reads: a plain add without a locked instruction, but
 * a reader elsewhere never sees a torn value.
 */
#ifndef HEADRACE_BASE_TALLY_H
#define HEADRACE_BASE_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

/* By the owning thread only. */
static inline void tally_add(_Atomic uint64_t *tally, uint64_t n)
{
	uint64_t v = atomic_load_explicit(tally, memory_order_relaxed);
	atomic_store_explicit(tally, v + n, memory_order_relaxed);
}

/* By the owning thread only: a level, which also falls. */
static inline void level_add(_Atomic uint32_t *level, int32_t n)
{
	uint32_t v = atomic_load_explicit(level, memory_order_relaxed);
	atomic_store_explicit(level, v + (uint32_t)n, memory_order_relaxed);
}

#endif
