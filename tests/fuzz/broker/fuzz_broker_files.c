/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary bytes as password file and as access list: words with a line, or a list that answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "control/broker/acl.h"
#include "control/broker/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct bytes name = {(const uint8_t *)"bob", 3};
	struct error err;
	struct auth *auth;
	struct acl *acl;
	char path[64];
	int fd = memfd_create("file", 0);
	CHECK(fd >= 0);
	CHECK_OP(write(fd, data, bytes), ==, (ssize_t)bytes);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (auth_load(path, &auth, &err) == RESULT_OK) {
		auth_check(auth, name, name);
		auth_free(auth);
	} else {
		CHECK(err.text[0] != '\0');
	}
	if (acl_load(path, &acl, &err) == RESULT_OK) {
		acl_allows(acl, name, name, (struct bytes){(const uint8_t *)"a/b", 3}, ACL_WRITE);
		acl_allows(acl, name, name, (struct bytes){(const uint8_t *)"a/#", 3}, ACL_READ);
		acl_free(acl);
	} else {
		CHECK(err.text[0] != '\0');
	}
	close(fd);
	return 0;
}
