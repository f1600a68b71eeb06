/* SPDX-License-Identifier: Apache-2.0 */
/* headrace.yaml: defaults, derived values, and every kind of mistake with its line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "control/config/config_priv.h"
#include "folder.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define PORT6 "ports:\n  - device: x\n    address: 10.0.0.1/24\n"
#define PORT "ports:\n  - {device: net_null0, address: 10.77.0.1/24}\n"

static int set_up(void **state)
{
	(void)state;
	folder_make();
	folder_write("channels.yaml", "x");
	folder_write("profiles/10.yaml", "x");
	return 0;
}

static void assert_refused(const char *text, const char *expected)
{
	struct config *c = NULL;
	struct error err = {""};
	char whole[ERROR_TEXT_BYTES + 64];

	folder_write("headrace.yaml", text);
	assert_int_equal(config_load(folder_path("headrace.yaml"), &c, &err), RESULT_INPUT);
	assert_null(c);
	snprintf(whole, sizeof whole, "%s:%s", folder_path("headrace.yaml"), expected);
	/* an expectation that ends in "..." is a beginning */
	size_t length = strlen(whole);
	if (length > 3 && strcmp(whole + length - 3, "...") == 0) {
		whole[length - 3] = '\0';
		err.text[length - 3] = '\0';
	}
	assert_string_equal(err.text, whole);
}

static void minimal_file_gets_defaults(void **state)
{
	struct config *c;
	struct error err;
	(void)state;
	folder_write("headrace.yaml", PORT);
	assert_int_equal(config_load(folder_path("headrace.yaml"), &c, &err), RESULT_OK);
	assert_int_equal(c->dpdk.hugepages, HUGEPAGES_AUTO);
	assert_int_equal(c->dpdk.memory_mb, 64);
	assert_string_equal(c->dpdk.file_prefix, "headrace");
	assert_int_equal(c->ports_count, 1);
	assert_int_equal(c->ports[0].mtu, 1500);
	assert_int_equal(c->ports[0].queues, 1);
	assert_int_equal(c->ports[0].distribution, DISTRIBUTION_AUTO);
	assert_int_equal(c->ports[0].prefix_bits, 24);
	assert_memory_equal(c->ports[0].ipv4, "\x0a\x4d\x00\x01", 4);
	assert_false(c->ports[0].has_gateway);
	assert_int_equal(c->workers_count, 1);
	assert_int_equal(c->workers[0].io_mask, 1);
	assert_int_equal(c->workers[0].stage_mask, 1);
	assert_true(c->workers[0].store);
	assert_int_equal(c->workers[0].stages_count, 3);
	assert_int_equal(c->idle, IDLE_BACKOFF);
	assert_int_equal(c->mqtt.port, 1883);
	assert_int_equal(c->mqtt.connect_timeout_ms, 10000);
	assert_int_equal(c->coap.port, 5683);
	assert_int_equal(c->limits.devices, 100000);
	assert_string_equal(c->journal.dir, "/var/lib/headrace/journal");
	assert_int_equal(c->store.flush_s, 300);
	assert_int_equal(c->retention.raw_days, 90);
	assert_int_equal(c->retention.hour_days, 365);
	assert_int_equal(c->retention.day_days, 1825);
	assert_int_equal(c->validation.late_max_h, 48);
	assert_string_equal(c->channels_file, folder_path("channels.yaml"));
	assert_string_equal(c->profiles_dir, folder_path("profiles"));
	assert_null(c->tariffs_dir);
	assert_string_equal(c->territory.timezone, "UTC");
	assert_null(c->registry.file);
	assert_int_equal(c->registry.authorisation, AUTHORISATION_GATEWAY);
	assert_int_equal(c->registry.registration, REGISTER_PENDING);
	assert_int_equal(c->registry.pending_max, 10000);
	assert_null(c->registry.allow_list);
	assert_int_equal(c->broker.queue_messages, 1000);
	assert_true(c->broker.anonymous);
	assert_null(c->broker.password_file);
	assert_string_equal(c->broker.dir, "/var/lib/headrace/store/broker");
	assert_string_equal(c->api.socket, "/run/headrace/api.sock");
	assert_null(c->api.listen);
	config_free(c);
}

