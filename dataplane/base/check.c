/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *file, int line, const char *expr)
{
	fprintf(stderr, "%s:%d: check failed: %s\n", file, line, expr);
	abort();
}

_Noreturn void check_op_failed(const char *file, int line, const char *expr, long long a,
                               long long b)
{
	fprintf(stderr, "%s:%d: check failed: %s (%lld against %lld)\n", file, line, expr, a, b);
	abort();
}
