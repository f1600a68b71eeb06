/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, subscriptions, QoS, retained messages and shares, on a clock of the test's. */
#include "rig.h"

/* --- routing --- */

static void publish_reaches_matching_subscribers_once(void **state)
{
	(void)state;
	rig_connect(1, "one", true);
	rig_connect(2, "two", true);
	rig_expect("1:connected 00;2:connected 00;");
	rig_subscribe(1, "a/#", 0);
	rig_subscribe(1, "a/+", 1);
	rig_subscribe(2, "b", 2);
	rig_expect("1:suback 00;1:suback 01;2:suback 02;");
	rig_publish(2, "a/b", "hi", 1);
	rig_expect("1:pub a/b hi q1 #1;2:done 00;");
	rig_publish(2, "c", "hi", 1);
	rig_expect("2:done 10;");
	rig_publish(1, "b", "x", 0);
	rig_expect("2:pub b x q0;");
	assert_int_equal(rig_counter(BROKER_COUNT_IN_ROUTED), 2);
	assert_int_equal(rig_counter(BROKER_COUNT_IN_NO_SUBSCRIBERS), 1);
}

static void light_connection_publishes_without_an_answer_to_connect(void **state)
{
	(void)state;
	rig_connect_with((struct rig_connect){.conn = 1, .client = "m", .clean = true,
	                                      .light = true});
	rig_connect(2, "s", true);
	rig_subscribe(2, "a", 0);
	rig_forget();
	rig_publish(1, "a", "x", 0);
	rig_expect("2:pub a x q0;");
	rig_disconnect(1);
	rig_expect("");
	assert_int_equal(rig_level(BROKER_LEVEL_CONNECTIONS), 1);
}

static void unsubscribe_ends_delivery(void **state)
{
	(void)state;
	rig_connect(1, "one", true);
	rig_subscribe(1, "a", 0);
	rig_filters(1, BROKER_UNSUBSCRIBE, "a", 0, 0);
	rig_filters(1, BROKER_UNSUBSCRIBE, "a", 0, 0);
	rig_forget();
	rig_publish(1, "a", "x", 1);
	rig_expect("1:done 10;");
}

/* MQTT5 3.8.3.1, 3.3.4 */
static void options_of_5_are_kept(void **state)
{
	(void)state;
	rig_connect(1001, "one", true);
	rig_filters(1001, BROKER_SUBSCRIBE, "a", 1 | 1 << 2, 3); /* no local */
	rig_forget();
	rig_publish(1001, "a", "mine", 1);
	rig_expect("1001:done 10;");
	rig_connect(2, "two", true);
	rig_filters(1001, BROKER_SUBSCRIBE, "+", 0 | 1 << 3, 300); /* retain as published */
	rig_forget();
	rig_publish_with((struct rig_publish){.conn = 2, .topic = "a", .payload = "x", .qos = 2,
	                                      .packet_id = 1, .retain = true, .props = "\x01\x01"});
	rig_expect("1001:pub a x q1 #1 retain id=300 id=3 props=2;2:done 00;");
	rig_filters(1001, BROKER_SUBSCRIBE, "a", 1 | 2 << 4, 0); /* no retained messages */
	rig_expect("1001:suback 01;");
	rig_filters(1001, BROKER_SUBSCRIBE, "a", 1 | 1 << 4, 0); /* only if new */
	rig_expect("1001:suback 01;");
	rig_filters(1001, BROKER_UNSUBSCRIBE, "a", 0, 0);
	rig_filters(1001, BROKER_SUBSCRIBE, "a", 1 | 1 << 4, 0);
	rig_expect("1001:unsuback 00;1001:suback 01;1001:pub a x q1 #2 retain props=2;");
}

static void too_many_subscriptions_are_refused(void **state)
{
	char filter[8];
	(void)state;
	rig_connect(1, "one", true);
	for (int i = 0; i < 5; i++) {
		snprintf(filter, sizeof filter, "f/%d", i);
		rig_subscribe(1, filter, 0);
	}
	rig_forget();
	rig_subscribe(1, "f/5", 0);
	rig_subscribe(1, "f/4", 1); /* there already */
	rig_expect("1:suback 97;1:suback 01;");
}

