/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store against a model in memory: random blocks, runs, flushes, reopenings and replays;
 * every way of reading must agree with the model at any moment.
 *
 * The seed is in HEADRACE_SEED (default 1); a failure names it.
 */
#include "tests/unit/journal/test_common.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/journal/record.h"
#include "storage/store/store.h"
#include "tests/unit/journal/batch_make.h"
#include "tests/unit/store/test_calendar.h"
#include "tests/unit/store/temp_dir.h"

#define ROWS_MAX   20000u
#define BLOCKS_MAX 2000u
#define BLOCK_ROOM (128u * 1024u)

/* Readings of profile 1 have a register in front, of profile 2 behind it, of profile 3 none. */
static const struct profile profiles[4] = {
    {0},
    {.id = 1, .register_slot = 0, .channels = {{.channel = 11}}, .interval_ms = 900000,
     .dials = 6, .register_kwh_pow10 = 3},
    {.id = 2, .register_slot = 0, .channels = {{.channel = 22}}, .interval_ms = 3600000},
    {.id = 3, .register_slot = -1}};
static const struct profile_set set = {
    .by_id = {NULL, &profiles[1], &profiles[2], &profiles[3]}};
static const struct channel_catalogue channels = {
    .by_id = {[12] = {.id = 12, .kind = CHANNEL_DEMAND}}};
static const struct aggregate_rules rules = {
    .profiles = &set, .channels = &channels, .zone = "test", .day_of = test_day_of,
    .day_start_ms = test_day_start_ms, .month_of = test_month_of,
    .month_first_day = test_month_first_day};

struct kept_block {
	uint8_t *records;
	uint32_t bytes, count;
	struct fate_totals totals;
};

struct model {
	char dir[256];
	uint64_t seed;
	struct store *store;
	struct make make;
	struct batch *batch;
	struct stored_reading *row; /* sorted by (device, meter_ts) when asked */
	uint32_t rows;
	uint64_t errors;
	uint64_t *error_number;
	struct kept_block block[BLOCKS_MAX];
	uint64_t blocks; /* numbers 1..blocks exist */
	uint64_t applied;
	struct fate_totals totals;
};

static bool has_register(void *context, const struct stored_reading *r)
{
	(void)context;
	return aggregate_register(&rules, r) >= 0;
}

static void open_store(struct model *m)
{
	struct error err;
	char dir[300];
	snprintf(dir, sizeof dir, "%s/store", m->dir);
	const struct store_config config = {
	    .dir = dir, .run_readings_max = 300, .run_age_ms = 60000, .cache_bytes = 8 << 20,
	    .background_threads = 2, .has_register = has_register,
	    .aggregates = &rules};
	assert_ok(store_open(&config, &m->store, &err), err);
}

static int setup(void **state)
{
	struct model *m = calloc(1, sizeof *m);
	const char *seed = getenv("HEADRACE_SEED");
	m->seed = seed ? strtoull(seed, NULL, 0) : 1;
	temp_dir_make(m->dir);
	m->batch = aligned_alloc(64, (sizeof *m->batch + 63) / 64 * 64);
	m->row = calloc(ROWS_MAX, sizeof m->row[0]);
	m->error_number = calloc(ROWS_MAX, sizeof m->error_number[0]);
	m->make = (struct make){.random = m->seed, .devices = 60, .now_ms = 1750000000000};
	open_store(m);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct model *m = *state;
	if (m->store)
		store_close(m->store);
	for (uint64_t i = 0; i < BLOCKS_MAX; i++)
		free(m->block[i].records);
	temp_dir_remove(m->dir);
	free(m->batch);
	free(m->row);
	free(m->error_number);
	free(m);
	return 0;
}

static bool model_has(const struct model *m, uint32_t device, int64_t ts)
{
	for (uint32_t i = 0; i < m->rows; i++) {
		if (m->row[i].device == device && m->row[i].meter_ts_ms == ts)
			return true;
	}
	return false;
}

/* Write down a batch as the journal would, and remember what the store must have of it. */
static void make_block(struct model *m)
{
	struct kept_block *b = &m->block[++m->blocks];
	uint8_t *end = b->records = malloc(BLOCK_ROOM);
	make_batch(&m->make, m->batch, (uint32_t)make_below(&m->make, BATCH_READINGS + 1));
	for (uint32_t i = 0; i < m->batch->count; i++) {
		struct reading *r = &m->batch->readings[i];
		/* identities at a rhythm, so that devices meet again */
		r->meter_ts_ms -= r->meter_ts_ms % 60000;
		if (r->fate == FATE_STORED && model_has(m, r->device, r->meter_ts_ms))
			r->fate = FATE_DUPLICATE;
		uint8_t *next = record_put(end, m->batch, i);
		if (r->fate == FATE_STORED)
			m->row[m->rows++] = make_expected(r);
		if (fate_is_error(r->fate))
			m->error_number[m->errors++] = m->blocks << 20 | b->count;
		b->count += next != end;
		end = next;
		m->totals.count[r->fate] += r->fate != FATE_PENDING;
	}
	b->bytes = (uint32_t)(end - b->records);
	b->totals = m->totals;
}

