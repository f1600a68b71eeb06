/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace readings: stored readings of a meter as a table, JSON or CSV. Without --limit all of
 * them, page by page as they come from the daemon, in bounded memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/command.h"

#define CHANNELS_SHOWN 16
#define PAGE_ROWS      10000
#define PAGE_ROWS_TEXT "10000"
#define TIME_TEXT_MAX  40
/* Before anything that is stored: with neither `from` nor `to` the daemon gives the newest. */
#define THE_BEGINNING "1000-01-01"

/* Channels of all readings, in order of appearance, with their units. */
static unsigned find_channels(json_t *readings, const char *channels[CHANNELS_SHOWN],
                              char titles[CHANNELS_SHOWN][80])
{
	unsigned count = 0;
	json_t *reading, *value;
	const char *name;
	size_t i;
	json_array_foreach(readings, i, reading)
	{
		json_object_foreach(json_object_get(reading, "values"), name, value)
		{
			unsigned k = 0;
			while (k < count && strcmp(channels[k], name) != 0)
				k++;
			if (k < count || count == CHANNELS_SHOWN)
				continue;
			const char *unit = text_of(value, "unit");
			bool plain = strcmp(unit, "1") == 0 || !*unit;
			snprintf(titles[count], sizeof titles[0], "%.40s%s%.30s", name,
			         plain ? "" : " ", plain ? "" : unit);
			channels[count++] = name;
		}
	}
	return count;
}

static void join_flags(const json_t *reading, char *out, size_t bytes)
{
	json_t *flag;
	size_t i;
	out[0] = '\0';
	json_array_foreach(json_object_get(reading, "flags"), i, flag)
	{
		size_t used = strlen(out);
		snprintf(out + used, bytes - used, "%s%s", i ? " " : "", json_string_value(flag));
	}
}

static void print_readings(json_t *readings)
{
	const char *channels[CHANNELS_SHOWN], *names[CHANNELS_SHOWN + 3] = {"TIME (UTC)"};
	char titles[CHANNELS_SHOWN][80], flags[256];
	unsigned count = find_channels(readings, channels, titles);
	json_t *reading;
	size_t i;
	for (unsigned k = 0; k < count; k++)
		names[1 + k] = titles[k];
	names[1 + count] = "PROTOCOL";
	names[2 + count] = "FLAGS";
	struct table *t = table_new(names, count + 3);
	json_array_foreach(readings, i, reading)
	{
		json_t *values = json_object_get(reading, "values");
		table_add(t, text_of(reading, "time"));
		for (unsigned k = 0; k < count; k++)
			table_add(t, text_of(json_object_get(values, channels[k]), "value"));
		table_add(t, text_of(reading, "protocol"));
		join_flags(reading, flags, sizeof flags);
		table_add(t, flags);
	}
	for (unsigned k = 0; k < count; k++) {
		table_right(t, 1 + k);
		table_trim_decimals(t, 1 + k);
	}
	table_print(t);
	table_free(t);
}

/* --- pages --- */

/* Where the next page begins: behind the row of this time and meter's time. */
struct cursor {
	char time[TIME_TEXT_MAX], meter_time[TIME_TEXT_MAX];
	bool begun;
};

/* GET of the readings that the options ask for, from the cursor on. */
static int get_page(const struct arguments *a, const struct cursor *at, const char *format,
                    struct answer *answer)
{
	static const enum option query[] = {OPTION_FROM, OPTION_TO, OPTION_AFTER, OPTION_LIMIT,
	                                    OPTION_FORMAT};
	struct arguments page = *a;

	page.options[OPTION_FORMAT] = format;
	if (!a->options[OPTION_LIMIT]) {
		page.options[OPTION_LIMIT] = PAGE_ROWS_TEXT;
		if (at->begun)
			page.options[OPTION_FROM] = at->time;
		else if (!a->options[OPTION_FROM])
			page.options[OPTION_FROM] = THE_BEGINNING;
	}
	if (at->begun)
		page.options[OPTION_AFTER] = at->meter_time;
	return client_fetch(a, "/readings/", client_subject(&page, query, 5), answer);
}

/* --- CSV --- */

/* Moves the cursor to the row at `line`: "time,meter_time,..." */
static void move_to_line(struct cursor *at, const char *line)
{
	at->begun = sscanf(line, "%39[^,],%39[^,]", at->time, at->meter_time) == 2;
}

/* One page without its header, unless it is the first. Returns the number of rows. */
static size_t print_csv_page(const struct answer *answer, size_t header, struct cursor *at)
{
	const char *last = NULL;
	size_t rows = 0;
	for (const char *line = answer->text + header; *line; rows++) {
		const char *end = strchr(line, '\n');
		last = line;
		line = end ? end + 1 : line + strlen(line);
	}
	size_t skipped = at->begun ? header : 0;
	fwrite(answer->text + skipped, 1, answer->bytes - skipped, stdout);
	if (last)
		move_to_line(at, last);
	return at->begun ? rows : 0;
}

