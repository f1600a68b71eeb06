/* SPDX-License-Identifier: Apache-2.0 */
/* PUBLISH and PUBREL, byte for byte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "control/broker/packet.h"

#include <cmocka.h> /* last: it has a macro named fail */

static struct message_pool pool;

static struct message *make(const char *topic, struct bytes props, struct bytes payload)
{
	return message_new(&pool, (struct bytes){(const uint8_t *)topic, (uint32_t)strlen(topic)},
	                   props, payload, 2, MESSAGE_NO_EXPIRY);
}

static void assert_packet(const struct packet_publish *p, const void *expected, size_t bytes)
{
	uint8_t out[64];
	assert_int_equal(packet_publish_bytes(p), bytes);
	packet_publish_put(p, out);
	assert_memory_equal(out, expected, bytes);
	message_put(&pool, (struct message *)p->message);
	assert_int_equal(pool.count, 0);
}

static void publish_3_1_1_has_no_properties(void **state)
{
	(void)state;
	struct bytes props = {(const uint8_t *)"\x01\x01", 2}, payload = {(const uint8_t *)"hi", 2};
	uint32_t id = 7;
	assert_packet(&(struct packet_publish){.message = make("a/b", props, payload),
	                                       .subscription_ids = &id, .id_count = 1,
	                                       .version = 4, .expiry_s = 9},
	              "\x30\x07\x00\x03" "a/bhi", 9);
	assert_packet(&(struct packet_publish){.message = make("a/b", props, payload),
	                                       .version = 4, .qos = 2, .packet_id = 0x1234,
	                                       .retain = true, .dup = true,
	                                       .expiry_s = UINT32_MAX},
	              "\x3d\x09\x00\x03" "a/b\x12\x34hi", 11);
}

static void publish_5_has_expiry_ids_and_the_publishers_properties(void **state)
{
	uint32_t ids[] = {1, 200};
	(void)state;
	struct bytes props = {(const uint8_t *)"\x01\x01", 2}, payload = {(const uint8_t *)"hi", 2};
	assert_packet(&(struct packet_publish){.message = make("a", props, payload),
	                                       .version = 5, .qos = 1, .packet_id = 1,
	                                       .subscription_ids = ids, .id_count = 2,
	                                       .expiry_s = 258},
	              "\x32\x14\x00\x01" "a\x00\x01\x0c\x02\x00\x00\x01\x02\x0b\x01\x0b\xc8\x01"
	              "\x01\x01hi", 22);
	assert_packet(&(struct packet_publish){.message = make("a", (struct bytes){0}, payload),
	                                       .version = 5, .expiry_s = UINT32_MAX},
	              "\x30\x06\x00\x01" "a\x00hi", 8);
}

static void publish_5_has_a_topic_alias_instead_of_its_topic(void **state)
{
	(void)state;
	struct bytes payload = {(const uint8_t *)"hi", 2};
	assert_packet(&(struct packet_publish){.message = make("a/b", (struct bytes){0}, payload),
	                                       .version = 5, .expiry_s = UINT32_MAX, .alias = 258},
	              "\x30\x0b\x00\x03" "a/b\x03\x23\x01\x02hi", 13);
	assert_packet(&(struct packet_publish){.message = make("a/b", (struct bytes){0}, payload),
	                                       .version = 5, .expiry_s = UINT32_MAX, .alias = 258,
	                                       .alias_stands = true},
	              "\x30\x08\x00\x00\x03\x23\x01\x02hi", 10);
}

static void long_publish_has_a_longer_length(void **state)
{
	static uint8_t big[20000], out[20010];
	(void)state;
	struct packet_publish p = {.message = make("a", (struct bytes){0},
	                                           (struct bytes){big, sizeof big}),
	                           .version = 4, .expiry_s = UINT32_MAX};
	assert_int_equal(packet_publish_bytes(&p), 1 + 3 + 3 + 20000);
	packet_publish_put(&p, out);
	assert_memory_equal(out, "\x30\xa3\x9c\x01\x00\x01" "a", 7);
	message_put(&pool, (struct message *)p.message);
}

static void pubrel_has_a_reason_only_in_5(void **state)
{
	uint8_t out[PACKET_PUBREL_BYTES];
	(void)state;
	assert_int_equal(packet_pubrel_put(4, 0x102, 0x92, out), 4);
	assert_memory_equal(out, "\x62\x02\x01\x02", 4);
	assert_int_equal(packet_pubrel_put(5, 0x102, 0x92, out), 5);
	assert_memory_equal(out, "\x62\x03\x01\x02\x92", 5);
	assert_int_equal(packet_pubrel_put(5, 0x102, 0, out), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(publish_3_1_1_has_no_properties),
	    cmocka_unit_test(publish_5_has_expiry_ids_and_the_publishers_properties),
	    cmocka_unit_test(publish_5_has_a_topic_alias_instead_of_its_topic),
	    cmocka_unit_test(long_publish_has_a_longer_length),
	    cmocka_unit_test(pubrel_has_a_reason_only_in_5),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
