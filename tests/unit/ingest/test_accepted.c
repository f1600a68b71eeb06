/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ingest/accepted.h"

static struct reading reading_of(uint32_t device, int64_t ts, int64_t value)
{
	struct reading r = {.device = device, .meter_ts_ms = ts, .channel_count = 1};
	r.channel[0] = 1;
	r.value[0] = value;
	return r;
}

static void entry_is_found_until_its_barrier(void **state)
{
	struct accepted a;
	struct reading r = reading_of(1, 1000, 5), other = reading_of(1, 1001, 5);

	(void)state;
	assert_true(accepted_init(&a, 64));
	accepted_add(&a, &r, 7);
	const struct accepted_entry *e = accepted_find(&a, &r);
	assert_non_null(e);
	assert_true(e->value[0] == 5);
	assert_null(accepted_find(&a, &other));
	accepted_drop(&a, 6);
	assert_non_null(accepted_find(&a, &r));
	accepted_drop(&a, 7);
	assert_null(accepted_find(&a, &r));
	accepted_fini(&a);
}

static void full_ring_turns_over_without_losing_entries(void **state)
{
	enum { CAPACITY = 96 };
	struct accepted a;

	(void)state;
	assert_true(accepted_init(&a, CAPACITY));
	for (uint32_t n = 0; n < 5000; n++) {
		struct reading r = reading_of(n % 7, n, n);
		if (n >= CAPACITY)
			accepted_drop(&a, n - CAPACITY + 1);
		accepted_add(&a, &r, n + 1);
		for (uint32_t back = 0; back < CAPACITY + 20 && back <= n; back++) {
			struct reading old = reading_of((n - back) % 7, n - back, 0);
			const struct accepted_entry *e = accepted_find(&a, &old);
			if (back < CAPACITY) {
				assert_non_null(e);
				assert_true(e->value[0] == (int64_t)(n - back));
			} else {
				assert_null(e);
			}
		}
	}
	accepted_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(entry_is_found_until_its_barrier),
	    cmocka_unit_test(full_ring_turns_over_without_losing_entries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
