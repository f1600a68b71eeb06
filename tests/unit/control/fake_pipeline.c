/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_pipeline.h"

#include <stdio.h>

uint32_t pipeline_stage_count(const struct pipeline *p)
{
	(void)p;
	return 3;
}

void pipeline_stage(const struct pipeline *p, uint32_t index, struct report_stage *out)
{
	static const char *const names[] = {"io0", "stage0", "store"};
	*out = (struct report_stage){
	    .kind = (enum report_stage_kind)index,
	    .cpu = index,
	    .meter = &p->meters[index],
	    .counters = index < 2 ? &p->counters[index] : NULL,
	    .ack_us = index == 0 ? &p->ack_us : NULL,
	    .poll_us = index == 0 ? &p->ack_us : NULL,
	};
	snprintf(out->name, sizeof out->name, "%s", names[index]);
}

uint32_t pipeline_levels(const struct pipeline *p, struct report_level *out, uint32_t max)
{
	const struct report_level levels[] = {
	    {"io0 to stage0", "ring", 3, 256},
	    {"io0 batches", "pool", p->batches_used, 256},
	};
	for (uint32_t i = 0; i < 2 && i < max; i++)
		out[i] = levels[i];
	return 2;
}

bool pipeline_port(const struct pipeline *p, uint32_t index, struct report_port *out)
{
	(void)p;
	*out = (struct report_port){
	    .device = "net_test0", .queues = 1, .ios = 2, .distribution = "software"};
	return index == 0;
}

bool pipeline_pool(const struct pipeline *p, uint32_t index, struct report_pool *out)
{
	static const struct report_pool pools[] = {
	    {"connection blocks", REPORT_POOL_EACH, 192, 4, 100},
	    {"send chunks", REPORT_POOL_SOME, 128, 2, 50},
	    {"TIME-WAIT", REPORT_POOL_OTHER, 48, 7, 20},
	};
	(void)p;
	if (index < sizeof pools / sizeof pools[0])
		*out = pools[index];
	return index < sizeof pools / sizeof pools[0];
}

uint32_t pipeline_bytes_per_connection(const struct pipeline *p)
{
	(void)p;
	return 704;
}

uint64_t pipeline_readings_received(const struct pipeline *p)
{
	return p->received;
}

void journal_status_get(const struct journal *j, struct journal_status *status)
{
	*status = j->status;
	status->write_us = &j->write_us;
}

void journal_totals_get(const struct journal *j, struct fate_totals *totals)
{
	*totals = j->totals;
}

bool store_writer_catch_up(struct store_writer *w, uint32_t timeout_ms)
{
	(void)timeout_ms;
	return !w->behind;
}

bool store_writer_failed(struct store_writer *w, char *text, size_t bytes)
{
	if (w->trouble)
		snprintf(text, bytes, "%s", w->trouble);
	return w->trouble != NULL;
}
