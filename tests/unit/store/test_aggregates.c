/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregates and retention in the store: late readings correct what was computed, a killed process
 * goes on exactly, retention takes whole days and counts them.
 */
#include "tests/unit/journal/test_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/journal/record.h"
#include "storage/keeper.h"
#include "storage/store/store.h"
#include "tests/unit/store/temp_dir.h"
#include "tests/unit/store/test_calendar.h"

#define DAY     86400000ll
#define HOUR    3600000ll
#define TODAY   20300
#define DEVICES 70u /* two pages */

static const struct profile profile = {.id = 1, .register_slot = 0, .channels = {{.channel = 11}},
                                       .interval_ms = 900000};
static const struct profile_set set = {.by_id = {NULL, &profile}};
static const struct channel_catalogue channels;
static struct aggregate_rules rules = {
    .profiles = &set, .channels = &channels, .zone = "Test/One", .day_of = test_day_of,
    .day_start_ms = test_day_start_ms, .month_of = test_month_of,
    .month_first_day = test_month_first_day};

struct fixture {
	char dir[256], store_dir[300];
	struct store *store;
	struct batch *batch;
	struct fate_totals totals;
	uint64_t blocks;
};

static bool has_register(void *context, const struct stored_reading *r)
{
	(void)context;
	return aggregate_register(&rules, r) >= 0;
}

static enum result open_store(struct fixture *f, struct error *err)
{
	const struct store_config config = {
	    .dir = f->store_dir, .run_readings_max = 100000, .run_age_ms = 60000,
	    .cache_bytes = 8 << 20, .background_threads = 2, .has_register = has_register,
	    .aggregates = &rules};
	return store_open(&config, &f->store, err);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct error err;
	temp_dir_make(f->dir);
	snprintf(f->store_dir, sizeof f->store_dir, "%s/store", f->dir);
	f->batch = aligned_alloc(64, (sizeof *f->batch + 63) / 64 * 64);
	assert_ok(open_store(f, &err), err);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	if (f->store)
		store_close(f->store);
	temp_dir_remove(f->dir);
	free(f->batch);
	free(f);
	return 0;
}

/* One reading in a block of its own. */
static void take(struct fixture *f, uint32_t device, int64_t ts_ms, int64_t value)
{
	static uint8_t records[4096];
	struct error err;
	batch_reset(f->batch);
	f->batch->count = 1;
	f->batch->readings[0] = (struct reading){
	    .device = device, .meter_ts_ms = ts_ms, .ts_ms = ts_ms, .received_ms = ts_ms + 100,
	    .profile = 1, .channel_count = 1, .channel = {11}, .value = {value},
	    .fate = FATE_STORED, .ticket = TICKET_NONE};
	uint8_t *end = record_put(records, f->batch, 0);
	f->totals.count[FATE_STORED]++;
	const struct journal_block block = {
	    .number = ++f->blocks, .epoch = 1, .totals = f->totals, .record_count = 1,
	    .record_bytes = (uint32_t)(end - records), .records = records};
	assert_ok(store_apply(f->store, &block, &err), err);
}

static void write_run(struct fixture *f)
{
	struct error err;
	assert_ok(store_write_run(f->store, true, &err), err);
}

static unsigned roll_up(struct fixture *f)
{
	struct error err;
	enum result r;
	unsigned count = 0;
	while ((r = store_rollup(f->store, INT64_MAX, &err)) == RESULT_OK)
		count++;
	assert_int_equal(r, RESULT_ABSENT);
	return count;
}

struct periods {
	struct aggregate a[100];
	uint32_t count;
};

static bool collect(void *context, const struct aggregate *a)
{
	struct periods *p = context;
	p->a[p->count++] = *a;
	return true;
}

static struct periods ask(struct fixture *f, uint32_t device, enum aggregate_level level)
{
	struct periods p = {.count = 0};
	struct error err;
	assert_ok(store_aggregates(f->store, device, level, 0, INT64_MAX, collect, &p, &err), err);
	return p;
}