static void apply(struct model *m, uint64_t number)
{
	struct error err;
	const struct kept_block *b = &m->block[number];
	const struct journal_block block = {
	    .number = number, .epoch = 1, .totals = b->totals, .record_count = b->count,
	    .record_bytes = b->bytes, .records = b->records};
	assert_ok(store_apply(m->store, &block, &err), err);
	if (number > m->applied)
		m->applied = number;
	assert_int_equal(store_applied_block(m->store), m->applied);
}

static int by_identity(const void *a, const void *b)
{
	const struct stored_reading *x = a, *y = b;
	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return x->meter_ts_ms < y->meter_ts_ms ? -1 : x->meter_ts_ms > y->meter_ts_ms;
}

static int by_ts(const void *a, const void *b)
{
	const struct stored_reading *x = a, *y = b;
	if (x->ts_ms != y->ts_ms)
		return x->ts_ms < y->ts_ms ? -1 : 1;
	return x->meter_ts_ms < y->meter_ts_ms ? -1 : x->meter_ts_ms > y->meter_ts_ms;
}

struct collected {
	struct stored_reading *row;
	uint32_t count, limit;
};

static bool collect(void *context, const struct stored_reading *r)
{
	struct collected *c = context;
	c->row[c->count++] = *r;
	return c->count < c->limit;
}

static struct collected collected_new(uint32_t limit)
{
	return (struct collected){calloc(ROWS_MAX, sizeof(struct stored_reading)), 0, limit};
}

static void check_find(struct model *m)
{
	struct error err;
	struct stored_reading got;
	for (uint32_t i = 0; m->rows > 0 && i < 20; i++) {
		const struct stored_reading *r = &m->row[make_below(&m->make, m->rows)];
		assert_ok(store_find(m->store, r->device, r->meter_ts_ms, &got, &err), err);
		assert_true(make_same(&got, r));
		assert_int_equal(store_find(m->store, r->device, r->meter_ts_ms + 1, &got, &err),
		                 RESULT_ABSENT);
	}
	assert_int_equal(store_find(m->store, 1000000, 5, &got, &err), RESULT_ABSENT);
}

struct last_seen {
	const struct model *m;
	struct collected *newest;
};

static bool check_register(void *context, const struct stored_reading *newest,
                           const struct stored_reading *with_register)
{
	const struct last_seen *seen = context;
	const struct stored_reading *expected = NULL;
	for (uint32_t i = 0; i < seen->m->rows; i++) { /* sorted */
		const struct stored_reading *r = &seen->m->row[i];
		if (r->device == newest->device && has_register(NULL, r))
			expected = r;
	}
	if (has_register(NULL, newest))
		expected = NULL; /* says it itself */
	assert_int_equal(with_register != NULL, expected != NULL);
	assert_true(!expected || make_same(with_register, expected));
	return collect(seen->newest, newest);
}

static void check_last(struct model *m)
{
	struct error err;
	struct collected c = collected_new(UINT32_MAX);
	struct last_seen seen = {m, &c};
	qsort(m->row, m->rows, sizeof m->row[0], by_identity);
	assert_ok(store_scan_last(m->store, check_register, &seen, &err), err);
	uint32_t at = 0;
	for (uint32_t i = 0; i < m->rows; i++) {
		if (i + 1 < m->rows && m->row[i + 1].device == m->row[i].device)
			continue;
		struct stored_reading got;
		assert_true(at < c.count);
		assert_true(make_same(&c.row[at++], &m->row[i]));
		assert_ok(store_last(m->store, m->row[i].device, &got, &err), err);
		assert_true(make_same(&got, &m->row[i]));
	}
	assert_int_equal(at, c.count);
	struct stored_reading none;
	assert_int_equal(store_last(m->store, 999999, &none, &err), RESULT_ABSENT);
	free(c.row);
}