static void filters_take_memory_that_is_limited(void **state)
{
	char filter[400];
	unsigned refused = 0;
	(void)state;
	rig.config.memory_bytes = 4000;
	rig.config.subscriptions_max = 100;
	core_free(rig.core);
	rig_start();
	rig_connect(1, "one", true);
	for (int i = 0; i < 20; i++) {
		snprintf(filter, sizeof filter, "%0300d", i);
		rig_forget();
		rig_subscribe(1, filter, 0);
		refused += strstr(rig.log, "suback 97") != NULL;
		rig.log[0] = '\0';
	}
	assert_true(refused > 5 && refused < 20);
	rig_disconnect(1);
	assert_int_equal(rig_level(BROKER_LEVEL_FILTER_BYTES), 0);
}

/* MQTT5 4.8.2 */
static void share_takes_turns_and_prefers_the_ready(void **state)
{
	(void)state;
	rig_connect(1, "one", true);
	rig_connect(2, "two", true);
	rig_connect(3, "pub", true);
	rig_subscribe(1, "$share/g/a", 1);
	rig_subscribe(2, "$share/g/a", 1);
	rig_forget();
	rig_publish(3, "a", "1", 1);
	rig_publish(3, "a", "2", 1);
	rig_publish(3, "a", "3", 1);
	rig_expect("1:pub a 1 q1 #1;3:done 00;2:pub a 2 q1 #1;3:done 00;1:pub a 3 q1 #2;"
	           "3:done 00;");
	rig_publish(3, "a", "4", 1);
	rig_publish(3, "a", "5", 1);
	rig_publish(3, "a", "6", 1);
	rig_publish(3, "a", "7", 1); /* both windows are full: it waits */
	rig_expect("2:pub a 4 q1 #2;3:done 00;1:pub a 5 q1 #3;3:done 00;2:pub a 6 q1 #3;3:done 00;"
	           "3:done 00;");
	rig_disconnect(1);
	rig_forget();
	rig_ack(2, BROKER_PUBACK, 1);
	rig_forget();
	rig_publish(3, "a", "8", 1);
	rig_expect("2:pub a 8 q1 #4;3:done 00;");
}

/* --- QoS towards the client --- */

static void window_holds_messages_back(void **state)
{
	(void)state;
	rig_connect(1, "one", true);
	rig_connect(2, "pub", true);
	rig_subscribe(1, "a", 1);
	rig_forget();
	for (int i = 0; i < 5; i++)
		rig_publish(2, "a", "x", 1);
	rig_expect("1:pub a x q1 #1;2:done 00;1:pub a x q1 #2;2:done 00;1:pub a x q1 #3;2:done 00;"
	           "2:done 00;2:done 00;");
	rig_ack(1, BROKER_PUBACK, 2);
	rig_expect("1:pub a x q1 #4;");
	rig_ack(1, BROKER_PUBACK, 2); /* not one of ours any more */
	rig_expect("");
	rig_ack(1, BROKER_PUBACK, 1);
	rig_ack(1, BROKER_PUBACK, 3);
	rig_ack(1, BROKER_PUBACK, 4);
	rig_ack(1, BROKER_PUBACK, 5);
	rig_expect("1:pub a x q1 #5;");
	assert_int_equal(rig_level(BROKER_LEVEL_QUEUED), 0);
	assert_int_equal(rig_level(BROKER_LEVEL_MESSAGE_BYTES), 0);
	assert_int_equal(rig_counter(BROKER_COUNT_DONE_QOS1), 5);
}

