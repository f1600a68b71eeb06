/* SPDX-License-Identifier: Apache-2.0 */
#include "control/api/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static bool take_place(struct text *t)
{
	unsigned left = t->places ? atomic_load(t->places) : 0;
	if (!t->places || t->has_place)
		return true;
	while (left > 0 && !atomic_compare_exchange_weak(t->places, &left, left - 1))
		;
	t->has_place = left > 0;
	t->crowded = !t->has_place;
	return t->has_place;
}

void text_leave_place(atomic_uint *places)
{
	atomic_fetch_add(places, 1);
}

static bool make_room(struct text *t, size_t count)
{
	size_t most = t->bytes_max ? t->bytes_max : TEXT_BYTES_MAX;
	if (t->failed || count > most - t->used) {
		t->failed = true;
		return false;
	}
	if (t->used + count + 1 <= t->capacity)
		return true;
	size_t capacity = t->capacity ? t->capacity : 1024;
	while (capacity < t->used + count + 1)
		capacity *= 2;
	bool may = capacity <= TEXT_LARGE || take_place(t);
	char *data = may ? realloc(t->data, capacity) : NULL;
	if (!data) {
		t->failed = true;
		return false;
	}
	t->data = data;
	t->capacity = capacity;
	return true;
}

void text_put(struct text *t, const void *bytes, size_t count)
{
	if (!make_room(t, count))
		return;
	memcpy(t->data + t->used, bytes, count);
	t->used += count;
	t->data[t->used] = '\0';
}

void text_add(struct text *t, const char *format, ...)
{
	va_list ap, again;
	va_start(ap, format);
	va_copy(again, ap);
	int length = vsnprintf(NULL, 0, format, ap);
	if (length >= 0 && make_room(t, (size_t)length)) {
		vsnprintf(t->data + t->used, (size_t)length + 1, format, again);
		t->used += (size_t)length;
	}
	va_end(again);
	va_end(ap);
}

void text_free(struct text *t)
{
	free(t->data);
	if (t->has_place)
		text_leave_place(t->places);
	*t = (struct text){.places = t->places};
}

void text_json(struct text *t, const char *bytes, size_t count)
{
	text_put(t, "\"", 1);
	for (size_t i = 0; i < count;) {
		uint32_t length = utf8_length((const uint8_t *)bytes + i, count - i);
		unsigned char c = (unsigned char)bytes[i];
		if (length == 0)
			text_put(t, "\xef\xbf\xbd", 3);
		else if (c < 0x20 || c == 0x7f)
			text_add(t, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			text_add(t, "\\%c", c);
		else
			text_put(t, bytes + i, length);
		i += length ? length : 1;
	}
	text_put(t, "\"", 1);
}

void text_csv(struct text *t, const char *value)
{
	if (!value[strcspn(value, ",\"\r\n")]) {
		text_put(t, value, strlen(value));
		return;
	}
	text_put(t, "\"", 1);
	for (; *value; value++)
		text_put(t, *value == '"' ? "\"\"" : value, *value == '"' ? 2 : 1);
	text_put(t, "\"", 1);
}

void text_base64(struct text *t, const uint8_t *bytes, size_t count)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < count; i += 3) {
		size_t left = count - i;
		uint32_t group = (uint32_t)bytes[i] << 16;
		group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= left > 2 ? bytes[i + 2] : 0;
		char out[4] = {digits[group >> 18], digits[group >> 12 & 63],
		               left > 1 ? digits[group >> 6 & 63] : '=',
		               left > 2 ? digits[group & 63] : '='};
		text_put(t, out, 4);
	}
}
