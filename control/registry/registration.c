/* SPDX-License-Identifier: Apache-2.0 */
/* See registration.h. The policy is applied under the registry's lock, in one change per call. */
#include "control/registry/registration.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/registry/allow_list.h"
#include "control/registry/registry_priv.h"

_Static_assert(REGISTRATION_BATCH_MAX <= CHANGE_ITEMS_MAX, "one change takes a whole call");
_Static_assert(REGISTRATION_DETAIL_BYTES == DEVICE_CAUSE_BYTES, "causes become details");

const char *const registration_outcome_name[REGISTRATION_OUTCOME_COUNT] = {
#define NAME(id, name, help) [REGISTRATION_##id] = name,
    REGISTRATION_OUTCOMES(NAME)
#undef NAME
};

const struct counter_info registration_info[REGISTRATION_OUTCOME_COUNT] = {
#define INFO(id, name, help) [REGISTRATION_##id] = {"registration_" name, help},
    REGISTRATION_OUTCOMES(INFO)
#undef INFO
};

struct registration {
	struct registration_config config;
	struct registry *registry;
	struct allow_list allowed;
	_Atomic uint64_t counts[REGISTRATION_OUTCOME_COUNT];
};

enum result registration_open(const struct registration_config *config, struct registry *registry,
                              struct registration **out, struct error *err)
{
	struct registration *g = calloc(1, sizeof *g);
	if (!g)
		return fail(RESULT_RESOURCE, err, "registration: no memory");
	g->config = *config;
	g->registry = registry;
	enum result result = RESULT_OK;
	if (config->policy == REGISTRATION_POLICY_ALLOW_LIST)
		result = allow_list_load(&g->allowed, config->allow_list, err);
	if (result != RESULT_OK) {
		registration_close(g);
		return result;
	}
	*out = g;
	return RESULT_OK;
}

void registration_close(struct registration *g)
{
	if (g)
		allow_list_free(&g->allowed);
	free(g);
}

const _Atomic uint64_t *registration_counts(const struct registration *g)
{
	return g->counts;
}

/* --- one request --- */

#define ANSWER(a, what, ...)                                                                       \
	((a)->outcome = REGISTRATION_##what,                                                       \
	 (void)snprintf((a)->detail, sizeof(a)->detail, __VA_ARGS__))

/* Fields that a device says of itself, and its id. */
static uint32_t own_fields(void)
{
	static const char *const names[] = {"id",    "serial",   "manufacturer", "model",
	                                    "firmware", "capabilities", "communication"};
	uint32_t fields = 0;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		fields |= 1u << device_field_find(names[i], strlen(names[i]));
	return fields;
}

/* What it says of itself, in `d`, the fields in `given`. False: `a` says what is wrong. */
static bool parse(const struct registration_request *q, struct device *d, uint32_t *given,
                  struct registration_answer *a)
{
	char id[DEVICE_ID_BYTES + 1];

	a->outcome = REGISTRATION_INVALID;
	device_defaults(d);
	*given = 0;
	if (q->id_bytes == 0) {
		ANSWER(a, INVALID, "the device id is missing; expected 1 to 64 bytes");
		return false;
	}
	if (!device_set(d, DEVICE_FIELD_ID, q->id, q->id_bytes, a->detail))
		return false;
	memcpy(id, d->id, sizeof id);
	if (q->json_bytes > 0 && !device_parse(d, q->json, q->json_bytes, given, a->detail))
		return false;
	if (strcmp(id, d->id) != 0) {
		ANSWER(a, INVALID, "the description is of '%s', but '%s' is registered", d->id, id);
		return false;
	}
	if (*given & ~own_fields()) {
		ANSWER(a, INVALID, "state, gateway, profile, capacity_w, dials and service_point "
		                   "are set by the operator, not by the device");
		return false;
	}
	*given |= 1u << DEVICE_FIELD_ID;
	return true;
}

static bool is_text(const struct registration_request *q, const char *text)
{
	return strlen(text) == q->sender_bytes && memcmp(text, q->sender, q->sender_bytes) == 0;
}

/* The same rule as for readings: who names himself must be the device or, where the device has a
 * gateway (or anywhere, when strict), its gateway. */
static bool may_speak(const struct registration *g, const struct registration_request *q,
                      const struct device *known, const char *id)
{
	bool watched = g->config.strict || (known && known->gateway[0]);
	return !q->sender || !watched || is_text(q, id) ||
	       (known && known->gateway[0] && is_text(q, known->gateway));
}