static void receive_maximum_of_the_client_is_kept(void **state)
{
	(void)state;
	rig_connect_with((struct rig_connect){.conn = 1001, .client = "one", .clean = true,
	                                      .receive_max = 1});
	rig_subscribe(1001, "a", 2);
	rig_forget();
	rig_publish(1001, "a", "1", 2);
	rig_ack(1001, BROKER_PUBREL, 9);
	rig_publish(1001, "a", "2", 2);
	rig_expect("1001:pub a 1 q2 #1;1001:done 00;1001:pubcomp #9 00;1001:done 00;");
	rig_ack(1001, BROKER_PUBREC, 1);
	rig_expect("1001:pubrel #1;");
	rig_ack(1001, BROKER_PUBCOMP, 1);
	rig_expect("1001:pub a 2 q2 #2;");
}

/* MQTT5 3.3.2.3.4: the first message with a topic tells its alias, later ones have it alone. */
static void topic_aliases_are_told_and_used_as_far_as_the_client_takes_them(void **state)
{
	(void)state;
	rig_connect_with((struct rig_connect){.conn = 1001, .client = "one", .alias_max = 1,
	                                      .expiry_s = 60});
	rig_subscribe(1001, "#", 1);
	rig_connect(2, "two", true);
	rig_forget();
	rig_publish(2, "long/topic", "0", 0); /* might be dropped on its way: tells none */
	rig_expect("1001:pub long/topic 0 q0;");
	rig_publish(2, "long/topic", "1", 1);
	rig_expect("1001:pub long/topic 1 q1 #1 alias=1;2:done 00;");
	rig_publish(2, "long/topic", "2", 1);
	rig_publish(2, "long/topic", "3", 0);
	rig_expect("1001:pub long/topic 2 q1 #2 alias=1;2:done 00;"
	           "1001:pub long/topic 3 q0 alias=1;");
	rig_publish(2, "other/topic", "4", 1); /* one is all that it takes */
	rig_expect("1001:pub other/topic 4 q1 #3;2:done 00;");
	rig_end(1001, BROKER_END_LOST, 60);
	rig_connect_with((struct rig_connect){.conn = 1002, .client = "one", .alias_max = 9,
	                                      .expiry_s = 60});
	rig_expect("1002:connected 00 present;" /* a new connection knows none */
	           "1002:pub long/topic 1 q1 #1 dup alias=1;"
	           "1002:pub long/topic 2 q1 #2 dup alias=1;"
	           "1002:pub other/topic 4 q1 #3 dup alias=2;");
	rig_end(1002, BROKER_END_NORMAL, 60);
	rig_connect_with((struct rig_connect){.conn = 1003, .client = "one", .clean = true});
	rig_subscribe(1003, "#", 1);
	rig_forget();
	rig_publish(2, "long/topic", "5", 1);
	rig_expect("1003:pub long/topic 5 q1 #1;2:done 00;"); /* this client takes none */
}

static void alias_that_makes_a_packet_too_large_is_left_out(void **state)
{
	(void)state;
	rig_connect_with((struct rig_connect){.conn = 1001, .client = "one", .alias_max = 5,
	                                      .packet_bytes_max = 12, .clean = true});
	rig_subscribe(1001, "#", 1);
	rig_connect(2, "two", true);
	rig_forget();
	rig_publish(2, "abcd", "1", 1); /* 2 + 2 + 4 + 2 + 1 + 1 */
	rig_expect("1001:pub abcd 1 q1 #1;2:done 00;");
}

static void qos2_outbound_runs_its_course(void **state)
{
	(void)state;
	rig_connect(1, "one", true);
	rig_subscribe(1, "a", 2);
	rig_forget();
	rig_publish(1, "a", "x", 2);
	rig_ack(1, BROKER_PUBREC, 1);
	rig_ack(1, BROKER_PUBREC, 1);
	rig_expect("1:pub a x q2 #1;1:done 00;1:pubrel #1;1:pubrel #1;");
	rig_ack(1, BROKER_PUBACK, 1); /* of the wrong kind */
	rig_ack(1, BROKER_PUBCOMP, 1);
	rig_ack(1, BROKER_PUBCOMP, 1);
	assert_int_equal(rig_counter(BROKER_COUNT_DONE_QOS2), 1);
	rig_ack(1, BROKER_PUBREC, 44);
	rig_expect("1:pubrel #44;");
	assert_int_equal(rig_level(BROKER_LEVEL_MESSAGE_BYTES), 0);
}

