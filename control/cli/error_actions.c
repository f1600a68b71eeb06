/* SPDX-License-Identifier: Apache-2.0 */
/* headrace errors replay, correct, discard: what is done with readings that were refused. */
#include "control/cli/error_actions.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/command.h"

#define PAYLOAD_MAX 60000
#define TOLD_MAX    20 /* entries that stay open */

/* --- in parts --- */

struct sums {
	json_int_t done, stored, duplicate, refused, kept, not_open;
	unsigned told;
};

static void tell_open(const json_t *entries, struct sums *s)
{
	json_t *e;
	size_t i;
	json_array_foreach((json_t *)entries, i, e)
	{
		bool done = strcmp(text_of(e, "outcome"), "done") == 0;
		json_int_t as = number_of(e, "refused_as");
		if ((done && number_of(e, "refused") == 0) || s->told++ >= TOLD_MAX)
			continue;
		fprintf(stderr, "%" JSON_INTEGER_FORMAT ": ", number_of(e, "number"));
		if (!done)
			fprintf(stderr, "%s\n", text_of(e, "why"));
		else if (as)
			fprintf(stderr, "refused again (%s) as %" JSON_INTEGER_FORMAT "\n",
			        text_of(e, "reason"), as);
		else
			fprintf(stderr, "refused again (%s)\n", text_of(e, "reason"));
	}
}

static void add(struct sums *s, const json_t *answer)
{
	s->done += number_of(answer, "done");
	s->stored += number_of(answer, "stored");
	s->duplicate += number_of(answer, "duplicate");
	s->refused += number_of(answer, "refused");
	s->kept += number_of(answer, "kept_open");
	s->not_open += number_of(answer, "not_open");
}

/* One part; *answer is to be freed. */
static int post_part(const struct arguments *a, const char *path, json_t **answer)
{
	struct answer got;
	*answer = NULL;
	if (!client_post(a, path, NULL, NULL, 0, &got))
		return EXIT_UNREACHABLE;
	int code = answer_check(&got);
	if (code == EXIT_GOOD && !(*answer = answer_json(&got)))
		code = EXIT_FAILED;
	if (*answer && a->format == FORM_JSON)
		fwrite(got.text, 1, got.bytes, stdout);
	answer_free(&got);
	return code;
}

static char *first_path(const struct arguments *a, const char *folder)
{
	static const enum option query[] = {OPTION_REASON, OPTION_FROM, OPTION_TO, OPTION_WHY};
	char *path = NULL, *tail = client_query(a, query, 4);
	char *numbers = a->words[0] ? client_escape(a->words[0]) : strdup("");
	if (!tail || !numbers ||
	    asprintf(&path, "%s%s%saccept_late=%s%s%s", folder, tail, *tail ? "&" : "?",
	             a->options[OPTION_ACCEPT_LATE] ? "yes" : "no", *numbers ? "&numbers=" : "",
	             numbers) < 0)
		path = NULL;
	free(tail);
	free(numbers);
	return path;
}

/* Part after part, as the daemon says how to go on. */
static int run_parts(const struct arguments *a, char *path, struct sums *s)
{
	json_int_t next = 0, until = 0;
	int code;
	do {
		char *part = NULL;
		json_t *answer;
		if (!path || (next ? asprintf(&part,
		                              "%s&first=%" JSON_INTEGER_FORMAT
		                              "&until=%" JSON_INTEGER_FORMAT,
		                              path, next, until)
		                   : asprintf(&part, "%s", path)) < 0)
			return EXIT_FAILED;
		code = post_part(a, part, &answer);
		free(part);
		if (code != EXIT_GOOD)
			break;
		add(s, answer);
		tell_open(json_object_get(answer, "entries"), s);
		next = number_of(answer, "next");
		until = number_of(answer, "until");
		json_decref(answer);
	} while (next);
	return code;
}

static int act(const struct arguments *a, char *path, bool replays)
{
	struct progress p;
	struct sums s = {0};
	progress_begin(&p, replays ? "replay" : "discard");
	int code = run_parts(a, path, &s);
	progress_end(&p);
	free(path);
	if (s.told > TOLD_MAX)
		fprintf(stderr, "... and %s more\n", grouped((json_int_t)(s.told - TOLD_MAX)));
	if (a->format == FORM_JSON) {
		/* printed as it came */
	} else if (replays) {
		printf("%s replayed: %s stored, %s stored before, %s refused again; %s stay open",
		       grouped(s.done), grouped(s.stored), grouped(s.duplicate),
		       grouped(s.refused), grouped(s.kept));
		printf(s.not_open ? ", %s were not open\n" : "\n", grouped(s.not_open));
	} else {
		printf(s.not_open ? "%s discarded, %s were not open\n" : "%s discarded\n",
		       grouped(s.done), grouped(s.not_open));
	}
	if (code != EXIT_GOOD)
		fprintf(stderr, "headrace: it ended early; what is done stays: run it again\n");
	return code != EXIT_GOOD ? code : s.kept + s.refused + s.not_open ? EXIT_FAILED : EXIT_GOOD;
}