static void late_reading_corrects_itself_and_the_step_behind_it(void **state)
{
	struct fixture *f = *state;
	int64_t t = test_day_start_ms(NULL, TODAY - 9);
	take(f, 3, t + HOUR, 1000);
	take(f, 3, t + 7 * DAY + HOUR, 8000);
	write_run(f);
	assert_true(roll_up(f) > 0);
	assert_int_equal(roll_up(f), 0);
	struct periods days = ask(f, 3, AGGREGATE_DAY);
	assert_int_equal(days.count, 2);
	assert_int_equal(days.a[0].flags & AGGREGATE_F_ENERGY, 0);
	assert_true(days.a[1].energy == 7000);

	take(f, 3, t + 2 * DAY + HOUR, 3000); /* late: seen at once, from the run */
	for (int round = 0; round < 3; round++) {
		days = ask(f, 3, AGGREGATE_DAY);
		assert_int_equal(days.count, 3);
		assert_true(days.a[1].energy == 2000 && days.a[2].energy == 5000);
		if (round == 0)
			write_run(f); /* then from its mark */
		if (round == 1)
			assert_true(roll_up(f) > 0); /* then as kept */
	}
	struct periods months = ask(f, 3, AGGREGATE_MONTH);
	int64_t sum = 0;
	for (uint32_t i = 0; i < months.count; i++)
		sum += months.a[i].energy;
	assert_true(sum == 7000);
}

static void other_devices_of_the_page_stay_as_they_are(void **state)
{
	struct fixture *f = *state;
	int64_t t = test_day_start_ms(NULL, TODAY - 2);
	for (uint32_t d = 0; d < DEVICES; d++) {
		for (int64_t i = 0; i <= 8; i++)
			take(f, d, t + i * HOUR, (int64_t)d * 1000 + i * (d + 1));
	}
	write_run(f);
	roll_up(f);
	take(f, 5, t + 4 * HOUR + 1, 5000 + 4 * 6 + 1);
	write_run(f);
	assert_int_equal(roll_up(f), 1);
	for (uint32_t d = 0; d < DEVICES; d++) {
		struct periods hours = ask(f, d, AGGREGATE_HOUR);
		assert_int_equal(hours.count, 9); /* the first is the hour before midnight's end */
		for (uint32_t i = 1; i < 9; i++)
			assert_true(hours.a[i].energy == d + 1);
		assert_int_equal(hours.a[5].readings, d == 5 ? 2 : 1);
	}
}

/* A UTC day in which a local month ends and the next begins: both months are computed at once. */
static void month_that_ends_within_a_utc_day_has_all_of_its_last_day(void **state)
{
	struct fixture *f = *state;
	int32_t first = test_month_first_day(NULL, test_month_of(NULL, TODAY));
	int64_t midnight = test_day_start_ms(NULL, first);
	take(f, 1, midnight - 10 * HOUR, 100);
	write_run(f);
	roll_up(f);
	take(f, 1, midnight - HOUR, 130);
	take(f, 1, midnight + HOUR, 170);
	write_run(f);
	assert_int_equal(roll_up(f), 1);
	struct periods months = ask(f, 1, AGGREGATE_MONTH);
	assert_int_equal(months.count, 2);
	assert_int_equal(months.a[0].readings, 2);
	assert_true(months.a[0].energy == 30);
	assert_true(months.a[1].energy == 40);
}

static void run_written_during_the_computation_marks_again(void **state)
{
	struct fixture *f = *state;
	int64_t t = test_day_start_ms(NULL, TODAY - 2);
	take(f, 1, t + HOUR, 10);
	write_run(f);
	take(f, 1, t + 2 * HOUR, 30);
	write_run(f);
	assert_int_equal(roll_up(f), 1); /* one mark for both */
	assert_true(ask(f, 1, AGGREGATE_DAY).a[0].energy == 20);
}

#define PAST (TODAY - 4)

