/* SPDX-License-Identifier: Apache-2.0 */
/* Client 0 against a server that is written down segment by segment. */
#include "gen_rig.h"

#define FIN 1
#define SYN 2
#define RST 4
#define ACK 16
#define ISS 5000u /* the server's */

static struct gen g;
static uint32_t una; /* what the server has acknowledged */

static int set_up(void **state)
{
	(void)state;
	rig_init(&g, PROTOCOL_MQTT);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&g);
	return 0;
}

static void from_server(uint8_t flags, uint32_t seq, const void *data, uint32_t bytes)
{
	rig_segment(&g, flags, ISS + seq, una, RIG_WINDOW, data, bytes);
}

/* SYN, SYN-ACK, CONNECT; the server's next byte is ISS + 1. */
static struct rig_tcp open_connection(void)
{
	if (g.clients[0].state == CLIENT_CLOSED)
		client_open(&g, 0);
	struct rig_tcp syn = rig_next_tcp();
	assert_int_equal(syn.flags, SYN);
	una = syn.seq + 1;
	from_server(SYN | ACK, 0, NULL, 0);
	struct rig_tcp connect = rig_next_tcp();
	assert_int_equal(connect.seq, una);
	assert_int_equal(connect.ack, ISS + 1);
	una += connect.bytes;
	return connect;
}

/* ... CONNACK: up. The server's next byte is ISS + 5. */
static void come_up(void)
{
	open_connection();
	from_server(ACK, 1, "\x20\x02\x00\x00", 4);
	assert_int_equal(g.clients[0].state, CLIENT_UP);
	assert_int_equal(g.up, 1);
}

static uint32_t publish(void)
{
	uint32_t i = item_new(&g);
	g.items[i].kind = ITEM_PUBLISH;
	g.items[i].readings = 1;
	g.items[i].ts_ms = 1749996900123 + (int64_t)g.totals.scheduled;
	g.items[i].due_us = g.now_us;
	g.items[i].id = ++g.clients[0].packet_id;
	g.totals.scheduled++;
	client_append(&g, 0, i);
	client_output(&g, 0);
	return i;
}

static void puback(uint32_t seq, uint16_t id)
{
	uint8_t packet[4] = {0x40, 2};
	put_be16(packet + 2, id);
	from_server(ACK, seq, packet, 4);
}

static void syn_lost_is_sent_again_after_a_second(void **state)
{
	(void)state;
	client_open(&g, 0);
	struct rig_tcp first = rig_next_tcp();
	rig_advance(&g, 990);
	rig_expect_silence();
	rig_advance(&g, 30);
	assert_int_equal(rig_next_tcp().seq, first.seq);
	assert_int_equal(g.totals.tcp_retransmitted, 1);
}

static void handshake_carries_connect_with_the_meters_id(void **state)
{
	static const char want[] = "\x10\x17\x00\x04MQTT\x04\x02\x00\x3c\x00\x0bSM-00000001";
	(void)state;
	struct rig_tcp connect = open_connection();
	assert_int_equal(connect.bytes, sizeof want - 1);
	assert_memory_equal(connect.data, want, sizeof want - 1);
}

static void syn_ack_of_another_connection_is_reset(void **state)
{
	(void)state;
	client_open(&g, 0);
	rig_next_tcp();
	rig_segment(&g, ACK, ISS, 77, RIG_WINDOW, NULL, 0);
	struct rig_tcp reset = rig_next_tcp();
	assert_int_equal(reset.flags, RST);
	assert_int_equal(reset.seq, 77);
	assert_int_equal(g.clients[0].state, CLIENT_SYN_SENT);
}

static void connack_with_refusal_ends_the_connection(void **state)
{
	(void)state;
	open_connection();
	from_server(ACK, 1, "\x20\x02\x00\x05", 4);
	assert_int_equal(g.totals.refused, 1);
	assert_int_equal(rig_next_tcp().flags, RST | ACK);
	assert_int_equal(g.clients[0].state, CLIENT_CLOSED);
}

