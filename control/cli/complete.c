/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion in shells. Input: the words of a command line up to the one under the cursor. Output:
 * a line for each that it may become, "word<TAB>meaning", or the line ":file" or ":folder", which
 * the shell completes by itself. The scripts of `headrace completion` ask for this at each TAB.
 * Ids of devices come from the daemon, if it answers at once; nothing is ever said on stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "contract/fate.h"
#include "control/cli/command.h"

#define MONTHS       14
#define DEVICES_PATH "/devices?limit=100&prefix="

struct completing {
	FILE *out;
	struct arguments a; /* the words before, and the options of the connection */
	const char *word;   /* under the cursor */
	char before[128];   /* what each candidate begins with: "--meters=A," */
	bool given[OPTION_COUNT];
};

static void offer(const struct completing *q, const char *word, const char *meaning)
{
	for (const char *c = word; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return; /* what a device sent must not steer the terminal */
	if (strncmp(word, q->word, strlen(q->word)) == 0)
		fprintf(q->out, "%s%s\t%s\n", q->before, word, meaning);
}

/* --- values --- */

static void offer_choices(const struct completing *q, const char *choices)
{
	char choice[64];
	for (unsigned i = 0; choice_at(choices, i, choice, sizeof choice); i++)
		offer(q, choice, "");
}

static void offer_months(const struct completing *q)
{
	time_t now = time(NULL);
	struct tm tm;
	gmtime_r(&now, &tm);
	int month = (tm.tm_year + 1900) * 12 + tm.tm_mon;
	for (int i = 0; i < MONTHS; i++) {
		char text[32];
		snprintf(text, sizeof text, "%04d-%02d", (month - i) / 12, (month - i) % 12 + 1);
		offer(q, text, "");
	}
}

static void offer_day(const struct completing *q, time_t at, const char *format,
                      const char *meaning)
{
	struct tm tm;
	char text[32];
	gmtime_r(&at, &tm);
	strftime(text, sizeof text, format, &tm);
	offer(q, text, meaning);
}

static void offer_days(const struct completing *q)
{
	time_t now = time(NULL);
	offer_day(q, now, "%Y-%m-%d", "today");
	offer_day(q, now - 86400, "%Y-%m-%d", "yesterday");
	offer_day(q, now, "%Y-%m-01", "the month's beginning");
	offer_day(q, now, "%Y-01-01", "the year's beginning");
}

static void offer_reasons(const struct completing *q)
{
	for (int f = FATE_CONFLICT; f < FATE_COUNT; f++)
		offer(q, fate_info[f].name, "");
}

/* Of a list "A,B,..." the last is completed. */
static void offer_devices(struct completing *q)
{
	const char *comma = strrchr(q->word, ',');
	size_t used = strlen(q->before), head = comma ? (size_t)(comma + 1 - q->word) : 0;
	char *escaped, *path = NULL;
	json_t *device;
	size_t i;
	if (used + head >= sizeof q->before)
		return;
	memcpy(q->before + used, q->word, head);
	q->before[used + head] = '\0';
	q->word += head;
	escaped = client_escape(q->word);
	if (!escaped || asprintf(&path, DEVICES_PATH "%s", escaped) < 0)
		path = NULL;
	json_t *answer = path ? client_try(&q->a, path) : NULL;
	json_array_foreach(json_object_get(answer, "devices"), i, device)
		offer(q, text_of(device, "id"), text_of(device, "model"));
	json_decref(answer);
	free(path);
	free(escaped);
}

static void offer_nouns(const struct completing *q)
{
	const struct command *c;
	const char *before = "";
	for (size_t i = 0; (c = command_at(i)); i++) {
		if (c->hidden || strcmp(c->noun, before) == 0)
			continue;
		offer(q, c->noun, c->verb ? "" : c->summary);
		before = c->noun;
	}
}

/* False: the noun has none. */
static bool offer_verbs(const struct completing *q, const char *noun)
{
	const struct command *c;
	bool any = false;
	for (size_t i = 0; (c = command_at(i)); i++) {
		if (c->hidden || !c->verb || strcmp(c->noun, noun) != 0)
			continue;
		offer(q, c->verb, c->summary);
		any = true;
	}
	return any;
}

static void offer_value(struct completing *q, enum value_kind kind, const char *choices)
{
	switch (kind) {
	case VALUE_CHOICE:
		offer_choices(q, choices);
		break;
	case VALUE_MONTH:
		offer_months(q);
		break;
	case VALUE_TIME:
	case VALUE_DAY:
		offer_days(q);
		break;
	case VALUE_REASON:
		offer_reasons(q);
		break;
	case VALUE_DEVICE:
		offer_devices(q);
		break;
	case VALUE_FILE:
		fputs(":file\n", q->out);
		break;
	case VALUE_FOLDER:
		fputs(":folder\n", q->out);
		break;
	case VALUE_COMMAND:
		offer_nouns(q);
		break;
	default:
		break;
	}
}

/* --- words --- */

static void offer_options(const struct completing *q, const struct command *c)
{
	struct option_use use;
	for (enum option o = OPTION_NONE + 1; o < OPTION_COUNT; o++) {
		bool taken = c ? command_takes(c, o, &use) : option_info(o)->everywhere;
		if (taken && !q->given[o])
			offer(q, option_info(o)->name, c ? use.help : option_info(o)->help);
	}
}

static void offer_option_value(struct completing *q, const struct command *c, enum option o)
{
	struct option_use use;
	if (c && command_takes(c, o, &use))
		offer_value(q, use.kind, use.choices);
	else
		offer_value(q, option_info(o)->kind, option_info(o)->choices);
}

static void offer_words(struct completing *q, const struct command *c, unsigned used)
{
	const struct arguments *a = &q->a;
	if (a->word_count == 0) {
		offer_nouns(q);
	} else if (a->word_count == 1 && offer_verbs(q, a->words[0])) {
		return;
	} else if (c) {
		unsigned i = a->word_count - used;
		if (i < SUBJECTS_MAX && c->subjects[i].name)
			offer_value(q, c->subjects[i].kind, c->subjects[i].choices);
		else if (strcmp(c->noun, "help") == 0 && a->word_count == 2)
			offer_verbs(q, a->words[1]);
	}
}

static bool has_value(enum option o)
{
	return o < OPTION_COUNT && option_info(o)->kind != VALUE_FLAG &&
	       option_info(o)->kind != VALUE_SECONDS;
}

/* Reads the words before the cursor. Returns the option whose value is under it. */
static enum option take_words(struct completing *q, int count, char **words)
{
	for (int i = 0; i < count; i++) {
		size_t length = strcspn(words[i], "=");
		enum option o = option_find(words[i], length);
		if (o < OPTION_COUNT)
			q->given[o] = true;
		if (strncmp(words[i], "--", 2) != 0) {
			if (q->a.word_count < WORDS_MAX)
				q->a.words[q->a.word_count++] = words[i];
		} else if (has_value(o) && words[i][length] == '=') {
			q->a.options[o] = words[i] + length + 1;
		} else if (has_value(o)) {
			/* bash makes words of their own of "=" */
			if (i + 1 < count && strcmp(words[i + 1], "=") == 0)
				i++;
			if (i + 1 >= count)
				return o;
			q->a.options[o] = words[++i];
		}
	}
	return OPTION_COUNT;
}

void complete_print(FILE *out, int count, char **words)
{
	struct completing q = {.out = out, .word = count > 0 ? words[count - 1] : ""};
	unsigned used;
	int before = count > 0 ? count - 1 : 0;
	enum option valued = take_words(&q, before, words);
	const struct command *c = command_find(q.a.words, q.a.word_count, &used);
	size_t length = strcspn(q.word, "=");
	enum option here = option_find(q.word, length);
	if (strcmp(q.word, "=") == 0 && valued < OPTION_COUNT)
		q.word = "";
	if (valued < OPTION_COUNT) {
		offer_option_value(&q, c, valued);
	} else if (here < OPTION_COUNT && q.word[length] == '=') {
		snprintf(q.before, sizeof q.before, "%.*s", (int)length + 1, q.word);
		q.word += length + 1;
		offer_option_value(&q, c, here);
	} else if (q.word[0] == '-') {
		offer_options(&q, c);
	} else {
		offer_words(&q, c, used);
	}
}

/* --- the scripts --- */

static const char bash_script[] =
    "# bash completion for headrace; made by: headrace completion bash\n"
    "_headrace()\n"
    "{\n"
    "	local word joined=() lines line cur\n"
    "	# a colon is a part of a word, though bash parts words there\n"
    "	for word in \"${COMP_WORDS[@]:1:COMP_CWORD}\"; do\n"
    "		if ((${#joined[@]})) && [[ $word == :* || ${joined[-1]} == *: ]]; then\n"
    "			joined[-1]+=$word\n"
    "		else\n"
    "			joined+=(\"$word\")\n"
    "		fi\n"
    "	done\n"
    "	cur=${joined[-1]}\n"
    "	[[ $cur == = ]] && cur=\n"
    "	mapfile -t lines < <(\"${COMP_WORDS[0]}\" __complete \"${joined[@]}\" 2>/dev/null)\n"
    "	COMPREPLY=()\n"
    "	case ${lines[0]} in\n"
    "	:file)\n"
    "		compopt -o filenames 2>/dev/null\n"
    "		mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "		return ;;\n"
    "	:folder)\n"
    "		compopt -o filenames 2>/dev/null\n"
    "		mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")\n"
    "		return ;;\n"
    "	esac\n"
    "	for line in \"${lines[@]}\"; do\n"
    "		word=${line%%$'\\t'*}\n"
    "		[[ $cur == *:* && $COMP_WORDBREAKS == *:* ]] &&\n"
    "			word=${word#\"${cur%\"${cur##*:}\"}\"}\n"
    "		[[ $word == *[!A-Za-z0-9_./:,@%+=-]* ]] && printf -v word %q \"$word\"\n"
    "		COMPREPLY+=(\"$word\")\n"
    "	done\n"
    "}\n"
    "complete -F _headrace headrace\n";

