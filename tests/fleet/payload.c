/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledger lines to JSON: the two shapes of the field, alone or in an array, and the defects. A pure
 * function of the lines and their meters, so that what is sent again has the same bytes. The
 * values beside the register are derived from meter and time.
 */
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "fleet.h"

const char *make_fate(enum make make)
{
	static const char *const fates[MAKE_COUNT] = {
#define X(id, fate) [MAKE_##id] = fate,
	    MAKES(X)
#undef X
	};
	return fates[make];
}

void payload_ts(int64_t ms, char out[32])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 32 - n, ".%03dZ", (int)(ms % 1000));
}

struct text {
	char *at;
	uint32_t bytes;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(t->at + t->bytes, PAYLOAD_MAX - t->bytes, format, args);
	va_end(args);
	CHECK(n >= 0 && t->bytes + (uint32_t)n < PAYLOAD_MAX);
	t->bytes += (uint32_t)n;
}

/* Any number that is always the same for this line. */
static uint32_t derived(const struct line *l, uint32_t salt)
{
	uint64_t x = (uint64_t)l->ts_ms * 0x9E3779B97F4A7C15u;
	x += l->meter * 0xD1B54A32D192ED03u + salt;
	x ^= x >> 29;
	x *= 0xBF58476D1CE4E5B9u;
	return (uint32_t)(x >> 32);
}

/* What a meter reports beside its register. */
struct values {
	uint32_t power_10w, peak_100w, factor_percent, volts_tenths, reactive_100varh;
	uint32_t battery_percent, signal_dbm_below;
};

static struct values values_of(const struct line *l)
{
	bool wild = l->make == MAKE_OUT_OF_RANGE;
	return (struct values){
	    .power_10w = derived(l, 1) % 2000,
	    .peak_100w = derived(l, 2) % 200,
	    .factor_percent = wild ? 99999 : 80 + derived(l, 3) % 20,
	    .volts_tenths = wild ? 99999999 : 2200 + derived(l, 4) % 200,
	    .reactive_100varh = derived(l, 5) % 10000,
	    .battery_percent = 60 + derived(l, 6) % 40,
	    .signal_dbm_below = 50 + derived(l, 7) % 40,
	};
}

static void put_register(struct text *t, const struct line *l)
{
	if (l->make == MAKE_WRONG_TYPE)
		put(t, "\"full\"");
	else
		put(t, "%s%lld.%03d", l->make == MAKE_NEGATIVE ? "-" : "",
		    (long long)(l->wh / 1000), (int)(l->wh % 1000));
}

static void put_flat(struct text *t, const struct line *l, const char *id, const char *ts)
{
	struct values v = values_of(l);
	put(t, "{\"meterId\":\"%s\",", id);
	if (l->make != MAKE_MISSING_TIME)
		put(t, "\"ts\":\"%s\",", ts);
	put(t, "\"kWh\":");
	put_register(t, l);
	put(t, ",\"kW\":%u.%02u,\"pf\":%u.%02u,\"v\":%u.%u,\"status\":\"OK\"}",
	    v.power_10w / 100, v.power_10w % 100, v.factor_percent / 100, v.factor_percent % 100,
	    v.volts_tenths / 10, v.volts_tenths % 10);
}

static void put_nested(struct text *t, const struct line *l, const char *id, const char *ts)
{
	struct values v = values_of(l);
	put(t, "{\"meterId\":\"%s\",", id);
	if (l->make != MAKE_MISSING_TIME)
		put(t, "\"timestamp\":\"%s\",", ts);
	put(t, "\"location\":{\"lat\":37.7749,\"lon\":-122.4194},\"energy\":{\"active_kwh\":");
	put_register(t, l);
	put(t, ",\"reactive_kvarh\":%u.%u,\"peak_demand_kw\":%u.%u,\"power_factor\":%u.%02u},",
	    v.reactive_100varh / 10, v.reactive_100varh % 10, v.peak_100w / 10, v.peak_100w % 10,
	    v.factor_percent / 100, v.factor_percent % 100);
	put(t, "\"status\":{\"tamper_detected\":false,\"battery_level\":%u,"
	       "\"signal_strength\":-%u}}",
	    v.battery_percent, v.signal_dbm_below);
}

/* The same values by channel and in its unit, as the store must give them back. */
void payload_channels(FILE *out, const struct fleet *f, const struct line *l)
{
	struct values v = values_of(l);
	fprintf(out, "{\"active_energy\":\"%lld.%03d\",\"power_factor\":\"%u.%02u\"",
	        (long long)(l->wh / 1000), (int)(l->wh % 1000), v.factor_percent / 100,
	        v.factor_percent % 100);
	if (f->meters[l->meter].shape == SHAPE_FLAT)
		fprintf(out, ",\"active_power\":\"%u.%02u\",\"voltage\":\"%u.%u\"}",
		        v.power_10w / 100, v.power_10w % 100, v.volts_tenths / 10,
		        v.volts_tenths % 10);
	else
		fprintf(out,
		        ",\"reactive_energy\":\"%u.%u\",\"peak_demand\":\"%u.%u\","
		        "\"battery_level\":\"%u\",\"signal_strength\":\"-%u\"}",
		        v.reactive_100varh / 10, v.reactive_100varh % 10, v.peak_100w / 10,
		        v.peak_100w % 10, v.battery_percent, v.signal_dbm_below);
}

static void put_line(struct text *t, const struct fleet *f, const struct line *l)
{
	const struct meter *m = &f->meters[l->meter];
	const char *id = m->id;
	char ts[32];
	payload_ts(l->ts_ms, ts);
	if (l->make == MAKE_UNKNOWN_METER)
		id = "SM-99999";
	else if (l->make == MAKE_SUSPENDED_METER)
		id = "SM-90001";
	if (l->make == MAKE_FOREIGN)
		put(t, "{\"sensor\":\"%s\",\"at\":\"%s\",\"celsius\":21.5}", id, ts);
	else if (l->make == MAKE_EMPTY_ARRAY)
		put(t, "[]");
	else if (m->shape == SHAPE_FLAT)
		put_flat(t, l, id, ts);
	else
		put_nested(t, l, id, ts);
	if (l->make == MAKE_BROKEN_JSON)
		t->bytes -= 9; /* a message cut short */
}

uint32_t payload_render(const struct fleet *f, uint32_t first_line, uint32_t lines, bool array,
                        char *out)
{
	struct text t = {.at = out};
	array |= lines > 1;
	if (array)
		put(&t, "[");
	for (uint32_t i = 0; i < lines; i++) {
		if (i)
			put(&t, ",");
		put_line(&t, f, &f->lines[first_line + i]);
	}
	if (array)
		put(&t, "]");
	return t.bytes;
}
