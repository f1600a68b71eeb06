/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command is: the entry of which --help, the manual page, the completion of shells, the
 * check of arguments and the answers to typos are all made. Private to control/cli.
 *
 * To add a command: write `static int run_it(const struct arguments *a)` in control/cli/<topic>.c
 * and one entry in the table at the end of that file:
 *
 *     {
 *         .noun = "meters", .verb = "list",
 *         .summary = "meters of a customer, by id",          one line, no full stop
 *         .text = "What a reader should know.\n\nA second paragraph.",   filled by the printer
 *         .examples = "headrace meters list C-17 --format csv\n",         a line each
 *         .subjects = {{"CUSTOMER", VALUE_TEXT}},            words that follow the verb
 *         .options = {MUST(MONTH), TAKES(LIMIT)},            --help, --url ... are everybody's
 *         .formats = FORMATS_LIST,                           then --format and --json are taken
 *         .watch = true,                                     then --watch and --count are taken
 *         .run = run_it,
 *     },
 *
 * A new file: its group goes into commands.c's list and below, its name into meson.build. A new
 * option: a line in enum option (cli.h) and one in options.c. Within run_it: the subjects are
 * a->words[0], [1] ..., options a->options[OPTION_X] (NULL: not given), a->format the format. A
 * listing is a struct view (view.h): it prints tables, CSV and JSON of the API's answer by itself.
 */
#ifndef HEADRACE_CLI_COMMAND_H
#define HEADRACE_CLI_COMMAND_H

#include "control/cli/cli.h"

/* What a value is: for completion, and a choice is checked before anybody is asked. */
enum value_kind {
	VALUE_NONE,    /* in an option_use: as in options.c */
	VALUE_FLAG,    /* an option without a value */
	VALUE_SECONDS, /* a number that may be left out */
	VALUE_TEXT,
	VALUE_NUMBER,
	VALUE_TIME,
	VALUE_DAY,
	VALUE_MONTH,
	VALUE_FILE,
	VALUE_FOLDER,
	VALUE_DEVICE, /* an id of the registry */
	VALUE_CHOICE, /* one of the words in `choices` */
	VALUE_REASON, /* why a reading was not stored */
	VALUE_COMMAND,
};

struct option_info {
	const char *name;     /* "--from" */
	const char *argument; /* "TIME" */
	enum value_kind kind;
	const char *help;
	const char *choices; /* VALUE_CHOICE: "hour|day|month" */
	bool everywhere;     /* every command takes it */
};

/* An option that a command takes, and what differs there from its entry in options.c. */
struct option_use {
	enum option option;
	bool required;
	enum value_kind kind;
	const char *argument, *help, *choices;
};
#define TAKES(name) {.option = OPTION_##name}
#define MUST(name)  {.option = OPTION_##name, .required = true}

struct subject {
	const char *name; /* "METER"; NULL: no further one */
	enum value_kind kind;
	const char *choices;
	bool optional; /* then it is the last */
};

#define SUBJECTS_MAX     3
#define OPTION_USES_MAX  16
#define FORMATS_LIST     "table|json|csv"
#define FORMATS_ANSWER   "table|json"

struct command {
	const char *noun, *verb; /* verb NULL: the noun says it all */
	const char *alias;       /* an older name, "bill": taken, not shown */
	const char *summary, *text, *examples;
	const char *exits; /* what 1, 3 ... mean here: "1: no such device\n" */
	struct subject subjects[SUBJECTS_MAX];
	struct option_use options[OPTION_USES_MAX];
	const char *formats; /* the first is the usual one; NULL: there is one form only */
	bool watch, hidden;
	int (*run)(const struct arguments *a);
};

struct command_group {
	const char *title; /* in --help; one heading for all that follow each other */
	const struct command *commands;
	size_t count;
};
#define COMMAND_GROUP(heading, table) \
	{.title = (heading), .commands = (table), .count = sizeof(table) / sizeof((table)[0])}

/* In the files of their names. */
extern const struct command_group status_group;
extern const struct command_group top_group;
extern const struct command_group audit_group;
extern const struct command_group access_group;
extern const struct command_group devices_group;
extern const struct command_group points_group;
extern const struct command_group readings_group;
extern const struct command_group aggregates_group;
extern const struct command_group usage_group;
extern const struct command_group vee_group;
extern const struct command_group billing_group;
extern const struct command_group errors_group, events_group;
extern const struct command_group export_group;
extern const struct command_group backup_group;
extern const struct command_group journal_group;
extern const struct command_group help_group;
extern const struct command_group complete_group;

/* --- commands.c --- */

/* The i-th group, in the order of --help; NULL: no more. */
const struct command_group *command_group_at(size_t i);
/* The i-th command of all; NULL: no more. */
const struct command *command_at(size_t i);
/* The command that the words name; *used: how many of them. An alias counts. */
const struct command *command_find(const char *const *words, unsigned count, unsigned *used);
bool command_has_noun(const char *noun);
/* "devices list". */
const char *command_name(const struct command *c, char *out, size_t bytes);
/* "devices list ID [TIME]". */
const char *command_usage(const struct command *c, char *out, size_t bytes);
/* How the command takes the option, filled up from options.c; false: it doesn't. */
bool command_takes(const struct command *c, enum option option, struct option_use *use);
/* The i-th option of the command, its own first, then everybody's; false: no more. */
bool command_option_at(const struct command *c, unsigned i, struct option_use *use);

/* --- options.c --- */

const struct option_info *option_info(enum option option);
/* By "--from" of so many bytes; OPTION_COUNT: there is none. */
enum option option_find(const char *name, size_t bytes);
/* Whether `word` is one of "a|b|c". */
bool choice_has(const char *choices, const char *word);
/* "a, b or c". */
const char *choice_text(const char *choices, char *out, size_t bytes);
/* The i-th word; false: no more. */
bool choice_at(const char *choices, unsigned i, char *out, size_t bytes);

/* --- arguments.c --- */

/*
 * Reads the command line. EXIT_GOOD and *command NULL: only --help, --version or nothing was asked
 * for. Else not EXIT_GOOD: what is wrong was said.
 */
int arguments_read(int argc, char **argv, struct arguments *a, const struct command **command);

/* --- typos.c --- */

/* Edit distance, swapped neighbours counting once; 64 for long words. */
unsigned typo_distance(const char *a, const char *b);
struct nearest {
	const char *word;
	unsigned distance;
};
/* Keeps the nearest candidate that is near enough to be meant. Start with {0}. */
void typo_try(struct nearest *n, const char *word, const char *candidate);

/* --- help.c, manual.c, complete.c, watch.c --- */

void help_all(void);
/* The command's, or those of the noun; EXIT_USAGE: there is nothing of that name. */
int help_words(const struct arguments *a);
/* The exit codes as "0" and its meaning; false: no more. */
bool exit_code_at(unsigned i, int *code, const char **meaning);
/* Environment variables likewise. */
bool environment_at(unsigned i, const char **name, const char **meaning);
/* headrace(1) in man's own language. */
void manual_print(FILE *out);
/* What the last of the words may become, a line for each. */
void complete_print(FILE *out, int count, char **words);
/* Runs the command again and again. */
int watch_run(const struct command *c, const struct arguments *a);

#endif