static void qos2_inbound_is_taken_once(void **state)
{
	(void)state;
	rig_connect(1001, "one", true);
	rig_subscribe(1001, "a", 0);
	rig_forget();
	rig_publish(1001, "a", "x", 2);
	rig_publish(1001, "a", "x", 2);
	rig_expect("1001:pub a x q0;1001:done 00;1001:done 00;");
	rig_ack(1001, BROKER_PUBREL, 9);
	rig_ack(1001, BROKER_PUBREL, 9);
	rig_expect("1001:pubcomp #9 00;1001:pubcomp #9 92;");
	rig_publish(1001, "a", "y", 2);
	rig_expect("1001:pub a y q0;1001:done 00;");
	assert_int_equal(rig_counter(BROKER_COUNT_IN_DUPLICATE), 1);
}

static void client_that_refuses_gets_no_more_of_it(void **state)
{
	(void)state;
	rig_connect(1001, "one", true);
	rig_subscribe(1001, "a", 2);
	rig_publish(1001, "a", "x", 2);
	struct broker_ack r = {.head = {.conn = 1001, .kind = BROKER_PUBREC}, .packet_id = 1,
	                       .reason = 0x83};
	rig_forget();
	rig_input(&r);
	rig_expect("");
	assert_int_equal(rig_counter(BROKER_COUNT_REFUSED_BY_CLIENT), 1);
	assert_int_equal(rig_level(BROKER_LEVEL_QUEUED), 0);
}

/* --- slow ones --- */

static void credit_stops_a_slow_client_alone(void **state)
{
	(void)state;
	rig_connect_with((struct rig_connect){.conn = 1, .client = "slow", .clean = true,
	                                      .credit = 20});
	rig_connect(2, "fast", true);
	rig_subscribe(1, "a", 1);
	rig_subscribe(2, "a", 0);
	rig_forget();
	rig_publish(2, "a", "01234567", 0); /* 13 bytes */
	rig_publish(2, "a", "01234567", 0);
	rig_expect("1:pub a 01234567 q0;2:pub a 01234567 q0;2:pub a 01234567 q0;");
	assert_int_equal(rig_counter(BROKER_COUNT_DROPPED_QOS0), 1);
	rig_publish(2, "a", "01234567", 1); /* waits */
	rig_expect("2:pub a 01234567 q0;2:done 00;");
	rig_credit(1, 13);
	rig_expect("1:pub a 01234567 q1 #1;");
}

static void full_queue_closes_with_quota_exceeded(void **state)
{
	(void)state;
	rig_connect(1, "slow", false);
	rig_connect(2, "pub", true);
	rig_subscribe(1, "a", 1);
	for (int i = 0; i < 3 + 4 + 1; i++)
		rig_publish(2, "a", "x", 1);
	rig_forget();
	rig_publish(2, "a", "y", 1);
	rig_expect("1:close 97;2:done 00;");
	rig_publish(2, "a", "z", 1);
	rig_expect("2:done 00;");
	assert_int_equal(rig_counter(BROKER_COUNT_CLOSED_SLOW), 1);
	assert_int_equal(rig_counter(BROKER_COUNT_DROPPED_FULL), 2);
	rig_end(1, BROKER_END_LOST, NO_EXPIRY);
	rig_connect(3, "slow", false);
	rig_expect("3:connected 00 present;3:pub a x q1 #1 dup;3:pub a x q1 #2 dup;"
	           "3:pub a x q1 #3 dup;");
}

