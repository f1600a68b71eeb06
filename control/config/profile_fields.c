/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a profile: paths, roles, channels, units to scales, limits. */
#include <stdio.h>
#include <string.h>

#include "control/config/decimal.h"
#include "control/config/profile_priv.h"
#include "control/config/unit.h"

#define SCALE_MAX 18 /* 10^18 < 2^63 */

static const char *where(uint32_t index, const char *key, char path[YAML_PATH_BYTES])
{
	snprintf(path, YAML_PATH_BYTES, "fields[%u]%s%s", index, *key ? "." : "", key);
	return path;
}

static const struct channel *find_channel(const struct channel_catalogue *all, const char *name)
{
	for (unsigned i = 1; i < 256; i++)
		if (all->by_id[i].id && strcmp(all->by_id[i].name, name) == 0)
			return &all->by_id[i];
	return NULL;
}

int profile_slot(const struct profile_load *p, const char *channel)
{
	for (uint32_t i = 0; i < p->out->channel_count; i++)
		if (strcmp(p->channels->by_id[p->out->channels[i].channel].name, channel) == 0)
			return (int)i;
	return -1;
}

/* Member names joined by single points; in other formats than JSON, any name. */
static bool is_path(const struct profile_load *p, const char *text)
{
	size_t length = strlen(text);
	if (p->out->format != FORMAT_JSON)
		return length < PROFILE_PATH_BYTES;
	return length < PROFILE_PATH_BYTES && text[0] != '.' && text[length - 1] != '.' &&
	       !strstr(text, "..");
}

/* "energy" can't be a value and the object around "energy.kwh" at once. */
static bool is_inside(const struct profile_load *p, const char *inner, const char *outer)
{
	if (p->out->format != FORMAT_JSON)
		return strcmp(inner, outer) == 0;
	size_t length = strlen(outer);
	return strncmp(inner, outer, length) == 0 && (inner[length] == '.' || !inner[length]);
}

/* SenML: a record has a value and a sum under one name. */
static bool is_sum(const struct raw_field *f)
{
	return f->sum && *f->sum;
}

static enum result take_path(struct profile_load *p, uint32_t i, struct error *err)
{
	char path[YAML_PATH_BYTES];
	const struct raw_field *fields = p->raw->fields;
	const char *text = fields[i].path;
	where(i, "path", path);
	if (!is_path(p, text))
		return yaml_fail(&p->file, path, err,
		                 "%s is '%s'; expected member names joined by '.', at most %d "
		                 "bytes", path, text, PROFILE_PATH_BYTES - 1);
	for (uint32_t k = 0; k < i; k++)
		if (is_sum(&fields[k]) == is_sum(&fields[i]) &&
		    (is_inside(p, text, fields[k].path) || is_inside(p, fields[k].path, text)))
			return yaml_fail(&p->file, path, err,
			                 "%s is '%s', which overlaps '%s' of fields[%u]; expected "
			                 "each member once", path, text, fields[k].path, k);
	snprintf(p->out->fields[i].path, PROFILE_PATH_BYTES, "%s", text);
	return RESULT_OK;
}

/* A key that means nothing for the field's role would be a silent mistake. */
static enum result check_keys(struct profile_load *p, uint32_t i, struct error *err)
{
	const struct raw_field *f = &p->raw->fields[i];
	bool channel = f->role == FIELD_CHANNEL;
	bool time = f->role == FIELD_TIMESTAMP || f->role == FIELD_COLLECTED;
	const struct {
		const char *key;
		bool given, wanted;
		const char *roles;
	} keys[] = {
	    {"format", f->format, time && p->out->format != FORMAT_CBOR, "timestamp and collected"},
	    {"sum", f->sum, channel && p->out->format == FORMAT_SENML, "channel (format senml)"},
	    {"good", f->good, f->role == FIELD_STATUS, "status"},
	    {"channel", f->channel, channel, "channel"},
	    {"unit", f->unit, channel, "channel"},
	    {"min", f->min, channel, "channel"},
	    {"max", f->max, channel, "channel"},
	    {"negative", f->negative, channel, "channel"},
	};
	char path[YAML_PATH_BYTES];
	for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
		if (keys[k].given && !keys[k].wanted)
			return yaml_fail(&p->file, where(i, keys[k].key, path), err,
			                 "%s means nothing here; expected it with role %s only",
			                 path, keys[k].roles);
	if (channel && !f->channel)
		return yaml_fail(&p->file, where(i, "", path), err,
		                 "%s has role channel but no key 'channel'; expected the name of "
		                 "a channel of the catalogue", path);
	if (f->role == FIELD_STATUS && (!f->good || strlen(f->good) >= PROFILE_TEXT_BYTES))
		return yaml_fail(&p->file, where(i, f->good ? "good" : "", path), err,
		                 "%s needs 'good', the text that means all is well; expected at "
		                 "most %d bytes", path, PROFILE_TEXT_BYTES - 1);
	return RESULT_OK;
}

static enum result take_limit(struct profile_load *p, uint32_t i, const char *key,
                              const char *text, const char *unit, int scale, int64_t *out,
                              struct error *err)
{
	char path[YAML_PATH_BYTES];
	if (!text || decimal_parse(text, scale, out))
		return RESULT_OK;
	where(i, key, path);
	return yaml_fail(&p->file, path, err,
	                 "%s is '%s'; expected a decimal number of %s with at most %d decimals",
	                 path, text, unit, scale < 0 ? 0 : scale);
}

