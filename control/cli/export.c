/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace export: the daemon's stream of readings, as a CSV file or as a file for each column.
 * Bounded memory; a progress bar by meters where the daemon tells how many it has.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "control/cli/command.h"

#define FILES_MAX   1024u
#define ROW_BYTES   1024u
#define SCHEMA_MAX  (4u << 20)
#define FILE_SCHEMA 0xffffffffu
#define FILE_END    0xfffffffeu

struct exporting {
	struct progress bar;
	uint64_t meters, meters_done;
	/* CSV */
	FILE *out;
	char row[ROW_BYTES]; /* the beginning of the line under way */
	size_t used;
	char last[2 * ROW_BYTES]; /* "METER,TIME,METER_TIME" of the newest whole line */
	char meter[ROW_BYTES];
	uint64_t lines;
	/* columns */
	const char *dir;
	FILE *files[FILES_MAX];
	unsigned file_count;
	uint8_t head[8];
	unsigned head_used;
	uint32_t frame_left, file;
	char *schema;
	size_t schema_bytes;
	uint8_t end[8];
	unsigned end_used;
	bool failed; /* said why */
};

static bool complain(struct exporting *x, const char *what)
{
	if (!x->failed)
		fprintf(stderr, "headrace: %s: %s\n", what, strerror(errno));
	x->failed = true;
	return false;
}

/* --- CSV --- */

/* The line's first three fields. A meter's id in quotes has none of the others' commas. */
static void line_ended(struct exporting *x)
{
	char *at = x->row;
	x->row[x->used] = '\0';
	bool quoted = *at == '"';
	at = quoted ? strstr(at, "\",") : strchr(at, ',');
	if (!at || x->lines++ == 0)
		return;
	at += quoted;
	*at = '\0';
	char *time = at + 1, *meter_time = strchr(time, ',');
	char *end = meter_time ? strchr(meter_time + 1, ',') : NULL;
	if (!end)
		return;
	*end = '\0';
	const char *meter = x->row + quoted;
	snprintf(x->last, sizeof x->last, "%s,%s", meter, time);
	if (strcmp(meter, x->meter) != 0) {
		snprintf(x->meter, sizeof x->meter, "%s", meter);
		x->meters_done++;
	}
}

static bool on_csv(void *context, const char *data, size_t bytes)
{
	struct exporting *x = context;
	if (fwrite(data, 1, bytes, x->out) != bytes)
		return complain(x, "write");
	for (size_t i = 0; i < bytes; i++) {
		if (data[i] == '\n') {
			line_ended(x);
			x->used = 0;
		} else if (x->used < sizeof x->row - 1) {
			x->row[x->used++] = data[i];
		}
	}
	progress_show(&x->bar, x->meters_done, x->meters);
	return true;
}

static int end_csv(const struct arguments *a, struct exporting *x, int code)
{
	const char *output = a->options[OPTION_OUTPUT];
	if (output && fclose(x->out) != 0)
		code = complain(x, output) ? code : EXIT_FAILED;
	if (code != EXIT_GOOD && x->last[0])
		fprintf(stderr,
		        "The last whole row is of %s\n"
		        "Go on behind it (without header) with: --after '%s'\n",
		        x->meter, x->last);
	return code;
}

/* --- columns --- */

/* A name that the daemon sent leads nowhere else. */
static bool is_plain(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') && strlen(name) < 200;
}

static FILE *column_file(struct exporting *x, const char *name)
{
	char path[4096];
	snprintf(path, sizeof path, "%.3800s/%s", x->dir, name);
	FILE *f = fopen(path, "wbx");
	if (!f)
		complain(x, path);
	return f;
}

static bool open_columns(struct exporting *x)
{
	json_t *schema = json_loadb(x->schema, x->schema_bytes, 0, NULL), *entry;
	size_t i;
	json_array_foreach(json_object_get(schema, "files"), i, entry)
	{
		const char *name = text_of(entry, "file");
		if (x->file_count == FILES_MAX || !is_plain(name)) {
			errno = EPROTO;
			complain(x, "the daemon's schema");
			break;
		}
		x->files[x->file_count] = column_file(x, name);
		if (!x->files[x->file_count])
			break;
		x->file_count++;
	}
	json_decref(schema);
	if (!x->failed && x->file_count == 0) {
		errno = EPROTO;
		complain(x, "the daemon's schema");
	}
	return !x->failed;
}

static bool take_schema(struct exporting *x, const char *data, size_t bytes)
{
	char *longer = x->schema_bytes + bytes <= SCHEMA_MAX
	                   ? realloc(x->schema, x->schema_bytes + bytes)
	                   : NULL;
	if (!longer)
		return complain(x, "the daemon's schema");
	memcpy(longer + x->schema_bytes, data, bytes);
	x->schema = longer;
	x->schema_bytes += bytes;
	return x->frame_left > bytes || open_columns(x);
}

static bool take_data(struct exporting *x, const char *data, size_t bytes)
{
	if (x->file == FILE_SCHEMA)
		return take_schema(x, data, bytes);
	for (size_t i = 0; x->file == FILE_END && i < bytes && x->end_used < 8; i++)
		x->end[x->end_used++] = (uint8_t)data[i];
	if (x->file == FILE_END)
		return true;
	if (x->file >= x->file_count) {
		errno = EPROTO;
		return complain(x, "the daemon's stream");
	}
	x->meters_done += x->file == 1;
	return fwrite(data, 1, bytes, x->files[x->file]) == bytes || complain(x, "write");
}

