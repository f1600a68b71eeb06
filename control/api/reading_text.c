/* SPDX-License-Identifier: Apache-2.0 */
#include "control/api/reading_text.h"

#include <string.h>

#include "contract/reading_flags.h"
#include "control/config/decimal.h"

const char *reading_protocol(const struct stored_reading *r)
{
	return reading_protocol_name(r->flags >> READING_PROTOCOL_SHIFT);
}

void reading_put_flags(struct text *t, uint16_t flags, const char *open, const char *close,
                       const char *separator)
{
	bool any = false;
	for (unsigned bit = 0; bit < READING_FLAGS; bit++)
		if (flags >> bit & 1) {
			text_add(t, "%s%s%s%s", any ? separator : "", open, reading_flag_name(bit),
			         close);
			any = true;
		}
}

void reading_put_profile(struct text *t, const struct api_context *c, uint8_t id)
{
	const struct profile *p = c->profiles->by_id[id];
	if (p)
		text_add(t, "%s/%u", p->name, p->version);
	else
		text_add(t, "%u", id);
}

void reading_put_values(struct text *t, const struct channel_catalogue *channels,
                        const struct stored_reading *r)
{
	char value[DECIMAL_BYTES];
	for (unsigned i = 0; i < r->channel_count; i++) {
		const struct channel *ch = &channels->by_id[r->channel[i]];
		text_put(t, ",", i > 0);
		if (ch->id)
			text_json(t, ch->name, strlen(ch->name));
		else
			text_add(t, "\"channel_%u\"", r->channel[i]);
		text_add(t, ":{\"value\":\"%s\",\"unit\":",
		         decimal_format(r->value[i], ch->decimals, value));
		text_json(t, ch->unit, strlen(ch->unit));
		text_put(t, "}", 1);
	}
}
