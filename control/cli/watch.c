/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --watch: runs a command again and again. On a terminal each answer takes the place of the one
 * before without flicker, cut to the window; a daemon that is gone is waited for. Elsewhere the
 * answers follow each other, and the first failure ends it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "control/cli/command.h"

#define SECONDS_MAX 3600

/* Runs the command with its output kept, so that it is shown at once. */
static int run_kept(const struct command *c, const struct arguments *a)
{
	bool kept = screen_keep();
	int code = c->run(a);
	if (kept)
		screen_show();
	return code;
}

static bool take(const char *option, const char *text, long most, long *out)
{
	char *end;
	errno = 0;
	*out = strtol(text, &end, 10);
	if (*end == '\0' && end != text && errno == 0 && *out >= 1 && *out <= most)
		return true;
	fprintf(stderr, "headrace: %s is '%s'; expected a number from 1 to %ld\n", option, text,
	        most);
	return false;
}

int watch_run(const struct command *c, const struct arguments *a)
{
	long seconds, count = 0;
	const char *times = a->options[OPTION_COUNT_OF];
	bool terminal = isatty(STDOUT_FILENO) && a->format == FORM_TABLE;
	int code = EXIT_GOOD;
	if (!take("--watch", a->options[OPTION_WATCH], SECONDS_MAX, &seconds) ||
	    (times && !take("--count", times, 1000000000, &count)))
		return EXIT_USAGE;
	if (terminal)
		fputs("\033[H\033[2J", stdout);
	for (long i = 0; !times || i < count; i++) {
		if (i > 0) {
			nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
			if (!terminal && a->format == FORM_TABLE)
				puts("");
		}
		code = terminal ? run_kept(c, a) : c->run(a);
		fflush(stdout);
		if (ferror(stdout) || code == EXIT_USAGE || code == EXIT_REFUSED ||
		    (code != EXIT_GOOD && !terminal))
			break;
	}
	return code;
}
