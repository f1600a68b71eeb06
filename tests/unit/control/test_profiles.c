/* SPDX-License-Identifier: Apache-2.0 */
/* The channel catalogue and the profiles: the shipped ones, and every kind of mistake. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include "control/config/config.h"
#include "folder.h"

#include <cmocka.h> /* last: it has a macro named fail */

#define CHANNELS                                                                                   \
	"channels:\n"                                                                              \
	"  - {id: 1, name: energy, kind: register, unit: kWh, decimals: 6}\n"                      \
	"  - {id: 2, name: volt, kind: gauge, unit: V, decimals: 3}\n"                             \
	"  - {id: 3, name: water, kind: register, unit: m3, decimals: 3}\n"
#define HEAD "id: 1\nversion: 1\nname: p\ntopics: [t]\n"
#define KEYS "  - {path: d, role: device}\n  - {path: t, role: timestamp}\n"
#define BODY HEAD "fields:\n" KEYS

static struct config defaults;

static int set_up(void **state)
{
	(void)state;
	folder_make();
	defaults.validation.drift_accept_s = 60;
	defaults.validation.drift_flag_s = 300;
	defaults.validation.drift_replace_s = 3600;
	defaults.validation.late_max_h = 48;
	return 0;
}

static void assert_text(char *text, const char *file, const char *expected)
{
	char whole[ERROR_TEXT_BYTES + 64];
	snprintf(whole, sizeof whole, "%s:%s", folder_path(file), expected);
	size_t length = strlen(whole);
	if (length > 3 && strcmp(whole + length - 3, "...") == 0) {
		whole[length - 3] = '\0';
		text[length - 3] = '\0';
	}
	assert_string_equal(text, whole);
}

