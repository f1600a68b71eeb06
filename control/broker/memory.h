/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the broker. All that grows with what clients do has a limit in the configuration, so
 * running out altogether is the machine's end of the road: the daemon ends with words, and finds
 * its state again at the next start. Private to control/broker.
 */
#ifndef HEADRACE_BROKER_MEMORY_H
#define HEADRACE_BROKER_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed; never NULL. */
void *memory_new(size_t bytes);
/* An array that may move; never NULL. */
void *memory_grow(void *old, size_t count, size_t each_bytes);

/* Bytes one after the other, growing. */
struct buffer {
	uint8_t *data;
	size_t used, capacity;
};

/* Room for `bytes` more at the end, which counts as used. Valid until the next call. */
uint8_t *buffer_add(struct buffer *b, size_t bytes);
void buffer_put(struct buffer *b, const void *data, size_t bytes);
void buffer_free(struct buffer *b);

/* Empty; what one large iteration took is given back. */
void buffer_clear(struct buffer *b);

#endif
