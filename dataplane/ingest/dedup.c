/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device tracks: judge, remember, warm. In: readings, at start stored readings. Out: answers.
 * Thread: the stage worker that the device belongs to; before the workers run, the starting one.
 * Memory: 64 bytes a device, touched at start: to clear a large page when a reading touches it is
 * as dear as a hundred readings. Never waits.
 */
#include "ingest/dedup.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/pages.h"
#include "contract/stored.h"
#include "ingest/stage.h"

#define SLOT_DEFAULT_MS 900000 /* where a profile gives no interval: 15 min */
#define AGE_MAX_S       ((1u << 24) - 1)

struct device_track *device_states_new(uint32_t count)
{
	struct device_track_head *head = pages_new((uint64_t)count + 1, sizeof *head);
	if (!head)
		return NULL;
	head->key = hash_key_random();
	return (struct device_track *)(head + 1);
}

void device_states_free(struct device_track *states)
{
	if (states)
		free((struct device_track_head *)states - 1);
}

/* A step that can be undone when the key is known, and only then. Nobody sees a result: all that a
 * meter could gain by two readings that collide is that its own second one, for the same time,
 * counts as a duplicate and not as a conflict. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

uint64_t dedup_hash(struct hash_key key, uint32_t count, const uint8_t *channel,
                    const int64_t *value)
{
	uint64_t ids = 0;
	_Static_assert(READING_CHANNELS <= sizeof ids, "the ids fit one word");

	CHECK_OP(count, <=, (uint32_t)READING_CHANNELS);
	for (uint32_t i = 0; i < count; i++)
		ids = ids << 8 | channel[i];
	uint64_t hash = mix(key.k0, ids);
	for (uint32_t i = 0; i < count; i++)
		hash = mix(hash, (uint64_t)value[i]);
	return mix(hash, key.k1 + count);
}

static int64_t slot_of(int64_t meter_ts_ms, uint32_t slot_ms)
{
	int64_t slot = meter_ts_ms / slot_ms;
	return slot - (meter_ts_ms % slot_ms < 0); /* floor */
}

/* Slots from an identity that is not newer up to the newest. */
static uint64_t slots_back(const struct device_track *t, int64_t meter_ts_ms)
{
	return (uint64_t)slot_of(t->newest_ms, t->slot_ms) -
	       (uint64_t)slot_of(meter_ts_ms, t->slot_ms);
}

enum dedup_answer dedup_judge(const struct device_track *t, struct hash_key key,
                              const struct reading *r)
{
	if (t->slot_ms == 0 || r->meter_ts_ms > t->newest_ms)
		return DEDUP_NEW;
	if (r->meter_ts_ms == t->newest_ms)
		return dedup_hash(key, r->channel_count, r->channel, r->value) == t->value_hash
		           ? DEDUP_DUPLICATE
		           : DEDUP_CONFLICT;
	uint64_t back = slots_back(t, r->meter_ts_ms);
	if (back >= DEDUP_SLOTS || (t->window[back / 64] >> back % 64 & 1))
		return DEDUP_UNSURE;
	return DEDUP_NEW;
}

/* The window's newest slot becomes one that is `by` slots later. */
static void shift_window(struct device_track *t, uint64_t by)
{
	uint64_t old[DEDUP_WORDS];

	memcpy(old, t->window, sizeof old);
	for (uint64_t i = 0; i < DEDUP_WORDS; i++) {
		uint64_t words = by / 64, bits = by % 64, v = 0;
		if (i >= words) {
			v = old[i - words] << bits;
			if (bits != 0 && i > words)
				v |= old[i - words - 1] >> (64 - bits);
		}
		t->window[i] = v;
	}
}

