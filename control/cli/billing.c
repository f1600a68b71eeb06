/* SPDX-License-Identifier: Apache-2.0 */
/* headrace bills show|trace|export|list, billing run|review|status: what use costs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/cli/command.h"
#include "control/cli/view.h"

#define POLL_US 200000

/* `many` tariffs: each line says by which. */
static void print_line(struct table *t, const json_t *line, bool many)
{
	char what[128], days[32];
	if (json_object_get(line, "charge")) {
		snprintf(what, sizeof what, "%s", text_of(line, "charge"));
		snprintf(days, sizeof days, "%" JSON_INTEGER_FORMAT " days",
		         number_of(line, "days"));
		table_add(t, what);
		table_add(t, days);
		table_add(t, "");
		table_add(t, "");
	} else {
		snprintf(what, sizeof what, "%s%stier %" JSON_INTEGER_FORMAT ", %s",
		         many ? text_of(line, "tariff") : "", many ? ", " : "",
		         number_of(line, "tier"), text_of(line, "period"));
		table_add(t, what);
		table_add(t, text_of(line, "kwh"));
		table_add(t, text_of(line, "price"));
		table_add(t, text_of(line, "multiplier"));
	}
	table_add(t, text_of(line, "amount"));
}

/* Whose bill it is. */
static void print_head(const json_t *bill, const char *asked)
{
	const char *point = text_of(bill, "service_point");
	if (!*point) {
		printf("%s", text_of(bill, "meter"));
		return;
	}
	if (strcmp(asked, point) != 0)
		printf("meter %s is billed with service point %s:\n", asked, point);
	printf("%s, ", point);
	if (!*text_of(bill, "customer"))
		printf("no customer");
	else
		printf("customer %s%s%s", text_of(bill, "customer"),
		       *text_of(bill, "customer_name") ? " " : "", text_of(bill, "customer_name"));
	if (number_of(bill, "of") > 1)
		printf(" (bill %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
		       " of the month: --number N)", number_of(bill, "number"),
		       number_of(bill, "of"));
}

static void print_shown(const json_t *shown)
{
	if (json_is_object(shown))
		printf("%s at %s", text_of(shown, "kwh"), text_of(shown, "time"));
	else
		printf("not read");
}

/* Of a point: a meter that stays is not worth a line of its own without its values. */
static void print_registers(const json_t *bill)
{
	json_t *r;
	size_t i;
	if (!*text_of(bill, "service_point"))
		return;
	json_array_foreach(json_object_get(bill, "registers"), i, r)
	{
		printf("%s: ", text_of(r, "meter"));
		print_shown(json_object_get(r, "begin"));
		printf(" to ");
		print_shown(json_object_get(r, "end"));
		printf(", times %s: %s kWh\n", text_of(r, "ratio"), text_of(r, "kwh"));
	}
	printf("\n");
}

static int print_bill(const json_t *bill, const char *asked)
{
	static const char *const names[] = {"WHAT", "kWh", "PRICE", "TIMES", "AMOUNT"};
	bool many = strchr(text_of(bill, "tariff"), ',') != NULL;
	json_t *line;
	size_t i;
	print_head(bill, asked);
	if (strcmp(text_of(bill, "state"), "not_billed") == 0) {
		printf(", %s: not billed: %s\n", text_of(bill, "month"), text_of(bill, "cause"));
		return EXIT_FAILED;
	}
	printf(", %s to %s (%s), tariff %s, %s %% actual\n\n", text_of(bill, "from"),
	       text_of(bill, "to"), text_of(bill, "timezone"), text_of(bill, "tariff"),
	       text_of(bill, "completeness"));
	print_registers(bill);
	struct table *t = table_new(names, 5);
	json_array_foreach(json_object_get(bill, "lines"), i, line)
		print_line(t, line, many);
	for (unsigned column = 1; column < 5; column++)
		table_right(t, column);
	table_print(t);
	table_free(t);
	printf("\n%s kWh: %s, %s%s %s%s\n", text_of(bill, "kwh"), text_of(bill, "exact"),
	       colour_bold(), text_of(bill, "total"), text_of(bill, "currency"), colour_end());
	json_array_foreach(json_object_get(bill, "adjustments"), i, line)
		printf("adjustment %" JSON_INTEGER_FORMAT ": %s kWh instead of %s, %s instead of "
		       "%s: %s\n", number_of(line, "number"), text_of(line, "kwh"),
		       text_of(line, "kwh_was"), text_of(line, "total"),
		       text_of(line, "total_was"), text_of(line, "difference"));
	return EXIT_GOOD;
}

