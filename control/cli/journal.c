/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace journal dump|verify: looks at a journal's files themselves, without the daemon.
 * Never writes to them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/fate.h"
#include "contract/limits.h"
#include "control/api/text.h"
#include "control/cli/command.h"
#include "storage/journal/inspect.h"
#include "storage/journal/record.h"

struct dump {
	enum form format;
	bool records;
	uint64_t segment; /* 0: any */
	uint64_t first, last;
	uint32_t device; /* DEVICE_NONE: any */
};

struct tally {
	uint64_t blocks, readings, errors, problems, damages, lost;
	uint64_t first, last;
	struct inspect_found end;
};

/* --- what is found, for people --- */

static void tell_finding(const struct inspect_found *f)
{
	if (f->kind == INSPECT_DAMAGE)
		fprintf(stderr,
		        "headrace: DAMAGED: block%s %" PRIu64 " to %" PRIu64
		        " (segment %" PRIx64 " offset %" PRIu64 "): %s, and a later block says "
		        "that it was durable\n",
		        f->missing_first == f->missing_last ? "" : "s", f->missing_first,
		        f->missing_last, f->segment, f->offset, f->cause);
	if (f->kind == INSPECT_RELEASED)
		fprintf(stderr,
		        "headrace: blocks up to %" PRIu64
		        " were released by the daemon while they were read\n",
		        f->missing_last);
	if (f->kind == INSPECT_BLOCK && f->problem[0])
		fprintf(stderr, "headrace: DAMAGED: block %" PRIu64 " contradicts itself: %s\n",
		        f->block.number, f->problem);
}

static int open_failed(const struct error *err)
{
	fprintf(stderr, "headrace: %s\n", err->text);
	return EXIT_FAILED;
}

static void count_records(const struct journal_block *b, struct tally *t)
{
	const uint8_t *at = b->records, *end = at + b->record_bytes;
	struct record r;
	enum record_kind kind;
	while ((kind = record_get(&at, end, &r)) == RECORD_READING || kind == RECORD_ERROR) {
		t->readings += kind == RECORD_READING;
		t->errors += kind == RECORD_ERROR;
	}
}

typedef void block_fn(const struct dump *d, const struct inspect_found *f);

/* The whole look; `show` (may be NULL) sees each block. */
static int look(const char *dir, const struct dump *d, block_fn *show, struct tally *t)
{
	struct journal_inspect *in;
	struct inspect_summary summary;
	struct progress bar;
	struct error err;
	enum result r = journal_inspect_open(dir, &in, &err);
	if (r != RESULT_OK)
		return open_failed(&err);
	progress_begin(&bar, "Reading the journal");
	do {
		r = journal_inspect_next(in, &t->end, &err);
		if (r != RESULT_OK)
			break;
		journal_inspect_summary(in, &summary);
		progress_show(&bar, summary.done, summary.bytes);
		if (t->end.kind == INSPECT_BLOCK) {
			t->first = t->blocks++ ? t->first : t->end.block.number;
			t->last = t->end.block.number;
			t->problems += t->end.problem[0] != '\0';
			if (show)
				show(d, &t->end);
			else
				count_records(&t->end.block, t);
		}
		if (t->end.kind == INSPECT_DAMAGE) {
			t->damages++;
			t->lost += t->end.missing_last - t->end.missing_first + 1;
		}
		tell_finding(&t->end);
	} while (t->end.kind != INSPECT_END && !ferror(stdout));
	progress_end(&bar);
	journal_inspect_close(in);
	if (r != RESULT_OK)
		return open_failed(&err);
	return t->damages + t->problems > 0 ? EXIT_DAMAGED : EXIT_GOOD;
}

/* --- verify --- */

static void print_verdict(const char *dir, const struct tally *t)
{
	printf("%s: %s blocks", dir, grouped((json_int_t)t->blocks));
	if (t->blocks > 0)
		printf(" (%" PRIu64 " to %" PRIu64 ")", t->first, t->last);
	printf(", %s readings, %s error entries\n", grouped((json_int_t)t->readings),
	       grouped((json_int_t)t->errors));
	if (t->end.torn)
		printf("The end is torn: block %" PRIu64 " (segment %" PRIx64 " offset %" PRIu64
		       ") was being written when it stopped and was never acknowledged.\n",
		       t->end.missing_first, t->end.segment, t->end.offset);
	if (t->end.beyond > 0)
		printf("%u whole blocks lie behind the end: written, never acknowledged.\n",
		       t->end.beyond);
	if (t->damages + t->problems > 0)
		printf("%sDAMAGED%s: %" PRIu64 " acknowledged blocks are missing, %" PRIu64
		       " contradict themselves.\nRestore from a backup: see headrace help "
		       "restore.\n",
		       colour_red(), colour_end(), t->lost, t->problems);
	else
		printf("%sSound%s: everything that was acknowledged is there.\n", colour_green(),
		       colour_end());
}

