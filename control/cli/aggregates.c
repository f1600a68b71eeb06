/* SPDX-License-Identifier: Apache-2.0 */
/* headrace aggregates: hours, days, months of a meter; headrace retention: what is kept. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/command.h"
#include "control/cli/view.h"

/* Length of a decimal without the zeros at its end. */
static int trimmed(const char *number)
{
	size_t length = strlen(number);
	while (strchr(number, '.') && length > 1 && number[length - 1] == '0')
		length--;
	return (int)(length > 0 && number[length - 1] == '.' ? length - 1 : length);
}

static void add_value(struct table *t, const json_t *period, const char *key)
{
	const json_t *value = json_object_get(period, key);
	char text[80] = "";
	if (json_is_object(value))
		snprintf(text, sizeof text, "%.*s %.30s", trimmed(text_of(value, "value")),
		         text_of(value, "value"), text_of(value, "unit"));
	table_add(t, text);
}

static void print_period(struct table *t, const json_t *period, bool hours)
{
	char text[256];
	json_t *flag;
	size_t i, used = 0;
	table_add(t, text_of(period, hours ? "start" : "day"));
	add_value(t, period, "energy");
	add_value(t, period, "mean_power");
	add_value(t, period, "max_demand");
	table_add(t, text_of(period, "max_demand_time"));
	snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, number_of(period, "readings"));
	table_add(t, text);
	table_add(t, text_of(period, "completeness"));
	text[0] = '\0';
	json_array_foreach(json_object_get(period, "flags"), i, flag)
	{
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%.40s", i ? " " : "",
		                         json_string_value(flag));
	}
	table_add(t, text);
}

static int print_aggregates(const struct answer *answer)
{
	static const char *names[] = {"DAY", "ENERGY", "MEAN POWER", "MAX DEMAND", "AT (UTC)",
	                              "READINGS", "COMPLETE %", "NOTES"};
	json_t *all = answer_json(answer), *period;
	size_t i;
	if (!all)
		return EXIT_FAILED;
	const char *level = text_of(all, "level");
	bool hours = strcmp(level, "hour") == 0;
	names[0] = hours ? "HOUR (UTC)" : strcmp(level, "month") == 0 ? "MONTH FROM" : "DAY";
	struct table *t = table_new(names, 8);
	json_array_foreach(json_object_get(all, "aggregates"), i, period)
		print_period(t, period, hours);
	for (unsigned column = 1; column < 4; column++)
		table_right(t, column);
	table_right(t, 5);
	table_right(t, 6);
	table_print(t);
	table_free(t);
	printf("\n%s in the calendar of %s\n", grouped(number_of(all, "count")),
	       text_of(all, "zone"));
	json_decref(all);
	return EXIT_GOOD;
}

static int list_aggregates(const struct arguments *a)
{
	static const enum option query[] = {OPTION_LEVEL, OPTION_FROM, OPTION_TO, OPTION_FORMAT};
	struct arguments asked = *a;
	struct answer answer;
	if (a->format == FORM_TABLE)
		asked.options[OPTION_FORMAT] = NULL;
	int code = client_fetch(a, "/aggregates/", client_subject(&asked, query, 4), &answer);
	if (code != EXIT_GOOD)
		return code;
	if (a->format == FORM_TABLE)
		code = print_aggregates(&answer);
	else
		fputs(answer.text, stdout);
	answer_free(&answer);
	return code;
}

/* --- retention --- */

static void print_level(struct table *t, const json_t *level)
{
	const json_t *days = json_object_get(level, "keep_days");
	char text[40] = "for ever";
	if (json_is_integer(days))
		snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT " days",
		         json_integer_value(days));
	table_add(t, text_of(level, "level"));
	table_add(t, text);
	table_add(t, text_of(level, "oldest"));
	table_add(t, json_is_true(json_object_get(level, "past")) ? "now"
	                                                          : text_of(level, "next_goes"));
}

static void print_retention(const json_t *answer)
{
	static const char *const names[] = {"LEVEL", "KEPT", "OLDEST", "GOES NEXT"};
	json_t *level;
	size_t i;
	struct table *t = table_new(names, 4);
	json_array_foreach(json_object_get(answer, "levels"), i, level)
		print_level(t, level);
	table_print(t);
	table_free(t);
	printf("\n%s readings went so far\n", grouped(number_of(answer, "removed_readings")));
}

static int show_retention(const struct arguments *a)
{
	static const struct column columns[] = {
	    {"level", NULL, COLUMN_TEXT},     {"keep_days", NULL, COLUMN_TEXT},
	    {"oldest", NULL, COLUMN_TEXT},    {"past", NULL, COLUMN_TEXT},
	    {"next_goes", NULL, COLUMN_TEXT},
	};
	static const struct view view = VIEW("levels", columns);
	json_t *answer;
	int code = client_json(a, "/retention", strdup(""), &answer);
	if (!answer)
		return code;
	if (a->format == FORM_CSV)
		view_print(a, &view, answer);
	else
		print_retention(answer);
	json_decref(answer);
	return EXIT_GOOD;
}

static const struct command aggregates_commands[] = {
    {
        .noun = "aggregates", .verb = "list", .alias = "aggregates",
        .summary = "energy, demand, completeness of hours, days or months",
        .text = "In the territory's calendar; days without a time are its days. A period has the "
                "readings after its start up to its end. Energy is the sum of the register's steps "
                "from the last reading at or before the start; after a gap of more than 35 days "
                "there is none. Where a meter sends no demand, it is derived: the largest mean "
                "power between two readings. The answer has everything that was acknowledged "
                "before.\n\n"
                "Notes: rollover, register_fell (that step is not counted), gap_before (some of "
                "the energy is from before the start), demand_derived.",
        .examples = "headrace aggregates list SM-00001 --level month --from 2026-01-01\n",
        .subjects = {{"METER", VALUE_DEVICE}},
        .options = {TAKES(LEVEL), TAKES(FROM), TAKES(TO)},
        .formats = FORMATS_LIST,
        .watch = true,
        .run = list_aggregates,
    },
    {
        .noun = "retention", .verb = "show", .alias = "retention",
        .summary = "what is kept for how long, and what goes next",
        .formats = FORMATS_LIST,
        .watch = true,
        .run = show_retention,
    },
};

const struct command_group aggregates_group =
    COMMAND_GROUP("Readings and usage", aggregates_commands);
