/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: one JSON object per line and reading sent.
 *
 *   {"n":7,"meter":"SM-00001","ts":1764000000123,"fate":"stored","protocol":"mqtt","qos":1,
 *    "acked":true,"values":{"active_energy":"1247.830","power_factor":"0.97",...}}
 *
 * `n` is the number of the reading among all sent; "fate" the one that it has to get; "values" by
 * channel, in the channels' units, where they are to be stored. With --ledger-sync a line is
 * written when it is sent and once more when it is acknowledged (the later one counts); otherwise
 * all are written at the end. The last line {"end":true,...} tells that the ledger is complete.
 */
#include <errno.h>
#include <string.h>

#include "fleet.h"

static const char *line_meter_id(const struct fleet *f, const struct line *l)
{
	switch (l->make) {
	case MAKE_UNKNOWN_METER:
		return "SM-99999";
	case MAKE_SUSPENDED_METER:
		return "SM-90001";
	case MAKE_EMPTY_ARRAY:
	case MAKE_FOREIGN:
		return "";
	default:
		return f->meters[l->meter].id;
	}
}

static void line_write(struct fleet *f, uint32_t index)
{
	const struct line *l = &f->lines[index];
	fprintf(f->ledger,
	        "{\"n\":%u,\"meter\":\"%s\",\"ts\":%lld,\"fate\":\"%s\",\"protocol\":\"%s\","
	        "\"qos\":%u,\"acked\":%s",
	        index, line_meter_id(f, l), (long long)l->ts_ms, make_fate(l->make),
	        l->protocol == ROUTE_COAP ? "coap" : "mqtt", l->qos,
	        l->state == LINE_ACKED ? "true" : "false");
	if (l->make == MAKE_FRESH || l->make == MAKE_REPEATED) {
		fputs(",\"values\":", f->ledger);
		payload_channels(f->ledger, f, l);
	}
	fputs("}\n", f->ledger);
}

int ledger_open(struct fleet *f)
{
	if (!f->options.ledger_file)
		return 0;
	f->ledger = fopen(f->options.ledger_file, "w");
	if (!f->ledger) {
		fprintf(stderr, "headrace-fleet: %s: %s\n", f->options.ledger_file,
		        strerror(errno));
		return -1;
	}
	return 0;
}

void ledger_line(struct fleet *f, uint32_t line)
{
	if (f->ledger && f->options.ledger_sync) {
		line_write(f, line);
		fflush(f->ledger);
	}
}

int ledger_close(struct fleet *f)
{
	if (!f->ledger)
		return 0;
	if (!f->options.ledger_sync)
		for (uint32_t i = 0; i < f->line_count; i++)
			line_write(f, i);
	fprintf(f->ledger, "{\"end\":true,\"readings\":%u}\n", f->line_count);
	int bad = ferror(f->ledger);
	if (fclose(f->ledger) || bad) {
		fprintf(stderr, "headrace-fleet: %s: %s\n", f->options.ledger_file,
		        strerror(errno));
		return -1;
	}
	return 0;
}
