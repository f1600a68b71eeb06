/* SPDX-License-Identifier: Apache-2.0 */
/* The run: finds what was added, keeps the first of equals, sorts by device. */
#include "tests/unit/journal/test_common.h"

#include <stdlib.h>
#include <string.h>

#include "storage/store/keys.h"
#include "storage/store/run.h"
#include "tests/unit/journal/batch_make.h"

#define COUNT 20000u

static struct stored_reading *fill(struct run *run, uint32_t count)
{
	struct make m = {.random = 5, .devices = 3000, .now_ms = 1750000000000};
	struct stored_reading *all = calloc(count, sizeof *all);
	for (uint32_t i = 0; i < count; i += 20) {
		for (uint32_t k = 0; k < 20; k++) {
			struct reading r;
			make_reading(&m, &r);
			r.meter_ts_ms += i + k; /* all different */
			all[i + k] = make_expected(&r);
		}
		assert_true(run_add(run, all + i, 20));
	}
	return all;
}

static void everything_added_is_found(void **state)
{
	(void)state;
	struct run run;
	assert_true(run_init(&run));
	struct stored_reading *all = fill(&run, COUNT);
	assert_int_equal(run.count, COUNT);
	for (uint32_t i = 0; i < COUNT; i++) {
		const struct stored_reading *r = run_find(&run, all[i].device, all[i].meter_ts_ms);
		assert_non_null(r);
		assert_true(make_same(r, &all[i]));
	}
	assert_null(run_find(&run, all[0].device, 17));
	assert_null(run_find(&run, 77777777, all[0].meter_ts_ms));
	run_clear(&run);
	assert_null(run_find(&run, all[0].device, all[0].meter_ts_ms));
	assert_null(run_device(&run, all[0].device));
	free(all);
	run_fini(&run);
}

static void first_of_equal_identities_stays(void **state)
{
	(void)state;
	struct run run;
	assert_true(run_init(&run));
	struct stored_reading r[2] = {{.device = 4, .meter_ts_ms = 9, .flags = 1},
	                              {.device = 4, .meter_ts_ms = 9, .flags = 2}};
	assert_true(run_add(&run, r, 2));
	assert_int_equal(run.count, 1);
	assert_int_equal(run_find(&run, 4, 9)->flags, 1);
	run_fini(&run);
}

static void sorted_rows_are_by_device_and_arrival(void **state)
{
	(void)state;
	struct run run;
	assert_true(run_init(&run));
	free(fill(&run, COUNT));
	struct stored_reading edges[3] = {{.device = 1, .meter_ts_ms = INT64_MAX},
	                                  {.device = 2, .meter_ts_ms = INT64_MIN},
	                                  {.device = UINT32_MAX - 1, .meter_ts_ms = -1}};
	assert_true(run_add(&run, edges, 3));
	struct run_place *place = run_by_device(&run);
	assert_non_null(place);
	bool seen[COUNT + 3] = {false};
	for (uint32_t i = 0; i < run.count; i++) {
		assert_int_equal(place[i].device, run.row[place[i].row].device);
		assert_false(seen[place[i].row]);
		seen[place[i].row] = true;
		assert_true(i == 0 || place[i - 1].device < place[i].device ||
		            (place[i - 1].device == place[i].device &&
		             place[i - 1].row < place[i].row));
	}
	free(place);
	run_fini(&run);
}

static void each_device_has_its_newest_and_its_chain(void **state)
{
	(void)state;
	struct run run;
	assert_true(run_init(&run));
	struct stored_reading *all = fill(&run, COUNT);
	uint32_t chained = 0, devices = 0;
	for (uint32_t device = 0; device < 3000; device++) {
		const struct run_device *d = run_device(&run, device);
		devices += d != NULL;
		for (uint32_t k = d ? d->chain : RUN_NONE; k != RUN_NONE; k = run.chain[k]) {
			assert_int_equal(run.row[k].device, device);
			assert_true(run.row[k].meter_ts_ms <= run.row[d->newest].meter_ts_ms);
			chained++;
		}
	}
	assert_int_equal(chained, run.count);
	assert_int_equal(devices, run.device_count);
	free(all);
	run_fini(&run);
}

/* More rows of one device than a chain keeps, some of them late: all are found, none twice. */
static void many_rows_of_one_device_are_found(void **state)
{
	(void)state;
	struct run run;
	assert_true(run_init(&run));
	for (int round = 0; round < 2; round++) {
		for (int64_t i = 0; i < 3000; i++) {
			int64_t ts = i % 7 == 6 ? i - 500 * (i % 3) : i;
			const struct stored_reading r = {.device = 9, .meter_ts_ms = ts * 10,
			                                 .flags = (uint16_t)round};
			assert_true(run_add(&run, &r, 1));
			assert_non_null(run_find(&run, 9, ts * 10));
			assert_int_equal(run_find(&run, 9, ts * 10)->flags, 0);
			assert_null(run_find(&run, 9, ts * 10 + 5));
		}
	}
	bool seen[4200] = {false};
	for (uint32_t i = 0; i < run.count; i++) {
		int64_t at = run.row[i].meter_ts_ms / 10 + 1100;
		assert_false(seen[at]);
		seen[at] = true;
	}
	run_fini(&run);
}

static void errors_keep_number_and_bytes(void **state)
{
	(void)state;
	struct run run;
	uint8_t body[300];
	assert_true(run_init(&run));
	for (uint32_t i = 0; i < 2000; i++) {
		memset(body, (int)i, sizeof body);
		assert_true(run_add_error(&run, 1000 + i, body, i % 300));
	}
	assert_int_equal(run.error_count, 2000);
	for (uint32_t i = 0; i < 2000; i++) {
		assert_int_equal(run.error[i].number, 1000 + i);
		assert_int_equal(run.error[i].bytes, i % 300);
		if (i % 300 > 0)
			assert_int_equal(run.error_bytes[run.error[i].offset + i % 300 - 1],
			                 (uint8_t)i);
	}
	run_fini(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(everything_added_is_found),
	    cmocka_unit_test(first_of_equal_identities_stays),
	    cmocka_unit_test(sorted_rows_are_by_device_and_arrival),
	    cmocka_unit_test(each_device_has_its_newest_and_its_chain),
	    cmocka_unit_test(many_rows_of_one_device_are_found),
	    cmocka_unit_test(errors_keep_number_and_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
