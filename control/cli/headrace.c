/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace: the command line. Reads it, answers --help and runs the command; the commands are in
 * the other files of this folder, each topic with its table (command.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/cli/command.h"

static int run(int argc, char **argv)
{
	struct arguments a;
	const struct command *c;
	if (argc > 1 && strcmp(argv[1], "__complete") == 0) {
		complete_print(stdout, argc - 2, argv + 2);
		return EXIT_GOOD;
	}
	int code = arguments_read(argc, argv, &a, &c);
	if (code != EXIT_GOOD)
		return code;
	if (c)
		return a.options[OPTION_WATCH] ? watch_run(c, &a) : c->run(&a);
	if (a.options[OPTION_VERSION]) {
		printf("headrace %s\n", HEADRACE_VERSION);
		return EXIT_GOOD;
	}
	if (a.word_count > 0)
		return help_words(&a);
	help_all();
	return a.options[OPTION_HELP] ? EXIT_GOOD : EXIT_USAGE;
}

/* What could not be written was not shown. */
int main(int argc, char **argv)
{
	int code = run(argc, argv);
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fprintf(stderr, "headrace: standard output can't be written%s%s\n", errno ? ": " : "",
	        errno ? strerror(errno) : "");
	return EXIT_FAILED;
}
