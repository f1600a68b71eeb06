/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a reading in words: readings.c and export.c. Private to control/api. */
#ifndef HEADRACE_API_READING_TEXT_H
#define HEADRACE_API_READING_TEXT_H

#include "contract/stored.h"
#include "control/api/api.h"
#include "control/api/text.h"

const char *reading_protocol(const struct stored_reading *r);

/* The names of the flags that are set, each between `open` and `close`. */
void reading_put_flags(struct text *t, uint16_t flags, const char *open, const char *close,
                       const char *separator);

/* "name/version", or the number of a profile that is not there any more. */
void reading_put_profile(struct text *t, const struct api_context *c, uint8_t id);

#endif
