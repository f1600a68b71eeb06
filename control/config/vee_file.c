/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config/vee_file.h"

#include "control/config/yaml_file.h"

/* R(key, default, least, most) */
#define VEE_NUMBERS(R)                                                                             \
	R(tolerance_s, 60, 0, 1800)                                                                \
	R(interpolate_max_min, 120, 0, 1440)                                                       \
	R(like_days, 3, 1, VEE_LIKE_DAYS_MAX)                                                      \
	R(like_days_back, 35, 7, 60)                                                               \
	R(spike_percent, 180, 1, 100000)                                                           \
	R(completeness_percent, 95, 0, 100)

#define RAW(key, otherwise, least, most) int64_t *key;
struct raw_rules {
	int64_t version;
	VEE_NUMBERS(RAW)
};

#define FIELD(key, otherwise, least, most)                                                         \
	CYAML_FIELD_INT_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_rules, key),
static const cyaml_schema_field_t rules_fields[] = {
    CYAML_FIELD_INT("version", CYAML_FLAG_DEFAULT, struct raw_rules, version),
    VEE_NUMBERS(FIELD)
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t rules_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_rules, rules_fields)};

struct numbers {
#define NUMBER(key, otherwise, least, most) int64_t key;
	VEE_NUMBERS(NUMBER)
};

static void set(struct vee_rules *out, int64_t version, const struct numbers *n)
{
	*out = (struct vee_rules){
	    .version = (int32_t)version,
	    .tolerance_s = (int32_t)n->tolerance_s,
	    .interpolate_max_s = (int32_t)n->interpolate_max_min * 60,
	    .like_days = (int32_t)n->like_days,
	    .like_days_back = (int32_t)n->like_days_back,
	    .spike_percent = (int32_t)n->spike_percent,
	    .completeness_min = (int32_t)n->completeness_percent * 100,
	};
}

void vee_rules_default(struct vee_rules *out)
{
#define DEFAULT(key, otherwise, least, most) .key = otherwise,
	set(out, 0, &(struct numbers){VEE_NUMBERS(DEFAULT)});
}

enum result vee_rules_load(const char *path, struct vee_rules *out, struct error *err)
{
	struct yaml_file file;
	struct numbers n = {0};
	int64_t version;
	enum result result = yaml_open(path, &rules_schema, &file, err);
	if (result != RESULT_OK)
		return result;
	const struct raw_rules *raw = file.data;
	result = yaml_int(&file, "version", &raw->version, 0, 1, 1000000, &version, err);
#define TAKE(key, otherwise, least, most)                                                          \
	if (result == RESULT_OK)                                                                   \
		result = yaml_int(&file, #key, raw->key, otherwise, least, most, &n.key, err);
	VEE_NUMBERS(TAKE)
	if (result == RESULT_OK)
		set(out, version, &n);
	yaml_close(&file);
	return result;
}
