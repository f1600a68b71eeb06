/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of headraced. */
#ifndef HEADRACE_CONTROL_COMMAND_LINE_H
#define HEADRACE_CONTROL_COMMAND_LINE_H

#include <stdbool.h>

/* Exit codes beside EXIT_SUCCESS. */
enum { EXIT_FAILED = 1, EXIT_CONFIG = 2 };

struct command_line {
	const char *path; /* of the configuration */
	bool check;       /* check it and start nothing */
};

/* -1: go on; else the exit code: what there was to say has been said. */
int command_line_read(int argc, char **argv, struct command_line *out);

#endif
