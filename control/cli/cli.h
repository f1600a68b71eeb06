/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the headrace command share. Private to control/cli. */
#ifndef HEADRACE_CLI_CLI_H
#define HEADRACE_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes; their meaning for people is in help.c. */
enum {
	EXIT_GOOD = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_DAMAGED = 3,
	EXIT_UNREACHABLE = 4,
	EXIT_REFUSED = 5,
};

/* Each has an entry in options.c. */
enum option {
	OPTION_NONE,
	OPTION_FROM,
	OPTION_TO,
	OPTION_LIMIT,
	OPTION_OFFSET,
	OPTION_PREFIX,
	OPTION_STATE,
	OPTION_REASON,
	OPTION_SEGMENT,
	OPTION_BLOCKS,
	OPTION_DEVICE,
	OPTION_RECORDS,
	OPTION_UNTIL,
	OPTION_METERS,
	OPTION_AFTER,
	OPTION_OUTPUT,
	OPTION_TRACE,
	OPTION_BY,
	OPTION_MONTH,
	OPTION_TARIFF,
	OPTION_NUMBER,
	OPTION_LEVEL,
	OPTION_VALUE,
	OPTION_VALUES,
	OPTION_DAY,
	OPTION_RULE,
	OPTION_GROUP,
	OPTION_SEARCH,
	OPTION_CUSTOMER,
	OPTION_METER,
	OPTION_AT,
	OPTION_FINAL,
	OPTION_INITIAL,
	OPTION_RATIO,
	OPTION_DIALS,
	OPTION_ALL,
	OPTION_DRY_RUN,
	OPTION_EVERY,
	OPTION_ONCE,
	OPTION_PANEL,
	OPTION_SET,
	OPTION_PAYLOAD,
	OPTION_WHY,
	OPTION_ACCEPT_LATE,
	OPTION_KIND,
	OPTION_SEVERITY,
	OPTION_SUBJECT,
	OPTION_NOTE,
	OPTION_MAN,
	OPTION_ROLE,
	OPTION_EXPIRES,
	OPTION_SINCE,
	OPTION_WHO,
	OPTION_PATH,
	OPTION_OBJECT,
	/* of every command, or brought by what it is */
	OPTION_FORMAT,
	OPTION_JSON,
	OPTION_WATCH,
	OPTION_COUNT_OF,
	OPTION_SOCKET,
	OPTION_URL,
	OPTION_TOKEN,
	OPTION_TOKEN_FILE,
	OPTION_CACERT,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_COUNT
};

enum form { FORM_TABLE, FORM_JSON, FORM_CSV, FORM_OTHER };

#define WORDS_MAX 8

struct arguments {
	const char *words[WORDS_MAX]; /* the command's subjects; NULL behind the last */
	unsigned word_count;
	const char *options[OPTION_COUNT]; /* NULL: not given; flags: "" */
	enum form format;                /* of the answer; options[OPTION_JSON] is set with JSON */
};

/* "from" of "--from". */
const char *option_name(enum option option);

/* --- client.c: the API over its Unix socket, or over TCP --- */

struct answer {
	long status; /* HTTP */
	char *text;  /* terminated */
	size_t bytes;
};

/* GET. False: nobody answered, which was said on stderr. */
bool client_get(const struct arguments *a, const char *path, struct answer *answer);
/* GET of JSON where an answer is no more than a help: NULL without a word, soon. */
json_t *client_try(const struct arguments *a, const char *path);
/* `hook` is called about once a second while an answer is waited for; false: it has nothing to
 * show, "waiting for headraced" is said instead. It may ask by client_try. NULL: no more. */
void client_on_wait(bool (*hook)(void *context), void *context);
/* POST `bytes` of `body`; a NULL content_type: no body. */
bool client_post(const struct arguments *a, const char *path, const char *content_type,
                 const char *body, size_t bytes, struct answer *answer);
/* DELETE. */
bool client_delete(const struct arguments *a, const char *path, struct answer *answer);
/* GET or POST with an answer of any length: `chunk` gets a good one's bytes as they come (false:
 * break off), anything else becomes `answer`. False as above; *answer may be ended, too. */
