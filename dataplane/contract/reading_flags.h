/* SPDX-License-Identifier: Apache-2.0 */
/* The names of READING_F_* and of protocols, as answers, exports and messages have them. */
#ifndef HEADRACE_CONTRACT_READING_FLAGS_H
#define HEADRACE_CONTRACT_READING_FLAGS_H

#include "contract/reading.h"

#define READING_FLAGS 12u

static inline const char *reading_flag_name(unsigned bit)
{
	static const char *const names[READING_FLAGS] = {
	    "drift", "time_replaced", "late",      "rollover",      "rounded",   "tamper",
	    "status", "low_battery",  "collected", "late_accepted", "corrected", "reset"};
	return names[bit];
}

/* By which way it came. */
static inline const char *reading_protocol_name(unsigned protocol)
{
	static const char *const names[] = {
	    [PROTOCOL_MQTT] = "mqtt", [PROTOCOL_COAP] = "coap", [PROTOCOL_REPLAY] = "replay"};
	return protocol < sizeof names / sizeof names[0] ? names[protocol] : "other";
}

_Static_assert(READING_F_DRIFT == 1 << 0 && READING_F_RESET == 1 << (READING_FLAGS - 1) &&
		   READING_FLAGS <= READING_PROTOCOL_SHIFT,
	       "a name for each flag, in the order of their bits");

#endif