static bool on_text(void *context, const char *data, size_t bytes)
{
	return fwrite(data, 1, bytes, context) == bytes;
}

/* The API's text as it comes. */
static int copy_text(const struct arguments *a, const char *folder, char *tail)
{
	const char *output = a->options[OPTION_OUTPUT];
	char *path = NULL;
	struct answer answer = {0};
	if (!tail || asprintf(&path, "%s%s", folder, tail) < 0)
		path = NULL;
	free(tail);
	FILE *out = !output ? stdout : fopen(output, "wbx");
	if (!path || !out) {
		fprintf(stderr, "headrace: %s: %s\n", output ? output : "bill", strerror(errno));
		free(path);
		return EXIT_FAILED;
	}
	int code = EXIT_UNREACHABLE;
	if (client_stream(a, false, path, on_text, out, &answer)) {
		code = answer_check(&answer);
		answer_free(&answer);
	}
	if (output && fclose(out) != 0) {
		fprintf(stderr, "headrace: %s: %s\n", output, strerror(errno));
		code = EXIT_FAILED;
	}
	free(path);
	return code;
}

static int trace_bill(const struct arguments *a)
{
	static const enum option query[] = {OPTION_MONTH, OPTION_TARIFF, OPTION_NUMBER};
	static const struct column columns[] = {
	    {"line", "LINE", COLUMN_PLAIN},         {"what", "WHAT", COLUMN_TEXT},
	    {"meter", "METER", COLUMN_TEXT},        {"end_meter", "END METER", COLUMN_TEXT},
	    {"start", "INTERVAL", COLUMN_TEXT},     {"kwh", "kWh", COLUMN_PLAIN},
	    {"source", "SOURCE", COLUMN_TEXT},      {"begin_kwh", "REGISTER", COLUMN_PLAIN},
	    {"begin_read", "READ", COLUMN_TEXT},    {"begin_received", "RECEIVED", COLUMN_TEXT},
	    {"begin_by", "BY", COLUMN_TEXT},        {"end_kwh", "REGISTER", COLUMN_PLAIN},
	    {"end_read", "READ", COLUMN_TEXT},      {"end_received", "RECEIVED", COLUMN_TEXT},
	    {"end_by", "BY", COLUMN_TEXT},
	};
	struct view view = VIEW("pieces", columns);
	char *subject = client_subject(a, query, 0), *tail = NULL, *parameters;
	parameters = client_query(a, query, 3);
	if (!subject || !parameters || asprintf(&tail, "%s/trace%s", subject, parameters) < 0)
		tail = NULL;
	free(subject);
	free(parameters);
	return view_get(a, "/bills/", tail, &view);
}

static int export_bills(const struct arguments *a)
{
	static const enum option query[] = {OPTION_MONTH, OPTION_PREFIX, OPTION_FORMAT};
	return copy_text(a, "/bills/export", client_query(a, query, 3));
}

static int show_bill(const struct arguments *a)
{
	static const enum option query[] = {OPTION_MONTH, OPTION_TARIFF, OPTION_NUMBER,
	                                    OPTION_FORMAT};
	const char *format = a->options[OPTION_FORMAT];
	json_t *bill;
	if (a->options[OPTION_TRACE])
		return trace_bill(a);
	if (format && (strcmp(format, "csv") == 0 || strcmp(format, "html") == 0))
		return copy_text(a, "/bills/", client_subject(a, query, 4));
	int code = client_json(a, "/bills/", client_subject(a, query, 3), &bill);
	if (!bill)
		return code;
	code = print_bill(bill, a->words[0]);
	json_decref(bill);
	return code;
}

/* --- the bills of a month --- */

static void bills_footer(const json_t *page)
{
	view_count(number_of(page, "count"));
	if (json_is_true(json_object_get(page, "more")))
		printf("There are more: choose with --prefix, or a larger --limit\n");
}