static void packet_larger_than_the_client_takes_is_dropped(void **state)
{
	(void)state;
	rig_connect_with((struct rig_connect){.conn = 1001, .client = "one", .clean = true,
	                                      .packet_bytes_max = 12});
	rig_subscribe(1001, "a", 1);
	rig_forget();
	rig_publish(1001, "a", "too long", 1);
	rig_publish(1001, "a", "too long", 0);
	rig_publish(1001, "a", "fine", 1);
	rig_expect("1001:done 00;1001:pub a fine q1 #1;1001:done 00;");
	assert_int_equal(rig_counter(BROKER_COUNT_DROPPED_LARGE), 2);
}

static void memory_of_messages_is_limited(void **state)
{
	static char big[30000];
	(void)state;
	rig_connect(1, "keeper", false);
	rig_subscribe(1, "a", 1);
	rig_disconnect(1);
	rig.config.memory_bytes = 100000;
	core_free(rig.core);
	rig_start();
	rig_load();
	rig_connect(2, "old", true);
	rig_connect(1002, "new", true);
	rig_forget();
	for (int i = 0; i < 4; i++)
		rig_publish_with((struct rig_publish){.conn = i < 3 ? 2 : 1002, .topic = "a",
		                                      .payload = big, .qos = 1,
		                                      .payload_bytes = sizeof big});
	rig_expect("2:done 00;2:done 00;2:done 00;1002:done 97;");
	rig_publish_with((struct rig_publish){.conn = 2, .topic = "a", .payload = big, .qos = 1,
	                                      .payload_bytes = sizeof big});
	rig_expect("2:close 97;2:done 97;");
	assert_int_equal(rig_counter(BROKER_COUNT_IN_QUOTA), 2);
}

/* --- time --- */

static void messages_expire_and_count_down(void **state)
{
	(void)state;
	rig_connect(1001, "one", false);
	rig_connect(2, "pub", true);
	rig_subscribe(1001, "a", 1);
	rig_disconnect(1001);
	rig_forget();
	rig_publish_with((struct rig_publish){.conn = 2, .topic = "a", .payload = "short",
	                                      .qos = 1, .expiry_s = 5});
	rig_publish_with((struct rig_publish){.conn = 2, .topic = "a", .payload = "long",
	                                      .qos = 1, .expiry_s = 60});
	rig_wait(10000);
	rig_forget();
	rig_connect(1003, "one", false);
	rig_expect("1003:connected 00 present;1003:pub a long q1 #1 expiry=50;");
	assert_int_equal(rig_counter(BROKER_COUNT_DROPPED_EXPIRED), 1);
}

static void sessions_expire(void **state)
{
	(void)state;
	rig_connect_with((struct rig_connect){.conn = 1001, .client = "one", .clean = true,
	                                      .expiry_s = 10});
	rig_subscribe(1001, "a", 1);
	rig_end(1001, BROKER_END_LOST, 10);
	rig_wait(9000);
	assert_int_equal(rig_level(BROKER_LEVEL_SESSIONS), 1);
	rig_wait(2000);
	assert_int_equal(rig_level(BROKER_LEVEL_SESSIONS), 0);
	rig_forget();
	rig_connect_with((struct rig_connect){.conn = 1002, .client = "one", .expiry_s = 10});
	rig_expect("1002:connected 00;");
	rig_end(1002, BROKER_END_NORMAL, 0); /* DISCONNECT sets it to 0 */
	assert_int_equal(rig_level(BROKER_LEVEL_SESSIONS), 0);
	assert_int_equal(rig_level(BROKER_LEVEL_SUBSCRIPTIONS), 0);
}

/* --- sessions --- */

static void newer_connection_takes_the_session_over(void **state)
{
	(void)state;
	rig_connect(1, "one", false);
	rig_subscribe(1, "a", 1);
	rig_forget();
	rig_connect(2, "one", false);
	rig_expect("1:close 8e;2:connected 00 present;");
	rig_publish(2, "a", "x", 1);
	rig_expect("2:pub a x q1 #1;2:done 00;");
	rig_publish(1, "a", "late", 1);
	rig_end(1, BROKER_END_LOST, NO_EXPIRY);
	rig_expect("1:done 80;");
	rig_ack(2, BROKER_PUBACK, 1);
	assert_int_equal(rig_counter(BROKER_COUNT_DONE_QOS1), 1);
	/* the records of two workers may come in the other order */
	rig_connect_with((struct rig_connect){.conn = 9, .client = "one", .sequence = 1,
	                                      .expiry_s = NO_EXPIRY});
	rig_expect("9:close 8e;");
	assert_int_equal(rig_counter(BROKER_COUNT_TAKEN_OVER), 2);
}

