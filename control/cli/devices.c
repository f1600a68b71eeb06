/* SPDX-License-Identifier: Apache-2.0 */
/* headrace devices: the registry's list, one device, approval, import. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/cli/command.h"
#include "control/cli/view.h"

/* --- list, show --- */

static void list_footer(const json_t *answer)
{
	json_int_t shown = number_of(answer, "count"), offset = number_of(answer, "offset");
	printf("\n%s shown, %s in the registry\n", grouped(shown),
	       grouped(number_of(answer, "total")));
	if (json_is_true(json_object_get(answer, "more")))
		printf("Go on with: --offset %" JSON_INTEGER_FORMAT "\n", offset + shown);
}

static int list_devices(const struct arguments *a)
{
	static const enum option query[] = {OPTION_PREFIX, OPTION_STATE, OPTION_OFFSET,
	                                    OPTION_LIMIT};
	static const struct column columns[] = {
	    {"id", "ID", COLUMN_TEXT},           {"state", "STATE", COLUMN_TEXT},
	    {"number", "NUMBER", COLUMN_PLAIN},  {"gateway", "GATEWAY", COLUMN_TEXT},
	    {"profile", "PROFILE", COLUMN_TEXT}, {"model", "MODEL", COLUMN_TEXT},
	    {"serial", "SERIAL", COLUMN_TEXT},
	};
	struct view view = VIEW("devices", columns);
	view.footer = list_footer;
	return view_get(a, "/devices", client_query(a, query, 4), &view);
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

/* --- import --- */

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);
	return length >= tail && strcmp(text + length - tail, end) == 0;
}

static const char *type_of(const char *file)
{
	if (ends_with(file, ".jsonl") || ends_with(file, ".ndjson"))
		return "application/x-ndjson";
	return ends_with(file, ".json") ? "application/json" : "text/csv";
}

static char *map_file(const char *file, size_t *bytes)
{
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	void *text = NULL;
	if (fd < 0 || fstat(fd, &st) != 0) {
		fprintf(stderr, "headrace: %s: %s\n", file, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size == 0) {
		fprintf(stderr, "headrace: %s is %s; expected a CSV or JSON file of devices\n",
		        file, S_ISREG(st.st_mode) ? "empty" : "not an ordinary file");
	} else {
		*bytes = (size_t)st.st_size;
		text = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, fd, 0);
		if (text == MAP_FAILED) {
			fprintf(stderr, "headrace: %s: %s\n", file, strerror(errno));
			text = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	return text;
}

/* The complaints go to stderr, the sum to stdout. */
static int print_import(const char *file, const json_t *report)
{
	json_t *complaint;
	size_t i;
	json_int_t failed = number_of(report, "failed");
	json_array_foreach(json_object_get(report, "errors"), i, complaint)
		fprintf(stderr, "%s:%" JSON_INTEGER_FORMAT ": %s\n", file,
		        number_of(complaint, "line"), text_of(complaint, "cause"));
	if (failed > (json_int_t)i)
		fprintf(stderr, "%s: %s more bad lines are not shown\n", file,
		        grouped(failed - (json_int_t)i));
	printf("%s lines: %s added, %s changed, %s unchanged, %s failed\n",
	       grouped(number_of(report, "lines")), grouped(number_of(report, "added")),
	       grouped(number_of(report, "changed")), grouped(number_of(report, "unchanged")),
	       grouped(failed));
	if (!json_is_true(json_object_get(report, "complete"))) {
		fprintf(stderr, "headrace: the import broke off: %s\nTry it again: what was taken "
		                "stays and is not taken twice.\n", text_of(report, "detail"));
		return EXIT_FAILED;
	}
	if (failed > 0)
		fprintf(stderr, "headrace: correct these lines and import the file again: the "
		                "others won't change\n");
	return failed > 0 ? EXIT_FAILED : EXIT_GOOD;
}

static int import_devices(const struct arguments *a)
{
	struct answer answer;
	size_t bytes;
	const char *file = a->words[0];
	char *text = map_file(file, &bytes);
	if (!text)
		return EXIT_FAILED;
	bool answered = client_post(a, "/devices/import", type_of(file), text, bytes, &answer);
	munmap(text, bytes);
	if (!answered)
		return EXIT_UNREACHABLE;
	json_t *report = answer.status == 200 || answer.status == 500 ? answer_json(&answer) : NULL;
	int code = EXIT_FAILED;
	if (!json_object_get(report, "lines"))
		code = answer_check(&answer);
	else if (!a->options[OPTION_JSON])
		code = print_import(file, report);
	else {
		fwrite(answer.text, 1, answer.bytes, stdout);
		code = number_of(report, "failed") == 0 &&
		               json_is_true(json_object_get(report, "complete"))
		           ? EXIT_GOOD
		           : EXIT_FAILED;
	}
	json_decref(report);
	answer_free(&answer);
	return code;
}

static const struct command devices_commands[] = {
    {
        .noun = "devices", .verb = "import",
        .summary = "take devices from a CSV or JSON file into the registry",
        .text = "CSV (RFC 4180): the first line names the columns: id, state, gateway, profile, "
                "capacity_w, dials, serial, manufacturer, model, firmware, service_point, "
                "capabilities, communication (or deviceId, serialNumber and the like).\n\n"
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
        .noun = "devices", .verb = "list",
        .summary = "devices in the registry, by id",
        .examples = "headrace devices list --state pending\n"
                    "headrace devices list --prefix SM- --format csv\n",
        .options = {TAKES(PREFIX), TAKES(STATE), TAKES(OFFSET), TAKES(LIMIT)},
        .formats = FORMATS_LIST,
        .watch = true,
        .run = list_devices,
    },
    {
        .noun = "devices", .verb = "show",
        .summary = "everything the registry has of a device",
        .subjects = {{"ID", VALUE_DEVICE}},
        .formats = FORMATS_LIST,
        .watch = true,
        .run = show_device,
    },
    {
        .noun = "devices", .verb = "approve",
        .summary = "make a device active that registered and waits for it",
        .text = "Who waits: headrace devices list --state pending. See registry.registration in "
                "headrace.yaml(5).",
        .subjects = {{"ID", VALUE_DEVICE}},
        .formats = FORMATS_ANSWER,
        .run = approve_device,
    },
    {
        .noun = "devices", .verb = "reject",
        .summary = "retire a device that registered and waits for approval",
        .text = "It is refused from then on.",
        .subjects = {{"ID", VALUE_DEVICE}},
        .formats = FORMATS_ANSWER,
        .run = reject_device,
    },
};

const struct command_group devices_group = COMMAND_GROUP("Devices", devices_commands);
