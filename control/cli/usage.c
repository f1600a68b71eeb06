/* SPDX-License-Identifier: Apache-2.0 */
/* headrace usage: what a meter used. */
#include <stdio.h>

#include "control/cli/command.h"
#include "control/cli/view.h"

static void add_number(struct table *t, const json_t *object, const char *key)
{
	char text[24];
	snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, number_of(object, key));
	table_add(t, text);
}

/* --- usage --- */

static void print_days(const json_t *days)
{
	static const char *const names[] = {"DAY", "kWh", "INTERVALS", "ACTUAL", "ESTIMATED",
	                                    "MISSING", "COMPLETE %", "CHECKS"};
	static const char *const counts[] = {"intervals", "actual", "estimated", "missing"};
	struct table *t = table_new(names, 8);
	json_t *day;
	size_t i;
	json_array_foreach(days, i, day)
	{
		table_add(t, text_of(day, "day"));
		table_add(t, text_of(day, "kwh"));
		for (unsigned k = 0; k < 4; k++)
			add_number(t, day, counts[k]);
		table_add(t, text_of(day, "completeness"));
		table_add(t, json_is_true(json_object_get(day, "spike")) ? "spike" : "");
	}
	for (unsigned column = 1; column < 7; column++)
		table_right(t, column);
	table_trim_decimals(t, 1);
	table_print(t);
	table_free(t);
}

/* By which edit or version of the rules; what is worth knowing of the reading at its end. */
static const char *notes_of(const json_t *interval, char *out, size_t bytes)
{
	const json_t *edit = json_object_get(interval, "edit");
	const json_t *rules = json_object_get(interval, "rules");
	const json_t *drift = json_object_get(interval, "drift_s");
	bool late = json_is_true(json_object_get(interval, "late"));
	int used = 0;
	out[0] = '\0';
	if (edit)
		used = snprintf(out, bytes, "edit %d", (int)json_integer_value(edit));
	else if (rules)
		used = snprintf(out, bytes, "rules %d", (int)json_integer_value(rules));
	else if (drift)
		used = snprintf(out, bytes, "clock off by %d s%s",
		                (int)json_integer_value(drift),
		                json_is_true(json_object_get(interval, "time_replaced"))
		                    ? ", replaced"
		                    : "");
	if (late)
		snprintf(out + used, bytes - (size_t)used, "%slate", used ? ", " : "");
	return out;
}

static void print_intervals(const json_t *intervals)
{
	static const char *const names[] = {"FROM (UTC)", "kWh", "SOURCE", "NOTES"};
	char notes[80];
	struct table *t = table_new(names, 4);
	json_t *interval;
	size_t i;
	json_array_foreach(intervals, i, interval)
	{
		table_add(t, text_of(interval, "start"));
		table_add(t, text_of(interval, "kwh"));
		table_add(t, text_of(interval, "source"));
		table_add(t, notes_of(interval, notes, sizeof notes));
	}
	table_right(t, 1);
	table_trim_decimals(t, 1);
	table_print(t);
	table_free(t);
}

static void print_gaps(const json_t *gaps)
{
	json_t *gap;
	size_t i;
	json_array_foreach(gaps, i, gap)
	{
		const char *counted = text_of(gap, "register_kwh");
		printf("gap from %s to %s: %s%s%s%s\n", text_of(gap, "from"), text_of(gap, "to"),
		       text_of(gap, "filled"), *counted ? ", scaled to the register's " : "",
		       counted, *counted ? " kWh" : "");
	}
}

static void print_usage(const json_t *usage)
{
	const json_t *days = json_object_get(usage, "days");
	if (days)
		print_days(days);
	else
		print_intervals(json_object_get(usage, "intervals"));
	printf("\n%s kWh in local days (%s), %s %% actual", text_of(usage, "kwh"),
	       text_of(usage, "timezone"), text_of(usage, "completeness"));
	if (json_object_get(usage, "register_kwh"))
		printf("; the register counted %s kWh", text_of(usage, "register_kwh"));
	printf("\n");
	if (number_of(usage, "register_falls") > 0)
		printf("the register fell %s times: reset or exchange\n",
		       grouped(number_of(usage, "register_falls")));
	print_gaps(json_object_get(usage, "gaps"));
}

static void print_rows(const struct arguments *a, const json_t *usage)
{
	static const struct column days[] = {
	    {"day", NULL, COLUMN_TEXT},       {"kwh", NULL, COLUMN_TEXT},
	    {"intervals", NULL, COLUMN_TEXT}, {"actual", NULL, COLUMN_TEXT},
	    {"estimated", NULL, COLUMN_TEXT}, {"missing", NULL, COLUMN_TEXT},
	    {"completeness", NULL, COLUMN_TEXT}, {"spike", NULL, COLUMN_TEXT},
	};
	static const struct column intervals[] = {
	    {"start", NULL, COLUMN_TEXT}, {"kwh", NULL, COLUMN_TEXT}, {"source", NULL, COLUMN_TEXT},
	};
	static const struct view by_day = VIEW("days", days);
	static const struct view by_interval = VIEW("intervals", intervals);
	view_print(a, json_object_get(usage, "days") ? &by_day : &by_interval, usage);
}

/* Which meters a service point had. */
static void print_meters(const json_t *meters)
{
	json_t *m;
	size_t i;
	json_array_foreach(meters, i, m)
	    printf("meter %s from %s to %s: %s kWh * %s = %s kWh\n", text_of(m, "meter"),
		   text_of(m, "from"), text_of(m, "to"), text_of(m, "register_kwh"),
		   text_of(m, "ratio"), text_of(m, "kwh"));
}

static int show_usage(const struct arguments *a)
{
	static const enum option query[] = {OPTION_FROM, OPTION_TO, OPTION_BY};
	json_t *usage;
	int code = client_json(a, "/usage/", client_subject(a, query, 3), &usage);
	if (!usage)
		return code;
	if (a->format == FORM_CSV)
		print_rows(a, usage);
	else
		print_usage(usage);
	if (a->format == FORM_TABLE)
		print_meters(json_object_get(usage, "meters"));
	json_decref(usage);
	return EXIT_GOOD;
}

static const struct command usage_commands[] = {
    {
	.noun = "usage",
	.verb = "show",
	.alias = "usage",
	.summary = "what a meter or a service point used in local days",
	.text =
	    "The id is looked up among the meters first, then among the service points; a "
	    "point's usage is that of its meters, each in its time and times its ratio.\n\n"
	    "From the first day up to, not including, the last. Each value tells where it "
	    "comes from: actual, interpolated, like_day, even (the register's difference "
	    "shared out), no_meter, missing; gaps are listed with what the register counted over "
	    "them. Nothing estimated is stored: late readings take the place of estimates "
	    "by themselves.",
	.examples = "headrace usage show SM-00001 --from 2026-03-01 --to 2026-04-01 --by day\n",
	.subjects = {{"METER", VALUE_DEVICE}},
	.options = {{.option = OPTION_FROM,
		     .required = true,
		     .argument = "DAY",
		     .kind = VALUE_DAY,
		     .help = "the first local day, as 2026-03-01"},
		    {.option = OPTION_TO,
		     .argument = "DAY",
		     .kind = VALUE_DAY,
		     .help = "the day behind the last; default: one day"},
		    TAKES(BY)},
	.formats = FORMATS_LIST,
	.run = show_usage,
    },
};

const struct command_group usage_group = COMMAND_GROUP("Readings and usage", usage_commands);
