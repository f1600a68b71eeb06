/* SPDX-License-Identifier: Apache-2.0 */
/* GET /status/history: a sample for each of the last seconds, for plots. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/api_priv.h"
#include "control/api/topics.h"

static void put_latency(struct text *t, const char *name, const struct history_latency *l)
{
	text_add(t,
	         ",\"%s\":{\"count\":%" PRIu64 ",\"p50_us\":%" PRIu32 ",\"p99_us\":%" PRIu32
	         ",\"p999_us\":%" PRIu32 "}",
	         name, l->count, l->p50_us, l->p99_us, l->p999_us);
}

static void put_sample(struct text *t, const struct history_sample *s, uint32_t stages)
{
	char time[TIME_TEXT_BYTES];
	text_add(t, "{\"number\":%" PRIu64 ",\"time\":\"%s\",\"seconds\":%.3f", s->number,
	         time_format(s->wall_ms, time), (double)s->elapsed_us / 1e6);
	text_add(t,
	         ",\"readings\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"stored\":%" PRIu64
	         ",\"duplicate\":%" PRIu64 ",\"conflict\":%" PRIu64 ",\"rejected\":%" PRIu64
	         ",\"in_flight\":%" PRIu64 ",\"connections\":%" PRIu64,
	         s->readings, s->messages, s->stored, s->duplicate, s->conflict, s->rejected,
	         s->in_flight, s->connections);
	put_latency(t, "acknowledgement", &s->ack);
	put_latency(t, "write", &s->write);
	text_add(t, ",\"stages\":[");
	for (uint32_t i = 0; i < stages; i++)
		text_add(t, "%s%" PRIu32, i ? "," : "", s->items[i]);
	text_add(t, "]}");
}

static uint32_t put_stages(struct text *t, const struct api_context *c)
{
	uint32_t count = pipeline_stage_count(c->pipeline);
	if (count > HISTORY_STAGES_MAX)
		count = HISTORY_STAGES_MAX;
	text_add(t, ",\"stages\":[");
	for (uint32_t i = 0; i < count; i++) {
		struct report_stage stage;
		pipeline_stage(c->pipeline, i, &stage);
		text_add(t, "%s{\"name\":\"%s\",\"cpu\":%" PRIu32 "}", i ? "," : "", stage.name,
		         stage.cpu);
	}
	text_add(t, "]");
	return count;
}

static void api_history(const struct api_request *request, struct api_reply *reply)
{
	const struct api_context *c = request->context;
	struct text *t = &reply->text;
	char started[TIME_TEXT_BYTES];
	struct error err;
	uint64_t after;
	if (!api_number(request, reply, "after", 0, UINT64_MAX, 0, &after))
		return;
	struct history_sample *samples = malloc(HISTORY_SAMPLES * sizeof *samples);
	if (!samples) {
		api_failed(reply, fail(RESULT_RESOURCE, &err, "no memory for samples"), &err);
		return;
	}
	uint32_t count = sampler_history(request->sampler, after, samples);
	text_add(t, "{\"started\":\"%s\",\"last\":%" PRIu64,
	         time_format(c->started_ms, started), count ? samples[count - 1].number : after);
	uint32_t stages = put_stages(t, c);
	text_add(t, ",\"samples\":[");
	for (uint32_t i = 0; i < count; i++) {
		text_add(t, i ? ",\n" : "\n");
		put_sample(t, &samples[i], stages);
	}
	text_add(t, "]}\n");
	free(samples);
}

/* clang-format off */
const struct api_topic api_topic_history = {
    .name = "history",
    .about = "The last ten minutes, second by second",
    .routes = (const struct api_route[]){
	{"GET", "/status/history", api_history, API_MONITOR,
	 .summary = "What happened in each of the last seconds, at most 600",
	 .parameters = API_PARAMETERS({"after", "int", "only samples behind this number; the last "
	                               "answer's last"}),
	 .answers = API_ANSWERS({200, API_JSON, "RecentSeconds"})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Latency", "{count:int p50_us:int p99_us:int p999_us:int}",
	 "Durations of one second, in microseconds"},
	{"Sample",
	 "{number:int time:time seconds:number readings:int messages:int stored:int duplicate:int "
	 "conflict:int rejected:int in_flight:int connections:int acknowledgement:Latency "
	 "write:Latency stages:[int]}",
	 "About a second: what came in, what became durable by fate, each stage's items; and the "
	 "readings and connections at its end"},
	{"RecentSeconds", "{started:time last:int stages:[{name:string cpu:int}] samples:[Sample]}",
	 "Samples, oldest first; started tells runs of the daemon apart"},
	{0}},
};
/* clang-format on */