static void given_values_are_taken(void **state)
{
	struct config *c;
	struct error err;
	(void)state;
	folder_write("devices.csv", "id\n");
	folder_write("headrace.yaml",
	             "dpdk: {hugepages: no, memory_mb: 128, file_prefix: hr-2}\n"
	             "ports:\n"
	             "  - {device: 0000:01:00.0, address: 10.0.0.2/8, gateway: 10.0.0.1,\n"
	             "     queues: 2, distribution: software, vlan: 4094,\n"
	             "     address6: \"2001:db8::2/64\", gateway6: \"2001:db8::1\"}\n"
	             "  - {device: net_tap0, address: 192.168.1.9/31, mtu: 9000}\n"
	             "workers:\n"
	             "  - {cpu: 3, stages: [io0, io2, stage1]}\n"
	             "  - {cpu: 1, stages: [store, io1, stage0]}\n"
	             "idle: spin\n"
	             "mqtt: {port: 0}\n"
	             "journal: {dir: j, size_max_mb: 0}\n"
	             "store: {dir: /abs/s}\n"
	             "registry: {file: devices.csv, authorisation: strict,\n"
	             "  registration: allow_list, allow_list: devices.csv, pending_max: 7}\n"
	             "broker: {anonymous: false, password_file: devices.csv, retained_max: 0}\n"
	             "api: {socket: a.sock, listen: \"127.0.0.1:9404\"}\n");
	enum result result = config_load(folder_path("headrace.yaml"), &c, &err);
	if (result != RESULT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(c->dpdk.hugepages, HUGEPAGES_NO);
	assert_int_equal(c->dpdk.memory_mb, 128);
	assert_true(c->ports[0].has_gateway);
	assert_memory_equal(c->ports[0].gateway_ipv4, "\x0a\x00\x00\x01", 4);
	assert_int_equal(c->ports[0].vlan, 4094);
	assert_int_equal(c->ports[0].distribution, DISTRIBUTION_SOFTWARE);
	assert_true(c->ports[0].has_ipv6 && c->ports[0].has_gateway6);
	assert_int_equal(c->ports[0].ipv6_prefix_bits, 64);
	assert_memory_equal(c->ports[0].ipv6, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 16);
	assert_memory_equal(c->ports[0].gateway_ipv6, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01",
	                    16);
	assert_false(c->ports[1].has_ipv6 || c->ports[1].has_gateway6);
	assert_int_equal(c->ports[1].vlan, 0);
	assert_int_equal(c->ports[0].prefix_bits, 8);
	assert_int_equal(c->ports[1].mtu, 9000);
	assert_int_equal(c->workers[0].cpu, 3);
	assert_int_equal(c->workers[0].io_mask, 5);
	assert_int_equal(c->workers[0].stage_mask, 2);
	assert_false(c->workers[0].store);
	assert_int_equal(c->workers[1].io_mask, 2);
	assert_int_equal(c->workers[1].stage_mask, 1);
	assert_true(c->workers[1].store);
	assert_int_equal(c->idle, IDLE_SPIN);
	assert_int_equal(c->mqtt.port, 0);
	assert_string_equal(c->journal.dir, folder_path("j"));
	assert_string_equal(c->store.dir, "/abs/s");
	assert_int_equal(c->journal.size_max_mb, 0);
	assert_string_equal(c->registry.file, folder_path("devices.csv"));
	assert_int_equal(c->registry.authorisation, AUTHORISATION_STRICT);
	assert_int_equal(c->registry.registration, REGISTER_ALLOW_LIST);
	assert_string_equal(c->registry.allow_list, folder_path("devices.csv"));
	assert_int_equal(c->registry.pending_max, 7);
	assert_false(c->broker.anonymous);
	assert_int_equal(c->broker.retained_max, 0);
	assert_string_equal(c->broker.password_file, folder_path("devices.csv"));
	assert_string_equal(c->broker.dir, "/abs/s/broker");
	assert_string_equal(c->api.socket, folder_path("a.sock"));
	assert_string_equal(c->api.listen, "127.0.0.1:9404");
	config_free(c);
}

static const struct {
	const char *text, *expected;
} wrong_files[] = {
    /* YAML itself */
    {"", "1: is empty; expected keys and values"},
    {"ports: [\n", "2: did not find expected node content while parsing a flow node; "
                   "expected valid YAML..."},
    {PORT "mqtt:\n\tport: 1\n", "4: found character that cannot start any token..."},
    {PORT "---\nmqtt: {}\n", "4: a second document begins; expected one per file"},
    {PORT "idle: \xff\n", "3: invalid leading UTF-8 octet..."},
    {"- a\n", "1: the file is a list; expected a mapping of keys and values"},
    /* keys and types */
    {PORT "mqtt:\n  prt: 1\n",
     "4: unknown key 'prt' in mqtt; expected one of port, packet_bytes_max, "
     "keep_alive_max_s, connect_timeout_ms, inflight_max, topic_alias_max, alias_memory_kb, "
     "retain, wildcards, subscription_ids, shared"},
    {PORT "\n\nmqqt:\n  port: 1\n", "5: unknown key 'mqqt' at the top level; expected one "
                                    "of dpdk, ports, workers, idle, mqtt, broker, coap..."},
    {PORT "mqtt:\n  port: many\n", "4: mqtt.port is 'many'; expected a whole number"},
    {PORT "mqtt: 3\n", "3: mqtt is a single value; expected a mapping of keys and values"},
    {PORT "mqtt:\n  port: [1]\n", "4: mqtt.port is a list; expected a whole number"},
    {PORT "mqtt:\n  port: 1\n  port: 2\n", "5: mqtt.port is given twice; expected once"},
    {PORT "idle: sometimes\n", "3: idle is 'sometimes'; expected one of backoff, spin"},
    {PORT "workers:\n  - cpu: 0\n", "4: 'workers[0].stages' is missing; expected a list of "
                                   "1 to 33 entries"},
    {"mqtt: {port: 1}\n", "1: 'ports' is missing; expected a list of 1 to 16 entries"},
    {"ports: []\n", "1: ports has too few entries; expected a list of 1 to 16 entries"},
    {"ports:\n  - device: x\n", "2: 'ports[0].address' is missing; expected text"},
    /* ranges */
    {PORT "mqtt:\n  port: 70000\n",
     "4: mqtt.port is 70000; expected a number from 0 to 65535"},
    {PORT "mqtt:\n  inflight_max: -1\n",
     "4: mqtt.inflight_max is -1; expected a number from 1 to 1024"},
    {PORT "mqtt:\n  inflight_max: 1025\n",
     "4: mqtt.inflight_max is 1025; expected a number from 1 to 1024"},
    {PORT "journal:\n  block_kb: 124\n",
     "4: journal.block_kb is 124; expected a number from 128 to 1024"},
    {PORT "journal:\n  buffers: 65\n",
     "4: journal.buffers is 65; expected a number from 3 to 64"},
    {PORT6 "    mtu: 9001\n", "4: ports[0].mtu is 9001; expected a number from 576 to 9000"},
    {PORT "journal: {buffers: 5, inflight: 4}\n",
     "3: journal.buffers is 5; expected at least inflight + 2 = 6"},
    {PORT "journal:\n  block_kb: 130\n",
     "4: journal.block_kb is 130; expected a multiple of 4"},
    {PORT "journal:\n  size_max_mb: 100\n",
     "4: journal.size_max_mb is 100; expected 0 (no limit) or room for segments_spare + 2 "
     "segments: at least 256"},
    {PORT "validation:\n  drift_flag_s: 30\n",
     "4: validation.drift_flag_s is 30; expected at least drift_accept_s, 60"},
    {PORT "validation:\n  drift_replace_s: 299\n",
     "4: validation.drift_replace_s is 299; expected at least drift_flag_s, 300"},
    {PORT "mqtt: {port: 0}\ncoap: {port: 0}\n",
     "3: mqtt.port and coap.port are both 0 (off); expected at least one protocol"},
    /* addresses */
    {"ports:\n  - device: x\n    address: 10.0.0.1\n",
     "3: ports[0].address is '10.0.0.1'; expected an IPv4 host address with prefix length, "
     "as 10.77.0.1/24"},
    {"ports:\n  - device: x\n    address: 10.0.0.300/24\n",
     "3: ports[0].address is '10.0.0.300/24'; expected an IPv4 host address..."},
    {"ports:\n  - device: x\n    address: 224.0.0.1/24\n",
     "3: ports[0].address is '224.0.0.1/24'; expected an IPv4 host address..."},
    {"ports:\n  - device: x\n    address: 10.0.0.255/24\n",
     "3: ports[0].address is '10.0.0.255/24', the network's own or broadcast address..."},
    {"ports:\n  - device: x\n    address: 10.0.0.1/24\n    gateway: 10.0.1.1\n",
     "4: ports[0].gateway is '10.0.1.1'; expected another address in the network "
     "10.0.0.1/24"},
    {"ports:\n  - device: x\n    address: 10.0.0.1/24\n    gateway: home\n",
     "4: ports[0].gateway is 'home'; expected an IPv4 address"},
    {PORT6 "    address6: 2001:db8::1\n",
     "4: ports[0].address6 is '2001:db8::1'; expected a global or unique local IPv6 address with "
     "prefix length, as 2001:db8::1/64"},
    {PORT6 "    address6: 2001:db8::1/129\n", "4: ports[0].address6 is '2001:db8::1/129'..."},
    {PORT6 "    address6: 2001:db8::g/64\n", "4: ports[0].address6 is '2001:db8::g/64'..."},
    {PORT6 "    address6: fe80::1/64\n", "4: ports[0].address6 is 'fe80::1/64'..."},
    {PORT6 "    address6: ff02::1/64\n", "4: ports[0].address6 is 'ff02::1/64'..."},
    {PORT6 "    address6: \"::ffff:10.0.0.1/96\"\n", "4: ports[0].address6 is '::ffff:10..."},
    {PORT6 "    address6: \"::1/64\"\n", "4: ports[0].address6 is '::1/64'..."},
    {PORT6 "    mtu: 1279\n    address6: 2001:db8::1/64\n",
     "5: ports[0].address6 needs an mtu of 1280 or more; it is 1279"},
    {PORT6 "    gateway6: 2001:db8::1\n",
     "4: ports[0].gateway6 is given without ports[0].address6"},
    {PORT6 "    address6: 2001:db8::1/64\n    gateway6: 2001:db8:1::1\n",
     "5: ports[0].gateway6 is '2001:db8:1::1'; expected another address in the network "
     "2001:db8::1/64, or a link-local one"},
    {PORT6 "    address6: 2001:db8::1/64\n    gateway6: 2001:db8::1\n",
     "5: ports[0].gateway6 is '2001:db8::1'; expected another address..."},
    {PORT6 "    address6: 2001:db8::1/64\n    gateway6: 10.0.0.2\n",
     "5: ports[0].gateway6 is '10.0.0.2'; expected an IPv6 address"},
    {PORT6 "    vlan: 4095\n", "4: ports[0].vlan is 4095..."},
    {PORT6 "    address6: 2001:db8::1/64\n"
           "  - {device: y, address: 10.0.1.1/24, address6: \"2001:db8:0::1/48\"}\n",
     "5: ports[1] has the address 2001:db8:0::1/48 of ports[0]; expected another"},
    {PORT "  - {device: \"net_null0,copy=1\", address: 10.1.0.1/24}\n",
     "3: ports[1].device is 'net_null0,copy=1', as in ports[0]; expected another device"},
    {PORT "  - {device: net_null1, address: 10.77.0.1/16}\n",
     "3: ports[1] has the address 10.77.0.1/16 of ports[0]; expected another"},
    {"ports:\n  - {device: a, address: 10.0.0.1/24, queues: 9}\n"
     "  - {device: b, address: 10.0.1.1/24, queues: 9}\n",
     "1: the ports have 18 queues together; expected at most 16"},
    /* stages */
    {PORT "workers:\n  - cpu: 0\n    stages: [io0, store]\n",
     "3: no worker runs 'stage0'; expected stages numbered from 0 without a gap, each on "
     "one worker"},
    {PORT "workers:\n  - {cpu: 0, stages: [io0, stage0, stage2, store]}\n",
     "3: no worker runs 'stage1'; expected..."},
    {PORT "workers:\n  - {cpu: 0, stages: [stage0, store]}\n",
     "3: no worker runs 'io0'; expected each of io0 to io0..."},
    {PORT "workers:\n  - {cpu: 0, stages: [io0, stage0]}\n",
     "3: no worker runs 'store'; expected it on one worker"},
    {PORT "workers:\n  - {cpu: 0, stages: [io0, store]}\n  - cpu: 1\n    stages:\n"
          "      - stage0\n      - io0\n",
     "8: stage 'io0' is given twice; expected on one worker only"},
    {PORT "workers:\n  - {cpu: 0, stages: [io0, stage0, store, store]}\n",
     "4: stage 'store' is given twice; expected on one worker only"},
    {PORT "workers:\n  - cpu: 0\n    stages: [io0, io1, stage0, store]\n",
     "5: there is no stage 'io1'; expected io0 to io0 (one per queue of the ports), stage0 "
     "to stage15, or store"},
    {PORT "workers:\n  - {cpu: 0, stages: [io0, stage00, store]}\n",
     "4: there is no stage 'stage00'..."},
    {PORT "workers:\n  - {cpu: 0, stages: [io0, stage0]}\n  - {cpu: 0, stages: [store]}\n",
     "5: cpu 0 already has workers[0]; expected one worker per cpu, with all stages that "
     "share it"},
    /* paths and names */
    {PORT "channels_file: none.yaml\n", "3: channels_file is '..."},
    {PORT "profiles_dir: channels.yaml\n", "3: profiles_dir is '..."},
    {PORT "vee_dir: none\n", "3: vee_dir is '..."},
    {PORT "tariffs_dir: none\n", "3: tariffs_dir is '..."},
    {PORT "territory:\n  timezone: Mars/Olympus\n",
     "4: territory.timezone: there is no time zone 'Mars/Olympus'..."},
    {PORT "registry:\n  file: nothing.csv\n", "4: registry.file is '..."},
    {PORT "registry:\n  registration: allow_list\n",
     "4: registry.registration is allow_list; expected registry.allow_list with the file of "
     "ids"},
    {PORT "registry:\n  registration: open\n  allow_list: ids\n",
     "5: registry.allow_list is given; expected registry.registration: allow_list with it"},
    {PORT "broker:\n  anonymous: false\n",
     "4: broker.anonymous is false, but nobody has a password; expected "
     "broker.password_file"},
    {PORT "broker:\n  identity: username\n",
     "4: broker.identity is username, but clients may name none; expected broker.anonymous: "
     "false with it"},
    {PORT "broker:\n  acl_file: nothing\n", "4: broker.acl_file is '..."},
    {PORT "store: {dir: /a}\njournal: {dir: /a}\n",
     "3: store.dir is the journal's folder '/a'; expected one of its own"},
    {PORT "api:\n  listen: 0.0.0.0:9404\n",
     "4: api.listen is '0.0.0.0:9404', beyond this machine; expected TLS with it "
     "(api.certificate and api.key), or api.plaintext: true"},
    {PORT "api:\n  listen: localhost:9404\n",
     "4: api.listen is 'localhost:9404'; expected an address and port, as 127.0.0.1:9404 or "
     "[::1]:9404"},
    {PORT "api:\n  listen: \"[::1]:0\"\n", "4: api.listen is '[::1]:0'; expected an address..."},
    {PORT "api:\n  key: k.pem\n",
     "4: api.key is given alone; expected api.certificate and api.key"},
    {PORT "api:\n  certificate: none.pem\n  key: none.pem\n", "4: api.certificate is '..."},
    {PORT "dpdk:\n  file_prefix: a/b\n", "4: dpdk.file_prefix is 'a/b'; expected up to 32 "
                                        "letters, digits, '-' and '_'"},
};

static void wrong_file_is_refused_with_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrong_files / sizeof wrong_files[0]; i++)
		assert_refused(wrong_files[i].text, wrong_files[i].expected);
}

