/* SPDX-License-Identifier: Apache-2.0 */
/* headrace vee, usage edit, usage profile, explain: what is behind a meter's values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/cli/command.h"
#include "control/cli/view.h"

/* --- what the rules find --- */

static void print_findings(const json_t *findings)
{
	static const char *const names[] = {"FROM (UTC)", "TO (UTC)", "RULE", "VERSION",
	                                    "WHAT WAS FOUND"};
	struct table *t = table_new(names, 5);
	const json_t *f;
	size_t i;
	json_array_foreach(findings, i, f)
	{
		char version[24];
		snprintf(version, sizeof version, "%lld", (long long)number_of(f, "version"));
		table_add(t, text_of(f, "from"));
		table_add(t, text_of(f, "to"));
		table_add(t, text_of(f, "rule"));
		table_add(t, version);
		table_add(t, text_of(f, "text"));
	}
	table_right(t, 3);
	table_print(t);
	table_free(t);
}

static int check_meter(const struct arguments *a)
{
	static const enum option query[] = {OPTION_FROM, OPTION_TO};
	static const struct column columns[] = {
	    {"from", NULL, COLUMN_TEXT},  {"to", NULL, COLUMN_TEXT},
	    {"rule", NULL, COLUMN_TEXT},  {"version", NULL, COLUMN_TEXT},
	    {"value", NULL, COLUMN_TEXT}, {"limit", NULL, COLUMN_TEXT},
	    {"unit", NULL, COLUMN_TEXT},  {"text", NULL, COLUMN_TEXT},
	};
	static const struct view view = VIEW("findings", columns);
	json_t *checked;
	int code = client_json(a, "/vee/check/", client_subject(a, query, 2), &checked);
	if (!checked)
		return code;
	const json_t *findings = json_object_get(checked, "findings");
	if (a->format == FORM_CSV) {
		view_print(a, &view, checked);
	} else {
		if (json_array_size(findings) > 0)
			print_findings(findings);
		printf("%s%zu findings; %s kWh, %s %% complete, local days of %s\n",
		       json_array_size(findings) ? "\n" : "", json_array_size(findings),
		       text_of(checked, "kwh"), text_of(checked, "completeness"),
		       text_of(checked, "timezone"));
	}
	json_decref(checked);
	return EXIT_GOOD;
}

static int list_rules(const struct arguments *a)
{
	static const char *const names[] = {"RULE", "FOR", "ENABLED", "LIMIT", "UNIT", "LOOKS FOR"};
	json_t *answer;
	const json_t *version, *rule;
	size_t i, k;
	int code = client_json(a, "/vee/rules", strdup(""), &answer);
	if (!answer)
		return code;
	json_array_foreach(json_object_get(answer, "versions"), i, version)
	{
		struct table *t = table_new(names, 6);
		const char *from = text_of(version, "from");
		printf("%sversion %lld, %s%s\n", i ? "\n" : "",
		       (long long)number_of(version, "version"), *from ? "from " : "built in",
		       from);
		json_array_foreach(json_object_get(version, "rules"), k, rule)
		{
			const char *profile = text_of(rule, "profile");
			table_add(t, text_of(rule, "rule"));
			table_add(t, *profile ? profile : "all");
			table_add(t, json_is_true(json_object_get(rule, "enabled")) ? "yes" : "no");
			table_add(t, text_of(rule, "limit"));
			table_add(t, text_of(rule, "unit"));
			table_add(t, text_of(rule, "help"));
		}
		table_right(t, 3);
		table_print(t);
		table_free(t);
	}
	json_decref(answer);
	return EXIT_GOOD;
}

/* --- scans of all meters --- */

static void print_rules_of(const json_t *rules)
{
	static const char *const names[] = {"RULE", "FINDINGS", "METERS"};
	struct table *t = table_new(names, 3);
	const char *rule;
	json_t *counts;
	json_object_foreach((json_t *)(uintptr_t)rules, rule, counts)
	{
		table_add(t, rule);
		table_add(t, grouped(number_of(counts, "findings")));
		table_add(t, grouped(number_of(counts, "meters")));
	}
	table_right(t, 1);
	table_right(t, 2);
	table_print(t);
	table_free(t);
}

