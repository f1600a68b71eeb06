/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace: the command line. Finds the command, checks its options, answers --help; what the
 * commands do is in the other files of this folder. Talks to headraced over the API's socket.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/cli.h"

static const struct option_info {
	const char *name, *argument, *help; /* argument NULL: a flag */
} options[OPTION_COUNT] = {
    [OPTION_SOCKET] = {"--socket", "PATH", "the daemon's socket (else HEADRACE_SOCKET, else "
                                           "/run/headrace/api.sock)"},
    [OPTION_WATCH] = {"--watch", NULL, "show it again every second, until Ctrl-C"},
    [OPTION_JSON] = {"--json", NULL, "the API's answer as it is, for programs"},
    [OPTION_FROM] = {"--from", "X", "where to begin: a time as 2026-01-31T08:15:00Z or a day as "
                                    "2026-01-31 (UTC); for errors: a number"},
    [OPTION_TO] = {"--to", "TIME", "where to end: before it; for restore: the new folder"},
    [OPTION_FORMAT] = {"--format", "F", "table (for people), json or csv"},
    [OPTION_LIMIT] = {"--limit", "N", "show at most N"},
    [OPTION_OFFSET] = {"--offset", "N", "pass over the first N"},
    [OPTION_PREFIX] = {"--prefix", "TEXT", "only ids that begin with TEXT"},
    [OPTION_STATE] = {"--state", "S", "only those that are pending, active, suspended or retired"},
    [OPTION_REASON] = {"--reason", "R", "only this reason, such as clock_drift"},
    [OPTION_SEGMENT] = {"--segment", "HEX", "only this segment, by the number in its name"},
    [OPTION_BLOCKS] = {"--blocks", "A-B", "only blocks A to B (or one: A, or all from A: A-)"},
    [OPTION_DEVICE] = {"--device", "N", "only records of the device with this number"},
    [OPTION_RECORDS] = {"--records", NULL, "every record, not only the blocks"},
    [OPTION_UNTIL] = {"--until", "X", "a time as 2026-01-31T08:15:00Z or a journal block's number"},
    [OPTION_BY] = {"--by", "WHAT", "interval or day"},
    [OPTION_MONTH] = {"--month", "MONTH", "the month, as 2026-03"},
    [OPTION_TARIFF] = {"--tariff", "ID", "the tariff's id"},
    [OPTION_METERS] = {"--meters", "A,B", "only these meters, in this order"},
    [OPTION_AFTER] = {"--after", "ROW", "go on behind this row: METER,TIME,METER_TIME"},
    [OPTION_OUTPUT] = {"--output", "PATH", "the file, or for columns the folder, to write"},
    [OPTION_LEVEL] = {"--level", "LEVEL", "hour, day or month"},
    [OPTION_HELP] = {"--help", NULL, "this text"},
    [OPTION_VERSION] = {"--version", NULL, "the version"},
};

const char *option_name(enum option option)
{
	return options[option].name + 2;
}

#define GLOBAL (1u << OPTION_SOCKET | 1u << OPTION_HELP)
#define BIT(option) (1u << OPTION_##option)

