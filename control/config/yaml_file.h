/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML file against a schema: read it, let libcyaml check and load it, and turn every complaint
 * into "FILE:LINE: what is wrong; what was expected".
 *
 * Private to control/config. The document is also kept as libyaml's tree, so that checks after
 * loading can name the line of a key: yaml_fail(file, "workers[1].stages[0]", ...).
 */
#ifndef HEADRACE_CONFIG_YAML_FILE_H
#define HEADRACE_CONFIG_YAML_FILE_H

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stdint.h>
#include <yaml.h>

#include "base/result.h"

#define YAML_FILE_BYTES_MAX (1 << 20)
#define YAML_PATH_BYTES     128

struct yaml_file {
	const char *path; /* the caller's */
	char *text;
	size_t bytes;
	yaml_document_t document;
	bool has_document;
	const cyaml_schema_value_t *schema;
	void *data; /* what libcyaml made of it */
};

/* Open, parse, load. On failure nothing is left to close. */
MUST_USE enum result yaml_open(const char *path, const cyaml_schema_value_t *schema,
                               struct yaml_file *file, struct error *err);
void yaml_close(struct yaml_file *file);

/* Line (from 1) of the value at `path`; of what encloses it if there is no such value. */
unsigned yaml_line(struct yaml_file *file, const char *path);

/* RESULT_INPUT with "FILE:LINE: " and the formatted words. */
__attribute__((format(printf, 4, 5))) enum result yaml_fail(struct yaml_file *file,
                                                            const char *path, struct error *err,
                                                            const char *format, ...);

/* An optional integer: `value` or, when it is NULL, `otherwise`; RESULT_INPUT beyond min..max. */
MUST_USE enum result yaml_int(struct yaml_file *file, const char *path, const int64_t *value,
                              int64_t otherwise, int64_t min, int64_t max, int64_t *out,
                              struct error *err);

#endif