static int list_bills(const struct arguments *a)
{
	static const enum option query[] = {OPTION_MONTH, OPTION_PREFIX, OPTION_LIMIT};
	static const struct column columns[] = {
	    {"service_point", "POINT", COLUMN_TEXT}, {"meter", "METER", COLUMN_TEXT},
	    {"customer", "CUSTOMER", COLUMN_TEXT},   {"state", "STATE", COLUMN_TEXT},
	    {"tariff", "TARIFF", COLUMN_TEXT}, {"kwh", "kWh", COLUMN_PLAIN},
	    {"total", "TOTAL", COLUMN_PLAIN},  {"cause", "CAUSE", COLUMN_TEXT},
	};
	struct view view = VIEW("bills", columns);
	view.footer = bills_footer;
	return view_get(a, "/bills", client_query(a, query, 3), &view);
}

/* --- runs and reviews --- */

static int print_billing(const json_t *s)
{
	static const char *const keys[] = {"closed", "kept", "not_billed", "adjusted"};
	const char *failure = text_of(s, "failure");
	if (strcmp(text_of(s, "work"), "none") == 0) {
		printf("no run since the daemon's start\n");
		return EXIT_GOOD;
	}
	printf("%s of %s%s%s: %s, %s of %s meters\n", text_of(s, "work"), text_of(s, "month"),
	       *text_of(s, "tariff") ? " by " : "", text_of(s, "tariff"),
	       json_is_true(json_object_get(s, "running")) ? "under way" : "ended",
	       grouped(number_of(s, "done")), grouped(number_of(s, "total")));
	for (unsigned i = 0; i < 4; i++)
		printf("  %-10s  %12s\n", keys[i], grouped(number_of(s, keys[i])));
	if (number_of(s, "done") > 0)
		printf("  took %.1f s, %.2f ms of CPU time a meter\n",
		       (double)number_of(s, "elapsed_ms") / 1e3,
		       (double)number_of(s, "cpu_ms") / (double)number_of(s, "done"));
	if (*failure)
		printf("ended early: %s\n", failure);
	return *failure ? EXIT_FAILED : EXIT_GOOD;
}

static int get_billing(const struct arguments *a, json_t **status)
{
	struct answer answer;
	if (!client_get(a, "/billing", &answer))
		return EXIT_UNREACHABLE;
	int code = answer_check(&answer);
	*status = code == EXIT_GOOD ? answer_json(&answer) : NULL;
	answer_free(&answer);
	return *status ? EXIT_GOOD : code == EXIT_GOOD ? EXIT_FAILED : code;
}

static int show_billing(const struct arguments *a)
{
	json_t *status = NULL;
	int code = get_billing(a, &status);
	if (code != EXIT_GOOD)
		return code;
	if (a->format == FORM_JSON) {
		json_dumpf(status, stdout, JSON_COMPACT);
		printf("\n");
	} else {
		code = print_billing(status);
	}
	json_decref(status);
	return code;
}

/* Until the daemon is done; who breaks off does not end the run. */
static int wait_for_end(const struct arguments *a, const char *what)
{
	struct progress p;
	json_t *status = NULL;
	int code;
	progress_begin(&p, what);
	p.unit = "meters";
	while ((code = get_billing(a, &status)) == EXIT_GOOD &&
	       json_is_true(json_object_get(status, "running"))) {
		progress_show(&p, (uint64_t)number_of(status, "done"),
		              (uint64_t)number_of(status, "total"));
		json_decref(status);
		usleep(POLL_US);
	}
	progress_end(&p);
	if (code != EXIT_GOOD)
		return code;
	code = print_billing(status);
	json_decref(status);
	return code;
}

static int begin(const struct arguments *a, const char *what)
{
	static const enum option query[] = {OPTION_MONTH, OPTION_TARIFF, OPTION_PREFIX};
	char *path = NULL, *tail = client_query(a, query, 3);
	struct answer answer;
	if (!tail || asprintf(&path, "/billing/%s%s", what, tail) < 0)
		path = NULL;
	free(tail);
	int code = path ? EXIT_UNREACHABLE : EXIT_FAILED;
	if (path && client_post(a, path, NULL, NULL, 0, &answer)) {
		code = answer_check(&answer);
		answer_free(&answer);
	}
	free(path);
	return code == EXIT_GOOD ? wait_for_end(a, what) : code;
}

