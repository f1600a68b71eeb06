/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power cut simulation: the real journal on the simulated disk, cut off at any moment, over
 * and over on the same disk. Some lives end with a kill instead: what was in flight then lies in
 * the disk's cache, for the next power cut to undo.
 *
 * A model remembers what went into each block. After each cut: every block that was reported
 * durable is there, all that is replayed is what was appended, once, in order, with the right
 * totals; the blocks behind it are gone for good. The reader and its store position take part,
 * so segments are released and used again.
 *
 * usage: sim_storage_power_cut [SEED [STATES]]    a failure prints the seed that replays it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "storage/journal/journal_priv.h"
#include "storage/journal/record.h"
#include "tests/sim/storage/sim_disk.h"
#include "tests/unit/journal/batch_make.h"

#define BLOCKS_MAX  200000u
#define LIVES       25u /* cuts on one disk */
#define STATES      1200u
#define SCRATCH     (256u * 1024u)

struct model_block {
	uint32_t crc; /* of its records */
	uint32_t bytes, count;
	struct fate_totals totals; /* after it */
	uint64_t stage_seq;
	uint64_t epoch; /* of the life that wrote it */
};

struct sim {
	uint64_t seed;
	struct sim_disk disk;
	struct make make;
	struct journal *j;
	struct batch *batch;
	struct model_block *block; /* index: number */
	struct fate_totals totals;
	uint64_t durable;     /* reported */
	uint64_t newest;      /* appended to */
	uint64_t read;        /* by the reader */
	uint64_t stored;      /* durable in the store: recovery replays behind it */
	uint64_t replayed;    /* newest block seen by recovery */
	uint64_t epoch;
	uint64_t recycled, replays;
	bool brief; /* a short life of small blocks: the last one's left-overs fit anew */
	uint8_t scratch[SCRATCH];
};

#define sim_fail(s, ...)                                                                           \
	do {                                                                                       \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                    \
		fprintf(stderr, __VA_ARGS__);                                                      \
		fprintf(stderr, "\nreplay with: sim_storage_power_cut %llu %u\n",                  \
		        (unsigned long long)(s)->seed, LIVES);                                     \
		exit(1);                                                                           \
	} while (0)

static void model_append(struct sim *s, uint64_t number)
{
	if (number >= BLOCKS_MAX)
		sim_fail(s, "too many blocks");
	struct model_block *m = &s->block[number];
	if (number != s->newest)
		*m = (struct model_block){.epoch = s->epoch};
	s->newest = number;
	uint8_t *end = s->scratch;
	for (uint32_t i = 0; i < s->batch->count; i++) {
		uint8_t *next = record_put(end, s->batch, i);
		m->count += next != end;
		end = next;
		uint8_t fate = s->batch->readings[i].fate;
		s->totals.count[fate] += fate != FATE_PENDING;
	}
	m->crc = crc32c(m->crc, s->scratch, (size_t)(end - s->scratch));
	m->bytes += (uint32_t)(end - s->scratch);
	m->totals = s->totals;
	m->stage_seq = s->batch->stage_seq;
}

static void model_check(struct sim *s, const struct journal_block *b)
{
	const struct model_block *m = &s->block[b->number];
	if (b->number > s->newest)
		sim_fail(s, "block %llu was never written", (unsigned long long)b->number);
	if (b->record_bytes != m->bytes || b->record_count != m->count ||
	    crc32c(0, b->records, b->record_bytes) != m->crc)
		sim_fail(s, "block %llu holds something else", (unsigned long long)b->number);
	if (memcmp(&b->totals, &m->totals, sizeof m->totals) != 0)
		sim_fail(s, "block %llu has other totals", (unsigned long long)b->number);
	if (b->stage_seq[0] != m->stage_seq || b->epoch != m->epoch)
		sim_fail(s, "block %llu: stage_seq %llu epoch %llu", (unsigned long long)b->number,
		         (unsigned long long)b->stage_seq[0], (unsigned long long)b->epoch);
}

static enum result replay(void *context, const struct journal_block *b, struct error *err)
{
	struct sim *s = context;
	(void)err;
	if (b->number != s->replayed + 1)
		sim_fail(s, "block %llu is replayed after %llu", (unsigned long long)b->number,
		         (unsigned long long)s->replayed);
	model_check(s, b);
	s->replayed = b->number;
	s->replays++;
	if (make_below(&s->make, 40) == 0)
		s->stored = b->number; /* the store's memory was full: it wrote what it has */
	return RESULT_OK;
}

static void reader_work(struct sim *s)
{
	struct journal_block b;
	struct error err;
	for (uint64_t n = make_below(&s->make, 12); n > 0; n--) {
		enum result r = journal_read(s->j, &b, &err);
		if (r == RESULT_ABSENT)
			break;
		if (r != RESULT_OK)
			sim_fail(s, "read: %s", err.text);
		if (b.number != s->read + 1 || b.number > s->durable)
			sim_fail(s, "read block %llu after %llu", (unsigned long long)b.number,
			         (unsigned long long)s->read);
		model_check(s, &b);
		s->read = b.number;
	}
	if (make_below(&s->make, 20) == 0) {
		s->stored = s->read;
		journal_release(s->j, s->stored);
	}
}

static void append_work(struct sim *s)
{
	bool large = !s->brief && make_below(&s->make, 4) == 0;
	uint32_t count = large ? BATCH_READINGS : (uint32_t)make_below(&s->make, s->brief ? 2 : 6);
	make_batch(&s->make, s->batch, count);
	if (!journal_append(s->j, s->batch)) {
		s->make.stage_seq--;
		return;
	}
	model_append(s, journal_append_block(s->j));
}

