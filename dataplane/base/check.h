/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks for our own invariants. They stay on in production: a broken invariant stops the
 * process before it can acknowledge something that is not on disk.
 * Never use them on network bytes, disk bytes or an operator's input: those return errors.
 */
#ifndef HEADRACE_BASE_CHECK_H
#define HEADRACE_BASE_CHECK_H

#include <stdint.h>

/* Print place, expression and both operands to stderr, then abort(). Never returns. */
_Noreturn void check_failed(const char *file, int line, const char *expr);
_Noreturn void check_op_failed(const char *file, int line, const char *expr, long long a,
                               long long b);

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0))                                                  \
			check_failed(__FILE__, __LINE__, #cond);                                   \
	} while (0)

/* CHECK_OP(a, <=, b): for integers; prints both values when it fails. */
#define CHECK_OP(a, op, b)                                                                         \
	do {                                                                                       \
		__auto_type check_a_ = (a);                                                        \
		__auto_type check_b_ = (b);                                                        \
		if (__builtin_expect(!(check_a_ op check_b_), 0))                                  \
			check_op_failed(__FILE__, __LINE__, #a " " #op " " #b,                     \
			                (long long)check_a_, (long long)check_b_);                 \
	} while (0)

#ifdef HEADRACE_DEBUG_CHECKS
#define DEBUG_CHECK(cond) CHECK(cond)
#else
#define DEBUG_CHECK(cond) ((void)sizeof(cond))
#endif

#endif