static int verify_journal(const struct arguments *a)
{
	struct tally t = {0};
	int code = look(a->words[0], NULL, NULL, &t);
	if (code == EXIT_FAILED)
		return code;
	if (!a->options[OPTION_JSON]) {
		print_verdict(a->words[0], &t);
		return code;
	}
	printf("{\"sound\":%s,\"blocks\":%" PRIu64 ",\"first\":%" PRIu64 ",\"last\":%" PRIu64
	       ",\"readings\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"missing\":%" PRIu64
	       ",\"contradicting\":%" PRIu64 ",\"torn_end\":%s,\"beyond_end\":%u}\n",
	       code == EXIT_GOOD ? "true" : "false", t.blocks, t.first, t.last, t.readings,
	       t.errors, t.lost, t.problems, t.end.torn ? "true" : "false", t.end.beyond);
	return code;
}

/* --- dump --- */

static void print_block(const struct dump *d, const struct inspect_found *f)
{
	static const char *const formats[] = {
	    [FORM_TABLE] = "%12" PRIu64 "  %8" PRIx64 "  %10" PRIu64 "  %8u  %6" PRIu64
	              "  %12" PRIu64 "  %8u  %s\n",
	    [FORM_CSV] = "%" PRIu64 ",%" PRIx64 ",%" PRIu64 ",%u,%" PRIu64 ",%" PRIu64 ",%u,%s\n",
	    [FORM_JSON] = "{\"block\":%" PRIu64 ",\"segment\":\"%" PRIx64 "\",\"offset\":%" PRIu64
	             ",\"bytes\":%u,\"epoch\":%" PRIu64 ",\"durable_before\":%" PRIu64
	             ",\"records\":%u,\"written\":\"%s\"}\n",
	};
	char time[TIME_TEXT_BYTES];
	const struct journal_block *b = &f->block;
	time_format(b->written_ms, time);
	printf(formats[d->format], b->number, f->segment, f->offset, f->block_bytes, b->epoch,
	       f->durable_before, b->record_count, time);
}

static void print_values(enum form format, const struct stored_reading *r)
{
	for (unsigned i = 0; i < r->channel_count; i++)
		printf(format == FORM_JSON ? "%s\"%u\":%" PRId64 : "%s%u=%" PRId64,
		       i == 0           ? ""
		       : format == FORM_JSON ? ","
		                        : " ",
		       r->channel[i], r->value[i]);
}

static void print_reading(enum form format, uint64_t block, unsigned index,
                          const struct stored_reading *r)
{
	static const char *const formats[] = {
	    [FORM_TABLE] = "%12" PRIu64 "  %6u  reading  %10u  %24s  %24s  %24s  ",
	    [FORM_CSV] = "%" PRIu64 ",%u,reading,%u,%s,%s,%s,",
	    [FORM_JSON] = "{\"block\":%" PRIu64 ",\"index\":%u,\"kind\":\"reading\",\"device\":%u,"
	             "\"meter_time\":\"%s\",\"time\":\"%s\",\"received\":\"%s\",",
	};
	static const char *const more[] = {
	    [FORM_TABLE] = "%3u  %04x  ",
	    [FORM_CSV] = "%u,%u,",
	    [FORM_JSON] = "\"profile\":%u,\"flags\":%u,\"values\":{",
	};
	char meter[TIME_TEXT_BYTES], time[TIME_TEXT_BYTES], received[TIME_TEXT_BYTES];
	time_format(r->meter_ts_ms, meter);
	time_format(r->ts_ms, time);
	time_format(r->received_ms, received);
	printf(formats[format], block, index, r->device, meter, time, received);
	printf(more[format], r->profile, r->flags);
	print_values(format, r);
	puts(format == FORM_JSON ? "}}" : "");
}

static void print_error(enum form format, uint64_t block, unsigned index,
                        const struct stored_error *e)
{
	static const char *const formats[] = {
	    [FORM_TABLE] = "%12" PRIu64 "  %6u  error    %10s  %24s  %24s  %24s  %3u        %s\n",
	    [FORM_CSV] = "%" PRIu64 ",%u,error,%s,%s,%s,%s,%u,,%s\n",
	    [FORM_JSON] = "{\"block\":%" PRIu64
	             ",\"index\":%u,\"kind\":\"error\",\"device\":%s,\"meter_time\":\"%s\","
	             "\"time\":\"%s\",\"received\":\"%s\",\"profile\":%u,\"reason\":\"%s\"}\n",
	};
	char device[16], meter[TIME_TEXT_BYTES], received[TIME_TEXT_BYTES];
	if (e->device == DEVICE_NONE)
		snprintf(device, sizeof device, "%s", format == FORM_JSON ? "null" : "");
	else
		snprintf(device, sizeof device, "%u", e->device);
	time_format(e->meter_ts_ms, meter);
	time_format(e->received_ms, received);
	printf(formats[format], block, index, device, meter, "", received, e->profile,
	       fate_info[e->fate].name);
}

static void print_records(const struct dump *d, const struct journal_block *b)
{
	const uint8_t *at = b->records, *end = at + b->record_bytes;
	struct record r;
	enum record_kind kind;
	for (unsigned index = 0;; index++) {
		kind = record_get(&at, end, &r);
		if (kind == RECORD_READING &&
		    (d->device == DEVICE_NONE || r.reading.device == d->device))
			print_reading(d->format, b->number, index, &r.reading);
		if (kind == RECORD_ERROR &&
		    (d->device == DEVICE_NONE || r.error.device == d->device))
			print_error(d->format, b->number, index, &r.error);
		if (kind != RECORD_READING && kind != RECORD_ERROR)
			break;
	}
}

