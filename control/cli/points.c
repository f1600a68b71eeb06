/* SPDX-License-Identifier: Apache-2.0 */
/* headrace points, customers, groups. */
#include <stdlib.h>
#include <string.h>

#include "control/cli/command.h"
#include "control/cli/import.h"
#include "control/cli/view.h"

/* --- lists --- */

static void more_footer(const json_t *answer)
{
	view_count(number_of(answer, "count"));
	if (json_is_true(json_object_get(answer, "more")))
		printf("Go on with: --after %s\n", text_of(answer, "next"));
}

/* The meter that is there, or was at last, for the list. */
static void add_meters(json_t *points)
{
	json_t *point;
	size_t i;
	json_array_foreach(points, i, point)
	{
		const json_t *list = json_object_get(point, "installations");
		const json_t *last = json_array_get(list, json_array_size(list) - 1);
		bool there = last && !json_object_get(last, "to");
		json_object_set_new(point, "meter",
				    json_string(there ? text_of(last, "meter") : ""));
		json_object_set_new(point, "ratio",
				    json_string(there ? text_of(last, "ratio") : ""));
	}
}

static int list_points(const struct arguments *a)
{
	static const enum option query[] = {OPTION_PREFIX, OPTION_AFTER,    OPTION_GROUP,
					    OPTION_SEARCH, OPTION_CUSTOMER, OPTION_STATE,
					    OPTION_LIMIT};
	static const struct column columns[] = {{"id", "ID", COLUMN_TEXT},
						{"state", "STATE", COLUMN_TEXT},
						{"customer", "CUSTOMER", COLUMN_TEXT},
						{"tariff", "TARIFF", COLUMN_TEXT},
						{"meter", "METER", COLUMN_TEXT},
						{"ratio", "RATIO", COLUMN_TEXT},
						{"address", "ADDRESS", COLUMN_TEXT}};
	struct view view = VIEW("points", columns);
	json_t *answer;
	view.footer = more_footer;
	int code = client_json(a, "/points", client_query(a, query, 7), &answer);
	if (!answer)
		return code;
	add_meters(json_object_get(answer, "points"));
	view_print(a, &view, answer);
	json_decref(answer);
	return code;
}

static int list_customers(const struct arguments *a)
{
	static const enum option query[] = {OPTION_PREFIX, OPTION_AFTER, OPTION_SEARCH,
					    OPTION_LIMIT};
	static const struct column columns[] = {{"id", "ID", COLUMN_TEXT},
						{"name", "NAME", COLUMN_TEXT},
						{"contact", "CONTACT", COLUMN_TEXT},
						{"email", "E-MAIL", COLUMN_TEXT},
						{"address", "ADDRESS", COLUMN_TEXT}};
	struct view view = VIEW("customers", columns);
	view.footer = more_footer;
	return view_get(a, "/customers", client_query(a, query, 4), &view);
}

static int list_groups(const struct arguments *a)
{
	static const struct column columns[] = {{"group", "GROUP", COLUMN_TEXT},
						{"devices", "DEVICES", COLUMN_NUMBER},
						{"points", "POINTS", COLUMN_NUMBER}};
	struct view view = VIEW("groups", columns);
	return view_get(a, "/groups", strdup(""), &view);
}

/* --- one --- */

static void print_installations(const struct arguments *a, const json_t *point)
{
	static const struct column columns[] = {
	    {"meter", "METER", COLUMN_TEXT},       {"from", "FROM (UTC)", COLUMN_TEXT},
	    {"to", "TO (UTC)", COLUMN_TEXT},       {"ratio", "RATIO", COLUMN_PLAIN},
	    {"dials", "DIALS", COLUMN_PLAIN},      {"initial", "INITIAL kWh", COLUMN_DECIMAL},
	    {"final", "FINAL kWh", COLUMN_DECIMAL}};
	struct view view = VIEW("installations", columns);
	view_print(a, &view, point);
}

static void print_agreements(const struct arguments *a, const json_t *point)
{
	static const struct column columns[] = {{"since", "SINCE", COLUMN_TEXT},
						{"customer", "CUSTOMER", COLUMN_TEXT},
						{"tariff", "TARIFF", COLUMN_TEXT}};
	struct view view = VIEW("agreements", columns);
	if (a->format == FORM_CSV || json_array_size(json_object_get(point, "agreements")) == 0)
		return;
	view_print(a, &view, point);
	printf("\n");
}

static void print_point(const struct arguments *a, const json_t *point)
{
	static const char *const keys[] = {"id",      "state",  "customer", "tariff",    "since",
					   "address", "groups", "latitude", "longitude", NULL};
	if (a->format != FORM_CSV) {
		for (unsigned i = 0; keys[i]; i++) {
			char *value = value_text(json_object_get(point, keys[i]));
			if (json_object_get(point, keys[i]))
				printf("%-10s  %s\n", keys[i], value ? value : "");
			free(value);
		}
		printf("\n");
	}
	if (a->format != FORM_JSON)
		print_agreements(a, point);
	print_installations(a, point);
}

