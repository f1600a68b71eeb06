/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profile recognition. In: topics, URI paths, payloads. Out: sets of profiles.
 * Thread: matcher_new and match_scratch_new at start, the rest on any worker with its own scratch.
 * Memory: Hyperscan's databases and scratches, taken at start; scanning takes none.
 *
 * A filter becomes an anchored expression over bytes:
 *
 *	a/b      ^a/b\z          +/b    ^(?:[^/$][^/]*)?/b\z
 *	a/+/b    ^a/[^/]*\/b\z   a/#    ^a(?:/.*)?\z
 *	#        ^(?:[^$].*)?\z  +/#    ^(?:[^/$][^/]*)?(?:/.*)?\z
 *
 * where bytes other than letters and digits are written \xHH. A leading wildcard doesn't match
 * topics that begin with '$' (MQTT 3.1.1 4.7.2); "a/#" matches "a" (4.7.1.2).
 */
#include "ingest/match.h"

#include <hs/hs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ingest/signature.h"

#define PATTERNS_MAX (PROFILES_MAX * PROFILE_MATCHES_MAX)
/* Each byte of a filter becomes at most "\xHH", a wildcard at most 20 bytes. */
#define EXPRESSION_BYTES (PROFILE_MATCH_BYTES * 20)

_Static_assert(PROFILES_MAX <= 64, "a set of profiles is a uint64_t");

struct matcher {
	const struct profile_set *profiles;
	hs_database_t *topics; /* NULL: no such patterns */
	hs_database_t *uris;
	hs_database_t *signatures;      /* those that are more than texts */
	uint64_t unsigned_profiles;     /* those that take any payload */
	uint64_t formats[FORMAT_COUNT]; /* profiles by payload format */
	struct signature texts[PROFILES_MAX]; /* signatures that are looked for as they stand */
};

struct match_scratch {
	hs_scratch_t *hs; /* fits all three databases; NULL: there are none */
};

/* Expressions on their way to one database. */
struct patterns {
	uint32_t count;
	char *text[PATTERNS_MAX];
	unsigned int id[PATTERNS_MAX]; /* index of the profile */
	unsigned int flags[PATTERNS_MAX];
	const char *source[PATTERNS_MAX]; /* as the operator wrote it */
};

static uint32_t put_text(char *out, const char *text)
{
	size_t bytes = strlen(text);
	memcpy(out, text, bytes);
	return (uint32_t)bytes;
}

static uint32_t put_literal(char *out, const char *level, uint32_t bytes)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < bytes; i++) {
		uint8_t c = (uint8_t)level[i];
		if ((c >= '0' && c <= '9') || (uint8_t)((c | 0x20) - 'a') < 26)
			out[at++] = (char)c;
		else
			at += (uint32_t)snprintf(out + at, 5, "\\x%02x", c);
	}
	return at;
}

/*
 * Filter to expression; NULL, or what is wrong with the filter. `topic`: levels that begin a
 * filter follow MQTT 3.1.1 4.7.2; otherwise it is a path with a leading '/'.
 */
static const char *translate(const char *filter, bool topic, char *out)
{
	uint32_t at = put_text(out, "^");
	const char *level = filter;

	if (*filter == '\0')
		return "is empty (MQTT 3.1.1 4.7.3)";
	if (!topic && *filter != '/')
		return "does not begin with '/'";
	for (;;) {
		uint32_t bytes = (uint32_t)strcspn(level, "/");
		bool first = level == filter;
		if (bytes == 1 && *level == '#') {
			if (level[1] != '\0')
				return "goes on after '#' (MQTT 3.1.1 4.7.1.2)";
			at += put_text(out + at, first ? "(?:[^$].*)?" : "(?:/.*)?");
			break;
		}
		if (!first)
			at += put_text(out + at, "/");
		if (bytes == 1 && *level == '+')
			at += put_text(out + at, first ? "(?:[^/$][^/]*)?" : "[^/]*");
		else if (memchr(level, '#', bytes) || memchr(level, '+', bytes))
			return "has a wildcard that does not fill its level (MQTT 3.1.1 4.7.1)";
		else
			at += put_literal(out + at, level, bytes);
		if (level[bytes] == '\0')
			break;
		level += bytes + 1;
	}
	put_text(out + at, "\\z");
	out[at + 2] = '\0';
	return NULL;
}