static void dangling_reference_says_which_and_why(void **state)
{
	struct config *c;
	struct error err;
	(void)state;
	folder_write("headrace.yaml", PORT "registry:\n  file: nothing.csv\n");
	assert_int_equal(config_load(folder_path("headrace.yaml"), &c, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "nothing.csv': No such file or directory; expected a "
	                                 "readable file"));
}

static void missing_file_is_refused(void **state)
{
	struct config *c;
	struct error err;
	(void)state;
	assert_int_equal(config_load(folder_path("absent.yaml"), &c, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "absent.yaml:1: cannot be opened: No such file"));
}

static void long_file_is_refused(void **state)
{
	struct config *c;
	struct error err;
	(void)state;
	FILE *f = fopen(folder_path("long.yaml"), "wb");
	for (int i = 0; i < 1 << 16; i++)
		fputs("# seventeen bytes\n", f);
	fclose(f);
	assert_int_equal(config_load(folder_path("long.yaml"), &c, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "long.yaml:1: is too long; expected at most 1048576"));
}

/* The file that ships, with its comments, is what the defaults are. */
static void shipped_file_equals_defaults(void **state)
{
	struct config *shipped, *minimal;
	struct error err;
	(void)state;
	if (config_load(CONFIGS_DIR "/headrace.yaml", &shipped, &err) != RESULT_OK)
		fail_msg("%s", err.text);
	folder_write("headrace.yaml", PORT);
	assert_int_equal(config_load(folder_path("headrace.yaml"), &minimal, &err), RESULT_OK);
	assert_memory_equal(&shipped->mqtt, &minimal->mqtt, sizeof minimal->mqtt);
	assert_memory_equal(&shipped->coap, &minimal->coap, sizeof minimal->coap);
	assert_memory_equal(&shipped->limits, &minimal->limits, sizeof minimal->limits);
	assert_memory_equal(&shipped->validation, &minimal->validation,
	                    sizeof minimal->validation);
	assert_int_equal(shipped->dpdk.memory_mb, minimal->dpdk.memory_mb);
	assert_int_equal(shipped->journal.segment_mb, minimal->journal.segment_mb);
	assert_int_equal(shipped->journal.size_max_mb, minimal->journal.size_max_mb);
	assert_int_equal(shipped->journal.block_kb, minimal->journal.block_kb);
	assert_int_equal(shipped->journal.buffers, minimal->journal.buffers);
	assert_int_equal(shipped->journal.inflight, minimal->journal.inflight);
	assert_int_equal(shipped->store.run_readings, minimal->store.run_readings);
	assert_int_equal(shipped->store.flush_s, minimal->store.flush_s);
	assert_memory_equal(&shipped->retention, &minimal->retention, sizeof shipped->retention);
	assert_string_equal(shipped->journal.dir, minimal->journal.dir);
	assert_string_equal(shipped->store.dir, minimal->store.dir);
	assert_string_equal(shipped->api.socket, minimal->api.socket);
	assert_int_equal(shipped->workers[0].io_mask, minimal->workers[0].io_mask);
	config_free(shipped);
	config_free(minimal);
}

