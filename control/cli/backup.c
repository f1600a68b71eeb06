/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace backup: asks the daemon for one and shows how far it is. headrace restore: makes a new
 * folder of one, without the daemon.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/api/text.h"
#include "control/cli/command.h"
#include "storage/backup/backup.h"

#define LINE_BYTES 4096

/* --- backup --- */

struct asking {
	struct progress bar;
	char phase[64];
	char line[LINE_BYTES];
	size_t used;
	json_t *end; /* the last line */
};

static void on_line(struct asking *q)
{
	json_t *line = json_loadb(q->line, q->used, 0, NULL);
	const char *phase = text_of(line, "phase");
	if (json_object_get(line, "ok")) {
		json_decref(q->end);
		q->end = json_incref(line);
	} else if (*phase) {
		if (strcmp(phase, q->phase) != 0)
			snprintf(q->phase, sizeof q->phase, "%s", phase);
		q->bar.what = q->phase;
		progress_show(&q->bar, (uint64_t)number_of(line, "done"),
		              (uint64_t)number_of(line, "total"));
	}
	json_decref(line);
}

static bool on_chunk(void *context, const char *data, size_t bytes)
{
	struct asking *q = context;
	for (size_t i = 0; i < bytes; i++) {
		if (data[i] == '\n') {
			on_line(q);
			q->used = 0;
		} else if (q->used < sizeof q->line) {
			q->line[q->used++] = data[i];
		}
	}
	return true;
}

/* The daemon has another working folder than we have. */
static bool absolute(const char *dir, char out[PATH_MAX])
{
	char here[PATH_MAX];
	if (dir[0] == '/')
		return snprintf(out, PATH_MAX, "%s", dir) < PATH_MAX;
	return getcwd(here, sizeof here) && snprintf(out, PATH_MAX, "%s/%s", here, dir) < PATH_MAX;
}

static int print_backup(const struct arguments *a, const json_t *end, const char *dir)
{
	bool good = json_is_true(json_object_get(end, "ok"));
	if (a->options[OPTION_JSON] && end) {
		json_dumpf(end, stdout, JSON_COMPACT);
		puts("");
	} else if (good) {
		printf("%s: %s files, %s bytes\n", dir, grouped(number_of(end, "files")),
		       grouped(number_of(end, "bytes")));
		printf("Holds everything acknowledged up to journal block %" JSON_INTEGER_FORMAT
		       " (%s).\n",
		       number_of(end, "journal_block"), text_of(end, "journal_time"));
		printf("Restore it to any block from %" JSON_INTEGER_FORMAT
		       " on: headrace restore %s --to NEW\n",
		       number_of(end, "store_block"), dir);
	}
	if (!good)
		fprintf(stderr, "headrace: no backup: %s\n",
		        end ? text_of(end, "detail") : "the daemon broke off");
	return good ? EXIT_GOOD : EXIT_FAILED;
}

static int run_backup(const struct arguments *a)
{
	char dir[PATH_MAX], *path = NULL;
	struct asking q = {.end = NULL};
	struct answer answer;
	int code = EXIT_FAILED;
	if (!absolute(a->words[0], dir)) {
		fprintf(stderr, "headrace: %s: %s\n", a->words[0], strerror(ENAMETOOLONG));
		return EXIT_FAILED;
	}
	char *escaped = client_escape(dir);
	if (!escaped || asprintf(&path, "/backup?dir=%s", escaped) < 0)
		path = NULL;
	progress_begin(&q.bar, "backup");
	bool good = path && client_stream(a, true, path, on_chunk, &q, &answer);
	progress_end(&q.bar);
	if (good && answer.status != 200)
		code = answer_check(&answer);
	else if (good)
		code = print_backup(a, q.end, dir);
	if (good)
		answer_free(&answer);
	json_decref(q.end);
	free(path);
	free(escaped);
	return code;
}

/* --- restore --- */

static bool on_restored(void *context, const struct backup_progress *progress)
{
	struct progress *bar = context;
	bar->what = progress->phase;
	progress_show(bar, progress->done, progress->total);
	return true;
}