static void patterns_free(struct patterns *set)
{
	for (uint32_t i = 0; set && i < set->count; i++)
		free(set->text[i]);
	free(set);
}

static enum result add_pattern(struct patterns *set, const char *expression, unsigned int profile,
                               const char *source, struct error *err)
{
	uint32_t i = set->count;

	set->text[i] = strdup(expression);
	if (!set->text[i])
		return fail(RESULT_RESOURCE, err, "no memory for the profiles' patterns");
	set->id[i] = profile;
	set->flags[i] = HS_FLAG_SINGLEMATCH | HS_FLAG_DOTALL | HS_FLAG_ALLOWEMPTY;
	set->source[i] = source;
	set->count++;
	return RESULT_OK;
}

static enum result add_filter(struct patterns *set, const struct profile_set *profiles,
                              unsigned int profile, const char *filter, bool topic,
                              struct error *err)
{
	char expression[EXPRESSION_BYTES];
	const char *wrong = translate(filter, topic, expression);

	if (wrong)
		return fail(RESULT_INPUT, err, "profile '%s': %s '%s' %s",
		            profiles->profiles[profile].name,
		            topic ? "topic filter" : "URI pattern", filter, wrong);
	return add_pattern(set, expression, profile, filter, err);
}

static enum result compile(struct patterns *set, const struct profile_set *profiles,
                           hs_database_t **out, struct error *err)
{
	hs_compile_error_t *wrong = NULL;
	enum result result = RESULT_OK;

	if (set->count == 0)
		return RESULT_OK;
	hs_error_t rc = hs_compile_multi((const char *const *)set->text, set->flags, set->id,
	                                 set->count, HS_MODE_BLOCK, NULL, out, &wrong);
	if (rc == HS_SUCCESS)
		return RESULT_OK;
	if (wrong && wrong->expression >= 0 && (uint32_t)wrong->expression < set->count)
		result = fail(RESULT_INPUT, err, "profile '%s': pattern '%s': %s",
		              profiles->profiles[set->id[wrong->expression]].name,
		              set->source[wrong->expression], wrong->message);
	else
		result = fail(RESULT_RESOURCE, err, "Hyperscan can't compile the patterns: %s",
		              wrong ? wrong->message : "unknown cause");
	hs_free_compile_error(wrong);
	return result;
}

enum kind { TOPICS, URIS, SIGNATURES };

static enum result add_profile(struct patterns *set, enum kind kind,
                               const struct profile_set *profiles, unsigned int index,
                               struct error *err)
{
	const struct profile *p = &profiles->profiles[index];
	struct signature text;
	enum result result = RESULT_OK;

	if (kind == SIGNATURES)
		return p->signature[0] == '\0' || signature_parse(p->signature, &text)
		           ? RESULT_OK
		           : add_pattern(set, p->signature, index, p->signature, err);
	uint32_t count = kind == TOPICS ? p->topic_count : p->uri_count;
	for (uint32_t i = 0; i < count && result == RESULT_OK; i++)
		result =
		    add_filter(set, profiles, index, kind == TOPICS ? p->topics[i] : p->uris[i],
		               kind == TOPICS, err);
	return result;
}

/* One database of all profiles' patterns of a kind. */
static enum result build(enum kind kind, const struct profile_set *profiles, hs_database_t **out,
                         struct error *err)
{
	struct patterns *set = calloc(1, sizeof *set);
	enum result result = RESULT_OK;

	if (!set)
		return fail(RESULT_RESOURCE, err, "no memory for the profiles' patterns");
	for (uint32_t i = 0; i < profiles->count && result == RESULT_OK; i++)
		result = add_profile(set, kind, profiles, i, err);
	if (result == RESULT_OK)
		result = compile(set, profiles, out, err);
	patterns_free(set);
	return result;
}

enum result matcher_new(const struct profile_set *profiles, struct matcher **out, struct error *err)
{
	enum result result;

