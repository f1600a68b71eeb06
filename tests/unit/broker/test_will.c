/* SPDX-License-Identifier: Apache-2.0 */
/* Wills: when they are published, and when not. */
#include "rig.h"

static void connect_with_will(uint64_t conn, uint32_t delay_s, uint32_t expiry_s)
{
	rig_connect_with((struct rig_connect){.conn = conn, .client = "w", .will_topic = "gone",
	                                      .will_payload = "w", .will_qos = 1,
	                                      .will_delay_s = delay_s, .expiry_s = expiry_s});
}

static void will_is_published_unless_disconnected_in_order(void **state)
{
	(void)state;
	rig_connect(1, "s", true);
	rig_subscribe(1, "gone", 1);
	connect_with_will(2, 0, 0);
	rig_forget();
	rig_end(2, BROKER_END_LOST, 0);
	rig_expect("1:pub gone w q1 #1;");
	connect_with_will(3, 0, 0);
	rig_end(3, BROKER_END_NORMAL, 0);
	rig_expect("3:connected 00;");
	connect_with_will(4, 0, 0);
	rig_end(4, BROKER_END_WITH_WILL, 0);
	rig_expect("4:connected 00;1:pub gone w q1 #2;");
	assert_int_equal(rig_counter(BROKER_COUNT_WILLS), 2);
}

static void will_is_delayed_until_the_session_is_taken_up(void **state)
{
	(void)state;
	rig_connect(1, "s", true);
	rig_subscribe(1, "gone", 0);
	connect_with_will(1002, 10, 60);
	rig_forget();
	rig_end(1002, BROKER_END_LOST, 60);
	rig_wait(5000);
	rig_expect("");
	connect_with_will(1003, 10, 60); /* back in time */
	rig_expect("1003:connected 00 present;");
	rig_end(1003, BROKER_END_LOST, 60);
	rig_wait(11000);
	rig_expect("1:pub gone w q0;");
	rig_wait(60000);
	rig_expect("");
}

static void will_delay_ends_with_the_session(void **state)
{
	(void)state;
	rig_connect(1, "s", true);
	rig_subscribe(1, "gone", 0);
	connect_with_will(1002, 1000, 5);
	rig_forget();
	rig_end(1002, BROKER_END_LOST, 5);
	rig_wait(6000);
	rig_expect("1:pub gone w q0;");
	connect_with_will(1003, 1000, 60);
	rig_end(1003, BROKER_END_LOST, 60);
	rig_forget();
	rig_connect(4, "w", true); /* clean start ends the session */
	rig_expect("1:pub gone w q0;4:connected 00;");
}

/* MQTT5 3.1.2.7 */
static void will_is_retained_as_its_flag_says(void **state)
{
	(void)state;
	connect_with_will(1, 0, 0);
	rig_end(1, BROKER_END_LOST, 0);
	assert_int_equal(rig_level(BROKER_LEVEL_RETAINED), 0);
	rig_connect_with((struct rig_connect){.conn = 2, .client = "w", .will_topic = "gone",
	                                      .will_payload = "w", .will_retain = true});
	rig_end(2, BROKER_END_LOST, 0);
	rig_connect(3, "s", true);
	rig_forget();
	rig_subscribe(3, "gone", 0);
	rig_expect("3:suback 00;3:pub gone w q0 retain;");
}

static void taken_over_client_leaves_its_will(void **state)
{
	(void)state;
	rig_connect(1, "s", true);
	rig_subscribe(1, "gone", 0);
	connect_with_will(2, 0, 0);
	rig_forget();
	rig_connect(3, "w", true);
	rig_expect("2:close 8e;1:pub gone w q0;3:connected 00;");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(will_is_published_unless_disconnected_in_order),
	    CASE(will_is_delayed_until_the_session_is_taken_up),
	    CASE(will_delay_ends_with_the_session),
	    CASE(will_is_retained_as_its_flag_says),
	    CASE(taken_over_client_leaves_its_will),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
