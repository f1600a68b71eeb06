/* SPDX-License-Identifier: Apache-2.0 */
/* headrace devices: the registry's list, one device, approval, import. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/command.h"
#include "control/cli/import.h"
#include "control/cli/view.h"

/* --- list, show --- */

static void list_footer(const json_t *answer)
{
	json_int_t shown = number_of(answer, "count"), offset = number_of(answer, "offset");
	if (shown == 0)
		printf("None, of %s in the registry.\n", grouped(number_of(answer, "total")));
	else
		printf("\n%s shown, %s in the registry\n", grouped(shown),
		       grouped(number_of(answer, "total")));
	if (json_is_true(json_object_get(answer, "more")))
		printf("Go on with: --offset %" JSON_INTEGER_FORMAT "\n", offset + shown);
}

static int list_devices(const struct arguments *a)
{
	static const enum option query[] = {OPTION_PREFIX, OPTION_STATE, OPTION_OFFSET,
					    OPTION_LIMIT,  OPTION_GROUP, OPTION_SEARCH};
	static const struct column columns[] = {
	    {"id", "ID", COLUMN_TEXT},           {"state", "STATE", COLUMN_TEXT},
	    {"number", "NUMBER", COLUMN_PLAIN},  {"gateway", "GATEWAY", COLUMN_TEXT},
	    {"profile", "PROFILE", COLUMN_TEXT}, {"model", "MODEL", COLUMN_TEXT},
	    {"serial", "SERIAL", COLUMN_TEXT},   {"manufacturer", NULL, COLUMN_TEXT},
	    {"firmware", NULL, COLUMN_TEXT},     {"capacity_w", NULL, COLUMN_TEXT},
	    {"dials", NULL, COLUMN_TEXT},        {"service_point", NULL, COLUMN_TEXT},
	};
	struct view view = VIEW("devices", columns);
	view.footer = list_footer;
	return view_get(a, "/devices", client_query(a, query, 6), &view);
}

static int show_device(const struct arguments *a)
{
	return view_get_object(a, "/devices/", client_escape(a->words[0]));
}

/* --- approve, reject --- */

/* POST with the device's id behind `folder`. */
static int decide(const struct arguments *a, const char *folder)
{
	struct answer answer;
	char *path = NULL, *id = client_escape(a->words[0]);
	bool made = id && asprintf(&path, "%s%s", folder, id) >= 0;
	free(id);
	if (!made) {
		fprintf(stderr, "headrace: no memory\n");
		return EXIT_FAILED;
	}
	bool answered = client_post(a, path, NULL, NULL, 0, &answer);
	free(path);
	if (!answered)
		return EXIT_UNREACHABLE;
	int code = answer_check(&answer);
	json_t *device = code == EXIT_GOOD ? answer_json(&answer) : NULL;
	if (device && a->options[OPTION_JSON])
		fwrite(answer.text, 1, answer.bytes, stdout);
	else if (device)
		printf("%s is %s\n", text_of(device, "id"), text_of(device, "state"));
	else if (code == EXIT_GOOD)
		code = EXIT_FAILED;
	json_decref(device);
	answer_free(&answer);
	return code;
}

static int approve_device(const struct arguments *a)
{
	return decide(a, "/devices/approve/");
}

static int reject_device(const struct arguments *a)
{
	return decide(a, "/devices/reject/");
}

/* --- files --- */

static int import_devices(const struct arguments *a)
{
	return import_file(a, "/devices/import");
}

static int export_devices(const struct arguments *a)
{
	struct arguments lines = *a;
	lines.options[OPTION_FORMAT] = a->format == FORM_JSON ? "jsonl" : NULL;
	static const enum option query[] = {OPTION_PREFIX, OPTION_GROUP, OPTION_SEARCH,
					    OPTION_STATE, OPTION_FORMAT};
	return export_file(&lines, "/devices/export", query, 5);
}

/* --- changes --- */

/* "field=value", and the new state. NULL: what is wrong was said. */
static json_t *fields_to_set(const struct arguments *a)
{
	const char *word = a->words[0], *equals = word ? strchr(word, '=') : NULL;
	json_t *fields = json_object();
	char name[64];
	if (word && (!equals || equals == word || equals - word >= (int)sizeof name)) {
		fprintf(stderr, "headrace: '%s' is not FIELD=VALUE, as gateway=GW-7\n", word);
	} else if (!word && !a->options[OPTION_STATE]) {
		fprintf(stderr, "headrace: nothing to set; give --state or FIELD=VALUE\n");
	} else {
		if (word) {
			snprintf(name, sizeof name, "%.*s", (int)(equals - word), word);
			json_object_set_new(fields, name, json_string(equals + 1));
		}
		if (a->options[OPTION_STATE])
			json_object_set_new(fields, "state", json_string(a->options[OPTION_STATE]));
		return fields;
	}
	json_decref(fields);
	return NULL;
}

static int set_devices(const struct arguments *a)
{
	static const enum option query[] = {OPTION_PREFIX, OPTION_GROUP, OPTION_SEARCH, OPTION_ALL,
					    OPTION_DRY_RUN};
	struct arguments nobody = *a;
	json_t *report, *body = fields_to_set(a), *complaint;
	size_t i;
	if (!body)
		return EXIT_USAGE;
	nobody.words[0] = NULL;
	char *tail = client_query(a, query, 5);
	int code = post_object(&nobody, "/devices/set", tail ? tail : "", body, &report);
	free(tail);
	if (!report)
		return code;
	json_array_foreach(json_object_get(report, "errors"), i, complaint)
	    fprintf(stderr, "headrace: %s\n", text_of(complaint, "cause"));
	if (!a->options[OPTION_JSON])
		printf("%s selected: %s %s, %s unchanged, %s failed\n",
		       grouped(number_of(report, "lines")), grouped(number_of(report, "changed")),
		       a->options[OPTION_DRY_RUN] ? "would change" : "changed",
		       grouped(number_of(report, "unchanged")),
		       grouped(number_of(report, "failed")));
	code = number_of(report, "failed") > 0 ? EXIT_FAILED : EXIT_GOOD;
	json_decref(report);
	return code;
}

