/* SPDX-License-Identifier: Apache-2.0 */
/* What devices, service points, customers and groups have in common. Private to control/api. */
#ifndef HEADRACE_API_OBJECTS_H
#define HEADRACE_API_OBJECTS_H

#include "control/api/api_priv.h"

/* Complaints about lines, the first thousand of them as JSON. */
struct api_complaints {
	struct text text;
	uint64_t count;
};
registry_complaint_fn api_complain;

/* The answer of an import or a bulk change ("Import"); ends `complaints`. */
void api_put_report(struct api_reply *reply, enum result result, const struct error *err,
		    const struct registry_import *report, struct api_complaints *complaints);

/* The body into the registry. */
void api_registry_import(const struct api_request *request, struct api_reply *reply,
			 enum registry_kind kind);

/* What was changed of the object in the path. */
void api_registry_history(const struct api_request *request, struct api_reply *reply,
			  enum registry_kind kind);

/* All of a kind as an import takes it, as a stream: ?format=csv|jsonl, with the filters of the
 * kind's list. */
void api_registry_export(const struct api_request *request, struct api_reply *reply,
			 enum registry_kind kind);
#define API_EXPORT_FORMAT                                                                          \
	{                                                                                          \
		"format", "'csv'|'jsonl'", "default csv"                                           \
	}

/* Of the query: prefix, after, group, search, state. False: a problem was answered. */
bool api_selection(const struct api_request *request, struct api_reply *reply,
		   struct registry_selection *out);

/* Members of a JSON object as text. NULL: absent. False of the others: a problem was answered. */
const char *api_member(const json_t *body, const char *name);
bool api_member_instant(const struct api_request *request, struct api_reply *reply,
			const json_t *body, const char *name, int64_t *at_s);
/* In kWh; REGISTER_UNKNOWN when absent. */
bool api_member_energy(struct api_reply *reply, const json_t *body, const char *name,
		       int64_t *energy_mwh);
/* Every member is one of `names` (NULL at the end). False: a problem was answered. */
bool api_members_known(struct api_reply *reply, const json_t *body, const char *const *names);

#endif
