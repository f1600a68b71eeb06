/* SPDX-License-Identifier: Apache-2.0 */
#include "control/broker/live.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "contract/reading_flags.h"
#include "control/config/decimal.h"

struct writer {
	char *out;
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct writer *w, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(w->out + w->used, LIVE_JSON_BYTES - w->used, format, ap);
	va_end(ap);
	if (n > 0)
		w->used += (size_t)n;
	if (w->used > LIVE_JSON_BYTES - 1)
		w->used = LIVE_JSON_BYTES - 1;
}

/* RFC 8259 §7 */
static void quote(struct writer *w, const char *text, size_t bytes)
{
	add(w, "\"");
	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '"' || c == '\\')
			add(w, "\\%c", c);
		else if (c < 0x20)
			add(w, "\\u%04x", c);
		else
			add(w, "%c", c);
	}
	add(w, "\"");
}

static void add_time(struct writer *w, const char *name, int64_t ms)
{
	struct tm tm;
	int64_t fraction = (ms % 1000 + 1000) % 1000;
	time_t seconds = (time_t)((ms - fraction) / 1000);
	if (!gmtime_r(&seconds, &tm))
		return;
	add(w, ",\"%s\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", name, tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)fraction);
}

static void add_flags(struct writer *w, uint16_t flags)
{
	const char *comma = "";
	add(w, ",\"flags\":[");
	for (unsigned bit = 0; bit < READING_FLAGS; bit++)
		if (flags >> bit & 1) {
			add(w, "%s\"%s\"", comma, reading_flag_name(bit));
			comma = ",";
		}
	add(w, "]");
}

size_t live_json(const struct channel_catalogue *channels, const struct reading *r,
                 struct bytes device, char out[LIVE_JSON_BYTES])
{
	struct writer w = {.out = out};
	char value[DECIMAL_BYTES];
	add(&w, "{\"device\":");
	quote(&w, (const char *)device.data, device.count);
	add_time(&w, "time", r->ts_ms);
	add_time(&w, "meter_time", r->meter_ts_ms);
	add_time(&w, "received", r->received_ms);
	add_flags(&w, r->flags);
	add(&w, ",\"values\":{");
	for (unsigned i = 0; i < r->channel_count && i < READING_CHANNELS; i++) {
		const struct channel *c = &channels->by_id[r->channel[i]];
		add(&w, "%s", i ? "," : "");
		quote(&w, c->name, strlen(c->name));
		add(&w, ":{\"value\":\"%s\",\"unit\":",
		    decimal_format(r->value[i], c->decimals, value));
		quote(&w, c->unit, strlen(c->unit));
		add(&w, "}");
	}
	add(&w, "}}");
	return w.used;
}