static void publish_answered_counts_latency_from_when_it_was_due(void **state)
{
	(void)state;
	come_up();
	uint64_t due = g.now_us;
	publish();
	struct rig_tcp segment = rig_next_tcp();
	assert_int_equal(segment.data[0], 0x32);
	una += segment.bytes;
	rig_advance(&g, 7);
	puback(5, g.clients[0].packet_id);
	assert_int_equal(g.totals.acked, 1);
	assert_int_equal(g.steps[0].latency.max_us, g.now_us - due);
	assert_int_equal(g.items_used, 0);
}

static void puback_in_pieces_is_understood(void **state)
{
	uint8_t packet[4] = {0x40, 2};
	(void)state;
	come_up();
	publish();
	una += rig_next_tcp().bytes;
	put_be16(packet + 2, g.clients[0].packet_id);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(g.totals.acked, 0);
		from_server(ACK, 5 + i, packet + i, 1);
	}
	assert_int_equal(g.totals.acked, 1);
}

static void puback_of_what_tcp_did_not_acknowledge_is_an_error(void **state)
{
	(void)state;
	come_up();
	publish();
	rig_next_tcp();
	puback(5, g.clients[0].packet_id); /* una was not moved on */
	assert_int_equal(g.totals.early_acks, 1);
	assert_int_equal(g.totals.acked, 0);
}

static void puback_of_an_unknown_id_is_an_error(void **state)
{
	(void)state;
	come_up();
	puback(5, 4711);
	assert_int_equal(g.totals.protocol_errors, 1);
}

static void segment_lost_is_rendered_again_to_the_same_bytes(void **state)
{
	uint8_t first[1500];
	(void)state;
	come_up();
	publish();
	struct rig_tcp a = rig_next_tcp();
	memcpy(first, a.data, a.bytes);
	rig_advance(&g, 40); /* the CONNACK's acknowledgement went along: nothing else to say */
	rig_expect_silence();
	rig_advance(&g, 480);
	struct rig_tcp b = rig_next_tcp();
	assert_int_equal(b.seq, a.seq);
	assert_int_equal(b.bytes, a.bytes);
	assert_memory_equal(b.data, first, a.bytes);
	rig_advance(&g, 980);
	rig_expect_silence(); /* twice as long */
	rig_advance(&g, 40);
	assert_int_equal(rig_next_tcp().seq, a.seq);
	una = a.seq + a.bytes;
	puback(5, g.clients[0].packet_id);
	assert_int_equal(g.totals.acked, 1);
}

static void three_duplicate_acks_retransmit_at_once(void **state)
{
	(void)state;
	come_up();
	for (int i = 0; i < 4; i++)
		publish();
	uint32_t first = rig_next_tcp().seq;
	for (int i = 0; i < 3; i++)
		rig_next_tcp();
	for (int i = 0; i < 2; i++)
		from_server(ACK, 5, NULL, 0);
	rig_expect_silence();
	from_server(ACK, 5, NULL, 0);
	assert_int_equal(rig_next_tcp().seq, first);
}

static void several_messages_share_a_segment_when_they_waited(void **state)
{
	(void)state;
	open_connection();
	uint32_t before = g.clients[0].snd_nxt;
	publish();
	publish(); /* nothing goes out before the CONNACK */
	rig_expect_silence();
	from_server(ACK, 1, "\x20\x02\x00\x00", 4);
	struct rig_tcp both = rig_next_tcp();
	assert_int_equal(both.seq, before);
	assert_int_equal(both.bytes, 2 * g.items[g.clients[0].head].bytes);
	rig_expect_silence();
}

