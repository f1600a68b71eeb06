/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest: written and read back; what is damaged or leads elsewhere is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "storage/backup/manifest.h"

#include <cmocka.h> /* last: it has a macro named fail */

static char *sample(size_t *bytes)
{
	struct manifest m = {.created_ms = 1750000000000,
	                     .store_block = 7,
	                     .store_ms = 1749999999000,
	                     .journal_block = 9,
	                     .journal_ms = 1750000000001};
	assert_int_equal(manifest_add(&m, "store/readings/000012.sst", 123456789012, 0xdeadbeef,
	                              NULL),
	                 RESULT_OK);
	assert_int_equal(manifest_add(&m, "config/my profile.yaml", 0, 0, NULL), RESULT_OK);
	char *text = manifest_text(&m, bytes);
	assert_non_null(text);
	manifest_fini(&m);
	return text;
}

static void text_is_read_back(void **state)
{
	struct manifest m;
	size_t bytes;
	(void)state;
	char *text = sample(&bytes);
	assert_int_equal(manifest_parse(text, bytes, &m, NULL), RESULT_OK);
	assert_int_equal(m.created_ms, 1750000000000);
	assert_int_equal(m.store_block, 7);
	assert_int_equal(m.store_ms, 1749999999000);
	assert_int_equal(m.journal_block, 9);
	assert_int_equal(m.journal_ms, 1750000000001);
	assert_int_equal(m.count, 2);
	assert_string_equal(m.files[0].path, "store/readings/000012.sst");
	assert_int_equal(m.files[0].bytes, 123456789012);
	assert_int_equal(m.files[0].crc, 0xdeadbeef);
	assert_string_equal(m.files[1].path, "config/my profile.yaml");
	manifest_fini(&m);
	free(text);
}

static void every_flipped_byte_and_every_cut_is_refused(void **state)
{
	struct manifest m;
	size_t bytes;
	(void)state;
	char *text = sample(&bytes);
	for (size_t i = 0; i < bytes; i++) {
		text[i] ^= 1;
		assert_int_not_equal(manifest_parse(text, bytes, &m, NULL), RESULT_OK);
		text[i] ^= 1;
		assert_int_not_equal(manifest_parse(text, i, &m, NULL), RESULT_OK);
	}
	free(text);
}

/* With the right checksum: only the path is wrong. */
static void path_that_leads_elsewhere_is_refused(void **state)
{
	static const char *const paths[] = {"/etc/passwd", "../x", "a/../../x", "a//b", "a/./b",
	                                    "a/",          "..",   ""};
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		char text[512];
		struct manifest m;
		int n = snprintf(text, sizeof text,
		                 "headrace backup 1\ncreated 1\nstore 1 1\njournal 1 1\n"
		                 "file 00000000 0 %s\n",
		                 paths[i]);
		n += snprintf(text + n, sizeof text - (size_t)n, "end %08x\n",
		              crc32c(0, text, (size_t)n));
		assert_int_equal(manifest_parse(text, (size_t)n, &m, NULL), RESULT_MEDIA);
	}
}

static void other_version_is_refused_by_name(void **state)
{
	static const char text[] = "headrace backup 2\ncreated 1\n";
	struct manifest m;
	struct error err;
	(void)state;
	assert_int_equal(manifest_parse(text, sizeof text - 1, &m, &err), RESULT_INPUT);
	assert_non_null(strstr(err.text, "version 2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text_is_read_back),
	    cmocka_unit_test(every_flipped_byte_and_every_cut_is_refused),
	    cmocka_unit_test(path_that_leads_elsewhere_is_refused),
	    cmocka_unit_test(other_version_is_refused_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
