/* SPDX-License-Identifier: Apache-2.0 */
/* Listings as tables, CSV and JSON. See view.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/view.h"

/* --- values --- */

static char *join(const json_t *array)
{
	char *text = NULL;
	size_t bytes, i;
	json_t *value;
	FILE *out = open_memstream(&text, &bytes);
	if (!out)
		return NULL;
	json_array_foreach((json_t *)array, i, value)
	{
		char *one = value_text(value);
		fprintf(out, "%s%s", i > 0 ? " " : "", one ? one : "");
		free(one);
	}
	fclose(out);
	return text;
}

char *value_text(const json_t *value)
{
	if (!value || json_is_null(value))
		return strdup("");
	if (json_is_string(value))
		return strdup(json_string_value(value));
	if (json_is_array(value))
		return join(value);
	return json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
}

/* The member "a.b" of an object. */
static const json_t *member(const json_t *object, const char *key)
{
	char part[64];
	while (object && key) {
		const char *point = strchr(key, '.');
		int length = point ? (int)(point - key) : (int)strlen(key);
		snprintf(part, sizeof part, "%.*s", length, key);
		object = json_object_get(object, part);
		key = point ? point + 1 : NULL;
	}
	return object;
}

/* --- CSV --- */

void csv_field(FILE *out, const char *text)
{
	bool quoted = text[strcspn(text, ",\"\r\n")] != '\0';
	if (!quoted) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void csv_value(const json_t *value, bool last)
{
	char *text = value_text(value);
	csv_field(stdout, text ? text : "");
	fputs(last ? "\r\n" : ",", stdout);
	free(text);
}

static void print_csv(const struct view *view, const json_t *rows)
{
	json_t *row;
	size_t i;
	for (unsigned c = 0; c < view->count; c++)
		printf("%s%s", view->columns[c].key, c + 1 == view->count ? "\r\n" : ",");
	json_array_foreach((json_t *)rows, i, row)
		for (unsigned c = 0; c < view->count; c++)
			csv_value(member(row, view->columns[c].key), c + 1 == view->count);
}

/* --- tables --- */

static void add_cell(struct table *t, const struct column *column, const json_t *row)
{
	const json_t *value = member(row, column->key);
	if (column->kind == COLUMN_NUMBER && json_is_integer(value)) {
		table_add(t, grouped(json_integer_value(value)));
		return;
	}
	char *text = value_text(value);
	table_add(t, text);
	free(text);
}

static void print_table(const struct view *view, const json_t *rows)
{
	const char *names[32];
	const struct column *shown[32];
	unsigned count = 0;
	json_t *row;
	size_t i;
	for (unsigned c = 0; c < view->count && count < 32; c++)
		if (view->columns[c].title) {
			shown[count] = &view->columns[c];
			names[count++] = view->columns[c].title;
		}
	struct table *t = table_new(names, count);
	json_array_foreach((json_t *)rows, i, row)
		for (unsigned c = 0; c < count; c++)
			add_cell(t, shown[c], row);
	for (unsigned c = 0; c < count; c++) {
		if (shown[c]->kind != COLUMN_TEXT)
			table_right(t, c);
		if (shown[c]->kind == COLUMN_DECIMAL)
			table_trim_decimals(t, c);
	}
	table_print(t);
	table_free(t);
}

void view_count(json_int_t count)
{
	if (count > 0)
		printf("\n%s shown\n", grouped(count));
	else
		puts("None.");
}

/* "17 shown", and how to go on. */
static void usual_footer(const struct view *view, const json_t *answer)
{
	const json_t *next = json_object_get(answer, "next");
	view_count((json_int_t)json_array_size(json_object_get(answer, view->rows)));
	if (!json_is_true(json_object_get(answer, "more")))
		return;
	char *text = value_text(next);
	if (next && text)
		printf("Go on with: --from %s\n", text);
	else
		printf("There are more: choose some, or a larger --limit\n");
	free(text);
}

void view_print(const struct arguments *a, const struct view *view, const json_t *answer)
{
	const json_t *rows = json_object_get(answer, view->rows);
	if (a->format == FORM_JSON) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		puts("");
	} else if (a->format == FORM_CSV) {
		print_csv(view, rows);
	} else {
		if (json_array_size(rows) > 0)
			print_table(view, rows);
		if (view->footer)
			view->footer(answer);
		else
			usual_footer(view, answer);
	}
}

int view_get(const struct arguments *a, const char *folder, char *tail, const struct view *view)
{
	json_t *answer;
	int code = client_json(a, folder, tail, &answer);
	if (!answer)
		return code;
	view_print(a, view, answer);
	json_decref(answer);
	return EXIT_GOOD;
}

/* --- one object --- */

static void print_csv_object(const json_t *object)
{
	const char *key;
	json_t *value;
	size_t left = json_object_size(object);
	json_object_foreach((json_t *)object, key, value)
	{
		csv_field(stdout, key);
		fputs(--left == 0 ? "\r\n" : ",", stdout);
	}
	left = json_object_size(object);
	json_object_foreach((json_t *)object, key, value)
		csv_value(value, --left == 0);
}

int view_get_object(const struct arguments *a, const char *folder, char *tail)
{
	json_t *object;
	int code = client_json(a, folder, tail, &object);
	if (!object)
		return code;
	if (a->format == FORM_CSV)
		print_csv_object(object);
	else
		object_print(object, NULL);
	json_decref(object);
	return EXIT_GOOD;
}