static void accept_identity(struct device_track *t, struct hash_key key,
                            const struct profile *profile, const struct reading *r)
{
	bool first = t->slot_ms == 0;

	if (first)
		t->slot_ms = profile->interval_ms ? profile->interval_ms : SLOT_DEFAULT_MS;
	if (!first && r->meter_ts_ms < t->newest_ms) {
		uint64_t back = slots_back(t, r->meter_ts_ms);
		if (back < DEDUP_SLOTS)
			t->window[back / 64] |= 1ull << back % 64;
		return;
	}
	CHECK(first || r->meter_ts_ms != t->newest_ms); /* one reading per identity */
	if (!first)
		shift_window(t, (uint64_t)slot_of(r->meter_ts_ms, t->slot_ms) -
		                    (uint64_t)slot_of(t->newest_ms, t->slot_ms));
	t->window[0] |= 1;
	t->newest_ms = r->meter_ts_ms;
	t->value_hash = dedup_hash(key, r->channel_count, r->channel, r->value);
}

/* The last effective time moved on by a reading without a register. */
static void age_register(struct device_track *t, int64_t ts_ms)
{
	int64_t age_ms = ts_ms - dedup_register_ts(t);
	int64_t age_s = age_ms / 1000 + (age_ms % 1000 > 0);

	if (age_s > AGE_MAX_S)
		t->register_channel = 0;
	else
		t->register_age_s = (uint32_t)age_s & AGE_MAX_S;
}

static void accept_register(struct device_track *t, const struct reading *r, int index)
{
	if (index >= 0) {
		t->register_value = r->value[index];
		t->register_channel = r->channel[index];
		t->register_age_s = 0;
	} else if (t->register_channel != 0) {
		age_register(t, r->ts_ms);
	}
	t->last_ts_ms = r->ts_ms;
}

void dedup_accept(struct device_track *t, struct hash_key key, const struct profile *profile,
                  const struct reading *r, int register_index, bool newer)
{
	accept_identity(t, key, profile, r);
	if (newer)
		accept_register(t, r, register_index);
}

int dedup_register_index(const struct profile *profile, uint32_t count, const uint8_t *channel)
{
	if (profile->register_slot < 0)
		return -1;
	uint8_t id = profile->channels[profile->register_slot].channel;
	for (uint32_t i = 0; i < count; i++)
		if (channel[i] == id)
			return (int)i;
	return -1;
}

static int stored_register_index(const struct profile_set *profiles,
                                 const struct stored_reading *r)
{
	const struct profile *profile = profiles->by_id[r->profile];
	return profile ? dedup_register_index(profile, r->channel_count, r->channel) : -1;
}

bool stored_has_register(const struct profile_set *profiles, const struct stored_reading *r)
{
	return stored_register_index(profiles, r) >= 0;
}

static void warm_register(struct device_track *t, const struct stored_reading *r, int index,
                          int64_t last_ts_ms)
{
	t->register_channel = r->channel[index];
	t->register_value = r->value[index];
	t->last_ts_ms = r->ts_ms;
	if (last_ts_ms > r->ts_ms)
		age_register(t, last_ts_ms);
	t->last_ts_ms = last_ts_ms;
}

void device_state_warm(struct device_track *states, const struct profile_set *profiles,
                       const struct stored_reading *newest,
                       const struct stored_reading *with_register)
{
	struct device_track *t = &states[newest->device];
	const struct profile *profile = profiles->by_id[newest->profile];

	memset(t, 0, sizeof *t);
	memset(t->window, 0xff, sizeof t->window); /* nothing is known to be free */
	t->slot_ms = profile && profile->interval_ms ? profile->interval_ms : SLOT_DEFAULT_MS;
	t->newest_ms = newest->meter_ts_ms;
	t->last_ts_ms = newest->ts_ms;
	t->value_hash =
	    dedup_hash(dedup_key(states), newest->channel_count, newest->channel, newest->value);
	const struct stored_reading *r = newest;
	int i = stored_register_index(profiles, r);
	if (i < 0 && with_register) {
		r = with_register;
		i = stored_register_index(profiles, r);
	}
	if (i >= 0)
		warm_register(t, r, i, newest->ts_ms);
}
