/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest as text:
 *
 *   headrace backup 1
 *   created <ms since 1970>
 *   store <block> <ms>
 *   journal <block> <ms>
 *   file <CRC-32C, 8 hexadecimal digits> <bytes> <path>      one line a file
 *   end <CRC-32C of everything above>
 *
 * Pure functions. Memory: malloc. Never trusts what it reads: paths lead nowhere but into the
 * backup's own folder.
 */
#include "storage/backup/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define VERSION 1

enum result manifest_add(struct manifest *m, const char *path, uint64_t bytes, uint32_t crc,
                         struct error *err)
{
	if (m->count == m->room) {
		size_t room = m->room ? 2 * m->room : 64;
		struct manifest_file *files = realloc(m->files, room * sizeof *files);
		if (!files)
			return fail(RESULT_RESOURCE, err, "backup: no memory");
		m->files = files;
		m->room = room;
	}
	char *copy = strdup(path);
	if (!copy)
		return fail(RESULT_RESOURCE, err, "backup: no memory");
	m->files[m->count++] = (struct manifest_file){crc, bytes, copy};
	m->bytes += bytes;
	return RESULT_OK;
}

char *manifest_text(const struct manifest *m, size_t *bytes)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, bytes);
	if (!f)
		return NULL;
	fprintf(f,
	        "headrace backup %d\ncreated %" PRId64 "\nstore %" PRIu64 " %" PRId64
	        "\njournal %" PRIu64 " %" PRId64 "\n",
	        VERSION, m->created_ms, m->store_block, m->store_ms, m->journal_block,
	        m->journal_ms);
	for (size_t i = 0; i < m->count; i++)
		fprintf(f, "file %08" PRIx32 " %" PRIu64 " %s\n", m->files[i].crc,
		        m->files[i].bytes, m->files[i].path);
	if (fflush(f) == 0)
		fprintf(f, "end %08" PRIx32 "\n", crc32c(0, text, *bytes));
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void manifest_fini(struct manifest *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->files[i].path);
	free(m->files);
	*m = (struct manifest){0};
}

/* Relative, printable, without "." and ".." and empty parts. */
static bool path_is_safe(const char *path)
{
	size_t bytes = strlen(path);
	if (bytes == 0 || bytes >= MANIFEST_PATH_BYTES)
		return false;
	for (const char *part = path; part;) {
		const char *end = strchrnul(part, '/');
		size_t length = (size_t)(end - part);
		if (length == 0 || (length == 1 && part[0] == '.') ||
		    (length == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		part = *end ? end + 1 : NULL;
	}
	for (size_t i = 0; i < bytes; i++)
		if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
			return false;
	return true;
}

static enum result bad_line(unsigned line, struct error *err)
{
	return fail(RESULT_MEDIA, err, "backup: line %u of " MANIFEST_NAME " is damaged", line);
}

static enum result take_file(struct manifest *m, const char *text, unsigned line,
                             struct error *err)
{
	uint32_t crc;
	uint64_t bytes;
	int at = 0;
	if (sscanf(text, "file %8" SCNx32 " %20" SCNu64 " %n", &crc, &bytes, &at) != 2 || at == 0 ||
	    bytes > INT64_MAX || !path_is_safe(text + at) || m->count >= MANIFEST_FILES_MAX ||
	    m->bytes > (uint64_t)INT64_MAX - bytes)
		return bad_line(line, err);
	return manifest_add(m, text + at, bytes, crc, err);
}

static enum result take_line(struct manifest *m, const char *text, unsigned line,
                             struct error *err)
{
	int version;
	switch (line) {
	case 1:
		if (sscanf(text, "headrace backup %9d", &version) != 1)
			return fail(RESULT_INPUT, err,
			            "backup: " MANIFEST_NAME " is not that of a backup");
		return version == VERSION
		           ? RESULT_OK
		           : fail(RESULT_INPUT, err,
		                  "backup: its format is version %d, this program's is %d; "
		                  "restore it with the program that made it",
		                  version, VERSION);
	case 2:
		return sscanf(text, "created %20" SCNd64, &m->created_ms) == 1
		           ? RESULT_OK
		           : bad_line(line, err);
	case 3:
		return sscanf(text, "store %20" SCNu64 " %20" SCNd64, &m->store_block,
		              &m->store_ms) == 2
		           ? RESULT_OK
		           : bad_line(line, err);
	case 4:
		return sscanf(text, "journal %20" SCNu64 " %20" SCNd64, &m->journal_block,
		              &m->journal_ms) == 2
		           ? RESULT_OK
		           : bad_line(line, err);
	default:
		return take_file(m, text, line, err);
	}
}

enum result manifest_parse(const char *text, size_t bytes, struct manifest *m, struct error *err)
{
	unsigned line = 1;
	uint32_t crc;
	enum result r = RESULT_OK;
	*m = (struct manifest){0};
	for (const char *at = text, *end = text + bytes; r == RESULT_OK; line++) {
		const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
		char copy[MANIFEST_PATH_BYTES + 64];
		size_t length = stop ? (size_t)(stop - at) : 0;
		if (!stop || length >= sizeof copy || memchr(at, '\0', length)) {
			r = fail(RESULT_MEDIA, err,
			         "backup: " MANIFEST_NAME " is damaged at line %u", line);
			break;
		}
		memcpy(copy, at, length);
		copy[length] = '\0';
		if (line > 4 && sscanf(copy, "end %8" SCNx32, &crc) == 1) {
			if (stop + 1 != end || crc != crc32c(0, text, (size_t)(at - text)))
				r = fail(RESULT_MEDIA, err,
				         "backup: " MANIFEST_NAME "'s checksum is wrong");
			break;
		}
		r = take_line(m, copy, line, err);
		at = stop + 1;
	}
	if (r == RESULT_OK && m->journal_block < m->store_block)
		r = fail(RESULT_MEDIA, err, "backup: its journal ends before its store");
	if (r != RESULT_OK)
		manifest_fini(m);
	return r;
}