static int print_csv(const struct arguments *a)
{
	struct cursor at = {.begun = false};
	char *first = NULL; /* the header */
	size_t rows = PAGE_ROWS;
	int code = EXIT_GOOD;

	while (rows >= PAGE_ROWS && code == EXIT_GOOD && !ferror(stdout)) {
		struct answer answer;
		code = get_page(a, &at, "csv", &answer);
		if (code != EXIT_GOOD)
			break;
		size_t header = strcspn(answer.text, "\n");
		header += answer.text[header] == '\n';
		if (!first)
			first = strndup(answer.text, header);
		if (first && strlen(first) == header && memcmp(first, answer.text, header) == 0) {
			rows = print_csv_page(&answer, header, &at);
		} else {
			fprintf(stderr, "headrace: the meter began to send another channel "
			                "meanwhile, the list is cut\nRun it again.\n");
			code = EXIT_FAILED;
		}
		answer_free(&answer);
		if (a->options[OPTION_LIMIT])
			break;
	}
	free(first);
	return code;
}

/* --- JSON and tables --- */

/* The next page, parsed; moves the cursor behind it. */
static int get_json_page(const struct arguments *a, struct cursor *at, json_t **page)
{
	struct answer answer;
	int code = get_page(a, at, NULL, &answer);
	*page = NULL;
	if (code != EXIT_GOOD)
		return code;
	*page = answer_json(&answer);
	answer_free(&answer);
	json_t *readings = json_object_get(*page, "readings");
	size_t count = json_array_size(readings);
	if (count > 0) {
		const json_t *last = json_array_get(readings, count - 1);
		snprintf(at->time, sizeof at->time, "%s", text_of(last, "time"));
		snprintf(at->meter_time, sizeof at->meter_time, "%s", text_of(last, "meter_time"));
		at->begun = true;
	}
	return *page ? EXIT_GOOD : EXIT_FAILED;
}

/* The API's own form, as one document. */
static void print_json_rows(const json_t *page, json_int_t before)
{
	json_t *reading;
	size_t i;
	if (before == 0) {
		printf("{\"meter\":");
		json_dumpf(json_object_get(page, "meter"), stdout, JSON_ENCODE_ANY);
		printf(",\"readings\":[");
	}
	json_array_foreach(json_object_get(page, "readings"), i, reading)
	{
		printf("%s\n", before + (json_int_t)i > 0 ? "," : "");
		json_dumpf(reading, stdout, JSON_COMPACT);
	}
}

static void print_end(bool json, json_int_t count, bool more)
{
	if (json) {
		printf("],\"count\":%" JSON_INTEGER_FORMAT ",\"more\":%s}\n", count,
		       more ? "true" : "false");
		return;
	}
	printf("%s%s reading%s\n", count ? "\n" : "", grouped(count), count == 1 ? "" : "s");
	if (more)
		printf("There are more: set --from and --to, or a larger --limit\n");
}

static int print_pages(const struct arguments *a, bool json)
{
	struct cursor at = {.begun = false};
	json_int_t count = 0;
	bool more = true;
	int code = EXIT_GOOD;

	while (more && code == EXIT_GOOD && !ferror(stdout)) {
		json_t *page;
		code = get_json_page(a, &at, &page);
		if (code != EXIT_GOOD)
			break;
		json_t *readings = json_object_get(page, "readings");
		if (json)
			print_json_rows(page, count);
		else if (json_array_size(readings) > 0)
			print_readings(readings);
		count += (json_int_t)json_array_size(readings);
		more = json_is_true(json_object_get(page, "more"));
		json_decref(page);
		if (a->options[OPTION_LIMIT])
			break;
	}
	if (code == EXIT_GOOD)
		print_end(json, count, more);
	return code;
}

static int list_readings(const struct arguments *a)
{
	return a->format == FORM_CSV ? print_csv(a) : print_pages(a, a->format == FORM_JSON);
}

static const struct command readings_commands[] = {
    {
        .noun = "readings", .verb = "list", .alias = "readings",
        .summary = "stored readings of a meter, oldest first",
        .text = "With --from <= time < --to all of them, however many, written as they come; with "
                "--limit the first N (up to 100,000), or the newest N where neither --from nor "
                "--to is given. A long table repeats its heading every 10,000 readings.\n\n"
                "CSV has a column for each channel that the meter ever sent. Values are exact "
                "decimals in the unit of the channel catalogue.",
        .examples = "headrace readings list SM-00001 --from 2026-01-31 --to 2026-02-01 "
                    "--format csv\n",
        .exits = "1: there is no such device\n",
        .subjects = {{"METER", VALUE_DEVICE}},
        .options = {TAKES(FROM), TAKES(TO), TAKES(LIMIT)},
        .formats = FORMATS_LIST,
        .watch = true,
        .run = list_readings,
    },
};

const struct command_group readings_group = COMMAND_GROUP("Readings and usage", readings_commands);
