/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile's payloads are written in, and where they name the device. */
#include <stdio.h>
#include <string.h>

#include "control/config/profile_priv.h"

static const char *const format_names[] = {"json", "senml", "cbor", "sparkplug"};
static const char *const source_names[] = {"payload", "topic", "key", "name"};
_Static_assert(sizeof format_names / sizeof format_names[0] == FORMAT_COUNT, "a name for each");

#define BIT(source) (1u << (source))

/* The places where a format may have the device; the first is the default. */
static const struct {
	enum device_source otherwise;
	uint32_t allowed;
} sources[FORMAT_COUNT] = {
    [FORMAT_JSON] = {DEVICE_FROM_PAYLOAD,
                     BIT(DEVICE_FROM_PAYLOAD) | BIT(DEVICE_FROM_TOPIC) | BIT(DEVICE_FROM_KEY)},
    [FORMAT_SENML] = {DEVICE_FROM_NAME, BIT(DEVICE_FROM_NAME) | BIT(DEVICE_FROM_TOPIC)},
    [FORMAT_CBOR] = {DEVICE_FROM_PAYLOAD, BIT(DEVICE_FROM_PAYLOAD) | BIT(DEVICE_FROM_TOPIC)},
    [FORMAT_SPARKPLUG] = {DEVICE_FROM_TOPIC, BIT(DEVICE_FROM_TOPIC)},
};

/* A key that means nothing where it stands would be a silent mistake. */
static enum result check_keys(struct profile_load *p, enum device_source from, struct error *err)
{
	const struct raw_device *d = p->raw->device;
	bool name = p->out->format == FORMAT_SENML;
	bool level = from == DEVICE_FROM_TOPIC && p->out->format != FORMAT_SPARKPLUG;
	const struct {
		const char *path;
		bool given, wanted;
		const char *where;
	} keys[] = {
	    {"device.level", d->level, level,
	     "from topic (Sparkplug's topics say themselves where the device is)"},
	    {"device.prefix", d->prefix, name, "format senml"},
	    {"device.separator", d->separator, name, "format senml"},
	    {"device.split", d->split, name, "format senml"},
	};
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (keys[i].given && !keys[i].wanted)
			return yaml_fail(&p->file, keys[i].path, err,
			                 "%s means nothing here; expected it with %s only",
			                 keys[i].path, keys[i].where);
	if (level && !d->level)
		return yaml_fail(&p->file, "device", err,
		                 "device has no key 'level'; expected which level of the topic "
		                 "is the device, from 1");
	return RESULT_OK;
}

static enum result take_name_rule(struct profile_load *p, struct error *err)
{
	const struct raw_device *d = p->raw->device;
	if (d->prefix && strlen(d->prefix) >= PROFILE_PATH_BYTES)
		return yaml_fail(&p->file, "device.prefix", err,
		                 "device.prefix is %zu bytes long; expected at most %d",
		                 strlen(d->prefix), PROFILE_PATH_BYTES - 1);
	if (d->separator && strlen(d->separator) != 1)
		return yaml_fail(&p->file, "device.separator", err,
		                 "device.separator is '%s'; expected one character", d->separator);
	if (d->prefix)
		snprintf(p->out->name_prefix, PROFILE_PATH_BYTES, "%s", d->prefix);
	if (d->separator)
		p->out->name_separator = d->separator[0];
	p->out->split_first = d->split && *d->split;
	return RESULT_OK;
}

static enum result take_device(struct profile_load *p, struct error *err)
{
	const struct raw_device *d = p->raw->device;
	enum payload_format format = p->out->format;
	int64_t level = 0;

	p->out->device_source = d->from;
	if (!(sources[format].allowed & BIT(d->from)))
		return yaml_fail(&p->file, "device.from", err,
		                 "device.from is '%s'; with format %s expected '%s'%s",
		                 source_names[d->from], format_names[format],
		                 source_names[sources[format].otherwise],
		                 format == FORMAT_SPARKPLUG ? ""
		                 : format == FORMAT_JSON    ? ", 'topic' or 'key'"
		                                            : " or 'topic'");
	enum result result = check_keys(p, d->from, err);
	if (result == RESULT_OK && d->level)
		result = yaml_int(&p->file, "device.level", d->level, 0, 1, 32, &level, err);
	p->out->topic_level = (uint8_t)level;
	return result == RESULT_OK ? take_name_rule(p, err) : result;
}

enum result profile_take_format(struct profile_load *p, struct error *err)
{
	struct profile *out = p->out;

	out->format = p->raw->format ? (enum payload_format)*p->raw->format : FORMAT_JSON;
	out->device_source = sources[out->format].otherwise;
	out->name_separator = ':';
	if (out->format == FORMAT_SPARKPLUG && out->uri_count > 0)
		return yaml_fail(&p->file, "uris", err,
		                 "uris means nothing with format sparkplug, which is MQTT's; "
		                 "expected topics only");
	return p->raw->device ? take_device(p, err) : RESULT_OK;
}
