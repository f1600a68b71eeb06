/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store applies, as far as health is concerned: when each meter was heard last, how its
 * clock and flags are, and the occurrences that must not be missed.
 *
 * Filled by the thread that applies the journal's blocks to the store (store.h's watch): every
 * durable reading and error entry passes, also those replayed at start, and no worker has anything
 * to do for it. A reading costs it one load and one store of 8 bytes:
 *
 *   | heard, s since 1970, 4 | drift, s, 2 | profile, 1 | FEED_* flags, 1 |
 *
 * Threads: one that feeds, one that takes occurrences; any may look. Memory: 8 bytes a device, and
 * a bounded queue of occurrences; what finds no room there is counted. Never reads a clock.
 */
#ifndef HEADRACE_EVENTS_FEED_H
#define HEADRACE_EVENTS_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/stored.h"
#include "control/events/rules.h"

/* How the newest reading left the device. */
enum {
	FEED_TAMPER = 1 << 0,
	FEED_LOW_BATTERY = 1 << 1,
	FEED_STATUS = 1 << 2,
	FEED_REPLACED = 1 << 3, /* its time was */
	FEED_DRIFT = 1 << 4,    /* refused for its clock since the last accepted one */
	FEED_REGISTER = 1 << 5, /* refused for its register, likewise */
};

struct feed_cell {
	uint32_t heard_s; /* 0: never */
	int16_t drift_s;  /* the meter's time less that of collection; saturates */
	uint8_t profile;  /* 0: none known */
	uint8_t flags;
};

struct feed_note {
	uint32_t device;
	enum event_kind kind;
	int64_t at_ms; /* of receipt */
	int64_t drift_s;
};

struct feed;
struct feed *feed_new(uint32_t devices); /* NULL: no memory */
void feed_free(struct feed *f);

/* Called for what is applied. */
void feed_reading(void *feed, const struct stored_reading *r);
void feed_error(void *feed, const struct stored_error *e);
/* The newest of a device, as the store has it at start. */
void feed_warm(struct feed *f, const struct stored_reading *newest);

struct feed_cell feed_cell(const struct feed *f, uint32_t device);
uint32_t feed_devices(const struct feed *f);

/* At most `max` occurrences, oldest first; returns how many. */
uint32_t feed_take(struct feed *f, struct feed_note *notes, uint32_t max);
/* How many found no room, since the last call. */
uint64_t feed_dropped(struct feed *f);

#endif
