/* SPDX-License-Identifier: Apache-2.0 */
/* A stored reading as JSON, for those who watch `readings/DEVICE`. Private to control/broker. */
#ifndef HEADRACE_BROKER_LIVE_H
#define HEADRACE_BROKER_LIVE_H

#include "base/bytes.h"
#include "contract/channel.h"
#include "contract/reading.h"

#define LIVE_JSON_BYTES 4096

/*
 * {"device":"SM-1","time":"...Z","meter_time":"...Z","received":"...Z","flags":[...],
 *  "values":{"active_energy":{"value":"1247.830","unit":"kWh"}}}
 * Values are exact decimals as text, as in the API. Returns the length.
 */
size_t live_json(const struct channel_catalogue *channels, const struct reading *r,
                 struct bytes device, char out[LIVE_JSON_BYTES]);

#endif