/* One life: readings from the first on (what is known already changes nothing), until `last`. */
static int live(struct fixture *f, int64_t last, unsigned round)
{
	struct error err;
	int64_t t = test_day_start_ms(NULL, PAST);
	if (open_store(f, &err) != RESULT_OK)
		return 2;
	for (int64_t i = 0; i <= last; i++) {
		take(f, 2, t + i * 2 * HOUR, i * i * 7);
		if (i % (7 + round) == 6)
			write_run(f);
		if (i % 17 == round && store_flush(f->store, &err) != RESULT_OK)
			return 3;
		if (i % 5 == 4 && round > 2 &&
		    store_rollup(f->store, INT64_MAX, &err) == RESULT_MEDIA)
			return 4;
	}
	return 0; /* the process ends here: nothing is closed */
}

static int check_lives(struct fixture *f)
{
	if (live(f, 95, 0) != 0)
		return 5;
	write_run(f);
	roll_up(f);
	struct periods days = ask(f, 2, AGGREGATE_DAY);
	if (days.count != 9) /* eight, and the reading at the first midnight */
		return 6;
	for (int64_t i = 1; i < 8; i++) { /* from reading (i - 1) * 12 to i * 12 */
		if (days.a[i].energy != 7 * (i * 12 * i * 12 - (i - 1) * 12 * (i - 1) * 12))
			return 7;
	}
	return 0;
}

/* Processes end at any point of writing runs and computing; the last one, after a replay, has the
 * right aggregates. RocksDB's threads do not survive a fork: only children use it here. */