static const struct command {
	const char *name, *sub;  /* sub NULL: the command has none */
	const char *subject;     /* a word that must follow; NULL: none */
	const char *help, *more; /* one line; further ones */
	unsigned options;
	int (*run)(const struct arguments *a);
} commands[] = {
    {"status", NULL, NULL, "what the daemon does: rates, readings by fate, latencies, stages",
     "in flight: readings received that are not yet durable, so not yet acknowledged.\n",
     BIT(WATCH) | BIT(JSON), command_status},
    {"devices", "import", "FILE", "take devices from a CSV or JSON file into the registry",
     "CSV: the first line names the columns: id, state, gateway, profile, capacity_w, dials,\n"
     "serial, manufacturer, model, firmware, service_point. JSON (.json, .jsonl): an array of\n"
     "objects with such keys, or one object per line. Good lines are taken, bad ones reported;\n"
     "the same file twice changes nothing. What a line doesn't mention stays as it is.\n",
     BIT(JSON), command_devices_import},
    {"devices", "list", NULL, "devices in the registry, by id", NULL,
     BIT(PREFIX) | BIT(STATE) | BIT(OFFSET) | BIT(LIMIT) | BIT(JSON), command_devices_list},
    {"devices", "show", "ID", "everything the registry has of a device", NULL, BIT(JSON),
     command_devices_show},
    {"devices", "approve", "ID", "make a device active that registered and waits for it",
     "Who waits: headrace devices list --state pending\n", BIT(JSON), command_devices_approve},
    {"devices", "reject", "ID", "retire a device that registered and waits for approval", NULL,
     BIT(JSON), command_devices_reject},
    {"readings", NULL, "METER", "stored readings of a meter, oldest first",
     "All of them, or with --limit the first of the period; the newest where neither --from nor\n"
     "--to is given.\n"
     "Example: headrace readings SM-00001 --from 2026-01-31 --to 2026-02-01 --format csv\n",
     BIT(FROM) | BIT(TO) | BIT(LIMIT) | BIT(FORMAT), command_readings},
    {"aggregates", NULL, "METER", "energy, demand, completeness of hours, days or months",
     "In the territory's calendar; days without a time are its days. Energy is the difference of\n"
     "the register between the last readings at or before the period's ends.\n"
     "Example: headrace aggregates SM-00001 --level month --from 2026-01-01\n",
     BIT(LEVEL) | BIT(FROM) | BIT(TO) | BIT(FORMAT), command_aggregates},
    {"retention", NULL, NULL, "what is kept for how long, and what goes next", NULL, BIT(JSON),
     command_retention},
    {"usage", NULL, "METER", "what a meter used in local days, missing values estimated",
     "From the first day up to, not including, the last. Each value tells where it comes from:\n"
     "actual, interpolated, like_day, even (the register's difference shared out), missing.\n"
     "Example: headrace usage SM-00001 --from 2026-03-01 --to 2026-04-01 --by day\n",
     BIT(FROM) | BIT(TO) | BIT(BY) | BIT(JSON), command_usage},
    {"bill", NULL, "METER", "the bill of a month; with --tariff, what it would be now",
     "Without --tariff the closed bill and its adjustments. A meter with too few actual values\n"
     "(vee_file) is not billed: exit code 1, and why.\n"
     "Example: headrace bill SM-00001 --month 2026-03 --tariff sample-a\n",
     BIT(MONTH) | BIT(TARIFF) | BIT(JSON), command_bill},
    {"bills", "list", NULL, "the bills of a month, by meter", NULL,
     BIT(MONTH) | BIT(PREFIX) | BIT(LIMIT) | BIT(JSON), command_bills_list},
    {"billing", "run", NULL, "close the bills of a month for all meters",
     "What is closed already stays: run twice, it changes nothing; interrupted, it goes on.\n"
     "Ctrl-C ends the waiting, not the run.\n"
     "Example: headrace billing run --month 2026-03 --tariff sample-a\n",
     BIT(MONTH) | BIT(TARIFF) | BIT(PREFIX), command_billing_run},
    {"billing", "review", NULL, "adjust closed bills whose values have changed since",
     "Late readings never change a closed bill: the difference becomes an adjustment, once.\n",
     BIT(MONTH) | BIT(PREFIX), command_billing_review},
    {"billing", "status", NULL, "how far the run or review is, or how the last one ended", NULL,
     BIT(JSON), command_billing_status},
    {"errors", "list", NULL, "readings that were not stored, and why",
     "Long lists come in parts: go on with --from and the number that the last line tells.\n",
     BIT(REASON) | BIT(FROM) | BIT(LIMIT) | BIT(JSON), command_errors_list},
    {"errors", "show", "NUMBER", "one of them, with the bytes that came", NULL, BIT(JSON),
     command_errors_show},
    {"audit", NULL, NULL, "prove from the store that no reading disappeared",
     "Counts every row and every error entry. Exit code 1 when something doesn't balance.\n",
     BIT(JSON), command_audit},
    {"metrics", NULL, NULL, "all counters in the format of Prometheus", NULL, 0,
     command_metrics},
    {"export", NULL, NULL, "stored readings of all meters, or some, for other programs",
     "--format csv (to standard output or --output FILE) or columns (--output DIR: a file a\n"
     "column with schema.json, ready for Parquet). Meter by meter, each by time; values are exact\n"
     "decimals. When it breaks off, it says how to go on.\n"
     "Example: headrace export --from 2026-01-01 --to 2026-02-01 --output january.csv\n",
     BIT(FORMAT) | BIT(FROM) | BIT(TO) | BIT(METERS) | BIT(PREFIX) | BIT(AFTER) | BIT(OUTPUT),
     command_export},
    {"backup", NULL, "DIR", "a copy of everything that is stored, while the daemon goes on",
     "The daemon writes it, so DIR is a folder on its machine that it may write to; absent or\n"
     "empty. Holds the readings, the registry, the journal behind them up to the moment it ends,\n"
     "and the configuration's files; each with its checksum.\n"
     "Example: headrace backup /backup/headrace-2026-01-31\n",
     BIT(JSON), command_backup},
    {"restore", NULL, "DIR", "a backup's content in a new folder, to start headraced on",
     "Works without the daemon. Checks every checksum first. With --until the journal ends at a\n"
     "point between the backup's beginning and its end: everything durable up to then is there.\n"
     "Example: headrace restore /backup/headrace-2026-01-31 --to /var/lib/headrace-new\n",
     BIT(TO) | BIT(UNTIL) | BIT(JSON), command_restore},
    {"journal", "verify", "DIR", "check every block of a journal's directory",
     "Reads only; beside a running daemon, too. Checksums, places, numbers, epochs, records and\n"
     "totals. Exit codes: 0 sound (a torn end is: it was never acknowledged), 1 can't be read,\n"
     "3 damaged: blocks that were acknowledged are missing or contradict themselves.\n",
     BIT(JSON), command_journal_verify},
    {"journal", "dump", "DIR", "blocks of a journal's directory, or their records",
     "Reads only; beside a running daemon, too. Goes on behind damage and says so on standard\n"
     "error; exit codes as for verify. --json prints an object per line.\n"
     "Example: headrace journal dump /var/lib/headrace/journal --device 17 --format csv\n",
     BIT(SEGMENT) | BIT(BLOCKS) | BIT(DEVICE) | BIT(RECORDS) | BIT(FORMAT) | BIT(JSON),
     command_journal_dump},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

/* --- help --- */

static void print_usage(const struct command *c)
{
	printf("headrace %s", c->name);
	if (c->sub)
		printf(" %s", c->sub);
	if (c->subject)
		printf(" %s", c->subject);
}

static void print_options(unsigned mask)
{
	printf("\nOptions:\n");
	for (int o = 0; o < OPTION_COUNT; o++) {
		char name[32];
		if (!(mask >> o & 1))
			continue;
		snprintf(name, sizeof name, "%s%s%s", options[o].name,
		         options[o].argument ? " " : "",
		         options[o].argument ? options[o].argument : "");
		printf("  %-15s  %s\n", name, options[o].help);
	}
}

static void help_all(void)
{
	printf("headrace: look at and steer headraced, the metering ingest daemon\n\nCommands:\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];
		char name[48];
		snprintf(name, sizeof name, "%s%s%s%s%s", c->name, c->sub ? " " : "",
		         c->sub ? c->sub : "", c->subject ? " " : "", c->subject ? c->subject : "");
		printf("  %-20s  %s\n", name, c->help);
	}
	printf("  %-20s  %s\n", "help COMMAND", "more of a command and its options");
	print_options(GLOBAL | 1u << OPTION_VERSION);
	printf("\nExit codes: 0 done, 1 failed or the answer is no, 2 wrong usage.\n"
	       "Manual: headrace(1). The daemon: headraced(8), headrace.yaml(5).\n");
}

static int help_command(const char *name, const char *sub)
{
	bool found = false;
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];
		if (strcmp(c->name, name) != 0 || (sub && c->sub && strcmp(c->sub, sub) != 0))
			continue;
		if (found)
			printf("\n");
		found = true;
		printf("Usage: ");
		print_usage(c);
		printf(" [OPTIONS]\n\n%s\n%s", c->help, c->more ? c->more : "");
		print_options(c->options | GLOBAL);
	}
	return found ? EXIT_GOOD : EXIT_USAGE;
}

