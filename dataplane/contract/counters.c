/* SPDX-License-Identifier: Apache-2.0 */
#include "contract/counters.h"

const struct counter_info counter_info[COUNTER_COUNT] = {
#define COUNTER(id, name, help) [COUNTER_##id] = {name, help},
#include "contract/counters_net.def"
#include "contract/counters_tcp.def"
#include "contract/counters_mqtt.def"
#include "contract/counters_coap.def"
#include "contract/counters_ingest.def"
#include "contract/counters_worker.def"
#undef COUNTER
};
