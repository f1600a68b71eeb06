/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace.yaml: load, apply defaults and ranges, check what belongs together.
 * Input: the operator's file. Output: struct config on the heap. Thread: start-up.
 */
#include "control/config/config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/calendar/calendar.h"
#include "control/config/config_priv.h"

/* `text` (or `otherwise`) as a path of its own: relative ones begin at the file's folder. */
static char *resolve(const struct yaml_file *file, const char *text, const char *otherwise)
{
	const char *name = text ? text : otherwise;
	const char *slash = strrchr(file->path, '/');
	char *out = NULL;
	if (name[0] == '/' || !slash)
		return strdup(name);
	if (asprintf(&out, "%.*s/%s", (int)(slash - file->path), file->path, name) < 0)
		return NULL;
	return out;
}

/* As storage/aggregate.h: gaps of more days have no energy. */
#define AGGREGATE_REACH_DAYS 35u

#define TAKE_NUMBER(section, key, otherwise, least, most)                                          \
	if (result == RESULT_OK)                                                                   \
		result = yaml_int(file, #section "." #key, raw->section.key, otherwise, least,     \
		                  most, &number, err);                                             \
	c->section.key = (__typeof__(c->section.key))number;

static enum result take_numbers(struct yaml_file *file, const struct raw_config *raw,
                                struct config *c, struct error *err)
{
	enum result result = RESULT_OK;
	int64_t number = 0;
	DPDK_NUMBERS(TAKE_NUMBER)
	MQTT_NUMBERS(TAKE_NUMBER)
	BROKER_NUMBERS(TAKE_NUMBER)
	COAP_NUMBERS(TAKE_NUMBER)
	LIMITS_NUMBERS(TAKE_NUMBER)
	JOURNAL_NUMBERS(TAKE_NUMBER)
	STORE_NUMBERS(TAKE_NUMBER)
	RETENTION_NUMBERS(TAKE_NUMBER)
	VALIDATION_NUMBERS(TAKE_NUMBER)
	REGISTRY_NUMBERS(TAKE_NUMBER)
	API_NUMBERS(TAKE_NUMBER)
	c->coap.interop = raw->coap.interop ? *raw->coap.interop : false;
	c->coap.multicast = raw->coap.multicast ? *raw->coap.multicast : true;
	c->registry.registration =
	    raw->registry.registration ? (enum config_registration)*raw->registry.registration
	                               : REGISTER_PENDING;
	c->dpdk.hugepages = raw->dpdk.hugepages ? (enum config_hugepages)*raw->dpdk.hugepages
	                                        : HUGEPAGES_AUTO;
	c->mqtt.retain = !raw->mqtt.retain || *raw->mqtt.retain;
	c->mqtt.wildcards = !raw->mqtt.wildcards || *raw->mqtt.wildcards;
	c->mqtt.subscription_ids = !raw->mqtt.subscription_ids || *raw->mqtt.subscription_ids;
	c->mqtt.shared = !raw->mqtt.shared || *raw->mqtt.shared;
	c->idle = raw->idle ? (enum config_idle)*raw->idle : IDLE_BACKOFF;
	c->registry.authorisation =
	    raw->registry.authorisation ? (enum config_authorisation)*raw->registry.authorisation
	                                : AUTHORISATION_GATEWAY;
	return result;
}

/* An optional path: NULL stays NULL. False: no memory. */
static bool resolve_optional(struct yaml_file *file, const char *path, char **out)
{
	*out = path ? resolve(file, path, NULL) : NULL;
	return !path || *out;
}

