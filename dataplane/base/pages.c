/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE_PAGE_BYTES (2u << 20)

void *pages_new(uint64_t count, size_t record_bytes)
{
	size_t all;
	if (__builtin_mul_overflow(count, record_bytes, &all))
		return NULL;
	size_t align = all >= LARGE_PAGE_BYTES ? LARGE_PAGE_BYTES : 64;
	void *p;
	if (posix_memalign(&p, align, all ? all : align) != 0)
		return NULL;
	/* a random walk over a million connections is mostly TLB misses on small pages; advice
	 * only, nothing depends on it */
	if (align == LARGE_PAGE_BYTES)
		(void)madvise(p, all, MADV_HUGEPAGE);
	memset(p, 0, all);
	return p;
}