static enum result take_limits(struct profile_load *p, uint32_t i, const char *unit, int scale,
                               struct profile_channel *c, struct error *err)
{
	const struct raw_field *f = &p->raw->fields[i];
	char path[YAML_PATH_BYTES];
	c->min = INT64_MIN;
	c->max = INT64_MAX;
	enum result result = take_limit(p, i, "min", f->min, unit, scale, &c->min, err);
	if (result == RESULT_OK)
		result = take_limit(p, i, "max", f->max, unit, scale, &c->max, err);
	if (result == RESULT_OK && c->min > c->max)
		return yaml_fail(&p->file, where(i, "max", path), err,
		                 "%s is %s; expected at least min, %s", path, f->max, f->min);
	return result;
}

static enum result take_channel(struct profile_load *p, uint32_t i, struct error *err)
{
	const struct raw_field *f = &p->raw->fields[i];
	const struct channel *channel = find_channel(p->channels, f->channel);
	char path[YAML_PATH_BYTES];
	int pow10, divisor;

	where(i, "channel", path);
	if (!channel)
		return yaml_fail(&p->file, path, err,
		                 "%s is '%s', which the channel catalogue lacks; expected one of "
		                 "its names (or add it there)", path, f->channel);
	if (profile_slot(p, f->channel) >= 0)
		return yaml_fail(&p->file, path, err,
		                 "channel '%s' is given twice; expected one field for it",
		                 f->channel);
	if (p->out->channel_count == READING_CHANNELS)
		return yaml_fail(&p->file, path, err, "there are more than %d channels; expected "
		                 "at most %d in one profile", READING_CHANNELS, READING_CHANNELS);
	const char *unit = f->unit ? f->unit : channel->unit;
	if (!unit_convert(unit, channel->unit, &pow10, &divisor) ||
	    strlen(unit) >= PROFILE_UNIT_BYTES)
		return yaml_fail(&p->file, where(i, "unit", path), err,
		                 "%s is '%s', which can't be converted to %s, the unit of '%s'; "
		                 "expected the same unit or another power of ten of it",
		                 path, unit, channel->unit, channel->name);
	int scale = channel->decimals + pow10;
	if (scale < -SCALE_MAX || scale > SCALE_MAX)
		return yaml_fail(&p->file, where(i, "unit", path), err,
		                 "%s is '%s', too far from %s; expected a unit within 10^%d", path,
		                 unit, channel->unit, SCALE_MAX);

	struct profile_channel *c = &p->out->channels[p->out->channel_count];
	c->channel = channel->id;
	c->negative_allowed = f->negative ? *f->negative != 0 : channel->kind == CHANNEL_GAUGE;
	p->out->fields[i].scale_pow10 = (int8_t)scale;
	p->out->fields[i].divisor = (uint8_t)divisor;
	p->out->fields[i].sum = is_sum(f);
	memcpy(p->out->fields[i].unit, unit, strlen(unit) + 1); /* it fits: see above */
	p->out->fields[i].slot = (uint8_t)p->out->channel_count++;
	if (divisor > 1 && (f->min || f->max))
		return yaml_fail(&p->file, where(i, f->min ? "min" : "max", path), err,
		                 "%s can't be in %s; expected limits only in a power of ten of "
		                 "%s", path, unit, channel->unit);
	return take_limits(p, i, unit, scale, c, err);
}

static enum result take_field(struct profile_load *p, uint32_t i, struct error *err)
{
	const struct raw_field *f = &p->raw->fields[i];
	struct profile_field *out = &p->out->fields[i];

	enum result result = take_path(p, i, err);
	if (result == RESULT_OK)
		result = check_keys(p, i, err);
	if (result != RESULT_OK)
		return result;
	out->role = f->role;
	bool json = p->out->format == FORMAT_JSON;
	out->time_format = f->format ? (enum time_format)*f->format
	                   : json    ? TIME_ISO8601
	                             : TIME_EPOCH_MS;
	char path[YAML_PATH_BYTES];
	if (!json && out->time_format == TIME_ISO8601)
		return yaml_fail(&p->file, where(i, "format", path), err,
		                 "%s is 'iso8601', which only JSON has; expected 'epoch_s' or "
		                 "'epoch_ms'", path);
	out->required = f->role == FIELD_DEVICE || f->role == FIELD_TIMESTAMP ||
	                (f->required && *f->required);
	if (f->good)
		snprintf(out->good, sizeof out->good, "%s", f->good);
	return f->role == FIELD_CHANNEL ? take_channel(p, i, err) : RESULT_OK;
}

/* JSON: exactly one timestamp, and one device unless it stands elsewhere; other formats have places
 * of their own for both. At most one collection time, some channel. */
static enum result check_roles(struct profile_load *p, struct error *err)
{
	bool json = p->out->format == FORMAT_JSON;
	unsigned device = json && p->out->device_source == DEVICE_FROM_PAYLOAD;
	const struct {
		enum field_role role;
		const char *name;
		unsigned least, most;
	} rules[] = {
	    {FIELD_DEVICE, "device", device, device},
	    {FIELD_TIMESTAMP, "timestamp", json, json},
	    {FIELD_COLLECTED, "collected", 0, 1},
	    {FIELD_CHANNEL, "channel", 1, READING_CHANNELS},
	};
	for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++) {
		unsigned count = 0;
		for (uint32_t i = 0; i < p->out->field_count; i++)
			count += p->out->fields[i].role == rules[r].role;
		if (count < rules[r].least || count > rules[r].most)
			return yaml_fail(&p->file, "fields", err,
			                 "fields has %u with role %s; expected %u to %u", count,
			                 rules[r].name, rules[r].least, rules[r].most);
	}
	return RESULT_OK;
}

enum result profile_take_fields(struct profile_load *p, struct error *err)
{
	for (uint32_t i = 0; i < p->raw->fields_count; i++) {
		enum result result = take_field(p, i, err);
		if (result != RESULT_OK)
			return result;
		p->out->field_count++;
	}
	return check_roles(p, err);
}
