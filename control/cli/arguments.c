/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the command line against the table of commands. Input: the operator's words. Output: the
 * command with its subjects and options, or on stderr what is wrong and what may have been meant.
 */
#include <stdio.h>
#include <string.h>

#include "control/cli/command.h"

#define NAME_BYTES  64
#define USAGE_BYTES 128
#define OPTION_LINES_BYTES 2048

/* --- what is wrong --- */

static void tell_meant(const struct nearest *n)
{
	if (n->word)
		fprintf(stderr, "; did you mean '%s'?", n->word);
	fputs("\n", stderr);
}

/* `word` follows a noun, or (noun NULL) is to be one. */
static struct nearest near_command(const char *noun, const char *word)
{
	struct nearest n = {0};
	const struct command *c;
	for (size_t i = 0; (c = command_at(i)); i++)
		if (!c->hidden && (noun ? strcmp(c->noun, noun) == 0 && c->verb : true))
			typo_try(&n, word, noun ? c->verb : c->noun);
	return n;
}

static int unknown_command(const char *noun, const char *word)
{
	struct nearest n = near_command(noun, word);
	char meant[NAME_BYTES];
	fprintf(stderr, "headrace: there is no command '%s%s%s'", noun ? noun : "",
	        noun ? " " : "", word);
	if (n.word && noun) {
		snprintf(meant, sizeof meant, "%s %s", noun, n.word);
		n.word = meant;
	}
	tell_meant(&n);
	fprintf(stderr, "All commands: headrace --help\n");
	return EXIT_USAGE;
}

static int unknown_option(const char *word, const struct command *c)
{
	struct nearest n = {0};
	struct option_use use;
	char name[NAME_BYTES];
	for (enum option o = OPTION_NONE + 1; o < OPTION_COUNT; o++)
		if (!c || command_takes(c, o, &use))
			typo_try(&n, word, option_info(o)->name);
	fprintf(stderr, "headrace: there is no option '%s'", word);
	if (c)
		fprintf(stderr, " for '%s'", command_name(c, name, sizeof name));
	tell_meant(&n);
	fprintf(stderr, "See: headrace help%s%s\n", c ? " " : "",
	        c ? command_name(c, name, sizeof name) : "");
	return EXIT_USAGE;
}

static int wrong_usage(const struct command *c)
{
	char usage[USAGE_BYTES], name[NAME_BYTES];
	fprintf(stderr, "Usage: headrace %s [OPTIONS]; see: headrace help %s\n",
	        command_usage(c, usage, sizeof usage), command_name(c, name, sizeof name));
	return EXIT_USAGE;
}

static int wrong_choice(const char *name, const char *value, const char *choices)
{
	char text[256], choice[NAME_BYTES], meant[NAME_BYTES] = "";
	struct nearest n = {0};
	for (unsigned i = 0; choice_at(choices, i, choice, sizeof choice); i++) {
		typo_try(&n, value, choice);
		if (n.word == choice) {
			/* kept: the next choice takes this one's place */
			snprintf(meant, sizeof meant, "%s", choice);
			n.word = meant;
		}
	}
	fprintf(stderr, "headrace: %s is '%s'; expected %s", name, value,
	        choice_text(choices, text, sizeof text));
	tell_meant(&n);
	return EXIT_USAGE;
}

/* --- words and options --- */

static bool is_number(const char *word)
{
	return *word && strspn(word, "0123456789") == strlen(word) && strlen(word) <= 4;
}

/* An option that may be given again and again: its values, a line each. */
static int add_value(struct arguments *a, enum option o, const char *before)
{
	static char lines[OPTION_LINES_BYTES];
	char text[OPTION_LINES_BYTES];
	int bytes = snprintf(text, sizeof text, "%s\n%s", before, a->options[o]);
	if (bytes < 0 || bytes >= (int)sizeof text) {
		fprintf(stderr, "headrace: %s is given too often\n", option_info(o)->name);
		return EXIT_USAGE;
	}
	memcpy(lines, text, (size_t)bytes + 1);
	a->options[o] = lines;
	return EXIT_GOOD;
}

/* The value of option `o`, whose own word ends at `end`; argv[*at] is that word. */
static int take_value(struct arguments *a, enum option o, const char *end, int argc, char **argv,
                      int *at)
{
	const struct option_info *info = option_info(o);
	bool given = *end == '=', more = *at + 1 < argc;
	const char *before = o == OPTION_SET ? a->options[o] : NULL;
	if (info->kind == VALUE_FLAG && given) {
		fprintf(stderr, "headrace: %s takes no value\n", info->name);
		return EXIT_USAGE;
	}
	if (given)
		a->options[o] = end + 1;
	else if (info->kind == VALUE_FLAG)
		a->options[o] = "";
	else if (info->kind == VALUE_SECONDS)
		a->options[o] = more && is_number(argv[*at + 1]) ? argv[++*at] : "1";
	else if (more)
		a->options[o] = argv[++*at];
	else {
		fprintf(stderr, "headrace: %s needs a value: %s %s\n", info->name, info->name,
		        info->argument);
		return EXIT_USAGE;
	}
	return before ? add_value(a, o, before) : EXIT_GOOD;
}

/* *unknown: the first option that does not exist. */
static int take_option(struct arguments *a, int argc, char **argv, int *at, const char **unknown)
{
	const char *word = argv[*at];
	size_t length = strcspn(word, "=");
	if (strcmp(word, "-h") == 0)
		word = option_info(OPTION_HELP)->name, length = strlen(word);
	enum option o = option_find(word, length);
	if (o == OPTION_COUNT) {
		*unknown = *unknown ? *unknown : word;
		return EXIT_GOOD;
	}
	return take_value(a, o, word + length, argc, argv, at);
}