static void window_of_the_peer_is_respected_and_probed(void **state)
{
	(void)state;
	come_up();
	rig_segment(&g, ACK, ISS + 5, una, 10, NULL, 0);
	publish();
	assert_int_equal(rig_next_tcp().bytes, 10);
	rig_expect_silence();
	una += 10;
	rig_segment(&g, ACK, ISS + 5, una, 0, NULL, 0);
	rig_advance(&g, 520);
	struct rig_tcp probe = rig_next_tcp();
	assert_int_equal(probe.bytes, 1);
	assert_int_equal(probe.seq, una);
	rig_segment(&g, ACK, ISS + 5, una + 1, RIG_WINDOW, NULL, 0);
	struct rig_tcp rest = rig_next_tcp();
	assert_int_equal(rest.seq, una + 1);
	assert_int_equal(rest.bytes, g.items[g.clients[0].head].bytes - 11);
}

static void message_longer_than_a_segment_is_cut(void **state)
{
	(void)state;
	g.options.batch = 50;
	come_up();
	uint32_t i = item_new(&g);
	g.items[i] = (struct item){
	    .kind = ITEM_PUBLISH, .readings = 50, .ts_ms = 1, .next = NONE, .line = NONE, .id = 9};
	client_append(&g, 0, i);
	client_output(&g, 0);
	uint8_t whole[MESSAGE_MAX], got[MESSAGE_MAX];
	uint32_t bytes = mqtt_render(&g, 0, &g.items[i], whole), at = 0;
	while (at < bytes) {
		struct rig_tcp s = rig_next_tcp();
		assert_true(s.bytes <= TCP_MSS);
		memcpy(got + at, s.data, s.bytes);
		at += s.bytes;
	}
	assert_memory_equal(got, whole, bytes);
	rig_expect_silence();
}

static void data_behind_a_gap_is_dropped_and_reported(void **state)
{
	(void)state;
	come_up();
	publish();
	una += rig_next_tcp().bytes;
	puback(9, g.clients[0].packet_id);
	assert_int_equal(g.totals.acked, 0);
	struct rig_tcp duplicate = rig_next_tcp();
	assert_int_equal(duplicate.ack, ISS + 5);
	assert_int_equal(duplicate.bytes, 0);
}

static void data_received_is_acknowledged_within_40_ms(void **state)
{
	(void)state;
	come_up();
	rig_advance(&g, 39);
	rig_expect_silence();
	rig_advance(&g, 2);
	struct rig_tcp ack = rig_next_tcp();
	assert_int_equal(ack.ack, ISS + 5);
	assert_int_equal(ack.flags, ACK);
}

static void reset_leads_to_reconnecting_and_dup(void **state)
{
	(void)state;
	come_up();
	publish();
	una += rig_next_tcp().bytes;
	from_server(ACK, 5, NULL, 0);
	from_server(RST, 5, NULL, 0);
	assert_int_equal(g.clients[0].state, CLIENT_CLOSED);
	while (g.clients[0].state == CLIENT_CLOSED)
		rig_advance(&g, 1);
	come_up();
	struct rig_tcp again = rig_next_tcp();
	assert_int_equal(again.data[0], 0x3a); /* DUP */
	una += again.bytes;
	puback(5, g.clients[0].packet_id);
	assert_int_equal(g.totals.acked, 1);
	assert_int_equal(g.totals.mqtt_again, 1);
}

static void reset_outside_of_the_sequence_is_ignored(void **state)
{
	(void)state;
	come_up();
	from_server(RST, 6, NULL, 0);
	assert_int_equal(g.clients[0].state, CLIENT_UP);
}

static void idle_connection_sends_pingreq_before_its_keep_alive_ends(void **state)
{
	(void)state;
	come_up();
	rig_advance(&g, 41);
	rig_next_tcp();
	rig_advance(&g, 54100);
	struct rig_tcp ping = rig_next_tcp();
	assert_int_equal(ping.bytes, 2);
	assert_int_equal(ping.data[0], 0xc0);
	una += 2;
	from_server(ACK, 5, "\xd0\x00", 2);
	assert_int_equal(g.items_used, 0);
}