/* What the broker has in the configuration beside numbers. */
static enum result take_broker(struct yaml_file *file, const struct raw_config *raw,
                               struct config *c, struct error *err)
{
	const struct raw_broker *b = &raw->broker;
	c->broker.anonymous = !b->anonymous || *b->anonymous;
	c->broker.identity = b->identity ? (enum config_identity)*b->identity : IDENTITY_CLIENT_ID;
	if (asprintf(&c->broker.dir, "%s/broker", c->store.dir) < 0)
		c->broker.dir = NULL;
	if (!c->broker.dir ||
	    !resolve_optional(file, b->password_file, &c->broker.password_file) ||
	    !resolve_optional(file, b->acl_file, &c->broker.acl_file))
		return fail(RESULT_RESOURCE, err, "%s: no memory", file->path);
	if (!c->broker.anonymous && !c->broker.password_file)
		return yaml_fail(file, "broker.anonymous", err,
		                 "broker.anonymous is false, but nobody has a password; expected "
		                 "broker.password_file");
	if (c->broker.anonymous && c->broker.identity == IDENTITY_USERNAME)
		return yaml_fail(file, "broker.identity", err,
		                 "broker.identity is username, but clients may name none; expected "
		                 "broker.anonymous: false with it");
	return RESULT_OK;
}

static enum result take_texts(struct yaml_file *file, const struct raw_config *raw,
                              struct config *c, struct error *err)
{
	const char *prefix = raw->dpdk.file_prefix ? raw->dpdk.file_prefix : "headrace";
	const char *timezone = raw->territory.timezone ? raw->territory.timezone : "UTC";
	c->dpdk.file_prefix = strdup(prefix);
	c->journal.dir = resolve(file, raw->journal.dir, "/var/lib/headrace/journal");
	c->store.dir = resolve(file, raw->store.dir, "/var/lib/headrace/store");
	c->channels_file = resolve(file, raw->channels_file, "channels.yaml");
	c->profiles_dir = resolve(file, raw->profiles_dir, "profiles");
	c->api.socket = resolve(file, raw->api.socket, "/run/headrace/api.sock");
	c->territory.timezone = strdup(timezone);
	bool whole = c->dpdk.file_prefix && c->journal.dir && c->store.dir && c->channels_file &&
	             c->profiles_dir && c->api.socket && c->territory.timezone;
	whole = resolve_optional(file, raw->vee_dir, &c->vee_dir) && whole;
	whole = resolve_optional(file, raw->tariffs_dir, &c->tariffs_dir) && whole;
	whole = resolve_optional(file, raw->health_file, &c->health_file) && whole;
	whole = resolve_optional(file, raw->registry.file, &c->registry.file) && whole;
	whole = resolve_optional(file, raw->registry.allow_list, &c->registry.allow_list) && whole;
	whole = resolve_optional(file, raw->api.certificate, &c->api.certificate) && whole;
	whole = resolve_optional(file, raw->api.key, &c->api.key) && whole;
	c->api.plaintext = raw->api.plaintext && *raw->api.plaintext;
	if (raw->api.listen)
		whole = (c->api.listen = strdup(raw->api.listen)) && whole;
	return whole ? RESULT_OK : fail(RESULT_RESOURCE, err, "%s: no memory", file->path);
}

/* What is computed from readings must not need any that are gone: the longest late one, a gap
 * before it, and a day for either end of the time zone. */
static enum result check_retention(struct yaml_file *file, const struct config *c,
                                   struct error *err)
{
	uint32_t late_days = c->validation.late_max_h / 24 + 1;
	uint32_t least = late_days + AGGREGATE_REACH_DAYS + 2;
	if (c->retention.raw_days != 0 && c->retention.raw_days < least)
		return yaml_fail(file, "retention.raw_days", err,
		                 "retention.raw_days is %u; expected 0 (for ever) or at least %u: "
		                 "readings may come %u h late and end a gap of %u days",
		                 c->retention.raw_days, least, c->validation.late_max_h,
		                 AGGREGATE_REACH_DAYS);
	if (c->retention.day_days != 0 && c->retention.day_days < 62)
		return yaml_fail(file, "retention.day_days", err,
		                 "retention.day_days is %u; expected 0 (for ever) or at least 62: "
		                 "months are made of days",
		                 c->retention.day_days);
	return RESULT_OK;
}

