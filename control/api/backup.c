/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /backup?dir=/an/absolute/path: a backup of everything, made by the daemon while it goes on.
 *
 * The answer is a stream of JSON lines, at least two a second: {"phase","done","total"} (bytes),
 * and at the end {"ok":true,...} or {"ok":false,"detail"}. Who hangs up breaks it off, and what was
 * written is removed. One backup at a time.
 *
 * Threads: the request's, which sends the lines, and one that makes the backup.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/api/api_priv.h"
#include "control/api/topics.h"
#include "storage/backup/backup.h"

#define LINE_EVERY_MS 500

static atomic_flag running = ATOMIC_FLAG_INIT; /* the journal has one holder */

struct backup_job {
	const struct api_context *context;
	const atomic_bool *stopping;
	char *dir;
	pthread_t thread;
	atomic_bool abort;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct backup_progress progress;
	bool finished, told;
	enum result result;
	struct error err;
	struct backup_report report;
};

static bool on_progress(void *context, const struct backup_progress *progress)
{
	struct backup_job *job = context;
	pthread_mutex_lock(&job->lock);
	job->progress = *progress;
	pthread_mutex_unlock(&job->lock);
	return !atomic_load(&job->abort) &&
	       !(job->stopping && atomic_load_explicit(job->stopping, memory_order_relaxed));
}

static void *job_main(void *context)
{
	struct backup_job *job = context;
	const struct api_context *c = job->context;
	const struct backup_extra extras[] = {
	    {c->config_file, "headrace.yaml"},
	    {c->config->channels_file, "channels.yaml"},
	    {c->config->profiles_dir, "profiles"},
	    {c->config->tariffs_dir, "tariffs"},
	    {c->config->vee_dir, "vee"},
	    {c->config->health_file, "health.yaml"},
	    {c->config->broker.password_file, "passwords"},
	    {c->config->broker.acl_file, "acl"},
	};
	const struct backup_source source = {
	    .store = c->store,
	    .store_dir = c->config->store.dir,
	    .journal = c->journal,
	    .journal_dir = c->config->journal.dir,
	    .extras = extras,
	    .extra_count = sizeof extras / sizeof extras[0],
	    .now_ms = clock_wall_ms(),
	};
	struct error err = {""};
	struct backup_report report = {0};
	log_info("backup", "to %s", job->dir);
	enum result r = c->backup_make(&source, job->dir, on_progress, job, &report, &err);
	if (r == RESULT_OK)
		log_info("backup", "%s: %" PRIu64 " files, %" PRIu64 " bytes, to block %" PRIu64,
		         job->dir, report.files, report.bytes, report.journal_block);
	else
		log_error("backup", "%s: %s", job->dir, err.text);
	pthread_mutex_lock(&job->lock);
	job->result = r;
	job->err = err;
	job->report = report;
	job->finished = true;
	pthread_cond_signal(&job->changed);
	pthread_mutex_unlock(&job->lock);
	return NULL;
}

static void put_end(struct text *t, const struct backup_job *job)
{
	char created[TIME_TEXT_BYTES], store[TIME_TEXT_BYTES], journal[TIME_TEXT_BYTES];
	const struct backup_report *r = &job->report;
	if (job->result != RESULT_OK) {
		text_add(t, "{\"ok\":false,\"detail\":");
		text_json(t, job->err.text, strlen(job->err.text));
		text_add(t, "}\n");
		return;
	}
	text_add(t,
	         "{\"ok\":true,\"files\":%" PRIu64 ",\"bytes\":%" PRIu64
	         ",\"created\":\"%s\",\"store_block\":%" PRIu64
	         ",\"store_time\":\"%s\",\"journal_block\":%" PRIu64 ",\"journal_time\":\"%s\"}\n",
	         r->files, r->bytes, time_format(r->created_ms, created), r->store_block,
	         time_format(r->store_ms, store), r->journal_block,
	         time_format(r->journal_ms, journal));
}

/* Waits half a second at most, for the end. */
static ssize_t more(void *context, char *to, size_t max)
{
	struct backup_job *job = context;
	struct text t = {0};
	struct timespec until;
	int error = 0;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += LINE_EVERY_MS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&job->lock);
	while (!job->finished && error == 0)
		error = pthread_cond_timedwait(&job->changed, &job->lock, &until);
	bool over = job->told;
	job->told = job->finished;
	if (job->finished)
		put_end(&t, job);
	else
		text_add(&t, "{\"phase\":\"%s\",\"done\":%" PRIu64 ",\"total\":%" PRIu64 "}\n",
		         job->progress.phase, job->progress.done, job->progress.total);
	pthread_mutex_unlock(&job->lock);
	ssize_t bytes = over ? API_STREAM_END : API_STREAM_BROKEN;
	if (!over && !t.failed && t.used <= max) {
		memcpy(to, t.data, t.used);
		bytes = (ssize_t)t.used;
	}
	text_free(&t);
	return bytes;
}

static void job_free(struct backup_job *job)
{
	pthread_cond_destroy(&job->changed);
	pthread_mutex_destroy(&job->lock);
	free(job->dir);
	free(job);
	atomic_flag_clear(&running);
}

static void end(void *context)
{
	struct backup_job *job = context;
	atomic_store(&job->abort, true);
	pthread_join(job->thread, NULL);
	job_free(job);
}

static void api_backup(const struct api_request *request, struct api_reply *reply)
{
	const char *dir = api_parameter(request, "dir");
	if (!dir || dir[0] != '/') {
		api_problem(reply, 400, "Bad parameter",
		            "give dir: an absolute path, absent or empty", "dir is '%.200s'",
		            dir ? dir : "");
		return;
	}
	if (!request->context->backup_make) {
		api_problem(reply, 404, "No backups", "run headraced", "this server makes none");
		return;
	}
	if (atomic_flag_test_and_set(&running)) {
		api_problem(reply, 503, "Busy", "try again when it is done",
		            "another backup is under way");
		return;
	}
	struct backup_job *job = calloc(1, sizeof *job);
	char *copy = strdup(dir);
	if (!job || !copy) {
		free(job);
		free(copy);
		atomic_flag_clear(&running);
		api_problem(reply, 503, "Out of resources", "try again later", "no memory");
		return;
	}
	job->context = request->context;
	job->stopping = request->stopping;
	job->dir = copy;
	job->progress.phase = "beginning";
	pthread_mutex_init(&job->lock, NULL);
	pthread_cond_init(&job->changed, NULL);
	if (pthread_create(&job->thread, NULL, job_main, job) != 0) {
		job_free(job);
		api_problem(reply, 503, "Out of resources", "try again later", "no thread");
		return;
	}
	reply->content_type = "application/x-ndjson";
	reply->stream = (struct api_stream){more, end, job};
}

/* --- routes --- */

/* clang-format off */
const struct api_topic api_topic_backup = {
    .name = "backup",
    .about = "Copies of everything, made while it goes on",
    .routes = (const struct api_route[]){
	{"POST", "/backup", api_backup, API_ADMIN,
	 .summary = "Make a backup in a folder of the server",
	 .parameters = API_PARAMETERS(
	     {"dir", "string!", "an absolute path, absent or empty"}),
	 .answers = API_ANSWERS({200, API_NDJSON, "{phase?:string done?:int total?:int "
	     "ok?:bool detail?:string files?:int bytes?:int created?:time store_block?:int "
	     "store_time?:time journal_block?:int journal_time?:time}"})},
	{0}},
};
/* clang-format on */