static void check_device(struct model *m, int64_t from, int64_t to)
{
	struct error err;
	uint32_t device = (uint32_t)make_below(&m->make, m->make.devices);
	struct collected c = collected_new(UINT32_MAX), e = collected_new(UINT32_MAX);
	assert_ok(store_scan_device(m->store, device, from, to, collect, &c, &err), err);
	for (uint32_t i = 0; i < m->rows; i++) {
		const struct stored_reading *r = &m->row[i];
		if (r->device == device && r->ts_ms >= from && r->ts_ms < to)
			e.row[e.count++] = *r;
	}
	qsort(e.row, e.count, sizeof e.row[0], by_ts);
	assert_int_equal(c.count, e.count);
	for (uint32_t i = 0; i < c.count; i++)
		assert_true(make_same(&c.row[i], &e.row[i]));
	if (e.count > 1) { /* a callback that has enough ends the scan */
		c.count = 0;
		c.limit = 1;
		assert_ok(store_scan_device(m->store, device, from, to, collect, &c, &err), err);
		assert_int_equal(c.count, 1);
	}
	free(c.row);
	free(e.row);
}

/* A group of devices has what a scan of each of them gives, in other order. */
static void check_group(struct model *m)
{
	struct error err;
	struct collected c = collected_new(UINT32_MAX), e = collected_new(UINT32_MAX);
	uint32_t some = m->rows ? (uint32_t)make_below(&m->make, m->rows) : 0;
	int64_t from = m->rows ? m->row[some].ts_ms - 3600000 : 0, to = from + 3 * 86400000ll;
	assert_ok(store_scan_group(m->store, 0, from, to, collect, &c, &err), err);
	for (uint32_t d = 0; d < 64; d++)
		assert_ok(store_scan_device(m->store, d, from, to, collect, &e, &err), err);
	assert_int_equal(c.count, e.count);
	for (uint32_t i = 0; i < e.count; i++) {
		uint32_t k = 0;
		while (k < c.count && (c.row[k].device != e.row[i].device ||
		                       c.row[k].meter_ts_ms != e.row[i].meter_ts_ms))
			k++;
		assert_int_not_equal(k, c.count);
		assert_true(make_same(&c.row[k], &e.row[i]));
	}
	free(c.row);
	free(e.row);
}

static void check_all(struct model *m)
{
	struct error err;
	struct collected c = collected_new(UINT32_MAX);
	assert_ok(store_scan_all(m->store, collect, &c, &err), err);
	assert_int_equal(c.count, m->rows);
	for (uint32_t i = 1; i < c.count; i++) { /* by day, then by device within the page order */
		int64_t day = c.row[i].meter_ts_ms / 86400000;
		int64_t before = c.row[i - 1].meter_ts_ms / 86400000;
		assert_true(before <= day);
		if (before == day)
			assert_true(by_identity(&c.row[i - 1], &c.row[i]) < 0);
	}
	qsort(c.row, c.count, sizeof c.row[0], by_identity);
	qsort(m->row, m->rows, sizeof m->row[0], by_identity);
	for (uint32_t i = 0; i < c.count; i++)
		assert_true(make_same(&c.row[i], &m->row[i]));
	free(c.row);
}

static void check_day(struct model *m)
{
	struct error err;
	struct collected c = collected_new(UINT32_MAX);
	int64_t day = m->make.now_ms / 86400000 - (int64_t)make_below(&m->make, 3);
	assert_ok(store_scan_day(m->store, day, collect, &c, &err), err);
	qsort(m->row, m->rows, sizeof m->row[0], by_identity);
	uint32_t at = 0;
	for (uint32_t i = 0; i < m->rows; i++) {
		int64_t ts = m->row[i].meter_ts_ms;
		if (ts >= day * 86400000 && ts < (day + 1) * 86400000)
			assert_true(at < c.count && make_same(&c.row[at++], &m->row[i]));
	}
	assert_int_equal(at, c.count);
	free(c.row);
}

/* --- aggregates --- */

struct periods {
	struct aggregate *a;
	uint32_t count;
};

static bool collect_period(void *context, const struct aggregate *a)
{
	struct periods *p = context;
	p->a[p->count++] = *a;
	return true;
}

/* All readings of a device so far, by effective time. */
static const struct stored_reading **device_rows(struct model *m, uint32_t device,
                                                 uint32_t *count)
{
	const struct stored_reading **row = calloc(m->rows + 1, sizeof row[0]);
	qsort(m->row, m->rows, sizeof m->row[0], by_ts);
	*count = 0;
	for (uint32_t i = 0; i < m->rows; i++) {
		if (m->row[i].device == device)
			row[(*count)++] = &m->row[i];
	}
	return row;
}

static bool same_period(const struct aggregate *a, const struct aggregate *b)
{
	return a->start_ms == b->start_ms && a->end_ms == b->end_ms && a->energy == b->energy &&
	       a->peak == b->peak && a->peak_ms == b->peak_ms && a->readings == b->readings &&
	       a->slots == b->slots && a->flags == b->flags &&
	       a->register_channel == b->register_channel &&
	       a->demand_channel == b->demand_channel;
}

