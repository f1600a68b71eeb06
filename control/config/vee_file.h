/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of VEE rules, a file for each version. See configs/vee/. Thread: any that may
 * allocate. */
#ifndef HEADRACE_CONFIG_VEE_FILE_H
#define HEADRACE_CONFIG_VEE_FILE_H

#include "base/result.h"
#include "contract/channel.h"
#include "contract/profile.h"
#include "control/vee/rules.h"

/* Every *.yaml of the folder, chained by date; *newest is freed by vee_rules_free. A NULL folder:
 * the rules that are built in. RESULT_INPUT: "FILE:LINE: cause; what was expected". */
MUST_USE enum result vee_rules_load(const char *dir, const struct channel_catalogue *channels,
                                    const struct profile_set *profiles,
                                    struct vee_rules **newest, struct error *err);
void vee_rules_free(struct vee_rules *newest);

#endif