static void shipped_profiles_take_both_shapes(void **state)
{
	static struct channel_catalogue channels;
	static struct profile_set set;
	struct error err;
	(void)state;
	if (config_load_channels(CONFIGS_DIR "/channels.yaml", &channels, &err) != RESULT_OK ||
	    config_load_profiles(CONFIGS_DIR "/profiles", &channels, &defaults, &set, &err) !=
	        RESULT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(channels.by_id[1].decimals, 6);
	assert_int_equal(channels.by_id[1].kind, CHANNEL_REGISTER);
	assert_string_equal(channels.by_id[1].unit, "kWh");
	assert_int_equal(channels.by_id[0].id, 0);
	assert_int_equal(set.count, 7);
	assert_int_equal(set.by_id[3]->device_source, DEVICE_FROM_TOPIC);
	assert_int_equal(set.by_id[3]->topic_level, 2);
	assert_int_equal(set.by_id[4]->device_source, DEVICE_FROM_KEY);
	assert_int_equal(set.by_id[5]->format, FORMAT_SENML);
	assert_string_equal(set.by_id[5]->name_prefix, "urn:dev:");
	assert_int_equal(set.by_id[5]->fields[2].divisor, 36);
	assert_int_equal(set.by_id[5]->fields[2].scale_pow10, 1);
	assert_true(set.by_id[5]->fields[2].sum);
	assert_string_equal(set.by_id[5]->fields[3].unit, "/");
	assert_int_equal(set.by_id[6]->format, FORMAT_CBOR);
	assert_int_equal(set.by_id[7]->format, FORMAT_SPARKPLUG);
	const struct profile *flat = set.by_id[1], *nested = set.by_id[2];
	assert_string_equal(flat->name, "sm-flat");
	assert_int_equal(flat->topic_count, 3);
	assert_string_equal(flat->topics[0], "meters/+/readings");
	assert_string_equal(flat->signature, "\"kWh\"\\s*:");
	assert_int_equal(flat->field_count, 8);
	assert_int_equal(flat->channel_count, 4);
	assert_int_equal(flat->fields[3].role, FIELD_CHANNEL);
	assert_int_equal(flat->fields[3].scale_pow10, 6);
	assert_true(flat->fields[3].required);
	assert_false(flat->fields[4].required);
	assert_string_equal(flat->fields[7].good, "OK");
	assert_int_equal(flat->register_slot, 0);
	assert_int_equal(flat->register_kwh_pow10, 6);
	assert_int_equal(flat->battery_slot, -1);
	assert_false(flat->channels[0].negative_allowed);
	assert_true(flat->channels[2].negative_allowed);
	assert_int_equal(flat->channels[2].min, -10000);
	assert_int_equal(flat->channels[3].max, 1000000);
	assert_true(flat->channels[0].max == INT64_MAX);
	assert_int_equal(flat->interval_ms, 900000);
	assert_int_equal(flat->drift_replace_ms, 3600000);
	assert_true(flat->late_max_ms == 48ull * 3600000);
	assert_int_equal(nested->channel_count, 6);
	assert_int_equal(nested->battery_slot, 4);
	assert_int_equal(nested->battery_low, 200);
	assert_string_equal(nested->fields[3].path, "energy.active_kwh");
	assert_int_equal(nested->fields[7].role, FIELD_TAMPER);
}

static void unit_of_the_wire_gives_the_scale(void **state)
{
	static struct channel_catalogue channels;
	static struct profile_set set;
	struct error err;
	(void)state;
	folder_write("channels.yaml", CHANNELS);
	assert_int_equal(config_load_channels(folder_path("channels.yaml"), &channels, &err),
	                 RESULT_OK);
	folder_write("units/a.yaml", BODY "  - {path: e, role: channel, channel: energy, unit: Wh, "
	                                  "max: \"1.5\"}\n"
	                                  "  - {path: v, role: channel, channel: volt, unit: mV}\n"
	                                  "  - {path: w, role: channel, channel: water}\n"
	                                  "validation: {drift_accept_s: 5, late_max_h: 1}\n");
	if (config_load_profiles(folder_path("units"), &channels, &defaults, &set, &err) !=
	    RESULT_OK)
		fail_msg("%s", err.text);
	assert_int_equal(set.profiles[0].fields[2].scale_pow10, 3);
	assert_int_equal(set.profiles[0].channels[0].max, 1500);
	assert_int_equal(set.profiles[0].fields[3].scale_pow10, 0);
	assert_int_equal(set.profiles[0].fields[4].scale_pow10, 3);
	assert_int_equal(set.profiles[0].register_slot, -1);
	assert_int_equal(set.profiles[0].drift_accept_ms, 5000);
	assert_int_equal(set.profiles[0].drift_flag_ms, 300000);
	assert_true(set.profiles[0].late_max_ms == 3600000);
}

static void wrong_channel_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
	    {"channels: []\n", "1: channels has too few entries; expected a list of 1 to 255..."},
	    {CHANNELS "  - {id: 1, name: x, kind: gauge, unit: V, decimals: 0}\n",
	     "5: channels[3].id is 1, the id of 'energy'; expected one of its own"},
	    {CHANNELS "  - {id: 4, name: volt, kind: gauge, unit: V, decimals: 0}\n",
	     "5: channel 'volt' is given twice; expected a name of its own"},
	    {CHANNELS "  - {id: 0, name: x, kind: gauge, unit: V, decimals: 0}\n",
	     "5: channels[3].id is 0; expected a number from 1 to 255"},
	    {CHANNELS "  - {id: 4, name: x, kind: gauge, unit: V, decimals: 13}\n",
	     "5: channels[3].decimals is 13; expected a number from 0 to 12"},
	    {CHANNELS "  - {id: 4, name: X y, kind: gauge, unit: V, decimals: 1}\n",
	     "5: channels[3].name is 'X y'; expected up to 31 of a-z, 0-9 and '_'"},
	    {CHANNELS "  - {id: 4, name: x, kind: meter, unit: V, decimals: 1}\n",
	     "5: channels[3].kind is 'meter'; expected one of register, demand, gauge"},
	    {CHANNELS "  - {id: 4, name: x, kind: gauge, decimals: 1}\n",
	     "5: 'channels[3].unit' is missing; expected text"},
	};
	static struct channel_catalogue channels;
	struct error err;
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		folder_write("c.yaml", cases[i].text);
		assert_int_equal(config_load_channels(folder_path("c.yaml"), &channels, &err),
		                 RESULT_INPUT);
		assert_text(err.text, "c.yaml", cases[i].expected);
	}
}

