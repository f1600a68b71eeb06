/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/profiles.h"

#include <stdio.h>
#include <string.h>

static struct profile_field *add_field(struct profile *p, const char *path, enum field_role role,
                                       bool required)
{
	struct profile_field *f = &p->fields[p->field_count++];
	snprintf(f->path, sizeof f->path, "%s", path);
	f->role = role;
	f->required = required;
	return f;
}

static void add_channel(struct profile *p, const char *path, uint8_t id, int scale, bool required)
{
	struct profile_field *f = add_field(p, path, FIELD_CHANNEL, required);
	f->slot = (uint8_t)p->channel_count;
	f->scale_pow10 = (int8_t)scale;
	p->channels[p->channel_count++] = (struct profile_channel){
	    .channel = id,
	    .negative_allowed = id == TEST_CHANNEL_SIGNAL || id == TEST_CHANNEL_REACTIVE,
	    .min = INT64_MIN,
	    .max = INT64_MAX,
	};
}

static void common(struct profile *p, uint8_t id, const char *name)
{
	p->id = id;
	p->version = 1;
	snprintf(p->name, sizeof p->name, "%s", name);
	p->register_slot = 0;
	p->register_kwh_pow10 = 6;
	p->battery_slot = -1;
	p->interval_ms = 900000;
	p->drift_accept_ms = 60000;
	p->drift_flag_ms = 300000;
	p->drift_replace_ms = 3600000;
	p->late_max_ms = 172800000;
}

static void init_flat(struct profile *p)
{
	common(p, 1, "flat");
	p->topic_count = p->uri_count = 1;
	strcpy(p->topics[0], "meters/+/flat");
	strcpy(p->uris[0], "/readings");
	add_field(p, "meterId", FIELD_DEVICE, true);
	add_field(p, "ts", FIELD_TIMESTAMP, true)->time_format = TIME_ISO8601;
	add_channel(p, "kWh", TEST_CHANNEL_ACTIVE, 6, true);
	add_channel(p, "kW", TEST_CHANNEL_DEMAND, 6, false);
	add_channel(p, "pf", TEST_CHANNEL_FACTOR, 4, false);
	add_channel(p, "v", TEST_CHANNEL_VOLTAGE, 3, false);
	strcpy(add_field(p, "status", FIELD_STATUS, false)->good, "OK");
	add_field(p, "collected", FIELD_COLLECTED, false)->time_format = TIME_ISO8601;
}

static void init_nested(struct profile *p)
{
	common(p, 2, "nested");
	p->topic_count = p->uri_count = 1;
	strcpy(p->topics[0], "meters/+/nested");
	strcpy(p->uris[0], "/readings/nested/#");
	strcpy(p->signature, "\"energy\"\\s*:");
	add_field(p, "meterId", FIELD_DEVICE, true);
	add_field(p, "timestamp", FIELD_TIMESTAMP, true)->time_format = TIME_ISO8601;
	add_field(p, "location", FIELD_IGNORED, false);
	add_channel(p, "energy.active_kwh", TEST_CHANNEL_ACTIVE, 6, true);
	add_channel(p, "energy.reactive_kvarh", TEST_CHANNEL_REACTIVE, 6, false);
	add_channel(p, "energy.peak_demand_kw", TEST_CHANNEL_DEMAND, 6, false);
	add_channel(p, "energy.power_factor", TEST_CHANNEL_FACTOR, 4, false);
	add_field(p, "status.tamper_detected", FIELD_TAMPER, false);
	add_channel(p, "status.battery_level", TEST_CHANNEL_BATTERY, 0, false);
	add_channel(p, "status.signal_strength", TEST_CHANNEL_SIGNAL, 0, false);
	p->battery_slot = NESTED_BATTERY;
	p->battery_low = 20;
}

void test_profiles_init(struct profile_set *set)
{
	memset(set, 0, sizeof *set);
	set->count = 2;
	init_flat(&set->profiles[0]);
	init_nested(&set->profiles[1]);
	for (uint32_t i = 0; i < set->count; i++)
		set->by_id[set->profiles[i].id] = &set->profiles[i];
}
