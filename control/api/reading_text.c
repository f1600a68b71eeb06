/* SPDX-License-Identifier: Apache-2.0 */
#include "control/api/reading_text.h"

#include <string.h>

#include "contract/reading.h"
#include "control/config/decimal.h"

const char *reading_protocol(const struct stored_reading *r)
{
	static const char *const names[] = {"mqtt", "coap", "replay"};
	unsigned protocol = r->flags >> READING_PROTOCOL_SHIFT;
	return protocol < sizeof names / sizeof names[0] ? names[protocol] : "other";
}

void reading_put_flags(struct text *t, uint16_t flags, const char *open, const char *close,
                       const char *separator)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = {
	    {READING_F_DRIFT, "drift"},       {READING_F_TS_REPLACED, "time_replaced"},
	    {READING_F_LATE, "late"},         {READING_F_ROLLOVER, "rollover"},
	    {READING_F_ROUNDED, "rounded"},   {READING_F_TAMPER, "tamper"},
	    {READING_F_STATUS, "status"},     {READING_F_LOW_BATTERY, "low_battery"},
	    {READING_F_COLLECTED, "collected"},
	    {READING_F_LATE_ACCEPTED, "late_accepted"},
	    {READING_F_CORRECTED, "corrected"},
	    {READING_F_RESET, "reset"},
	};
	bool any = false;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (flags & names[i].bit) {
			text_add(t, "%s%s%s%s", any ? separator : "", open, names[i].name, close);
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