/* The hours, or days, of a device around now: as one computes them from all readings at once. */
static void check_periods(struct model *m, enum aggregate_level level, uint32_t device)
{
	struct error err;
	int64_t bounds[12 * AGGREGATE_HOURS_MAX];
	struct aggregate expected[12 * AGGREGATE_HOURS_MAX], got[12 * AGGREGATE_HOURS_MAX];
	struct periods p = {.a = got};
	int32_t today = test_day_of(NULL, m->make.now_ms), day = today - 5;
	uint32_t count, rows, at = 0;
	for (count = 0; day <= today + 1; day++) {
		if (level == AGGREGATE_HOUR)
			count += aggregate_hours(&rules, day, bounds + count);
		else
			bounds[count++] = test_day_start_ms(NULL, day);
	}
	bounds[count] = test_day_start_ms(NULL, day);
	const struct stored_reading **row = device_rows(m, device, &rows);
	aggregate_compute(&rules, row, rows, bounds, count, expected);
	assert_ok(store_aggregates(m->store, device, level, bounds[0], bounds[count],
	                           collect_period, &p, &err), err);
	for (uint32_t i = 0; i < count; i++) {
		if (expected[i].readings > 0)
			assert_true(at < p.count && same_period(&got[at++], &expected[i]));
	}
	assert_int_equal(at, p.count);
	free(row);
}

static void check_months(struct model *m, uint32_t device)
{
	struct error err;
	struct aggregate months[40], days[400];
	struct periods month = {.a = months}, day = {.a = days};
	int64_t from = m->make.now_ms - 60 * 86400000ll, to = m->make.now_ms + 86400000;
	assert_ok(store_aggregates(m->store, device, AGGREGATE_MONTH, from, to, collect_period,
	                           &month, &err), err);
	assert_ok(store_aggregates(m->store, device, AGGREGATE_DAY, from, to, collect_period, &day,
	                           &err), err);
	for (uint32_t i = 0; i < month.count; i++) {
		struct aggregate sum = {.start_ms = months[i].start_ms,
		                        .end_ms = months[i].end_ms};
		for (uint32_t k = 0; k < day.count; k++) {
			if (days[k].start_ms >= sum.start_ms && days[k].start_ms < sum.end_ms)
				aggregate_add(&sum, &days[k]);
		}
		assert_true(same_period(&months[i], &sum));
	}
}

static void check_aggregates(struct model *m)
{
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t device = (uint32_t)make_below(&m->make, m->make.devices);
		check_periods(m, AGGREGATE_HOUR, device);
		check_periods(m, AGGREGATE_DAY, device);
		check_months(m, device);
	}
}

struct errors_seen {
	struct model *m;
	uint64_t next;
};

static bool check_error(void *context, const struct stored_error *e)
{
	struct errors_seen *s = context;
	assert_true(s->next < s->m->errors);
	assert_int_equal(e->number, s->m->error_number[s->next++]);
	assert_true(fate_is_error(e->fate));
	assert_memory_equal(e->client_id, "gateway-7", 9);
	assert_int_equal(e->topic_bytes, 25);
	return true;
}

static void check_errors(struct model *m)
{
	struct error err;
	struct errors_seen s = {m, 0};
	assert_ok(store_scan_errors(m->store, 0, check_error, &s, &err), err);
	assert_int_equal(s.next, m->errors);
	if (m->errors > 0) {
		s.next = make_below(&m->make, m->errors);
		assert_ok(store_scan_errors(m->store, m->error_number[s.next], check_error, &s,
		                            &err),
		          err);
		assert_int_equal(s.next, m->errors);
	}
}

static void check(struct model *m)
{
	struct fate_totals totals;
	int64_t now = m->make.now_ms;
	check_find(m);
	check_last(m);
	check_device(m, INT64_MIN, INT64_MAX);
	check_device(m, now - 2 * 86400000, now - 86400000);
	check_device(m, now - 3600000, now + 1);
	check_device(m, 5, 5);
	check_group(m);
	check_all(m);
	check_day(m);
	check_aggregates(m);
	check_errors(m);
	store_totals(m->store, &totals);
	assert_memory_equal(&totals, &m->totals, sizeof totals);
}