static int show_point(const struct arguments *a)
{
	json_t *point;
	int code = client_json(a, "/points/", client_escape(a->words[0]), &point);
	if (point)
		print_point(a, point);
	json_decref(point);
	return code;
}

static int show_customer(const struct arguments *a)
{
	return view_get_object(a, "/customers/", client_escape(a->words[0]));
}

/* Its devices, then its service points. */
static int show_group(const struct arguments *a)
{
	struct arguments of_group = *a;
	of_group.options[OPTION_GROUP] = a->words[0];
	of_group.options[OPTION_FORMAT] = a->format == FORM_JSON ? "jsonl" : NULL;
	static const enum option query[] = {OPTION_GROUP, OPTION_FORMAT};
	return export_file(&of_group, "/groups/export", query, 2);
}

/* --- meters come and go --- */

static int after_change(const struct arguments *a, int code, json_t *point)
{
	if (point && !a->options[OPTION_JSON])
		print_point(a, point);
	json_decref(point);
	return code;
}

static int set_point(const struct arguments *a)
{
	json_t *point;
	json_t *body = json_pack("{s:s*, s:s*, s:s*}", "customer", a->options[OPTION_CUSTOMER],
				 "tariff", a->options[OPTION_TARIFF], "since",
				 a->options[OPTION_FROM]);
	int code = post_object(a, "/points/", "/set", body, &point);
	return after_change(a, code, point);
}

static int swap_meter(const struct arguments *a)
{
	json_t *point;
	json_t *body =
	    json_pack("{s:s, s:s, s:s*, s:s*, s:s*}", "meter", a->options[OPTION_METER], "at",
		      a->options[OPTION_AT], "final", a->options[OPTION_FINAL], "initial",
		      a->options[OPTION_INITIAL], "ratio", a->options[OPTION_RATIO]);
	if (a->options[OPTION_DIALS])
		json_object_set_new(body, "dials", json_integer(atoi(a->options[OPTION_DIALS])));
	int code = post_object(a, "/points/", "/swap", body, &point);
	return after_change(a, code, point);
}

static int remove_meter(const struct arguments *a)
{
	json_t *point;
	json_t *body = json_pack("{s:s, s:s*}", "at", a->options[OPTION_AT], "final",
				 a->options[OPTION_FINAL]);
	int code = post_object(a, "/points/", "/remove", body, &point);
	return after_change(a, code, point);
}

/* --- files, history --- */

static int export_kind(const struct arguments *a, const char *path)
{
	static const enum option query[] = {OPTION_PREFIX, OPTION_GROUP, OPTION_FORMAT};
	struct arguments lines = *a;
	lines.options[OPTION_FORMAT] = a->format == FORM_JSON ? "jsonl" : NULL;
	return export_file(&lines, path, query, 3);
}

static int export_points(const struct arguments *a)
{
	return export_kind(a, "/points/export");
}

static int export_customers(const struct arguments *a)
{
	return export_kind(a, "/customers/export");
}

static int export_groups(const struct arguments *a)
{
	return export_kind(a, "/groups/export");
}

static int import_points(const struct arguments *a)
{
	return import_file(a, "/points/import");
}

static int import_customers(const struct arguments *a)
{
	return import_file(a, "/customers/import");
}

static int import_groups(const struct arguments *a)
{
	return import_file(a, "/groups/import");
}

static int point_history(const struct arguments *a)
{
	return history_show(a, "/points/");
}

static int customer_history(const struct arguments *a)
{
	return history_show(a, "/customers/");
}

#define IMPORT_TEXT                                                                                \
	"CSV or JSON, told by the file's name. Good lines are taken, bad ones reported; what a "   \
	"line doesn't mention stays as it is; the same file twice changes nothing."

