/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a meter reports, as a pure function of the meter's number and the time: the two JSON shapes
 * of the field and the compact batch (docs/PAYLOADS.md), every number with a fixed count of digits
 * or bytes, so that a message's length is known before it is rendered. Rendering copies a template
 * and fills in the digits.
 *
 * The register rises by 1 Wh each 7.2 s (500 W), counted from the epoch, on top of a start of the
 * meter's own: it never falls, whatever is sent again, late or in another run. Its six digits of
 * kWh never overflow: 2^41 ms / 7200 + 600,000 kWh < 10^6 kWh.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "gen.h"

#define ID_DIGITS       8
#define MS_PER_WH       7200
#define REGISTER_MIN_WH 100000000u
#define REGISTER_SPREAD 500000000u

struct template
{
	const char *text;
	const char *id_prefix;
	uint32_t bytes;
	uint32_t id, ts, kwh, collected; /* where the digits go; collected 0: none */
};

#define TS_BLANK  "0000-00-00T00:00:00.000Z"
#define TS_BYTES  24
#define COLLECTED ",\"collectedAt\":\"" TS_BLANK "\""
#define FLAT_HEAD "{\"meterId\":\"SM-00000000\",\"ts\":\"" TS_BLANK "\",\"kWh\":000000.000"
/* kW, pf and v follow the register at once */
#define FLAT_TAIL ",\"kW\":0.00,\"pf\":0.00,\"v\":200.0,\"status\":\"OK\""
#define NESTED_HEAD                                                                                \
	"{\"meterId\":\"METER-00000000\",\"timestamp\":\"" TS_BLANK                                \
	"\",\"location\":{\"lat\":37.7749,\"lon\":-122.4194},\"energy\":{\"active_kwh\":000000."   \
	"000"
#define NESTED_TAIL                                                                                \
	",\"reactive_kvarh\":000.0,\"peak_demand_kw\":0.0,\"power_factor\":0.00},"                 \
	"\"status\":{\"tamper_detected\":false,\"battery_level\":00,\"signal_strength\":-00}"

enum {
	ID_FLAT = sizeof "{\"meterId\":\"SM-" - 1,
	TS_FLAT = sizeof "{\"meterId\":\"SM-00000000\",\"ts\":\"" - 1,
	KWH_FLAT = sizeof FLAT_HEAD - 1 - 10,
	ID_NESTED = sizeof "{\"meterId\":\"METER-" - 1,
	TS_NESTED = sizeof "{\"meterId\":\"METER-00000000\",\"timestamp\":\"" - 1,
	KWH_NESTED = sizeof NESTED_HEAD - 1 - 10,
	/* from the register's first digit */
	KW_AT = 10 + sizeof ",\"kW\":" - 1,
	PF_AT = KW_AT + 4 + sizeof ",\"pf\":" - 1,
	V_AT = PF_AT + 4 + sizeof ",\"v\":" - 1,
	KVARH_AT = 10 + sizeof ",\"reactive_kvarh\":" - 1,
	PEAK_AT = KVARH_AT + 5 + sizeof ",\"peak_demand_kw\":" - 1,
	FACTOR_AT = PEAK_AT + 3 + sizeof ",\"power_factor\":" - 1,
	BATTERY_AT =
	    FACTOR_AT + 4 + sizeof "},\"status\":{\"tamper_detected\":false,\"battery_level\":" - 1,
	SIGNAL_AT = BATTERY_AT + 2 + sizeof ",\"signal_strength\":-" - 1,
};

static const struct template templates[2][2] = {
    [SHAPE_FLAT] = {{FLAT_HEAD FLAT_TAIL "}", "SM-", sizeof FLAT_HEAD FLAT_TAIL "}" - 1, ID_FLAT,
		     TS_FLAT, KWH_FLAT, 0},
		    {FLAT_HEAD FLAT_TAIL COLLECTED "}", "SM-",
		     sizeof FLAT_HEAD FLAT_TAIL COLLECTED "}" - 1, ID_FLAT, TS_FLAT, KWH_FLAT,
		     sizeof FLAT_HEAD FLAT_TAIL COLLECTED - 1 - TS_BYTES - 1}},
    [SHAPE_NESTED] = {{NESTED_HEAD NESTED_TAIL "}", "METER-",
		       sizeof NESTED_HEAD NESTED_TAIL "}" - 1, ID_NESTED, TS_NESTED, KWH_NESTED, 0},
		      {NESTED_HEAD NESTED_TAIL COLLECTED "}", "METER-",
		       sizeof NESTED_HEAD NESTED_TAIL COLLECTED "}" - 1, ID_NESTED, TS_NESTED,
		       KWH_NESTED, sizeof NESTED_HEAD NESTED_TAIL COLLECTED - 1 - TS_BYTES - 1}},
};