static int print_scan(const json_t *scan)
{
	const char *failure = text_of(scan, "failure");
	if (!*text_of(scan, "period")) {
		printf("no scan since the daemon started\n");
		return EXIT_GOOD;
	}
	print_rules_of(json_object_get(scan, "rules"));
	printf("\n%s: %s of %s meters looked at, something found on %s; %s complete, %s complete "
	       "enough to be billed, %s silent\n", text_of(scan, "period"),
	       grouped(number_of(scan, "done")), grouped(number_of(scan, "total")),
	       grouped(number_of(scan, "found")), grouped(number_of(scan, "complete")),
	       grouped(number_of(scan, "enough")), grouped(number_of(scan, "silent")));
	printf("processor time %lld ms, waited %lld ms for readings to be stored\n",
	       (long long)number_of(scan, "cpu_us") / 1000,
	       (long long)number_of(scan, "waited_ms"));
	if (*failure)
		printf("it ended early: %s\n", failure);
	return *failure ? EXIT_FAILED : EXIT_GOOD;
}

static int scan_status(const struct arguments *a)
{
	json_t *state;
	int code = client_json(a, "/vee", strdup(""), &state);
	if (!state)
		return code;
	const json_t *scan = json_object_get(state, "scan");
	print_scan(scan);
	if (json_is_true(json_object_get(scan, "running")))
		printf("it is under way\n");
	json_decref(state);
	return EXIT_GOOD;
}

/* Until it is over. */
static int follow_scan(const struct arguments *a)
{
	struct progress progress;
	struct answer answer;
	json_t *state = NULL;
	int code = EXIT_GOOD;
	bool running = true;
	progress_begin(&progress, "scan");
	while (running && code == EXIT_GOOD) {
		json_decref(state);
		state = NULL;
		code = client_fetch(a, "/vee", strdup(""), &answer);
		if (code != EXIT_GOOD)
			break;
		state = answer_json(&answer);
		answer_free(&answer);
		const json_t *scan = json_object_get(state, "scan");
		running = json_is_true(json_object_get(scan, "running"));
		progress_show(&progress, (uint64_t)number_of(scan, "done"),
		              (uint64_t)number_of(scan, "total"));
		if (running)
			usleep(200000);
	}
	progress_end(&progress);
	if (code == EXIT_GOOD && a->format == FORM_JSON)
		json_dumpf(json_object_get(state, "scan"), stdout, JSON_INDENT(1));
	else if (code == EXIT_GOOD)
		code = print_scan(json_object_get(state, "scan"));
	json_decref(state);
	return code;
}

static int run_scan(const struct arguments *a)
{
	static const enum option query[] = {OPTION_DAY, OPTION_MONTH, OPTION_PREFIX};
	struct answer answer;
	char *path = NULL, *tail = client_query(a, query, 3);
	bool made = tail && asprintf(&path, "/vee/run%s", tail) >= 0;
	free(tail);
	if (!made) {
		fprintf(stderr, "headrace: no memory\n");
		return EXIT_FAILED;
	}
	bool answered = client_post(a, path, NULL, NULL, 0, &answer);
	free(path);
	if (!answered)
		return EXIT_UNREACHABLE;
	int code = answer_check(&answer);
	answer_free(&answer);
	return code == EXIT_GOOD ? follow_scan(a) : code;
}

static int list_found(const struct arguments *a)
{
	static const enum option query[] = {OPTION_DAY, OPTION_MONTH, OPTION_RULE, OPTION_AFTER,
	                                    OPTION_LIMIT};
	static const char *const names[] = {"METER", "FROM (UTC)", "RULE", "WHAT WAS FOUND"};
	json_t *found;
	const json_t *meter, *f;
	size_t i, k;
	int code = client_json(a, "/vee/findings", client_query(a, query, 5), &found);
	if (!found)
		return code;
	struct table *t = table_new(names, 4);
	json_array_foreach(json_object_get(found, "meters"), i, meter)
	{
		json_array_foreach(json_object_get(meter, "findings"), k, f)
		{
			table_add(t, text_of(meter, "meter"));
			table_add(t, text_of(f, "from"));
			table_add(t, text_of(f, "rule"));
			table_add(t, text_of(f, "text"));
		}
	}
	table_print(t);
	table_free(t);
	if (json_is_true(json_object_get(found, "more")))
		printf("there are more: --after %s\n",
		       text_of(json_array_get(json_object_get(found, "meters"), i - 1), "meter"));
	json_decref(found);
	return EXIT_GOOD;
}

/* --- edits --- */

