/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of a profile file, for libcyaml. */
#include "control/config/profile_priv.h"

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define CHOICE   (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT)
#define TEXT_MAX 4096

static const cyaml_strval_t roles[] = {
    {"ignored", FIELD_IGNORED},     {"device", FIELD_DEVICE},   {"timestamp", FIELD_TIMESTAMP},
    {"collected", FIELD_COLLECTED}, {"channel", FIELD_CHANNEL}, {"status", FIELD_STATUS},
    {"tamper", FIELD_TAMPER},
};
static const cyaml_strval_t payload_formats[] = {
    {"json", FORMAT_JSON},
    {"senml", FORMAT_SENML},
    {"cbor", FORMAT_CBOR},
    {"sparkplug", FORMAT_SPARKPLUG},
};
static const cyaml_strval_t device_sources[] = {
    {"payload", DEVICE_FROM_PAYLOAD},
    {"topic", DEVICE_FROM_TOPIC},
    {"key", DEVICE_FROM_KEY},
    {"name", DEVICE_FROM_NAME},
};
static const cyaml_strval_t splits[] = {{"last", 0}, {"first", 1}};
static const cyaml_strval_t formats[] = {
    {"iso8601", TIME_ISO8601}, {"epoch_s", TIME_EPOCH_S}, {"epoch_ms", TIME_EPOCH_MS}};
static const cyaml_strval_t yes_no[] = {{"yes", 1}, {"no", 0}, {"true", 1}, {"false", 0}};

#define FIELD_TEXT(key)                                                                            \
	CYAML_FIELD_STRING_PTR(#key, OPTIONAL, struct raw_field, key, 1, TEXT_MAX)
#define FIELD_YES_NO(key)                                                                          \
	CYAML_FIELD_ENUM_PTR(#key, CHOICE, struct raw_field, key, yes_no, CYAML_ARRAY_LEN(yes_no))

static const cyaml_schema_field_t field_fields[] = {
    CYAML_FIELD_STRING_PTR("path", CYAML_FLAG_POINTER, struct raw_field, path, 1, TEXT_MAX),
    CYAML_FIELD_ENUM("role", CYAML_FLAG_STRICT, struct raw_field, role, roles,
                     CYAML_ARRAY_LEN(roles)),
    CYAML_FIELD_ENUM_PTR("format", CHOICE, struct raw_field, format, formats,
                         CYAML_ARRAY_LEN(formats)),
    FIELD_YES_NO(required),
    FIELD_YES_NO(sum),
    FIELD_YES_NO(negative),
    FIELD_TEXT(channel),
    FIELD_TEXT(unit),
    FIELD_TEXT(good),
    FIELD_TEXT(min),
    FIELD_TEXT(max),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t field_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_field, field_fields)};
static const cyaml_schema_value_t text_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, TEXT_MAX)};

static const cyaml_schema_field_t device_fields[] = {
    CYAML_FIELD_ENUM("from", CYAML_FLAG_STRICT, struct raw_device, from, device_sources,
                     CYAML_ARRAY_LEN(device_sources)),
    CYAML_FIELD_INT_PTR("level", OPTIONAL, struct raw_device, level),
    CYAML_FIELD_STRING_PTR("prefix", OPTIONAL, struct raw_device, prefix, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("separator", OPTIONAL, struct raw_device, separator, 1, TEXT_MAX),
    CYAML_FIELD_ENUM_PTR("split", CHOICE, struct raw_device, split, splits,
                         CYAML_ARRAY_LEN(splits)),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t battery_fields[] = {
    CYAML_FIELD_STRING_PTR("channel", CYAML_FLAG_POINTER, struct raw_battery, channel, 1,
                           TEXT_MAX),
    CYAML_FIELD_STRING_PTR("low", CYAML_FLAG_POINTER, struct raw_battery, low, 1,
                           TEXT_MAX),
    CYAML_FIELD_END,
};

#define RULE(key) CYAML_FIELD_INT_PTR(#key, OPTIONAL, struct raw_profile_validation, key)
static const cyaml_schema_field_t validation_fields[] = {
    RULE(interval_s), RULE(drift_accept_s), RULE(drift_flag_s), RULE(drift_replace_s),
    RULE(late_max_h), RULE(capacity_w),     RULE(dials),        CYAML_FIELD_END,
};

static const cyaml_schema_field_t profile_fields[] = {
    CYAML_FIELD_INT("id", CYAML_FLAG_DEFAULT, struct raw_profile, id),
    CYAML_FIELD_INT("version", CYAML_FLAG_DEFAULT, struct raw_profile, version),
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct raw_profile, name, 1, TEXT_MAX),
    CYAML_FIELD_SEQUENCE("topics", OPTIONAL, struct raw_profile, topics, &text_schema, 0,
                         PROFILE_MATCHES_MAX),
    CYAML_FIELD_SEQUENCE("uris", OPTIONAL, struct raw_profile, uris, &text_schema, 0,
                         PROFILE_MATCHES_MAX),
    CYAML_FIELD_STRING_PTR("signature", OPTIONAL, struct raw_profile, signature, 0, TEXT_MAX),
    CYAML_FIELD_ENUM_PTR("format", CHOICE, struct raw_profile, format, payload_formats,
                         CYAML_ARRAY_LEN(payload_formats)),
    CYAML_FIELD_MAPPING_PTR("device", OPTIONAL, struct raw_profile, device, device_fields),
    CYAML_FIELD_SEQUENCE("fields", CYAML_FLAG_POINTER, struct raw_profile, fields, &field_schema,
                         1, PROFILE_FIELDS_MAX),
    CYAML_FIELD_STRING_PTR("register", OPTIONAL, struct raw_profile, register_channel, 1, TEXT_MAX),
    CYAML_FIELD_MAPPING("battery", CYAML_FLAG_OPTIONAL, struct raw_profile, battery,
                        battery_fields),
    CYAML_FIELD_MAPPING("validation", CYAML_FLAG_OPTIONAL, struct raw_profile, validation,
                        validation_fields),
    CYAML_FIELD_END,
};

const cyaml_schema_value_t profile_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_profile, profile_fields)};
