/* SPDX-License-Identifier: Apache-2.0 */
/* What a crash leaves: sessions, queues, packet ids, wills and retained messages. */
#include "rig.h"

static void acknowledged_message_waits_through_a_crash(void **state)
{
	(void)state;
	rig_connect(1001, "one", false);
	rig_filters(1001, BROKER_SUBSCRIBE, "a/+", 2, 7);
	rig_disconnect(1001);
	rig_connect(2, "pub", true);
	rig_publish(2, "a/1", "x", 1);
	rig_publish_with((struct rig_publish){.conn = 2, .topic = "a/2", .payload = "y", .qos = 2,
	                                      .packet_id = 3, .props = "\x01\x01"});
	rig_forget();
	assert_int_equal(rig_crash(0), 1 + 1 + 2 + 2); /* with messages and entries */
	rig_connect(1003, "one", false);
	rig_expect("1003:connected 00 present;1003:pub a/1 x q1 #1 id=7;"
	           "1003:pub a/2 y q2 #2 id=7 props=2;");
	assert_int_equal(rig_level(BROKER_LEVEL_SUBSCRIPTIONS), 1);
}

static void unacknowledged_message_is_sent_again_with_its_id(void **state)
{
	(void)state;
	rig_connect(1, "one", false);
	rig_subscribe(1, "a", 2);
	for (int i = 0; i < 3; i++)
		rig_publish_with((struct rig_publish){.conn = 1, .topic = "a", .payload = "x",
		                                      .qos = 2, .packet_id = (uint16_t)(i + 1)});
	rig_ack(1, BROKER_PUBREC, 2);
	rig_ack(1, BROKER_PUBREC, 3);
	rig_ack(1, BROKER_PUBCOMP, 3);
	rig_forget();
	rig_crash(1000);
	rig_connect(2, "one", false);
	rig_expect("2:connected 00 present;2:pub a x q2 #1 dup;2:pubrel #2;");
	rig_ack(2, BROKER_PUBCOMP, 2);
	rig_ack(2, BROKER_PUBREC, 1);
	rig_ack(2, BROKER_PUBCOMP, 1);
	rig_expect("2:pubrel #1;");
	rig_disconnect(2);
	assert_int_equal(rig_crash(1000), 2 + 3); /* session, subscription, three inbound ids */
}

static void qos2_duplicate_after_a_crash_is_delivered_once(void **state)
{
	(void)state;
	rig_connect(1, "sub", false);
	rig_subscribe(1, "a", 1);
	rig_disconnect(1);
	rig_connect(2, "pub", false);
	rig_publish(2, "a", "x", 2);
	rig_forget();
	rig_crash(0);
	rig_connect(3, "pub", false);
	rig_publish(3, "a", "x", 2); /* DUP: PUBREC was lost */
	rig_ack(3, BROKER_PUBREL, 9);
	rig_crash(0);
	rig_connect(4, "pub", false);
	rig_ack(4, BROKER_PUBREL, 9);
	rig_expect("3:connected 00 present;3:done 00;3:pubcomp #9 00;"
	           "4:connected 00 present;4:pubcomp #9 92;");
	rig_publish(4, "a", "y", 2); /* the id is free again */
	rig_forget();
	rig_connect(5, "sub", false);
	rig_expect("5:connected 00 present;5:pub a x q1 #1;5:pub a y q1 #2;");
}

static void unsubscribed_stays_unsubscribed(void **state)
{
	(void)state;
	rig_connect(1, "one", false);
	rig_subscribe(1, "a", 1);
	rig_subscribe(1, "$share/g/b", 1);
	rig_filters(1, BROKER_UNSUBSCRIBE, "a", 0, 0);
	rig_crash(0);
	rig_connect(2, "one", false);
	rig_forget();
	rig_publish(2, "a", "x", 1);
	rig_publish(2, "b", "x", 1);
	rig_expect("2:done 10;2:pub b x q1 #1;2:done 00;");
}

static void retained_message_survives_and_its_removal_too(void **state)
{
	(void)state;
	rig_connect(1, "one", true);
	rig_publish_with((struct rig_publish){.conn = 1, .topic = "a", .payload = "x", .qos = 1,
	                                      .retain = true});
	rig_publish_with((struct rig_publish){.conn = 1, .topic = "b", .payload = "y",
	                                      .retain = true});
	rig_publish_with((struct rig_publish){.conn = 1, .topic = "b", .payload = "",
	                                      .retain = true});
	rig_crash(0);
	rig_connect(2, "one", true);
	rig_forget();
	rig_subscribe(2, "#", 1);
	rig_expect("2:suback 01;2:pub a x q1 #1 retain;");
}

static void clean_session_leaves_nothing(void **state)
{
	(void)state;
	rig_connect(1, "one", true);
	rig_subscribe(1, "a", 2);
	rig_publish(1, "a", "x", 2);
	assert_int_equal(rig_crash(1000), 0);
	rig_connect(2, "two", false);
	rig_subscribe(2, "a", 2);
	rig_publish(2, "a", "x", 2);
	rig_connect(3, "two", true);
	assert_int_equal(rig_crash(1000), 0);
	assert_int_equal(rig_level(BROKER_LEVEL_MESSAGE_BYTES), 0);
}

