/* SPDX-License-Identifier: Apache-2.0 */
#include "control/command_line.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define VERSION      HEADRACE_VERSION
#define DEFAULT_PATH "/etc/headrace/headrace.yaml"

static const char usage[] =
    "usage: headraced [--config FILE]\n"
    "       headraced --check FILE\n"
    "\n"
    "Takes meters' readings by MQTT and CoAP from DPDK ports, durably.\n"
    "\n"
    "  -c, --config FILE  configuration (default " DEFAULT_PATH ")\n"
    "      --check FILE   check a configuration with all files that it names, start nothing\n"
    "      --verbose      log more\n"
    "  -h, --help         this text\n"
    "  -V, --version      print the version\n"
    "\n"
    "SIGTERM or SIGINT: answer what was taken, make it durable, end.\n"
    "Exit status: 0 in order, 1 failed, 2 wrong configuration or command line.\n"
    "See headraced(8), headrace.yaml(5), headrace(1).\n";

int command_line_read(int argc, char **argv, struct command_line *o)
{
	*o = (struct command_line){.path = DEFAULT_PATH};
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'}, {"check", required_argument, NULL, 'k'},
	    {"verbose", no_argument, NULL, 'v'},      {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},      {0},
	};
	int option;
	while ((option = getopt_long(argc, argv, "c:hV", longs, NULL)) != -1) {
		switch (option) {
		case 'k':
			o->check = true;
			/* fall through */
		case 'c':
			o->path = optarg;
			break;
		case 'v':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("headraced " VERSION);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return EXIT_CONFIG;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "headraced: %s: not an option\n%s", argv[optind], usage);
		return EXIT_CONFIG;
	}
	return -1;
}
