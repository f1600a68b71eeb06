/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may publish and subscribe to what, from an operator's file in the manner of mosquitto's:
 *
 *   topic read readings/#           # before the first user or client: for everybody
 *   user operator
 *   topic readwrite cmd/#
 *   client GW-7
 *   topic write gateway/7/#
 *   pattern readwrite cmd/%c/#      # for everybody; %c: the client id, %u: the user name
 *
 * What no line allows is refused. A subscription is allowed if a line's filter covers all that it
 * could receive. Read once at start. Thread: any, after acl_load.
 */
#ifndef HEADRACE_BROKER_ACL_H
#define HEADRACE_BROKER_ACL_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/result.h"

enum acl_access { ACL_READ = 1, ACL_WRITE = 2 };

struct acl;

/* RESULT_INPUT: "path:line: what is wrong". */
MUST_USE enum result acl_load(const char *path, struct acl **out, struct error *err);
void acl_free(struct acl *a);

/* `topic`: a name for ACL_WRITE, a filter (without $share) for ACL_READ. */
bool acl_allows(const struct acl *a, struct bytes client, struct bytes user, struct bytes topic,
                enum acl_access access);

#endif
