/* SPDX-License-Identifier: Apache-2.0 */
/* The commands on devices, errors, audit and metrics. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/cli/cli.h"

const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* --- devices --- */

int command_devices_list(const struct arguments *a)
{
	static const enum option query[] = {OPTION_PREFIX, OPTION_STATE, OPTION_OFFSET,
	                                    OPTION_LIMIT};
	static const char *const names[] = {"ID", "STATE", "NUMBER", "GATEWAY", "PROFILE", "MODEL",
	                                    "SERIAL"};
	json_t *answer, *device;
	size_t i;
	int code = client_json(a, "/devices", client_query(a, query, 4), &answer);
	if (!answer)
		return code;
	struct table *t = table_new(names, 7);
	table_right(t, 2);
	json_array_foreach(json_object_get(answer, "devices"), i, device)
	{
		char number[24];
		snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT,
		         number_of(device, "number"));
		table_add(t, text_of(device, "id"));
		table_add(t, text_of(device, "state"));
		table_add(t, number);
		table_add(t, text_of(device, "gateway"));
		table_add(t, text_of(device, "profile"));
		table_add(t, text_of(device, "model"));
		table_add(t, text_of(device, "serial"));
	}
	table_print(t);
	table_free(t);
	json_int_t shown = number_of(answer, "count"), offset = number_of(answer, "offset");
	printf("\n%s shown, %s in the registry\n", grouped(shown),
	       grouped(number_of(answer, "total")));
	if (json_is_true(json_object_get(answer, "more")))
		printf("Go on with: --offset %" JSON_INTEGER_FORMAT "\n", offset + shown);
	json_decref(answer);
	return EXIT_GOOD;
}

/* "key  value" lines, in the order of the object. */
static void print_object(const json_t *object, const char *without)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)object, key, value)
	{
		if (without && strncmp(key, without, strlen(without)) == 0)
			continue;
		char *dump = json_is_string(value)
		                 ? strdup(json_string_value(value))
		                 : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		for (char *c = dump; c && *c; c++)
			if (iscntrl((unsigned char)*c))
				*c = '?';
		printf("%s%-14s%s  %s\n", colour_bold(), key, colour_end(), dump ? dump : "");
		free(dump);
	}
}

int command_devices_show(const struct arguments *a)
{
	json_t *device;
	int code = client_json(a, "/devices/", client_escape(a->words[0]), &device);
	if (!device)
		return code;
	print_object(device, NULL);
	json_decref(device);
	return EXIT_GOOD;
}

/* POST with the device's id behind `folder`. */
static int decide(const struct arguments *a, const char *folder)
{
	struct answer answer;
	char *path = NULL, *id = client_escape(a->words[0]);
	bool made = id && asprintf(&path, "%s%s", folder, id) >= 0;
	free(id);
	if (!made) {
		fprintf(stderr, "headrace: no memory\n");
		return EXIT_FAILED;
	}
	bool answered = client_post(a, path, NULL, NULL, 0, &answer);
	free(path);
	if (!answered)
		return EXIT_FAILED;
	int code = answer_check(&answer);
	json_t *device = code == EXIT_GOOD ? answer_json(&answer) : NULL;
	if (device && a->options[OPTION_JSON])
		fwrite(answer.text, 1, answer.bytes, stdout);
	else if (device)
		printf("%s is %s\n", text_of(device, "id"), text_of(device, "state"));
	else if (code == EXIT_GOOD)
		code = EXIT_FAILED;
	json_decref(device);
	answer_free(&answer);
	return code;
}

int command_devices_approve(const struct arguments *a)
{
	return decide(a, "/devices/approve/");
}

int command_devices_reject(const struct arguments *a)
{
	return decide(a, "/devices/reject/");
}

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
		fprintf(stderr, "headrace: %s is %s; expected a CSV or JSON file of devices\n",
		        file, S_ISREG(st.st_mode) ? "empty" : "not an ordinary file");
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