/* POST of "/edits/" METER, what follows and the options; with --json the answer is printed. */
static int post_edit(const struct arguments *a, const char *tail, const enum option *options,
                     size_t count, json_t **json)
{
	struct answer answer;
	char *path = NULL, *id = client_escape(a->words[0]);
	char *query = client_query(a, options, count);
	*json = NULL;
	bool made = id && query && asprintf(&path, "/edits/%s%s%s", id, tail, query) >= 0;
	free(id);
	free(query);
	if (!made) {
		fprintf(stderr, "headrace: no memory\n");
		return EXIT_FAILED;
	}
	bool answered = client_post(a, path, NULL, NULL, 0, &answer);
	free(path);
	if (!answered)
		return EXIT_UNREACHABLE;
	int code = answer_check(&answer);
	if (code == EXIT_GOOD && a->options[OPTION_JSON])
		fwrite(answer.text, 1, answer.bytes, stdout);
	else if (code == EXIT_GOOD && !(*json = answer_json(&answer)))
		code = EXIT_FAILED;
	answer_free(&answer);
	return code;
}

static int add_edit(const struct arguments *a)
{
	static const enum option query[] = {OPTION_FROM, OPTION_TO, OPTION_VALUE, OPTION_VALUES,
	                                    OPTION_REASON};
	json_t *edit;
	int code = post_edit(a, "", query, 5, &edit);
	if (edit)
		printf("edit %lld of %s: %s kWh from %s to %s\n",
		       (long long)number_of(edit, "number"), a->words[0], text_of(edit, "kwh"),
		       text_of(edit, "from"), text_of(edit, "to"));
	json_decref(edit);
	return code;
}

static int withdraw_edit(const struct arguments *a)
{
	static const enum option query[] = {OPTION_REASON};
	char tail[128];
	json_t *edit;
	char *number = client_escape(a->words[1]);
	snprintf(tail, sizeof tail, "/%s/withdraw", number ? number : "");
	free(number);
	int code = post_edit(a, tail, query, 1, &edit);
	if (edit)
		printf("edit %s of %s is withdrawn\n", a->words[1], a->words[0]);
	json_decref(edit);
	return code;
}

static int list_edits(const struct arguments *a)
{
	static const struct column columns[] = {
	    {"number", "EDIT", COLUMN_NUMBER},      {"from", "FROM (UTC)", COLUMN_TEXT},
	    {"to", "TO (UTC)", COLUMN_TEXT},        {"kwh", "kWh", COLUMN_DECIMAL},
	    {"who", "BY", COLUMN_TEXT},             {"made", "ON", COLUMN_TEXT},
	    {"reason", "REASON", COLUMN_TEXT},      {"withdrawn_by", "WITHDRAWN BY", COLUMN_TEXT},
	    {"withdrawn_at", "ON", COLUMN_TEXT},    {"withdrawn_reason", "REASON", COLUMN_TEXT},
	};
	static const struct view view = VIEW("edits", columns);
	return view_get(a, "/edits/", client_escape(a->words[0]), &view);
}

/* --- load profiles --- */

static void print_day(const json_t *day)
{
	static const char *const names[] = {"LOCAL TIME", "kWh", "kW", "SOURCE"};
	struct table *t = table_new(names, 4);
	const json_t *v;
	size_t i;
	json_array_foreach(json_object_get(day, "profile"), i, v)
	{
		table_add(t, text_of(v, "local"));
		table_add(t, text_of(v, "kwh"));
		table_add(t, text_of(v, "kw"));
		table_add(t, text_of(v, "source"));
	}
	table_right(t, 1);
	table_right(t, 2);
	table_print(t);
	table_free(t);
	printf("\n%s: %s kWh, %lld intervals, %s %% complete", text_of(day, "day"),
	       text_of(day, "kwh"), (long long)number_of(day, "intervals"),
	       text_of(day, "completeness"));
	if (*text_of(day, "peak_kw"))
		printf("; mean %s kW, peak %s kW at %s, load factor %s", text_of(day, "mean_kw"),
		       text_of(day, "peak_kw"), text_of(day, "peak_local"),
		       text_of(day, "load_factor"));
	printf("\n");
	const json_t *demand = json_object_get(day, "max_demand");
	if (demand)
		printf("the meter's highest demand: %s %s at %s\n", text_of(demand, "value"),
		       text_of(demand, "unit"), text_of(demand, "time"));
}

