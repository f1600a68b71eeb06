/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that grows, up to a limit, for answers.
 * Private to control/api.
 */
#ifndef HEADRACE_API_TEXT_H
#define HEADRACE_API_TEXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/calendar/time_text.h"

#define TEXT_BYTES_MAX (64u << 20) /* where nothing else is said */
#define TEXT_LARGE     (1u << 20)

struct text {
	char *data; /* terminated when not NULL */
	size_t used, capacity;
	size_t bytes_max; /* 0: TEXT_BYTES_MAX */
	bool failed; /* no memory, or over the limit: what was added last is missing */
	/* How many more may grow beyond TEXT_LARGE; NULL: any number. One that may, has_place until
	 * it is freed; one that may not has failed and is crowded. */
	atomic_uint *places;
	bool has_place, crowded;
};

__attribute__((format(printf, 2, 3))) void text_add(struct text *t, const char *format, ...);
void text_put(struct text *t, const void *bytes, size_t count);
/* In quotes and escaped (RFC 8259 §7); bytes that are not UTF-8 become U+FFFD. */
void text_json(struct text *t, const char *bytes, size_t count);
/* RFC 4180: in quotes only when it must be. */
void text_csv(struct text *t, const char *value);
/* RFC 4648 §4. */
void text_base64(struct text *t, const uint8_t *bytes, size_t count);
void text_free(struct text *t);
/* For who took the data of a text that has a place, when it is freed. */
void text_leave_place(atomic_uint *places);

#endif
