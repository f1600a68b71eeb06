/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CoRE link format (RFC 6690): links one by one, their attributes, and filters on them.
 *
 *   </sensors/temp>;rt="temperature-c";if="sensor";ct=40,</other>...
 *
 * Pure; nothing is copied: what is handed out points into the text. Untrusted.
 */
#ifndef HEADRACE_COAP_LINK_H
#define HEADRACE_COAP_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct link {
	struct bytes href;       /* between < and > */
	struct bytes attributes; /* ";rt=..;ct=40", or empty */
};

enum link_step {
	LINK_NEXT,
	LINK_END,
	LINK_BAD, /* not link-format */
};

/* The next link of the text; *left begins as the whole text and moves on. */
enum link_step link_next(struct bytes *left, struct link *out);

struct link_attribute {
	struct bytes name;
	struct bytes value; /* without quotes; a backslash in it is left as it is */
	bool has_value;
};
enum link_step link_attribute_next(struct bytes *left, struct link_attribute *out);

/* Does it match "name=value"? "href" is the target; a value may end in '*'; of rt, if and rel each
 * word counts (RFC 6690 4.1). */
bool link_matches(const struct link *link, struct bytes name, struct bytes value);

/* Is it such a text as a whole? *count: links in it. */
bool link_check(struct bytes text, uint32_t *count);

/* The next argument of a query "a=1&b=2"; false: none. A name without '=' has an empty value. */
bool query_next(struct bytes *left, struct bytes *name, struct bytes *value);

static inline bool bytes_are(struct bytes b, const char *text)
{
	return b.count == strlen(text) && (b.count == 0 || memcmp(b.data, text, b.count) == 0);
}

/* `pattern` may end in '*'. */
bool bytes_match(struct bytes b, struct bytes pattern);

#endif
