/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for tables that are taken at start and looked up at random. */
#ifndef HEADRACE_BASE_PAGES_H
#define HEADRACE_BASE_PAGES_H

#include <stddef.h>
#include <stdint.h>

/* `count` records of zeroes on cache lines, touched now so that no page fault comes later, and on
 * large pages where the kernel has them. NULL: no memory. Give back with free(). */
void *pages_new(uint64_t count, size_t record_bytes);

#endif