/* Close without flushing; what RocksDB keeps is up to it, the rest is replayed. */
static void reopen(struct model *m)
{
	store_close(m->store);
	m->store = NULL;
	open_store(m);
	uint64_t kept = store_durable_block(m->store);
	assert_true(kept <= m->blocks);
	m->applied = kept;
	/* a journal replays from where it likes: what is known already changes nothing */
	uint64_t from = kept > 2 ? kept - 2 : 1;
	for (uint64_t n = from; n <= m->blocks; n++)
		apply(m, n);
}

/* Some of what is to be computed, or all of it (3). */
static void roll_up(struct model *m, uint64_t how_much)
{
	struct error err;
	int64_t end = m->make.now_ms / 86400000 + (how_much == 3 ? 2 : 0);
	for (uint64_t n = 0; how_much == 3 || n < 3 * how_much; n++) {
		enum result r = store_rollup(m->store, end, &err);
		if (r == RESULT_ABSENT)
			return;
		assert_ok(r, err);
	}
}

static void random_operations_agree_with_model(void **state)
{
	struct model *m = *state;
	struct error err;
	print_message("HEADRACE_SEED=%llu\n", (unsigned long long)m->seed);
	for (int i = 0; i < 160; i++) {
		switch (make_below(&m->make, 12)) {
		case 0:
			assert_ok(store_flush(m->store, &err), err);
			assert_int_equal(store_durable_block(m->store), m->applied);
			break;
		case 1:
			assert_ok(store_write_run(m->store, true, &err), err);
			break;
		case 2:
			if (i > 40 && make_below(&m->make, 3) == 0)
				reopen(m);
			break;
		case 3:
			check(m);
			break;
		case 5:
			roll_up(m, make_below(&m->make, 4));
			break;
		case 4:
			if (make_below(&m->make, 4) == 0) {
				int64_t today = m->make.now_ms / 86400000;
				assert_ok(store_merge(m->store, today - 3,
				                      today - 1 + (int64_t)make_below(&m->make, 3),
				                      &err), err);
			}
			break;
		default:
			make_block(m);
			apply(m, m->blocks);
			assert_ok(store_write_run(m->store, false, &err), err);
		}
	}
	check(m);
	assert_ok(store_flush(m->store, &err), err);
	roll_up(m, 3);
	assert_int_equal(store_rollup(m->store, INT64_MAX, &err), RESULT_ABSENT);
	check(m);
	reopen(m);
	check(m);
}

static void block_out_of_order_is_refused(void **state)
{
	struct model *m = *state;
	struct error err;
	const struct journal_block block = {.number = 2};
	assert_int_equal(store_apply(m->store, &block, &err), RESULT_BUG);
	assert_int_equal(store_applied_block(m->store), 0);
}

static void damaged_record_is_media_and_applies_later(void **state)
{
	struct model *m = *state;
	struct error err;
	make_batch(&m->make, m->batch, 20);
	make_block(m);
	struct kept_block *b = &m->block[1];
	struct journal_block block = {.number = 1, .totals = b->totals, .record_count = b->count,
	                              .record_bytes = b->bytes - 1, .records = b->records};
	assert_int_equal(store_apply(m->store, &block, &err), RESULT_MEDIA);
	assert_non_null(strstr(err.text, "damaged"));
	assert_int_equal(store_applied_block(m->store), 0);
	apply(m, 1); /* half of it was there: still each reading and each error once */
	check(m);
}

static void flush_without_anything_new_writes_nothing(void **state)
{
	struct model *m = *state;
	struct error err;
	struct store_status status;
	make_block(m);
	apply(m, 1);
	assert_ok(store_flush(m->store, &err), err);
	assert_ok(store_flush(m->store, &err), err);
	assert_ok(store_write_run(m->store, true, &err), err);
	store_status_get(m->store, &status);
	assert_int_equal(status.runs_written, 1);
	assert_int_equal(status.run_readings, 0);
	assert_int_equal(status.readings_written, m->rows);
	assert_int_equal(status.durable_block, 1);
	assert_true(status.disk_bytes > 0);
}

static void second_opening_is_refused_while_open(void **state)
{
	struct model *m = *state;
	struct store *other;
	struct error err;
	char dir[300];
	snprintf(dir, sizeof dir, "%s/store", m->dir);
	const struct store_config config = {.dir = dir, .run_readings_max = 1,
	                                    .cache_bytes = 1 << 20, .background_threads = 1};
	assert_int_equal(store_open(&config, &other, &err), RESULT_RESOURCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(random_operations_agree_with_model, setup, teardown),
	    cmocka_unit_test_setup_teardown(block_out_of_order_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_record_is_media_and_applies_later, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(flush_without_anything_new_writes_nothing, setup,
	                                    teardown),
	    cmocka_unit_test_setup_teardown(second_opening_is_refused_while_open, setup,
	                                    teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