static int reset_device(const struct arguments *a)
{
	json_t *device,
	    *body = json_pack("{s:s, s:s*, s:s*}", "at", a->options[OPTION_AT], "initial",
			      a->options[OPTION_INITIAL], "final", a->options[OPTION_FINAL]);
	int code = post_object(a, "/devices/", "/reset", body, &device);
	if (device && !a->options[OPTION_JSON])
		printf("the register of %s counts anew from %s on\n", text_of(device, "id"),
		       text_of(device, "register_from"));
	json_decref(device);
	return code;
}

static int device_history(const struct arguments *a)
{
	return history_show(a, "/devices/");
}

static const struct command devices_commands[] = {
    {
	.noun = "devices",
	.verb = "import",
	.summary = "take devices from a CSV or JSON file into the registry",
	.text = "CSV (RFC 4180): the first line names the columns: id, state, gateway, profile, "
		"capacity_w, dials, serial, manufacturer, model, firmware, service_point, "
		"capabilities, communication, groups, latitude, longitude (or deviceId, "
		"serialNumber and the like).\n\n"
		"JSON (a name ending in .json, .jsonl or .ndjson): an array of objects with such "
		"keys, or one object per line.\n\n"
		"Good lines are taken, bad ones reported with line and cause on standard error. "
		"What a line doesn't mention stays as it is; the same file twice changes nothing. "
		"The state is pending, active (the default for new devices), suspended or "
		"retired.",
	.exits = "1: some lines were bad\n",
	.subjects = {{"FILE", VALUE_FILE}},
	.formats = FORMATS_ANSWER,
	.run = import_devices,
    },
    {
	.noun = "devices",
	.verb = "list",
	.summary = "devices in the registry, by id",
	.examples = "headrace devices list --state pending\n"
		    "headrace devices list --prefix SM- --format csv\n",
	.options = {TAKES(PREFIX), TAKES(STATE), TAKES(GROUP), TAKES(SEARCH), TAKES(OFFSET),
		    TAKES(LIMIT)},
	.formats = FORMATS_LIST,
	.watch = true,
	.run = list_devices,
    },
    {
	.noun = "devices",
	.verb = "show",
	.summary = "everything the registry has of a device",
	.subjects = {{"ID", VALUE_DEVICE}},
	.formats = FORMATS_LIST,
	.watch = true,
	.run = show_device,
    },
    {
	.noun = "devices",
	.verb = "approve",
	.summary = "make a device active that registered and waits for it",
	.text = "Who waits: headrace devices list --state pending. See registry.registration in "
		"headrace.yaml(5).",
	.subjects = {{"ID", VALUE_DEVICE}},
	.formats = FORMATS_ANSWER,
	.run = approve_device,
    },
    {
	.noun = "devices",
	.verb = "reject",
	.summary = "retire a device that registered and waits for approval",
	.text = "It is refused from then on.",
	.subjects = {{"ID", VALUE_DEVICE}},
	.formats = FORMATS_ANSWER,
	.run = reject_device,
    },
    {
	.noun = "devices",
	.verb = "export",
	.summary = "the registry's devices as a file that an import takes",
	.examples = "headrace devices export --group north --output north.csv\n",
	.options = {TAKES(PREFIX), TAKES(STATE), TAKES(GROUP), TAKES(SEARCH), TAKES(OUTPUT)},
	.formats = "csv|json",
	.run = export_devices,
    },
    {
	.noun = "devices",
	.verb = "set",
	.summary = "change a field of many devices at once",
	.text = "Which devices: --prefix, --group, --search, of which all must be so; or --all. "
		"What: --state, and one field of an import as FIELD=VALUE. With --dry-run it is "
		"only counted.",
	.examples = "headrace devices set --state suspended --group north\n"
		    "headrace devices set gateway=GW-7 --prefix SM-7\n",
	.subjects = {{"FIELD=VALUE", VALUE_TEXT, .optional = true}},
	.options = {{.option = OPTION_STATE, .help = "the new state"},
		    TAKES(PREFIX),
		    TAKES(GROUP),
		    TAKES(SEARCH),
		    TAKES(ALL),
		    TAKES(DRY_RUN)},
	.formats = FORMATS_ANSWER,
	.run = set_devices,
    },
    {
	.noun = "devices",
	.verb = "reset",
	.summary = "the register of a meter counts anew from a time on",
	.text = "Readings from then on are not held against older ones. Where the meter is at a "
		"service point, what it used before and since is put together by --final (what "
		"the register said before) and --initial.",
	.examples = "headrace devices reset SM-00001 --at 2026-03-14T10:07:00Z --initial 0\n",
	.subjects = {{"METER", VALUE_DEVICE}},
	.options = {MUST(AT), TAKES(INITIAL), TAKES(FINAL)},
	.formats = FORMATS_ANSWER,
	.run = reset_device,
    },
    {
	.noun = "devices",
	.verb = "history",
	.summary = "who changed what of a device, and when",
	.subjects = {{"ID", VALUE_DEVICE}},
	.formats = FORMATS_LIST,
	.run = device_history,
    },
};

const struct command_group devices_group = COMMAND_GROUP("Devices", devices_commands);
