/* SPDX-License-Identifier: Apache-2.0 */
/* headrace help and --help, from the table of commands. */
#include <stdio.h>
#include <string.h>

#include "control/cli/command.h"

#define NAME_WIDTH 24

static const struct {
	int code;
	const char *meaning;
} exit_codes[] = {
    {EXIT_GOOD, "done"},
    {EXIT_FAILED, "failed, or the answer is no: no such device, bad lines in an import, accounts "
                  "that do not balance, standard output that can not be written"},
    {EXIT_USAGE, "wrong usage: an unknown command or option, a value that can not be"},
    {EXIT_DAMAGED, "damaged: blocks of a journal that were acknowledged are missing or contradict "
                   "themselves, or a file of a backup is not what its checksum says"},
    {EXIT_UNREACHABLE, "no daemon answers, or it broke off"},
    {EXIT_REFUSED, "the daemon answers, but not to you: the token is missing or wrong, or its role "
                   "is too low"},
};

bool exit_code_at(unsigned i, int *code, const char **meaning)
{
	if (i >= sizeof exit_codes / sizeof exit_codes[0])
		return false;
	*code = exit_codes[i].code;
	*meaning = exit_codes[i].meaning;
	return true;
}

static const char *const environment[][2] = {
    {"HEADRACE_SOCKET", "the daemon's socket, where neither --socket nor a URL does say"},
    {"HEADRACE_URL", "the daemon's URL, where neither --url nor --socket does say"},
    {"HEADRACE_TOKEN, HEADRACE_TOKEN_FILE",
     "the token, or the file that has it in its first line"},
    {"HEADRACE_CACERT", "the certificates that a daemon at https:// is known by"},
    {"NO_COLOR", "when set and not empty: no colours; there are none either where standard output "
                 "is no terminal"},
};

bool environment_at(unsigned i, const char **name, const char **meaning)
{
	if (i >= sizeof environment / sizeof environment[0])
		return false;
	*name = environment[i][0];
	*meaning = environment[i][1];
	return true;
}

/* --- filled text --- */

/* Fills lines up to the terminal's width; the first begins at column `at`, others at `indent`. An
 * empty line parts paragraphs. */
static void fill(const char *text, unsigned indent, unsigned at)
{
	unsigned width = terminal_width();
	width = width < 40 ? 40 : width > 100 ? 100 : width;
	for (bool first = true; *text;) {
		int length = (int)strcspn(text, " \n");
		unsigned breaks = 0;
		if (!first && at + 1 + (unsigned)length > width) {
			printf("\n%*s", (int)indent, "");
			at = indent;
		} else if (!first && length > 0 && at > indent) {
			putchar(' ');
			at++;
		}
		printf("%.*s", length, text);
		at += (unsigned)length;
		first = false;
		for (text += length; *text == ' ' || *text == '\n'; text++)
			breaks += *text == '\n';
		if (breaks > 1 && *text) {
			printf("\n\n%*s", (int)indent, "");
			at = indent;
		}
	}
	putchar('\n');
}

/* "  name   text", the text filled behind the names. */
static void print_entry(const char *name, const char *text)
{
	int used = printf("  %-*s", NAME_WIDTH, name);
	if (used > NAME_WIDTH + 2)
		printf("\n%*s", NAME_WIDTH + 4, "");
	else
		printf("  ");
	fill(text, NAME_WIDTH + 4, NAME_WIDTH + 4);
}

static void print_heading(const char *text)
{
	printf("\n%s%s:%s\n", colour_bold(), text, colour_end());
}

static void print_option(const struct option_use *use)
{
	char name[64], help[512], choices[256] = "";
	snprintf(name, sizeof name, "%s%s%s", option_info(use->option)->name,
	         use->kind == VALUE_FLAG ? "" : " ", use->kind == VALUE_FLAG ? "" : use->argument);
	if (use->kind == VALUE_CHOICE)
		choice_text(use->choices, choices, sizeof choices);
	snprintf(help, sizeof help, "%s%s%s%s", use->help, *choices ? ": " : "", choices,
	         use->required ? " (required)" : "");
	print_entry(name, help);
}

