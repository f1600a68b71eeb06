/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meters that a seed makes: what each would have sent in every interval, and what became of it on
 * its way. Pure functions of (seed, meter, interval) but for the state of struct meter, which moves
 * from interval to interval.
 *
 * Most readings arrive on time. Of the others, by day and meter:
 *
 *   lost, briefly       1 to 7 readings: up to two hours without values
 *   lost, for longer    9 to 40 readings
 *   lost, for days      150 to 350 readings of every 37th meter: too few for a bill
 *   late                4 to 90 readings come together, up to a day later
 *   too late            3 readings come after more than two days: the error queue has them
 *
 * and some come twice, at once or an hour later, some again with another value, and some with a
 * clock that is a quarter of an hour off. Every ninth meter's register rolls over.
 *
 * Thread: one. Memory: the caller's.
 */
#ifndef HEADRACE_TESTS_YEAR_METER_H
#define HEADRACE_TESTS_YEAR_METER_H

#include <stdbool.h>
#include <stdint.h>

#define METER_INTERVAL_MS_MIN 900000u
#define METER_HELD_MAX    96u
#define METER_SENT_MAX    8u /* remembered, to be sent again */
/* Of one interval: a held run, the reading, what is sent again. */
#define METER_OUT_MAX     (METER_HELD_MAX + 4u)

/* What a meter hands to the network. */
struct meter_message {
	int64_t meter_ts_ms, received_ms, collected_ms;
	int64_t energy_mwh; /* of its register */
	int64_t power_mw;   /* -1: it sends none */
};

struct meter {
	uint32_t number;
	int64_t interval_ms; /* METER_INTERVAL_MS_MIN or more, a part of a day */
	int32_t day_intervals;
	uint8_t dials;      /* of its register, kWh */
	int32_t offset_ms;  /* its clock's, small */
	bool sends_power;
	int64_t total_mwh;  /* what it has counted since it was made */
	int64_t modulus_mwh;
	int64_t busy_end;   /* the interval at which the run of trouble under way is over */
	int64_t lost_end;   /* lost before it */
	int64_t held_end;   /* held back before it ... */
	int64_t held_due;   /* ... and sent at it */
	uint32_t held_count;
	struct meter_message held[METER_HELD_MAX];
	struct meter_message sent[METER_SENT_MAX];
	uint32_t sent_count;
};

void meter_init(struct meter *m, uint64_t seed, uint32_t number, uint32_t interval_ms);

/* The next interval, which ends at start_ms + (interval + 1) * interval_ms. Returns how many
 * messages arrive with it. */
uint32_t meter_step(struct meter *m, uint64_t seed, int64_t start_ms, int64_t interval,
                    struct meter_message out[METER_OUT_MAX]);

#endif