static int show_profile(const struct arguments *a)
{
	static const enum option query[] = {OPTION_FROM, OPTION_TO, OPTION_FORMAT};
	struct answer answer;
	json_t *profile;
	const json_t *day;
	size_t i;
	if (a->format == FORM_CSV) {
		int code = client_fetch(a, "/profile/", client_subject(a, query, 3), &answer);
		if (code == EXIT_GOOD) {
			fwrite(answer.text, 1, answer.bytes, stdout);
			answer_free(&answer);
		}
		return code;
	}
	int code = client_json(a, "/profile/", client_subject(a, query, 2), &profile);
	if (!profile)
		return code;
	json_array_foreach(json_object_get(profile, "days"), i, day)
	{
		if (i > 0)
			printf("\n");
		print_day(day);
	}
	json_decref(profile);
	return EXIT_GOOD;
}

/* --- explain --- */

/* Bytes as they came, where they are text. */
static void print_raw(const char *base64, int indent)
{
	uint8_t *bytes = malloc(strlen(base64) + 1);
	size_t count = bytes ? decode_base64(base64, bytes) : 0;
	json_t *text = json_stringn((const char *)bytes, count); /* NULL: not UTF-8 */
	char *shown = text ? shown_text(text) : NULL;
	printf("%*s%-*s  %s\n", indent, "", 20 - indent, shown ? "raw" : "raw_base64",
	       shown ? shown : base64);
	free(shown);
	json_decref(text);
	free(bytes);
}

/* "key  value" of an object's members, what is nested further in. */
static void print_object(const json_t *object, int indent)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if (json_is_null(value))
			continue;
		if (json_is_object(value)) {
			printf("%*s%s\n", indent, "", key);
			print_object(value, indent + 2);
		} else if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
			size_t i;
			const json_t *item;
			json_array_foreach(value, i, item)
			{
				printf("%*s%s %zu\n", indent, "", key, i + 1);
				print_object(item, indent + 2);
			}
		} else if (strcmp(key, "raw_base64") == 0) {
			print_raw(json_string_value(value), indent);
		} else if (!json_is_array(value) || json_array_size(value) > 0) {
			char *text = shown_text(value);
			printf("%*s%-*s  %s\n", indent, "", 20 - indent, key, text ? text : "");
			free(text);
		}
	}
}

static void print_part(const json_t *story, const char *key, const char *title, const char *none)
{
	const json_t *part = json_object_get(story, key), *item;
	size_t i;
	printf("\n%s%s%s\n", colour_bold(), title, colour_end());
	if (json_is_array(part) && json_array_size(part) == 0)
		printf("  %s\n", none);
	if (json_is_object(part) && json_object_size(part) == 0)
		printf("  %s\n", none);
	if (json_is_object(part))
		print_object(part, 2);
	json_array_foreach(part, i, item)
	{
		if (i > 0)
			printf("\n");
		print_object(item, 2);
	}
}

static int explain(const struct arguments *a)
{
	char *tail = NULL, *id = client_escape(a->words[0]), *time = client_escape(a->words[1]);
	json_t *story;
	if (id && time && asprintf(&tail, "%s?time=%s", id, time) < 0)
		tail = NULL;
	free(id);
	free(time);
	int code = client_json(a, "/explain/", tail, &story);
	if (!story)
		return code;
	const json_t *v = json_object_get(story, "interval");
	printf("%s, %s to %s: %s kWh, %s\n", text_of(story, "meter"), text_of(v, "start"),
	       text_of(v, "end"), *text_of(v, "kwh") ? text_of(v, "kwh") : "no",
	       text_of(v, "source"));
	print_part(story, "readings", "The readings at its ends", "there are none");
	if (json_object_get(story, "estimate"))
		print_part(story, "estimate", "How it was estimated", "");
	print_part(story, "edits", "Edits", "none");
	print_part(story, "findings", "Rules that were met", "none");
	print_part(story, "refused", "Refused at that time", "nothing");
	if (json_object_get(story, "point"))
		print_part(story, "point", "At the service point", "");
	print_part(story, "counts_in", "What it counts in", "nothing");
	json_decref(story);
	return EXIT_GOOD;
}

/* --- the commands --- */

#define DAY_OPTIONS                                                                                \
	{.option = OPTION_FROM, .required = true, .argument = "DAY", .kind = VALUE_DAY,            \
	 .help = "the first local day, as 2026-03-01"},                                            \
	{.option = OPTION_TO, .argument = "DAY", .kind = VALUE_DAY,                                \
	 .help = "the day behind the last; default: one day"}
#define WHY {.option = OPTION_REASON, .required = true, .kind = VALUE_TEXT, .argument = "TEXT",   \
	     .help = "why, for those who ask later"}

