/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config/vee_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/calendar/calendar.h"
#include "control/config/decimal.h"
#include "control/config/yaml_file.h"

#define KWH_DECIMALS 6

/* R(key, default, least, most) */
#define VEE_NUMBERS(R)                                                                             \
	R(tolerance_s, 60, 0, 1800)                                                                \
	R(interpolate_max_min, 120, 0, 1440)                                                       \
	R(like_days, 3, 1, VEE_LIKE_DAYS_MAX)                                                      \
	R(like_days_back, 35, 7, VEE_LIKE_DAYS_BACK_MAX)                                           \
	R(outage_min, 240, 0, 1440)                                                                \
	R(completeness_percent, 95, 0, 100)

struct raw_rule {
	int rule;
	char *profile, *limit;
	bool *enabled;
};

#define RAW(key, otherwise, least, most) int64_t *key;
struct raw_rules {
	int64_t version;
	char *from;
	VEE_NUMBERS(RAW)
	char **holidays, **tou_channels;
	uint32_t holidays_count, tou_channels_count;
	struct raw_rule *rules;
	uint32_t rules_count;
};

static const cyaml_strval_t rule_names[] = {
#define R(id, text, unit, decimals, otherwise, most, help) {text, VEE_RULE_##id},
    VEE_RULES(R)
#undef R
};
static const cyaml_schema_value_t text_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, CYAML_UNLIMITED)};
static const cyaml_schema_field_t rule_fields[] = {
    CYAML_FIELD_ENUM("rule", CYAML_FLAG_STRICT, struct raw_rule, rule, rule_names,
                     CYAML_ARRAY_LEN(rule_names)),
    CYAML_FIELD_STRING_PTR("profile", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_rule,
                           profile, 1, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("limit", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_rule,
                           limit, 1, CYAML_UNLIMITED),
    CYAML_FIELD_BOOL_PTR("enabled", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_rule,
                         enabled),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t rule_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_rule, rule_fields)};

#define FIELD(key, otherwise, least, most)                                                         \
	CYAML_FIELD_INT_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_rules, key),
#define LIST(key, schema, most)                                                                    \
	CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_rules,     \
	                     key, schema, 0, most)
static const cyaml_schema_field_t rules_fields[] = {
    CYAML_FIELD_INT("version", CYAML_FLAG_DEFAULT, struct raw_rules, version),
    CYAML_FIELD_STRING_PTR("from", CYAML_FLAG_POINTER, struct raw_rules, from, 1,
                           CYAML_UNLIMITED),
    VEE_NUMBERS(FIELD)
    LIST(holidays, &text_schema, VEE_HOLIDAYS_MAX),
    LIST(tou_channels, &text_schema, VEE_PARTS_MAX),
    LIST(rules, &rule_schema, VEE_RULE_COUNT + VEE_OVERRIDES_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t rules_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_rules, rules_fields)};

/* What a file is read against, and into. */
struct reading {
	struct yaml_file file;
	const struct channel_catalogue *channels;
	const struct profile_set *profiles;
	struct vee_rules *out;
	bool seen[VEE_RULE_COUNT];
};

