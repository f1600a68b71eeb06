/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the workers' meters once a second and remembers a few seconds, for rates, and ten
 * minutes, for plots. A thread of its own; private to control/api.
 */
#ifndef HEADRACE_API_SAMPLER_H
#define HEADRACE_API_SAMPLER_H

#include "base/result.h"
#include "contract/limits.h"
#include "control/api/history.h"
#include "worker/report.h"

/* An io worker may be reported in several parts; what is beyond has no rates. */
#define SAMPLE_STAGES_MAX HISTORY_STAGES_MAX

struct sample {
	uint64_t at_us;
	uint64_t readings; /* received */
	uint64_t messages; /* answered */
	uint64_t cycles[SAMPLE_STAGES_MAX], items[SAMPLE_STAGES_MAX];
};

struct sampler;
struct api_context;

/* The context outlives it. */
MUST_USE enum result sampler_start(const struct api_context *context, struct sampler **out,
                                   struct error *err);
void sampler_stop(struct sampler *s);

/* The newest sample and one some seconds older (the same when there is but one). */
void sampler_window(struct sampler *s, struct sample *before, struct sample *now);

/* As history_after. */
uint32_t sampler_history(struct sampler *s, uint64_t after,
                         struct history_sample out[HISTORY_SAMPLES]);

#endif
