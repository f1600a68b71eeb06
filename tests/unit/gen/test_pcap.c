/* SPDX-License-Identifier: Apache-2.0 */
#include "gen_rig.h"

static struct gen g;
static uint8_t file[4096];
static size_t file_bytes;

static void put_word(bool big, uint32_t value)
{
	if (big)
		put_be32(file + file_bytes, value);
	else
		put_le32(file + file_bytes, value);
	file_bytes += 4;
}

static void begin(bool big, uint32_t magic, uint32_t link_type)
{
	file_bytes = 0;
	put_word(big, magic);
	for (uint32_t i = 0; i < 4; i++)
		put_word(big, 0);
	put_word(big, link_type);
}

static void add(bool big, uint32_t seconds, uint32_t fraction, uint32_t here, uint32_t there)
{
	put_word(big, seconds);
	put_word(big, fraction);
	put_word(big, here);
	put_word(big, there);
	memset(file + file_bytes, 0x22, here);
	file_bytes += here;
}

static int set_up(void **state)
{
	(void)state;
	rig_init(&g, PROTOCOL_MQTT);
	memcpy(g.server_mac, "SERVER", 6);
	memcpy(g.mac, "OURMAC", 6);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&g);
	return 0;
}

static void both_byte_orders_and_units_are_read(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		bool big = kind & 1, ns = kind & 2;
		struct pcap_frame f;
		begin(big, ns ? 0xa1b23c4d : 0xa1b2c3d4, 1);
		add(big, 100, ns ? 5000 : 5, 60, 60);
		add(big, 101, 0, 60, 90);
		assert_null(pcap_take(&g.pcap, file, file_bytes));
		assert_true(pcap_next(&g.pcap, &f));
		assert_int_equal(f.at_us, 100000005);
		assert_true(f.whole && f.bytes == 60 && f.frame[0] == 0x22);
		assert_true(pcap_next(&g.pcap, &f));
		assert_false(f.whole);
		assert_false(pcap_next(&g.pcap, &f));
		assert_false(g.pcap.cut);
	}
}

static void wrong_files_are_refused(void **state)
{
	(void)state;
	begin(false, 0x0a0d0d0a, 1); /* pcapng */
	assert_non_null(strstr(pcap_take(&g.pcap, file, file_bytes), "not a pcap file"));
	begin(false, 0xa1b2c3d4, 101); /* raw IP */
	assert_non_null(strstr(pcap_take(&g.pcap, file, file_bytes), "not a capture of Ethernet"));
	assert_non_null(strstr(pcap_take(&g.pcap, file, 23), "shorter"));
	begin(false, 0xa1b2c3d4, 1);
	add(false, 1, 0, 60, 60);
	for (size_t cut = 25; cut < file_bytes; cut++) {
		struct pcap_frame f;
		uint8_t *exact = malloc(cut);
		memcpy(exact, file, cut);
		assert_null(pcap_take(&g.pcap, exact, cut));
		assert_false(pcap_next(&g.pcap, &f));
		assert_int_equal(g.pcap.cut, cut >= 40);
		free(exact);
	}
}

/* Frames leave at their distances, with our MAC addresses in them; a group's stays. */
static void frames_leave_when_they_are_due(void **state)
{
	(void)state;
	begin(true, 0xa1b2c3d4, 1);
	add(true, 100, 0, 60, 60);
	add(true, 100, 1000, 60, 60);
	file[file_bytes - 60] = 0x33;
	add(true, 99, 0, 60, 60);    /* the capture's clock went back */
	add(true, 100, 2000, 60, 99); /* cut by the capture */
	add(true, 100, 3000, 60, 60);
	assert_null(pcap_take(&g.pcap, file, file_bytes));
	assert_true(pcap_run(&g));
	assert_int_equal(rig_count, 1);
	assert_memory_equal(rig_frames[0].bytes, "SERVEROURMAC", 12);
	g.now_us += 999;
	assert_true(pcap_run(&g));
	assert_int_equal(rig_count, 1);
	g.now_us += 1;
	assert_true(pcap_run(&g));
	assert_int_equal(rig_count, 3);
	assert_int_equal(rig_frames[1].bytes[0], 0x33);
	assert_memory_equal(rig_frames[1].bytes + 6, "OURMAC", 6);
	g.now_us += 1000;
	assert_true(pcap_run(&g));
	assert_int_equal(g.totals.replay_skipped, 1);
	g.now_us += 1000;
	assert_false(pcap_run(&g));
	assert_int_equal(g.totals.replayed, 4);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(both_byte_orders_and_units_are_read),
	    CASE(wrong_files_are_refused),
	    CASE(frames_leave_when_they_are_due),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
