/* SPDX-License-Identifier: Apache-2.0 */
/* What operators do with the error queue. Private to control/api. */
#ifndef HEADRACE_API_ERROR_ACTIONS_H
#define HEADRACE_API_ERROR_ACTIONS_H

#include <stdint.h>

#include "control/api/routes.h"

api_endpoint api_errors_replay, api_errors_discard, api_error_correct;

/* --- errors.c --- */

/* The parameter `reason`; -1: any. False: a problem was answered. */
bool api_error_reason(const struct api_request *request, struct api_reply *reply, int *reason);
/* The number in the path. */
bool api_error_number(const struct api_request *request, struct api_reply *reply,
                      uint64_t *number);

#endif
