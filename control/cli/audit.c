/* SPDX-License-Identifier: Apache-2.0 */
/* headrace audit: the proof from the store that no reading disappeared. */
#include <stdio.h>
#include <stdlib.h>

#include "control/cli/command.h"

static void print_audit(const json_t *answer, bool balanced)
{
	json_t *check;
	size_t i;
	json_array_foreach(json_object_get(answer, "checks"), i, check)
	{
		bool ok = json_is_true(json_object_get(check, "ok"));
		printf("%s%-6s%s  %s\n        %s\n", ok ? colour_green() : colour_red(),
		       ok ? "ok" : "NOT OK", colour_end(), text_of(check, "check"),
		       text_of(check, "detail"));
	}
	printf("\nReadings by fate since the store was created:\n");
	const char *name;
	json_t *count;
	json_object_foreach(json_object_get(answer, "totals"), name, count)
		if (json_integer_value(count) != 0)
			printf("  %-20s %15s\n", name, grouped(json_integer_value(count)));
	printf("\n%s%s%s (%" JSON_INTEGER_FORMAT " ms)\n",
	       balanced ? colour_green() : colour_red(),
	       balanced ? "The accounts balance" : "The accounts do NOT balance", colour_end(),
	       number_of(answer, "duration_ms"));
	if (!balanced)
		printf("Keep the journal's and the store's folders as they are and look at "
		       "headraced's log.\n");
}

static int run_audit(const struct arguments *a)
{
	struct answer answer;
	if (!client_post(a, "/audit", NULL, NULL, 0, &answer))
		return EXIT_UNREACHABLE;
	int code = answer_check(&answer);
	json_t *json = code == EXIT_GOOD ? answer_json(&answer) : NULL;
	bool balanced = json_is_true(json_object_get(json, "balanced"));
	if (json && a->options[OPTION_JSON])
		fwrite(answer.text, 1, answer.bytes, stdout);
	else if (json)
		print_audit(json, balanced);
	if (code == EXIT_GOOD && !balanced)
		code = EXIT_FAILED;
	json_decref(json);
	answer_free(&answer);
	return code;
}

static const struct command audit_commands[] = {
    {
        .noun = "audit",
        .summary = "prove from the store that no reading disappeared",
        .text = "Every row and every error entry is counted and compared with the totals that the "
                "journal carries; no identity may be there twice; and what was received must equal "
                "stored + duplicate + conflict + rejected + not yet acknowledged. Runs beside "
                "ingest.",
        .exits = "1: something does not balance\n",
        .formats = FORMATS_ANSWER,
        .run = run_audit,
    },
};

const struct command_group audit_group = COMMAND_GROUP("The daemon", audit_commands);
