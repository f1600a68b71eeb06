/* SPDX-License-Identifier: Apache-2.0 */
/* Members of JSON objects, and objects as lines for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/view.h"

const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

double real_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

void tame(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0; /* U+0080 to U+009F */
		if (c1)
			*c++ = '?';
		if (c1 || *c < 0x20 || *c == 0x7f)
			*c = '?';
	}
}

char *shown_text(const json_t *value)
{
	char *text = value_text(value);
	if (text)
		tame(text);
	return text;
}

size_t decode_base64(const char *text, uint8_t *out)
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

void object_print(const json_t *object, const char *without)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)object, key, value)
	{
		if (without && strncmp(key, without, strlen(without)) == 0)
			continue;
		char *text = shown_text(value);
		printf("%s%-14s%s  %s\n", colour_bold(), key, colour_end(), text ? text : "");
		free(text);
	}
}
