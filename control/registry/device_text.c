/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: names and values from an operator's file or from the store, untrusted. Output: struct
 * device, or the cause why not. Thread: any. Memory: jansson's while parsing, else none.
 */
#include "control/registry/device_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "control/calendar/time_text.h"

static const struct field list[DEVICE_FIELD_COUNT] = {
#define AT(member) FIELD_AT(device, member)
    {"id", {"id", "deviceid", "meterid"}, FIELD_ID, AT(id), 0},
    {"state", {"state"}, FIELD_STATE, AT(state), 0},
    {"gateway", {"gateway", "gatewayid"}, FIELD_ID, AT(gateway), 0},
    {"profile", {"profile"}, FIELD_TEXT, AT(profile), 0},
    {"capacity_w", {"capacityw"}, FIELD_NUMBER, AT(capacity_w), UINT32_MAX},
    {"dials", {"dials"}, FIELD_NUMBER, AT(dials), DIALS_MAX},
    {"serial", {"serial", "serialnumber"}, FIELD_TEXT, AT(serial), 0},
    {"manufacturer", {"manufacturer", "manufacturerid"}, FIELD_TEXT, AT(manufacturer), 0},
    {"model", {"model", "modelnumber"}, FIELD_TEXT, AT(model), 0},
    {"firmware", {"firmware", "firmwareversion"}, FIELD_TEXT, AT(firmware), 0},
    {"service_point", {"servicepoint", "servicepointid"}, FIELD_TEXT, AT(service_point), 0},
    {"capabilities", {"capabilities"}, FIELD_JSON, AT(capabilities), 0},
    {"communication", {"communication", "communicationprofile"}, FIELD_JSON, AT(communication), 0},
    {"groups", {"groups", "group"}, FIELD_GROUPS, AT(groups), 0},
    {"latitude", {"latitude", "lat"}, FIELD_LATITUDE, AT(latitude), 0},
    {"longitude", {"longitude", "lon", "lng"}, FIELD_LONGITUDE, AT(longitude), 0},
#undef AT
};

const struct fields device_fields = {
    list, DEVICE_FIELD_COUNT,
    "id, state, gateway, profile, capacity_w, dials, serial, manufacturer, model, "
    "firmware, service_point, capabilities, communication, groups, latitude, longitude",
    NULL};

int device_field_find(const char *name, size_t bytes)
{
	return fields_find(&device_fields, name, bytes);
}

const char *device_field_names(void)
{
	return device_fields.all;
}

void device_defaults(struct device *d)
{
	memset(d, 0, sizeof *d);
	d->state = DEVICE_ACTIVE;
	d->latitude = d->longitude = FIELD_NO_DEGREES;
}

bool device_set(struct device *d, int field, const char *text, size_t bytes,
                char cause[DEVICE_CAUSE_BYTES])
{
	return fields_set(&device_fields, d, field, text, bytes, cause);
}

void device_copy_field(struct device *to, const struct device *from, int field)
{
	fields_copy(&device_fields, to, from, field);
}

size_t device_json(const struct device *d, char out[DEVICE_JSON_BYTES])
{
	char time[TIME_TEXT_BYTES];
	size_t at = (size_t)snprintf(out, DEVICE_JSON_BYTES, "{\"number\":%" PRIu32, d->number);
	at = fields_json(&device_fields, d, out, at, DEVICE_JSON_BYTES);
	if (d->register_from_s != 0)
		at +=
		    (size_t)snprintf(out + at, DEVICE_JSON_BYTES - at, ",\"register_from\":\"%s\"",
				     time_format(d->register_from_s * 1000, time));
	out[at++] = '}';
	out[at] = '\0';
	CHECK_OP(at, <, (size_t)DEVICE_JSON_BYTES);
	return at;
}

size_t device_export(const struct device *d, char out[DEVICE_JSON_BYTES])
{
	size_t at = fields_json(&device_fields, d, strcpy(out, "{"), 1, DEVICE_JSON_BYTES);
	out[at++] = '}';
	out[at] = '\0';
	return at;
}

static size_t put_instant(int64_t at_s, char *out, size_t at)
{
	char time[TIME_TEXT_BYTES];
	if (at_s == 0)
		return at + (size_t)sprintf(out + at, "null");
	return at + (size_t)sprintf(out + at, "\"%s\"", time_format(at_s * 1000, time));
}

size_t device_changes(const struct device *old, const struct device *now,
		      char out[DEVICE_CHANGES_BYTES])
{
	size_t at = fields_changes(&device_fields, old, now, out, 0, DEVICE_CHANGES_BYTES - 128);
	int64_t before_s = old ? old->register_from_s : 0;
	if (before_s != now->register_from_s) {
		at += (size_t)sprintf(out + at, "%s\"register_from\":[", at > 0 ? "," : "");
		at = put_instant(before_s, out, at);
		out[at++] = ',';
		at = put_instant(now->register_from_s, out, at);
		out[at++] = ']';
	}
	return at;
}

bool device_parse(struct device *d, const char *json, size_t bytes, uint32_t *given,
                  char cause[DEVICE_CAUSE_BYTES])
{
	return fields_parse(&device_fields, d, json, bytes, given, cause);
}

bool device_parse_stored(struct device *d, const char *json, size_t bytes)
{
	char unused[DEVICE_CAUSE_BYTES];
	const char *key;
	json_t *value;
	json_t *object = json_loadb(json, bytes, 0, NULL);
	json_t *number = json_object_get(object, "number");
	json_int_t n = json_integer_value(number);
	bool good = json_is_integer(number) && n >= 0 && n < DEVICE_NONE;

	device_defaults(d);
	d->number = good ? (uint32_t)n : DEVICE_NONE;
	json_object_foreach(object, key, value)
	{
		/* a field that a newer version wrote is passed over */
		int field = device_field_find(key, strlen(key));
		if (good && field >= 0)
			good = fields_set_json(&device_fields, d, field, value, unused);
	}
	json_decref(object);
	return good && d->id[0] != '\0';
}
