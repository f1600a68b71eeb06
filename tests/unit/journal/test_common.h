/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka, whose fail() makes way for the one in base/result.h. */
#ifndef HEADRACE_TESTS_COMMON_H
#define HEADRACE_TESTS_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

#define test_failed(...)                                                                           \
	do {                                                                                       \
		print_error(__VA_ARGS__);                                                          \
		print_error("\n");                                                                 \
		_fail(__FILE__, __LINE__);                                                         \
	} while (0)

/* A call that must be RESULT_OK; shows err.text otherwise. */
#define assert_ok(call, err)                                                                       \
	do {                                                                                       \
		if ((call) != RESULT_OK)                                                           \
			test_failed("%s: %s", #call, (err).text);                                  \
	} while (0)

#endif