static void clean_start_forgets_the_session(void **state)
{
	(void)state;
	rig_connect(1, "one", false);
	rig_subscribe(1, "a", 1);
	rig_disconnect(1);
	rig_connect(2, "pub", true);
	rig_publish(2, "a", "x", 1);
	rig_forget();
	rig_connect(3, "one", true);
	rig_expect("3:connected 00;");
	rig_publish(2, "a", "y", 1);
	rig_expect("2:done 10;");
	assert_int_equal(rig_counter(BROKER_COUNT_DROPPED_ENDED), 1);
}

static void persistent_sessions_are_limited(void **state)
{
	(void)state;
	rig.config.sessions_max = 1;
	core_free(rig.core);
	rig_start();
	rig_connect(1, "one", false);
	rig_connect(1002, "two", false);
	rig_connect(3, "three", true);
	rig_connect(4, "one", false);
	rig_expect("1:connected 00;1002:connected 97;3:connected 00;1:close 8e;"
	           "4:connected 00 present;");
}

/* --- retained --- */

static void retained_message_waits_for_subscribers(void **state)
{
	(void)state;
	rig_connect(1, "one", true);
	rig_publish_with((struct rig_publish){.conn = 1, .topic = "a/b", .payload = "1", .qos = 1,
	                                      .retain = true});
	rig_publish_with((struct rig_publish){.conn = 1, .topic = "a/b", .payload = "2", .qos = 1,
	                                      .retain = true});
	rig_forget();
	rig_subscribe(1, "a/+", 2);
	rig_expect("1:suback 02;1:pub a/b 2 q1 #1 retain;");
	rig_subscribe(1, "$share/g/a/+", 2); /* MQTT5 4.8.2: never for a share */
	rig_expect("1:suback 02;");
	rig_publish_with((struct rig_publish){.conn = 1, .topic = "a/b", .payload = "", .qos = 0,
	                                      .retain = true});
	rig_forget();
	rig_connect(2, "two", true);
	rig_subscribe(2, "#", 0);
	rig_expect("2:connected 00;2:suback 00;");
	assert_int_equal(rig_level(BROKER_LEVEL_RETAINED), 0);
}

static void retained_messages_are_limited_and_expire(void **state)
{
	char topic[8];
	(void)state;
	rig_connect(1, "one", true);
	for (int i = 0; i < 5; i++) {
		snprintf(topic, sizeof topic, "r/%d", i);
		rig_publish_with((struct rig_publish){.conn = 1, .topic = topic, .payload = "x",
		                                      .retain = true, .expiry_s = 3});
	}
	assert_int_equal(rig_level(BROKER_LEVEL_RETAINED), 4);
	assert_int_equal(rig_counter(BROKER_COUNT_RETAINED_REFUSED), 1);
	rig.now_ms += 5000;
	rig_forget();
	rig_subscribe(1, "r/#", 0);
	rig_expect("1:suback 00;");
	rig_wait(61000);
	assert_int_equal(rig_level(BROKER_LEVEL_RETAINED), 0);
	assert_int_equal(rig_level(BROKER_LEVEL_MESSAGE_BYTES), 0);
}

