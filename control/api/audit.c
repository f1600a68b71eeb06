/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /audit: proves from the store that nothing disappeared.
 *
 *   received = stored + duplicate + conflict + rejected + not yet acknowledged
 *
 * The totals by fate are those that the journal carries from block to block; the rows and the
 * error entries are counted one by one. Readings may come in meanwhile: then a count must lie
 * between the totals before and after. A scan of everything: seconds for millions of readings, so
 * GET /audit tells how far it is.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "control/api/api_priv.h"
#include "control/api/topics.h"

#define DAY_MS         86400000ll
#define CATCH_UP_MS    5000
#define BATCHES_REPORT 1024

#define PROGRESS_ROWS  4096 /* are counted between two reports */

/* How far the audits under way are, for GET /audit. */
static struct {
	_Atomic uint64_t running, done, total;
} progress;

struct audit {
	const struct api_request *request;
	struct text *text;
	uint64_t lines;
	bool ok;
};

__attribute__((format(printf, 4, 5))) static void say(struct audit *a, const char *name, bool ok,
                                                      const char *format, ...)
{
	char words[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(words, sizeof words, format, ap);
	va_end(ap);
	text_add(a->text, "%s{\"check\":", a->lines++ ? ",\n" : "\n");
	text_json(a->text, name, strlen(name));
	text_add(a->text, ",\"ok\":%s,\"detail\":", ok ? "true" : "false");
	text_json(a->text, words, strlen(words));
	text_put(a->text, "}", 1);
	a->ok = a->ok && ok;
}

static void nap_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* What is durable in the journal now must become visible in the store soon. */
static void check_caught_up(struct audit *a, const struct api_context *c)
{
	struct journal_status status;
	journal_status_get(c->journal, &status);
	uint64_t until_us = clock_mono_us() + CATCH_UP_MS * 1000;
	while (store_applied_block(c->store) < status.durable_block &&
	       clock_mono_us() < until_us && !api_is_stopping(a->request))
		nap_ms(10);
	uint64_t applied = store_applied_block(c->store);
	say(a, "store has caught up with the journal", applied >= status.durable_block,
	    "journal durable to block %" PRIu64 ", store applied to block %" PRIu64,
	    status.durable_block, applied);
}

/* Equal when nothing comes in, else in between. */
static void check_count(struct audit *a, const char *name, uint64_t count, uint64_t before,
                        uint64_t after)
{
	if (before == after)
		say(a, name, count == before, "%" PRIu64 " found, %" PRIu64 " by the totals", count,
		    before);
	else
		say(a, name, count >= before && count <= after,
		    "%" PRIu64 " found, %" PRIu64 " to %" PRIu64
		    " by the totals (readings came in)",
		    count, before, after);
}

/* --- rows --- */

struct rows {
	const struct api_request *request;
	uint64_t count, disordered, unknown_device, without_channels;
	uint32_t devices;
	int64_t day;
	struct stored_reading last;
};

static int64_t day_of(int64_t ms)
{
	return ms / DAY_MS - (ms % DAY_MS < 0);
}

/* Rows come by (day of the meter's time, device, meter's time). Strictly: the identity
 * (device, meter's time) can't be there twice then. */
static bool on_row(void *context, const struct stored_reading *r)
{
	struct rows *rows = context;
	int64_t day = day_of(r->meter_ts_ms);
	bool after = rows->count == 0 || day > rows->day;
	if (!after && day == rows->day)
		after = r->device > rows->last.device ||
		        (r->device == rows->last.device &&
		         r->meter_ts_ms > rows->last.meter_ts_ms);
	rows->disordered += !after;
	rows->unknown_device += r->device >= rows->devices;
	rows->without_channels += r->channel_count == 0;
	rows->day = day;
	rows->last = *r;
	if (++rows->count % PROGRESS_ROWS == 0)
		atomic_store_explicit(&progress.done, rows->count, memory_order_relaxed);
	return !api_is_stopping(rows->request);
}

static enum result check_rows(struct audit *a, const struct api_context *c, struct error *err)
{
	struct fate_totals before, after;
	struct rows rows;
	uint64_t removed;
	enum result result;
	do { /* again if retention took a day away meanwhile */
		removed = store_removed(c->store);
		rows = (struct rows){.request = a->request,
		                     .devices = registry_count(c->registry)};
		store_totals(c->store, &before);
		result = store_scan_all(c->store, on_row, &rows, err);
		if (result != RESULT_OK)
			return result;
	} while (store_removed(c->store) != removed && !api_is_stopping(a->request));
	atomic_store(&progress.done, rows.count);
	store_totals(c->store, &after);
	/* devices registered during the scan are known, too */
	if (registry_count(c->registry) != rows.devices)
		rows.unknown_device = 0;
	if (removed > 0)
		say(a, "retention", true, "%" PRIu64 " readings are past it and went", removed);
	check_count(a, "every stored reading has its row", rows.count + removed,
	            before.count[FATE_STORED],
	            after.count[FATE_STORED]);
	say(a, "no identity is stored twice", rows.disordered == 0,
	    "%" PRIu64 " of %" PRIu64 " rows are not after the one before by day, device and time",
	    rows.disordered, rows.count);
	say(a, "every row has a device and a value",
	    rows.unknown_device == 0 && rows.without_channels == 0,
	    "%" PRIu64 " rows of unknown devices, %" PRIu64 " rows without a value",
	    rows.unknown_device, rows.without_channels);
	return RESULT_OK;
}

/* --- error entries --- */

struct entries {
	const struct api_request *request;
	uint64_t count[FATE_COUNT], strange, disordered, last;
};

static bool on_entry(void *context, const struct stored_error *e)
{
	struct entries *entries = context;
	if (e->fate < FATE_COUNT && fate_is_error(e->fate))
		entries->count[e->fate]++;
	else
		entries->strange++;
	entries->disordered += e->number <= entries->last && entries->last != 0;
	entries->last = e->number;
	return !api_is_stopping(entries->request);
}

static enum result check_entries(struct audit *a, const struct api_context *c, struct error *err)
{
	struct fate_totals before, after;
	struct entries entries = {.request = a->request};
	store_totals(c->store, &before);
	enum result result = store_scan_errors(c->store, 0, on_entry, &entries, err);
	if (result != RESULT_OK)
		return result;
	store_totals(c->store, &after);
	for (int f = FATE_CONFLICT; f < FATE_COUNT; f++) {
		char name[96];
		if (entries.count[f] == 0 && after.count[f] == 0)
			continue;
		snprintf(name, sizeof name, "every %s has its error entry", fate_info[f].name);
		check_count(a, name, entries.count[f], before.count[f], after.count[f]);
	}
	say(a, "the error queue is in order", entries.disordered == 0 && entries.strange == 0,
	    "%" PRIu64 " entries out of order, %" PRIu64 " without a reason", entries.disordered,
	    entries.strange);
	return RESULT_OK;
}

/* --- counters --- */

/* Readings in batches that are under way, or -1 when that can't be told. */
static int64_t batches_under_way(const struct api_context *c)
{
	static const char ending[] = " batches";
	struct report_level levels[BATCHES_REPORT];
	uint32_t count = pipeline_levels(c->pipeline, levels, BATCHES_REPORT);
	int64_t batches = -1;
	for (uint32_t i = 0; i < count && i < BATCHES_REPORT; i++) {
		size_t length = strlen(levels[i].name);
		if (strncmp(levels[i].name, "io", 2) == 0 && length > sizeof ending &&
		    strcmp(levels[i].name + length - strlen(ending), ending) == 0)
			batches = (batches < 0 ? 0 : batches) + (int64_t)levels[i].used;
	}
	return batches;
}

/*
 * Not yet acknowledged = received - durable. Never negative; and where no batch is under way, it
 * must be zero. Both are read while readings come in, so a few tries find a quiet moment.
 */
static void check_balance(struct audit *a, const struct api_context *c)
{
	struct api_balance b = {0};
	bool negative = false, lost = false;
	for (int i = 0; i < 50 && !api_is_stopping(a->request); i++) {
		int64_t before = batches_under_way(c);
		api_balance_get(c, &b);
		int64_t after = batches_under_way(c);
		negative = b.durable > b.received;
		lost = b.in_flight > 0 && before == 0 && after == 0;
		if (b.in_flight == 0 && !negative)
			break;
		nap_ms(10);
	}
	uint64_t rejected = 0;
	for (int f = FATE_REJECT_EMPTY; f < FATE_COUNT; f++)
		rejected += b.since_start.count[f];
	say(a, "received = stored + duplicate + conflict + rejected + not yet acknowledged",
	    !negative && !lost,
	    "since start: %" PRIu64 " = %" PRIu64 " + %" PRIu64 " + %" PRIu64 " + %" PRIu64
	    " + %" PRIu64,
	    b.received, b.since_start.count[FATE_STORED], b.since_start.count[FATE_DUPLICATE],
	    b.since_start.count[FATE_CONFLICT], rejected, b.in_flight);
}

struct difference {
	uint64_t ahead, behind, all; /* the store's, to the journal's totals */
	bool wrong;
};

/*
 * The store can't be ahead of the journal; when it has applied everything, they are equal. Blocks
 * may come in and be applied meanwhile, so the order of the reads matters: first whether the store
 * has settled, then its totals, then the journal's. `before` is read first of all: where it equals
 * the journal's totals at the end, no block became durable in between.
 */
static void compare_totals(const struct api_context *c, struct difference *d)
{
	struct fate_totals before, journal, store;
	struct journal_status status;
	journal_totals_get(c->journal, &before);
	journal_status_get(c->journal, &status);
	bool settled = store_applied_block(c->store) >= status.durable_block;
	store_totals(c->store, &store);
	journal_totals_get(c->journal, &journal);
	*d = (struct difference){0};
	for (int f = FATE_STORED; f < FATE_COUNT; f++) {
		uint64_t j = journal.count[f], s = store.count[f];
		d->ahead += s > j ? s - j : 0;
		d->behind += j > s ? j - s : 0;
		d->all += j;
	}
	bool quiet = memcmp(&before, &journal, sizeof journal) == 0;
	d->wrong = d->ahead > 0 || (d->behind > 0 && settled && quiet);
}

/* The journal publishes a block's totals just before its number: what is wrong stays so. */
static void check_totals(struct audit *a, const struct api_context *c)
{
	struct difference d;
	compare_totals(c, &d);
	for (int i = 0; i < 5 && d.wrong && !api_is_stopping(a->request); i++) {
		nap_ms(10);
		compare_totals(c, &d);
	}
	say(a, "journal and store agree on the totals", !d.wrong,
	    "%" PRIu64 " readings by the journal, the store is %" PRIu64 " behind and %" PRIu64
	    " ahead",
	    d.all, d.behind, d.ahead);
}

static void put_totals(struct text *t, const struct api_context *c)
{
	struct fate_totals totals;
	store_totals(c->store, &totals);
	text_add(t, ",\"totals\":{");
	for (int f = FATE_STORED; f < FATE_COUNT; f++)
		text_add(t, "%s\"%s\":%" PRIu64, f > FATE_STORED ? "," : "", fate_info[f].name,
		         totals.count[f]);
	text_add(t, "}");
}

static enum result check_store(struct audit *a, const struct api_context *c, struct error *err)
{
	struct fate_totals totals;
	store_totals(c->store, &totals);
	atomic_store(&progress.done, 0);
	atomic_store(&progress.total, totals.count[FATE_STORED] - store_removed(c->store));
	atomic_fetch_add(&progress.running, 1);
	enum result result = check_rows(a, c, err);
	if (result == RESULT_OK)
		result = check_entries(a, c, err);
	atomic_fetch_sub(&progress.running, 1);
	return result;
}

static void api_audit_progress(const struct api_request *request, struct api_reply *reply)
{
	(void)request;
	text_add(&reply->text,
	         "{\"running\":%s,\"done\":%" PRIu64 ",\"total\":%" PRIu64 "}\n",
	         atomic_load(&progress.running) > 0 ? "true" : "false",
	         atomic_load(&progress.done), atomic_load(&progress.total));
}

static void api_audit(const struct api_request *request, struct api_reply *reply)
{
	const struct api_context *c = request->context;
	struct audit a = {.request = request, .text = &reply->text, .ok = true};
	uint64_t begin_us = clock_mono_us();
	struct error err;

	text_add(&reply->text, "{\"checks\":[");
	check_caught_up(&a, c);
	enum result result = check_store(&a, c, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	check_totals(&a, c);
	check_balance(&a, c);
	if (api_stopped(request, reply))
		return;
	text_add(&reply->text, "]");
	put_totals(&reply->text, c);
	text_add(&reply->text, ",\"balanced\":%s,\"duration_ms\":%" PRIu64 "}\n",
	         a.ok ? "true" : "false", (clock_mono_us() - begin_us) / 1000);
}

/* --- routes --- */

/* clang-format off */
const struct api_topic api_topic_audit = {
    .name = "audit",
    .about = "Proof that nothing disappeared",
    .routes = (const struct api_route[]){
	{"POST", "/audit", api_audit, API_OPERATOR,
	 .summary = "Count the store and compare with the totals; a scan of everything",
	 .answers = API_ANSWERS({200, API_JSON,
	     "{checks:[{check:string ok:bool detail:string}] totals:Fates balanced:bool "
	     "duration_ms:int}"})},
	{"GET", "/audit", api_audit_progress, API_VIEWER,
	 .summary = "How far the audit under way is, in rows of the store",
	 .answers = API_ANSWERS({200, API_JSON, "{running:bool done:int total:int}"})},
	{0}},
};
/* clang-format on */
