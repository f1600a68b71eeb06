/* SPDX-License-Identifier: Apache-2.0 */
#include "control/broker/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define BUFFER_KEPT (4u << 20)

static void *must_have(void *memory, size_t bytes)
{
	if (!memory) {
		log_error("broker", "no memory for %zu bytes", bytes);
		abort();
	}
	return memory;
}

void *memory_new(size_t bytes)
{
	return must_have(calloc(1, bytes), bytes);
}

void *memory_grow(void *old, size_t count, size_t each_bytes)
{
	return must_have(reallocarray(old, count, each_bytes), count * each_bytes);
}

uint8_t *buffer_add(struct buffer *b, size_t bytes)
{
	if (b->used + bytes > b->capacity) {
		size_t capacity = b->capacity ? b->capacity : 4096;
		while (capacity < b->used + bytes)
			capacity *= 2;
		b->data = memory_grow(b->data, capacity, 1);
		b->capacity = capacity;
	}
	b->used += bytes;
	return b->data + b->used - bytes;
}

void buffer_put(struct buffer *b, const void *data, size_t bytes)
{
	uint8_t *to = buffer_add(b, bytes);
	if (bytes > 0)
		memcpy(to, data, bytes);
}

void buffer_free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){0};
}

void buffer_clear(struct buffer *b)
{
	if (b->capacity > BUFFER_KEPT)
		buffer_free(b);
	b->used = 0;
}
