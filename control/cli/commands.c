/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of all topics: each topic's file has the table of its own. See command.h. */
#include <stdio.h>
#include <string.h>

#include "control/cli/command.h"

/* In the order of --help; a line each. */
/* clang-format off */
static const struct command_group *const groups[] = {
    &status_group,
    &top_group,
    &audit_group,
    &devices_group,
    &points_group,
    &readings_group,
    &aggregates_group,
    &usage_group,
    &vee_group,
    &billing_group,
    &events_group, &errors_group,
    &export_group,
    &backup_group,
    &access_group,
    &journal_group,
    &help_group,
    &complete_group,
};
/* clang-format on */

const struct command_group *command_group_at(size_t i)
{
	return i < sizeof groups / sizeof groups[0] ? groups[i] : NULL;
}

const struct command *command_at(size_t i)
{
	const struct command_group *g;
	for (size_t k = 0; (g = command_group_at(k)); i -= g->count, k++)
		if (i < g->count)
			return &g->commands[i];
	return NULL;
}

/* The words of "a b" are the first of `words`. Returns their number, or 0. */
static unsigned begins_with(const char *const *words, unsigned count, const char *name)
{
	unsigned used = 0;
	for (; name; used++) {
		size_t length = strcspn(name, " ");
		if (used == count || strlen(words[used]) != length ||
		    memcmp(words[used], name, length) != 0)
			return 0;
		name = name[length] ? name + length + 1 : NULL;
	}
	return used;
}

const struct command *command_find(const char *const *words, unsigned count, unsigned *used)
{
	char name[64];
	const struct command *c, *found = NULL;
	*used = 0;
	/* the longest: "readings list" goes before the old name "readings" */
	for (size_t i = 0; (c = command_at(i)); i++) {
		unsigned n = begins_with(words, count, command_name(c, name, sizeof name));
		if (c->alias && n == 0)
			n = begins_with(words, count, c->alias);
		if (n > *used) {
			*used = n;
			found = c;
		}
	}
	return found;
}

bool command_has_noun(const char *noun)
{
	const struct command *c;
	for (size_t i = 0; (c = command_at(i)); i++)
		if (!c->hidden && strcmp(c->noun, noun) == 0)
			return true;
	return false;
}

const char *command_name(const struct command *c, char *out, size_t bytes)
{
	snprintf(out, bytes, "%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "");
	return out;
}

const char *command_usage(const struct command *c, char *out, size_t bytes)
{
	command_name(c, out, bytes);
	for (unsigned i = 0; i < SUBJECTS_MAX && c->subjects[i].name; i++) {
		const struct subject *s = &c->subjects[i];
		size_t used = strlen(out);
		snprintf(out + used, bytes - used, s->optional ? " [%s]" : " %s", s->name);
	}
	return out;
}

/* --- options --- */

static void fill(struct option_use *use)
{
	const struct option_info *info = option_info(use->option);
	if (use->kind == VALUE_NONE)
		use->kind = info->kind;
	if (!use->argument)
		use->argument = info->argument;
	if (!use->help)
		use->help = info->help;
	if (!use->choices)
		use->choices = info->choices;
}

/* The i-th of those that `formats` and `watch` bring. */
static bool implied_at(const struct command *c, unsigned i, struct option_use *use)
{
	static const enum option formats[] = {OPTION_FORMAT, OPTION_JSON};
	static const enum option watch[] = {OPTION_WATCH, OPTION_COUNT_OF};
	unsigned n = !c->formats ? 0 : choice_has(c->formats, "json") ? 2 : 1;
	if (i < n) {
		*use = (struct option_use){.option = formats[i]};
		use->choices = i == 0 ? c->formats : NULL;
		return true;
	}
	if (c->watch && i < n + 2)
		*use = (struct option_use){.option = watch[i - n]};
	return c->watch && i < n + 2;
}

bool command_option_at(const struct command *c, unsigned i, struct option_use *use)
{
	unsigned own = 0;
	while (own < OPTION_USES_MAX && c->options[own].option != OPTION_NONE)
		own++;
	bool found = i < own;
	if (found)
		*use = c->options[i];
	else
		found = implied_at(c, i - own, use);
	if (!found) {
		struct option_use other;
		unsigned implied = 0;
		while (implied_at(c, implied, &other))
			implied++;
		i -= own + implied;
		for (enum option o = OPTION_NONE + 1; o < OPTION_COUNT && !found; o++)
			if (option_info(o)->everywhere && i-- == 0) {
				*use = (struct option_use){.option = o};
				found = true;
			}
	}
	if (found)
		fill(use);
	return found;
}

bool command_takes(const struct command *c, enum option option, struct option_use *use)
{
	for (unsigned i = 0; command_option_at(c, i, use); i++)
		if (use->option == option)
			return true;
	return false;
}