static void put_digits(uint8_t *out, uint32_t digits, uint32_t value)
{
	while (digits-- > 0) {
		out[digits] = (uint8_t)('0' + value % 10);
		value /= 10;
	}
}

/* Days since 1970-01-01 to a civil date: eras of 400 years of 146,097 days that begin on 1 March.
 */
static void put_date(uint8_t *out, uint32_t days)
{
	uint32_t z = days + 719468, era = z / 146097, doe = z % 146097;
	uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint32_t mp = (5 * doy + 2) / 153;
	uint32_t month = mp < 10 ? mp + 3 : mp - 9;
	put_digits(out, 4, yoe + era * 400 + (month <= 2));
	put_digits(out + 5, 2, month);
	put_digits(out + 8, 2, doy - (153 * mp + 2) / 5 + 1);
}

static void put_ts(uint8_t *out, int64_t ms)
{
	static int64_t kept_second = -1;
	static uint8_t kept[TS_BYTES];
	int64_t second = ms / 1000;
	if (second != kept_second) {
		uint32_t of_day = (uint32_t)(second % 86400);
		memcpy(kept, TS_BLANK, TS_BYTES);
		put_date(kept, (uint32_t)(second / 86400));
		put_digits(kept + 11, 2, of_day / 3600);
		put_digits(kept + 14, 2, of_day / 60 % 60);
		put_digits(kept + 17, 2, of_day % 60);
		kept_second = second;
	}
	memcpy(out, kept, TS_BYTES);
	put_digits(out + 20, 3, (uint32_t)(ms % 1000));
}

struct values {
	uint32_t register_wh;
	uint32_t power_10w, factor_percent, volts_tenths;                        /* flat */
	uint32_t reactive_100varh, peak_100w, battery_percent, signal_dbm_below; /* nested */
};

static struct values values_of(uint32_t meter, int64_t ts_ms)
{
	uint64_t own = mix64(meter);
	uint64_t now = mix64(own ^ (uint64_t)ts_ms);
	return (struct values){
	    .register_wh =
		REGISTER_MIN_WH + (uint32_t)(own % REGISTER_SPREAD) + (uint32_t)(ts_ms / MS_PER_WH),
	    .power_10w = (uint32_t)(now & 1023) % 1000,
	    .factor_percent = 80 + (uint32_t)(now >> 10 & 15),
	    .volts_tenths = 2200 + (uint32_t)(now >> 14 & 255),
	    .reactive_100varh = (uint32_t)(own >> 40 & 8191) + (uint32_t)(now >> 22 & 63),
	    .peak_100w = (uint32_t)(now >> 28 & 63),
	    .battery_percent = 60 + (uint32_t)(own >> 56 & 31),
	    .signal_dbm_below = 50 + (uint32_t)(now >> 34 & 31),
	};
}

/* Two numbers with a point between. */
static void put_fixed(uint8_t *out, uint32_t whole_digits, uint32_t fraction_digits, uint32_t whole,
		      uint32_t fraction)
{
	put_digits(out, whole_digits, whole);
	put_digits(out + whole_digits + 1, fraction_digits, fraction);
}

static void put_values(uint8_t *at, enum shape shape, const struct values *v)
{
	put_fixed(at, 6, 3, v->register_wh / 1000, v->register_wh % 1000);
	if (shape == SHAPE_FLAT) {
		put_fixed(at + KW_AT, 1, 2, v->power_10w / 100, v->power_10w % 100);
		put_fixed(at + PF_AT, 1, 2, 0, v->factor_percent);
		put_fixed(at + V_AT, 3, 1, v->volts_tenths / 10, v->volts_tenths % 10);
		return;
	}
	/* JSON has no leading zeros: three digits before the point begin with 1 to 9 */
	put_fixed(at + KVARH_AT, 3, 1, 100 + v->reactive_100varh / 10, v->reactive_100varh % 10);
	put_fixed(at + PEAK_AT, 1, 1, v->peak_100w / 10, v->peak_100w % 10);
	put_fixed(at + FACTOR_AT, 1, 2, 0, v->factor_percent);
	put_digits(at + BATTERY_AT, 2, v->battery_percent);
	put_digits(at + SIGNAL_AT, 2, v->signal_dbm_below);
}

