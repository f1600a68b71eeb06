/* SPDX-License-Identifier: Apache-2.0 */
/* How a profile is recognised, and its rules: topics, URIs, register, battery, thresholds. */
#include <stdio.h>
#include <string.h>

#include "control/config/decimal.h"
#include "control/config/profile_priv.h"
#include "control/config/unit.h"

/* MQTT 3.1.1 4.7.1: '#' is a whole level and the last one, '+' is a whole level. */
static bool is_filter(const char *text)
{
	for (const char *c = text; *c; c++) {
		bool starts = c == text || c[-1] == '/';
		if (*c == '#' && (!starts || c[1] != '\0'))
			return false;
		if (*c == '+' && (!starts || (c[1] != '\0' && c[1] != '/')))
			return false;
	}
	return strlen(text) < PROFILE_MATCH_BYTES;
}

static enum result take_list(struct profile_load *p, const char *key, char **from, uint32_t count,
                             bool uri, char (*to)[PROFILE_MATCH_BYTES], struct error *err)
{
	char path[YAML_PATH_BYTES];
	for (uint32_t i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s[%u]", key, i);
		if (!is_filter(from[i]))
			return yaml_fail(&p->file, path, err,
			                 "%s is '%s'; expected '+' and '#' as whole levels "
			                 "only, '#' last, at most %d bytes", path, from[i],
			                 PROFILE_MATCH_BYTES - 1);
		if (uri && from[i][0] != '/')
			return yaml_fail(&p->file, path, err,
			                 "%s is '%s'; expected a path that begins with '/'", path,
			                 from[i]);
		snprintf(to[i], PROFILE_MATCH_BYTES, "%s", from[i]);
	}
	return RESULT_OK;
}

enum result profile_take_matches(struct profile_load *p, struct error *err)
{
	const struct raw_profile *raw = p->raw;
	if (raw->topics_count + raw->uris_count == 0)
		return yaml_fail(&p->file, "topics", err, "there is neither a topic nor a URI; "
		                 "expected at least one in 'topics' or 'uris'");
	enum result result =
	    take_list(p, "topics", raw->topics, raw->topics_count, false, p->out->topics, err);
	if (result == RESULT_OK)
		result = take_list(p, "uris", raw->uris, raw->uris_count, true, p->out->uris, err);
	if (result != RESULT_OK)
		return result;
	p->out->topic_count = raw->topics_count;
	p->out->uri_count = raw->uris_count;
	if (!raw->signature)
		return RESULT_OK;
	if (strlen(raw->signature) >= PROFILE_MATCH_BYTES)
		return yaml_fail(&p->file, "signature", err,
		                 "signature is %zu bytes long; expected at most %d",
		                 strlen(raw->signature), PROFILE_MATCH_BYTES - 1);
	snprintf(p->out->signature, PROFILE_MATCH_BYTES, "%s", raw->signature);
	return RESULT_OK;
}

static enum result take_register(struct profile_load *p, struct error *err)
{
	const char *name = p->raw->register_channel;
	int pow10, divisor;
	p->out->register_slot = -1;
	if (!name)
		return RESULT_OK;
	int slot = profile_slot(p, name);
	if (slot < 0)
		return yaml_fail(&p->file, "register", err,
		                 "register is '%s', no channel of this profile; expected one of "
		                 "those in 'fields'", name);
	const struct channel *c = &p->channels->by_id[p->out->channels[slot].channel];
	if (c->kind != CHANNEL_REGISTER || !unit_convert("kWh", c->unit, &pow10, &divisor))
		return yaml_fail(&p->file, "register", err,
		                 "register is '%s', not a register of active energy; expected a "
		                 "channel of kind register in a unit of Wh", name);
	p->out->register_slot = (int8_t)slot;
	p->out->register_kwh_pow10 = (int8_t)(pow10 + c->decimals);
	return RESULT_OK;
}

