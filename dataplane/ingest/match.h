/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which profile a message belongs to: topics, URI paths and payload signatures of all profiles,
 * compiled into Hyperscan databases. Only this file's .c sees Hyperscan.
 *
 * A topic's answer is a set of candidate profiles (bit i = profiles[i]); it is found once per
 * connection and topic and cached by the caller. The payload's signature then decides.
 */
#ifndef HEADRACE_INGEST_MATCH_H
#define HEADRACE_INGEST_MATCH_H

#include <stdint.h>

#include "base/result.h"
#include "contract/profile.h"

struct matcher;       /* immutable, shared by all workers */
struct match_scratch; /* one per worker */

/* Compile the patterns of all profiles. RESULT_INPUT names profile and pattern at fault. */
MUST_USE enum result matcher_new(const struct profile_set *profiles, struct matcher **out,
                                 struct error *err);
void matcher_free(struct matcher *m);

MUST_USE enum result match_scratch_new(const struct matcher *m, struct match_scratch **out,
                                       struct error *err);
void match_scratch_free(struct match_scratch *s);

/* Profiles with a topic filter (MQTT 3.1.1 4.7 semantics) that matches. No allocation. */
uint64_t match_topic(const struct matcher *m, struct match_scratch *s, const char *topic,
                     uint32_t bytes);
/* Profiles with a URI pattern ('+' and '#' as in topic filters, leading '/') that matches. */
uint64_t match_uri(const struct matcher *m, struct match_scratch *s, const char *path,
                   uint32_t bytes);
/* Profiles in one of the payload formats (a set of content.h). */
uint64_t match_formats(const struct matcher *m, uint8_t formats);
/* The first candidate whose signature is in the payload (or that has none); NULL: none. */
const struct profile *match_payload(const struct matcher *m, struct match_scratch *s,
                                    uint64_t candidates, const uint8_t *payload, uint32_t bytes);

#endif