static bool on_columns(void *context, const char *data, size_t bytes)
{
	struct exporting *x = context;
	while (bytes > 0) {
		if (x->frame_left == 0) {
			x->head[x->head_used++] = (uint8_t)*data++;
			bytes--;
			if (x->head_used == sizeof x->head) {
				x->head_used = 0;
				x->file = get_le32(x->head);
				x->frame_left = get_le32(x->head + 4);
			}
			continue;
		}
		size_t n = bytes < x->frame_left ? bytes : x->frame_left;
		if (!take_data(x, data, n))
			return false;
		x->frame_left -= (uint32_t)n;
		data += n;
		bytes -= n;
	}
	progress_show(&x->bar, x->meters_done, x->meters);
	return true;
}

/* The schema comes last: a folder without it is not complete. */
static int write_schema(struct exporting *x)
{
	json_t *schema = json_loadb(x->schema, x->schema_bytes, 0, NULL);
	FILE *f = schema ? column_file(x, "schema.json") : NULL;
	bool good = f != NULL;
	uint64_t rows = get_le64(x->end);
	json_object_set_new(schema, "rows", json_integer((json_int_t)rows));
	if (f) {
		good = json_dumpf(schema, f, JSON_INDENT(1)) == 0;
		good = fclose(f) == 0 && good;
	}
	json_decref(schema);
	if (good)
		fprintf(stderr, "%s readings of %s meters in %s\n", grouped((json_int_t)rows),
		        grouped((json_int_t)x->meters_done), x->dir);
	else
		complain(x, "schema.json");
	return good ? EXIT_GOOD : EXIT_FAILED;
}

static int end_columns(struct exporting *x, int code)
{
	for (unsigned i = 0; i < x->file_count; i++)
		if (fclose(x->files[i]) != 0)
			complain(x, "write");
	if (code == EXIT_GOOD && !x->failed && x->end_used < sizeof x->end) {
		fprintf(stderr, "headrace: the daemon broke off\n");
		x->failed = true;
	}
	if (x->failed)
		code = EXIT_FAILED;
	else if (code == EXIT_GOOD)
		code = write_schema(x);
	if (code != EXIT_GOOD)
		fprintf(stderr, "%s is not complete: it has no schema.json\n", x->dir);
	free(x->schema);
	return code;
}

/* --- both --- */

static uint64_t count_meters(const struct arguments *a)
{
	struct answer answer;
	uint64_t count = 0;
	const char *list = a->options[OPTION_METERS];
	if (list) {
		for (count = 1; *list; list++)
			count += *list == ',';
		return count;
	}
	if (a->options[OPTION_PREFIX] || a->options[OPTION_AFTER] ||
	    !client_get(a, "/status", &answer))
		return 0;
	json_t *status = answer_json(&answer);
	count = (uint64_t)number_of(status, "devices");
	json_decref(status);
	answer_free(&answer);
	return count;
}

static bool begin(const struct arguments *a, struct exporting *x, bool columns)
{
	const char *output = a->options[OPTION_OUTPUT];
	x->out = stdout;
	x->dir = output;
	if (columns && mkdir(output, 0777) != 0 && errno != EEXIST)
		return complain(x, output);
	if (!columns && output) {
		x->out = fopen(output, a->options[OPTION_AFTER] ? "ab" : "wbx");
		if (!x->out)
			return complain(x, output);
	}
	if (a->options[OPTION_AFTER])
		x->lines = 1; /* no header */
	x->bar.enabled = false;
	x->meters = count_meters(a);
	progress_begin(&x->bar, "export");
	x->bar.unit = "meters";
	return true;
}

static int run_export(const struct arguments *a)
{
	static const enum option query[] = {OPTION_FORMAT, OPTION_FROM,   OPTION_TO,
	                                    OPTION_METERS, OPTION_PREFIX, OPTION_AFTER};
	static struct exporting x;
	const char *format = a->options[OPTION_FORMAT] ? a->options[OPTION_FORMAT] : "csv";
	bool columns = strcmp(format, "columns") == 0;
	struct answer answer;
	char *path = NULL;
	int code = EXIT_FAILED;
	if (columns && !a->options[OPTION_OUTPUT]) {
		fprintf(stderr, "headrace: --output is missing: the folder for the columns\n");
		return EXIT_USAGE;
	}
	char *tail = client_query(a, query, sizeof query / sizeof query[0]);
	if (!tail || asprintf(&path, "/export%s", tail) < 0)
		path = NULL;
	free(tail);
	if (!path || !begin(a, &x, columns)) {
		free(path);
		return EXIT_FAILED;
	}
	bool good = client_stream(a, false, path, columns ? on_columns : on_csv, &x, &answer);
	progress_end(&x.bar);
	if (good) {
		code = answer.status == 200 ? EXIT_GOOD : answer_check(&answer);
		answer_free(&answer);
	}
	free(path);
	return columns ? end_columns(&x, code) : end_csv(a, &x, code);
}

static const struct command export_commands[] = {
    {
        .noun = "export",
        .summary = "stored readings of all meters, or some, for other programs",
        .text = "A stream of any length: meter by meter in the order of the registry, each by "
                "time. csv goes to standard output or a new file, with a column for each "
                "channel of the catalogue; columns goes to a folder, a binary file for each "
                "column and schema.json (written last), ready for Parquet. Values are exact. "
                "When a CSV export breaks off, it tells which --after goes on behind its last "
                "row.",
        .examples = "headrace export --from 2026-01-01 --to 2026-02-01 --output january.csv\n",
        .options = {TAKES(FROM), TAKES(TO), TAKES(METERS), TAKES(PREFIX), TAKES(AFTER),
                    {.option = OPTION_OUTPUT,
                     .help = "the file, or for columns the folder, to write"}},
        .formats = "csv|columns",
        .run = run_export,
    },
};

const struct command_group export_group = COMMAND_GROUP("Copies", export_commands);
