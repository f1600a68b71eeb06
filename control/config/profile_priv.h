/* SPDX-License-Identifier: Apache-2.0 */
/* A profile file as libcyaml loads it, and the steps that turn it into struct profile. */
#ifndef HEADRACE_CONFIG_PROFILE_PRIV_H
#define HEADRACE_CONFIG_PROFILE_PRIV_H

#include "control/config/config.h"
#include "control/config/yaml_file.h"

struct raw_field {
	char *path;
	enum field_role role;
	int *format, *required, *negative, *sum;
	char *channel, *unit, *good, *min, *max;
};

struct raw_device {
	enum device_source from;
	int64_t *level;
	char *prefix, *separator;
	int *split;
};

struct raw_profile {
	int64_t id, version;
	char *name;
	char **topics, **uris;
	uint32_t topics_count, uris_count;
	char *signature;
	int *format;
	struct raw_device *device;
	struct raw_field *fields;
	uint32_t fields_count;
	char *register_channel;
	struct raw_battery {
		char *channel, *low;
	} battery;
	struct raw_profile_validation {
		int64_t *interval_s, *drift_accept_s, *drift_flag_s, *drift_replace_s;
		int64_t *late_max_h, *capacity_w, *dials;
	} validation;
};

extern const cyaml_schema_value_t profile_schema;

/* What the steps work on. */
struct profile_load {
	struct yaml_file file;
	const struct raw_profile *raw;
	const struct channel_catalogue *channels;
	const struct config *defaults;
	struct profile *out;
};

/* Topics, URIs, signature. */
MUST_USE enum result profile_take_matches(struct profile_load *p, struct error *err);
/* Payload format and where the device id is. Before the fields. */
MUST_USE enum result profile_take_format(struct profile_load *p, struct error *err);
/* Fields and channels. */
MUST_USE enum result profile_take_fields(struct profile_load *p, struct error *err);
/* Register, battery, thresholds. */
MUST_USE enum result profile_take_rules(struct profile_load *p, struct error *err);

/* Slot of a channel by name in the profile; -1: the profile has no such channel. */
int profile_slot(const struct profile_load *p, const char *channel);

#endif