static void on_block(const struct dump *d, const struct inspect_found *f)
{
	if (f->block.number < d->first || f->block.number > d->last ||
	    (d->segment != 0 && f->segment != d->segment))
		return;
	if (d->records)
		print_records(d, &f->block);
	else
		print_block(d, f);
}

static void print_header(const struct dump *d)
{
	if (d->format == FORM_TABLE && d->records)
		printf("%12s  %6s  %-7s  %10s  %24s  %24s  %24s  %3s  %4s  %s\n", "BLOCK", "RECORD",
		       "KIND", "DEVICE", "METER'S TIME", "TIME", "RECEIVED", "PRO", "FLAG",
		       "CHANNEL=VALUE");
	else if (d->format == FORM_TABLE)
		printf("%12s  %8s  %10s  %8s  %6s  %12s  %8s  %s\n", "BLOCK", "SEGMENT", "OFFSET",
		       "BYTES", "EPOCH", "DURABLE TO", "RECORDS", "WRITTEN");
	else if (d->format == FORM_CSV && d->records)
		puts("block,record,kind,device,meter_time,time,received,profile,flags,values");
	else if (d->format == FORM_CSV)
		puts("block,segment,offset,bytes,epoch,durable_before,records,written");
}

static bool take_number(const char *text, int base, uint64_t *out, const char **end)
{
	char *stop;
	errno = 0;
	*out = strtoull(text, &stop, base);
	*end = stop;
	return stop != text && errno == 0 && *text != '-' && *text != '+';
}

/* "A", "A-B" or "A-". */
static bool take_range(const char *text, struct dump *d)
{
	const char *end;
	if (!take_number(text, 10, &d->first, &end))
		return false;
	d->last = d->first;
	if (*end == '-' && end[1] == '\0')
		d->last = UINT64_MAX;
	else if (*end == '-')
		return take_number(end + 1, 10, &d->last, &end) && *end == '\0' &&
		       d->last >= d->first;
	return *end == '-' || *end == '\0';
}

static int wrong(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "headrace: %s is '%s'; expected %s\n", option, value, expected);
	return EXIT_USAGE;
}

static int take_dump(const struct arguments *a, struct dump *d)
{
	const char *end, *segment = a->options[OPTION_SEGMENT], *blocks = a->options[OPTION_BLOCKS];
	const char *device = a->options[OPTION_DEVICE];
	uint64_t number = DEVICE_NONE;
	*d = (struct dump){.last = UINT64_MAX, .records = a->options[OPTION_RECORDS] || device};
	d->format = a->format;
	if (segment && (!take_number(segment, 16, &d->segment, &end) || *end || !d->segment))
		return wrong("--segment", segment, "a hexadecimal number, as in the file's name");
	if (blocks && !take_range(blocks, d))
		return wrong("--blocks", blocks, "A, A-B or A-");
	if (device && (!take_number(device, 10, &number, &end) || *end || number >= DEVICE_NONE))
		return wrong("--device", device,
		             "the number that headrace devices show tells");
	d->device = (uint32_t)number;
	return EXIT_GOOD;
}

static int dump_journal(const struct arguments *a)
{
	struct dump d;
	struct tally t = {0};
	int code = take_dump(a, &d);
	if (code != EXIT_GOOD)
		return code;
	print_header(&d);
	return look(a->words[0], &d, on_block, &t);
}

static const struct command journal_commands[] = {
    {
        .noun = "journal", .verb = "verify",
        .summary = "check every block of a journal's directory",
        .text = "Reads only; beside a running daemon, too. Checksums, places, numbers, epochs, "
                "records and totals. A torn end, which a power cut leaves, is told from damage: "
                "that block was never acknowledged.",
        .exits = "0: sound\n1: it can't be read\n"
                 "3: blocks that were acknowledged are missing or contradict themselves\n",
        .subjects = {{"DIR", VALUE_FOLDER}},
        .formats = FORMATS_ANSWER,
        .run = verify_journal,
    },
    {
        .noun = "journal", .verb = "dump",
        .summary = "blocks of a journal's directory, or their records",
        .text = "Reads only; beside a running daemon, too. Devices are given by their number (see "
                "devices show), values are integers in the channel's canonical unit. Goes on "
                "behind damage and says so on standard error; exit codes as for verify. As JSON an "
                "object per line.",
        .examples = "headrace journal dump /var/lib/headrace/journal --device 17 --format csv\n",
        .subjects = {{"DIR", VALUE_FOLDER}},
        .options = {TAKES(RECORDS), TAKES(SEGMENT), TAKES(BLOCKS), TAKES(DEVICE)},
        .formats = FORMATS_LIST,
        .run = dump_journal,
    },
};

const struct command_group journal_group = COMMAND_GROUP("Journal files", journal_commands);