static const char zsh_script[] =
    "#compdef headrace\n"
    "# zsh completion for headrace; made by: headrace completion zsh\n"
    "_headrace()\n"
    "{\n"
    "	local -a lines found\n"
    "	local line word\n"
    "	lines=(\"${(@f)$(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
    "	case ${lines[1]} in\n"
    "	:file) _files; return ;;\n"
    "	:folder) _files -/; return ;;\n"
    "	'') return 1 ;;\n"
    "	esac\n"
    "	for line in $lines; do\n"
    "		word=${line%%$'\\t'*}\n"
    "		found+=(\"${word//:/\\\\:}:${line#*$'\\t'}\")\n"
    "	done\n"
    "	_describe headrace found\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _headrace ]; then\n"
    "	_headrace \"$@\"\n"
    "else\n"
    "	compdef _headrace headrace\n"
    "fi\n";

static int print_script(const struct arguments *a)
{
	fputs(strcmp(a->words[0], "zsh") == 0 ? zsh_script : bash_script, stdout);
	return EXIT_GOOD;
}

static const struct command complete_commands[] = {
    {
        .noun = "completion",
        .summary = "the script that lets bash or zsh complete headrace's words",
        .text = "Commands, options and their values, ids of devices (of the daemon that answers), "
                "months, reasons and files. An installed headrace has it in place already.",
        .examples = "source <(headrace completion bash)\n"
                    "headrace completion zsh > ~/.zfunc/_headrace\n",
        .subjects = {{"SHELL", VALUE_CHOICE, "bash|zsh", false}},
        .run = print_script,
    },
};

const struct command_group complete_group = COMMAND_GROUP("This tool", complete_commands);
