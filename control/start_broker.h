/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's part of the configuration. Thread: main's. */
#ifndef HEADRACE_START_BROKER_H
#define HEADRACE_START_BROKER_H

#include "control/broker/broker.h"
#include "control/config/config.h"

/* What the configuration says of the broker; the rest is for the caller to set. */
struct broker_config start_broker_config(const struct config *k);

#endif
