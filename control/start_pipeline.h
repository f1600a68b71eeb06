/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline's part of the configuration. Thread: main's. */
#ifndef HEADRACE_START_PIPELINE_H
#define HEADRACE_START_PIPELINE_H

#include "control/config/config.h"
#include "worker/pipeline.h"

/* What the configuration says of the pipeline; the rest is for the caller to set. */
void start_pipeline_config(const struct config *k, struct pipeline_config *c);

#endif
