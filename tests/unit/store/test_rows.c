/* SPDX-License-Identifier: Apache-2.0 */
/* Ordering of rows: sorted, stable, the first of equals stays, or the newest of a device. */
#include "tests/unit/journal/test_common.h"

#include <stdlib.h>

#include "storage/store/page.h"
#include "tests/unit/journal/batch_make.h"

static void add(struct rows *rows, uint32_t device, int64_t ts, int64_t value)
{
	struct stored_reading r = {.device = device, .meter_ts_ms = ts, .channel_count = 1};
	r.value[0] = value;
	assert_true(rows_add(rows, &r));
}

static void empty_list_is_ordered(void **state)
{
	(void)state;
	struct rows rows = {0};
	assert_true(rows_order(&rows, KEEP_ALL));
	assert_int_equal(rows.order_count, 0);
}

static void random_rows_are_sorted_and_first_of_equals_stays(void **state)
{
	(void)state;
	struct make m = {.random = 11};
	for (uint32_t count = 1; count < 3000; count = count * 2 + 1) {
		struct rows rows = {0};
		for (uint32_t i = 0; i < count; i++)
			add(&rows, (uint32_t)make_below(&m, 10), (int64_t)make_below(&m, count), i);
		assert_true(rows_order(&rows, KEEP_ALL));
		for (uint32_t i = 0; i < rows.order_count; i++) {
			const struct stored_reading *r = rows.order[i];
			if (i > 0) {
				const struct stored_reading *b = rows.order[i - 1];
				assert_true(b->device < r->device ||
				            (b->device == r->device &&
				             b->meter_ts_ms < r->meter_ts_ms));
			}
			for (uint32_t k = 0; k < (uint32_t)r->value[0]; k++)
				assert_false(rows.row[k].device == r->device &&
				             rows.row[k].meter_ts_ms == r->meter_ts_ms);
		}
		rows_fini(&rows);
	}
}

static void newest_of_each_device_is_kept(void **state)
{
	(void)state;
	struct rows rows = {0};
	add(&rows, 2, 50, 1);
	add(&rows, 1, 10, 2);
	add(&rows, 2, 70, 3);
	add(&rows, 1, 5, 4);
	add(&rows, 2, 70, 5);
	assert_true(rows_order(&rows, KEEP_NEWEST));
	assert_int_equal(rows.order_count, 2);
	assert_int_equal(rows.order[0]->value[0], 2);
	assert_int_equal(rows.order[1]->value[0], 3);
	rows_fini(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(empty_list_is_ordered),
	    cmocka_unit_test(random_rows_are_sorted_and_first_of_equals_stays),
	    cmocka_unit_test(newest_of_each_device_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
