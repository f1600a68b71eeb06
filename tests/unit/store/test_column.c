/* SPDX-License-Identifier: Apache-2.0 */
/* Columns: packed and unpacked is the same, no larger than promised, damage is found. */
#include "tests/unit/journal/test_common.h"

#include <stdlib.h>
#include <string.h>

#include "storage/store/column.h"

#define COUNT 700u

static uint64_t seed = 1;

static uint64_t next(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	return z ^ z >> 27;
}

/* Values of so many bits around a middle; now and then any value at all. */
static void fill(int64_t *value, uint32_t count, uint32_t bits, bool wild)
{
	uint64_t middle = next();
	for (uint32_t i = 0; i < count; i++) {
		uint64_t noise = bits == 0 ? 0 : next() >> (64 - bits);
		value[i] = (int64_t)(wild && next() % 40 == 0 ? next() : middle + noise);
	}
}

static void values_of_any_width_come_back(void **state)
{
	(void)state;
	static uint8_t packed[COLUMN_BYTES_MAX(COUNT)];
	int64_t in[COUNT], out[COUNT];
	for (uint32_t bits = 0; bits <= 64; bits++) {
		for (uint32_t round = 0; round < 12; round++) {
			uint32_t count = round < 4 ? round : 1 + (uint32_t)(next() % COUNT);
			fill(in, count, bits, round % 2 == 1);
			const uint8_t *at = packed, *end = column_pack(packed, in, count);
			assert_true((size_t)(end - packed) <= COLUMN_BYTES_MAX(count) - 8);
			assert_true(column_unpack(&at, end, out, count));
			assert_ptr_equal(at, end);
			assert_memory_equal(in, out, count * sizeof in[0]);
		}
	}
}

static void few_wide_values_do_not_widen_the_others(void **state)
{
	(void)state;
	static uint8_t packed[COLUMN_BYTES_MAX(COUNT)];
	int64_t in[COUNT], out[COUNT];
	for (uint32_t i = 0; i < COUNT; i++)
		in[i] = i % 300 == 7 ? 1ll << 50 : (int64_t)(i % 8);
	const uint8_t *at = packed, *end = column_pack(packed, in, COUNT);
	assert_true(end - packed < (int)(COUNT * 3 / 8 + 50));
	assert_true(column_unpack(&at, end, out, COUNT));
	assert_memory_equal(in, out, sizeof in);
}

static void series_takes_the_smaller_form_and_comes_back(void **state)
{
	(void)state;
	static uint8_t packed[SERIES_BYTES_MAX(COUNT) + 8];
	int64_t in[COUNT], out[COUNT], spare[COUNT + 64];
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t rows[64], count = 0, devices = 1 + (uint32_t)(next() % 64);
		for (uint32_t d = 0; d < devices; d++) {
			int64_t v = (int64_t)(next() >> (round % 30 + 20));
			rows[d] = (uint32_t)(next() % (COUNT / devices));
			for (uint32_t i = 0; i < rows[d]; i++)
				in[count++] = v += (int64_t)(next() % 9);
		}
		const uint8_t *at = packed;
		const uint8_t *end = series_pack(packed, in, count, rows, devices, spare);
		assert_true((size_t)(end - packed) <= SERIES_BYTES_MAX(count));
		assert_true(series_unpack(&at, end, out, count, rows, devices, spare));
		assert_ptr_equal(at, end);
		assert_memory_equal(in, out, count * sizeof in[0]);
	}
	uint32_t one = COUNT; /* a register that rises in small steps: four bits each */
	for (uint32_t i = 0; i < COUNT; i++)
		in[i] = 5000000000 + (int64_t)i * 7 + (int64_t)(next() % 8);
	uint8_t *end = series_pack(packed, in, COUNT, &one, 1, spare);
	assert_true(end - packed <= (int)COUNT / 2 + 30);
}

static void cut_column_is_damaged(void **state)
{
	(void)state;
	static uint8_t packed[COLUMN_BYTES_MAX(COUNT)];
	int64_t in[COUNT], out[COUNT];
	fill(in, COUNT, 13, true);
	const uint8_t *end = column_pack(packed, in, COUNT);
	for (const uint8_t *cut = packed; cut < end; cut++) {
		const uint8_t *at = packed;
		assert_false(column_unpack(&at, cut, out, COUNT));
	}
}

static void divisor_is_the_greatest_and_divides_exactly(void **state)
{
	(void)state;
	static const uint64_t steps[] = {1, 2, 7, 10, 100, 900000, 3ull << 40, 1ull << 62};
	for (uint32_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
		struct divisor d = {0};
		int64_t value[40];
		for (uint32_t i = 0; i < 40; i++) {
			int64_t times = (int64_t)(next() % ((uint64_t)INT64_MAX / steps[k] + 1));
			value[i] = (i % 2 ? -1 : 1) * times * (int64_t)steps[k];
			divisor_reduce(&d, value[i]);
		}
		divisor_reduce(&d, (int64_t)steps[k]);
		assert_true(d.g == steps[k]);
		for (uint32_t i = 0; i < 40; i++) {
			bool exact;
			int64_t q = divisor_quotient(&d, value[i], &exact);
			assert_true(exact && q == value[i] / (int64_t)steps[k]);
			divisor_quotient(&d, (int64_t)((uint64_t)value[i] + 1), &exact);
			assert_int_equal(exact, steps[k] == 1);
		}
	}
	struct divisor d = {0};
	divisor_reduce(&d, INT64_MIN);
	assert_true(d.g == 1ull << 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_of_any_width_come_back),
	    cmocka_unit_test(few_wide_values_do_not_widen_the_others),
	    cmocka_unit_test(series_takes_the_smaller_form_and_comes_back),
	    cmocka_unit_test(cut_column_is_damaged),
	    cmocka_unit_test(divisor_is_the_greatest_and_divides_exactly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