static int take_until(const char *until, struct backup_target *target)
{
	char *end;
	*target = (struct backup_target){.until = UNTIL_END};
	if (!until)
		return EXIT_GOOD;
	errno = 0;
	target->block = strtoull(until, &end, 10);
	if (end != until && *end == '\0' && errno == 0 && *until != '-') {
		target->until = UNTIL_BLOCK;
		return EXIT_GOOD;
	}
	target->until = UNTIL_TIME;
	if (time_parse(until, &target->time_ms))
		return EXIT_GOOD;
	fprintf(stderr,
	        "headrace: --until is '%s'; expected a time as 2026-01-31T08:15:00Z or the number "
	        "of a journal block\n",
	        until);
	return EXIT_USAGE;
}

static void print_restored(const struct arguments *a, const struct backup_report *r)
{
	char time[TIME_TEXT_BYTES];
	const char *to = a->options[OPTION_TO];
	time_format(r->journal_ms, time);
	if (a->options[OPTION_JSON]) {
		printf("{\"ok\":true,\"files\":%" PRIu64 ",\"bytes\":%" PRIu64
		       ",\"journal_block\":%" PRIu64 ",\"journal_time\":\"%s\"}\n",
		       r->files, r->bytes, r->journal_block, time);
		return;
	}
	printf("%s: everything acknowledged up to journal block %" PRIu64 " (%s)\n", to,
	       r->journal_block, time);
	printf("Start headraced with these in its configuration (its files are in %s/config):\n"
	       "  journal:\n    dir: %s/journal\n  store:\n    dir: %s/store\n"
	       "then prove it: headrace audit\n",
	       to, to, to);
}

static int run_restore(const struct arguments *a)
{
	struct backup_target target;
	struct backup_report report;
	struct progress bar;
	struct error err;
	int code = take_until(a->options[OPTION_UNTIL], &target);
	if (code != EXIT_GOOD)
		return code;
	progress_begin(&bar, "restore");
	enum result r = backup_restore(a->words[0], a->options[OPTION_TO], &target, on_restored,
	                               &bar, &report, &err);
	progress_end(&bar);
	if (r == RESULT_OK) {
		print_restored(a, &report);
		return EXIT_GOOD;
	}
	fprintf(stderr, "headrace: not restored: %s\n", err.text);
	return r == RESULT_INPUT ? EXIT_USAGE : r == RESULT_MEDIA ? EXIT_DAMAGED : EXIT_FAILED;
}

static const struct command backup_commands[] = {
    {
        .noun = "backup",
        .summary = "a copy of everything that is stored, while the daemon goes on",
        .text = "The daemon writes it, so DIR is a folder on its machine that it may write to; "
                "absent or empty. Holds the readings, the registry, the journal behind them up to "
                "the moment it ends, and the configuration's files; each with its checksum. Ctrl-C "
                "breaks it off; half a backup is removed.",
        .examples = "headrace backup /backup/headrace-2026-01-31\n",
        .subjects = {{"DIR", VALUE_FOLDER}},
        .formats = FORMATS_ANSWER,
        .run = run_backup,
    },
    {
        .noun = "restore",
        .summary = "a backup's content in a new folder, to start headraced on",
        .text = "Works without the daemon. Checks every checksum first. With --until the journal "
                "ends with the last block that was written at that time or before it, or with the "
                "block of that number; both must lie between the backup's beginning and its end.",
        .exits = "3: a file is not what its checksum says\n",
        .examples = "headrace restore /backup/headrace-2026-01-31 --to /var/lib/headrace-new\n",
        .subjects = {{"DIR", VALUE_FOLDER}},
        .options = {{.option = OPTION_TO, .required = true, .kind = VALUE_FOLDER,
                     .argument = "DIR", .help = "the new folder, absent or empty"},
                    TAKES(UNTIL)},
        .formats = FORMATS_ANSWER,
        .run = run_restore,
    },
};

const struct command_group backup_group = COMMAND_GROUP("Copies", backup_commands);
