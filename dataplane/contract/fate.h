/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fates of a reading. Every reading that was received gets exactly one, durably:
 * received = stored + duplicate + conflict + sum of the rejections + not yet acknowledged.
 *
 * FATE(identifier, name, CoAP code of a message in which every reading had this fate,
 *      MQTT 5 PUBACK reason code likewise, help text)
 * The numbers are stored on disk: append only.
 */
#ifndef HEADRACE_CONTRACT_FATE_H
#define HEADRACE_CONTRACT_FATE_H

#include <stdint.h>

#define COAP_CODE(class, detail) (((class) << 5) | (detail))

/* clang-format off */
#define FATES(FATE)                                                                                \
FATE(PENDING,             "pending",             COAP_CODE(0, 0),  0x00, "no fate yet")            \
FATE(STORED,              "stored",              COAP_CODE(2, 4),  0x00, "new, accepted, stored")  \
FATE(DUPLICATE,           "duplicate",           COAP_CODE(2, 4),  0x00, "same identity and values as a stored reading") \
FATE(CONFLICT,            "conflict",            COAP_CODE(4, 9),  0x83, "same identity as a stored reading, other values") \
FATE(REJECT_EMPTY,        "empty",               COAP_CODE(4, 0),  0x99, "a telemetry message without any reading") \
FATE(REJECT_PAYLOAD,      "bad_payload",         COAP_CODE(4, 0),  0x99, "the payload is not well-formed") \
FATE(REJECT_PROFILE,      "no_profile",          COAP_CODE(4, 15), 0x99, "no profile matches topic and payload") \
FATE(REJECT_MISSING,      "missing_field",       COAP_CODE(4, 0),  0x99, "a field that the profile requires is absent") \
FATE(REJECT_FIELD,        "bad_field",           COAP_CODE(4, 0),  0x99, "a field has the wrong type, format or size") \
FATE(REJECT_UNKNOWN,      "unknown_device",      COAP_CODE(4, 4),  0x87, "the device is not in the registry") \
FATE(REJECT_INACTIVE,     "inactive_device",     COAP_CODE(4, 3),  0x87, "the device is pending, suspended or retired") \
FATE(REJECT_UNAUTHORISED, "not_authorised",      COAP_CODE(4, 3),  0x87, "this session may not send for the device") \
FATE(REJECT_CLOCK_DRIFT,  "clock_drift",         COAP_CODE(4, 22), 0x83, "the meter's clock differs too much from the collection time") \
FATE(REJECT_TOO_LATE,     "too_late",            COAP_CODE(4, 22), 0x83, "older than the profile takes without an operator") \
FATE(REJECT_NEGATIVE,     "negative",            COAP_CODE(4, 22), 0x83, "a register or demand is negative") \
FATE(REJECT_RANGE,        "out_of_range",        COAP_CODE(4, 22), 0x83, "a channel value is outside the profile's limits") \
FATE(REJECT_CAPACITY,     "over_capacity",       COAP_CODE(4, 22), 0x83, "more energy since the last reading than the meter can pass") \
FATE(REJECT_SEQUENCE,     "register_decreased",  COAP_CODE(4, 22), 0x83, "a cumulative register fell and did not roll over") \
FATE(REJECT_OVERSIZE,     "oversize",            COAP_CODE(4, 13), 0x97, "the payload is longer than the limit")
/* clang-format on */

enum fate {
#define FATE(id, name, coap, mqtt, help) FATE_##id,
	FATES(FATE)
#undef FATE
	    FATE_COUNT
};

struct fate_info {
	const char *name;
	const char *help;
	uint8_t coap_code;
	uint8_t mqtt5_reason;
};

/* Indexed by enum fate. */
extern const struct fate_info fate_info[FATE_COUNT];

static inline int fate_is_rejection(enum fate fate)
{
	return fate >= FATE_REJECT_EMPTY;
}

/* Conflicts and rejections go to the error queue with their raw bytes. */
static inline int fate_is_error(enum fate fate)
{
	return fate >= FATE_CONFLICT;
}

/* Readings by fate since the store was created; index FATE_PENDING is unused (0). */
struct fate_totals {
	uint64_t count[FATE_COUNT];
};

#endif
