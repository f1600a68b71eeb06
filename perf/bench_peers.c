/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same readings as bench_storage makes, made durable by other engines: plain RocksDB (one Put a
 * reading, each batch synced), SQLite (WAL, synchronous=FULL, a transaction a batch), PostgreSQL
 * (synchronous_commit=on; COPY or multi-row INSERT, a transaction a batch).
 *
 * usage: bench_peers rocksdb|sqlite DIR SECONDS BATCH
 *        bench_peers postgres-copy|postgres-insert CONNINFO SECONDS BATCH
 * Prints one JSON object. perf/storage_peers runs them all.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <rocksdb/c.h>
#ifdef HAVE_SQLITE
#include <sqlite3.h>
#endif
#ifdef HAVE_POSTGRES
#include <libpq-fe.h>
#endif

#include "base/bytes.h"
#include "base/clock.h"
#include "base/histogram.h"

#define CHANNELS 6
#define DEVICES  100000u
#define ROW_TEXT 160u

struct row {
	uint32_t device;
	int64_t ts_ms, received_ms;
	int64_t value[CHANNELS];
};

struct engine {
	const char *name;
	void (*open)(const char *where);
	void (*write)(const struct row *rows, uint32_t count); /* durable when it returns */
	void (*close)(void);
};

static uint64_t random_state;
static int64_t energy[DEVICES];

static uint64_t random_next(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	return z ^ z >> 27;
}

