/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Imports and exports of the registry. A long file is sent in parts, each of whole lines (of CSV
 * with its first line before it): the daemon takes each as a whole, and one can see how far it is.
 */
#include "control/cli/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/cli/command.h"
#include "control/cli/view.h"

#define PART_BYTES (2u << 20)

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
		fprintf(stderr, "headrace: %s is %s; expected a CSV or JSON file\n", file,
			S_ISREG(st.st_mode) ? "empty" : "not an ordinary file");
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

/* --- parts --- */

struct import {
	const struct arguments *a;
	const char *file, *path, *type;
	const char *text;
	size_t bytes;
	size_t head_bytes; /* of CSV's first line */
	uint64_t line;     /* lines before the part */
	json_int_t lines, added, changed, unchanged, failed, told;
	json_t *errors; /* with --json */
	bool complete;
	char detail[512];
};

/* Behind the next row that ends at or after `at`: a line end within quotes ends none. */
static size_t row_end(const struct import *im, size_t from, size_t at)
{
	bool quoted = false;
	for (size_t i = from; i < im->bytes; i++) {
		quoted ^= im->text[i] == '"';
		if (im->text[i] == '\n' && i >= at &&
		    (!quoted || i - at > PART_BYTES || strcmp(im->type, "text/csv") != 0))
			return i + 1;
	}
	return im->bytes;
}

static size_t count_lines(const char *text, size_t bytes)
{
	size_t lines = 0;
	for (const char *at = text; (at = memchr(at, '\n', (size_t)(text + bytes - at))); at++)
		lines++;
	return lines;
}

/* Complaints with the file's line numbers. */
static void take_errors(struct import *im, const json_t *report, uint64_t lines_before)
{
	json_t *complaint;
	size_t i;
	json_array_foreach(json_object_get(report, "errors"), i, complaint)
	{
		json_int_t line = number_of(complaint, "line") + (json_int_t)lines_before;
		im->told++;
		if (im->errors)
			json_array_append_new(im->errors,
					      json_pack("{s:I, s:s}", "line", line, "cause",
							text_of(complaint, "cause")));
		else
			fprintf(stderr, "%s:%" JSON_INTEGER_FORMAT ": %s\n", im->file, line,
				text_of(complaint, "cause"));
	}
}

static void take_report(struct import *im, const json_t *report, uint64_t lines_before)
{
	im->lines += number_of(report, "lines");
	im->added += number_of(report, "added");
	im->changed += number_of(report, "changed");
	im->unchanged += number_of(report, "unchanged");
	im->failed += number_of(report, "failed");
	im->complete = json_is_true(json_object_get(report, "complete"));
	snprintf(im->detail, sizeof im->detail, "%s", text_of(report, "detail"));
	take_errors(im, report, lines_before);
}

static int send_part(struct import *im, const char *body, size_t bytes, uint64_t lines_before)
{
	struct answer answer;
	if (!client_post(im->a, im->path, im->type, body, bytes, &answer))
		return EXIT_UNREACHABLE;
	json_t *report = answer.status == 200 || answer.status == 500 ? answer_json(&answer) : NULL;
	int code = EXIT_GOOD;
	if (json_object_get(report, "lines"))
		take_report(im, report, lines_before);
	else
		code = answer_check(&answer);
	json_decref(report);
	answer_free(&answer);
	return code == EXIT_GOOD && !im->complete ? EXIT_FAILED : code;
}

/* The part from..to, behind CSV's first line where it is not at the beginning. */
static int send_rows(struct import *im, size_t from, size_t to)
{
	if (from == 0 || im->head_bytes == 0)
		return send_part(im, im->text + from, to - from, im->line);
	size_t bytes = im->head_bytes + (to - from);
	char *body = malloc(bytes);
	if (!body) {
		fprintf(stderr, "headrace: no memory\n");
		return EXIT_FAILED;
	}
	memcpy(body, im->text, im->head_bytes);
	memcpy(body + im->head_bytes, im->text + from, to - from);
	uint64_t head_lines = count_lines(im->text, im->head_bytes);
	int code = send_part(im, body, bytes, im->line - head_lines);
	free(body);
	return code;
}

static int send_all(struct import *im)
{
	struct progress progress;
	int code = EXIT_GOOD;
	bool whole = strcmp(im->type, "application/json") == 0;
	if (strcmp(im->type, "text/csv") == 0)
		im->head_bytes = row_end(im, 0, 0);
	progress_begin(&progress, "import");
	for (size_t from = 0; from < im->bytes && code == EXIT_GOOD;) {
		size_t to = whole || im->bytes - from <= PART_BYTES
				? im->bytes
				: row_end(im, from, from + PART_BYTES);
		code = send_rows(im, from, to);
		im->line += count_lines(im->text + from, to - from);
		from = to;
		progress_show(&progress, from, im->bytes);
	}
	progress_end(&progress);
	return code;
}

/* --- the report --- */

static void print_sum(const struct import *im)
{
	if (im->failed > im->told)
		fprintf(stderr, "%s: %s more bad lines are not shown\n", im->file,
			grouped(im->failed - im->told));
	printf("%s lines: %s added, %s changed, %s unchanged, %s failed\n", grouped(im->lines),
	       grouped(im->added), grouped(im->changed), grouped(im->unchanged),
	       grouped(im->failed));
	if (!im->complete)
		fprintf(stderr,
			"headrace: the import broke off: %s\nTry it again: what was taken "
			"stays and is not taken twice.\n",
			im->detail);
	else if (im->failed > 0)
		fprintf(stderr, "headrace: correct these lines and import the file again: the "
				"others won't change\n");
}