/* --- typos --- */

/* Edit distance (Levenshtein), for short words. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t width = strlen(b);
	if (width >= 64 || strlen(a) >= 64)
		return 64;
	for (size_t k = 0; k <= width; k++)
		row[k] = (unsigned)k;
	for (size_t i = 0; a[i]; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i + 1;
		for (size_t k = 0; k < width; k++) {
			unsigned best = diagonal + (a[i] != b[k]);
			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (row[k + 1] + 1 < best)
				best = row[k + 1] + 1;
			diagonal = row[k + 1];
			row[k + 1] = best;
		}
	}
	return row[width];
}

static void nearer(const char *word, const char *candidate, const char **best, unsigned *least)
{
	unsigned d = candidate ? distance(word, candidate) : 64;
	if (d < *least) {
		*least = d;
		*best = candidate;
	}
}

static int unknown_command(const struct arguments *a, bool is_sub)
{
	const char *word = a->words[is_sub];
	const char *best = NULL;
	unsigned least = 4;
	for (size_t i = 0; i < COMMANDS; i++)
		if (!is_sub)
			nearer(word, commands[i].name, &best, &least);
		else if (strcmp(commands[i].name, a->words[0]) == 0)
			nearer(word, commands[i].sub, &best, &least);
	fprintf(stderr, "headrace: there is no command '%s%s%s'", is_sub ? a->words[0] : "",
	        is_sub ? " " : "", word);
	if (best)
		fprintf(stderr, "; did you mean '%s%s%s'?", is_sub ? a->words[0] : "",
		        is_sub ? " " : "", best);
	fprintf(stderr, "\nAll commands: headrace --help\n");
	return EXIT_USAGE;
}

static int unknown_option(const char *word, const struct command *c)
{
	const char *best = NULL;
	unsigned least = 4;
	for (int o = 0; o < OPTION_COUNT; o++)
		if (!c || (c->options | GLOBAL) >> o & 1)
			nearer(word, options[o].name, &best, &least);
	fprintf(stderr, "headrace: there is no option '%s'", word);
	if (c)
		fprintf(stderr, " for '%s%s%s'", c->name, c->sub ? " " : "", c->sub ? c->sub : "");
	if (best)
		fprintf(stderr, "; did you mean '%s'?", best);
	fprintf(stderr, "\nSee: headrace help%s%s\n", c ? " " : "", c ? c->name : "");
	return EXIT_USAGE;
}

/* --- arguments --- */