static void retained_messages_are_beside_the_queues_limit(void **state)
{
	char topic[8];
	(void)state;
	rig.config.retained_max = 50;
	core_free(rig.core);
	rig_start();
	rig_connect(2, "pub", true);
	for (int i = 0; i < 50; i++) {
		snprintf(topic, sizeof topic, "r/%d", i);
		rig_publish_with((struct rig_publish){.conn = 2, .topic = topic, .payload = "x",
		                                      .qos = 1, .retain = true});
	}
	rig_connect(1, "tool", true);
	rig_subscribe(1, "r/+", 1);
	assert_int_equal(rig_level(BROKER_LEVEL_QUEUED), 50);
	for (int i = 0; i < 4; i++)
		rig_publish(2, "r/new", "y", 1);
	assert_int_equal(rig_level(BROKER_LEVEL_QUEUED), 54);
	assert_int_equal(rig_counter(BROKER_COUNT_CLOSED_SLOW), 0);
	for (uint16_t id = 1; id <= 54; id++)
		rig_ack(1, BROKER_PUBACK, id);
	assert_int_equal(rig_level(BROKER_LEVEL_QUEUED), 0);
	assert_int_equal(rig_counter(BROKER_COUNT_DONE_QOS1), 54);
}

static void many_retained_messages_wait_for_a_slow_reader(void **state)
{
	(void)state;
	rig_connect(2, "pub", true);
	rig_publish_with((struct rig_publish){.conn = 2, .topic = "r/1", .payload = "01234567",
	                                      .retain = true});
	rig_publish_with((struct rig_publish){.conn = 2, .topic = "r/2", .payload = "01234567",
	                                      .retain = true});
	rig_connect_with((struct rig_connect){.conn = 1, .client = "slow", .clean = true,
	                                      .credit = 20});
	rig_forget();
	rig_subscribe(1, "r/+", 0);
	rig_expect("1:suback 00;1:pub r/2 01234567 q0 retain;");
	rig_credit(1, 20);
	rig_expect("1:pub r/1 01234567 q0 retain;");
	rig_disconnect(1);
}

/* --- hooks, watchers --- */

static uint8_t only_bob(void *context, struct bytes client, const struct bytes *username,
                        const struct bytes *password)
{
	(void)context, (void)client;
	if (!username || !password)
		return 0x87;
	return password->count == 3 && memcmp(password->data, "pw1", 3) == 0 ? 0 : 0x86;
}

static bool not_secret(void *context, struct bytes client, struct bytes username,
                       struct bytes topic, enum core_access access)
{
	(void)context, (void)client, (void)access;
	assert_int_equal(username.count, 3);
	return topic.data[0] != 's';
}

static void strangers_and_forbidden_topics_are_refused(void **state)
{
	(void)state;
	rig.hooks.authenticate = only_bob;
	rig.hooks.allowed = not_secret;
	core_free(rig.core);
	rig_start();
	rig_connect(1001, "one", true);
	rig_connect_with((struct rig_connect){.conn = 1002, .client = "one", .username = "bob",
	                                      .password = "pw2"});
	rig_connect_with((struct rig_connect){.conn = 1003, .client = "one", .username = "bob",
	                                      .password = "pw1"});
	rig_expect("1001:connected 87;1002:connected 86;1003:connected 00;");
	rig_connect_with((struct rig_connect){.conn = 1004, .client = "two", .username = "bob",
	                                      .password = "pw1", .will_topic = "secret/x",
	                                      .will_payload = "w"});
	rig_expect("1004:connected 87;");
	rig_subscribe(1003, "secret/#", 1);
	rig_subscribe(1003, "a", 1);
	rig_expect("1003:suback 87;1003:suback 01;");
	rig_publish(1003, "secret/x", "x", 2);
	rig_ack(1003, BROKER_PUBREL, 9);
	rig_expect("1003:done 87;1003:pubcomp #9 92;");
}

static void servers_own_topics_are_not_for_clients(void **state)
{
	(void)state;
	rig_connect(1001, "one", true);
	rig_forget();
	rig_publish(1001, "$SYS/x", "x", 1);
	rig_publish(1001, "readings/SM-1", "x", 1);
	rig_expect("1001:done 87;1001:done 87;");
	assert_int_equal(rig_counter(BROKER_COUNT_IN_NOT_ALLOWED), 2);
}

