/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: one JSON object per line and reading, so that the store can be held against it.
 *
 *   {"n":7,"meter":"SM-00000001","ts":1764000000123,"fate":"stored","protocol":"mqtt","qos":1,
 *    "acked":true,"values":{"active_energy":"124783.230",...}}
 *
 * "values" by channel in the channels' units. All is written at the end; the last line,
 * {"end":true,...}, tells that it is complete. In memory a message takes 16 bytes; what comes
 * after the first million messages is not in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gen.h"

#define LINES_MAX 1000000

bool ledger_open(struct gen *g)
{
	if (!g->options.ledger_file)
		return true;
	g->ledger_max = LINES_MAX;
	g->ledger = malloc(sizeof g->ledger[0] * LINES_MAX);
	if (!g->ledger)
		fprintf(stderr, "headrace-gen: no memory for the ledger\n");
	return g->ledger != NULL;
}

uint32_t ledger_add(struct gen *g, uint32_t client, const struct item *item)
{
	if (g->ledger_count == g->ledger_max)
		return NONE;
	g->ledger[g->ledger_count] = (struct ledger_line){.ts_ms = item->ts_ms,
							  .client = client,
							  .readings = item->readings,
							  .flags = item->flags};
	return g->ledger_count++;
}

static void write_line(const struct gen *g, FILE *out, const struct ledger_line *l, uint64_t *n)
{
	const struct options *o = &g->options;
	struct item item = {.ts_ms = l->ts_ms, .readings = l->readings, .flags = l->flags};
	for (uint32_t i = 0; i < l->readings; i++) {
		uint32_t meter;
		int64_t ts_ms;
		char id[32];
		payload_reading(o, l->client, &item, i, &meter, &ts_ms);
		payload_meter_id(o, meter, id);
		fprintf(out,
			"{\"n\":%llu,\"meter\":\"%s\",\"ts\":%lld,\"fate\":\"%s\","
			"\"protocol\":\"%s\",\"qos\":%u,\"acked\":%s,\"values\":",
			(unsigned long long)(*n)++, id, (long long)ts_ms,
			l->flags & ITEM_DUPLICATE ? "duplicate" : "stored",
			o->protocol == PROTOCOL_MQTT ? "mqtt" : "coap", o->qos,
			l->acked ? "true" : "false");
		payload_channels(out, o, meter, ts_ms);
		fputs("}\n", out);
	}
}

int ledger_close(struct gen *g)
{
	if (!g->ledger)
		return 0;
	FILE *out = fopen(g->options.ledger_file, "w");
	uint64_t n = 0;
	for (uint32_t i = 0; out && i < g->ledger_count; i++)
		write_line(g, out, &g->ledger[i], &n);
	if (out)
		fprintf(out, "{\"end\":true,\"readings\":%llu}\n", (unsigned long long)n);
	free(g->ledger);
	g->ledger = NULL;
	if (out && !ferror(out) && !fclose(out))
		return 0;
	fprintf(stderr, "headrace-gen: %s: %s\n", g->options.ledger_file, strerror(errno));
	return -1;
}