enum shape payload_shape(const struct options *o, uint32_t meter)
{
	if (o->shape == SHAPE_CBOR)
		return SHAPE_FLAT; /* the same meters and values */
	return o->shape == SHAPE_BOTH ? (enum shape)(meter & 1) : o->shape;
}

static const struct template *template_of(const struct options *o, uint32_t meter,
					  const struct item *item)
{
	return &templates[payload_shape(o, meter)][(item->flags & ITEM_REPLAY) != 0];
}

void payload_reading(const struct options *o, uint32_t client, const struct item *item,
		     uint32_t index, uint32_t *meter, int64_t *ts_ms)
{
	bool own_past = o->profile == PROFILE_BACKLOG;
	*meter = own_past ? client : client * o->batch + index;
	*ts_ms = own_past ? item->ts_ms + (int64_t)index * INTERVAL_MS : item->ts_ms;
}

/* --- the compact batch: every integer in as many bytes as its largest value needs --- */

#define CBOR_TIME_AT 3
#define CBOR_HEAD    "\x85\x01\x1b\0\0\0\0\0\0\0\0\x01"
#define CBOR_COLUMNS "\x88\x63kWh\x22\x62kW\x21\x62pf\x21\x61v\x20"
#define CBOR_REPLAY  "\x8a\x63kWh\x22\x62kW\x21\x62pf\x21\x61v\x20\x69" "collected\x00"
#define CBOR_ROW     "\x86\x6bSM-00000000\x1a\0\0\0\0\x1a\0\0\0\0\x19\0\0\x18\0\x19\0\0"
enum {
	CBOR_ID = 5,
	CBOR_TICKS = CBOR_ID + ID_DIGITS + 1,
	CBOR_KWH = CBOR_TICKS + 5,
	CBOR_KW = CBOR_KWH + 5,
	CBOR_PF = CBOR_KW + 3,
	CBOR_V = CBOR_PF + 2,
	CBOR_ROW_BYTES = sizeof CBOR_ROW - 1,
	CBOR_COLLECTED_BYTES = 5,
	CBOR_ROWS_BYTES = 2, /* the array's head: up to 255 */
};
_Static_assert(CBOR_V + 2 == CBOR_ROW_BYTES, "the row's last value is its last bytes");

static bool is_replay(const struct item *item)
{
	return item->flags & ITEM_REPLAY;
}

static uint32_t cbor_bytes(const struct item *item)
{
	uint32_t columns = is_replay(item) ? sizeof CBOR_REPLAY - 1 : sizeof CBOR_COLUMNS - 1;
	uint32_t row = CBOR_ROW_BYTES + (is_replay(item) ? CBOR_COLLECTED_BYTES : 0u);
	return (uint32_t)sizeof CBOR_HEAD - 1 + columns + CBOR_ROWS_BYTES + item->readings * row;
}

static uint8_t *put_cbor_row(uint8_t *at, const struct item *item, uint32_t meter, int64_t ts_ms)
{
	struct values v = values_of(meter, ts_ms);
	uint32_t ticks = (uint32_t)(ts_ms - item->ts_ms);
	memcpy(at, CBOR_ROW, CBOR_ROW_BYTES);
	put_digits(at + CBOR_ID, ID_DIGITS, meter + 1);
	put_be32(at + CBOR_TICKS, ticks);
	put_be32(at + CBOR_KWH, v.register_wh);
	put_be16(at + CBOR_KW, (uint16_t)v.power_10w);
	at[CBOR_PF] = (uint8_t)v.factor_percent;
	put_be16(at + CBOR_V, (uint16_t)v.volts_tenths);
	if (!is_replay(item))
		return at + CBOR_ROW_BYTES;
	*at = 0x87; /* one item more */
	at[CBOR_ROW_BYTES] = 0x1a;
	put_be32(at + CBOR_ROW_BYTES + 1, ticks);
	return at + CBOR_ROW_BYTES + CBOR_COLLECTED_BYTES;
}

static uint32_t cbor_render(const struct options *o, uint32_t client, const struct item *item,
			    uint8_t *out)
{
	uint8_t *at = out + sizeof CBOR_HEAD - 1;
	uint32_t columns = is_replay(item) ? sizeof CBOR_REPLAY - 1 : sizeof CBOR_COLUMNS - 1;
	memcpy(out, CBOR_HEAD, sizeof CBOR_HEAD - 1);
	put_be64(out + CBOR_TIME_AT, (uint64_t)item->ts_ms);
	memcpy(at, is_replay(item) ? CBOR_REPLAY : CBOR_COLUMNS, columns);
	at += columns;
	*at++ = 0x98;
	*at++ = item->readings;
	for (uint32_t i = 0; i < item->readings; i++) {
		uint32_t meter;
		int64_t ts;
		payload_reading(o, client, item, i, &meter, &ts);
		at = put_cbor_row(at, item, meter, ts);
	}
	return (uint32_t)(at - out);
}

