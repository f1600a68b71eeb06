/* SPDX-License-Identifier: Apache-2.0 */
/* headrace top: the panels, drawn of the daemon's /status. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control/cli/top.h"

#define UNSORTED  UINT_MAX /* as the daemon tells them */
#define BAR_WIDTH 20
#define HEAD_ROWS 9 /* of the overview, before its tables */

const char *panel_name(enum panel panel)
{
	static const char *const names[PANEL_COUNT] = {"overview", "stages", "levels",
	                                               "memory",   "errors", "counters"};
	return names[panel];
}

static const char *size_text(double bytes, char out[16])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	unsigned unit = 0;
	for (; bytes >= 1024 && unit < 4; unit++)
		bytes /= 1024;
	snprintf(out, 16, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
	return out;
}

static void add_real(struct table *t, double value, const char *format)
{
	char text[32];
	snprintf(text, sizeof text, format, value);
	table_add(t, text);
}

/* How much a count grew per second since the look before. */
static double rate_of(const struct top *t, const json_t *now, const json_t *before, const char *key)
{
	if (!before || t->seconds <= 0)
		return 0;
	double grown = (double)(number_of(now, key) - number_of(before, key));
	return grown > 0 ? grown / t->seconds : 0;
}

/* The element of `list` with this name. */
static const json_t *named(const json_t *list, const char *name)
{
	json_t *element;
	size_t i;
	json_array_foreach((json_t *)list, i, element)
		if (strcmp(text_of(element, "name"), name) == 0)
			return element;
	return NULL;
}

/* Sorts, prints and frees it; *rows: how many are left, less what was printed. */
static void finish(struct top *t, struct table *table, const char *const *names, unsigned columns,
                   size_t rows, unsigned sort)
{
	if (sort < columns)
		table_sort(table, sort, (sort > 0) != t->ascending);
	table_print_rows(table, rows);
	table_free(table);
	t->columns = columns;
	snprintf(t->sorted_by, sizeof t->sorted_by, "%s", sort < columns ? names[sort] : "");
}

/* --- the tables --- */

static void draw_stages(struct top *t, size_t rows, unsigned sort)
{
	static const char *const names[] = {"STAGE", "CPU", "ITEMS/S", "CYCLES/ITEM", "SINCE START",
	                                    "BUSY %", "POLL p99", "ITEMS"};
	struct table *table = table_new(names, 8);
	const json_t *list = json_object_get(t->now, "stages");
	const json_t *before = json_object_get(t->before, "stages");
	json_t *s;
	size_t i;
	json_array_foreach((json_t *)list, i, s)
	{
		const json_t *b = named(before, text_of(s, "name"));
		double polls = rate_of(t, s, b, "polls"), busy = rate_of(t, s, b, "busy_polls");
		table_add(table, text_of(s, "name"));
		add_real(table, (double)number_of(s, "cpu"), "%.0f");
		add_real(table, real_of(s, "items_per_s"), "%.1f");
		add_real(table, real_of(s, "recent_cycles_per_item"), "%.0f");
		add_real(table, real_of(s, "cycles_per_item"), "%.0f");
		if (polls > 0)
			add_real(table, 100 * busy / polls, "%.1f");
		else
			table_add(table, "-");
		if (json_object_get(s, "poll"))
			add_real(table,
			         (double)number_of(json_object_get(s, "poll"), "p99_us"),
			         "%.0f us");
		else
			table_add(table, "-");
		table_add(table, grouped(number_of(s, "items")));
	}
	for (unsigned c = 1; c < 8; c++)
		table_right(table, c);
	finish(t, table, names, 8, rows, sort);
}

static void draw_bar(char *out, double share)
{
	unsigned filled = (unsigned)(share * BAR_WIDTH + 0.5);
	for (unsigned i = 0; i < BAR_WIDTH; i++)
		out[i] = i < filled ? '|' : '.';
	out[BAR_WIDTH] = '\0';
}

