/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that register themselves, by MQTT or by CoAP's resource directory: what they say goes
 * into the registry as far as the operator's policy lets it.
 *
 *   off         nobody registers
 *   pending     who is new waits for an operator's approval (`headrace devices approve`)
 *   allow_list  who is in the list is active at once, anybody else is refused
 *   open        who is new is active at once
 *
 * A device describes itself (manufacturer, model, serial, firmware, capabilities, communication);
 * state, gateway, profile, capacity, dials and service point are the operator's alone.
 *
 * Input: ids and JSON, untrusted. Output: durable registry records, one answer per request.
 * Threads: any ordinary one, all functions at once. Memory: the heap, bounded per call.
 */
#ifndef HEADRACE_REGISTRY_REGISTRATION_H
#define HEADRACE_REGISTRY_REGISTRATION_H

#include <stdint.h>

#include "base/result.h"
#include "contract/counters.h"
#include "control/registry/registry.h"

#define REGISTRATION_DETAIL_BYTES 256
#define REGISTRATION_BATCH_MAX    1024 /* requests in one call */

/* X(identifier, name, help): how a registration ends; each is counted under its name. */
#define REGISTRATION_OUTCOMES(X)                                                                   \
	X(ACTIVE, "active", "new devices that were active at once")                                \
	X(PENDING, "pending", "registrations of devices that wait for approval")                   \
	X(UPDATED, "updated", "known devices that described themselves anew")                      \
	X(UNCHANGED, "unchanged", "known devices that said nothing new")                           \
	X(OFF, "off", "refused: registration is off")                                              \
	X(NOT_LISTED, "not_listed", "refused: not in the allow-list")                              \
	X(NOT_AUTHORISED, "not_authorised", "refused: the sender may not speak for the device")    \
	X(RETIRED, "retired", "refused: the device is retired")                                    \
	X(INVALID, "invalid", "refused: the id or the description can't be used")                  \
	X(FULL, "full", "refused: the registry, or the pending devices, are at their limit")

enum registration_outcome {
#define REGISTRATION_ID(id, name, help) REGISTRATION_##id,
	REGISTRATION_OUTCOMES(REGISTRATION_ID)
#undef REGISTRATION_ID
	REGISTRATION_OUTCOME_COUNT
};

/* True: the registry has the device now. */
static inline bool registration_accepted(enum registration_outcome outcome)
{
	return outcome < REGISTRATION_OFF;
}

/* Indexed by outcome. */
extern const char *const registration_outcome_name[REGISTRATION_OUTCOME_COUNT];
extern const struct counter_info registration_info[REGISTRATION_OUTCOME_COUNT];

enum registration_policy {
	REGISTRATION_POLICY_OFF,
	REGISTRATION_POLICY_PENDING,
	REGISTRATION_POLICY_ALLOW_LIST,
	REGISTRATION_POLICY_OPEN,
};

struct registration_config {
	enum registration_policy policy;
	const char *allow_list; /* path; a line is an id, a pattern (*, ?) or a comment (#) */
	uint32_t pending_max;   /* devices that may wait for approval */
	bool strict;            /* only the device itself or its gateway speaks for it */
};

/* Who wants to be known. Not terminated texts. */
struct registration_request {
	const char *id;
	size_t id_bytes;
	const char *sender; /* the session's identity (client id); NULL: the protocol has none */
	size_t sender_bytes;
	const char *json;   /* an object with the fields of domain's registration; may be empty */
	size_t json_bytes;
};

struct registration_answer {
	enum registration_outcome outcome;
	enum device_state state; /* when registration_accepted */
	char detail[REGISTRATION_DETAIL_BYTES]; /* a sentence for whoever asked */
};

struct registration;

/* The registry outlives it. RESULT_INPUT: the allow-list can't be used, with file and line. */
MUST_USE enum result registration_open(const struct registration_config *config,
                                       struct registry *registry, struct registration **out,
                                       struct error *err);
void registration_close(struct registration *g);

/*
 * Judge `count` requests in order and apply what is accepted, all of it durable and visible to
 * the workers when this returns (one write for all). Not RESULT_OK: the store or memory failed,
 * nothing of it was applied, and the answers mean nothing: whoever asked may try again.
 * `now_ms` is for the history.
 */
MUST_USE enum result registration_submit(struct registration *g, int64_t now_ms,
					 const struct registration_request *requests,
					 struct registration_answer *answers, size_t count,
					 struct error *err);

/* How many registrations ended in which way since start: by outcome, described by
 * registration_info. */
const _Atomic uint64_t *registration_counts(const struct registration *g);

#endif
