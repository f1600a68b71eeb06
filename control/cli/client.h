/* SPDX-License-Identifier: Apache-2.0 */
/* Where the daemon is, and what lets one in. Private to control/cli. */
#ifndef HEADRACE_CLI_CLIENT_H
#define HEADRACE_CLI_CLIENT_H

#include "control/cli/cli.h"

#define TOKEN_MAX 512

struct target {
	const char *url; /* without a slash at its end; NULL: the socket */
	const char *socket;
	const char *cacert;    /* NULL: the system's authorities */
	char token[TOKEN_MAX]; /* "": none */
	char url_text[1024];
};

/* From options, else the environment. False: why was said. */
bool target_read(const struct arguments *a, struct target *t);
/* The same in silence. */
bool target_try(const struct arguments *a, struct target *t);

#endif
