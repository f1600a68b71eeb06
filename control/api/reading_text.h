/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a reading in words, for those who show it. */
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

/* The members of a JSON object, a comma between them: by channel, `{"value":"1247.830",
 * "unit":"kWh"}`. One that is not in the catalogue any more is "channel_N". */
void reading_put_values(struct text *t, const struct channel_catalogue *channels,
                        const struct stored_reading *r);

#endif