int replay_errors(const struct arguments *a)
{
	return act(a, first_path(a, "/errors/replay"), true);
}

int discard_errors(const struct arguments *a)
{
	static const enum option query[] = {OPTION_REASON, OPTION_FROM, OPTION_TO, OPTION_WHY};
	char *path = NULL, *tail = client_query(a, query, 4);
	char *numbers = a->words[0] ? client_escape(a->words[0]) : strdup("");
	if (!tail || !numbers || asprintf(&path, "/errors/discard%s%s%s", tail,
	                                  *numbers ? "&numbers=" : "", numbers) < 0)
		path = NULL;
	free(tail);
	free(numbers);
	return act(a, path, false);
}

/* --- correct --- */

static char *encode_base64(const uint8_t *bytes, size_t count)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = malloc((count + 2) / 3 * 4 + 1), *at = text;
	for (size_t i = 0; text && i < count; i += 3) {
		size_t left = count - i;
		uint32_t group = (uint32_t)bytes[i] << 16 |
		                 (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
		                 (left > 2 ? bytes[i + 2] : 0);
		*at++ = digits[group >> 18];
		*at++ = digits[group >> 12 & 63];
		*at++ = left > 1 ? digits[group >> 6 & 63] : '=';
		*at++ = left > 2 ? digits[group & 63] : '=';
	}
	if (text)
		*at = '\0';
	return text;
}

static char *read_payload(const char *file)
{
	uint8_t bytes[PAYLOAD_MAX + 1];
	FILE *in = fopen(file, "rb");
	size_t count = in ? fread(bytes, 1, sizeof bytes, in) : 0;
	bool failed = !in || ferror(in);
	if (in)
		fclose(in);
	if (failed)
		fprintf(stderr, "headrace: %s can't be read\n", file);
	else if (count == 0 || count > PAYLOAD_MAX)
		fprintf(stderr, "headrace: %s has %s; a payload has 1 to %d bytes\n", file,
		        count ? "more" : "none", PAYLOAD_MAX);
	else
		return encode_base64(bytes, count);
	return NULL;
}

/* Lines of NAME=VALUE to an object; NULL: what is wrong was said. */
static json_t *sets_of(const char *lines)
{
	json_t *set = json_object();
	while (set && lines && *lines) {
		size_t length = strcspn(lines, "\n"), name = strcspn(lines, "=");
		char key[64];
		if (name == 0 || name >= length || name >= sizeof key) {
			fprintf(stderr, "headrace: --set is '%.*s'; expected NAME=VALUE\n",
			        (int)length, lines);
			json_decref(set);
			return NULL;
		}
		snprintf(key, sizeof key, "%.*s", (int)name, lines);
		json_object_set_new(set, key, json_stringn(lines + name + 1, length - name - 1));
		lines += length + (lines[length] == '\n');
	}
	return set;
}

static char *correction_body(const struct arguments *a)
{
	json_t *body = json_object(), *set = sets_of(a->options[OPTION_SET]);
	const char *file = a->options[OPTION_PAYLOAD];
	char *base64 = file ? read_payload(file) : NULL, *text = NULL;
	if (body && set && (!file || base64)) {
		json_object_set(body, "set", set);
		if (base64)
			json_object_set_new(body, "payload_base64", json_string(base64));
		if (a->options[OPTION_DEVICE])
			json_object_set_new(body, "device", json_string(a->options[OPTION_DEVICE]));
		text = json_dumps(body, JSON_COMPACT);
	}
	json_decref(set);
	json_decref(body);
	free(base64);
	return text;
}

static int print_correction(const json_t *e)
{
	json_int_t as = number_of(e, "refused_as");
	if (number_of(e, "refused") == 0) {
		printf("corrected: %s\n", number_of(e, "stored") ? "stored" : "stored before");
		return EXIT_GOOD;
	}
	printf("the corrected copy is refused: %s", text_of(e, "reason"));
	if (as)
		printf("; it is entry %" JSON_INTEGER_FORMAT " now", as);
	puts("");
	return EXIT_FAILED;
}

int correct_error(const struct arguments *a)
{
	static const enum option query[] = {OPTION_WHY};
	char *body = correction_body(a), *path = NULL, *tail = client_query(a, query, 1);
	char *number = client_escape(a->words[0]);
	struct answer answer;
	int code = EXIT_USAGE;
	if (body && tail && number &&
	    asprintf(&path, "/errors/%s/correct%s%saccept_late=%s", number, tail, *tail ? "&" : "?",
	             a->options[OPTION_ACCEPT_LATE] ? "yes" : "no") >= 0) {
		code = EXIT_UNREACHABLE;
		if (client_post(a, path, "application/json", body, strlen(body), &answer)) {
			code = answer_check(&answer);
			json_t *e = code == EXIT_GOOD ? answer_json(&answer) : NULL;
			if (e && a->format == FORM_JSON)
				fwrite(answer.text, 1, answer.bytes, stdout);
			else if (e)
				code = print_correction(e);
			json_decref(e);
			answer_free(&answer);
		}
		free(path);
	}
	free(body);
	free(tail);
	free(number);
	return code;
}
