/* SPDX-License-Identifier: Apache-2.0 */
#include "control/broker/counters.h"

#define INFO(id, name, help) {name, help},
const struct counter_info broker_counter_info[BROKER_COUNTER_COUNT] = {BROKER_COUNTERS(INFO)};
const struct counter_info broker_level_info[BROKER_LEVEL_COUNT] = {BROKER_LEVELS(INFO)};