static enum result check_numbers(struct yaml_file *file, const struct config *c,
                                 struct error *err)
{
	if (c->journal.buffers < c->journal.inflight + 2)
		return yaml_fail(file, "journal.buffers", err,
		                 "journal.buffers is %u; expected at least inflight + 2 = %u",
		                 c->journal.buffers, c->journal.inflight + 2);
	if (c->journal.block_kb % 4 != 0)
		return yaml_fail(file, "journal.block_kb", err,
		                 "journal.block_kb is %u; expected a multiple of 4",
		                 c->journal.block_kb);
	uint64_t least = (uint64_t)c->journal.segment_mb * (c->journal.segments_spare + 2);
	if (c->journal.size_max_mb != 0 && c->journal.size_max_mb < least)
		return yaml_fail(file, "journal.size_max_mb", err,
		                 "journal.size_max_mb is %u; expected 0 (no limit) or room for "
		                 "segments_spare + 2 segments: at least %llu",
		                 c->journal.size_max_mb, (unsigned long long)least);
	if (c->validation.drift_accept_s > c->validation.drift_flag_s)
		return yaml_fail(file, "validation.drift_flag_s", err,
		                 "validation.drift_flag_s is %u; expected at least "
		                 "drift_accept_s, %u",
		                 c->validation.drift_flag_s, c->validation.drift_accept_s);
	if (c->validation.drift_flag_s > c->validation.drift_replace_s)
		return yaml_fail(
		    file, "validation.drift_replace_s", err,
		    "validation.drift_replace_s is %u; expected at least drift_flag_s, %u",
		    c->validation.drift_replace_s, c->validation.drift_flag_s);
	bool listed = c->registry.registration == REGISTER_ALLOW_LIST;
	if (listed && !c->registry.allow_list)
		return yaml_fail(file, "registry.registration", err,
		                 "registry.registration is allow_list; expected "
		                 "registry.allow_list with the file of ids");
	if (!listed && c->registry.allow_list)
		return yaml_fail(file, "registry.allow_list", err,
		                 "registry.allow_list is given; expected registry.registration: "
		                 "allow_list with it");
	if (c->mqtt.port == 0 && c->coap.port == 0)
		return yaml_fail(file, "mqtt.port", err,
		                 "mqtt.port and coap.port are both 0 (off); expected at least one "
		                 "protocol");
	return RESULT_OK;
}

enum result config_check_reference(struct yaml_file *file, const char *key, const char *path,
                                   bool folder, struct error *err)
{
	struct stat st;
	const char *what = folder ? "a readable folder" : "a readable file";
	if (stat(path, &st) != 0 || access(path, R_OK) != 0)
		return yaml_fail(file, key, err, "%s is '%s': %s; expected %s", key, path,
		                 strerror(errno), what);
	if (folder != (bool)S_ISDIR(st.st_mode))
		return yaml_fail(file, key, err, "%s is '%s', %s; expected %s", key, path,
		                 folder ? "not a folder" : "a folder", what);
	return RESULT_OK;
}