static int take_all(struct arguments *a, int argc, char **argv, const char **unknown)
{
	bool only_words = false;
	for (int i = 1; i < argc; i++) {
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
			int code = take_option(a, argc, argv, &i, unknown);
			if (code != EXIT_GOOD)
				return code;
		} else if (a->word_count == WORDS_MAX) {
			fprintf(stderr, "headrace: '%s' is one word too many\n", argv[i]);
			return EXIT_USAGE;
		} else {
			a->words[a->word_count++] = argv[i];
		}
	}
	return EXIT_GOOD;
}

/* --- against the command --- */

static int check_options(const struct command *c, const struct arguments *a)
{
	struct option_use use;
	for (enum option o = OPTION_NONE + 1; o < OPTION_COUNT; o++) {
		if (!a->options[o])
			continue;
		if (!command_takes(c, o, &use))
			return unknown_option(option_info(o)->name, c);
		if (use.kind == VALUE_CHOICE && !choice_has(use.choices, a->options[o]))
			return wrong_choice(option_info(o)->name, a->options[o], use.choices);
	}
	for (unsigned i = 0; command_option_at(c, i, &use); i++) {
		if (!use.required || a->options[use.option])
			continue;
		fprintf(stderr, "headrace: %s is missing: %s\n", option_info(use.option)->name,
		        use.help);
		return wrong_usage(c);
	}
	return EXIT_GOOD;
}

/* Behind the command's own words; they become words[0] and on. */
static int take_subjects(const struct command *c, struct arguments *a, unsigned before)
{
	unsigned count = a->word_count - before, i = 0;
	memmove(a->words, a->words + before, count * sizeof a->words[0]);
	for (; i < SUBJECTS_MAX && c->subjects[i].name; i++) {
		const struct subject *s = &c->subjects[i];
		if (i >= count && !s->optional) {
			fprintf(stderr, "headrace: %s is missing\n", s->name);
			return wrong_usage(c);
		}
		if (i < count && s->kind == VALUE_CHOICE && !choice_has(s->choices, a->words[i]))
			return wrong_choice(s->name, a->words[i], s->choices);
	}
	if (count > i) {
		fprintf(stderr, "headrace: '%s' is one word too many\n", a->words[i]);
		return wrong_usage(c);
	}
	for (unsigned k = count; k < WORDS_MAX; k++)
		a->words[k] = NULL;
	a->word_count = count;
	return EXIT_GOOD;
}

static void take_format(const struct command *c, struct arguments *a)
{
	char usual[NAME_BYTES] = "";
	if (a->options[OPTION_JSON])
		a->options[OPTION_FORMAT] = "json";
	const char *format = a->options[OPTION_FORMAT];
	if (!format && c->formats && choice_at(c->formats, 0, usual, sizeof usual))
		format = usual;
	a->format = !format                      ? FORM_TABLE
	            : strcmp(format, "json") == 0 ? FORM_JSON
	            : strcmp(format, "csv") == 0  ? FORM_CSV
	            : strcmp(format, "table") == 0 ? FORM_TABLE
	                                           : FORM_OTHER;
	if (a->format == FORM_JSON)
		a->options[OPTION_JSON] = "";
}

/* "readings lst METER" is not the old "readings METER" with a word too many. */
static bool is_mistyped_verb(const struct command *c, const struct arguments *a, unsigned used)
{
	unsigned subjects = 0;
	while (subjects < SUBJECTS_MAX && c->subjects[subjects].name)
		subjects++;
	return c->verb && used == 1 && strcmp(c->noun, a->words[0]) == 0 &&
	       a->word_count > used + subjects && near_command(c->noun, a->words[1]).word;
}

/* No command is of this name. */
static int no_command(const struct arguments *a)
{
	if (!command_has_noun(a->words[0]))
		return unknown_command(NULL, a->words[0]);
	if (a->word_count > 1)
		return unknown_command(a->words[0], a->words[1]);
	fprintf(stderr, "headrace: '%s' needs a subcommand\n\n", a->words[0]);
	help_words(a);
	return EXIT_USAGE;
}

int arguments_read(int argc, char **argv, struct arguments *a, const struct command **command)
{
	const char *unknown = NULL;
	unsigned used;
	*a = (struct arguments){0};
	*command = NULL;
	int code = take_all(a, argc, argv, &unknown);
	if (code != EXIT_GOOD)
		return code;
	if (a->word_count > 0 && strcmp(a->words[0], "help") == 0 && !a->options[OPTION_MAN]) {
		a->options[OPTION_HELP] = "";
		memmove(a->words, a->words + 1, --a->word_count * sizeof a->words[0]);
	}
	const struct command *c = command_find(a->words, a->word_count, &used);
	if (unknown)
		return unknown_option(unknown, c);
	if (a->options[OPTION_VERSION] || a->word_count == 0 ||
	    (a->options[OPTION_HELP] && (c || command_has_noun(a->words[0]))))
		return EXIT_GOOD;
	if (!c)
		return no_command(a);
	if (is_mistyped_verb(c, a, used))
		return unknown_command(a->words[0], a->words[1]);
	code = take_subjects(c, a, used);
	if (code == EXIT_GOOD)
		code = check_options(c, a);
	if (code == EXIT_GOOD)
		take_format(c, a);
	*command = c;
	return code;
}
