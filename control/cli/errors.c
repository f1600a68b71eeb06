/* SPDX-License-Identifier: Apache-2.0 */
/* headrace errors: readings that were not stored, and why. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/command.h"
#include "control/cli/error_actions.h"
#include "control/cli/view.h"

static int list_errors(const struct arguments *a)
{
	static const enum option query[] = {OPTION_REASON, OPTION_STATE, OPTION_FROM,
	                                    OPTION_LIMIT};
	static const struct column columns[] = {
	    {"number", "NUMBER", COLUMN_PLAIN},    {"received", "RECEIVED", COLUMN_TEXT},
	    {"reason", "REASON", COLUMN_TEXT},     {"state", "STATE", COLUMN_TEXT},
	    {"device", "DEVICE", COLUMN_TEXT},
	    {"client", "CLIENT", COLUMN_TEXT},     {"protocol", "PROTOCOL", COLUMN_TEXT},
	    {"topic", "TOPIC", COLUMN_TEXT},       {"raw_bytes", "BYTES", COLUMN_PLAIN},
	};
	static const struct view view = VIEW("errors", columns);
	return view_get(a, "/errors", client_query(a, query, 4), &view);
}

static void print_hex(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i += 16) {
		printf("  %06zx ", i);
		for (size_t k = i; k < i + 16; k++)
			if (k < count)
				printf(" %02x", bytes[k]);
			else
				printf("   ");
		printf("  ");
		for (size_t k = i; k < i + 16 && k < count; k++)
			putchar(bytes[k] >= 0x20 && bytes[k] < 0x7f ? bytes[k] : '.');
		putchar('\n');
	}
}

static int show_error(const struct arguments *a)
{
	json_t *e;
	int code = client_json(a, "/errors/", client_escape(a->words[0]), &e);
	if (!e)
		return code;
	object_print(e, "raw");
	const char *raw = json_string_value(json_object_get(e, "raw"));
	const char *base64 = text_of(e, "raw_base64");
	printf("\n%sas received%s (%" JSON_INTEGER_FORMAT " bytes)\n", colour_bold(), colour_end(),
	       number_of(e, "raw_bytes"));
	uint8_t *bytes = malloc(strlen(base64) + 1);
	if (raw)
		printf("%s\n", raw);
	else if (bytes)
		print_hex(bytes, decode_base64(base64, bytes));
	free(bytes);
	json_decref(e);
	return EXIT_GOOD;
}

static const struct command errors_commands[] = {
    {
        .noun = "errors", .verb = "list",
        .summary = "readings that were not stored, and why",
        .text = "Conflicts and rejections, the oldest first. Long lists come in parts: go on with "
                "--from and the number that the last line tells.",
        .examples = "headrace errors list --reason clock_drift --limit 20\n",
        .options = {TAKES(REASON),
                    {.option = OPTION_STATE, .choices = "open|replayed|corrected|discarded"},
                    {.option = OPTION_FROM, .argument = "NUMBER", .kind = VALUE_NUMBER,
                     .help = "where to begin: the number of an entry"},
                    TAKES(LIMIT)},
        .formats = FORMATS_LIST,
        .watch = true,
        .run = list_errors,
    },
    {
        .noun = "errors", .verb = "show",
        .summary = "one of those readings, with the bytes that came",
        .subjects = {{"NUMBER", VALUE_NUMBER}},
        .formats = FORMATS_ANSWER,
        .run = show_error,
    },
    {
        .noun = "errors", .verb = "replay",
        .summary = "send refused readings once more, as after their device was registered",
        .text = "The bytes go through the same rules as a message that comes in; what is stored "
                "counts once, however often it is sent. An entry whose cause is still there stays "
                "open, and is told. Without NUMBERS all open entries with --reason, or received "
                "--from and --to.",
        .examples = "headrace errors replay --reason unknown_device\n"
                    "headrace errors replay 17825792,17825793 --accept-late\n",
        .exits = "1: some stay open\n",
        .subjects = {{"NUMBERS", VALUE_TEXT, NULL, true}},
        .options = {TAKES(REASON), TAKES(FROM), TAKES(TO), TAKES(ACCEPT_LATE), TAKES(WHY)},
        .formats = FORMATS_ANSWER,
        .run = replay_errors,
    },
    {
        .noun = "errors", .verb = "correct",
        .summary = "send a corrected copy of a refused reading",
        .text = "What is not set stays as it came. The copy is stored with the flag corrected; "
                "the entry and its bytes stay, and tell who corrected what. When the copy is "
                "refused, the refusal is a new entry.",
        .examples = "headrace errors correct 17825792 --set time=2026-01-31T08:15:00Z\n"
                    "headrace errors correct 17825793 --device SM-00001 --why \"wrong label\"\n",
        .exits = "1: it could not be corrected: why is told\n",
        .subjects = {{"NUMBER", VALUE_NUMBER}},
        .options = {TAKES(SET), TAKES(PAYLOAD),
                    {.option = OPTION_DEVICE, .argument = "ID", .kind = VALUE_DEVICE,
                     .help = "the device that it is of"},
                    TAKES(ACCEPT_LATE), TAKES(WHY)},
        .formats = FORMATS_ANSWER,
        .run = correct_error,
    },
    {
        .noun = "errors", .verb = "discard",
        .summary = "give refused readings up, with the reason",
        .text = "The entries and their bytes stay, with who discarded them, when and why; the "
                "accounts go on counting them.",
        .examples = "headrace errors discard --reason conflict --why \"test bench\"\n",
        .subjects = {{"NUMBERS", VALUE_TEXT, NULL, true}},
        .options = {TAKES(REASON), TAKES(FROM), TAKES(TO), MUST(WHY)},
        .formats = FORMATS_ANSWER,
        .run = discard_errors,
    },
};

const struct command_group errors_group = COMMAND_GROUP("Error queue", errors_commands);