static const struct command points_commands[] = {
    {
	.noun = "points",
	.verb = "list",
	.summary = "service points, by id, with the meter that is there",
	.options = {TAKES(PREFIX),
		    TAKES(CUSTOMER),
		    TAKES(GROUP),
		    TAKES(SEARCH),
		    TAKES(STATE),
		    {.option = OPTION_AFTER, .argument = "ID", .help = "only ids behind it"},
		    TAKES(LIMIT)},
	.formats = FORMATS_LIST,
	.run = list_points,
    },
    {
	.noun = "points",
	.verb = "show",
	.summary = "a service point and the meters it has and had",
	.subjects = {{"POINT", VALUE_TEXT}},
	.formats = FORMATS_LIST,
	.run = show_point,
    },
    {
	.noun = "points",
	.verb = "set",
	.summary = "who is supplied at a service point, and by which tariff, from a day on",
	.text = "What held before stays for the days before, and what is known to begin later "
		"begins then. An empty customer (--customer '') says that nobody is there. What is "
		"not given stays as it was then. Without --from the last agreement is corrected. "
		"Bills are cut at these days.",
	.examples = "headrace points set SP-1 --customer C-2 --from 2026-03-10\n"
		    "headrace points set SP-1 --tariff sample-b --from 2026-04-01\n",
	.subjects = {{"POINT", VALUE_TEXT}},
	.options = {{.option = OPTION_CUSTOMER, .help = "who pays"},
		    TAKES(TARIFF),
		    {.option = OPTION_FROM, .argument = "DAY", .kind = VALUE_DAY,
		     .help = "the first local day of it, as 2026-03-10"}},
	.formats = FORMATS_ANSWER,
	.run = set_point,
    },
    {
	.noun = "points",
	.verb = "swap",
	.summary = "the meter at a service point ends, another one begins",
	.text = "One change: all of it or nothing. The ratio stays as it was where none is given. "
		"Without --final or --initial the interval of the swap is estimated. The first "
		"meter of a point is installed in the same way.",
	.examples = "headrace points swap SP-1 --meter SM-2 --at 2026-03-14T10:07:00Z "
		    "--final 1234.5 --initial 0.2\n",
	.subjects = {{"POINT", VALUE_TEXT}},
	.options = {MUST(METER), MUST(AT), TAKES(FINAL), TAKES(INITIAL), TAKES(RATIO),
		    TAKES(DIALS)},
	.formats = FORMATS_ANSWER,
	.run = swap_meter,
    },
    {
	.noun = "points",
	.verb = "remove",
	.summary = "the meter at a service point is taken away",
	.subjects = {{"POINT", VALUE_TEXT}},
	.options = {MUST(AT), TAKES(FINAL)},
	.formats = FORMATS_ANSWER,
	.run = remove_meter,
    },
    {
	.noun = "points",
	.verb = "history",
	.summary = "who changed what of a service point, and when",
	.subjects = {{"POINT", VALUE_TEXT}},
	.formats = FORMATS_LIST,
	.run = point_history,
    },
    {
	.noun = "points",
	.verb = "import",
	.summary = "take service points from a CSV or JSON file",
	.text = IMPORT_TEXT
	" Columns: id, state, customer, tariff, since, address, groups, latitude, longitude, "
	"and of an installation meter, from, to, ratio, dials, initial, final; several lines "
	"of a point are several installations. In JSON they are a list, installations. A "
	"day without a time is the local day's beginning. With since, customer and tariff hold "
	"from that day on; in JSON there is a list of them, too, agreements.",
	.exits = "1: some lines were bad\n",
	.subjects = {{"FILE", VALUE_FILE}},
	.formats = FORMATS_ANSWER,
	.run = import_points,
    },
    {
	.noun = "points",
	.verb = "export",
	.summary = "service points as a file that an import takes",
	.options = {TAKES(PREFIX), TAKES(GROUP), TAKES(OUTPUT)},
	.formats = "csv|json",
	.run = export_points,
    },
    {
	.noun = "customers",
	.verb = "list",
	.summary = "customers, by id",
	.options = {TAKES(PREFIX),
		    TAKES(SEARCH),
		    {.option = OPTION_AFTER, .argument = "ID", .help = "only ids behind it"},
		    TAKES(LIMIT)},
	.formats = FORMATS_LIST,
	.run = list_customers,
    },
    {
	.noun = "customers",
	.verb = "show",
	.summary = "a customer",
	.subjects = {{"CUSTOMER", VALUE_TEXT}},
	.formats = FORMATS_LIST,
	.run = show_customer,
    },
    {
	.noun = "customers",
	.verb = "history",
	.summary = "who changed what of a customer, and when",
	.subjects = {{"CUSTOMER", VALUE_TEXT}},
	.formats = FORMATS_LIST,
	.run = customer_history,
    },
    {
	.noun = "customers",
	.verb = "import",
	.summary = "take customers from a CSV or JSON file",
	.text = IMPORT_TEXT " Columns: id, name, contact, address, email.",
	.exits = "1: some lines were bad\n",
	.subjects = {{"FILE", VALUE_FILE}},
	.formats = FORMATS_ANSWER,
	.run = import_customers,
    },
    {
	.noun = "customers",
	.verb = "export",
	.summary = "customers as a file that an import takes",
	.options = {TAKES(PREFIX), TAKES(OUTPUT)},
	.formats = "csv|json",
	.run = export_customers,
    },
    {
	.noun = "groups",
	.verb = "list",
	.summary = "groups, with how many devices and service points are in them",
	.formats = FORMATS_LIST,
	.run = list_groups,
    },
    {
	.noun = "groups",
	.verb = "show",
	.summary = "who is in a group",
	.subjects = {{"GROUP", VALUE_TEXT}},
	.formats = "csv|json",
	.run = show_group,
    },
    {
	.noun = "groups",
	.verb = "import",
	.summary = "put devices and service points into groups from a file",
	.text = IMPORT_TEXT " Columns: group, and device or point. A device leaves a group by "
			    "'headrace devices set groups=...'.",
	.exits = "1: some lines were bad\n",
	.subjects = {{"FILE", VALUE_FILE}},
	.formats = FORMATS_ANSWER,
	.run = import_groups,
    },
    {
	.noun = "groups",
	.verb = "export",
	.summary = "who is in which group, as a file that an import takes",
	.options = {TAKES(GROUP), TAKES(OUTPUT)},
	.formats = "csv|json",
	.run = export_groups,
    },
};

const struct command_group points_group = COMMAND_GROUP("Devices", points_commands);