/* As bench_storage: one interval of all devices after the other. */
static void row_make(uint64_t number, struct row *r)
{
	uint64_t w = random_next();
	r->device = (uint32_t)(number * 2654435761u % DEVICES);
	r->ts_ms = 1750000000000 + (int64_t)(number / DEVICES) * 900000;
	r->received_ms = r->ts_ms + 200 + (int64_t)(w & 4095);
	r->value[0] = energy[r->device] += (int64_t)(w >> 12 & 511);
	r->value[1] = r->value[0] / 5;
	r->value[2] = (int64_t)(2000 + (w >> 20 & 1023));
	r->value[3] = (int64_t)(950 + (w >> 30 & 31));
	r->value[4] = (int64_t)(23000 + (w >> 35 & 255));
	r->value[5] = (int64_t)(800 + (w >> 43 & 511));
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* --- RocksDB --- */

static rocksdb_t *rocks;
static rocksdb_writeoptions_t *rocks_write;

static void rocksdb_begin(const char *dir)
{
	char *message = NULL;
	rocksdb_options_t *o = rocksdb_options_create();
	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_options_set_compression(o, rocksdb_lz4_compression);
	rocksdb_options_set_bottommost_compression(o, rocksdb_zstd_compression);
	rocksdb_options_set_max_background_jobs(o, 2);
	rocks = rocksdb_open(o, dir, &message);
	if (message)
		die("rocksdb", message);
	rocks_write = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(rocks_write, 1);
}

static void rocksdb_batch(const struct row *rows, uint32_t count)
{
	char *message = NULL;
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	for (uint32_t i = 0; i < count; i++) {
		uint8_t key[12], value[8 + 8 * CHANNELS];
		put_be32(key, rows[i].device);
		put_be64(key + 4, (uint64_t)rows[i].ts_ms);
		put_le64(value, (uint64_t)rows[i].received_ms);
		for (int k = 0; k < CHANNELS; k++)
			put_le64(value + 8 + 8 * k, (uint64_t)rows[i].value[k]);
		rocksdb_writebatch_put(batch, (char *)key, sizeof key, (char *)value,
		                       sizeof value);
	}
	rocksdb_write(rocks, rocks_write, batch, &message);
	if (message)
		die("rocksdb", message);
	rocksdb_writebatch_destroy(batch);
}

static void rocksdb_end(void)
{
	char *message = NULL;
	rocksdb_flushoptions_t *f = rocksdb_flushoptions_create();
	rocksdb_flushoptions_set_wait(f, 1);
	rocksdb_flush(rocks, f, &message);
	rocksdb_compact_range(rocks, NULL, 0, NULL, 0);
	rocksdb_close(rocks);
}

/* --- SQLite --- */

#ifdef HAVE_SQLITE
static sqlite3 *lite;
static sqlite3_stmt *lite_insert;

static void lite_run(const char *sql)
{
	char *message;
	if (sqlite3_exec(lite, sql, NULL, NULL, &message) != SQLITE_OK)
		die(sql, message);
}

static void sqlite_begin(const char *dir)
{
	char path[4096];
	mkdir(dir, 0700);
	snprintf(path, sizeof path, "%s/readings.db", dir);
	if (sqlite3_open(path, &lite) != SQLITE_OK)
		die(path, sqlite3_errmsg(lite));
	lite_run("PRAGMA journal_mode=WAL");
	lite_run("PRAGMA synchronous=FULL");
	lite_run("CREATE TABLE readings(device INTEGER, ts INTEGER, received INTEGER, v0 INTEGER, "
	         "v1 INTEGER, v2 INTEGER, v3 INTEGER, v4 INTEGER, v5 INTEGER, "
	         "PRIMARY KEY(device, ts)) WITHOUT ROWID");
	if (sqlite3_prepare_v2(lite, "INSERT OR IGNORE INTO readings VALUES(?,?,?,?,?,?,?,?,?)", -1,
	                       &lite_insert, NULL) != SQLITE_OK)
		die("prepare", sqlite3_errmsg(lite));
}

static void sqlite_batch(const struct row *rows, uint32_t count)
{
	lite_run("BEGIN");
	for (uint32_t i = 0; i < count; i++) {
		sqlite3_bind_int64(lite_insert, 1, rows[i].device);
		sqlite3_bind_int64(lite_insert, 2, rows[i].ts_ms);
		sqlite3_bind_int64(lite_insert, 3, rows[i].received_ms);
		for (int k = 0; k < CHANNELS; k++)
			sqlite3_bind_int64(lite_insert, 4 + k, rows[i].value[k]);
		if (sqlite3_step(lite_insert) != SQLITE_DONE)
			die("insert", sqlite3_errmsg(lite));
		sqlite3_reset(lite_insert);
	}
	lite_run("COMMIT");
}

static void sqlite_end(void)
{
	lite_run("PRAGMA wal_checkpoint(TRUNCATE)");
	sqlite3_finalize(lite_insert);
	sqlite3_close(lite);
}
#endif

/* --- PostgreSQL --- */

#ifdef HAVE_POSTGRES
static PGconn *pg;
static char *pg_text;

static void pg_run(const char *sql, ExecStatusType expected)
{
	PGresult *r = PQexec(pg, sql);
	if (PQresultStatus(r) != expected)
		die("postgres", PQerrorMessage(pg));
	PQclear(r);
}

static void postgres_begin(const char *conninfo)
{
	pg = PQconnectdb(conninfo);
	if (PQstatus(pg) != CONNECTION_OK)
		die("postgres", PQerrorMessage(pg));
	pg_run("SET synchronous_commit=on", PGRES_COMMAND_OK);
	pg_run("SET client_min_messages=warning", PGRES_COMMAND_OK);
	pg_run("DROP TABLE IF EXISTS readings", PGRES_COMMAND_OK);
	pg_run("CREATE TABLE readings(device int, ts bigint, received bigint, v0 bigint, "
	       "v1 bigint, v2 bigint, v3 bigint, v4 bigint, v5 bigint, PRIMARY KEY(device, ts))",
	       PGRES_COMMAND_OK);
	pg_text = malloc(1u << 20);
}

static int row_text(char *to, const struct row *r, char between)
{
	return snprintf(to, ROW_TEXT,
	                "%u%c%" PRId64 "%c%" PRId64 "%c%" PRId64 "%c%" PRId64 "%c%" PRId64
	                "%c%" PRId64 "%c%" PRId64 "%c%" PRId64,
	                r->device, between, r->ts_ms, between, r->received_ms, between,
	                r->value[0], between, r->value[1], between, r->value[2], between,
	                r->value[3], between, r->value[4], between, r->value[5]);
}

static void postgres_copy(const struct row *rows, uint32_t count)
{
	char *at = pg_text;
	for (uint32_t i = 0; i < count; i++) {
		at += row_text(at, &rows[i], '\t');
		*at++ = '\n';
	}
	pg_run("COPY readings FROM STDIN", PGRES_COPY_IN);
	if (PQputCopyData(pg, pg_text, (int)(at - pg_text)) != 1 || PQputCopyEnd(pg, NULL) != 1)
		die("copy", PQerrorMessage(pg));
	for (PGresult *r; (r = PQgetResult(pg)); PQclear(r))
		if (PQresultStatus(r) != PGRES_COMMAND_OK)
			die("copy", PQerrorMessage(pg));
}

static void postgres_insert(const struct row *rows, uint32_t count)
{
	char *at = pg_text + sprintf(pg_text, "INSERT INTO readings VALUES");
	for (uint32_t i = 0; i < count; i++) {
		*at++ = i ? ',' : ' ';
		*at++ = '(';
		at += row_text(at, &rows[i], ',');
		*at++ = ')';
	}
	strcpy(at, " ON CONFLICT DO NOTHING");
	pg_run(pg_text, PGRES_COMMAND_OK);
}

static void postgres_end(void)
{
	pg_run("CHECKPOINT", PGRES_COMMAND_OK);
	PQfinish(pg);
}
#endif

static const struct engine engines[] = {
    {"rocksdb", rocksdb_begin, rocksdb_batch, rocksdb_end},
#ifdef HAVE_SQLITE
    {"sqlite", sqlite_begin, sqlite_batch, sqlite_end},
#endif
#ifdef HAVE_POSTGRES
    {"postgres-copy", postgres_begin, postgres_copy, postgres_end},
    {"postgres-insert", postgres_begin, postgres_insert, postgres_end},
#endif
};

static uint64_t cpu_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int run(const struct engine *e, const char *where, double seconds, uint32_t batch)
{
	static struct histogram commits;
	struct row *rows = calloc(batch, sizeof *rows);
	uint64_t count = 0, making = 0;
	e->open(where);
	uint64_t start = clock_mono_us(), end = start + (uint64_t)(seconds * 1e6);
	uint64_t cpu = cpu_ns();
	while (clock_mono_us() < end) {
		uint64_t made = cpu_ns();
		for (uint32_t i = 0; i < batch; i++)
			row_make(count + i, &rows[i]);
		making += cpu_ns() - made;
		uint64_t begin = clock_mono_us();
		e->write(rows, batch);
		histogram_add(&commits, clock_mono_us() - begin);
		count += batch;
	}
	double elapsed = (double)(clock_mono_us() - start) / 1e6;
	e->close();
	printf("{\"engine\":\"%s\",\"batch\":%u,\"readings\":%" PRIu64
	       ",\"readings_per_s\":%.0f,\"client_cpu_ns\":%.0f,\"p50_ms\":%.2f,\"p99_ms\":%.2f}\n",
	       e->name, batch, count, (double)count / elapsed,
	       (double)(cpu_ns() - cpu - making) / (double)count,
	       (double)histogram_percentile_us(&commits, 50) / 1e3,
	       (double)histogram_percentile_us(&commits, 99) / 1e3);
	free(rows);
	return 0;
}

int main(int argc, char **argv)
{
	double seconds = argc == 5 ? atof(argv[3]) : 0;
	long batch = argc == 5 ? atol(argv[4]) : 0;
	for (size_t i = 0; seconds > 0 && batch > 0 && batch <= 4096 &&
	                   i < sizeof engines / sizeof engines[0]; i++)
		if (strcmp(engines[i].name, argv[1]) == 0)
			return run(&engines[i], argv[2], seconds, (uint32_t)batch);
	fprintf(stderr, "usage: %s ENGINE DIR|CONNINFO SECONDS BATCH (1 to 4096); engines:",
	        argv[0]);
	for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++)
		fprintf(stderr, " %s", engines[i].name);
	fprintf(stderr, "\n");
	return 2;
}