static void close_sends_disconnect_and_fin_and_ends_with_the_peers_fin(void **state)
{
	(void)state;
	come_up();
	client_close(&g, 0);
	struct rig_tcp disconnect = rig_next_tcp(), fin = rig_next_tcp();
	assert_int_equal(disconnect.data[0], 0xe0);
	assert_int_equal(fin.flags, FIN | ACK);
	assert_int_equal(fin.seq, disconnect.seq + 2);
	rig_advance(&g, 520); /* both were lost */
	disconnect = rig_next_tcp();
	fin = rig_next_tcp();
	assert_int_equal(fin.flags, FIN | ACK);
	assert_int_equal(fin.seq, disconnect.seq + 2);
	una = fin.seq + 1;
	from_server(FIN | ACK, 5, NULL, 0);
	assert_int_equal(rig_next_tcp().ack, ISS + 6);
	assert_int_equal(g.clients[0].state, CLIENT_CLOSED);
	assert_int_equal(g.items_used, 0);
	assert_int_equal(g.totals.closed, 1);
}

static void zero_window_holder_never_opens_its_window(void **state)
{
	(void)state;
	g.clients[0].flags = CLIENT_HOLDER;
	client_open(&g, 0);
	struct rig_tcp syn = rig_next_tcp();
	una = syn.seq + 1;
	from_server(SYN | ACK, 0, NULL, 0);
	struct rig_tcp connect = rig_next_tcp();
	assert_int_equal(connect.window, 0);
	una += connect.bytes;
	from_server(ACK, 1, "\x20", 1); /* a probe */
	struct rig_tcp answer = rig_next_tcp();
	assert_int_equal(answer.window, 0);
	assert_int_equal(answer.ack, ISS + 1);
}

static void segment_without_a_buffer_is_sent_later(void **state)
{
	(void)state;
	come_up();
	rig_no_buffers = true;
	publish();
	rig_expect_silence();
	rig_no_buffers = false;
	rig_advance(&g, 520);
	uint32_t found = 0;
	while (rig_seen < rig_count)
		found += rig_next_tcp().bytes > 0;
	assert_int_equal(found, 1);
}

static void qos_0_counts_when_tcp_has_delivered_it(void **state)
{
	(void)state;
	g.options.qos = 0;
	come_up();
	publish();
	struct rig_tcp s = rig_next_tcp();
	assert_int_equal(s.data[0], 0x30);
	assert_int_equal(g.totals.acked, 0);
	una += s.bytes;
	from_server(ACK, 5, NULL, 0);
	assert_int_equal(g.totals.acked, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(syn_lost_is_sent_again_after_a_second),
	    CASE(handshake_carries_connect_with_the_meters_id),
	    CASE(syn_ack_of_another_connection_is_reset),
	    CASE(connack_with_refusal_ends_the_connection),
	    CASE(publish_answered_counts_latency_from_when_it_was_due),
	    CASE(puback_in_pieces_is_understood),
	    CASE(puback_of_what_tcp_did_not_acknowledge_is_an_error),
	    CASE(puback_of_an_unknown_id_is_an_error),
	    CASE(segment_lost_is_rendered_again_to_the_same_bytes),
	    CASE(three_duplicate_acks_retransmit_at_once),
	    CASE(several_messages_share_a_segment_when_they_waited),
	    CASE(window_of_the_peer_is_respected_and_probed),
	    CASE(message_longer_than_a_segment_is_cut),
	    CASE(data_behind_a_gap_is_dropped_and_reported),
	    CASE(data_received_is_acknowledged_within_40_ms),
	    CASE(reset_leads_to_reconnecting_and_dup),
	    CASE(reset_outside_of_the_sequence_is_ignored),
	    CASE(idle_connection_sends_pingreq_before_its_keep_alive_ends),
	    CASE(close_sends_disconnect_and_fin_and_ends_with_the_peers_fin),
	    CASE(zero_window_holder_never_opens_its_window),
	    CASE(segment_without_a_buffer_is_sent_later),
	    CASE(qos_0_counts_when_tcp_has_delivered_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
