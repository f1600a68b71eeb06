/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config/health_file.h"

#include <stdio.h>
#include <string.h>

#include "control/config/yaml_file.h"

/* R(key, default, least, most) */
#define HEALTH_NUMBERS(R)                                                                          \
	R(silence_s, 7200, 1, 31536000)                                                            \
	R(gateway_silence_s, 900, 1, 31536000)                                                     \
	R(open_max, 100000, 1, 10000000)                                                           \
	R(cleared_max, 10000, 0, 1000000)                                                          \
	R(cleared_days, 30, 0, 3650)                                                               \
	R(registry_every_s, 60, 1, 86400)                                                          \
	R(webhook_queue, 1000, 1, 1000000)                                                         \
	R(webhook_retry_s, 300, 1, 86400)

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define PROFILES_LISTED_MAX 64

struct raw_profile_rule {
	char *profile;
	int64_t silence_s;
};
struct raw_kind_rule {
	char *kind, *severity, *clears;
	int64_t *quiet_h;
};
#define RAW(key, otherwise, least, most) int64_t *key;
struct raw_health {
	int64_t version;
	HEALTH_NUMBERS(RAW)
	struct raw_profile_rule *profiles;
	struct raw_kind_rule *kinds;
	char **webhooks;
	uint32_t profiles_count, kinds_count, webhooks_count;
};

static const cyaml_schema_field_t profile_fields[] = {
    CYAML_FIELD_STRING_PTR("profile", CYAML_FLAG_POINTER, struct raw_profile_rule, profile, 1,
                           PROFILE_NAME_BYTES),
    CYAML_FIELD_INT("silence_s", CYAML_FLAG_DEFAULT, struct raw_profile_rule, silence_s),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t profile_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_profile_rule, profile_fields)};

static const cyaml_schema_field_t kind_fields[] = {
    CYAML_FIELD_STRING_PTR("kind", CYAML_FLAG_POINTER, struct raw_kind_rule, kind, 1, 64),
    CYAML_FIELD_STRING_PTR("severity", OPTIONAL, struct raw_kind_rule, severity, 1, 64),
    CYAML_FIELD_STRING_PTR("clears", OPTIONAL, struct raw_kind_rule, clears, 1, 64),
    CYAML_FIELD_INT_PTR("quiet_h", OPTIONAL, struct raw_kind_rule, quiet_h),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t kind_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_kind_rule, kind_fields)};

static const cyaml_schema_value_t url_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, HEALTH_URL_BYTES - 1)};

