/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every *.yaml of the profiles folder, in name order, to struct profile_set.
 * Input: the operator's files. Output: the caller's set. Thread: start-up.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/profile_priv.h"

static int is_yaml(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);
	return entry->d_name[0] != '.' && length > 5 &&
	       strcmp(entry->d_name + length - 5, ".yaml") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum result take_identity(struct profile_load *p, const struct profile_set *set,
                                 struct error *err)
{
	int64_t id, version;
	enum result result = yaml_int(&p->file, "id", &p->raw->id, 0, 1, 255, &id, err);
	if (result == RESULT_OK)
		result = yaml_int(&p->file, "version", &p->raw->version, 0, 1, 65535, &version,
		                  err);
	if (result != RESULT_OK)
		return result;
	if (strlen(p->raw->name) >= PROFILE_NAME_BYTES)
		return yaml_fail(&p->file, "name", err, "name is '%s'; expected at most %d bytes",
		                 p->raw->name, PROFILE_NAME_BYTES - 1);
	for (uint32_t i = 0; i < set->count; i++) {
		const struct profile *other = &set->profiles[i];
		if (other->id == id)
			return yaml_fail(&p->file, "id", err,
			                 "id %d is that of profile '%s' version %u; expected "
			                 "one of its own for each version", other->id, other->name,
			                 other->version);
		if (other->version == version && strcmp(other->name, p->raw->name) == 0)
			return yaml_fail(&p->file, "version", err,
			                 "profile '%s' version %u is given twice; expected another "
			                 "version", other->name, other->version);
	}
	p->out->id = (uint8_t)id;
	p->out->version = (uint16_t)version;
	snprintf(p->out->name, sizeof p->out->name, "%s", p->raw->name);
	return RESULT_OK;
}

static enum result load_profile(const char *path, const struct channel_catalogue *channels,
                                const struct config *defaults, struct profile_set *set,
                                struct error *err)
{
	struct profile_load p = {
	    .channels = channels, .defaults = defaults, .out = &set->profiles[set->count]};
	enum result result = yaml_open(path, &profile_schema, &p.file, err);
	if (result != RESULT_OK)
		return result;
	p.raw = p.file.data;
	result = take_identity(&p, set, err);
	if (result == RESULT_OK)
		result = profile_take_matches(&p, err);
	if (result == RESULT_OK)
		result = profile_take_format(&p, err);
	if (result == RESULT_OK)
		result = profile_take_fields(&p, err);
	if (result == RESULT_OK)
		result = profile_take_rules(&p, err);
	yaml_close(&p.file);
	if (result == RESULT_OK) {
		set->by_id[p.out->id] = p.out;
		set->count++;
	}
	return result;
}

enum result config_load_profiles(const char *dir, const struct channel_catalogue *channels,
                                 const struct config *defaults, struct profile_set *out,
                                 struct error *err)
{
	struct dirent **names;
	enum result result = RESULT_OK;
	memset(out, 0, sizeof *out);
	int count = scandir(dir, &names, is_yaml, by_name);
	if (count < 0)
		return fail(RESULT_INPUT, err,
		            "%s:1: cannot be read: %s; expected a folder of profiles", dir,
		            strerror(errno));
	if (count == 0 || count > PROFILES_MAX)
		result = fail(RESULT_INPUT, err,
		              "%s:1: has %d profiles; expected 1 to %d files *.yaml", dir, count,
		              PROFILES_MAX);
	for (int i = 0; i < count; i++) {
		char *path = NULL;
		if (result == RESULT_OK && asprintf(&path, "%s/%s", dir, names[i]->d_name) < 0) {
			path = NULL;
			result = fail(RESULT_RESOURCE, err, "%s: no memory", dir);
		}
		if (result == RESULT_OK)
			result = load_profile(path, channels, defaults, out, err);
		free(path);
		free(names[i]);
	}
	free(names);
	return result;
}