static const struct {
	const char *text, *expected;
} wrong_profiles[] = {
    {"id: 0\nversion: 1\nname: p\ntopics: [t]\nfields:\n" KEYS,
     "1: id is 0; expected a number from 1 to 255"},
    {"id: 1\nversion: 1\nname: p\nfields:\n" KEYS,
     "1: there is neither a topic nor a URI; expected at least one in 'topics' or 'uris'"},
    {"id: 1\nversion: 1\nname: p\ntopics:\n  - a\n  - b/#/c\nfields:\n" KEYS,
     "6: topics[1] is 'b/#/c'; expected '+' and '#' as whole levels only..."},
    {"id: 1\nversion: 1\nname: p\nuris: [x]\nfields:\n" KEYS,
     "4: uris[0] is 'x'; expected a path that begins with '/'"},
    {BODY, "5: fields has 0 with role channel; expected 1 to 8"},
    {HEAD "fields:\n  - {path: d, role: device}\n",
     "5: fields has 0 with role timestamp; expected 1 to 1"},
    {BODY "  - {path: x, role: device}\n"
          "  - {path: e, role: channel, channel: energy}\n",
     "5: fields has 2 with role device; expected 1 to 1"},
    {BODY "  - {path: e, role: chanel}\n",
     "8: fields[2].role is 'chanel'; expected one of ignored, device, timestamp, "
     "collected, channel, status, tamper"},
    {BODY "  - {path: e, role: channel, channel: power}\n",
     "8: fields[2].channel is 'power', which the channel catalogue lacks; expected one of "
     "its names (or add it there)"},
    {BODY "  - {path: e, role: channel}\n",
     "8: fields[2] has role channel but no key 'channel'; expected the name of a channel "
     "of the catalogue"},
    {BODY "  - path: e\n    role: channel\n    channel: energy\n    unit: kvarh\n",
     "11: fields[2].unit is 'kvarh', which can't be converted to kWh, the unit of "
     "'energy'; expected the same unit or another power of ten of it"},
    {BODY "  - {path: e, role: channel, channel: energy}\n"
          "  - {path: f, role: channel, channel: energy}\n",
     "9: channel 'energy' is given twice; expected one field for it"},
    {BODY "  - {path: d, role: status, good: OK}\n",
     "8: fields[2].path is 'd', which overlaps 'd' of fields[0]; expected each member "
     "once"},
    {BODY "  - {path: t.x, role: status, good: OK}\n",
     "8: fields[2].path is 't.x', which overlaps 't' of fields[1]; expected each member "
     "once"},
    {BODY "  - {path: a..b, role: status, good: OK}\n",
     "8: fields[2].path is 'a..b'; expected member names joined by '.', at most 63 bytes"},
    {BODY "  - {path: s, role: status}\n",
     "8: fields[2] needs 'good', the text that means all is well..."},
    {BODY "  - {path: s, role: tamper, unit: V}\n",
     "8: fields[2].unit means nothing here; expected it with role channel only"},
    {BODY "  - {path: s, role: tamper, required: maybe}\n",
     "8: fields[2].required is 'maybe'; expected one of yes, no, true, false"},
    {BODY "  - {path: v, role: channel, channel: volt, min: \"0.0001\"}\n",
     "8: fields[2].min is '0.0001'; expected a decimal number of V with at most 3 "
     "decimals"},
    {BODY "  - {path: v, role: channel, channel: volt, min: \"2\", max: \"1\"}\n",
     "8: fields[2].max is 1; expected at least min, 2"},
    {BODY "  - {path: e, role: channel, channel: energy}\nregister: volt\n",
     "9: register is 'volt', no channel of this profile; expected one of those in "
     "'fields'"},
    {BODY "  - {path: w, role: channel, channel: water}\nregister: water\n",
     "9: register is 'water', not a register of active energy; expected a channel of kind "
     "register in a unit of Wh"},
    {BODY "  - {path: e, role: channel, channel: energy}\nbattery:\n  channel: x\n"
          "  low: \"1\"\n",
     "10: battery.channel is 'x', no channel of this profile; expected one of those in "
     "'fields'"},
    {BODY "  - {path: v, role: channel, channel: volt}\n"
          "battery: {channel: volt, low: half}\n",
     "9: battery.low is 'half'; expected a decimal number of V with at most 3 decimals"},
    {BODY "  - {path: e, role: channel, channel: energy}\nvalidation:\n"
          "  drift_flag_s: 10\n",
     "10: validation.drift_flag_s is 10; expected at least drift_accept_s, 60"},
    /* formats */
    {HEAD "format: xml\nfields:\n" KEYS,
     "5: format is 'xml'; expected one of json, senml, cbor, sparkplug"},
    {HEAD "format: senml\nfields:\n" KEYS "  - {path: e, role: channel, channel: energy}\n",
     "6: fields has 1 with role device; expected 0 to 0"},
    {HEAD "device: {from: topic}\nfields:\n" KEYS,
     "5: device has no key 'level'; expected which level of the topic is the device, from 1"},
    {HEAD "device: {from: topic, level: 0}\nfields:\n" KEYS,
     "5: device.level is 0; expected a number from 1 to 32"},
    {HEAD "device: {from: name}\nfields:\n" KEYS,
     "5: device.from is 'name'; with format json expected 'payload', 'topic' or 'key'"},
    {HEAD "format: cbor\ndevice: {from: key}\nfields:\n" KEYS,
     "6: device.from is 'key'; with format cbor expected 'payload' or 'topic'"},
    {HEAD "device: {from: key, prefix: x}\nfields:\n" KEYS,
     "5: device.prefix means nothing here; expected it with format senml only"},
    {HEAD "format: senml\ndevice: {from: name, separator: '::'}\nfields:\n" KEYS,
     "6: device.separator is '::'; expected one character"},
    {"id: 1\nversion: 1\nname: p\nuris: [/x]\nformat: sparkplug\nfields:\n" KEYS,
     "4: uris means nothing with format sparkplug, which is MQTT's; expected topics only"},
    {HEAD "format: senml\nfields:\n  - {path: e, role: channel, channel: energy, unit: J, "
          "max: \"1\"}\n",
     "7: fields[0].max can't be in J; expected limits only in a power of ten of kWh"},
    {HEAD "format: senml\nfields:\n  - {path: c, role: collected, format: iso8601}\n",
     "7: fields[0].format is 'iso8601', which only JSON has; expected 'epoch_s' or "
     "'epoch_ms'"},
    {BODY "  - {path: e, role: channel, channel: energy, sum: yes}\n",
     "8: fields[2].sum means nothing here; expected it with role channel (format senml) "
     "only"},
    {BODY "  - {path: e, role: channel, channel: energy}\nvalidation:\n  dials: 13\n",
     "10: validation.dials is 13; expected a number from 0 to 12"},
};

