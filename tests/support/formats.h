/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles by hand for the formats beside JSON, for tests that have no configuration. All have
 *
 *	slot 0  "energy"   channel 1, unit kWh, kept in mWh
 *	slot 1  "power"    channel 2, unit kW, kept in mW
 *	slot 2  "power"    channel 3, the sum, unit J, kept in mWh (SenML alone)
 *	        "status"   good is "OK"
 *	        "tamper"
 *	        "collected", in ms since 1970
 */
#ifndef HEADRACE_TESTS_SUPPORT_FORMATS_H
#define HEADRACE_TESTS_SUPPORT_FORMATS_H

#include <stdio.h>
#include <string.h>

#include "contract/profile.h"

static inline struct profile_field *formats_field(struct profile *p, const char *path,
                                                  enum field_role role)
{
	struct profile_field *f = &p->fields[p->field_count++];
	snprintf(f->path, sizeof f->path, "%s", path);
	f->role = role;
	f->time_format = TIME_EPOCH_MS;
	return f;
}

static inline struct profile_field *formats_channel(struct profile *p, const char *path,
                                                    const char *unit, int scale)
{
	struct profile_field *f = formats_field(p, path, FIELD_CHANNEL);
	f->slot = (uint8_t)p->channel_count;
	f->scale_pow10 = (int8_t)scale;
	snprintf(f->unit, sizeof f->unit, "%s", unit);
	p->channels[p->channel_count] = (struct profile_channel){
	    .channel = (uint8_t)(p->channel_count + 1), .min = INT64_MIN, .max = INT64_MAX};
	p->channel_count++;
	return f;
}

static inline void formats_init(struct profile *p, uint8_t id, enum payload_format format,
                                enum device_source source)
{
	memset(p, 0, sizeof *p);
	p->id = id;
	p->version = 1;
	p->format = format;
	p->device_source = source;
	p->topic_level = 2;
	p->name_separator = ':';
	p->register_slot = p->battery_slot = -1;
	if (format == FORMAT_JSON)
		formats_field(p, "ts", FIELD_TIMESTAMP);
	formats_channel(p, "energy", "kWh", 6);
	formats_channel(p, "power", "kW", 6);
	if (format == FORMAT_SENML) {
		struct profile_field *f = formats_channel(p, "power", "J", 1);
		f->sum = true;
		f->divisor = 36;
	}
	snprintf(formats_field(p, "status", FIELD_STATUS)->good, PROFILE_TEXT_BYTES, "OK");
	formats_field(p, "tamper", FIELD_TAMPER);
	formats_field(p, "collected", FIELD_COLLECTED);
}

#endif