#define FIELD(key, otherwise, least, most)                                                         \
	CYAML_FIELD_INT_PTR(#key, OPTIONAL, struct raw_health, key),
static const cyaml_schema_field_t health_fields[] = {
    CYAML_FIELD_INT("version", CYAML_FLAG_DEFAULT, struct raw_health, version),
    HEALTH_NUMBERS(FIELD)
    CYAML_FIELD_SEQUENCE("profiles", OPTIONAL, struct raw_health, profiles, &profile_schema, 0,
                         PROFILES_LISTED_MAX),
    CYAML_FIELD_SEQUENCE("kinds", OPTIONAL, struct raw_health, kinds, &kind_schema, 0,
                         EVENT_KIND_COUNT),
    CYAML_FIELD_SEQUENCE("webhooks", OPTIONAL, struct raw_health, webhooks, &url_schema, 0,
                         HEALTH_WEBHOOKS_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t health_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_health, health_fields)};

struct numbers {
#define NUMBER(key, otherwise, least, most) int64_t key;
	HEALTH_NUMBERS(NUMBER)
};

static void set(struct health_rules *out, int64_t version, const struct numbers *n)
{
	*out = (struct health_rules){.version = (int32_t)version};
#define SET(key, otherwise, least, most) out->key = (uint32_t)n->key;
	HEALTH_NUMBERS(SET)
	event_kind_rules_default(out->kinds);
}

void health_rules_default(struct health_rules *out)
{
#define DEFAULT(key, otherwise, least, most) .key = otherwise,
	set(out, 0, &(struct numbers){HEALTH_NUMBERS(DEFAULT)});
}

/* --- profiles --- */

/* Every version of a profile has the name. */
static bool set_profile(const struct profile_set *profiles, const char *name, uint32_t silence_s,
                        struct health_rules *out)
{
	bool found = false;
	for (uint32_t i = 0; i < profiles->count; i++)
		if (strcmp(profiles->profiles[i].name, name) == 0) {
			out->profile_silence_s[profiles->profiles[i].id] = silence_s;
			found = true;
		}
	return found;
}

static enum result take_profiles(struct yaml_file *file, const struct raw_health *raw,
                                 const struct profile_set *profiles, struct health_rules *out,
                                 struct error *err)
{
	for (uint32_t i = 0; i < raw->profiles_count; i++) {
		const struct raw_profile_rule *p = &raw->profiles[i];
		char path[YAML_PATH_BYTES];
		int64_t silence_s;
		snprintf(path, sizeof path, "profiles[%u].silence_s", i);
		enum result r =
		    yaml_int(file, path, &p->silence_s, 0, 1, 31536000, &silence_s, err);
		if (r != RESULT_OK)
			return r;
		snprintf(path, sizeof path, "profiles[%u].profile", i);
		if (!set_profile(profiles, p->profile, (uint32_t)silence_s, out))
			return yaml_fail(file, path, err,
			                 "there is no profile '%s'; expected the name of one",
			                 p->profile);
	}
	return RESULT_OK;
}

/* --- kinds --- */

static enum result take_severity(struct yaml_file *file, const char *path, const char *text,
                                 struct event_kind_rule *rule, struct error *err)
{
	rule->off = strcmp(text, "off") == 0;
	enum event_severity severity = event_severity_find(text);
	if (!rule->off && severity == EVENT_SEVERITIES)
		return yaml_fail(file, path, err,
		                 "severity is '%s'; expected info, warning, critical or off", text);
	if (!rule->off)
		rule->severity = (uint8_t)severity;
	return RESULT_OK;
}

static enum result take_clears(struct yaml_file *file, const char *path, const char *text,
                               struct event_kind_rule *rule, struct error *err)
{
	rule->by_hand = strcmp(text, "by_hand") == 0;
	if (rule->by_hand || strcmp(text, "by_itself") == 0)
		return RESULT_OK;
	return yaml_fail(file, path, err, "clears is '%s'; expected by_itself or by_hand", text);
}

static enum result take_kind(struct yaml_file *file, uint32_t i, const struct raw_kind_rule *raw,
                             struct health_rules *out, struct error *err)
{
	char path[YAML_PATH_BYTES];
	int64_t quiet_h;
	enum event_kind kind = event_kind_find(raw->kind);
	snprintf(path, sizeof path, "kinds[%u].kind", i);
	if (kind == EVENT_KIND_COUNT)
		return yaml_fail(file, path, err,
		                 "there is no kind '%s' of events; configs/health.yaml has all",
		                 raw->kind);
	struct event_kind_rule *rule = &out->kinds[kind];
	enum result r = RESULT_OK;
	snprintf(path, sizeof path, "kinds[%u].severity", i);
	if (raw->severity)
		r = take_severity(file, path, raw->severity, rule, err);
	snprintf(path, sizeof path, "kinds[%u].clears", i);
	if (r == RESULT_OK && raw->clears)
		r = take_clears(file, path, raw->clears, rule, err);
	snprintf(path, sizeof path, "kinds[%u].quiet_h", i);
	if (r == RESULT_OK)
		r = yaml_int(file, path, raw->quiet_h, rule->quiet_h, 0, 8760, &quiet_h, err);
	if (r == RESULT_OK)
		rule->quiet_h = (uint32_t)quiet_h;
	return r;
}

static enum result take_webhooks(struct yaml_file *file, const struct raw_health *raw,
                                 struct health_rules *out, struct error *err)
{
	for (uint32_t i = 0; i < raw->webhooks_count; i++) {
		const char *url = raw->webhooks[i];
		char path[YAML_PATH_BYTES];
		snprintf(path, sizeof path, "webhooks[%u]", i);
		if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
			return yaml_fail(file, path, err,
			                 "a webhook is '%s'; expected http:// or https://", url);
		snprintf(out->webhooks[out->webhook_count++], HEALTH_URL_BYTES, "%s", url);
	}
	return RESULT_OK;
}

enum result health_rules_load(const char *path, const struct profile_set *profiles,
                              struct health_rules *out, struct error *err)
{
	struct yaml_file file;
	struct numbers n = {0};
	int64_t version;
	enum result result = yaml_open(path, &health_schema, &file, err);
	if (result != RESULT_OK)
		return result;
	const struct raw_health *raw = file.data;
	result = yaml_int(&file, "version", &raw->version, 0, 1, 1000000, &version, err);
#define TAKE(key, otherwise, least, most)                                                          \
	if (result == RESULT_OK)                                                                   \
		result = yaml_int(&file, #key, raw->key, otherwise, least, most, &n.key, err);
	HEALTH_NUMBERS(TAKE)
	if (result == RESULT_OK) {
		set(out, version, &n);
		result = take_profiles(&file, raw, profiles, out, err);
	}
	for (uint32_t i = 0; result == RESULT_OK && i < raw->kinds_count; i++)
		result = take_kind(&file, i, &raw->kinds[i], out, err);
	if (result == RESULT_OK)
		result = take_webhooks(&file, raw, out, err);
	yaml_close(&file);
	return result;
}
