/* SPDX-License-Identifier: Apache-2.0 */
/* headrace events, headrace health: what operators should know of the fleet. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/command.h"
#include "control/cli/view.h"

static int list_events(const struct arguments *a)
{
	static const enum option query[] = {OPTION_STATE, OPTION_KIND,  OPTION_SEVERITY,
	                                    OPTION_SUBJECT, OPTION_FROM, OPTION_LIMIT};
	static const struct column columns[] = {
	    {"number", "NUMBER", COLUMN_PLAIN},  {"severity", "SEVERITY", COLUMN_TEXT},
	    {"kind", "KIND", COLUMN_TEXT},       {"subject", "SUBJECT", COLUMN_TEXT},
	    {"state", "STATE", COLUMN_TEXT},     {"first", NULL, COLUMN_TEXT},
	    {"last", "LAST", COLUMN_TEXT},       {"count", "COUNT", COLUMN_NUMBER},
	    {"text", "CAUSE", COLUMN_TEXT},      {"acknowledged_by", NULL, COLUMN_TEXT},
	    {"note", NULL, COLUMN_TEXT},         {"cleared", NULL, COLUMN_TEXT},
	    {"cleared_by", NULL, COLUMN_TEXT},   {"cleared_why", NULL, COLUMN_TEXT},
	};
	static const struct view view = VIEW("events", columns);
	return view_get(a, "/events", client_query(a, query, 6), &view);
}

static int show_event(const struct arguments *a)
{
	return view_get_object(a, "/events/", client_escape(a->words[0]));
}

/* POST /events/NUMBER/verb with the option as a parameter; several numbers by commas. */
static int act_on(const struct arguments *a, const char *number, size_t bytes, const char *verb,
                  enum option words)
{
	char *path = NULL, *tail = client_query(a, &words, 1), *plain = strndup(number, bytes);
	char *escaped = plain ? client_escape(plain) : NULL;
	struct answer answer;
	int code = EXIT_FAILED;
	if (tail && escaped && asprintf(&path, "/events/%s/%s%s", escaped, verb, tail) >= 0) {
		code = EXIT_UNREACHABLE;
		if (client_post(a, path, NULL, NULL, 0, &answer)) {
			code = answer_check(&answer);
			json_t *v = code == EXIT_GOOD ? answer_json(&answer) : NULL;
			if (v && a->format == FORM_JSON)
				fwrite(answer.text, 1, answer.bytes, stdout);
			else if (v)
				printf("%" JSON_INTEGER_FORMAT " %s %s is %s\n",
				       number_of(v, "number"), text_of(v, "kind"),
				       text_of(v, "subject"), text_of(v, "state"));
			json_decref(v);
			answer_free(&answer);
		}
		free(path);
	}
	free(tail);
	free(plain);
	free(escaped);
	return code;
}

static int act(const struct arguments *a, const char *verb, enum option words)
{
	int worst = EXIT_GOOD;
	const char *at = a->words[0];
	for (;;) {
		size_t length = strcspn(at, ",");
		int code = act_on(a, at, length, verb, words);
		worst = code != EXIT_GOOD ? code : worst;
		if (!at[length] || code == EXIT_UNREACHABLE)
			return worst;
		at += length + 1;
	}
}

static int ack_event(const struct arguments *a)
{
	return act(a, "ack", OPTION_NOTE);
}

static int clear_event(const struct arguments *a)
{
	return act(a, "clear", OPTION_WHY);
}

/* --- health --- */

static void print_counts(const char *title, const json_t *object)
{
	const char *key;
	json_t *value;
	printf("%s%s%s\n", colour_bold(), title, colour_end());
	json_object_foreach((json_t *)object, key, value)
		printf("  %-20s %15s\n", key, grouped(json_integer_value(value)));
}

