/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timer wheel against a list of deadlines. Bytes come in fours: what to do, which timer, and
 * a time as mantissa and exponent.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/wheel.h"

#define TIMERS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct model {
	struct wheel wheel;
	struct wheel_node nodes[TIMERS];
	uint64_t deadline_us[TIMERS]; /* UINT64_MAX: off */
	uint64_t now_us, tick_us;
};

static void expired(void *context, uint32_t index)
{
	struct model *m = context;
	CHECK_OP(index, <, (uint32_t)TIMERS);
	CHECK(m->deadline_us[index] <= m->now_us);
	m->deadline_us[index] = UINT64_MAX;
}

static void check(const struct model *m, bool all_due_are_done)
{
	uint32_t armed = 0;
	uint64_t earliest = UINT64_MAX;
	for (uint32_t i = 0; i < TIMERS; i++) {
		CHECK_OP(wheel_is_armed(&m->nodes[i]), ==, m->deadline_us[i] != UINT64_MAX);
		armed += m->deadline_us[i] != UINT64_MAX;
		if (m->deadline_us[i] < earliest)
			earliest = m->deadline_us[i];
	}
	CHECK_OP(armed, ==, m->wheel.armed);
	if (armed == 0) {
		CHECK(wheel_next_us(&m->wheel) == UINT64_MAX);
		return;
	}
	uint64_t latest = earliest > m->now_us ? earliest : m->now_us;
	CHECK(wheel_next_us(&m->wheel) <= latest + m->tick_us);
	if (all_due_are_done)
		CHECK(earliest + m->tick_us > m->now_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 1)
		return 0;
	static struct model m;
	uint32_t shift = data[0] % 13;
	m.now_us = (1ull << (32 + shift)) - (1ull << 24);
	m.tick_us = 1ull << shift;
	wheel_init(&m.wheel, m.nodes, sizeof m.nodes[0], shift, m.now_us);
	for (uint32_t i = 0; i < TIMERS; i++) {
		wheel_node_init(&m.nodes[i]);
		m.deadline_us[i] = UINT64_MAX;
	}
	for (size_t at = 1; at + 3 < bytes; at += 4) {
		uint32_t timer = data[at + 1] % TIMERS;
		uint64_t wait = (uint64_t)data[at + 2] << data[at + 3] % 32;
		uint64_t horizon;
		bool done = false;
		switch (data[at] % 4) {
		case 0:
		case 1:
			wheel_arm(&m.wheel, timer, m.now_us + wait);
			m.deadline_us[timer] = m.now_us + wait;
			/* one beyond the horizon fires there */
			horizon = (m.wheel.tick + WHEEL_HORIZON_TICKS) << shift;
			if (m.deadline_us[timer] > horizon)
				m.deadline_us[timer] = horizon;
			break;
		case 2:
			wheel_cancel(&m.wheel, timer);
			m.deadline_us[timer] = UINT64_MAX;
			break;
		default: {
			m.now_us += wait;
			uint32_t budget = 1 + data[at + 1];
			done = wheel_expire(&m.wheel, m.now_us, budget, expired, &m) < budget;
		}
		}
		check(&m, done);
	}
	return 0;
}
