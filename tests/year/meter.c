/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/year/meter.h"

#include <string.h>

#define DAY_MS        86400000ll
#define HOUR_MS       3600000ll
#define STEP_MWH      10000 /* a register shows 0.01 kWh */
#define KWH_MWH       1000000ll

/* Three words to one, well mixed (the finisher of SplitMix64). */
static uint64_t mix(uint64_t seed, uint64_t a, uint64_t b)
{
	uint64_t z = seed ^ a * 0x9e3779b97f4a7c15u ^ b * 0xc2b2ae3d27d4eb4fu;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void meter_init(struct meter *m, uint64_t seed, uint32_t number, uint32_t interval_ms)
{
	uint64_t w = mix(seed, number, 0x6d65746572u);
	memset(m, 0, sizeof *m);
	m->number = number;
	m->interval_ms = interval_ms;
	m->day_intervals = (int32_t)(DAY_MS / interval_ms);
	m->dials = 6;
	m->sends_power = number % 2;
	m->total_mwh = (int64_t)(w % 50000) * KWH_MWH;
	if (number % 8 == 3)
		m->offset_ms = (int32_t)(w >> 20 & 63) * 1000 - 32000;
	if (number % 9 == 4) { /* rolls over within weeks */
		m->dials = 5;
		m->total_mwh = (99900 - (int64_t)(w >> 30 & 255)) * KWH_MWH;
	}
	m->modulus_mwh = KWH_MWH;
	for (uint8_t i = 0; i < m->dials; i++)
		m->modulus_mwh *= 10;
	m->total_mwh += (int64_t)(w >> 40 & 1023);
}

/* Mean power of an interval: a base of its own, a day's and a year's shape, appliances. */
static int64_t power_mw(const struct meter *m, int64_t interval, uint64_t w)
{
	static const uint8_t shape[24] = {5, 4, 4, 4, 4, 5, 8, 10, 9, 8, 8, 9,
	                                  10, 9, 8, 8, 9, 11, 14, 15, 14, 12, 9, 6};
	static const uint8_t season[12] = {14, 13, 11, 9, 8, 9, 12, 12, 9, 9, 11, 13};
	int64_t base_mw = 60000 + (int64_t)(m->number * 2654435761u >> 16 & 0xffff);
	int64_t hour = interval % m->day_intervals * m->interval_ms / HOUR_MS;
	int64_t month = interval / m->day_intervals / 31 % 12;
	int64_t power = base_mw * shape[hour] * season[month] / 40 + (int64_t)(w & 0xffff);
	return (w >> 16 & 7) == 0 ? power + 400000 + (int64_t)(w >> 19 & 0x1fffff) : power;
}

/* Trouble that begins in this interval, if any. */
static void begin_trouble(struct meter *m, int64_t interval, uint64_t w)
{
	uint32_t kind = (uint32_t)(w % 100);
	if (interval % m->day_intervals != (int64_t)(w >> 32 & 63) * m->day_intervals / 96 ||
	    interval < m->day_intervals)
		return;
	if (kind < 3) {
		m->lost_end = interval + 1 + (int64_t)(w >> 40) % 7;
	} else if (kind < 5) {
		m->lost_end = interval + 9 + (int64_t)(w >> 40) % 32;
	} else if (kind < 6 && m->number % 37 == 0) {
		m->lost_end = interval + 150 + (int64_t)(w >> 40) % 201;
	} else if (kind >= 10 && kind < 13) {
		m->held_end = interval + 4 + (int64_t)(w >> 40) % 87;
		m->held_due = m->held_end + 1 + (int64_t)(w >> 50) % 90;
	} else if (kind == 13) {
		m->held_end = interval + 3;
		m->held_due = interval + 200 + (int64_t)(w >> 50) % 40;
	}
	m->busy_end = m->held_due > m->lost_end ? m->held_due : m->lost_end;
}

static void remember(struct meter *m, const struct meter_message *message)
{
	m->sent[m->sent_count++ % METER_SENT_MAX] = *message;
}

/* The reading, and what is sent again beside it. */
static uint32_t send_now(struct meter *m, const struct meter_message *message, uint64_t w,
                         struct meter_message *out)
{
	uint32_t count = 0;
	out[count++] = *message;
	if (w >> 40 & 511 && (w >> 40 & 511) <= 5) { /* again at once */
		out[count++] = *message;
	} else if ((w >> 40 & 511) == 6 && m->sent_count >= METER_SENT_MAX) {
		struct meter_message *old = &out[count++]; /* an older one again */
		*old = m->sent[(m->sent_count - 5) % METER_SENT_MAX];
		old->received_ms = message->received_ms + 500;
		old->collected_ms = old->meter_ts_ms + 1000;
	} else if ((w >> 40 & 511) == 7) {
		struct meter_message *other = &out[count++]; /* the same again, but not quite */
		*other = *message;
		other->energy_mwh += STEP_MWH;
	}
	remember(m, message);
	return count;
}

static uint32_t send_held(struct meter *m, int64_t received_ms, struct meter_message *out)
{
	uint32_t count = m->held_count;
	for (uint32_t i = 0; i < count; i++) {
		out[i] = m->held[i];
		out[i].received_ms = received_ms;
	}
	m->held_count = 0;
	return count;
}

uint32_t meter_step(struct meter *m, uint64_t seed, int64_t start_ms, int64_t interval,
                    struct meter_message out[METER_OUT_MAX])
{
	uint64_t w = mix(seed, m->number, (uint64_t)interval);
	int64_t power = power_mw(m, interval, w);
	int64_t end_ms = start_ms + (interval + 1) * m->interval_ms;
	uint32_t count = 0;
	m->total_mwh += power * m->interval_ms / HOUR_MS;
	struct meter_message now = {
	    .meter_ts_ms = end_ms + m->offset_ms,
	    .received_ms = end_ms + 40000 + (int64_t)(w >> 50 & 4095),
	    .energy_mwh = m->total_mwh / STEP_MWH * STEP_MWH % m->modulus_mwh,
	    .power_mw = m->sends_power ? power / 10000 * 10000 : -1,
	};
	now.collected_ms = now.received_ms;
	if (interval >= m->busy_end && m->held_count == 0)
		begin_trouble(m, interval, mix(seed, ~(uint64_t)m->number,
		                               (uint64_t)(interval / m->day_intervals)));
	if (m->held_count > 0 && interval >= m->held_due)
		count = send_held(m, now.received_ms, out);
	if (interval < m->lost_end)
		return count;
	if (interval < m->held_end) {
		now.collected_ms = now.meter_ts_ms + 1000; /* its gateway took it in time */
		m->held[m->held_count++] = now;
		return count;
	}
	if (m->offset_ms == 0 && (w >> 28 & 4095) == 1) { /* a clock that jumped, once */
		now.received_ms = now.collected_ms = end_ms + 20000;
		now.meter_ts_ms = end_ms + 700000;
		out[count++] = now;
		return count;
	}
	return count + send_now(m, &now, w, out + count);
}