static void print_json(struct import *im)
{
	json_t *report =
	    json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:O}", "lines", im->lines, "added", im->added,
		      "changed", im->changed, "unchanged", im->unchanged, "failed", im->failed,
		      "complete", im->complete, "errors", im->errors);
	json_dumpf(report, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(report);
}

int import_file(const struct arguments *a, const char *path)
{
	struct import im = {.a = a, .file = a->words[0], .path = path, .complete = true};
	char *text = map_file(im.file, &im.bytes);
	if (!text)
		return EXIT_FAILED;
	im.text = text;
	im.type = type_of(im.file);
	im.errors = a->options[OPTION_JSON] ? json_array() : NULL;
	int code = send_all(&im);
	munmap(text, im.bytes);
	bool any = im.lines > 0 || code == EXIT_GOOD;
	if (any && im.errors)
		print_json(&im);
	else if (any)
		print_sum(&im);
	json_decref(im.errors);
	return code == EXIT_GOOD && im.failed > 0 ? EXIT_FAILED : code;
}

/* --- export --- */

struct exporting {
	FILE *out;
	struct progress progress;
	uint64_t bytes;
};

static bool on_chunk(void *context, const char *data, size_t bytes)
{
	struct exporting *e = context;
	e->bytes += bytes;
	progress_show(&e->progress, e->bytes, 0);
	return fwrite(data, 1, bytes, e->out) == bytes;
}

static int stream_to(const struct arguments *a, const char *path, const char *file)
{
	struct exporting e = {.out = file ? fopen(file, "wx") : stdout};
	struct answer answer;
	int code = EXIT_FAILED;
	if (!e.out) {
		fprintf(stderr, "headrace: %s: %s\n", file, strerror(errno));
		return EXIT_FAILED;
	}
	progress_begin(&e.progress, "export");
	bool answered = client_stream(a, false, path, on_chunk, &e, &answer);
	progress_end(&e.progress);
	bool written = fflush(e.out) == 0 && !ferror(e.out);
	if (file && fclose(e.out) != 0)
		written = false;
	if (answered)
		code = answer_check(&answer);
	else if (written)
		code = EXIT_UNREACHABLE;
	answer_free(&answer);
	if (!written) {
		fprintf(stderr, "headrace: %s can't be written\n", file ? file : "standard output");
		code = EXIT_FAILED;
	}
	if (file && code != EXIT_GOOD)
		unlink(file);
	return code;
}

int export_file(const struct arguments *a, const char *path, const enum option *query, size_t count)
{
	char *tail = client_query(a, query, count), *whole = NULL;
	int code = EXIT_FAILED;
	if (!tail || asprintf(&whole, "%s%s", path, tail) < 0)
		fprintf(stderr, "headrace: no memory\n");
	else
		code = stream_to(a, whole, a->options[OPTION_OUTPUT]);
	free(tail);
	free(whole);
	return code;
}

/* --- changes --- */

int post_object(const struct arguments *a, const char *folder, const char *tail, json_t *body,
		json_t **out)
{
	struct answer answer;
	char *id = a->words[0] ? client_escape(a->words[0]) : strdup(""), *path = NULL;
	char *text = json_dumps(body, JSON_COMPACT);
	int code = EXIT_FAILED;
	*out = NULL;
	json_decref(body);
	if (!text || !id || asprintf(&path, "%s%s%s", folder, id, tail) < 0) {
		fprintf(stderr, "headrace: no memory\n");
	} else if (!client_post(a, path, "application/json", text, strlen(text), &answer)) {
		code = EXIT_UNREACHABLE;
	} else {
		code = answer_check(&answer);
		*out = code == EXIT_GOOD ? answer_json(&answer) : NULL;
		if (*out && a->options[OPTION_JSON])
			fwrite(answer.text, 1, answer.bytes, stdout);
		answer_free(&answer);
	}
	free(text);
	free(id);
	free(path);
	return code;
}

/* --- history --- */

/* "state: active -> suspended" of each field. */
static char *changes_text(const json_t *changes)
{
	const char *key;
	json_t *pair;
	char *text = strdup("");
	json_object_foreach((json_t *)changes, key, pair)
	{
		char *old = value_text(json_array_get(pair, 0));
		char *now = value_text(json_array_get(pair, 1)), *longer = NULL;
		bool is_new = json_is_null(json_array_get(pair, 0));
		if (asprintf(&longer, "%s%s%s: %s%s%s", text ? text : "", text && *text ? "; " : "",
			     key, is_new || !old ? "" : old, is_new ? "" : " -> ",
			     now ? now : "") < 0)
			longer = NULL;
		free(old);
		free(now);
		free(text);
		text = longer;
	}
	return text;
}

int history_show(const struct arguments *a, const char *folder)
{
	static const struct column columns[] = {{"at", "AT (UTC)", COLUMN_TEXT},
						{"who", "WHO", COLUMN_TEXT},
						{"action", "ACTION", COLUMN_TEXT},
						{"text", "CHANGES", COLUMN_TEXT}};
	struct view view = VIEW("history", columns);
	char *id = client_escape(a->words[0]), *tail = NULL;
	json_t *answer, *entry;
	size_t i;
	if (id && asprintf(&tail, "%s/history", id) < 0)
		tail = NULL;
	free(id);
	int code = client_json(a, folder, tail, &answer);
	json_array_foreach(json_object_get(answer, "history"), i, entry)
	{
		char *text = changes_text(json_object_get(entry, "changes"));
		json_object_set_new(entry, "text", json_string(text ? text : ""));
		free(text);
	}
	if (answer)
		view_print(a, &view, answer);
	json_decref(answer);
	return code;
}
