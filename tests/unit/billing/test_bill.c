/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

#include <stdlib.h>

#define MONTH_INTERVALS_MAX 3200

static struct error err;
static struct bill bill;
static struct bill_interval intervals[MONTH_INTERVALS_MAX];

/* Quarter hours of the local days, none with energy. */
static uint32_t fill(const struct calendar *c, int32_t from_day, int32_t end_day)
{
	uint32_t count = 0;
	int64_t end_s = calendar_day_start_s(c, end_day);
	for (int64_t at = calendar_day_start_s(c, from_day); at < end_s; at += 900)
		intervals[count++] = (struct bill_interval){.start_s = at};
	return count;
}

static struct bill_request request_of(const struct calendar *c,
                                      const struct tariff *const *versions,
                                      uint32_t version_count, int32_t from_day, int32_t end_day)
{
	static struct bill_span span; /* one tariff for all of it */
	span = (struct bill_span){versions, version_count, end_day};
	return (struct bill_request){
	    .calendar = c,
	    .spans = &span,
	    .span_count = 1,
	    .from_day = from_day,
	    .end_day = end_day,
	    .period_from = from_day,
	    .period_end = end_day,
	    .intervals = intervals,
	    .interval_count = fill(c, from_day, end_day),
	};
}

/* The energy spread as evenly as whole mWh go. */
static void spread(uint32_t count, int64_t energy_mwh)
{
	for (uint32_t i = 0; i < count; i++)
		intervals[i].energy_mwh =
		    energy_mwh * (i + 1) / count - energy_mwh * i / count;
}

static void sample_a_is_53_58(void **state)
{
	(void)state;
	struct tariff t;
	struct calendar *c = zone("America/Los_Angeles");
	char text[MONEY_BYTES];
	sample_a(&t);
	const struct tariff *versions[] = {&t};
	struct bill_request r =
	    request_of(c, versions, 1, day_of(2026, 6, 1), day_of(2026, 7, 1));
	spread(r.interval_count, 450 * KWH + KWH / 2);
	must(bill_compute(&r, &bill, &err), &err);
	assert_int_equal(bill.total, 5358);
	assert_int_equal(bill.line_count, 3);
	assert_string_equal(money_format(bill.lines[0].amount, 0, text), "10");
	assert_string_equal(money_format(bill.lines[1].amount, 0, text), "36");
	assert_string_equal(money_format(bill.lines[2].amount, 0, text), "7.575");
	assert_string_equal(money_format(bill.exact, 0, text), "53.575");
	calendar_free(c);
}

static void sample_b_flat_is_46_06(void **state)
{
	(void)state;
	struct tariff t;
	struct calendar *c = zone("America/Los_Angeles");
	sample_b(&t, true);
	const struct tariff *versions[] = {&t};
	struct bill_request r =
	    request_of(c, versions, 1, day_of(2026, 6, 1), day_of(2026, 7, 1));
	spread(r.interval_count, 450 * KWH + KWH / 2);
	must(bill_compute(&r, &bill, &err), &err);
	assert_int_equal(bill.total, 4606);
	calendar_free(c);
}

/* One day, all energy in chosen hours: 60 kWh at 23:00, 60 at 15:00 (local). */
static void time_of_use_multiplies_the_tier_it_falls_in(void **state)
{
	(void)state;
	struct tariff t;
	struct calendar *c = zone("America/Los_Angeles");
	char text[MONEY_BYTES];
	sample_b(&t, false);
	const struct tariff *versions[] = {&t};
	struct bill_request r =
	    request_of(c, versions, 1, day_of(2026, 6, 1), day_of(2026, 6, 2));
	intervals[15 * 4].energy_mwh = 60 * KWH;
	intervals[23 * 4].energy_mwh = 60 * KWH;
	must(bill_compute(&r, &bill, &err), &err);
	/* 60 on-peak in tier 1: 60 * .08 * 1.5 = 7.2; then 40 off-peak in tier 1: 2.56; 20
	 * off-peak in tier 2: 20 * .10 * .8 = 1.6 */
	assert_string_equal(money_format(bill.exact, 2, text), "11.36");
	calendar_free(c);
}

static int64_t traced_mwh[BILL_LINES_MAX];
static uint32_t traced;

