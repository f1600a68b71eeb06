/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker against what MQTT promises, from a seed: clients that come, go, acknowledge late or
 * never, and a daemon that is killed in between, with or without its last unsynced changes. In the
 * end each subscriber has every message that was acknowledged to its publisher while it was
 * subscribed: once by QoS 2, at least once by QoS 1, in the order of publishing.
 *
 * Usage: test_broker_model [SEED [STEPS]]
 */
#include "rig.h"

#define SUBSCRIBERS  4
#define TOPICS       3
#define MESSAGES_MAX 20000
#define IDS_MAX      64

struct ack {
	enum broker_kind kind;
	uint16_t packet_id;
};

static struct client {
	uint64_t conn; /* 0: away */
	uint8_t qos[TOPICS]; /* subscribed with; 0: not */
	uint16_t pending[IDS_MAX]; /* QoS 2 ids received, not yet released */
	unsigned pending_count;
	struct ack acks[256]; /* on their way to the broker */
	unsigned ack_count;
	uint8_t due[MESSAGES_MAX]; /* QoS with which the message is owed; 0: not */
	uint8_t got[MESSAGES_MAX];
	unsigned newest[TOPICS][3]; /* by topic and QoS */
} clients[SUBSCRIBERS];

static struct {
	uint64_t conn;
	bool under_way; /* a QoS 2 publish whose PUBREC was lost */
	unsigned message, topic;
	uint16_t packet_id;
} publisher;

static uint64_t seed, next_conn;
static unsigned messages;
static uint8_t topic_of[MESSAGES_MAX];

static unsigned dice(unsigned sides)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(seed >> 33) % sides;
}

static const char *topic_name(unsigned topic)
{
	static const char *const names[TOPICS] = {"a", "b/cc", "b/ddd"};
	return names[topic];
}

/* --- the subscribers' side --- */

static struct client *client_by(uint64_t conn)
{
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		if (clients[i].conn == conn)
			return &clients[i];
	return NULL;
}

static void owe(struct client *c, enum broker_kind kind, uint16_t packet_id)
{
	assert_true(c->ack_count < 256);
	c->acks[c->ack_count++] = (struct ack){kind, packet_id};
}

static int find_pending(const struct client *c, uint16_t packet_id)
{
	for (unsigned i = 0; i < c->pending_count; i++)
		if (c->pending[i] == packet_id)
			return (int)i;
	return -1;
}

static void on_publish(uint64_t conn, struct bytes topic, struct bytes payload, uint8_t qos,
                       uint16_t packet_id, bool dup, bool retain)
{
	struct client *c = client_by(conn);
	char text[16] = "";
	(void)topic, (void)retain;
	if (!c)
		fail_msg("a message for connection %llu, which is gone", (unsigned long long)conn);
	memcpy(text, payload.data, payload.count);
	unsigned message = (unsigned)atoi(text);
	assert_true(message < messages);
	if (!c->due[message])
		fail_msg("message %u was not for this client", message);
	assert_int_equal(c->due[message], qos);
	if (qos == 2 && find_pending(c, packet_id) >= 0) {
		assert_true(dup);
		owe(c, BROKER_PUBREC, packet_id);
		return;
	}
	if (!c->got[message]) { /* MQTT5 4.6: what is new comes in order */
		unsigned *newest = &c->newest[topic_of[message]][qos];
		if (message < *newest)
			fail_msg("message %u came after %u", message, *newest);
		*newest = message;
	}
	c->got[message]++;
	if (qos == 2) {
		if (c->got[message] > 1)
			fail_msg("message %u came twice by QoS 2", message);
		assert_true(c->pending_count < IDS_MAX);
		c->pending[c->pending_count++] = packet_id;
	}
	owe(c, qos == 1 ? BROKER_PUBACK : BROKER_PUBREC, packet_id);
}

static void on_pubrel(uint64_t conn, uint16_t packet_id)
{
	struct client *c = client_by(conn);
	assert_non_null(c);
	int at = find_pending(c, packet_id);
	if (at >= 0)
		c->pending[at] = c->pending[--c->pending_count];
	owe(c, BROKER_PUBCOMP, packet_id);
}

static void send_acks(struct client *c, unsigned most)
{
	for (unsigned i = 0; i < most && c->conn && c->ack_count > 0; i++) {
		struct ack a = c->acks[0];
		memmove(c->acks, c->acks + 1, --c->ack_count * sizeof a);
		rig_ack(c->conn, a.kind, a.packet_id);
	}
}

static void connect_client(unsigned i)
{
	struct client *c = &clients[i];
	char name[8];
	snprintf(name, sizeof name, "sub%u", i);
	c->ack_count = 0;
	c->conn = ++next_conn; /* over an older one: it is taken over */
	rig_connect_with((struct rig_connect){.conn = c->conn, .client = name,
	                                      .expiry_s = NO_EXPIRY,
	                                      .receive_max = (uint16_t)(1 + dice(4)),
	                                      .alias_max = (uint16_t)dice(4)});
}

