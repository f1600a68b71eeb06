/* SPDX-License-Identifier: Apache-2.0 */
/* The topics of the API, each at the end of its file. Private to control/api. */
#ifndef HEADRACE_API_TOPICS_H
#define HEADRACE_API_TOPICS_H

#include "control/api/routes.h"

extern const struct api_topic api_topic_access;
extern const struct api_topic api_topic_aggregates;
extern const struct api_topic api_topic_audit;
extern const struct api_topic api_topic_backup;
extern const struct api_topic api_topic_bills;
extern const struct api_topic api_topic_devices;
extern const struct api_topic api_topic_edits;
extern const struct api_topic api_topic_errors;
extern const struct api_topic api_topic_explain;
extern const struct api_topic api_topic_events;
extern const struct api_topic api_topic_export;
extern const struct api_topic api_topic_history;
extern const struct api_topic api_topic_openapi;
extern const struct api_topic api_topic_page;
extern const struct api_topic api_topic_profile;
extern const struct api_topic api_topic_points;
extern const struct api_topic api_topic_readings;
extern const struct api_topic api_topic_status;
extern const struct api_topic api_topic_usage;
extern const struct api_topic api_topic_vee;

#endif