static void draw_levels(struct top *t, size_t rows, unsigned sort)
{
	static const char *const names[] = {"RING OR POOL", "USED %", "USED", "OF", "LEVEL"};
	struct table *table = table_new(names, 5);
	json_t *level;
	size_t i;
	json_array_foreach(json_object_get(t->now, "levels"), i, level)
	{
		double used = (double)number_of(level, "used");
		double capacity = (double)number_of(level, "capacity");
		double share = capacity > 0 ? used / capacity : 0;
		char bar[BAR_WIDTH + 1];
		draw_bar(bar, share > 1 ? 1 : share);
		table_add(table, text_of(level, "name"));
		add_real(table, 100 * share, "%.1f");
		table_add(table, grouped(number_of(level, "used")));
		table_add(table, grouped(number_of(level, "capacity")));
		table_add(table, bar);
	}
	for (unsigned c = 1; c < 4; c++)
		table_right(table, c);
	finish(t, table, names, 5, rows, sort);
}

static void draw_memory(struct top *t, size_t rows, unsigned sort)
{
	static const char *const names[] = {"POOL", "IN USE", "RESERVED", "USED",
	                                    "OF", "EACH", "PER CONN."};
	struct table *table = table_new(names, 7);
	const json_t *connections = json_object_get(t->now, "connections");
	json_t *pool;
	size_t i;
	char text[16];
	json_array_foreach(json_object_get(connections, "pools"), i, pool)
	{
		table_add(table, text_of(pool, "name"));
		table_add(table, size_text((double)number_of(pool, "used_bytes"), text));
		table_add(table, size_text((double)number_of(pool, "reserved_bytes"), text));
		table_add(table, grouped(number_of(pool, "used")));
		table_add(table, grouped(number_of(pool, "capacity")));
		table_add(table, grouped(number_of(pool, "record_bytes")));
		add_real(table, real_of(pool, "bytes_per_connection"), "%.1f");
	}
	for (unsigned c = 1; c < 7; c++)
		table_right(table, c);
	finish(t, table, names, 7, rows, sort);
}

/* Names with counts: how many, and how fast they grow. `skip`: names that are not shown. */
static void draw_counts(struct top *t, const json_t *now, const json_t *before,
                        const char *const names[3], size_t rows, unsigned sort,
                        const char *const *skip)
{
	struct table *table = table_new(names, 3);
	const char *name;
	json_t *count;
	json_object_foreach((json_t *)now, name, count)
	{
		bool skipped = json_integer_value(count) == 0;
		for (unsigned i = 0; skip && skip[i]; i++)
			skipped = skipped || strcmp(name, skip[i]) == 0;
		if (skipped)
			continue;
		table_add(table, name);
		if (before)
			add_real(table, rate_of(t, now, before, name), "%.1f");
		else
			table_add(table, "-");
		table_add(table, grouped(json_integer_value(count)));
	}
	table_right(table, 1);
	table_right(table, 2);
	finish(t, table, names, 3, rows, sort);
}

static void draw_errors(struct top *t, size_t rows, unsigned sort)
{
	static const char *const names[] = {"NOT STORED, BY REASON", "PER S", "SINCE START"};
	static const char *const skip[] = {"stored", NULL};
	const json_t *now = json_object_get(t->now, "readings");
	const json_t *before = json_object_get(t->before, "readings");
	draw_counts(t, json_object_get(now, "since_start"), json_object_get(before, "since_start"),
	            names, rows, sort, skip);
}

static void draw_counters(struct top *t, size_t rows, unsigned sort)
{
	static const char *const names[] = {"COUNTER", "PER S", "SINCE START"};
	draw_counts(t, json_object_get(t->now, "counters"), json_object_get(t->before, "counters"),
	            names, rows, sort, NULL);
}

/* --- the head --- */

static void draw_title(const struct top *t)
{
	char clock[16], line[256];
	time_t now = time(NULL);
	struct tm tm;
	json_int_t up = number_of(t->now, "uptime_s");
	strftime(clock, sizeof clock, "%H:%M:%SZ", gmtime_r(&now, &tm));
	if (t->note[0])
		snprintf(line, sizeof line, " %s", t->note);
	else
		snprintf(line, sizeof line,
		         " headraced %s  up %d h %02d min  %s devices  %s  [%s]",
		         text_of(t->now, "version"), (int)(up / 3600), (int)(up / 60 % 60),
		         grouped(number_of(t->now, "devices")), clock, panel_name(t->panel));
	if (t->rows > 0)
		printf("%s%s%-*.*s%s\n", colour_reverse(), t->note[0] ? colour_red() : "",
		       (int)terminal_width(), (int)terminal_width(), line, colour_end());
	else
		printf("%s\n", line);
}