static void print_drift(const json_t *drift)
{
	json_t *b;
	size_t i;
	printf("\n%sclock drift (seconds, by the newest reading)%s\n", colour_bold(),
	       colour_end());
	json_array_foreach((json_t *)drift, i, b)
	{
		char name[32] = "more";
		if (json_object_get(b, "up_to_s"))
			snprintf(name, sizeof name, "up to %" JSON_INTEGER_FORMAT,
			         number_of(b, "up_to_s"));
		printf("  %-20s %15s\n", name, grouped(number_of(b, "devices")));
	}
}

static void print_firmware(const json_t *answer)
{
	static const char *const names[] = {"MANUFACTURER", "MODEL", "FIRMWARE", "DEVICES"};
	json_int_t others = number_of(answer, "firmware_others");
	struct table *t = table_new(names, 4);
	json_t *row;
	size_t i;
	table_right(t, 3);
	json_array_foreach(json_object_get(answer, "firmware"), i, row)
	{
		table_add(t, text_of(row, "manufacturer"));
		table_add(t, text_of(row, "model"));
		table_add(t, text_of(row, "version"));
		table_add(t, grouped(number_of(row, "devices")));
	}
	printf("\n");
	if (i > 0)
		table_print(t);
	table_free(t);
	if (others)
		printf("%s devices of further versions\n", grouped(others));
}

static int show_health(const struct arguments *a)
{
	json_t *answer;
	int code = client_json(a, "/fleet", strdup(""), &answer);
	if (!answer)
		return code;
	print_counts("devices", json_object_get(answer, "devices"));
	print_counts("\ngateways", json_object_get(answer, "gateways"));
	print_counts("\nevents that are not cleared", json_object_get(answer, "events"));
	print_counts("", json_object_get(answer, "events_by_kind"));
	print_drift(json_object_get(answer, "clock_drift"));
	print_firmware(answer);
	json_decref(answer);
	return EXIT_GOOD;
}

static const struct command events_commands[] = {
    {
        .noun = "health",
        .summary = "the fleet: silent meters, batteries, clocks, firmware, open events",
        .formats = FORMATS_ANSWER,
        .watch = true,
        .run = show_health,
    },
    {
        .noun = "events", .verb = "list",
        .summary = "what needs attention, the newest first",
        .text = "Without --state those that are not cleared; --severity means this one or worse. "
                "Occurrences of the same cause are one event with a count. The kinds and what "
                "they mean are in docs/EVENTS.md.",
        .examples = "headrace events list --severity warning\n"
                    "headrace events list --kind silence --state all --format csv\n",
        .options = {{.option = OPTION_STATE,
                     .choices = "open|acknowledged|cleared|active|all"},
                    TAKES(KIND), TAKES(SEVERITY), TAKES(SUBJECT),
                    {.option = OPTION_FROM, .argument = "NUMBER", .kind = VALUE_NUMBER,
                     .help = "begin with this number and go down"},
                    TAKES(LIMIT)},
        .formats = FORMATS_LIST,
        .watch = true,
        .run = list_events,
    },
    {
        .noun = "events", .verb = "show",
        .summary = "one event, with its cause and who did what",
        .subjects = {{"NUMBER", VALUE_NUMBER}},
        .formats = FORMATS_LIST,
        .run = show_event,
    },
    {
        .noun = "events", .verb = "ack",
        .summary = "say that somebody looks after an event",
        .text = "It stays until its cause is gone or somebody clears it. Several: 17,18.",
        .examples = "headrace events ack 17 --note \"fitter on the way\"\n",
        .subjects = {{"NUMBERS", VALUE_TEXT}},
        .options = {TAKES(NOTE)},
        .formats = FORMATS_ANSWER,
        .run = ack_event,
    },
    {
        .noun = "events", .verb = "clear",
        .summary = "end an event by hand",
        .text = "For those that don't end by themselves, as tampering. Several: 17,18.",
        .subjects = {{"NUMBERS", VALUE_TEXT}},
        .options = {TAKES(WHY)},
        .formats = FORMATS_ANSWER,
        .run = clear_event,
    },
};

const struct command_group events_group = COMMAND_GROUP("Health", events_commands);