static void wrong_profile_is_refused_with_its_line(void **state)
{
	static struct channel_catalogue channels;
	static struct profile_set set;
	struct error err;
	(void)state;
	folder_write("channels.yaml", CHANNELS);
	assert_int_equal(config_load_channels(folder_path("channels.yaml"), &channels, &err),
	                 RESULT_OK);
	for (size_t i = 0; i < sizeof wrong_profiles / sizeof wrong_profiles[0]; i++) {
		folder_write("wrong/a.yaml", wrong_profiles[i].text);
		if (config_load_profiles(folder_path("wrong"), &channels, &defaults, &set, &err) !=
		    RESULT_INPUT)
			fail_msg("taken: %s", wrong_profiles[i].text);
		assert_text(err.text, "wrong/a.yaml", wrong_profiles[i].expected);
	}
}

static void clashing_profiles_are_refused(void **state)
{
	static struct channel_catalogue channels;
	static struct profile_set set;
	struct error err;
	(void)state;
	folder_write("channels.yaml", CHANNELS);
	assert_int_equal(config_load_channels(folder_path("channels.yaml"), &channels, &err),
	                 RESULT_OK);
#define FIELDS "topics: [t]\nfields:\n" KEYS "  - {path: e, role: channel, channel: energy}\n"
	folder_write("two/1.yaml", "id: 1\nversion: 1\nname: p\n" FIELDS);
	folder_write("two/2.yaml", "name: q\nid: 1\nversion: 1\n" FIELDS);
	assert_int_equal(config_load_profiles(folder_path("two"), &channels, &defaults, &set, &err),
	                 RESULT_INPUT);
	assert_text(err.text, "two/2.yaml",
	            "2: id 1 is that of profile 'p' version 1; expected one of its own for each "
	            "version");
	folder_write("two/2.yaml", "name: p\nid: 2\nversion: 1\n" FIELDS);
	assert_int_equal(config_load_profiles(folder_path("two"), &channels, &defaults, &set, &err),
	                 RESULT_INPUT);
	assert_text(err.text, "two/2.yaml",
	            "3: profile 'p' version 1 is given twice; expected another version");
	/* in order of names, other files aside */
	folder_write("two/2.yaml", "name: p\nid: 2\nversion: 2\n" FIELDS);
	folder_write("two/0.yaml", "name: r\nid: 9\nversion: 1\n" FIELDS);
	folder_write("two/readme.txt", "x");
	assert_int_equal(config_load_profiles(folder_path("two"), &channels, &defaults, &set, &err),
	                 RESULT_OK);
	assert_int_equal(set.count, 3);
	assert_int_equal(set.profiles[0].id, 9);
	assert_ptr_equal(set.by_id[2], &set.profiles[2]);
	assert_null(set.by_id[3]);
}

static void folder_without_profiles_is_refused(void **state)
{
	static struct channel_catalogue channels;
	static struct profile_set set;
	struct error err;
	(void)state;
	folder_write("empty/readme.txt", "x");
	assert_int_equal(config_load_profiles(folder_path("empty"), &channels, &defaults, &set,
	                                      &err), RESULT_INPUT);
	assert_text(err.text, "empty", "1: has 0 profiles; expected 1 to 64 files *.yaml");
	assert_int_equal(config_load_profiles(folder_path("absent"), &channels, &defaults, &set,
	                                      &err), RESULT_INPUT);
	assert_text(err.text, "absent", "1: cannot be read: No such file or directory...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shipped_profiles_take_both_shapes),
	    cmocka_unit_test(unit_of_the_wire_gives_the_scale),
	    cmocka_unit_test(wrong_channel_is_refused_with_its_line),
	    cmocka_unit_test(wrong_profile_is_refused_with_its_line),
	    cmocka_unit_test(clashing_profiles_are_refused),
	    cmocka_unit_test(folder_without_profiles_is_refused),
	};
	return cmocka_run_group_tests(tests, set_up, folder_tear_down);
}
