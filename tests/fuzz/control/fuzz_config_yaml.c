/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary text as headrace.yaml, channels.yaml and a profile. Oracles: either it is taken, and
 * then the promised ranges hold, or there is a message that begins with file and line.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "control/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static char folder[64], config_path[96], channels_path[96], profiles_dir[96], profile_path[128];

static void put(const char *path, const void *data, size_t bytes)
{
	FILE *f = fopen(path, "wb");
	CHECK(f != NULL);
	CHECK_OP(fwrite(data, 1, bytes, f), ==, bytes);
	CHECK_OP(fclose(f), ==, 0);
}

static void clean_up(void)
{
	unlink(config_path);
	unlink(channels_path);
	unlink(profile_path);
	rmdir(profiles_dir);
	rmdir(folder);
}

static void set_up(void)
{
	strcpy(folder, "/dev/shm/headrace-fuzz-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	snprintf(config_path, sizeof config_path, "%s/headrace.yaml", folder);
	snprintf(channels_path, sizeof channels_path, "%s/channels.yaml", folder);
	snprintf(profiles_dir, sizeof profiles_dir, "%s/profiles", folder);
	snprintf(profile_path, sizeof profile_path, "%s/p.yaml", profiles_dir);
	CHECK_OP(mkdir(profiles_dir, 0700), ==, 0);
	atexit(clean_up);
}

/* "PATH:LINE: words; expected words" */
static void check_message(const struct error *err, const char *path)
{
	unsigned line;
	size_t length = strlen(path);
	CHECK(strncmp(err->text, path, length) == 0);
	CHECK_OP(sscanf(err->text + length, ":%u: ", &line), ==, 1);
	CHECK_OP(line, >, 0u);
	/* the end may have been cut off */
	CHECK(strstr(err->text, "expected") != NULL || strlen(err->text) > ERROR_TEXT_BYTES / 2);
}

static void check_config(void)
{
	struct config *c;
	struct error err = {""};
	if (config_load(config_path, &c, &err) != RESULT_OK) {
		check_message(&err, config_path);
		return;
	}
	CHECK_OP(c->ports_count, >, 0u);
	CHECK_OP(c->workers_count, >, 0u);
	uint32_t io = 0, stage = 0, store = 0, queues = 0;
	for (uint32_t i = 0; i < c->workers_count; i++) {
		CHECK_OP(io & c->workers[i].io_mask, ==, 0u);
		io |= c->workers[i].io_mask;
		stage |= c->workers[i].stage_mask;
		store += c->workers[i].store;
	}
	for (uint32_t i = 0; i < c->ports_count; i++)
		queues += c->ports[i].queues;
	CHECK_OP(io, ==, (1u << queues) - 1);
	CHECK(stage != 0 && (stage & (stage + 1)) == 0);
	CHECK_OP(store, ==, 1u);
	CHECK_OP(c->journal.buffers, >=, c->journal.inflight + 2);
	config_free(c);
}

static void check_profile(const struct channel_catalogue *channels, const struct config *defaults)
{
	static struct profile_set set;
	struct error err = {""};
	if (config_load_profiles(profiles_dir, channels, defaults, &set, &err) != RESULT_OK) {
		check_message(&err, profile_path);
		return;
	}
	const struct profile *p = &set.profiles[0];
	CHECK_OP(set.count, ==, 1u);
	CHECK(set.by_id[p->id] == p);
	CHECK(p->channel_count > 0 && p->channel_count <= READING_CHANNELS);
	CHECK_OP(p->field_count, <=, (uint32_t)PROFILE_FIELDS_MAX);
	for (uint32_t i = 0; i < p->channel_count; i++) {
		CHECK(channels->by_id[p->channels[i].channel].id != 0);
		CHECK_OP(p->channels[i].min, <=, p->channels[i].max);
	}
	CHECK_OP(p->drift_accept_ms, <=, p->drift_flag_ms);
	CHECK_OP(p->drift_flag_ms, <=, p->drift_replace_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct channel_catalogue channels = {
	    .by_id = {[1] = {1, CHANNEL_REGISTER, 6, "active_energy", "kWh"},
	              [6] = {6, CHANNEL_GAUGE, 3, "voltage", "V"}}};
	static const struct config defaults = {
	    .validation = {.drift_accept_s = 60, .drift_flag_s = 300, .drift_replace_s = 3600,
	                   .late_max_h = 48}};
	static struct channel_catalogue taken;
	struct error err = {""};

	if (!folder[0])
		set_up();
	put(config_path, data, bytes);
	put(channels_path, data, bytes);
	put(profile_path, data, bytes);
	check_config();
	if (config_load_channels(channels_path, &taken, &err) != RESULT_OK)
		check_message(&err, channels_path);
	check_profile(&channels, &defaults);
	return 0;
}