uint32_t payload_bytes(const struct options *o, uint32_t client, const struct item *item)
{
	if (o->shape == SHAPE_CBOR)
		return cbor_bytes(item);
	uint32_t bytes = item->readings > 1 ? item->readings + 1u : 0; /* brackets and commas */
	for (uint32_t i = 0; i < item->readings; i++) {
		uint32_t meter;
		int64_t ts;
		payload_reading(o, client, item, i, &meter, &ts);
		bytes += template_of(o, meter, item)->bytes;
	}
	return bytes;
}

static uint32_t put_reading(const struct options *o, uint32_t meter, int64_t ts_ms,
			    const struct item *item, uint8_t *out)
{
	const struct template *t = template_of(o, meter, item);
	struct values v = values_of(meter, ts_ms);
	memcpy(out, t->text, t->bytes);
	put_digits(out + t->id, ID_DIGITS, meter + 1);
	put_ts(out + t->ts, ts_ms);
	put_values(out + t->kwh, payload_shape(o, meter), &v);
	if (t->collected)
		put_ts(out + t->collected, ts_ms);
	return t->bytes;
}

uint32_t payload_render(const struct options *o, uint32_t client, const struct item *item,
			uint8_t *out)
{
	uint8_t *at = out;
	if (o->shape == SHAPE_CBOR)
		return cbor_render(o, client, item, out);
	for (uint32_t i = 0; i < item->readings; i++) {
		uint32_t meter;
		int64_t ts;
		payload_reading(o, client, item, i, &meter, &ts);
		if (item->readings > 1)
			*at++ = i ? ',' : '[';
		at += put_reading(o, meter, ts, item, at);
	}
	if (item->readings > 1)
		*at++ = ']';
	return (uint32_t)(at - out);
}

uint32_t payload_meter_id(const struct options *o, uint32_t meter, char out[32])
{
	int n = snprintf(out, 32, "%s%0*u", templates[payload_shape(o, meter)][0].id_prefix,
			 ID_DIGITS, meter + 1);
	return (uint32_t)n;
}

void payload_channels(FILE *out, const struct options *o, uint32_t meter, int64_t ts_ms)
{
	struct values v = values_of(meter, ts_ms);
	fprintf(out, "{\"active_energy\":\"%u.%03u\",\"power_factor\":\"0.%02u\"",
		v.register_wh / 1000, v.register_wh % 1000, v.factor_percent);
	if (payload_shape(o, meter) == SHAPE_FLAT)
		fprintf(out, ",\"active_power\":\"%u.%02u\",\"voltage\":\"%u.%u\"}",
			v.power_10w / 100, v.power_10w % 100, v.volts_tenths / 10,
			v.volts_tenths % 10);
	else
		fprintf(out,
			",\"reactive_energy\":\"%u.%u\",\"peak_demand\":\"%u.%u\","
			"\"battery_level\":\"%u\",\"signal_strength\":\"-%u\"}",
			100 + v.reactive_100varh / 10, v.reactive_100varh % 10, v.peak_100w / 10,
			v.peak_100w % 10, v.battery_percent, v.signal_dbm_below);
}

int payload_write_devices(const struct options *o, const char *path)
{
	FILE *out = fopen(path, "w");
	if (!out) {
		fprintf(stderr, "headrace-gen: %s: %s\n", path, strerror(errno));
		return -1;
	}
	bool gateways = o->profile != PROFILE_BACKLOG && o->batch > 1;
	fputs(gateways ? "id,state,capacity_w,gateway\n" : "id,state,capacity_w\n", out);
	for (uint32_t m = 0; m < o->meters; m++) {
		char id[32];
		payload_meter_id(o, m, id);
		fprintf(out, "%s,active,100000", id);
		if (gateways)
			fprintf(out, ",GW-%0*u", ID_DIGITS, m / o->batch + 1);
		fputc('\n', out);
	}
	int bad = ferror(out);
	if (fclose(out) || bad) {
		fprintf(stderr, "headrace-gen: %s: %s\n", path, strerror(errno));
		return -1;
	}
	return 0;
}
