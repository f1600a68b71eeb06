/* SPDX-License-Identifier: Apache-2.0 */
/* Section `workers`: which thread runs which stages; every stage exactly once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/config_priv.h"

#define CPU_MAX 1023

enum stage_kind { STAGE_BAD, STAGE_IO, STAGE_STAGE, STAGE_STORE };

/* "io0", "stage12", "store": canonical decimal numbers below `limit`. */
static enum stage_kind stage_parse(const char *name, uint32_t *index)
{
	char again[24];
	*index = 0;
	if (strcmp(name, "store") == 0)
		return STAGE_STORE;
	if (sscanf(name, "io%2u", index) == 1 && *index < MAX_IO_WORKERS) {
		snprintf(again, sizeof again, "io%u", *index);
		return strcmp(name, again) == 0 ? STAGE_IO : STAGE_BAD;
	}
	if (sscanf(name, "stage%2u", index) == 1 && *index < MAX_STAGE_WORKERS) {
		snprintf(again, sizeof again, "stage%u", *index);
		return strcmp(name, again) == 0 ? STAGE_STAGE : STAGE_BAD;
	}
	return STAGE_BAD;
}

struct placed {
	uint32_t io_mask, stage_mask, ios;
	bool store;
};

static enum result take_stage(struct yaml_file *file, const char *path, const char *name,
                              struct placed *all, struct config_worker *w, struct error *err)
{
	uint32_t index;
	enum stage_kind kind = stage_parse(name, &index);
	uint32_t bit = 1u << index;
	if (kind == STAGE_BAD || (kind == STAGE_IO && index >= all->ios))
		return yaml_fail(file, path, err,
		                 "there is no stage '%s'; expected io0 to io%u (one per queue of "
		                 "the ports), stage0 to stage%d, or store", name, all->ios - 1,
		                 MAX_STAGE_WORKERS - 1);
	bool twice = kind == STAGE_IO      ? all->io_mask & bit
	             : kind == STAGE_STAGE ? all->stage_mask & bit
	                                   : all->store;
	if (twice)
		return yaml_fail(file, path, err,
		                 "stage '%s' is given twice; expected on one worker only", name);
	if (kind == STAGE_IO) {
		all->io_mask |= bit;
		w->io_mask |= bit;
	} else if (kind == STAGE_STAGE) {
		all->stage_mask |= bit;
		w->stage_mask |= bit;
	} else {
		all->store = w->store = true;
	}
	return RESULT_OK;
}

static enum result take_worker(struct yaml_file *file, const struct raw_config *raw, uint32_t i,
                               struct placed *all, struct config *c, struct error *err)
{
	const struct raw_worker *from = &raw->workers[i];
	struct config_worker *w = &c->workers[i];
	char path[YAML_PATH_BYTES];
	int64_t cpu;

	snprintf(path, sizeof path, "workers[%u].cpu", i);
	enum result result = yaml_int(file, path, &from->cpu, 0, 0, CPU_MAX, &cpu, err);
	if (result != RESULT_OK)
		return result;
	w->cpu = (uint32_t)cpu;
	for (uint32_t k = 0; k < i; k++)
		if (c->workers[k].cpu == w->cpu)
			return yaml_fail(file, path, err,
			                 "cpu %u already has workers[%u]; expected one worker per "
			                 "cpu, with all stages that share it", w->cpu, k);

	w->stages = calloc(from->stages_count, sizeof *w->stages);
	if (!w->stages)
		return fail(RESULT_RESOURCE, err, "%s: no memory", file->path);
	for (uint32_t s = 0; s < from->stages_count; s++) {
		snprintf(path, sizeof path, "workers[%u].stages[%u]", i, s);
		result = take_stage(file, path, from->stages[s], all, w, err);
		if (result != RESULT_OK)
			return result;
		w->stages[s] = strdup(from->stages[s]);
		if (!w->stages[s])
			return fail(RESULT_RESOURCE, err, "%s: no memory", file->path);
		w->stages_count++;
	}
	return RESULT_OK;
}

static enum result check_complete(struct yaml_file *file, const struct placed *all,
                                  struct error *err)
{
	for (uint32_t i = 0; i < all->ios; i++)
		if (!(all->io_mask >> i & 1))
			return yaml_fail(file, "workers", err,
			                 "no worker runs 'io%u'; expected each of io0 to io%u (one "
			                 "per queue of the ports) on one worker", i, all->ios - 1);
	if (all->stage_mask == 0 || (all->stage_mask & (all->stage_mask + 1)) != 0)
		return yaml_fail(file, "workers", err,
		                 "no worker runs 'stage%d'; expected stages numbered from 0 "
		                 "without a gap, each on one worker",
		                 __builtin_ctz(~all->stage_mask));
	if (!all->store)
		return yaml_fail(file, "workers", err,
		                 "no worker runs 'store'; expected it on one worker");
	return RESULT_OK;
}

/* No section: one worker on cpu 0 runs everything. */
static enum result take_default(struct yaml_file *file, uint32_t ios, struct config *c,
                                struct error *err)
{
	struct config_worker *w = calloc(1, sizeof *w);
	if (!w || !(w->stages = calloc(ios + 2, sizeof *w->stages))) {
		free(w);
		return fail(RESULT_RESOURCE, err, "%s: no memory", file->path);
	}
	c->workers = w;
	c->workers_count = 1;
	w->io_mask = (1u << ios) - 1;
	w->stage_mask = 1;
	w->store = true;
	for (uint32_t i = 0; i < ios + 2; i++) {
		char name[16] = "store";
		if (i < ios)
			snprintf(name, sizeof name, "io%u", i);
		else if (i == ios)
			snprintf(name, sizeof name, "stage0");
		w->stages[w->stages_count] = strdup(name);
		if (!w->stages[w->stages_count++])
			return fail(RESULT_RESOURCE, err, "%s: no memory", file->path);
	}
	return RESULT_OK;
}

enum result config_take_workers(struct yaml_file *file, const struct raw_config *raw,
                                struct config *c, struct error *err)
{
	struct placed all = {0};
	for (uint32_t i = 0; i < c->ports_count; i++)
		all.ios += c->ports[i].queues;
	if (raw->workers_count == 0)
		return take_default(file, all.ios, c, err);
	c->workers = calloc(raw->workers_count, sizeof *c->workers);
	if (!c->workers)
		return fail(RESULT_RESOURCE, err, "%s: no memory", file->path);
	c->workers_count = raw->workers_count;
	for (uint32_t i = 0; i < c->workers_count; i++) {
		enum result result = take_worker(file, raw, i, &all, c, err);
		if (result != RESULT_OK)
			return result;
	}
	return check_complete(file, &all, err);
}