static enum result take_battery(struct profile_load *p, struct error *err)
{
	const struct raw_battery *raw = &p->raw->battery;
	p->out->battery_slot = -1;
	if (!raw->channel)
		return RESULT_OK;
	int slot = profile_slot(p, raw->channel);
	if (slot < 0)
		return yaml_fail(&p->file, "battery.channel", err,
		                 "battery.channel is '%s', no channel of this profile; expected "
		                 "one of those in 'fields'", raw->channel);
	const struct channel *c = &p->channels->by_id[p->out->channels[slot].channel];
	if (!decimal_parse(raw->low, c->decimals, &p->out->battery_low))
		return yaml_fail(&p->file, "battery.low", err,
		                 "battery.low is '%s'; expected a decimal number of %s with at "
		                 "most %d decimals", raw->low, c->unit, c->decimals);
	p->out->battery_slot = (int8_t)slot;
	return RESULT_OK;
}

static enum result check_drift(struct profile_load *p, struct error *err)
{
	const struct profile *out = p->out;
	if (out->drift_accept_ms > out->drift_flag_ms)
		return yaml_fail(&p->file, "validation.drift_flag_s", err,
		                 "validation.drift_flag_s is %u; expected at least "
		                 "drift_accept_s, %u", out->drift_flag_ms / 1000,
		                 out->drift_accept_ms / 1000);
	if (out->drift_flag_ms > out->drift_replace_ms)
		return yaml_fail(&p->file, "validation.drift_replace_s", err,
		                 "validation.drift_replace_s is %u; expected at least "
		                 "drift_flag_s, %u", out->drift_replace_ms / 1000,
		                 out->drift_flag_ms / 1000);
	return RESULT_OK;
}

enum result profile_take_rules(struct profile_load *p, struct error *err)
{
	const struct raw_profile_validation *v = &p->raw->validation;
	const struct config *c = p->defaults;
	int64_t interval_s, accept_s, flag_s, replace_s, late_h, capacity_w, dials;
	const struct {
		const char *path;
		const int64_t *value;
		int64_t otherwise, least, most, *out;
	} rules[] = {
	    {"validation.interval_s", v->interval_s, 900, 1, 86400, &interval_s},
	    {"validation.drift_accept_s", v->drift_accept_s, c->validation.drift_accept_s, 0,
	     86400, &accept_s},
	    {"validation.drift_flag_s", v->drift_flag_s, c->validation.drift_flag_s, 0, 86400,
	     &flag_s},
	    {"validation.drift_replace_s", v->drift_replace_s, c->validation.drift_replace_s, 0,
	     86400, &replace_s},
	    {"validation.late_max_h", v->late_max_h, c->validation.late_max_h, 1, 8760, &late_h},
	    {"validation.capacity_w", v->capacity_w, 0, 0, UINT32_MAX, &capacity_w},
	    {"validation.dials", v->dials, 0, 0, 12, &dials},
	};
	enum result result = take_register(p, err);
	if (result == RESULT_OK)
		result = take_battery(p, err);
	for (size_t i = 0; i < sizeof rules / sizeof rules[0] && result == RESULT_OK; i++)
		result = yaml_int(&p->file, rules[i].path, rules[i].value, rules[i].otherwise,
		                  rules[i].least, rules[i].most, rules[i].out, err);
	if (result != RESULT_OK)
		return result;
	p->out->interval_ms = (uint32_t)interval_s * 1000;
	p->out->drift_accept_ms = (uint32_t)accept_s * 1000;
	p->out->drift_flag_ms = (uint32_t)flag_s * 1000;
	p->out->drift_replace_ms = (uint32_t)replace_s * 1000;
	p->out->late_max_ms = (uint64_t)late_h * 3600 * 1000;
	p->out->capacity_w = (uint32_t)capacity_w;
	p->out->dials = (uint8_t)dials;
	return check_drift(p, err);
}
