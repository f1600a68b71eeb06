/* SPDX-License-Identifier: Apache-2.0 */
/* headrace errors: readings that were not stored, and why. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/command.h"
#include "control/cli/view.h"

static int list_errors(const struct arguments *a)
{
	static const enum option query[] = {OPTION_REASON, OPTION_FROM, OPTION_LIMIT};
	static const struct column columns[] = {
	    {"number", "NUMBER", COLUMN_PLAIN},    {"received", "RECEIVED", COLUMN_TEXT},
	    {"reason", "REASON", COLUMN_TEXT},     {"device", "DEVICE", COLUMN_TEXT},
	    {"client", "CLIENT", COLUMN_TEXT},     {"protocol", "PROTOCOL", COLUMN_TEXT},
	    {"topic", "TOPIC", COLUMN_TEXT},       {"raw_bytes", "BYTES", COLUMN_PLAIN},
	};
	static const struct view view = VIEW("errors", columns);
	return view_get(a, "/errors", client_query(a, query, 3), &view);
}

static size_t decode_base64(const char *text, uint8_t *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t group = 0;
	unsigned bits = 0;
	size_t used = 0;
	for (; *text && *text != '='; text++) {
		const char *digit = strchr(digits, *text);
		if (!digit)
			break;
		group = group << 6 | (uint32_t)(digit - digits);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[used++] = (uint8_t)(group >> bits);
		}
	}
	return used;
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
};

const struct command_group errors_group = COMMAND_GROUP("Error queue", errors_commands);
