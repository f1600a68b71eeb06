/* SPDX-License-Identifier: Apache-2.0 */
/* What validation, estimation and editing say, as JSON. Private to control/api. */
#ifndef HEADRACE_API_VEE_JSON_H
#define HEADRACE_API_VEE_JSON_H

#include <jansson.h>

#include "control/api/api_priv.h"
#include "control/usage/usage.h"

/* "1.25": kWh without zeros at the end. */
json_t *json_kwh(int64_t energy_mwh);
json_t *json_time(int64_t at_s);
/* "2026-03-29" */
json_t *json_day(int32_t day);

/* {rule, version, from, to, value, limit, unit, text}: the text has the numbers. */
json_t *json_finding(const struct vee_finding *f);
json_t *json_edit(const struct usage_edit *e);
/* {start, kwh, source, ...} of an interval of a row; what is worth saying of how it came. */
json_t *json_interval(const struct usage *u, uint32_t interval);

/* The answer; `json` is freed. NULL: no memory, which is answered. */
void reply_json(struct api_reply *reply, json_t *json);

/* Local days `from` up to `to` of the query (without: one day). False: a problem was answered. */
bool api_days(const struct api_request *request, struct api_reply *reply, int32_t *from_day,
              int32_t *end_day);
/* The device of the path. False: a problem was answered. */
bool api_meter(const struct api_request *request, struct api_reply *reply, struct device *d);

struct usage_source api_usage_source(const struct api_request *request);

#endif
