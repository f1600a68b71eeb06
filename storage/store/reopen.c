/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening RocksDB anew while the process runs. After a failed background write RocksDB refuses
 * everything until it is opened again, even when the disk is well; what it had in memory is lost
 * then, and comes from the journal once more. Readers wait meanwhile: nobody sees half of it.
 *
 * Thread: the run writer's, with nothing being applied. Memory: none of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/store/keys.h"
#include "storage/store/store_priv.h"

#define PROBE_BYTES (1u << 20)
#define PATH_BYTES  4096

/* Does the disk take a megabyte? */
enum result store_probe(struct store *s, struct error *err)
{
	static const char zero[65536];
	char path[PATH_BYTES + 16];
	snprintf(path, sizeof path, "%s.probe", s->readings_dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int error = fd < 0 ? errno : 0;
	for (uint32_t done = 0; error == 0 && done < PROBE_BYTES; done += sizeof zero) {
		ssize_t n = write(fd, zero, sizeof zero);
		if (n != (ssize_t)sizeof zero)
			error = n < 0 ? errno : ENOSPC;
	}
	if (error == 0 && fsync(fd) != 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	unlink(path);
	return error == 0 ? RESULT_OK
	                  : fail(RESULT_RESOURCE, err, "store: the disk takes no writes: %s",
	                         strerror(error));
}

static void forget(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	run_clear(s->active);
	if (s->frozen)
		run_clear(s->frozen);
	s->frozen = NULL;
	s->run_started_us = 0;
	s->totals = (struct fate_totals){0};
	newest_clear(&s->newest); /* what is known already would not be written again */
	pthread_mutex_unlock(&s->lock);
}

static enum result open_and_replay(struct store *s, uint64_t through, store_replay_fn *replay,
                                   void *context, struct error *err)
{
	db_close(&s->readings);
	enum result r = db_open_readings(&s->readings, s->readings_dir, s->config.cache_bytes,
	                                 s->config.background_threads, &s->merge, err);
	if (r != RESULT_OK)
		return r;
	forget(s);
	r = store_load(s, err);
	/* pages unpacked before may have rows that are to come again */
	atomic_fetch_add_explicit(&s->runs_written, 1, memory_order_release);
	return r == RESULT_OK ? replay(context, store_applied_block(s), through, err) : r;
}

enum result store_reopen(struct store *s, store_replay_fn *replay, store_again_fn *again,
                         void *context, struct error *err)
{
	pthread_rwlock_wrlock(&s->open);
	uint64_t through = atomic_load_explicit(&s->applied_block, memory_order_relaxed);
	enum result r;
	do {
		r = open_and_replay(s, through, replay, context, err);
	} while (r != RESULT_OK && again(context, r, err));
	pthread_rwlock_unlock(&s->open);
	return r;
}