static int run_billing(const struct arguments *a)
{
	return begin(a, "run");
}

static int review_billing(const struct arguments *a)
{
	return begin(a, "review");
}

static const struct command billing_commands[] = {
    {
        .noun = "bills", .verb = "list",
        .summary = "the bills of a month: of service points, then of meters at none",
        .text = "Who was not billed is there, too, with the cause.",
        .options = {MUST(MONTH), TAKES(PREFIX), TAKES(LIMIT)},
        .formats = FORMATS_LIST,
        .watch = true,
        .run = list_bills,
    },
    {
        .noun = "bills", .verb = "show", .alias = "bill",
        .summary = "the bill of a month; with --tariff, what it would be now",
        .text = "Without --tariff the closed bill and its adjustments, line by line, exact until "
                "the total is rounded. A meter with too few actual values (vee_dir) is not "
                "billed. Of a service point there is a bill for each customer of the month: "
                "--number 2 shows the second. The id of a meter shows the bill of the point that "
                "it was at. With --tariff all of it is drawn by that one, whatever the point's.",
        .exits = "1: the meter is not billed: why is told\n",
        .examples = "headrace bills show SM-00001 --month 2026-03 --tariff sample-a\n",
        .subjects = {{"ID", VALUE_DEVICE}},
        .options = {MUST(MONTH), TAKES(NUMBER), TAKES(TARIFF), TAKES(TRACE), TAKES(OUTPUT)},
        .formats = "table|json|csv|html",
        .run = show_bill,
    },
    {
        .noun = "bills", .verb = "trace",
        .summary = "the intervals and readings that each line of a bill was made of",
        .text = "Each piece of energy of a line: the interval it is of, how the interval's value "
                "came about, and the two readings of the register around it, when they were "
                "received and by which way. Of a service point also which meter it came from: "
                "where meters were swapped, the one at the interval's end is another.",
        .examples = "headrace bills trace SM-00001 --month 2026-03 --format csv\n",
        .subjects = {{"ID", VALUE_DEVICE}},
        .options = {MUST(MONTH), TAKES(NUMBER), TAKES(TARIFF)},
        .formats = FORMATS_LIST,
        .run = trace_bill,
    },
    {
        .noun = "bills", .verb = "export",
        .summary = "all bills of a month as a file, with their adjustments",
        .text = "A row for each bill, those that were not billed too: of service points by id, "
                "then of meters at none. Any number: they are written as they come.",
        .examples = "headrace bills export --month 2026-03 --format csv --output bills.csv\n",
        .options = {MUST(MONTH), TAKES(PREFIX), TAKES(OUTPUT)},
        .formats = "csv|ndjson",
        .run = export_bills,
    },
    {
        .noun = "billing", .verb = "run",
        .summary = "close the bills of a month",
        .text = "Each service point that had a meter is billed by its own tariff, once for each "
                "customer of the month; a meter that was at no point, and a point that names no "
                "tariff, by --tariff. What is closed already stays: run twice, it changes nothing; "
                "interrupted, it goes on. Ctrl-C ends the waiting, not the run.",
        .examples = "headrace billing run --month 2026-03\n"
                    "headrace billing run --month 2026-03 --tariff sample-a\n",
        .options = {MUST(MONTH), TAKES(TARIFF), TAKES(PREFIX)},
        .run = run_billing,
    },
    {
        .noun = "billing", .verb = "review",
        .summary = "adjust closed bills whose values have changed since",
        .text = "Late readings never change a closed bill, nor do corrected dates of customers "
                "and tariffs: the difference becomes an adjustment, once.",
        .options = {MUST(MONTH), TAKES(PREFIX)},
        .run = review_billing,
    },
    {
        .noun = "billing", .verb = "status",
        .summary = "how far the run or review is, or how the last one ended",
        .formats = FORMATS_ANSWER,
        .watch = true,
        .run = show_billing,
    },
};

const struct command_group billing_group = COMMAND_GROUP("Billing", billing_commands);