static void on_trace(void *context, uint32_t interval, uint32_t line, int64_t energy_mwh)
{
	(void)context;
	assert_in_range(interval, bill.lines[line].first, bill.lines[line].last);
	traced_mwh[line] += energy_mwh;
	traced++;
}

static void every_line_traces_to_its_intervals(void **state)
{
	(void)state;
	struct tariff t;
	struct calendar *c = zone("Europe/Berlin");
	sample_b(&t, false);
	const struct tariff *versions[] = {&t};
	struct bill_request r =
	    request_of(c, versions, 1, day_of(2026, 3, 1), day_of(2026, 4, 1));
	assert_int_equal(r.interval_count, 31 * 96 - 4); /* the clocks change */
	spread(r.interval_count, 700 * KWH + 1);
	r.trace = on_trace;
	must(bill_compute(&r, &bill, &err), &err);
	int64_t sum_mwh = 0;
	uint32_t pieces = 0;
	for (uint32_t i = 0; i < bill.line_count; i++) {
		assert_int_equal(traced_mwh[i], bill.lines[i].energy_mwh);
		sum_mwh += bill.lines[i].energy_mwh;
		pieces += bill.lines[i].intervals;
	}
	assert_int_equal(sum_mwh, 700 * KWH + 1);
	assert_int_equal(pieces, traced);
	assert_in_range(pieces, r.interval_count, r.interval_count + 3);
	calendar_free(c);
}

static void new_version_in_mid_period_prorates(void **state)
{
	(void)state;
	struct tariff old, new;
	struct calendar *c = zone("UTC");
	char text[MONEY_BYTES];
	sample_a(&old), sample_a(&new);
	old.end_day = new.from_day = day_of(2026, 6, 11);
	new.version = 2;
	new.tiers[0].price = 20 * CENT;
	old.fixed[old.fixed_count++] = (struct tariff_fixed){"service", 6 * 100 * CENT, false};
	new.fixed[new.fixed_count++] = (struct tariff_fixed){"meter", 10 * CENT, true};
	const struct tariff *versions[] = {&old, &new};
	struct bill_request r =
	    request_of(c, versions, 2, day_of(2026, 6, 1), day_of(2026, 7, 1));
	intervals[0].energy_mwh = 40 * KWH;       /* limit 100 * 10/30 = 33.333333 */
	intervals[10 * 96].energy_mwh = 40 * KWH; /* limit 66.666667 */
	must(bill_compute(&r, &bill, &err), &err);
	/* 33.333333 * .10 + 6.666667 * .12 + 6 * 10/30 + 40 * .20 + 20 * .10 */
	assert_string_equal(money_format(bill.exact, 2, text), "16.13333334");
	assert_int_equal(bill.total, 1613);
	assert_int_equal(bill.lines[1].energy_mwh, 6666667);
	calendar_free(c);
}

static void another_tariff_in_mid_period_prorates(void **state)
{
	(void)state;
	struct tariff a, b;
	struct calendar *c = zone("UTC");
	char text[MONEY_BYTES];
	sample_a(&a), sample_b(&b, true);
	const struct tariff *first[] = {&a}, *then[] = {&b};
	struct bill_request r = request_of(c, first, 1, day_of(2026, 6, 1), day_of(2026, 7, 1));
	struct bill_span spans[] = {{first, 1, day_of(2026, 6, 11)}, {then, 1, day_of(2026, 7, 1)}};
	r.spans = spans;
	r.span_count = 2;
	intervals[0].energy_mwh = 40 * KWH;
	intervals[10 * 96].energy_mwh = 70 * KWH;
	must(bill_compute(&r, &bill, &err), &err);
	/* 33.333333 * .10 + 6.666667 * .12 + 66.666667 * .08 + 3.333333 * .10 */
	assert_string_equal(money_format(bill.exact, 2, text), "9.80");
	assert_ptr_equal(bill.lines[0].tariff, &a);
	assert_ptr_equal(bill.lines[2].tariff, &b);
	assert_int_equal(bill.total, 980);
	strcpy(b.currency, "EUR");
	assert_int_equal(bill_compute(&r, &bill, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "different currencies"));
	r.span_count = 1;
	assert_int_equal(bill_compute(&r, &bill, &err), RESULT_INPUT);
	calendar_free(c);
}

