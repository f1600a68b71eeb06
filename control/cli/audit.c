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

struct waiting {
	const struct arguments *a;
	struct progress bar;
};

static bool on_wait(void *context)
{
	struct waiting *w = context;
	json_t *far = w->bar.enabled ? client_try(w->a, "/audit") : NULL;
	if (far)
		progress_show(&w->bar, (uint64_t)number_of(far, "done"),
		              (uint64_t)number_of(far, "total"));
	json_decref(far);
	return far != NULL;
}

static int run_audit(const struct arguments *a)
{
	struct answer answer;
	struct waiting w = {.a = a};
	progress_begin(&w.bar, "audit");
	w.bar.unit = "readings";
	client_on_wait(on_wait, &w);
	bool answered = client_post(a, "/audit", NULL, NULL, 0, &answer);
	client_on_wait(NULL, NULL);
	progress_end(&w.bar);
	if (!answered)
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