/* MQTT 3.1.1 3.1.2-10: the will of a failed server may wait for its restart. */
static void will_is_published_after_a_crash(void **state)
{
	(void)state;
	rig_connect(1, "sub", false);
	rig_subscribe(1, "gone/+", 1);
	rig_connect_with((struct rig_connect){.conn = 2, .client = "clean", .will_topic = "gone/1",
	                                      .will_payload = "w", .will_qos = 1, .clean = true});
	rig_connect_with((struct rig_connect){.conn = 1003, .client = "kept", .expiry_s = 100,
	                                      .will_topic = "gone/2", .will_payload = "w",
	                                      .will_delay_s = 5, .will_qos = 1});
	rig_connect_with((struct rig_connect){.conn = 4, .client = "left", .will_topic = "gone/3",
	                                      .will_payload = "w", .clean = true});
	rig_disconnect(4);
	rig_forget();
	rig_crash(0);
	rig_connect(5, "sub", false);
	rig_expect("5:connected 00 present;5:pub gone/1 w q1 #1;");
	rig_wait(6000);
	rig_expect("5:pub gone/2 w q1 #2;");
	rig_wait(60000);
	rig_disconnect(5);
	rig_crash(1000);
	rig_wait(6000);
	rig_expect("");
}

static void will_delay_goes_on_over_a_restart(void **state)
{
	(void)state;
	rig_connect(1, "sub", false);
	rig_subscribe(1, "gone", 1);
	rig_connect_with((struct rig_connect){.conn = 1003, .client = "kept", .expiry_s = 100,
	                                      .will_topic = "gone", .will_payload = "w",
	                                      .will_delay_s = 50, .will_qos = 1});
	rig_end(1003, BROKER_END_LOST, 100);
	rig_wait(20000);
	rig_connect(9, "x", false); /* a synced write: the end is on disk, too */
	rig_forget();
	rig_crash(0);
	rig_wait(20000);
	rig_connect(5, "sub", false);
	rig_expect("5:connected 00 present;");
	rig_wait(11000);
	rig_expect("5:pub gone w q1 #1;");
}

static void session_expires_while_the_daemon_is_down(void **state)
{
	(void)state;
	rig_connect_with((struct rig_connect){.conn = 1001, .client = "one", .expiry_s = 10});
	rig_subscribe(1001, "a", 1);
	rig_forget();
	rig.now_ms += 5000;
	rig_crash(0);
	rig_wait(9000); /* it was connected when the daemon died: the time begins now */
	rig_connect_with((struct rig_connect){.conn = 1002, .client = "one", .expiry_s = 10});
	rig_end(1002, BROKER_END_LOST, 10);
	rig_connect(9, "x", false);
	rig_expect("1002:connected 00 present;9:connected 00;");
	rig.now_ms += 11000;
	rig_crash(0);
	rig_wait(1000);
	rig_connect_with((struct rig_connect){.conn = 1003, .client = "one", .expiry_s = 10});
	rig_expect("1003:connected 00;");
}

/* One bit or byte wrong anywhere must end in words or in a state that works, not in a crash. */
static void damaged_records_are_survived(void **state)
{
	(void)state;
	rig_connect(1, "sub", false);
	rig_subscribe(1, "a/#", 2);
	rig_connect_with((struct rig_connect){.conn = 2, .client = "w", .will_topic = "gone",
	                                      .will_payload = "w", .clean = true});
	rig_publish_with((struct rig_publish){.conn = 2, .topic = "a/b", .payload = "x", .qos = 2,
	                                      .packet_id = 1, .retain = true});
	rig_ack(1, BROKER_PUBREC, 1);
	rig_publish(1, "a/c", "y", 2);
	unsigned refused = 0, taken = 0;
	for (size_t i = 0; i < rig.change_count; i++) {
		struct rig_change *c = &rig.changes[i];
		for (uint32_t at = 0; c->value && at < c->key_bytes + c->value_bytes; at++) {
			uint8_t *byte = at < c->key_bytes ? &c->key[at]
			                                  : &c->value[at - c->key_bytes];
			*byte ^= 0x41;
			struct core *core = core_new(&rig.config, &rig.hooks, NULL, &rig.watch,
			                             (struct hash_key){5, 6});
			bool good = true;
			for (size_t n = 0; n < rig.change_count && good; n++) {
				struct error err;
				const struct rig_change *x = &rig.changes[n];
				if (x->value)
					good = core_load(core,
					                 (struct bytes){x->key, x->key_bytes},
					                 (struct bytes){x->value, x->value_bytes},
					                 rig.now_ms, &err) == RESULT_OK;
			}
			if (good)
				core_loaded(core, rig.now_ms);
			taken += good;
			refused += !good;
			core_free(core);
			*byte ^= 0x41;
		}
	}
	assert_true(refused > 20);
	assert_true(taken > 20);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(acknowledged_message_waits_through_a_crash),
	    CASE(unacknowledged_message_is_sent_again_with_its_id),
	    CASE(qos2_duplicate_after_a_crash_is_delivered_once),
	    CASE(unsubscribed_stays_unsubscribed),
	    CASE(retained_message_survives_and_its_removal_too),
	    CASE(clean_session_leaves_nothing),
	    CASE(will_is_published_after_a_crash),
	    CASE(will_delay_goes_on_over_a_restart),
	    CASE(session_expires_while_the_daemon_is_down),
	    CASE(damaged_records_are_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
