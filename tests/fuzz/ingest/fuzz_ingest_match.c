/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match_topic and match_uri. Input: a filter, a line feed, a topic.
 * Oracle: a matcher that compares level by level (MQTT 3.1.1 4.7), and says which filters are none.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ingest/match.h"

#define FILTER_MAX 40
#define TOPIC_MAX  200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static bool good_filter(const char *f)
{
	size_t n = strlen(f);

	for (size_t i = 0; i < n; i++) {
		bool alone = (i == 0 || f[i - 1] == '/') && (i + 1 == n || f[i + 1] == '/');
		if ((f[i] == '+' || f[i] == '#') && !alone)
			return false;
		if (f[i] == '#' && i + 1 != n)
			return false;
	}
	return n > 0;
}

/* From the beginning of a level in both. */
static bool levels_match(const char *f, const char *t, const char *end)
{
	for (;;) {
		if (strcmp(f, "#") == 0)
			return true;
		size_t want = strcspn(f, "/");
		const char *slash = memchr(t, '/', (size_t)(end - t));
		size_t have = (size_t)((slash ? slash : end) - t);
		bool any = want == 1 && *f == '+';
		if (!any && (want != have || memcmp(f, t, want) != 0))
			return false;
		f += want;
		if (!slash)
			return *f == '\0' || strcmp(f, "/#") == 0;
		if (*f == '\0')
			return false;
		f++;
		t = slash + 1;
	}
}

static bool reference(const char *f, const char *t, size_t bytes)
{
	if (bytes == 0 || (t[0] == '$' && (f[0] == '+' || f[0] == '#')))
		return false;
	return levels_match(f, t, t + bytes);
}

static void check(struct profile_set *set, const char *topic, size_t bytes, bool uri)
{
	const char *filter = uri ? set->profiles[0].uris[0] : set->profiles[0].topics[0];
	struct matcher *m = NULL;
	struct match_scratch *s;
	struct error err;
	bool good = good_filter(filter) && (!uri || filter[0] == '/');
	enum result result = matcher_new(set, &m, &err);

	CHECK(result == (good ? RESULT_OK : RESULT_INPUT));
	if (!good)
		return;
	CHECK(match_scratch_new(m, &s, &err) == RESULT_OK);
	uint64_t found = uri ? match_uri(m, s, topic, (uint32_t)bytes)
	                     : match_topic(m, s, topic, (uint32_t)bytes);
	CHECK_OP(found, ==, (uint64_t)reference(filter, topic, bytes));
	match_scratch_free(s);
	matcher_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct profile_set set;
	const uint8_t *line = memchr(data, '\n', bytes);

	if (!line || line - data > FILTER_MAX || bytes > TOPIC_MAX ||
	    memchr(data, '\0', (size_t)(line - data)))
		return 0;
	const char *topic = (const char *)line + 1;
	size_t topic_bytes = bytes - (size_t)(line + 1 - data);
	struct profile *p = &set.profiles[0];
	set.count = 1;
	memset(p->topics[0], 0, sizeof p->topics[0]);
	memset(p->uris[0], 0, sizeof p->uris[0]);
	memcpy(p->topics[0], data, (size_t)(line - data));
	memcpy(p->uris[0], data, (size_t)(line - data));
	p->topic_count = 1;
	p->uri_count = 0;
	check(&set, topic, topic_bytes, false);
	p->topic_count = 0;
	p->uri_count = 1;
	check(&set, topic, topic_bytes, true);
	return 0;
}