/* The complaints go to stderr, the sum to stdout. */
static int print_import(const char *file, const json_t *report)
{
	json_t *complaint;
	size_t i;
	json_int_t failed = number_of(report, "failed");
	json_array_foreach(json_object_get(report, "errors"), i, complaint)
		fprintf(stderr, "%s:%" JSON_INTEGER_FORMAT ": %s\n", file,
		        number_of(complaint, "line"), text_of(complaint, "cause"));
	if (failed > (json_int_t)i)
		fprintf(stderr, "%s: %s more bad lines are not shown\n", file,
		        grouped(failed - (json_int_t)i));
	printf("%s lines: %s added, %s changed, %s unchanged, %s failed\n",
	       grouped(number_of(report, "lines")), grouped(number_of(report, "added")),
	       grouped(number_of(report, "changed")), grouped(number_of(report, "unchanged")),
	       grouped(failed));
	if (!json_is_true(json_object_get(report, "complete"))) {
		fprintf(stderr, "headrace: the import broke off: %s\nTry it again: what was taken "
		                "stays and is not taken twice.\n", text_of(report, "detail"));
		return EXIT_FAILED;
	}
	if (failed > 0)
		fprintf(stderr, "headrace: correct these lines and import the file again: the "
		                "others won't change\n");
	return failed > 0 ? EXIT_FAILED : EXIT_GOOD;
}

int command_devices_import(const struct arguments *a)
{
	struct answer answer;
	size_t bytes;
	const char *file = a->words[0];
	char *text = map_file(file, &bytes);
	if (!text)
		return EXIT_FAILED;
	bool answered = client_post(a, "/devices/import", type_of(file), text, bytes, &answer);
	munmap(text, bytes);
	if (!answered)
		return EXIT_FAILED;
	json_t *report = answer.status == 200 || answer.status == 500 ? answer_json(&answer) : NULL;
	int code = EXIT_FAILED;
	if (!json_object_get(report, "lines"))
		code = answer_check(&answer);
	else if (!a->options[OPTION_JSON])
		code = print_import(file, report);
	else {
		fwrite(answer.text, 1, answer.bytes, stdout);
		code = number_of(report, "failed") == 0 &&
		               json_is_true(json_object_get(report, "complete"))
		           ? EXIT_GOOD
		           : EXIT_FAILED;
	}
	json_decref(report);
	answer_free(&answer);
	return code;
}

/* --- errors --- */

int command_errors_list(const struct arguments *a)
{
	static const enum option query[] = {OPTION_REASON, OPTION_FROM, OPTION_LIMIT};
	static const char *const names[] = {"NUMBER", "RECEIVED", "REASON", "DEVICE", "CLIENT",
	                                    "PROTOCOL", "TOPIC", "BYTES"};
	json_t *answer, *e;
	size_t i;
	int code = client_json(a, "/errors", client_query(a, query, 3), &answer);
	if (!answer)
		return code;
	struct table *t = table_new(names, 8);
	table_right(t, 0);
	table_right(t, 7);
	json_array_foreach(json_object_get(answer, "errors"), i, e)
	{
		char number[24], bytes[24];
		snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, number_of(e, "number"));
		snprintf(bytes, sizeof bytes, "%" JSON_INTEGER_FORMAT, number_of(e, "raw_bytes"));
		table_add(t, number);
		table_add(t, text_of(e, "received"));
		table_add(t, text_of(e, "reason"));
		table_add(t, text_of(e, "device"));
		table_add(t, text_of(e, "client"));
		table_add(t, text_of(e, "protocol"));
		table_add(t, text_of(e, "topic"));
		table_add(t, bytes);
	}
	if (i > 0)
		table_print(t);
	table_free(t);
	printf("%s%s shown\n", i > 0 ? "\n" : "", grouped(number_of(answer, "count")));
	if (json_is_true(json_object_get(answer, "more")))
		printf("Go on with: --from %" JSON_INTEGER_FORMAT "\n", number_of(answer, "next"));
	json_decref(answer);
	return EXIT_GOOD;
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

int command_errors_show(const struct arguments *a)
{
	json_t *e;
	int code = client_json(a, "/errors/", client_escape(a->words[0]), &e);
	if (!e)
		return code;
	print_object(e, "raw");
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

/* --- audit, metrics --- */

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

int command_audit(const struct arguments *a)
{
	struct answer answer;
	if (!client_post(a, "/audit", NULL, NULL, 0, &answer))
		return EXIT_FAILED;
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

int command_metrics(const struct arguments *a)
{
	struct answer answer;
	int code = client_fetch(a, "/metrics", client_query(a, NULL, 0), &answer);
	if (code != EXIT_GOOD)
		return code;
	fwrite(answer.text, 1, answer.bytes, stdout);
	answer_free(&answer);
	return EXIT_GOOD;
}