typedef bool client_chunk_fn(void *context, const char *data, size_t bytes);
bool client_stream(const struct arguments *a, bool post, const char *path, client_chunk_fn *chunk,
                   void *context, struct answer *answer);
void answer_free(struct answer *answer);
/* 2xx: EXIT_GOOD; else the problem goes to stderr with its remedy, and its exit code returns. */
int answer_check(const struct answer *answer);
/* The answer as JSON, or NULL after a message. */
json_t *answer_json(const struct answer *answer);
/* `text` escaped for a URL; free() it. */
char *client_escape(const char *text);
/* "?a=b&c=d" of those options that were given, as parameters of the same name; free() it. */
char *client_query(const struct arguments *a, const enum option *options, size_t count);
/* The subject, escaped, and such a query: "SM-1?a=b&c=d"; free() it. */
char *client_subject(const struct arguments *a, const enum option *options, size_t count);
/* GET of `folder` + `tail`, which is freed (NULL: there was no memory for it). EXIT_GOOD: *answer
 * is to be freed; else what went wrong is on stderr. */
int client_fetch(const struct arguments *a, const char *folder, char *tail, struct answer *answer);
/* The same as JSON: printed as it is with --json, else parsed. *json is NULL when there is nothing
 * more to do but return the code. */
int client_json(const struct arguments *a, const char *folder, char *tail, json_t **json);

/* --- table.c --- */

struct table;
struct table *table_new(const char *const *names, unsigned columns);
/* Column `column` is for numbers: right-aligned. */
void table_right(struct table *t, unsigned column);
/* The next cell, row by row; copied. */
void table_add(struct table *t, const char *text);
/* Cut zeros at the end of decimals that no row of the column needs. */
void table_trim_decimals(struct table *t, unsigned column);
/* By a column: numbers as numbers, else as texts. */
void table_sort(struct table *t, unsigned column, bool descending);
void table_print(struct table *t);
/* The heading and the first so many rows. */
void table_print_rows(struct table *t, size_t rows);
void table_free(struct table *t);

/* Of the terminal that stdout is; 80 and 24 where it is none. */
unsigned terminal_width(void);
unsigned terminal_height(void);

/* Escape sequences, or "" when stdout is no terminal (or NO_COLOR is set). */
const char *colour_bold(void);
const char *colour_red(void);
const char *colour_green(void);
const char *colour_yellow(void);
const char *colour_reverse(void);
const char *colour_end(void);

/* 1234567 as "1,234,567"; good for eight calls. */
const char *grouped(json_int_t number);

/* --- progress.c --- */

/* A bar on stderr where that is a terminal, once it has taken a second. */
struct progress {
	const char *what, *unit; /* unit: of what is counted, as "meters"; NULL: bytes */
	uint64_t begun_us, shown_us;
	bool enabled;
};
void progress_begin(struct progress *p, const char *what);
/* So many bytes (or units) of `total` (0: not known) are done. Cheap: call it often. */
void progress_show(struct progress *p, uint64_t done, uint64_t total);
/* Wipes the bar away. */
void progress_end(struct progress *p);

/* --- screen.c --- */

/* Keeps what is printed on stdout until screen_show. False: no memory; it is printed at once. */
bool screen_keep(void);
/* Ends that; shows the text in place of what was on the screen, cut to its rows. */
void screen_show(void);
/* The other screen of the terminal, without cursor and echo; given back at any end. */
void screen_open(void);
void screen_close(void);
/* A key, or 0 after so many ms, or -1 when the window's size changed. */
int screen_key(int timeout_ms);

/* --- object.c --- */

/* A member of an object; "" or 0 when it is not there. */
const char *text_of(const json_t *object, const char *key);
json_int_t number_of(const json_t *object, const char *key);
double real_of(const json_t *object, const char *key);
/* '?' for what would steer a terminal: control characters of ASCII and of Unicode (C1). */
void tame(char *text);
/* A value as a line of text, without what would steer a terminal; to be freed. */
char *shown_text(const json_t *value);
/* What `text` is in base64, in `out` (which has its length); returns how many bytes. */
size_t decode_base64(const char *text, uint8_t *out);
/* "key  value" lines, in the order of the object, without keys that begin with `without`. */
void object_print(const json_t *object, const char *without);

#endif