static enum result take_numbers(struct reading *r, const struct raw_rules *raw, struct error *err)
{
	struct {
#define NUMBER(key, otherwise, least, most) int64_t key;
		VEE_NUMBERS(NUMBER)
	} n;
	int64_t version;
	enum result result =
	    yaml_int(&r->file, "version", &raw->version, 0, 1, 1000000, &version, err);
#define TAKE(key, otherwise, least, most)                                                          \
	if (result == RESULT_OK)                                                                   \
		result = yaml_int(&r->file, #key, raw->key, otherwise, least, most, &n.key, err);
	VEE_NUMBERS(TAKE)
	if (result != RESULT_OK)
		return result;
	struct vee_rules *out = r->out;
	out->version = (int32_t)version;
	out->tolerance_s = (int32_t)n.tolerance_s;
	out->interpolate_max_s = (int32_t)n.interpolate_max_min * 60;
	out->like_days = (int32_t)n.like_days;
	out->like_days_back = (int32_t)n.like_days_back;
	out->outage_min = (int32_t)n.outage_min;
	out->completeness_min = (int32_t)n.completeness_percent * 100;
	return RESULT_OK;
}

static enum result take_day(struct reading *r, const char *path, const char *text, int32_t *day,
                            struct error *err)
{
	struct civil_date date;
	struct error why;
	if (civil_parse(text, &date, &why) != RESULT_OK)
		return yaml_fail(&r->file, path, err, "%s: %s", path, why.text);
	*day = civil_to_day(date);
	return RESULT_OK;
}

static int by_day(const void *a, const void *b)
{
	const int32_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static enum result take_holidays(struct reading *r, const struct raw_rules *raw, struct error *err)
{
	char path[YAML_PATH_BYTES];
	struct vee_rules *out = r->out;
	for (uint32_t i = 0; i < raw->holidays_count; i++) {
		snprintf(path, sizeof path, "holidays[%u]", i);
		enum result result =
		    take_day(r, path, raw->holidays[i], &out->holidays[out->holiday_count++], err);
		if (result != RESULT_OK)
			return result;
	}
	qsort(out->holidays, out->holiday_count, sizeof out->holidays[0], by_day);
	return RESULT_OK;
}

/* Registers in kWh, of which there are several beside the total. */
static enum result take_parts(struct reading *r, const struct raw_rules *raw, struct error *err)
{
	char path[YAML_PATH_BYTES];
	for (uint32_t i = 0; i < raw->tou_channels_count; i++) {
		const struct channel *c = r->channels->by_id;
		const char *name = raw->tou_channels[i];
		snprintf(path, sizeof path, "tou_channels[%u]", i);
		while (c < r->channels->by_id + 256 && (c->id == 0 || strcmp(c->name, name) != 0))
			c++;
		if (c == r->channels->by_id + 256 || c->kind != CHANNEL_REGISTER ||
		    strcmp(c->unit, "kWh") != 0)
			return yaml_fail(&r->file, path, err,
			                 "%s is '%s'; expected a register in kWh of the channel "
			                 "catalogue", path, name);
		r->out->parts[r->out->part_count++] =
		    (struct vee_part){c->id, (int8_t)(KWH_DECIMALS - c->decimals)};
	}
	return RESULT_OK;
}

static bool is_profile(const struct reading *r, const char *name)
{
	for (uint32_t i = 0; i < r->profiles->count; i++)
		if (strcmp(r->profiles->profiles[i].name, name) == 0)
			return true;
	return false;
}

static enum result take_limit(struct reading *r, const char *path, const struct raw_rule *raw,
                              int64_t *limit, struct error *err)
{
	const struct vee_rule_info *info = &vee_rule_info[raw->rule];
	char most[DECIMAL_BYTES];
	if (!raw->limit)
		return RESULT_OK;
	if (info->most == 0)
		return yaml_fail(&r->file, path, err, "%s: %s takes no limit", path, info->name);
	if (!decimal_parse(raw->limit, info->decimals, limit) || *limit < 0 || *limit > info->most)
		return yaml_fail(&r->file, path, err,
		                 "%s is '%s'; expected from 0 to %s %s with at most %d digits "
		                 "behind the point", path, raw->limit,
		                 decimal_format(info->most, info->decimals, most), info->unit,
		                 info->decimals);
	return RESULT_OK;
}

/* The place of an entry: the rule's, or that of a profile. NULL: it is taken, or there is none. */
static struct vee_rule_setting *place_of(struct reading *r, const struct raw_rule *raw)
{
	struct vee_rules *out = r->out;
	if (!raw->profile) {
		bool seen = r->seen[raw->rule];
		r->seen[raw->rule] = true;
		return seen ? NULL : &out->rule[raw->rule];
	}
	for (uint32_t i = 0; i < out->override_count; i++)
		if (out->overrides[i].rule == raw->rule &&
		    strcmp(out->overrides[i].profile, raw->profile) == 0)
			return NULL;
	if (out->override_count == VEE_OVERRIDES_MAX)
		return NULL;
	struct vee_override *o = &out->overrides[out->override_count++];
	snprintf(o->profile, sizeof o->profile, "%s", raw->profile);
	o->rule = (uint8_t)raw->rule;
	return &o->setting;
}

static enum result take_rule(struct reading *r, uint32_t index, const struct raw_rule *raw,
                             struct error *err)
{
	char path[YAML_PATH_BYTES];
	struct vee_rule_setting setting = {!raw->enabled || *raw->enabled,
	                                   vee_rule_info[raw->rule].otherwise};
	snprintf(path, sizeof path, "rules[%u].profile", index);
	if (raw->profile && !is_profile(r, raw->profile))
		return yaml_fail(&r->file, path, err,
		                 "%s is '%s'; expected the name of a profile", path, raw->profile);
	snprintf(path, sizeof path, "rules[%u].limit", index);
	enum result result = take_limit(r, path, raw, &setting.limit, err);
	if (result != RESULT_OK)
		return result;
	snprintf(path, sizeof path, "rules[%u]", index);
	struct vee_rule_setting *place = place_of(r, raw);
	if (!place)
		return yaml_fail(&r->file, path, err,
		                 "%s: %s is there twice%s%s; expected each rule once, and once for "
		                 "a profile", path, vee_rule_info[raw->rule].name,
		                 raw->profile ? " for " : "", raw->profile ? raw->profile : "");
	*place = setting;
	return RESULT_OK;
}

static enum result load_one(const char *path, struct reading *r, struct error *err)
{
	enum result result = yaml_open(path, &rules_schema, &r->file, err);
	if (result != RESULT_OK)
		return result;
	const struct raw_rules *raw = r->file.data;
	vee_rules_default(r->out);
	result = take_numbers(r, raw, err);
	if (result == RESULT_OK)
		result = take_day(r, "from", raw->from, &r->out->from_day, err);
	if (result == RESULT_OK)
		result = take_holidays(r, raw, err);
	if (result == RESULT_OK)
		result = take_parts(r, raw, err);
	for (uint32_t i = 0; i < raw->rules_count && result == RESULT_OK; i++)
		result = take_rule(r, i, &raw->rules[i], err);
	yaml_close(&r->file);
	return result;
}

/* --- the folder --- */

/* Into its place by date. A later version has a higher number. */
static enum result chain(struct vee_rules **newest, struct vee_rules *rules, const char *path,
                         struct error *err)
{
	struct vee_rules **at = newest, *behind = NULL;
	while (*at && (*at)->from_day > rules->from_day) {
		behind = *at;
		at = &(*at)->before;
	}
	const struct vee_rules *other = *at;
	if (other && other->from_day == rules->from_day)
		return fail(RESULT_INPUT, err, "%s: version %d rules from the same day on as "
		            "version %d", path, rules->version, other->version);
	if ((other && other->version >= rules->version) ||
	    (behind && behind->version <= rules->version))
		return fail(RESULT_INPUT, err, "%s: version %d comes out of order; expected later "
		            "versions to have higher numbers", path, rules->version);
	rules->before = *at;
	*at = rules;
	return RESULT_OK;
}

static enum result add(const char *path, struct reading *r, struct vee_rules **newest,
                       struct error *err)
{
	struct vee_rules *rules = malloc(sizeof *rules);
	if (!rules)
		return fail(RESULT_RESOURCE, err, "no memory for %s", path);
	r->out = rules;
	memset(r->seen, 0, sizeof r->seen);
	enum result result = load_one(path, r, err);
	if (result == RESULT_OK)
		result = chain(newest, rules, path, err);
	if (result != RESULT_OK)
		free(rules);
	return result;
}

static bool is_rules_file(const char *name)
{
	size_t bytes = strlen(name);
	return name[0] != '.' && bytes > 5 && strcmp(name + bytes - 5, ".yaml") == 0;
}

static enum result load_folder(DIR *d, const char *dir, struct reading *r,
                               struct vee_rules **newest, struct error *err)
{
	char path[4096];
	enum result result = RESULT_OK;
	for (struct dirent *e = readdir(d); e && result == RESULT_OK; e = readdir(d)) {
		if (!is_rules_file(e->d_name))
			continue;
		if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path)
			return fail(RESULT_INPUT, err, "%s: the path is too long", dir);
		result = add(path, r, newest, err);
	}
	if (result == RESULT_OK && !*newest)
		result = fail(RESULT_INPUT, err, "%s: no *.yaml with rules in it", dir);
	return result;
}

enum result vee_rules_load(const char *dir, const struct channel_catalogue *channels,
                           const struct profile_set *profiles, struct vee_rules **newest,
                           struct error *err)
{
	struct reading r = {.channels = channels, .profiles = profiles};
	*newest = NULL;
	if (!dir) {
		*newest = malloc(sizeof **newest);
		if (!*newest)
			return fail(RESULT_RESOURCE, err, "no memory for VEE rules");
		vee_rules_default(*newest);
		return RESULT_OK;
	}
	DIR *d = opendir(dir);
	if (!d)
		return fail(errno == ENOENT ? RESULT_ABSENT : RESULT_INPUT, err, "%s: %s", dir,
		            strerror(errno));
	enum result result = load_folder(d, dir, &r, newest, err);
	closedir(d);
	if (result != RESULT_OK) {
		vee_rules_free(*newest);
		*newest = NULL;
	}
	return result;
}

void vee_rules_free(struct vee_rules *newest)
{
	while (newest) {
		struct vee_rules *before = newest->before;
		free(newest);
		newest = before;
	}
}