/* The manual page has every number with its default and range. */
static void manual_page_equals_the_table(void **state)
{
	static char page[65536];
	char row[160];
	(void)state;
	FILE *f = fopen(MANUAL_DIR "/headrace.yaml.5", "rb");
	assert_non_null(f);
	page[fread(page, 1, sizeof page - 1, f)] = '\0';
	fclose(f);
#define CHECK_ROW(section, key, otherwise, least, most)                                            \
	snprintf(row, sizeof row, ".IR %s.%s \" (default %d; %d to %d)\"\n", #section,            \
	         #key, otherwise, least, most);                                                    \
	if (!strstr(page, row))                                                                    \
		fail_msg("headrace.yaml(5) lacks: %s", row);
	DPDK_NUMBERS(CHECK_ROW)
	MQTT_NUMBERS(CHECK_ROW)
	COAP_NUMBERS(CHECK_ROW)
	LIMITS_NUMBERS(CHECK_ROW)
	JOURNAL_NUMBERS(CHECK_ROW)
	STORE_NUMBERS(CHECK_ROW)
	RETENTION_NUMBERS(CHECK_ROW)
	VALIDATION_NUMBERS(CHECK_ROW)
	API_NUMBERS(CHECK_ROW)
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(minimal_file_gets_defaults),
	    cmocka_unit_test(given_values_are_taken),
	    cmocka_unit_test(wrong_file_is_refused_with_its_line),
	    cmocka_unit_test(dangling_reference_says_which_and_why),
	    cmocka_unit_test(missing_file_is_refused),
	    cmocka_unit_test(long_file_is_refused),
	    cmocka_unit_test(shipped_file_equals_defaults),
	    cmocka_unit_test(manual_page_equals_the_table),
	};
	return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
