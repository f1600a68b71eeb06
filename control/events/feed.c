/* SPDX-License-Identifier: Apache-2.0 */
#include "control/events/feed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "contract/reading.h"

#define NOTES_MAX 65536u /* a power of two */

struct feed {
	uint32_t devices;
	_Atomic uint64_t *cells;
	pthread_mutex_t lock; /* of the notes */
	struct feed_note *notes;
	uint32_t head, tail; /* never wrap but at 2^32 */
	uint64_t dropped;
};

static uint64_t pack(struct feed_cell c)
{
	return (uint64_t)c.heard_s << 32 | (uint64_t)(uint16_t)c.drift_s << 16 |
	       (uint64_t)c.profile << 8 | c.flags;
}

static struct feed_cell unpack(uint64_t v)
{
	return (struct feed_cell){(uint32_t)(v >> 32), (int16_t)(uint16_t)(v >> 16),
	                          (uint8_t)(v >> 8), (uint8_t)v};
}

struct feed *feed_new(uint32_t devices)
{
	struct feed *f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	pthread_mutex_init(&f->lock, NULL);
	f->devices = devices;
	f->cells = calloc(devices, sizeof f->cells[0]);
	f->notes = calloc(NOTES_MAX, sizeof f->notes[0]);
	if (f->cells && f->notes)
		return f;
	feed_free(f);
	return NULL;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	free(f->cells);
	free(f->notes);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* Only the thread that applies writes cells. */
static struct feed_cell load(const struct feed *f, uint32_t device)
{
	return unpack(atomic_load_explicit(&f->cells[device], memory_order_relaxed));
}

static void save(struct feed *f, uint32_t device, struct feed_cell c)
{
	atomic_store_explicit(&f->cells[device], pack(c), memory_order_relaxed);
}

struct feed_cell feed_cell(const struct feed *f, uint32_t device)
{
	return device < f->devices ? load(f, device) : (struct feed_cell){0};
}

uint32_t feed_devices(const struct feed *f)
{
	return f->devices;
}

static void note(struct feed *f, uint32_t device, enum event_kind kind, int64_t at_ms,
                 int64_t drift_s)
{
	pthread_mutex_lock(&f->lock);
	if (f->tail - f->head < NOTES_MAX)
		f->notes[f->tail++ & (NOTES_MAX - 1)] =
		    (struct feed_note){device, kind, at_ms, drift_s};
	else
		f->dropped++;
	pthread_mutex_unlock(&f->lock);
}

static uint32_t seconds(int64_t ms)
{
	int64_t s = ms / 1000;
	return s < 0 ? 0 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static int16_t saturated(int64_t s)
{
	return s < INT16_MIN ? INT16_MIN : s > INT16_MAX ? INT16_MAX : (int16_t)s;
}

static int64_t drift_of(int64_t meter_ms, int64_t collected_ms)
{
	int64_t drift;
	if (__builtin_sub_overflow(meter_ms, collected_ms, &drift))
		return meter_ms < collected_ms ? INT64_MIN / 1000 : INT64_MAX / 1000;
	return drift / 1000;
}

static uint8_t flags_of(uint16_t flags)
{
	return (uint8_t)((flags & READING_F_TAMPER ? FEED_TAMPER : 0) |
	                 (flags & READING_F_LOW_BATTERY ? FEED_LOW_BATTERY : 0) |
	                 (flags & READING_F_STATUS ? FEED_STATUS : 0) |
	                 (flags & READING_F_TS_REPLACED ? FEED_REPLACED : 0));
}

static void note_flags(struct feed *f, const struct stored_reading *r, uint8_t flags,
                       int64_t drift_s)
{
	static const struct {
		uint8_t flag;
		enum event_kind kind;
	} kinds[] = {{FEED_TAMPER, EVENT_TAMPER},
	             {FEED_LOW_BATTERY, EVENT_LOW_BATTERY},
	             {FEED_STATUS, EVENT_METER_STATUS},
	             {FEED_REPLACED, EVENT_CLOCK_REPLACED}};
	for (uint32_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (flags & kinds[i].flag)
			note(f, r->device, kinds[i].kind, r->received_ms, drift_s);
}

void feed_reading(void *feed, const struct stored_reading *r)
{
	struct feed *f = feed;
	if (r->device >= f->devices)
		return;
	struct feed_cell c = load(f, r->device);
	uint32_t heard = seconds(r->received_ms);
	uint8_t flags = flags_of(r->flags);
	int64_t drift_s = drift_of(r->meter_ts_ms, r->collected_ms);
	bool replayed = r->flags >> READING_PROTOCOL_SHIFT == PROTOCOL_REPLAY;
	if (flags)
		note_flags(f, r, flags, drift_s);
	/* what came late, or by an operator, says nothing of now */
	if (r->flags & READING_F_LATE || replayed || heard < c.heard_s) {
		if (heard <= c.heard_s || replayed)
			return;
		c.heard_s = heard;
	} else {
		c = (struct feed_cell){heard, saturated(drift_s), r->profile, flags};
	}
	save(f, r->device, c);
}

void feed_error(void *feed, const struct stored_error *e)
{
	struct feed *f = feed;
	if (e->device >= f->devices || e->protocol == PROTOCOL_REPLAY)
		return;
	struct feed_cell c = load(f, e->device);
	int64_t drift_s = drift_of(e->meter_ts_ms, e->received_ms);
	uint32_t heard = seconds(e->received_ms);
	c.heard_s = heard > c.heard_s ? heard : c.heard_s;
	c.profile = e->profile ? e->profile : c.profile;
	if (e->fate == FATE_REJECT_CLOCK_DRIFT) {
		c.flags |= FEED_DRIFT;
		c.drift_s = saturated(drift_s);
		note(f, e->device, EVENT_CLOCK_DRIFT, e->received_ms, drift_s);
	} else if (e->fate == FATE_REJECT_SEQUENCE) {
		c.flags |= FEED_REGISTER;
		note(f, e->device, EVENT_REGISTER_DECREASED, e->received_ms, drift_s);
	} else if (e->fate == FATE_CONFLICT) {
		note(f, e->device, EVENT_CONFLICT, e->received_ms, drift_s);
	}
	save(f, e->device, c);
}

/* What was replayed from the journal before is newer. */
void feed_warm(struct feed *f, const struct stored_reading *r)
{
	if (r->device >= f->devices || seconds(r->received_ms) < load(f, r->device).heard_s)
		return;
	uint8_t kept = load(f, r->device).flags & (FEED_DRIFT | FEED_REGISTER);
	int64_t drift_s = drift_of(r->meter_ts_ms, r->collected_ms);
	save(f, r->device,
	     (struct feed_cell){seconds(r->received_ms), saturated(drift_s), r->profile,
	                        (uint8_t)(flags_of(r->flags) | kept)});
}

uint32_t feed_take(struct feed *f, struct feed_note *notes, uint32_t max)
{
	uint32_t count = 0;
	pthread_mutex_lock(&f->lock);
	for (; count < max && f->head != f->tail; count++)
		notes[count] = f->notes[f->head++ & (NOTES_MAX - 1)];
	pthread_mutex_unlock(&f->lock);
	return count;
}

uint64_t feed_dropped(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	uint64_t dropped = f->dropped;
	f->dropped = 0;
	pthread_mutex_unlock(&f->lock);
	return dropped;
}