static int take_option(struct arguments *a, char **argv, int argc, int *at)
{
	const char *word = argv[*at];
	size_t length = strcspn(word, "=");
	int o = 0;
	if (strcmp(word, "-h") == 0) {
		a->options[OPTION_HELP] = "";
		return EXIT_GOOD;
	}
	while (o < OPTION_COUNT && (strlen(options[o].name) != length ||
	                            memcmp(options[o].name, word, length) != 0))
		o++;
	if (o == OPTION_COUNT)
		return unknown_option(word, NULL);
	if (!options[o].argument && word[length] == '=') {
		fprintf(stderr, "headrace: %s takes no value\n", options[o].name);
		return EXIT_USAGE;
	}
	if (!options[o].argument)
		a->options[o] = "";
	else if (word[length] == '=')
		a->options[o] = word + length + 1;
	else if (*at + 1 < argc)
		a->options[o] = argv[++*at];
	else {
		fprintf(stderr, "headrace: %s needs a value: %s %s\n", options[o].name,
		        options[o].name, options[o].argument);
		return EXIT_USAGE;
	}
	return EXIT_GOOD;
}

static int take_arguments(struct arguments *a, int argc, char **argv)
{
	bool only_words = false;
	for (int i = 1; i < argc; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
			int code = take_option(a, argv, argc, &i);
			if (code != EXIT_GOOD)
				return code;
		} else if (a->word_count == sizeof a->words / sizeof a->words[0]) {
			fprintf(stderr, "headrace: '%s' is one word too many\n", argv[i]);
			return EXIT_USAGE;
		} else {
			a->words[a->word_count++] = argv[i];
		}
	}
	return EXIT_GOOD;
}

