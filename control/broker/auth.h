/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and their passwords, from a file as mosquitto_passwd writes it. Read once at start.
 *
 *   NAME:$7$ITERATIONS$SALT$HASH   PBKDF2-HMAC-SHA512, salt and 64 bytes of hash in base64
 *   NAME:$6$SALT$HASH              SHA512 of password and salt, as older versions wrote it
 *
 * Only this folder sees OpenSSL's digests. Thread: any, after auth_load.
 */
#ifndef HEADRACE_BROKER_AUTH_H
#define HEADRACE_BROKER_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/result.h"

struct auth;

/* RESULT_INPUT: "path:line: what is wrong". */
MUST_USE enum result auth_load(const char *path, struct auth **out, struct error *err);
void auth_free(struct auth *a);

/* An unknown user takes as long as a wrong password. */
bool auth_check(const struct auth *a, struct bytes user, struct bytes password);

#endif
