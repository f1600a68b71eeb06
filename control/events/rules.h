/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kinds of events, and the rules of configs/health.yaml: when one is raised, how bad it is, how it
 * ends. Pure data.
 */
#ifndef HEADRACE_EVENTS_RULES_H
#define HEADRACE_EVENTS_RULES_H

#include <stdbool.h>
#include <stdint.h>

enum event_severity { EVENT_INFO, EVENT_WARNING, EVENT_CRITICAL, EVENT_SEVERITIES };

/*
 * KIND(identifier, name, severity, by hand, quiet hours, help): the defaults. By hand: only an
 * operator clears it. Quiet hours: cleared when it was not seen again for so long; 0: when its
 * cause is gone. The numbers are stored on disk: append only.
 */
/* clang-format off */
#define EVENT_KINDS(KIND)                                                                          \
KIND(SILENCE, "silence", WARNING, false, 0, "a meter was not heard for longer than its profile allows") \
KIND(GATEWAY_SILENCE, "gateway_silence", CRITICAL, false, 0, "a gateway gave no sign of life")     \
KIND(TAMPER, "tamper", CRITICAL, true, 0, "a meter reports tampering")                             \
KIND(LOW_BATTERY, "low_battery", WARNING, false, 0, "a meter's battery is low, by its profile")    \
KIND(METER_STATUS, "meter_status", INFO, false, 0, "a meter's status is not its good value")       \
KIND(CLOCK_DRIFT, "clock_drift", WARNING, false, 0, "readings are rejected for their meter's clock") \
KIND(CLOCK_REPLACED, "clock_replaced", INFO, false, 0, "a meter's times are replaced by those of collection") \
KIND(REGISTER_DECREASED, "register_decreased", WARNING, false, 0, "a register fell: a reset, a swap or a fault") \
KIND(CONFLICT, "conflict", WARNING, false, 24, "a meter sent other values for a time that was stored") \
KIND(REGISTRATION, "registration", INFO, false, 0, "a device registered and waits for approval")   \
KIND(FIRMWARE, "firmware", INFO, false, 24, "a device's firmware changed")                         \
KIND(STORAGE, "storage", CRITICAL, false, 0, "the journal or the store can't be written")          \
KIND(OVERFLOW, "overflow", WARNING, false, 1, "events or alerts were dropped: see the counters")
/* clang-format on */

enum event_kind {
#define EVENT_KIND_ID(id, name, severity, hand, hours, help) EVENT_##id,
	EVENT_KINDS(EVENT_KIND_ID)
#undef EVENT_KIND_ID
	    EVENT_KIND_COUNT
};

struct event_kind_rule {
	uint8_t severity; /* enum event_severity */
	bool by_hand, off;
	uint32_t quiet_h;
};

#define HEALTH_WEBHOOKS_MAX 4
#define HEALTH_URL_BYTES    256

struct health_rules {
	int32_t version;
	uint32_t silence_s, gateway_silence_s;
	uint32_t profile_silence_s[256]; /* by profile id; 0: silence_s */
	struct event_kind_rule kinds[EVENT_KIND_COUNT];
	uint32_t open_max, cleared_max, cleared_days;
	uint32_t registry_every_s;
	uint32_t webhook_queue, webhook_retry_s; /* longest pause between two attempts */
	uint32_t webhook_count;
	char webhooks[HEALTH_WEBHOOKS_MAX][HEALTH_URL_BYTES];
};

extern const char *const event_kind_name[EVENT_KIND_COUNT];
extern const char *const event_kind_help[EVENT_KIND_COUNT];
extern const char *const event_severity_name[EVENT_SEVERITIES];
/* EVENT_KIND_COUNT, EVENT_SEVERITIES: there is none of the name. */
enum event_kind event_kind_find(const char *name);
enum event_severity event_severity_find(const char *name);

/* The rules without a file, but for its numbers (health_file.h). */
void event_kind_rules_default(struct event_kind_rule rules[EVENT_KIND_COUNT]);

#endif
