/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backup's manifest as an enemy would write it, its checksum put right: what is taken has only
 * paths that stay below the backup's folder, and its text, written again, says the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "storage/backup/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_taken(const struct manifest *m)
{
	size_t bytes;
	struct manifest again;
	struct error err;
	CHECK(m->journal_block >= m->store_block);
	for (size_t i = 0; i < m->count; i++) {
		const char *path = m->files[i].path;
		CHECK(path[0] != '/' && path[0] != '\0');
		CHECK(strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0);
		CHECK(!strstr(path, "/../") && !strstr(path, "//"));
	}
	char *text = manifest_text(m, &bytes);
	CHECK(text);
	CHECK_OP((int)manifest_parse(text, bytes, &again, &err), ==, (int)RESULT_OK);
	CHECK_OP(again.count, ==, m->count);
	CHECK_OP(again.bytes, ==, m->bytes);
	CHECK_OP(again.journal_block, ==, m->journal_block);
	manifest_fini(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct manifest m;
	struct error err;
	char *text = malloc(bytes + 32);
	CHECK(text);
	memcpy(text, data, bytes);
	int n = snprintf(text + bytes, 32, "end %08x\n", crc32c(0, data, bytes));
	if (manifest_parse(text, bytes, &m, &err) == RESULT_OK) {
		check_taken(&m);
		manifest_fini(&m);
	}
	if (manifest_parse(text, bytes + (size_t)n, &m, &err) == RESULT_OK) {
		check_taken(&m);
		manifest_fini(&m);
	}
	free(text);
	return 0;
}
