/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often somebody may ask: a bucket for each key (an address, a token), which fills at a rate. A
 * fixed table: when all places of a key's row are taken, the bucket that has been idle for longest
 * gives way, and begins full when its owner comes again.
 *
 * Pure: the caller has the clock. Threads: any; locks inside. Memory: fixed.
 */
#ifndef HEADRACE_ACCESS_LIMITS_H
#define HEADRACE_ACCESS_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

struct limits;

/* `burst` at once, `per_s` for ever. */
MUST_USE enum result limits_new(uint32_t per_s, uint32_t burst, struct limits **out,
                                struct error *err);
void limits_free(struct limits *l); /* NULL is fine */

/* Takes `cost`; false: there is not so much, and nothing is taken. `wait_s`: when there will be. */
bool limits_take(struct limits *l, const void *key, size_t key_bytes, uint32_t cost,
                 uint64_t now_us, uint32_t *wait_s);

#endif