	if (hs_valid_platform() != HS_SUCCESS)
		return fail(RESULT_RESOURCE, err, "Hyperscan needs a CPU with SSSE3");
	struct matcher *m = calloc(1, sizeof *m);
	if (!m)
		return fail(RESULT_RESOURCE, err, "no memory for the matcher");
	m->profiles = profiles;
	for (uint32_t i = 0; i < profiles->count; i++) {
		if (profiles->profiles[i].signature[0] == '\0')
			m->unsigned_profiles |= 1ull << i;
		m->formats[profiles->profiles[i].format] |= 1ull << i;
		signature_parse(profiles->profiles[i].signature, &m->texts[i]);
	}
	result = build(TOPICS, profiles, &m->topics, err);
	if (result == RESULT_OK)
		result = build(URIS, profiles, &m->uris, err);
	if (result == RESULT_OK)
		result = build(SIGNATURES, profiles, &m->signatures, err);
	if (result == RESULT_OK)
		*out = m;
	else
		matcher_free(m);
	return result;
}

void matcher_free(struct matcher *m)
{
	if (!m)
		return;
	hs_free_database(m->topics);
	hs_free_database(m->uris);
	hs_free_database(m->signatures);
	free(m);
}

enum result match_scratch_new(const struct matcher *m, struct match_scratch **out,
                              struct error *err)
{
	hs_database_t *const all[] = {m->topics, m->uris, m->signatures};
	struct match_scratch *s = calloc(1, sizeof *s);

	if (!s)
		return fail(RESULT_RESOURCE, err, "no memory for a matcher's scratch space");
	for (uint32_t i = 0; i < 3; i++) {
		if (all[i] && hs_alloc_scratch(all[i], &s->hs) != HS_SUCCESS) {
			match_scratch_free(s);
			return fail(RESULT_RESOURCE, err,
			            "no memory for Hyperscan's scratch space");
		}
	}
	*out = s;
	return RESULT_OK;
}

void match_scratch_free(struct match_scratch *s)
{
	if (!s)
		return;
	hs_free_scratch(s->hs);
	free(s);
}

static int on_match(unsigned int id, unsigned long long from, unsigned long long to,
                    unsigned int flags, void *context)
{
	uint64_t *found = context;

	(void)from;
	(void)to;
	(void)flags;
	*found |= 1ull << id;
	return 0;
}

static uint64_t scan(const hs_database_t *db, struct match_scratch *s, const void *data,
                     uint32_t bytes)
{
	uint64_t found = 0;

	if (!db)
		return 0;
	hs_error_t rc = hs_scan(db, data, bytes, 0, s->hs, on_match, &found);
	CHECK_OP(rc, ==, HS_SUCCESS);
	return found;
}

uint64_t match_topic(const struct matcher *m, struct match_scratch *s, const char *topic,
                     uint32_t bytes)
{
	/* a topic has at least one character (MQTT 3.1.1 4.7.3) */
	return bytes == 0 ? 0 : scan(m->topics, s, topic, bytes);
}

uint64_t match_uri(const struct matcher *m, struct match_scratch *s, const char *path,
                   uint32_t bytes)
{
	return bytes == 0 ? 0 : scan(m->uris, s, path, bytes);
}

uint64_t match_formats(const struct matcher *m, uint8_t formats)
{
	uint64_t found = 0;

	for (uint32_t f = 0; f < FORMAT_COUNT; f++)
		if (formats & 1u << f)
			found |= m->formats[f];
	return found;
}

const struct profile *match_payload(const struct matcher *m, struct match_scratch *s,
                                    uint64_t candidates, const uint8_t *payload, uint32_t bytes)
{
	uint64_t found = m->unsigned_profiles;
	bool scanned = false;

	for (uint64_t left = candidates; left; left &= left - 1) {
		uint32_t i = (uint32_t)__builtin_ctzll(left);
		const struct signature *text = &m->texts[i];
		if (!(found >> i & 1) && text->part_count == 0 && !scanned) {
			found |= scan(m->signatures, s, payload, bytes);
			scanned = true;
		}
		if ((found >> i & 1) ||
		    (text->part_count > 0 && signature_find(text, payload, bytes)))
			return &m->profiles->profiles[i];
	}
	return NULL;
}
