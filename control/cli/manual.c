/* SPDX-License-Identifier: Apache-2.0 */
/* headrace(1), made of the table of commands: what --help says, in man's own language. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "control/cli/command.h"

/* Text as groff reads it: its signs escaped, no line beginning with one of its requests. */
static void put(FILE *out, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		char c = text[i];
		if ((i == 0 || text[i - 1] == '\n') && (c == '.' || c == '\''))
			fputs("\\&", out);
		if (c == '\\')
			fputs("\\e", out);
		else if (c == '-')
			fputs("\\-", out);
		else if (c == '\'')
			fputs("\\(aq", out);
		else if (c == '`')
			fputs("\\(ga", out);
		else if (c == '^')
			fputs("\\(ha", out);
		else if (c == '~')
			fputs("\\(ti", out);
		else
			fputc(c, out);
	}
}

static void put_text(FILE *out, const char *text)
{
	put(out, text, strlen(text));
}

/* Paragraphs, parted by empty lines. */
static void put_paragraphs(FILE *out, const char *text)
{
	for (const char *end; *text; text = end) {
		end = strstr(text, "\n\n");
		end = end ? end : text + strlen(text);
		put(out, text, (size_t)(end - text));
		fputs("\n", out);
		while (*end == '\n')
			end++;
		if (*end)
			fputs(".sp\n", out);
	}
}

static void put_heading(FILE *out, const char *request, const char *text)
{
	fprintf(out, ".%s \"", request);
	for (const char *c = text; *c; c++)
		fputc(request[1] == 'H' ? toupper((unsigned char)*c) : *c, out);
	fputs("\"\n", out);
}

static void put_option(FILE *out, const struct option_use *use)
{
	char choices[256] = "";
	fputs(".TP\n\\fB", out);
	put_text(out, option_info(use->option)->name);
	fputs("\\fR", out);
	if (use->kind != VALUE_FLAG) {
		fputs(" \\fI", out);
		put_text(out, use->argument);
		fputs("\\fR", out);
	}
	fputs("\n", out);
	put_text(out, use->help);
	if (use->kind == VALUE_CHOICE) {
		fputs(": ", out);
		put_text(out, choice_text(use->choices, choices, sizeof choices));
	}
	fputs(use->required ? " (required)\n" : "\n", out);
}

static void put_lines(FILE *out, const char *text)
{
	fputs(".EX\n", out);
	put_text(out, text);
	fputs(text[strlen(text) - 1] == '\n' ? ".EE\n" : "\n.EE\n", out);
}

static void put_command(FILE *out, const struct command *c)
{
	char name[64];
	struct option_use use;
	fputs(".SS \"headrace ", out);
	put_text(out, command_name(c, name, sizeof name));
	for (unsigned i = 0; i < SUBJECTS_MAX && c->subjects[i].name; i++)
		fprintf(out, c->subjects[i].optional ? " [%s]" : " %s", c->subjects[i].name);
	fputs("\"\n", out);
	put_text(out, c->summary);
	fputs(".\n", out);
	if (c->text) {
		fputs(".sp\n", out);
		put_paragraphs(out, c->text);
	}
	for (unsigned i = 0; command_option_at(c, i, &use); i++)
		if (!option_info(use.option)->everywhere)
			put_option(out, &use);
	if (c->exits || c->examples)
		fputs(".PP\n", out);
	if (c->exits) {
		fputs("Exit codes:\n", out);
		put_lines(out, c->exits);
	}
	if (c->examples)
		put_lines(out, c->examples);
}

static void put_general(FILE *out)
{
	const char *name, *meaning;
	int code;
	put_heading(out, "SH", "Options of every command");
	for (enum option o = OPTION_NONE + 1; o < OPTION_COUNT; o++) {
		const struct option_info *info = option_info(o);
		struct option_use use = {.option = o, .kind = info->kind, .help = info->help,
		                         .argument = info->argument};
		if (info->everywhere)
			put_option(out, &use);
	}
	put_heading(out, "SH", "Exit status");
	for (unsigned i = 0; exit_code_at(i, &code, &meaning); i++) {
		fprintf(out, ".TP\n\\fB%d\\fR\n", code);
		put_text(out, meaning);
		fputs("\n", out);
	}
	put_heading(out, "SH", "Environment");
	for (unsigned i = 0; environment_at(i, &name, &meaning); i++) {
		fprintf(out, ".TP\n\\fB%s\\fR\n", name);
		put_text(out, meaning);
		fputs("\n", out);
	}
}

void manual_print(FILE *out)
{
	const struct command_group *g;
	fprintf(out,
	        ".\\\" SPDX-License-Identifier: Apache-2.0\n"
	        ".\\\" Made by headrace help \\-\\-man\n"
	        ".TH HEADRACE 1 \"2026\" \"Headrace %s\" \"Headrace\"\n"
	        ".SH NAME\nheadrace \\- look at and steer headraced, the metering ingest daemon\n"
	        ".SH SYNOPSIS\n\\fBheadrace\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n"
	        ".SH DESCRIPTION\n",
	        HEADRACE_VERSION);
	put_paragraphs(out,
	               "Talks to headraced(8) over its API. What is shown is a table for "
	               "people, or with --format json or csv a form for programs. Times are RFC "
	               "3339, as 2026-01-31T08:15:00Z, or a day, as 2026-01-31 (from midnight, "
	               "UTC).\n\nA mistyped command or option is answered with the nearest one. "
	               "Colours and progress bars are shown on a terminal only; wide tables are "
	               "cut to its width.");
	put_heading(out, "SH", "Commands");
	for (size_t i = 0; (g = command_group_at(i)); i++)
		for (size_t k = 0; k < g->count; k++)
			if (!g->commands[k].hidden)
				put_command(out, &g->commands[k]);
	put_general(out);
	fputs(".SH SEE ALSO\n.BR headraced (8),\n.BR headrace.yaml (5)\n", out);
}
