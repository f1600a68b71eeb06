/* SPDX-License-Identifier: Apache-2.0 */
/* headrace status: the daemon at a glance; headrace metrics. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/command.h"

/* 1536 as "1.5 KiB"; good for four calls. */
static const char *size_text(json_int_t bytes)
{
	static char texts[4][32];
	static unsigned turn;
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	char *out = texts[turn++ % 4];
	double value = (double)bytes;
	unsigned unit = 0;
	for (; value >= 1024 && unit < 4; unit++)
		value /= 1024;
	snprintf(out, sizeof texts[0], unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return out;
}

static void print_latency(const char *name, const json_t *h, const char *of)
{
	if (number_of(h, "count") == 0) {
		printf("  %-18s none yet\n", name);
		return;
	}
	printf("  %-18s p50 %.2f ms, p99 %.2f ms, max %.2f ms (%s %s)\n", name,
	       (double)number_of(h, "p50_us") / 1000, (double)number_of(h, "p99_us") / 1000,
	       (double)number_of(h, "max_us") / 1000, grouped(number_of(h, "count")), of);
}

static void print_head(const json_t *s)
{
	json_int_t up = number_of(s, "uptime_s");
	printf("%sheadraced %s%s, up %" JSON_INTEGER_FORMAT " h %" JSON_INTEGER_FORMAT
	       " min %" JSON_INTEGER_FORMAT " s, %s devices, %" JSON_INTEGER_FORMAT " profiles\n",
	       colour_bold(), text_of(s, "version"), colour_end(), up / 3600, up / 60 % 60,
	       up % 60, grouped(number_of(s, "devices")), number_of(s, "profiles"));
	printf("memory reserved %s, %s per idle connection\n\n",
	       size_text(number_of(s, "memory_budget_bytes")),
	       size_text(number_of(s, "bytes_per_connection")));
}

static void print_readings(const json_t *s)
{
	const json_t *readings = json_object_get(s, "readings");
	const json_t *rates = json_object_get(s, "rates");
	json_t *fates = json_object_get(readings, "since_start"), *count;
	const char *name;
	printf("%sReadings since start%s\n", colour_bold(), colour_end());
	printf("  received           %s (%.1f readings/s, %.1f messages/s over %.1f s)\n",
	       grouped(number_of(readings, "received")), real_of(rates, "readings_per_s"),
	       real_of(rates, "messages_per_s"), real_of(rates, "window_s"));
	json_object_foreach(fates, name, count)
		if (json_integer_value(count) != 0 || strcmp(name, "stored") == 0)
			printf("  %-18s %s\n", name, grouped(json_integer_value(count)));
	printf("  in flight          %s\n", grouped(number_of(readings, "in_flight")));
	print_latency("acknowledged", json_object_get(json_object_get(s, "acknowledgement"), "all"),
	              "messages");
}

static void print_storage(const json_t *s)
{
	const json_t *j = json_object_get(s, "journal"), *t = json_object_get(s, "store");
	printf("\n%sJournal%s\n", colour_bold(), colour_end());
	printf("  durable            block %s, store has %s\n",
	       grouped(number_of(j, "durable_block")), grouped(number_of(j, "released_block")));
	printf("  written            %s in %s blocks; %s segments, %s free\n",
	       size_text(number_of(j, "bytes_written")), grouped(number_of(j, "blocks_written")),
	       grouped(number_of(j, "segments")), grouped(number_of(j, "segments_free")));
	print_latency("device writes", json_object_get(j, "write"), "writes");
	if (*text_of(j, "alarm"))
		printf("  %s%s%s%s\n", colour_red(),
		       json_is_true(json_object_get(j, "stalled")) ? "STALLED: " : "last trouble: ",
		       text_of(j, "alarm"), colour_end());
	printf("\n%sStore%s\n", colour_bold(), colour_end());
	printf("  applied            block %s, durable %s; %s readings in memory, %s on disk\n",
	       grouped(number_of(t, "applied_block")), grouped(number_of(t, "durable_block")),
	       grouped(number_of(t, "run_readings")), size_text(number_of(t, "disk_bytes")));
	if (*text_of(t, "alarm"))
		printf("  %sSTUCK: %s%s\n", colour_red(), text_of(t, "alarm"), colour_end());
}

static void print_connections(const json_t *s)
{
	static const char *const names[] = {"MEMORY OF CONNECTIONS", "BYTES EACH", "USED", "OF",
	                                    "IN USE",  "PER CONNECTION"};
	const json_t *connections = json_object_get(s, "connections");
	struct table *t = table_new(names, 6);
	json_t *pool;
	char cell[32];
	size_t i;
	json_array_foreach(json_object_get(connections, "pools"), i, pool)
	{
		table_add(t, text_of(pool, "name"));
		table_add(t, grouped(number_of(pool, "record_bytes")));
		table_add(t, grouped(number_of(pool, "used")));
		table_add(t, grouped(number_of(pool, "capacity")));
		table_add(t, size_text(number_of(pool, "used_bytes")));
		snprintf(cell, sizeof cell, "%.1f", real_of(pool, "bytes_per_connection"));
		table_add(t, cell);
	}
	for (unsigned c = 1; c < 6; c++)
		table_right(t, c);
	printf("\n");
	table_print(t);
	table_free(t);
	printf("%s connections, %s in use: %.1f bytes each; an idle one takes %s\n",
	       grouped(number_of(connections, "count")),
	       size_text(number_of(connections, "used_bytes")),
	       real_of(connections, "bytes_per_connection"),
	       grouped(number_of(connections, "bytes_per_idle_connection")));
}

static void print_ports(const json_t *s)
{
	static const char *const names[] = {"PORT", "QUEUES", "IO STAGES", "FLOWS SPREAD BY"};
	struct table *t = table_new(names, 4);
	json_t *port;
	size_t i;
	json_array_foreach(json_object_get(s, "ports"), i, port)
	{
		char ios[32];
		json_int_t first = number_of(port, "io_first"), count = number_of(port, "ios");
		const char *by = text_of(port, "distribution");
		snprintf(ios, sizeof ios, count > 1 ? "io%d to io%d" : "io%d", (int)first,
		         (int)(first + count - 1));
		table_add(t, text_of(port, "device"));
		table_add(t, grouped(number_of(port, "queues")));
		table_add(t, ios);
		table_add(t, strcmp(by, "alone") == 0 ? "-" : by);
	}
	table_right(t, 1);
	printf("\n");
	table_print(t);
	table_free(t);
}

static void print_stages(const json_t *s)
{
	static const char *const names[] = {"STAGE", "CPU", "ITEMS", "ITEMS/S", "CYCLES/ITEM",
	                                    "RECENTLY"};
	struct table *t = table_new(names, 6);
	json_t *stage;
	size_t i;
	json_array_foreach(json_object_get(s, "stages"), i, stage)
	{
		char cell[32];
		table_add(t, text_of(stage, "name"));
		table_add(t, grouped(number_of(stage, "cpu")));
		table_add(t, grouped(number_of(stage, "items")));
		snprintf(cell, sizeof cell, "%.1f", real_of(stage, "items_per_s"));
		table_add(t, cell);
		snprintf(cell, sizeof cell, "%.0f", real_of(stage, "cycles_per_item"));
		table_add(t, cell);
		snprintf(cell, sizeof cell, "%.0f", real_of(stage, "recent_cycles_per_item"));
		table_add(t, cell);
	}
	for (unsigned c = 1; c < 6; c++)
		table_right(t, c);
	printf("\n");
	table_print(t);
	table_free(t);
	json_array_foreach(json_object_get(s, "stages"), i, stage)
		if (json_object_get(stage, "poll"))
			print_latency(text_of(stage, "name"), json_object_get(stage, "poll"),
			              "polls with work");
}

static void print_levels(const json_t *s)
{
	static const char *const names[] = {"RING OR POOL", "USED", "OF"};
	struct table *t = table_new(names, 3);
	json_t *level;
	size_t i;
	json_array_foreach(json_object_get(s, "levels"), i, level)
	{
		table_add(t, text_of(level, "name"));
		table_add(t, grouped(number_of(level, "used")));
		table_add(t, grouped(number_of(level, "capacity")));
	}
	table_right(t, 1);
	table_right(t, 2);
	printf("\n");
	table_print(t);
	table_free(t);
}

static void print_pairs(const json_t *s, const char *key, const char *what, const char *value)
{
	const char *const names[] = {what, value};
	json_t *pairs = json_object_get(s, key), *count;
	const char *name;
	if (json_object_size(pairs) == 0)
		return;
	struct table *t = table_new(names, 2);
	json_object_foreach(pairs, name, count)
	{
		table_add(t, name);
		table_add(t, grouped(json_integer_value(count)));
	}
	table_right(t, 1);
	printf("\n");
	table_print(t);
	table_free(t);
}

static void print_counters(const json_t *s)
{
	print_pairs(s, "gauges", "LEVEL", "NOW");
	print_pairs(s, "counters", "COUNTER", "SINCE START");
	printf("(what is zero is left out; what each means: headrace metrics)\n");
}

static int show_status(const struct arguments *a)
{
	json_t *s;
	int code = client_json(a, "/status", strdup(""), &s);
	if (!s)
		return code;
	print_head(s);
	print_readings(s);
	print_storage(s);
	print_ports(s);
	print_connections(s);
	print_stages(s);
	print_levels(s);
	if (!a->options[OPTION_WATCH])
		print_counters(s);
	json_decref(s);
	return EXIT_GOOD;
}

static int show_metrics(const struct arguments *a)
{
	struct answer answer;
	int code = client_fetch(a, "/metrics", strdup(""), &answer);
	if (code != EXIT_GOOD)
		return code;
	fwrite(answer.text, 1, answer.bytes, stdout);
	answer_free(&answer);
	return EXIT_GOOD;
}

static const struct command status_commands[] = {
    {
        .noun = "status",
        .summary = "what the daemon does: rates, readings by fate, latencies, stages",
        .text = "Readings by fate, rates, latency of acknowledgements, journal, store, ports, "
                "memory of connections, cycles per item of each stage, levels of rings and pools, "
                "counters. In flight: readings received that are not yet durable, so not yet "
                "acknowledged.",
        .examples = "headrace status --watch 2\n",
        .formats = FORMATS_ANSWER,
        .watch = true,
        .run = show_status,
    },
    {
        .noun = "metrics",
        .summary = "all counters in the format of Prometheus, with their meaning",
        .watch = true,
        .run = show_metrics,
    },
};

const struct command_group status_group = COMMAND_GROUP("The daemon", status_commands);
