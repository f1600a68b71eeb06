/* SPDX-License-Identifier: Apache-2.0 */
/* Short slices are asked for, and nothing else is changed by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sched.h"

static struct sched_attr look(void)
{
	struct sched_attr attr = {.size = sizeof attr};
	assert_int_equal(syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0), 0);
	return attr;
}

static void set(struct sched_attr attr)
{
	assert_int_equal(syscall(SYS_sched_setattr, 0, &attr, 0), 0);
}

static void slices_become_short(void **state)
{
	(void)state;
	struct sched_attr before = look();
	before.sched_nice++;
	set(before);
	sched_soon(19); /* lower than what it has: not asked for */
	struct sched_attr after = look();
	assert_int_equal(after.sched_policy, before.sched_policy);
	assert_int_equal(after.sched_nice, before.sched_nice);
	if (after.sched_runtime != 0) /* a kernel that has slices of threads' own */
		assert_int_equal(after.sched_runtime, 100000);
}

static void priority_is_had_where_it_is_permitted(void **state)
{
	(void)state;
	struct sched_attr before = look(), sooner = before;
	sooner.sched_nice -= 2;
	bool permitted = syscall(SYS_sched_setattr, 0, &sooner, 0) == 0;
	set(before);
	sched_soon(sooner.sched_nice);
	struct sched_attr after = look();
	assert_int_equal(after.sched_nice, permitted ? sooner.sched_nice : before.sched_nice);
	if (after.sched_runtime != 0)
		assert_int_equal(after.sched_runtime, 100000);
}

static void another_policy_is_left_alone(void **state)
{
	(void)state;
	struct sched_attr batch = look();
	batch.sched_policy = SCHED_BATCH;
	batch.sched_runtime = 0;
	set(batch);
	struct sched_attr before = look();
	sched_soon(-8);
	struct sched_attr after = look();
	assert_int_equal(after.sched_policy, SCHED_BATCH);
	assert_int_equal(after.sched_runtime, before.sched_runtime);
}

static void work_that_can_wait_goes_last(void **state)
{
	(void)state;
	sched_later();
	struct sched_attr after = look();
	assert_int_equal(after.sched_policy, SCHED_BATCH);
	assert_int_equal(after.sched_nice, 19);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_become_short),
		cmocka_unit_test(priority_is_had_where_it_is_permitted),
		cmocka_unit_test(another_policy_is_left_alone),
		cmocka_unit_test(work_that_can_wait_goes_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