static const struct command vee_commands[] = {
    {
        .noun = "usage", .verb = "profile",
        .summary = "a meter's load profile: local days interval by interval",
        .text = "Days have 92, 96 or 100 quarter hours where clocks change. With the day's mean "
                "and highest power, when that was, and how complete the day is.",
        .examples = "headrace usage profile SM-00001 --from 2026-03-29\n",
        .subjects = {{"METER", VALUE_DEVICE}},
        .options = {DAY_OPTIONS},
        .formats = FORMATS_LIST,
        .run = show_profile,
    },
    {
        .noun = "usage", .verb = "edit",
        .summary = "put values in the place of a meter's, with a reason",
        .text = "They lie over what was read or estimated until they are withdrawn; nothing that "
                "was read is changed. --value is the energy of the whole period, in the shape "
                "that its values have now; --values one for each interval. The period must lie "
                "on the meter's intervals.",
        .examples = "headrace usage edit SM-00001 --from 2026-03-01T10:00:00Z --to "
                    "2026-03-01T11:00:00Z --value 1.25 --reason 'display was read'\n",
        .subjects = {{"METER", VALUE_DEVICE}},
        .options = {MUST(FROM), MUST(TO), TAKES(VALUE), TAKES(VALUES), WHY},
        .formats = FORMATS_ANSWER,
        .run = add_edit,
    },
    {
        .noun = "usage", .verb = "edits",
        .summary = "all edits of a meter, withdrawn ones too",
        .subjects = {{"METER", VALUE_DEVICE}},
        .formats = FORMATS_LIST,
        .run = list_edits,
    },
    {
        .noun = "usage", .verb = "withdraw",
        .summary = "let what was under an edit count again",
        .text = "The edit is kept and shown as withdrawn, by whom and why.",
        .subjects = {{"METER", VALUE_DEVICE}, {"EDIT", VALUE_NUMBER}},
        .options = {WHY},
        .formats = FORMATS_ANSWER,
        .run = withdraw_edit,
    },
    {
        .noun = "vee", .verb = "check",
        .summary = "what the rules of validation find in a meter's days",
        .text = "Each finding with the rule, its version and the numbers it judged by. The rules "
                "are files in vee_dir (headrace.yaml(5)).",
        .examples = "headrace vee check SM-00001 --from 2026-03-01 --to 2026-04-01\n",
        .subjects = {{"METER", VALUE_DEVICE}},
        .options = {DAY_OPTIONS},
        .formats = FORMATS_LIST,
        .run = check_meter,
    },
    {
        .noun = "vee", .verb = "rules",
        .summary = "all versions of the rules, their limits and what they look for",
        .formats = FORMATS_ANSWER,
        .run = list_rules,
    },
    {
        .noun = "vee", .verb = "run",
        .summary = "look at all meters of a day or month by the rules",
        .text = "On idle processors only: ingest goes first. What is found is kept until the "
                "period is looked at again. Interrupting this command does not end the scan.",
        .examples = "headrace vee run --day 2026-03-01\n",
        .exits = "1: it ended early\n",
        .options = {TAKES(DAY), TAKES(MONTH), TAKES(PREFIX)},
        .formats = FORMATS_ANSWER,
        .run = run_scan,
    },
    {
        .noun = "vee", .verb = "status",
        .summary = "the scan under way or the last one: findings and meters by rule",
        .formats = FORMATS_ANSWER,
        .watch = true,
        .run = scan_status,
    },
    {
        .noun = "vee", .verb = "list",
        .summary = "the work list: meters on which the scan of a period found something",
        .examples = "headrace vee list --day 2026-03-01 --rule spike\n",
        .options = {TAKES(DAY), TAKES(MONTH), TAKES(RULE), TAKES(LIMIT),
                    {.option = OPTION_AFTER, .argument = "METER", .kind = VALUE_DEVICE,
                     .help = "only meters behind this one"}},
        .formats = FORMATS_ANSWER,
        .run = list_found,
    },
    {
        .noun = "explain",
        .summary = "the whole story of an interval: where its value is from, what it counts in",
        .text = "The stored readings at its ends and how they came, what was refused at that "
                "time with its bytes, how an estimate was made in numbers, edits, rules that "
                "were met, and the hour, day, month and bill that it is part of. With the id of "
                "a service point that of the meter that was there.",
        .examples = "headrace explain SM-00001 2026-03-01T10:20:00Z\n",
        .subjects = {{"ID", VALUE_DEVICE}, {"TIME", VALUE_TIME}},
        .formats = FORMATS_ANSWER,
        .run = explain,
    },
};

const struct command_group vee_group = COMMAND_GROUP("Readings and usage", vee_commands);