static void ended_processes_go_on_exactly(void **state)
{
	(void)state;
	struct fixture f = {.store = NULL};
	temp_dir_make(f.dir);
	snprintf(f.store_dir, sizeof f.store_dir, "%s/store", f.dir);
	f.batch = aligned_alloc(64, (sizeof *f.batch + 63) / 64 * 64);
	for (unsigned round = 0; round <= 12; round++) {
		int status;
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			_exit(round < 12 ? live(&f, 25 + (int64_t)round * 6, round)
			                 : check_lives(&f));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	temp_dir_remove(f.dir);
	free(f.batch);
}

static bool count_reading(void *context, const struct stored_reading *r)
{
	(void)r;
	++*(uint64_t *)context;
	return true;
}

static void retention_takes_whole_days_and_counts_them(void **state)
{
	struct fixture *f = *state;
	struct error err;
	struct stored_reading got;
	int64_t t = (TODAY - 50) * DAY;
	for (int64_t i = 0; i < 200; i++) {
		for (uint32_t d = 0; d < 3; d++)
			take(f, d * 30, t + i * 6 * HOUR, i * 5);
	}
	assert_ok(store_flush(f->store, &err), err);
	assert_int_equal(store_first_day(f->store), TODAY - 50);
	/* not before its aggregates are made */
	assert_int_equal(store_drop_readings(f->store, TODAY - 45, &err), RESULT_ABSENT);
	roll_up(f);
	struct periods before = ask(f, 30, AGGREGATE_DAY);
	unsigned dropped = 0;
	while (store_drop_readings(f->store, TODAY - 45, &err) == RESULT_OK)
		dropped++;
	assert_int_equal(dropped, 5);
	assert_int_equal(store_first_day(f->store), TODAY - 45);
	assert_int_equal(store_removed(f->store), 5 * 4 * 3);
	assert_int_equal(store_find(f->store, 30, t + 6 * HOUR, &got, &err), RESULT_ABSENT);
	assert_ok(store_find(f->store, 30, t + 5 * DAY, &got, &err), err);
	struct periods after = ask(f, 30, AGGREGATE_DAY);
	assert_int_equal(after.count, before.count);
	for (uint32_t i = 0; i < after.count; i++)
		assert_true(after.a[i].energy == before.a[i].energy);

	store_close(f->store);
	assert_ok(open_store(f, &err), err);
	uint64_t rows = 0;
	assert_ok(store_scan_all(f->store, count_reading, &rows, &err), err);
	assert_int_equal(rows + store_removed(f->store), 600);
	assert_ok(store_merge(f->store, TODAY - 60, TODAY, &err), err);
	rows = 0;
	assert_ok(store_scan_all(f->store, count_reading, &rows, &err), err);
	assert_int_equal(rows, 600 - 60);
}

static void old_hours_and_days_go_and_months_stay(void **state)
{
	struct fixture *f = *state;
	struct error err;
	int64_t t = test_day_start_ms(NULL, TODAY - 90);
	for (int64_t i = 0; i < 180; i++)
		take(f, 4, t + i * 12 * HOUR, i * 5);
	write_run(f);
	roll_up(f);
	uint32_t months = ask(f, 4, AGGREGATE_MONTH).count;
	int32_t month = test_month_of(NULL, TODAY - 40);
	assert_ok(store_drop_aggregates(f->store, AGGREGATE_HOUR, TODAY - 20, &err), err);
	assert_ok(store_drop_aggregates(f->store, AGGREGATE_DAY, month, &err), err);
	assert_int_equal(store_drop_aggregates(f->store, AGGREGATE_DAY, month, &err),
	                 RESULT_ABSENT);
	assert_int_equal(store_first_aggregate(f->store, AGGREGATE_HOUR), TODAY - 20);
	assert_int_equal(store_first_aggregate(f->store, AGGREGATE_DAY), month);
	assert_true(ask(f, 4, AGGREGATE_HOUR).a[0].start_ms >=
	            test_day_start_ms(NULL, TODAY - 20));
	assert_int_equal(ask(f, 4, AGGREGATE_MONTH).count, months);
}

static void cutoffs_follow_the_calendar(void **state)
{
	(void)state;
	struct store_retention keep = {90, 365, 1825};
	struct store_cutoffs c = store_cutoffs_at(&keep, &rules, TODAY * DAY + HOUR);
	assert_true(c.raw_day == TODAY - 90);
	assert_int_equal(c.hour_day, TODAY - 1 - 365); /* it is still yesterday there */
	assert_int_equal(c.day_month, (TODAY - 1 - 1825) / 30);
	keep = (struct store_retention){0};
	c = store_cutoffs_at(&keep, &rules, TODAY * DAY);
	assert_true(c.raw_day == INT64_MIN && c.hour_day == INT32_MIN && c.day_month == INT32_MIN);
}

/* The real thread: a day long past is packed and computed without being asked. */
static void keeper_computes_what_is_closed(void **state)
{
	struct fixture *f = *state;
	struct error err;
	struct store_keeper *k;
	const struct store_retention keep = {0};
	take(f, 6, test_day_start_ms(NULL, TODAY) + HOUR, 10);
	take(f, 6, test_day_start_ms(NULL, TODAY) + 2 * HOUR, 25);
	write_run(f);
	assert_int_equal(store_first_aggregate(f->store, AGGREGATE_MONTH), INT32_MAX);
	assert_ok(store_keeper_start(f->store, &keep, &rules, &k, &err), err);
	for (int i = 0; store_first_aggregate(f->store, AGGREGATE_MONTH) == INT32_MAX; i++) {
		assert_true(i < 20000);
		usleep(1000);
	}
	store_keeper_stop(k);
	assert_int_equal(roll_up(f), 0);
	assert_true(ask(f, 6, AGGREGATE_DAY).a[0].energy == 15);
}

static void other_time_zone_is_refused(void **state)
{
	struct fixture *f = *state;
	struct error err;
	store_close(f->store);
	f->store = NULL;
	rules.zone = "Test/Two";
	enum result r = open_store(f, &err);
	rules.zone = "Test/One";
	assert_int_equal(r, RESULT_INPUT);
	assert_non_null(strstr(err.text, "are those of Test/One"));
	assert_ok(open_store(f, &err), err);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ended_processes_go_on_exactly), /* before RocksDB has threads */
	    CASE(late_reading_corrects_itself_and_the_step_behind_it),
	    CASE(other_devices_of_the_page_stay_as_they_are),
	    CASE(month_that_ends_within_a_utc_day_has_all_of_its_last_day),
	    CASE(run_written_during_the_computation_marks_again),
	    CASE(retention_takes_whole_days_and_counts_them),
	    CASE(old_hours_and_days_go_and_months_stay),
	    CASE(cutoffs_follow_the_calendar),
	    CASE(keeper_computes_what_is_closed),
	    CASE(other_time_zone_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
