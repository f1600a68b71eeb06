/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/pages.h"

static void pages_are_zeroes_on_cache_lines(void **state)
{
	static const size_t bytes[] = {1, 100, 4096, (2u << 20) - 1, 5u << 20};
	(void)state;
	for (uint32_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
		uint8_t *p = pages_new(bytes[i], 1);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 64, 0);
		for (size_t at = 0; at < bytes[i]; at++)
			assert_int_equal(p[at], 0);
		free(p);
	}
	void *none = pages_new(0, 64);
	assert_non_null(none); /* a table without records is no error */
	free(none);
}

static void pages_that_no_machine_has_are_refused(void **state)
{
	(void)state;
	assert_null(pages_new(1ull << 60, 64));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pages_are_zeroes_on_cache_lines),
	    cmocka_unit_test(pages_that_no_machine_has_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