static void watched_devices_are_told_to_the_workers(void **state)
{
	(void)state;
	rig_connect(1, "one", true);
	assert_false(broker_watches(&rig.watch, "SM-1", 4));
	rig_subscribe(1, "readings/SM-1", 0);
	assert_true(broker_watches(&rig.watch, "SM-1", 4));
	assert_false(broker_watches(&rig.watch, "SM-2", 4));
	rig_subscribe(1, "$share/g/readings/+", 0);
	assert_true(broker_watches(&rig.watch, "SM-2", 4));
	rig_filters(1, BROKER_UNSUBSCRIBE, "$share/g/readings/+", 0, 0);
	assert_true(broker_watches(&rig.watch, "SM-1", 4));
	assert_false(broker_watches(&rig.watch, "SM-2", 4));
	rig_subscribe(1, "#", 0);
	assert_true(broker_watches(&rig.watch, "SM-2", 4));
	rig_disconnect(1);
	assert_false(broker_watches(&rig.watch, "SM-1", 4));
	assert_int_equal(rig.watch.any, 0);
}

static bool took(void *context, const struct core_publisher *from, struct bytes client,
                 struct bytes topic, struct bytes props, struct bytes payload)
{
	(void)context, (void)client, (void)props, (void)payload;
	if (topic.count < 9 || memcmp(topic.data, "register/", 9) != 0)
		return false;
	core_publish(rig.core, rig_bytes("answer"), (struct bytes){0}, rig_bytes("yes"), 0);
	core_publish_done(rig.core, from, 0x99);
	return true;
}

static void registrations_are_handed_over(void **state)
{
	(void)state;
	rig.hooks.take = took;
	core_free(rig.core);
	rig_start();
	rig_connect(1, "one", true);
	rig_subscribe(1, "answer", 0);
	rig_forget();
	rig_publish(1, "register/one", "{}", 2);
	rig_publish(1, "register/one", "{}", 2); /* DUP */
	rig_expect("1:pub answer yes q0;1:done 99;1:done 00;");
	assert_int_equal(rig_counter(BROKER_COUNT_IN_REGISTER), 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(publish_reaches_matching_subscribers_once),
	    CASE(light_connection_publishes_without_an_answer_to_connect),
	    CASE(unsubscribe_ends_delivery),
	    CASE(options_of_5_are_kept),
	    CASE(too_many_subscriptions_are_refused),
	    CASE(filters_take_memory_that_is_limited),
	    CASE(share_takes_turns_and_prefers_the_ready),
	    CASE(window_holds_messages_back),
	    CASE(receive_maximum_of_the_client_is_kept),
	    CASE(topic_aliases_are_told_and_used_as_far_as_the_client_takes_them),
	    CASE(alias_that_makes_a_packet_too_large_is_left_out),
	    CASE(qos2_outbound_runs_its_course),
	    CASE(qos2_inbound_is_taken_once),
	    CASE(client_that_refuses_gets_no_more_of_it),
	    CASE(credit_stops_a_slow_client_alone),
	    CASE(full_queue_closes_with_quota_exceeded),
	    CASE(packet_larger_than_the_client_takes_is_dropped),
	    CASE(memory_of_messages_is_limited),
	    CASE(messages_expire_and_count_down),
	    CASE(sessions_expire),
	    CASE(newer_connection_takes_the_session_over),
	    CASE(clean_start_forgets_the_session),
	    CASE(persistent_sessions_are_limited),
	    CASE(retained_message_waits_for_subscribers),
	    CASE(retained_messages_are_limited_and_expire),
	    CASE(retained_messages_are_beside_the_queues_limit),
	    CASE(many_retained_messages_wait_for_a_slow_reader),
	    CASE(strangers_and_forbidden_topics_are_refused),
	    CASE(servers_own_topics_are_not_for_clients),
	    CASE(watched_devices_are_told_to_the_workers),
	    CASE(registrations_are_handed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