static void poll_work(struct sim *s)
{
	uint64_t durable = journal_poll(s->j);
	if (durable < s->durable || durable > s->newest)
		sim_fail(s, "durable %llu after %llu", (unsigned long long)durable,
		         (unsigned long long)s->durable);
	s->durable = durable;
}

static void config_make(struct sim *s, struct journal_config *c)
{
	*c = (struct journal_config){
	    .segment_bytes = 4u << 20,
	    .segments_spare = 1 + (uint32_t)make_below(&s->make, 2),
	    .bytes_max = make_below(&s->make, 3) == 0 ? 20u << 20 : 0,
	    .block_bytes_max = make_below(&s->make, 2) ? 128u << 10 : 256u << 10,
	    .inflight = 1 + (uint32_t)make_below(&s->make, 4),
	};
	if (s->brief)
		c->inflight = 4;
	c->buffers = c->inflight + 2 + (uint32_t)make_below(&s->make, 4);
}

/* Open; the power may go during it. False: it did. */
static bool life_open(struct sim *s)
{
	struct journal_config config;
	struct error err;
	config_make(s, &config);
	s->replayed = s->stored;
	enum result r =
	    journal_open_io(&config, &s->disk.io, false, s->stored, replay, s, &s->j, &err);
	if (r != RESULT_OK && s->disk.cut)
		return false;
	if (r != RESULT_OK)
		sim_fail(s, "open: %s", err.text);
	if (s->replayed < s->durable)
		sim_fail(s, "block %llu was durable, recovery ends at %llu",
		         (unsigned long long)s->durable, (unsigned long long)s->replayed);
	if (s->j->epoch <= s->epoch)
		sim_fail(s, "epoch %llu again", (unsigned long long)s->j->epoch);
	s->epoch = s->j->epoch;
	s->durable = s->newest = s->read = s->replayed;
	s->totals = (struct fate_totals){0};
	if (s->newest > 0)
		s->totals = s->block[s->newest].totals;
	s->make.stage_seq = 0;
	struct fate_totals totals;
	journal_totals_get(s->j, &totals);
	if (memcmp(&totals, &s->totals, sizeof totals) != 0)
		sim_fail(s, "totals after recovery");
	if (journal_attach(s->j, &err) != RESULT_OK)
		sim_fail(s, "attach: %s", err.text);
	return true;
}

/* One life: open, work, lose power or be killed. */
static void life(struct sim *s)
{
	struct sim_disk *d = &s->disk;
	bool accidents = make_below(&s->make, 3) == 0;
	d->fail_write = accidents ? 20 : 0;
	d->short_write = accidents ? 20 : 0;
	d->fail_prepare = accidents ? 4 : 0;
	d->fail_recycle = d->fail_remove = accidents ? 3 : 0;
	d->kills = make_below(&s->make, 3) == 0;
	s->brief = make_below(&s->make, 2) == 0;
	d->cut_after = 1 + make_below(&s->make, s->brief ? 25 : 2000);
	if (life_open(s)) {
		uint64_t first = s->j->active ? s->j->active->number : 0;
		while (!d->cut) {
			switch (make_below(&s->make, 8)) {
			case 0:
				journal_helper_step(s->j);
				break;
			case 1:
				reader_work(s);
				break;
			case 2:
			case 3:
			case 4:
				append_work(s);
				break;
			case 5:
				journal_submit(s->j, s->brief || make_below(&s->make, 4) == 0);
				break;
			case 6:
				journal_wait(s->j, 5000);
				d->now_us += make_below(&s->make, 3000);
				break;
			default:
				poll_work(s);
			}
		}
		s->recycled += s->j->active ? s->j->active->number - first : 0;
		journal_close(s->j);
	}
	sim_disk_restart(d);
}

static struct sim *sim_new(uint64_t seed)
{
	struct sim *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->seed = seed;
	s->make = (struct make){.random = seed, .devices = 50, .now_ms = 1750000000000};
	s->batch = aligned_alloc(64, (sizeof *s->batch + 63) / 64 * 64);
	s->block = calloc(BLOCKS_MAX, sizeof s->block[0]);
	if (!s->batch || !s->block)
		abort();
	sim_disk_init(&s->disk, seed * 31 + 1);
	return s;
}

static void sim_free(struct sim *s)
{
	sim_disk_fini(&s->disk);
	free(s->block);
	free(s->batch);
	free(s);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t states = argc > 2 ? strtoull(argv[2], NULL, 0) : STATES;
	uint64_t done = 0, blocks = 0, segments = 0, failures = 0, replays = 0;
	for (; done < states; seed++) {
		struct sim *s = sim_new(seed);
		for (uint32_t i = 0; i < LIVES && done < states; i++, done++)
			life(s);
		blocks += s->newest;
		segments += s->recycled;
		failures += s->disk.failures;
		replays += s->replays;
		sim_free(s);
	}
	printf("%llu power cuts survived: %llu blocks, %llu replayed, %llu segments begun, "
	       "%llu write and prepare failures\n",
	       (unsigned long long)done, (unsigned long long)blocks, (unsigned long long)replays,
	       (unsigned long long)segments, (unsigned long long)failures);
	/* a simulation that does not reach these places proves nothing */
	if (states >= STATES && (segments < 100 || failures < 100 || replays < 1000))
		return 1;
	return 0;
}