static void leave(struct client *c)
{
	uint64_t conn = c->conn;
	c->conn = 0;
	c->ack_count = 0;
	if (conn)
		rig_end(conn, dice(2) ? BROKER_END_NORMAL : BROKER_END_LOST, NO_EXPIRY);
}

static void subscribe(struct client *c)
{
	unsigned topic = dice(TOPICS);
	if (!c->conn)
		return;
	if (c->qos[topic] && dice(2)) {
		rig_filters(c->conn, BROKER_UNSUBSCRIBE, topic_name(topic), 0, 0);
		c->qos[topic] = 0;
	} else {
		c->qos[topic] = (uint8_t)(1 + dice(2));
		rig_subscribe(c->conn, topic_name(topic), c->qos[topic]);
	}
}

/* --- the publisher's --- */

static void connect_publisher(void)
{
	publisher.conn = ++next_conn;
	rig_connect(publisher.conn, "pub", false);
}

static void send_message(unsigned message, unsigned topic, uint8_t qos, uint16_t packet_id)
{
	char payload[16];
	snprintf(payload, sizeof payload, "%u", message);
	rig_publish_with((struct rig_publish){.conn = publisher.conn, .topic = topic_name(topic),
	                                      .payload = payload, .qos = qos,
	                                      .packet_id = packet_id});
}

static void publish(void)
{
	if (!publisher.conn)
		connect_publisher();
	if (publisher.under_way) { /* DUP: MQTT5 4.3.3 */
		send_message(publisher.message, publisher.topic, 2, publisher.packet_id);
		rig_ack(publisher.conn, BROKER_PUBREL, publisher.packet_id);
		publisher.under_way = false;
		return;
	}
	uint8_t qos = (uint8_t)(1 + dice(2));
	unsigned topic = dice(TOPICS), message = messages++;
	topic_of[message] = (uint8_t)topic;
	for (unsigned i = 0; i < SUBSCRIBERS; i++) {
		uint8_t most = clients[i].qos[topic];
		clients[i].due[message] = most < qos ? most : qos;
	}
	send_message(message, topic, qos, 9);
	if (qos == 2 && dice(4) == 0) {
		publisher.under_way = true;
		publisher.message = message;
		publisher.topic = topic;
		publisher.packet_id = 9;
	} else if (qos == 2) {
		rig_ack(publisher.conn, BROKER_PUBREL, 9);
	}
}

static void crash(void)
{
	for (unsigned i = 0; i < SUBSCRIBERS; i++) {
		clients[i].conn = 0;
		clients[i].ack_count = 0;
	}
	publisher.conn = 0;
	rig_crash(dice(2) ? 1000000 : dice(5));
}

static void step(void)
{
	struct client *c = &clients[dice(SUBSCRIBERS)];
	unsigned what = dice(100);
	if (what < 45)
		publish();
	else if (what < 80)
		send_acks(c, 1 + dice(4));
	else if (what < 87)
		connect_client((unsigned)(c - clients));
	else if (what < 92)
		leave(c);
	else if (what < 97)
		subscribe(c);
	else if (what < 99)
		rig_wait(1000);
	else
		crash();
	rig_forget();
}

static void drain(void)
{
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		connect_client(i);
	for (bool busy = true; busy;) {
		busy = false;
		for (unsigned i = 0; i < SUBSCRIBERS; i++) {
			busy |= clients[i].ack_count > 0;
			send_acks(&clients[i], 1);
			rig_forget();
		}
	}
}

static unsigned steps = 20000;

static void every_promise_is_kept(void **state)
{
	(void)state;
	uint64_t first = seed;
	rig.config.queue_messages = MESSAGES_MAX;
	rig.config.memory_bytes = 1u << 30;
	rig.on_publish = on_publish;
	rig.on_pubrel = on_pubrel;
	core_free(rig.core);
	rig_start();
	for (unsigned i = 0; i < steps && messages < MESSAGES_MAX; i++)
		step();
	drain();
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		for (unsigned m = 0; m < messages; m++) {
			bool good = clients[i].due[m] ? clients[i].got[m] > 0
			                              : clients[i].got[m] == 0;
			if (!good || (clients[i].due[m] == 2 && clients[i].got[m] != 1))
				fail_msg("seed %llu: client %u, message %u: owed by QoS %u, came "
				         "%u times", (unsigned long long)first, i, m,
				         clients[i].due[m], clients[i].got[m]);
		}
	assert_int_equal(rig_level(BROKER_LEVEL_QUEUED), 0);
	assert_int_equal(rig_level(BROKER_LEVEL_MESSAGE_BYTES), 0);
}

int main(int argc, char **argv)
{
	seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	if (argc > 2)
		steps = (unsigned)atoi(argv[2]);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_promise_is_kept, rig_set_up, rig_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
