/* SPDX-License-Identifier: Apache-2.0 */
/* Random but plausible batches for the storage tests, all from one seed. */
#ifndef HEADRACE_TESTS_BATCH_MAKE_H
#define HEADRACE_TESTS_BATCH_MAKE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "contract/batch.h"
#include "contract/stored.h"

struct make {
	uint64_t random; /* state of splitmix64 */
	uint32_t devices;
	int64_t now_ms;
	uint64_t stage_seq;
};

static inline uint64_t make_random(struct make *m)
{
	uint64_t z = m->random += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline uint64_t make_below(struct make *m, uint64_t limit)
{
	return make_random(m) % limit;
}

static inline uint16_t make_origin(struct make *m, struct batch *b)
{
	static const char text[] = "gateway-7meters/SM-00001/telemetry";
	b->arena_bytes = (b->arena_bytes + 7) & ~7u;
	struct origin o = {
	    .port = (uint16_t)make_random(m),
	    .topic_bytes = 25,
	    .client_bytes = 9,
	    .protocol = (uint8_t)make_below(m, 2),
	    .qos = (uint8_t)make_below(m, 3),
	};
	memcpy(o.address, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\1\2\3", 16);
	uint16_t at = batch_put(b, &o, sizeof o);
	batch_put(b, text, 34);
	return at;
}

/* Fill r with a new reading of a random device; fate STORED. */
static inline void make_reading(struct make *m, struct reading *r)
{
	memset(r, 0, sizeof *r);
	r->device = (uint32_t)make_below(m, m->devices);
	r->meter_ts_ms = m->now_ms - (int64_t)make_below(m, 3 * 86400) * 1000;
	r->received_ms = r->meter_ts_ms + 500 + (int64_t)make_below(m, 30000);
	r->collected_delta_ms = make_below(m, 8) == 0 ? -(int32_t)make_below(m, 100000) : 0;
	r->ts_ms = r->meter_ts_ms;
	if (make_below(m, 20) == 0) {
		r->ts_ms += (int64_t)make_below(m, 3600000);
		r->flags |= READING_F_TS_REPLACED;
	}
	r->flags |= (uint16_t)(make_below(m, 2) << READING_PROTOCOL_SHIFT);
	r->profile = (uint8_t)(1 + make_below(m, 3));
	r->channel_count = (uint8_t)(1 + make_below(m, READING_CHANNELS));
	for (uint32_t c = 0; c < r->channel_count; c++) {
		r->channel[c] = (uint8_t)(1 + c + 10 * r->profile);
		r->value[c] = (int64_t)(make_random(m) >> make_below(m, 64));
		if (make_below(m, 10) == 0)
			r->value[c] = -r->value[c];
	}
	r->fate = FATE_STORED;
	r->ticket = TICKET_NONE;
}

/* A whole batch: mostly stored readings, some duplicates, errors with raw bytes, some pending. */
static inline void make_batch(struct make *m, struct batch *b, uint32_t count)
{
	uint8_t raw[600];
	batch_reset(b);
	b->stage = 0;
	b->stage_seq = ++m->stage_seq;
	uint16_t origin = make_origin(m, b);
	for (uint32_t i = 0; i < count; i++) {
		struct reading *r = &b->readings[b->count];
		uint32_t raw_bytes = (uint32_t)make_below(m, sizeof raw);
		if (!batch_has_room(b, raw_bytes))
			break;
		make_reading(m, r);
		r->origin_offset = origin;
		uint64_t word = make_random(m);
		for (uint32_t k = 0; k < sizeof raw; k += sizeof word, word = word * 5 + k)
			memcpy(raw + k, &word, sizeof word);
		r->raw_bytes = (uint16_t)raw_bytes;
		r->raw_offset = batch_put(b, raw, raw_bytes);
		r->id_bytes = (uint8_t)(raw_bytes > 20 ? 8 : 0);
		r->id_offset = 3;
		uint64_t kind = make_below(m, 20);
		if (kind < 3)
			r->fate = FATE_DUPLICATE;
		else if (kind < 6)
			r->fate = (uint8_t)(FATE_CONFLICT +
			                    make_below(m, FATE_COUNT - FATE_CONFLICT));
		else if (kind == 6)
			r->fate = FATE_PENDING;
		b->count++;
	}
}

/* What storage must give back for a stored reading. */
static inline struct stored_reading make_expected(const struct reading *r)
{
	struct stored_reading s = {
	    .device = r->device,
	    .flags = r->flags,
	    .profile = r->profile,
	    .channel_count = r->channel_count,
	    .meter_ts_ms = r->meter_ts_ms,
	    .ts_ms = r->ts_ms,
	    .received_ms = r->received_ms,
	    .collected_ms = reading_collected_ms(r),
	};
	memcpy(s.channel, r->channel, r->channel_count);
	memcpy(s.value, r->value, r->channel_count * sizeof s.value[0]);
	return s;
}

static inline int make_same(const struct stored_reading *a, const struct stored_reading *b)
{
	return a->device == b->device && a->flags == b->flags && a->profile == b->profile &&
	       a->channel_count == b->channel_count && a->meter_ts_ms == b->meter_ts_ms &&
	       a->ts_ms == b->ts_ms && a->received_ms == b->received_ms &&
	       a->collected_ms == b->collected_ms &&
	       memcmp(a->channel, b->channel, a->channel_count) == 0 &&
	       memcmp(a->value, b->value, a->channel_count * sizeof a->value[0]) == 0;
}

#endif