static enum result check_texts(struct yaml_file *file, const struct config *c, struct error *err)
{
	size_t plain = strspn(c->dpdk.file_prefix, "abcdefghijklmnopqrstuvwxyz"
	                                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	if (c->dpdk.file_prefix[plain] != '\0' || plain > 32)
		return yaml_fail(file, "dpdk.file_prefix", err,
		                 "dpdk.file_prefix is '%s'; expected up to 32 letters, digits, "
		                 "'-' and '_'", c->dpdk.file_prefix);
	struct sockaddr_un address;
	if (strlen(c->api.socket) >= sizeof address.sun_path)
		return yaml_fail(file, "api.socket", err,
		                 "api.socket is %zu bytes long; expected a path of at most %zu",
		                 strlen(c->api.socket), sizeof address.sun_path - 1);
	if (strcmp(c->journal.dir, c->store.dir) == 0)
		return yaml_fail(file, "store.dir", err,
		                 "store.dir is the journal's folder '%s'; expected one of its own",
		                 c->store.dir);
	enum result result =
	    config_check_reference(file, "channels_file", c->channels_file, false, err);
	if (result == RESULT_OK)
		result = config_check_reference(file, "profiles_dir", c->profiles_dir, true,
		                                err);
	if (result == RESULT_OK && c->vee_dir)
		result = config_check_reference(file, "vee_dir", c->vee_dir, true,
		                                err);
	if (result == RESULT_OK && c->health_file)
		result = config_check_reference(file, "health_file", c->health_file, false, err);
	if (result == RESULT_OK && c->tariffs_dir)
		result = config_check_reference(file, "tariffs_dir", c->tariffs_dir, true,
		                                err);
	if (result == RESULT_OK && c->broker.password_file)
		result = config_check_reference(file, "broker.password_file",
		                                c->broker.password_file, false, err);
	if (result == RESULT_OK && c->broker.acl_file)
		result = config_check_reference(file, "broker.acl_file", c->broker.acl_file, false,
		                                err);
	if (result == RESULT_OK && c->registry.file)
		result = config_check_reference(file, "registry.file", c->registry.file, false,
		                                err);
	if (result == RESULT_OK && c->registry.allow_list)
		result = config_check_reference(file, "registry.allow_list",
		                                c->registry.allow_list, false, err);
	return result;
}

static enum result check_territory(struct yaml_file *file, const struct config *c,
                                   struct error *err)
{
	struct calendar *calendar;
	struct error why;
	enum result result = calendar_new(c->territory.timezone, &calendar, &why);
	if (result != RESULT_OK)
		return yaml_fail(file, "territory.timezone", err, "territory.timezone: %s",
		                 why.text);
	calendar_free(calendar);
	return RESULT_OK;
}

enum result config_load(const char *path, struct config **out, struct error *err)
{
	struct yaml_file file;
	enum result result = yaml_open(path, &config_schema, &file, err);
	if (result != RESULT_OK)
		return result;

	const struct raw_config *raw = file.data;
	struct config *c = calloc(1, sizeof *c);
	result = c ? RESULT_OK : fail(RESULT_RESOURCE, err, "%s: no memory", path);
	if (result == RESULT_OK)
		result = take_numbers(&file, raw, c, err);
	if (result == RESULT_OK)
		result = take_texts(&file, raw, c, err);
	if (result == RESULT_OK)
		result = take_broker(&file, raw, c, err);
	if (result == RESULT_OK)
		result = config_take_ports(&file, raw, c, err);
	if (result == RESULT_OK)
		result = config_take_workers(&file, raw, c, err);
	if (result == RESULT_OK)
		result = check_numbers(&file, c, err);
	if (result == RESULT_OK)
		result = check_texts(&file, c, err);
	if (result == RESULT_OK)
		result = config_take_api(&file, c, err);
	if (result == RESULT_OK)
		result = check_territory(&file, c, err);
	if (result == RESULT_OK)
		result = check_retention(&file, c, err);
	yaml_close(&file);
	if (result == RESULT_OK)
		*out = c;
	else
		config_free(c);
	return result;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->ports_count; i++) {
		free(c->ports[i].device);
		free(c->ports[i].address);
		free(c->ports[i].gateway);
		free(c->ports[i].address6);
		free(c->ports[i].gateway6);
	}
	for (uint32_t i = 0; i < c->workers_count; i++) {
		for (uint32_t s = 0; s < c->workers[i].stages_count; s++)
			free(c->workers[i].stages[s]);
		free(c->workers[i].stages);
	}
	free(c->ports);
	free(c->workers);
	free(c->dpdk.file_prefix);
	free(c->journal.dir);
	free(c->store.dir);
	free(c->channels_file);
	free(c->profiles_dir);
	free(c->vee_dir);
	free(c->tariffs_dir);
	free(c->health_file);
	free(c->territory.timezone);
	free(c->broker.password_file);
	free(c->broker.acl_file);
	free(c->broker.dir);
	free(c->registry.file);
	free(c->registry.allow_list);
	free(c->api.socket);
	free(c->api.listen);
	free(c->api.certificate);
	free(c->api.key);
	free(c);
}
