/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channels.yaml to struct channel_catalogue.
 * Input: the operator's file. Output: the caller's catalogue. Thread: start-up.
 */
#include <stdio.h>
#include <string.h>

#include "control/config/config.h"
#include "control/config/decimal.h"
#include "control/config/yaml_file.h"

struct raw_channel {
	int64_t id, decimals;
	char *name, *unit;
	enum channel_kind kind;
};

struct raw_channels {
	struct raw_channel *channels;
	uint32_t channels_count;
};

static const cyaml_strval_t kinds[] = {
    {"register", CHANNEL_REGISTER}, {"demand", CHANNEL_DEMAND}, {"gauge", CHANNEL_GAUGE}};

static const cyaml_schema_field_t channel_fields[] = {
    CYAML_FIELD_INT("id", CYAML_FLAG_DEFAULT, struct raw_channel, id),
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct raw_channel, name, 1, 256),
    CYAML_FIELD_ENUM("kind", CYAML_FLAG_STRICT, struct raw_channel, kind, kinds,
                     CYAML_ARRAY_LEN(kinds)),
    CYAML_FIELD_STRING_PTR("unit", CYAML_FLAG_POINTER, struct raw_channel, unit, 1, 256),
    CYAML_FIELD_INT("decimals", CYAML_FLAG_DEFAULT, struct raw_channel, decimals),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t channel_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_channel, channel_fields)};

static const cyaml_schema_field_t catalogue_fields[] = {
    CYAML_FIELD_SEQUENCE("channels", CYAML_FLAG_POINTER, struct raw_channels, channels,
                         &channel_schema, 1, 255),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t catalogue_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_channels, catalogue_fields)};

static bool is_name(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text) &&
	       strlen(text) < CHANNEL_NAME_BYTES;
}

static enum result take_texts(struct yaml_file *file, uint32_t i, const struct raw_channel *raw,
                              const struct channel_catalogue *all, struct channel *c,
                              struct error *err)
{
	char path[YAML_PATH_BYTES];
	snprintf(path, sizeof path, "channels[%u].name", i);
	if (!is_name(raw->name))
		return yaml_fail(file, path, err,
		                 "%s is '%s'; expected up to %d of a-z, 0-9 and '_'", path,
		                 raw->name, CHANNEL_NAME_BYTES - 1);
	for (unsigned k = 1; k < 256; k++)
		if (all->by_id[k].id && strcmp(all->by_id[k].name, raw->name) == 0)
			return yaml_fail(file, path, err,
			                 "channel '%s' is given twice; expected a name of its own",
			                 raw->name);
	snprintf(c->name, sizeof c->name, "%s", raw->name);

	snprintf(path, sizeof path, "channels[%u].unit", i);
	if (strlen(raw->unit) >= CHANNEL_NAME_BYTES)
		return yaml_fail(file, path, err, "%s is '%s'; expected at most %d bytes", path,
		                 raw->unit, CHANNEL_NAME_BYTES - 1);
	snprintf(c->unit, sizeof c->unit, "%s", raw->unit);
	return RESULT_OK;
}

static enum result take_channel(struct yaml_file *file, uint32_t i, const struct raw_channel *raw,
                                struct channel_catalogue *all, struct error *err)
{
	char path[YAML_PATH_BYTES];
	int64_t id, decimals;

	snprintf(path, sizeof path, "channels[%u].id", i);
	enum result result = yaml_int(file, path, &raw->id, 0, 1, 255, &id, err);
	if (result != RESULT_OK)
		return result;
	struct channel *c = &all->by_id[id];
	if (c->id)
		return yaml_fail(file, path, err,
		                 "%s is %d, the id of '%s'; expected one of its own", path, c->id,
		                 c->name);
	snprintf(path, sizeof path, "channels[%u].decimals", i);
	result = yaml_int(file, path, &raw->decimals, 0, 0, 12, &decimals, err);
	if (result == RESULT_OK)
		result = take_texts(file, i, raw, all, c, err);
	if (result != RESULT_OK)
		return result;
	c->id = (uint8_t)id;
	c->kind = raw->kind;
	c->decimals = (uint8_t)decimals;
	return RESULT_OK;
}

enum result config_load_channels(const char *path, struct channel_catalogue *out,
                                 struct error *err)
{
	struct yaml_file file;
	memset(out, 0, sizeof *out);
	enum result result = yaml_open(path, &catalogue_schema, &file, err);
	if (result != RESULT_OK)
		return result;
	const struct raw_channels *raw = file.data;
	for (uint32_t i = 0; i < raw->channels_count && result == RESULT_OK; i++)
		result = take_channel(&file, i, &raw->channels[i], out, err);
	yaml_close(&file);
	return result;
}