/* The state that the policy gives to a device that has none yet, or waits. False: refused. */
static bool apply_policy(const struct registration *g, bool is_new, const char *id,
                         const struct registry_view *view, enum device_state *state,
                         struct registration_answer *a)
{
	bool listed = g->config.policy == REGISTRATION_POLICY_ALLOW_LIST &&
	              allow_list_has(&g->allowed, id);
	if (g->config.policy == REGISTRATION_POLICY_OPEN || listed) {
		*state = DEVICE_ACTIVE;
		return true;
	}
	*state = DEVICE_PENDING;
	if (!is_new)
		return true;
	if (g->config.policy == REGISTRATION_POLICY_ALLOW_LIST) {
		ANSWER(a, NOT_LISTED, "'%s' is not in the operator's list of allowed devices", id);
		return false;
	}
	if (view->pending_count >= g->config.pending_max) {
		ANSWER(a, FULL, "%u devices wait for approval already; try again later",
		       view->pending_count);
		return false;
	}
	return true;
}

static void answer_applied(struct registration_answer *a, enum change_kind kind,
                           const struct device *d, const char *cause)
{
	a->state = d->state;
	if (kind == CHANGE_REFUSED)
		ANSWER(a, FULL, "%s", cause);
	else if (d->state == DEVICE_PENDING)
		ANSWER(a, PENDING, "registered; waits for the operator's approval");
	else if (kind == CHANGE_NEW)
		ANSWER(a, ACTIVE, "registered");
	else if (kind == CHANGE_CHANGED)
		ANSWER(a, UPDATED, "registered; the description was updated");
	else
		ANSWER(a, UNCHANGED, "registered already");
}

/* As this call has left it: earlier requests of the same call count. */
static enum result find_known(struct change *c, const char *id, bool *found, struct device *known,
                              struct error *err)
{
	enum result result = change_read(c, id, known, err);
	*found = result == RESULT_OK;
	return result == RESULT_ABSENT ? RESULT_OK : result;
}

static enum result judge(struct registration *g, struct change *c,
                         const struct registration_request *q, struct registration_answer *a,
                         struct error *err)
{
	char cause[DEVICE_CAUSE_BYTES] = "";
	struct device d, known;
	enum change_kind kind;
	uint32_t given;
	bool found;

	*a = (struct registration_answer){.state = DEVICE_PENDING};
	if (g->config.policy == REGISTRATION_POLICY_OFF) {
		ANSWER(a, OFF, "registration is off; ask the operator");
		return RESULT_OK;
	}
	if (!parse(q, &d, &given, a))
		return RESULT_OK;
	enum result result = find_known(c, d.id, &found, &known, err);
	if (result != RESULT_OK)
		return result;
	if (!may_speak(g, q, found ? &known : NULL, d.id)) {
		ANSWER(a, NOT_AUTHORISED, "'%.*s' may not register '%s'",
		       q->sender_bytes < 64 ? (int)q->sender_bytes : 64, q->sender, d.id);
		return RESULT_OK;
	}
	if (found && known.state == DEVICE_RETIRED) {
		ANSWER(a, RETIRED, "'%s' is retired", d.id);
		return RESULT_OK;
	}
	d.state = found ? known.state : DEVICE_PENDING;
	if (d.state == DEVICE_PENDING &&
	    !apply_policy(g, !found, d.id, c->next, &d.state, a))
		return RESULT_OK;
	result = change_put(c, &d, given | 1u << device_field_find("state", 5), &kind, cause, err);
	if (result == RESULT_OK)
		answer_applied(a, kind, &d, cause);
	return result;
}

enum result registration_submit(struct registration *g, int64_t now_ms,
				const struct registration_request *requests,
				struct registration_answer *answers, size_t count,
				struct error *err)
{
	char who[CLIENT_ID_BYTES + 1];
	struct registry_author author = {who, now_ms};
	enum result result;
	CHECK_OP(count, <=, (size_t)REGISTRATION_BATCH_MAX);
	struct change *change = change_open(g->registry, &author, "register", &result, err);
	if (!change)
		return result;
	for (size_t i = 0; i < count && result == RESULT_OK; i++) {
		const struct registration_request *q = &requests[i];
		snprintf(who, sizeof who, "%.*s", (int)(q->sender ? q->sender_bytes : q->id_bytes),
			 q->sender ? q->sender : q->id);
		result = judge(g, change, q, &answers[i], err);
	}
	result = change_close(change, result, err);
	for (size_t i = 0; i < count && result == RESULT_OK; i++)
		atomic_fetch_add_explicit(&g->counts[answers[i].outcome], 1, memory_order_relaxed);
	return result;
}