static void part_of_a_period_prorates(void **state)
{
	(void)state;
	struct tariff t;
	struct calendar *c = zone("UTC");
	sample_a(&t);
	t.fixed[t.fixed_count++] = (struct tariff_fixed){"service", 9 * 100 * CENT, false};
	const struct tariff *versions[] = {&t};
	struct bill_request r =
	    request_of(c, versions, 1, day_of(2026, 6, 21), day_of(2026, 7, 1));
	r.period_from = day_of(2026, 6, 1);
	must(bill_compute(&r, &bill, &err), &err);
	assert_int_equal(bill.total, 300);
	calendar_free(c);
}

static void wrong_input_is_refused(void **state)
{
	(void)state;
	struct tariff t;
	struct calendar *c = zone("UTC");
	sample_a(&t);
	t.from_day = day_of(2026, 6, 2);
	const struct tariff *versions[] = {&t};
	struct bill_request r =
	    request_of(c, versions, 1, day_of(2026, 6, 1), day_of(2026, 7, 1));
	assert_int_equal(bill_compute(&r, &bill, &err), RESULT_INPUT);
	assert_string_equal(err.text, "no version of tariff A rules on 2026-06-01");
	t.from_day = 0;
	intervals[5].energy_mwh = -1;
	assert_int_equal(bill_compute(&r, &bill, &err), RESULT_INPUT);
	assert_string_equal(err.text, "interval 5 is negative");
	intervals[5] = intervals[4];
	assert_int_equal(bill_compute(&r, &bill, &err), RESULT_INPUT);
	intervals[5].start_s += 900;
	intervals[4].energy_mwh = ENERGY_MWH_MAX;
	intervals[5].energy_mwh = 1;
	assert_int_equal(bill_compute(&r, &bill, &err), RESULT_INPUT);
	r.end_day++;
	assert_int_equal(bill_compute(&r, &bill, &err), RESULT_INPUT);
	calendar_free(c);
}

/* The same bill another way: for each interval its share of each tier, by the cumulated sums
 * before and after it. */
static amount_t naive(const struct bill_request *r, const struct tariff *t)
{
	amount_t sum = 0;
	int64_t used = 0;
	for (uint32_t i = 0; i < r->interval_count; i++) {
		int64_t before = used, low = 0;
		used += r->intervals[i].energy_mwh;
		uint8_t period = tariff_period_at(t, r->calendar, r->intervals[i].start_s);
		int64_t multiplier = t->periods[period].multiplier;
		for (uint32_t k = 0; k < t->tier_count; k++) {
			int64_t high = t->tiers[k].up_to_mwh;
			int64_t from = before > low ? before : low, to = used < high ? used : high;
			if (to > from)
				sum += (amount_t)(to - from) * t->tiers[k].price * multiplier;
			low = high;
		}
	}
	return sum;
}

static void random_use_bills_as_the_naive_way(void **state)
{
	(void)state;
	struct tariff t;
	struct calendar *c = zone("America/Los_Angeles");
	sample_b(&t, false);
	const struct tariff *versions[] = {&t};
	uint64_t seed = 1;
	for (int round = 0; round < 50; round++) {
		int32_t from = day_of(2026, 1 + round % 11, 1);
		struct bill_request r = request_of(c, versions, 1, from, from + 28);
		for (uint32_t i = 0; i < r.interval_count; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			intervals[i].energy_mwh = (int64_t)(seed >> 40) % (1 + round * 20000);
		}
		must(bill_compute(&r, &bill, &err), &err);
		assert_true(bill.exact == naive(&r, &t));
	}
	calendar_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sample_a_is_53_58),
	    cmocka_unit_test(sample_b_flat_is_46_06),
	    cmocka_unit_test(time_of_use_multiplies_the_tier_it_falls_in),
	    cmocka_unit_test(every_line_traces_to_its_intervals),
	    cmocka_unit_test(new_version_in_mid_period_prorates),
	    cmocka_unit_test(another_tariff_in_mid_period_prorates),
	    cmocka_unit_test(part_of_a_period_prorates),
	    cmocka_unit_test(wrong_input_is_refused),
	    cmocka_unit_test(random_use_bills_as_the_naive_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
