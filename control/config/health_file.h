/* SPDX-License-Identifier: Apache-2.0 */
/* The file of health rules. See configs/health.yaml. Thread: any that may allocate. */
#ifndef HEADRACE_CONFIG_HEALTH_FILE_H
#define HEADRACE_CONFIG_HEALTH_FILE_H

#include "base/result.h"
#include "contract/profile.h"
#include "control/events/rules.h"

/* The rules that hold where no file is given. */
void health_rules_default(struct health_rules *out);

/* RESULT_INPUT: "FILE:LINE: cause; what was expected". */
MUST_USE enum result health_rules_load(const char *path, const struct profile_set *profiles,
                                       struct health_rules *out, struct error *err);

#endif
