/* SPDX-License-Identifier: Apache-2.0 */
/* The file of VEE rules. See configs/vee.yaml. Thread: any that may allocate. */
#ifndef HEADRACE_CONFIG_VEE_FILE_H
#define HEADRACE_CONFIG_VEE_FILE_H

#include "base/result.h"
#include "control/vee/vee.h"

/* The rules that hold where no file is given. */
void vee_rules_default(struct vee_rules *out);

/* RESULT_INPUT: "FILE:LINE: cause; what was expected". */
MUST_USE enum result vee_rules_load(const char *path, struct vee_rules *out, struct error *err);

#endif
