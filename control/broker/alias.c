/* SPDX-License-Identifier: Apache-2.0 */
#include "control/broker/alias.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "control/broker/memory.h"

uint16_t alias_find(const struct aliases *a, struct bytes topic)
{
	for (uint32_t i = 0; a && i < a->count; i++)
		if (a->topic[i].count == topic.count &&
		    memcmp(a->topic[i].data, topic.data, topic.count) == 0)
			return (uint16_t)(i + 1);
	return 0;
}

uint16_t alias_next(const struct aliases *a, uint16_t alias_max, struct bytes topic)
{
	uint32_t count = a ? a->count : 0;
	bool fits = topic.count >= ALIAS_TOPIC_BYTES_MIN && topic.count <= ALIAS_TOPIC_BYTES_MAX;
	return fits && count < alias_max && count < ALIASES_MAX ? (uint16_t)(count + 1) : 0;
}

void alias_set(struct aliases **a, struct bytes topic)
{
	if (!*a)
		*a = memory_new(sizeof **a);
	uint8_t *copy = memory_new(topic.count);
	memcpy(copy, topic.data, topic.count);
	(*a)->topic[(*a)->count++] = (struct bytes){copy, topic.count};
}

uint64_t alias_bytes(const struct aliases *a)
{
	uint64_t bytes = a ? sizeof *a : 0;
	for (uint32_t i = 0; a && i < a->count; i++)
		bytes += a->topic[i].count;
	return bytes;
}

void alias_drop(struct aliases **a)
{
	for (uint32_t i = 0; *a && i < (*a)->count; i++)
		free((uint8_t *)(*a)->topic[i].data);
	free(*a);
	*a = NULL;
}
