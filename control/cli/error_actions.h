/* SPDX-License-Identifier: Apache-2.0 */
/* headrace errors replay, correct, discard. Private to control/cli. */
#ifndef HEADRACE_CLI_ERROR_ACTIONS_H
#define HEADRACE_CLI_ERROR_ACTIONS_H

#include "control/cli/cli.h"

int replay_errors(const struct arguments *a);
int correct_error(const struct arguments *a);
int discard_errors(const struct arguments *a);

#endif
