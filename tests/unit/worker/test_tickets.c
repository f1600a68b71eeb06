/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/tickets.h"

static void tickets_exhausted_then_returned_are_given_again(void **state)
{
	(void)state;
	struct tickets t;
	assert_true(tickets_init(&t, 3));
	uint32_t a = ticket_get(&t), b = ticket_get(&t), c = ticket_get(&t);
	assert_true(a != b && b != c && a != c);
	assert_int_equal(ticket_get(&t), TICKET_NONE);
	assert_int_equal(t.used, 3);
	ticket_put(&t, b);
	assert_int_equal(t.used, 2);
	assert_int_equal(ticket_get(&t), b);
	assert_int_equal(t.all[b].next, TICKET_NONE);
	tickets_fini(&t);
}

static void ticket_settles_with_its_last_reading(void **state)
{
	(void)state;
	struct ticket t = {.pending = 3, .readings = 3};
	assert_false(ticket_settle(&t, FATE_STORED));
	assert_false(ticket_settle(&t, FATE_REJECT_SEQUENCE));
	assert_true(ticket_settle(&t, FATE_CONFLICT));
	assert_int_equal(t.refused, 2);
	assert_int_equal(t.first_refusal, FATE_REJECT_SEQUENCE);
}

static void ticket_duplicates_are_not_refusals(void **state)
{
	(void)state;
	struct ticket t = {.pending = 2, .readings = 2};
	assert_false(ticket_settle(&t, FATE_DUPLICATE));
	assert_true(ticket_settle(&t, FATE_STORED));
	assert_int_equal(t.refused, 0);
	assert_int_equal(t.first_refusal, FATE_PENDING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tickets_exhausted_then_returned_are_given_again),
	    cmocka_unit_test(ticket_settles_with_its_last_reading),
	    cmocka_unit_test(ticket_duplicates_are_not_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
