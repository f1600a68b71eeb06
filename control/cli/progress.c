/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A progress bar on standard error, for what takes longer than a second; none where that is no
 * terminal.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/cli/cli.h"

#define BEGIN_US 1000000u /* nothing is shown before */
#define AGAIN_US 100000u
#define WIDTH    30u

static const char *scaled(uint64_t bytes, char out[16])
{
	static const char units[] = "BKMGT";
	unsigned unit = 0;
	double value = (double)bytes;
	for (; value >= 1000 && unit < 4; unit++)
		value /= 1024;
	snprintf(out, 16, unit ? "%.1f %ciB" : "%.0f %c", value, units[unit]);
	return out;
}

/* "1.5 MiB" or "1,536 meters". */
static const char *amount(const struct progress *p, uint64_t number, bool last,
                          char out[40])
{
	char bytes[16];
	if (p->unit)
		snprintf(out, 40, "%s%s%.12s", grouped((json_int_t)number),
		         last ? " " : "", last ? p->unit : "");
	else
		snprintf(out, 40, "%s", scaled(number, bytes));
	return out;
}

void progress_begin(struct progress *p, const char *what)
{
	*p = (struct progress){
	    .what = what, .begun_us = clock_mono_us(), .enabled = isatty(STDERR_FILENO)};
}

static void left_text(const struct progress *p, uint64_t done, uint64_t total, uint64_t now,
                      char out[32])
{
	uint64_t spent = now - p->begun_us;
	out[0] = '\0';
	if (done > 0 && done <= total && spent > 0) {
		double left = (double)spent * (double)(total - done) / (double)done / 1e6;
		snprintf(out, 32, "%.0f s left", left);
	}
}

void progress_show(struct progress *p, uint64_t done, uint64_t total)
{
	uint64_t now = p->enabled ? clock_mono_us() : 0;
	if (!p->enabled || now - p->begun_us < BEGIN_US || now - p->shown_us < AGAIN_US)
		return;
	p->shown_us = now;
	char a[40], b[40], left[32], bar[WIDTH + 1];
	if (total == 0) {
		fprintf(stderr, "\r%s  %s \033[K", p->what, amount(p, done, true, a));
		return;
	}
	if (done > total)
		done = total;
	unsigned filled = (unsigned)((double)done / (double)total * WIDTH);
	for (unsigned i = 0; i < WIDTH; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[WIDTH] = '\0';
	left_text(p, done, total, now, left);
	fprintf(stderr, "\r%s [%s] %3.0f %%  %s of %s  %s\033[K", p->what, bar,
	        100.0 * (double)done / (double)total, amount(p, done, false, a),
	        amount(p, total, true, b), left);
}

void progress_end(struct progress *p)
{
	if (p->shown_us != 0)
		fprintf(stderr, "\r\033[K");
	p->enabled = false;
}