/* The command that the words name; NULL: none, and *is_sub says which word is wrong. */
static const struct command *find_command(const struct arguments *a, bool *is_sub)
{
	*is_sub = false;
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];
		if (strcmp(c->name, a->words[0]) != 0)
			continue;
		if (!c->sub || (a->word_count > 1 && strcmp(c->sub, a->words[1]) == 0))
			return c;
		*is_sub = true;
	}
	return NULL;
}

static int check_usage(const struct command *c, struct arguments *a)
{
	unsigned before = c->sub ? 2 : 1;
	unsigned wanted = before + (c->subject != NULL);
	for (int o = 0; o < OPTION_COUNT; o++)
		if (a->options[o] && !((c->options | GLOBAL) >> o & 1))
			return unknown_option(options[o].name, c);
	if (a->word_count < wanted)
		fprintf(stderr, "headrace: %s is missing\n", c->subject);
	else if (a->word_count > wanted)
		fprintf(stderr, "headrace: '%s' is one word too many\n", a->words[wanted]);
	else {
		/* a command finds its subject in words[0] */
		a->words[0] = c->subject ? a->words[before] : NULL;
		return EXIT_GOOD;
	}
	fprintf(stderr, "Usage: headrace %s%s%s%s%s [OPTIONS]; see: headrace help %s\n", c->name,
	        c->sub ? " " : "", c->sub ? c->sub : "", c->subject ? " " : "",
	        c->subject ? c->subject : "", c->name);
	return EXIT_USAGE;
}

static int run(int argc, char **argv)
{
	struct arguments a = {0};
	bool is_sub;
	int code = take_arguments(&a, argc, argv);
	if (code != EXIT_GOOD)
		return code;
	if (a.word_count > 0 && strcmp(a.words[0], "help") == 0) {
		a.options[OPTION_HELP] = "";
		memmove(a.words, a.words + 1, --a.word_count * sizeof a.words[0]);
	}
	if (a.options[OPTION_VERSION]) {
		printf("headrace %s\n", HEADRACE_VERSION);
		return EXIT_GOOD;
	}
	if (a.word_count == 0) {
		help_all();
		return a.options[OPTION_HELP] ? EXIT_GOOD : EXIT_USAGE;
	}
	if (a.options[OPTION_HELP] &&
	    help_command(a.words[0], a.word_count > 1 ? a.words[1] : NULL) == EXIT_GOOD)
		return EXIT_GOOD;
	const struct command *c = find_command(&a, &is_sub);
	if (!c && is_sub && a.word_count < 2) {
		fprintf(stderr, "headrace: '%s' needs a subcommand\n\n", a.words[0]);
		help_command(a.words[0], NULL);
		return EXIT_USAGE;
	}
	if (!c)
		return unknown_command(&a, is_sub);
	code = check_usage(c, &a);
	return code == EXIT_GOOD ? c->run(&a) : code;
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
