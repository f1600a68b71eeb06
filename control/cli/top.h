/* SPDX-License-Identifier: Apache-2.0 */
/* headrace top: what its loop and its panels share. Private to control/cli. */
#ifndef HEADRACE_CLI_TOP_H
#define HEADRACE_CLI_TOP_H

#include "control/cli/cli.h"

enum panel {
	PANEL_OVERVIEW,
	PANEL_STAGES,
	PANEL_LEVELS,
	PANEL_MEMORY,
	PANEL_ERRORS,
	PANEL_COUNTERS,
	PANEL_COUNT
};

struct top {
	json_t *now, *before; /* the daemon's /status, and the one before it (NULL: none) */
	double seconds;       /* between them */
	enum panel panel;
	unsigned sort[PANEL_COUNT]; /* by which column */
	bool ascending;
	bool help;
	unsigned rows;        /* of the screen; 0: as many as it takes */
	char note[128];       /* in place of the title; "": none */
	char sorted_by[32];   /* what top_draw sorted by */
	unsigned columns;     /* of the panel that was drawn */
};

const char *panel_name(enum panel panel);
/* Prints the whole screen on stdout. */
void top_draw(struct top *t);

#endif