static void draw_latency(const char *name, const json_t *h)
{
	printf("%-14s p50 %8.2f   p99 %8.2f   p99.9 %8.2f   max %8.2f ms\n", name,
	       (double)number_of(h, "p50_us") / 1000, (double)number_of(h, "p99_us") / 1000,
	       (double)number_of(h, "p999_us") / 1000, (double)number_of(h, "max_us") / 1000);
}

static void draw_head(const struct top *t)
{
	const json_t *rates = json_object_get(t->now, "rates");
	const json_t *readings = json_object_get(t->now, "readings");
	const json_t *journal = json_object_get(t->now, "journal");
	const json_t *store = json_object_get(t->now, "store");
	const json_t *connections = json_object_get(t->now, "connections");
	char a[16], b[16], c[16];
	printf("%sreadings%s %.1f/s   messages %.1f/s   in flight %s   connections %s\n",
	       colour_bold(), colour_end(), real_of(rates, "readings_per_s"),
	       real_of(rates, "messages_per_s"), grouped(number_of(readings, "in_flight")),
	       grouped(number_of(connections, "count")));
	draw_latency("acknowledged",
	             json_object_get(json_object_get(t->now, "acknowledgement"), "all"));
	draw_latency("journal write", json_object_get(journal, "write"));
	printf("journal        %s blocks durable, %s not yet in the store; %s written\n",
	       grouped(number_of(journal, "durable_block")),
	       grouped(number_of(journal, "durable_block") - number_of(store, "applied_block")),
	       size_text((double)number_of(journal, "bytes_written"), a));
	printf("store          %s readings in memory, %s on disk\n",
	       grouped(number_of(store, "run_readings")),
	       size_text((double)number_of(store, "disk_bytes"), a));
	printf("memory         %s reserved; connections use %s, idle ones %s each\n",
	       size_text((double)number_of(t->now, "memory_budget_bytes"), a),
	       size_text((double)number_of(connections, "used_bytes"), b),
	       size_text((double)number_of(t->now, "bytes_per_connection"), c));
	if (*text_of(store, "alarm") || *text_of(journal, "alarm"))
		printf("%sALARM          %s%s\n", colour_red(),
		       *text_of(store, "alarm") ? text_of(store, "alarm")
		                                : text_of(journal, "alarm"),
		       colour_end());
	else
		printf("\n");
}

static void draw_overview(struct top *t)
{
	size_t stages = json_array_size(json_object_get(t->now, "stages"));
	size_t free_rows = t->rows > HEAD_ROWS + 6 ? t->rows - HEAD_ROWS - 6 : 1;
	size_t levels = 8, errors = 8;
	if (t->rows > 0) {
		stages = stages > free_rows / 2 ? free_rows / 2 : stages;
		levels = (free_rows - stages) / 2;
		errors = free_rows - stages - levels;
	}
	draw_stages(t, stages, UNSORTED);
	printf("\n");
	draw_levels(t, levels, 1);
	printf("\n");
	draw_errors(t, errors, 2);
}

static void draw_help(void)
{
	printf("\n  1 to 6, Tab     panels: overview, stages, levels, memory, errors, counters\n"
	       "  < and >         sort by the column to the left, to the right\n"
	       "  r               the other way round\n"
	       "  + and -         look less often, more often\n"
	       "  space           hold still, go on\n"
	       "  h or ?          this text\n"
	       "  q or Ctrl-C     end\n\n"
	       "Latencies are since the daemon's start; rates are of the last seconds.\n");
}

void top_draw(struct top *t)
{
	size_t rows = t->rows > 5 ? t->rows - 5 : t->rows > 0 ? 1 : SIZE_MAX;
	unsigned sort = t->sort[t->panel];
	draw_title(t);
	draw_head(t);
	rows = t->rows > HEAD_ROWS + 2 ? t->rows - HEAD_ROWS - 2 : rows;
	if (t->help)
		draw_help();
	else if (t->panel == PANEL_OVERVIEW)
		draw_overview(t);
	else if (t->panel == PANEL_STAGES)
		draw_stages(t, rows, sort);
	else if (t->panel == PANEL_LEVELS)
		draw_levels(t, rows, sort);
	else if (t->panel == PANEL_MEMORY)
		draw_memory(t, rows, sort);
	else if (t->panel == PANEL_ERRORS)
		draw_errors(t, rows, sort);
	else
		draw_counters(t, rows, sort);
}