/* --- all commands --- */

void help_all(void)
{
	const struct command_group *g;
	const char *meaning, *title = "";
	int code;
	printf("headrace: look at and steer headraced, the metering ingest daemon\n");
	for (size_t i = 0; (g = command_group_at(i)); i++) {
		if (strcmp(g->title, title) != 0)
			print_heading(g->title);
		title = g->title;
		for (size_t k = 0; k < g->count; k++) {
			char usage[128];
			if (!g->commands[k].hidden)
				print_entry(command_usage(&g->commands[k], usage, sizeof usage),
				            g->commands[k].summary);
		}
	}
	print_heading("Options of every command");
	for (enum option o = OPTION_NONE + 1; o < OPTION_COUNT; o++) {
		const struct option_info *info = option_info(o);
		struct option_use use = {.option = o, .kind = info->kind, .help = info->help,
		                         .argument = info->argument};
		if (info->everywhere)
			print_option(&use);
	}
	print_heading("Exit codes");
	for (unsigned i = 0; exit_code_at(i, &code, &meaning); i++) {
		char number[16];
		snprintf(number, sizeof number, "%d", code);
		print_entry(number, meaning);
	}
	printf("\nManual: headrace(1). The daemon: headraced(8), headrace.yaml(5).\n");
}

/* --- one command --- */

static void help_one(const struct command *c)
{
	char usage[128];
	struct option_use use;
	printf("Usage: headrace %s [OPTIONS]\n\n", command_usage(c, usage, sizeof usage));
	fill(c->summary, 0, 0);
	if (c->text) {
		printf("\n");
		fill(c->text, 0, 0);
	}
	print_heading("Options");
	for (unsigned i = 0; command_option_at(c, i, &use); i++)
		print_option(&use);
	if (c->exits) {
		print_heading("Exit codes");
		fputs(c->exits, stdout);
	}
	if (c->examples) {
		print_heading("Examples");
		for (const char *line = c->examples; *line;) {
			int length = (int)strcspn(line, "\n");
			printf("  %.*s\n", length, line);
			line += length + (line[length] == '\n');
		}
	}
}

/* The commands of a noun, by line. */
static void help_noun(const char *noun)
{
	const struct command *c;
	printf("Usage: headrace %s COMMAND [OPTIONS]\n\nCommands:\n", noun);
	for (size_t i = 0; (c = command_at(i)); i++) {
		char usage[128];
		if (!c->hidden && strcmp(c->noun, noun) == 0)
			print_entry(command_usage(c, usage, sizeof usage), c->summary);
	}
	printf("\nMore of one, with its options: headrace help %s COMMAND\n", noun);
}

int help_words(const struct arguments *a)
{
	unsigned used;
	const struct command *c = command_find(a->words, a->word_count, &used);
	if (c)
		help_one(c);
	else if (a->word_count > 0 && command_has_noun(a->words[0]))
		help_noun(a->words[0]);
	else
		return EXIT_USAGE;
	return EXIT_GOOD;
}

/* --- the command itself --- */

static int command_help(const struct arguments *a)
{
	(void)a;
	manual_print(stdout);
	return EXIT_GOOD;
}

static const struct command help_commands[] = {
    {
        .noun = "help",
        .summary = "more of a command and its options",
        .text = "With --man the manual page headrace(1), made of what --help says.",
        .examples = "headrace help readings list\nheadrace help --man | man -l -\n",
        .subjects = {{"COMMAND", VALUE_COMMAND, NULL, true}},
        .options = {TAKES(MAN)},
        .run = command_help,
    },
};

const struct command_group help_group = COMMAND_GROUP("This tool", help_commands);
