/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace top: the daemon live on a terminal. Looks at /status every few seconds; keys switch
 * panels, sort, hold still. Where stdout is no terminal, or with --once, plain text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/cli/command.h"
#include "control/cli/top.h"

#define EVERY_S     2
#define EVERY_MAX_S 3600

static void keep(struct top *t, json_t *status, uint64_t *last_us)
{
	uint64_t now = clock_mono_us();
	json_decref(t->before);
	t->before = t->now;
	t->now = status;
	t->seconds = (double)(now - *last_us) / 1e6;
	*last_us = now;
}

/* A later look: what went wrong stands in the title instead of on stderr. */
static void look(struct top *t, const struct arguments *a, uint64_t *last_us)
{
	json_t *status = client_try(a, "/status");
	if (status) {
		t->note[0] = '\0';
		keep(t, status, last_us);
	} else if (!t->note[0]) {
		snprintf(t->note, sizeof t->note,
		         "headraced does not answer; this is its last; trying again");
	}
}

static void next_panel(struct top *t, int step)
{
	t->panel = (enum panel)(((int)t->panel + PANEL_COUNT + step) % PANEL_COUNT);
	t->help = false;
}

/* False: it is the end. */
static bool on_key(struct top *t, int key, unsigned *every_s, bool *held)
{
	unsigned *sort = &t->sort[t->panel];
	if (key >= '1' && key < '1' + PANEL_COUNT) {
		t->panel = (enum panel)(key - '1');
		t->help = false;
	} else if (key == '\t') {
		next_panel(t, 1);
	} else if (key == '>' && *sort + 1 < t->columns) {
		(*sort)++;
	} else if (key == '<' && *sort > 0) {
		(*sort)--;
	} else if (key == 'r') {
		t->ascending = !t->ascending;
	} else if (key == '+' && *every_s < EVERY_MAX_S) {
		(*every_s)++;
	} else if (key == '-' && *every_s > 1) {
		(*every_s)--;
	} else if (key == ' ') {
		*held = !*held;
	} else if (key == 'h' || key == '?') {
		t->help = !t->help;
	}
	return key != 'q' && key != 'Q' && key != 4; /* Ctrl-D */
}

static void draw(struct top *t, unsigned every_s, bool held)
{
	bool sorted = t->panel != PANEL_OVERVIEW && !t->help;
	t->rows = terminal_height();
	bool kept = screen_keep();
	top_draw(t);
	if (kept)
		screen_show();
	printf("\033[%u;1H\033[K%sq end  1-6 panels  < > sort%s%s%s  r turn  h help  every %u s"
	       "%s%s",
	       t->rows, colour_bold(), sorted ? " (" : "", sorted ? t->sorted_by : "",
	       sorted ? ")" : "", every_s, held ? "  HELD" : "", colour_end());
	fflush(stdout);
}

static void run_live(struct top *t, const struct arguments *a, unsigned every_s, long count,
                     uint64_t *last_us)
{
	bool held = false, going = true;
	long looks = 1;
	screen_open();
	while (going) {
		draw(t, every_s, held);
		uint64_t due = *last_us + every_s * 1000000ull, now = clock_mono_us();
		int left_ms = due > now ? (int)((due - now) / 1000) : 0;
		int key = screen_key(held ? 1000 : left_ms);
		if (key > 0)
			going = on_key(t, key, &every_s, &held);
		if (key == 0 && !held) {
			if (count > 0 && looks++ >= count)
				break;
			look(t, a, last_us);
			if (t->note[0])
				*last_us = clock_mono_us();
		}
	}
	screen_close();
}

/* Plain text, one after the other. */
static int run_plain(struct top *t, const struct arguments *a, unsigned every_s, long count,
                     uint64_t *last_us)
{
	for (long i = 0; i < count; i++) {
		json_t *status = NULL;
		if (i > 0) {
			sleep(every_s);
			int code = client_json(a, "/status", strdup(""), &status);
			if (!status)
				return code;
			keep(t, status, last_us);
			printf("\n");
		}
		top_draw(t);
		fflush(stdout);
	}
	return EXIT_GOOD;
}

static bool take_number(const struct arguments *a, enum option option, long most, long *out)
{
	char *end;
	const char *text = a->options[option];
	if (!text)
		return true;
	*out = strtol(text, &end, 10);
	if (end != text && *end == '\0' && *out >= 1 && *out <= most)
		return true;
	fprintf(stderr, "headrace: --%s is '%s'; expected a number from 1 to %ld\n",
	        option_name(option), text, most);
	return false;
}

static enum panel panel_of(const char *name)
{
	unsigned i = 0;
	while (name && i < PANEL_COUNT && strcmp(panel_name((enum panel)i), name) != 0)
		i++;
	return name && i < PANEL_COUNT ? (enum panel)i : PANEL_OVERVIEW;
}

static int run_top(const struct arguments *a)
{
	struct top t = {.panel = panel_of(a->options[OPTION_PANEL]),
	                .sort = {0, 0, 1, 1, 2, 1}};
	uint64_t last_us = clock_mono_us();
	long every_s = EVERY_S, count = 0;
	bool plain = a->options[OPTION_ONCE] || !isatty(STDOUT_FILENO);
	if (!take_number(a, OPTION_EVERY, EVERY_MAX_S, &every_s) ||
	    !take_number(a, OPTION_COUNT_OF, 1000000, &count))
		return EXIT_USAGE;
	int code = client_json(a, "/status", strdup(""), &t.now);
	if (!t.now)
		return code;
	if (plain)
		code = run_plain(&t, a, (unsigned)every_s, count > 0 ? count : 1, &last_us);
	else
		run_live(&t, a, (unsigned)every_s, count, &last_us);
	json_decref(t.now);
	json_decref(t.before);
	return code;
}

static const struct command top_commands[] = {
    {
        .noun = "top",
        .summary = "the daemon live: rates, cycles, latencies, rings, memory, errors",
        .text = "Rates and cycles per item of each stage, latency from publish to "
                "acknowledgement and of the journal's writes, levels of rings and pools, memory "
                "of connections, journal, errors by reason, counters. Latencies are since the "
                "daemon's start.\n\nKeys: 1 to 6 or Tab switch panels, < and > choose the "
                "column to sort by, r turns the order, + and - change how often it looks, space "
                "holds it, h helps, q ends. With --once, or where standard output is no "
                "terminal, plain text: once, or --count times.",
        .examples = "headrace top\nheadrace top --once --panel stages\n"
                    "headrace top --count 3 --every 10 > top.txt\n",
        .options = {TAKES(EVERY), TAKES(PANEL), TAKES(ONCE),
                    {.option = OPTION_COUNT_OF, .help = "end after N looks"}},
        .run = run_top,
    },
};

const struct command_group top_group = COMMAND_GROUP("The daemon", top_commands);
