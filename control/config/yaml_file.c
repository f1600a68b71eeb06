/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: a file of an operator, at most 1 MiB. Output: libcyaml's structs and libyaml's tree, or
 * words with file and line. Thread: the one that starts the daemon. Memory: the heap, given
 * back by yaml_close. Never trusts the file and never prints.
 */
#include "control/config/yaml_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What libcyaml logged about one failed load. */
struct complaint {
	char message[256];
	char path[YAML_PATH_BYTES]; /* grows to the left: the innermost element comes first */
	bool in_field;              /* the innermost element is a key of a mapping */
	bool placed;
};

static void path_prepend(char path[YAML_PATH_BYTES], const char *element)
{
	char longer[2 * YAML_PATH_BYTES];
	const char *dot = *path && *path != '[' ? "." : "";
	snprintf(longer, sizeof longer, "%s%s%s", element, dot, path);
	longer[YAML_PATH_BYTES - 1] = '\0';
	strcpy(path, longer);
}

static void on_cyaml_log(cyaml_log_t level, void *context, const char *format, va_list ap)
{
	struct complaint *c = context;
	char line[256], name[64];
	unsigned entry;

	if (level < CYAML_LOG_ERROR)
		return;
	vsnprintf(line, sizeof line, format, ap);
	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "  in mapping field '%63[^']'", name) == 1) {
		c->in_field |= !c->placed;
		path_prepend(c->path, name);
	} else if (sscanf(line, "  in sequence entry '%u'", &entry) == 1 && entry > 0) {
		snprintf(name, sizeof name, "[%u]", entry - 1);
		path_prepend(c->path, name);
	} else if (strncmp(line, "Load: ", 6) == 0 && c->message[0] == '\0') {
		snprintf(c->message, sizeof c->message, "%s", line + 6);
		return;
	}
	c->placed |= strncmp(line, "  in ", 5) == 0;
}

/* One step of a path: a key up to '.' or '[', or an index in brackets. NULL: no such thing. */
static yaml_node_t *path_step(yaml_document_t *document, yaml_node_t *node, const char **at,
                              unsigned *line)
{
	yaml_node_t *next = NULL;
	if (**at == '[') {
		size_t index = strtoul(*at + 1, (char **)at, 10);
		*at += **at == ']';
		if (node->type == YAML_SEQUENCE_NODE &&
		    index < (size_t)(node->data.sequence.items.top -
		                     node->data.sequence.items.start))
			next = yaml_document_get_node(document,
			                              node->data.sequence.items.start[index]);
		if (next)
			*line = (unsigned)next->start_mark.line + 1;
		return next;
	}
	size_t length = strcspn(*at, ".[");
	if (node->type == YAML_MAPPING_NODE)
		for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
		     p < node->data.mapping.pairs.top; p++) {
			yaml_node_t *key = yaml_document_get_node(document, p->key);
			if (key->type == YAML_SCALAR_NODE && key->data.scalar.length == length &&
			    memcmp(key->data.scalar.value, *at, length) == 0) {
				next = yaml_document_get_node(document, p->value);
				*line = (unsigned)key->start_mark.line + 1;
			}
		}
	*at += length;
	return next;
}

unsigned yaml_line(struct yaml_file *file, const char *path)
{
	yaml_node_t *node =
	    file->has_document ? yaml_document_get_root_node(&file->document) : NULL;
	unsigned line = node ? (unsigned)node->start_mark.line + 1 : 1;
	while (node && *path) {
		path += *path == '.';
		node = path_step(&file->document, node, &path, &line);
	}
	return line;
}

enum result yaml_fail(struct yaml_file *file, const char *path, struct error *err,
                      const char *format, ...)
{
	char words[ERROR_TEXT_BYTES];
	va_list ap;
	va_start(ap, format);
	vsnprintf(words, sizeof words, format, ap);
	va_end(ap);
	return fail(RESULT_INPUT, err, "%s:%u: %s", file->path, yaml_line(file, path), words);
}

enum result yaml_int(struct yaml_file *file, const char *path, const int64_t *value,
                     int64_t otherwise, int64_t min, int64_t max, int64_t *out, struct error *err)
{
	*out = value ? *value : otherwise;
	if (*out >= min && *out <= max)
		return RESULT_OK;
	return yaml_fail(file, path, err, "%s is %lld; expected a number from %lld to %lld", path,
	                 (long long)*out, (long long)min, (long long)max);
}

/* The schema of the value at `path`; NULL: the path leaves the schema. */
static const cyaml_schema_value_t *schema_at(const cyaml_schema_value_t *schema, const char *path)
{
	while (schema && *path) {
		path += *path == '.';
		if (*path == '[') {
			path += strcspn(path, "]") + 1;
			schema = schema->type == CYAML_SEQUENCE ? schema->sequence.entry : NULL;
			continue;
		}
		size_t length = strcspn(path, ".[");
		const cyaml_schema_field_t *f =
		    schema->type == CYAML_MAPPING ? schema->mapping.fields : NULL;
		while (f && f->key && (strlen(f->key) != length || memcmp(f->key, path, length)))
			f++;
		schema = f && f->key ? &f->value : NULL;
		path += length;
	}
	return schema;
}

/* "one of a, b, c" */
static void list_add(char *list, size_t bytes, const char *name)
{
	size_t used = strlen(list);
	snprintf(list + used, bytes - used, "%s%s", used ? ", " : "one of ", name);
}

static void schema_describe(const cyaml_schema_value_t *schema, char *out, size_t bytes)
{
	out[0] = '\0';
	switch (schema ? schema->type : CYAML_IGNORE) {
	case CYAML_INT:
	case CYAML_UINT:
		snprintf(out, bytes, "a whole number");
		break;
	case CYAML_STRING:
		snprintf(out, bytes, "text");
		break;
	case CYAML_ENUM:
		for (uint32_t i = 0; i < schema->enumeration.count; i++)
			list_add(out, bytes, schema->enumeration.strings[i].str);
		break;
	case CYAML_MAPPING:
		snprintf(out, bytes, "a mapping of keys and values");
		break;
	case CYAML_SEQUENCE:
		snprintf(out, bytes, "a list of %u to %u entries", schema->sequence.min,
		         schema->sequence.max);
		break;
	default:
		snprintf(out, bytes, "something else");
	}
}

/* The value between the message's last quotes or behind its last ": ". */
static const char *message_value(char *message)
{
	char *value = strstr(message, ": ");
	value = value ? value + 2 : message;
	size_t length = strlen(value);
	if (length >= 2 && value[0] == '\'' && value[length - 1] == '\'') {
		value[length - 1] = '\0';
		value++;
	}
	return value;
}

static enum result explain_key(struct yaml_file *file, const struct complaint *c, const char *key,
                               const char *what, struct error *err)
{
	char keys[320] = "", path[2 * YAML_PATH_BYTES];
	const cyaml_schema_value_t *schema = schema_at(file->schema, c->path);
	for (const cyaml_schema_field_t *f =
	         schema && schema->type == CYAML_MAPPING ? schema->mapping.fields : NULL;
	     f && f->key; f++)
		list_add(keys, sizeof keys, f->key);
	snprintf(path, sizeof path, "%s%s%s", c->path, *c->path ? "." : "", key);
	return yaml_fail(file, path, err, "%s '%s' %s%s; expected %s", what, key,
	                 *c->path ? "in " : "at the top level", c->path, keys);
}

/* The path ends in the last key that was seen, if any: the mapping around it is meant. */
static enum result explain_missing(struct yaml_file *file, struct complaint *c, const char *key,
                                   struct error *err)
{
	char path[2 * YAML_PATH_BYTES], expected[320];
	if (c->in_field) {
		char *point = strrchr(c->path, '.');
		*(point ? point : c->path) = '\0';
	}
	snprintf(path, sizeof path, "%s%s%s", c->path, *c->path ? "." : "", key);
	schema_describe(schema_at(file->schema, path), expected, sizeof expected);
	return yaml_fail(file, c->path, err, "'%s' is missing; expected %s", path, expected);
}

static enum result explain_twice(struct yaml_file *file, const struct complaint *c,
                                 struct error *err)
{
	return yaml_fail(file, c->path, err, "%s is given twice; expected once", c->path);
}

/* The path may end in the entry that was reached: the list is meant. */
static enum result explain_count(struct yaml_file *file, struct complaint *c, const char *what,
                                 struct error *err)
{
	char expected[320];
	size_t length = strlen(c->path);
	if (length > 0 && c->path[length - 1] == ']')
		*strrchr(c->path, '[') = '\0';
	schema_describe(schema_at(file->schema, c->path), expected, sizeof expected);
	return yaml_fail(file, c->path, err, "%s has too %s entries; expected %s", c->path, what,
	                 expected);
}

/* libcyaml's English to ours; `where` is never empty. */
static enum result explain(struct yaml_file *file, struct complaint *c, cyaml_err_t code,
                           struct error *err)
{
	char expected[320];
	const char *where = *c->path ? c->path : "the file";
	const char *value = message_value(c->message);

	switch (code) {
	case CYAML_ERR_INVALID_KEY:
		return explain_key(file, c, value, "unknown key", err);
	case CYAML_ERR_MAPPING_FIELD_MISSING:
		return explain_missing(file, c, value, err);
	case CYAML_ERR_UNEXPECTED_EVENT:
		if (strncmp(c->message, "Mapping field already", 21) == 0)
			return explain_twice(file, c, err);
		break;
	case CYAML_ERR_OOM:
		return fail(RESULT_RESOURCE, err, "%s: no memory", file->path);
	case CYAML_ERR_SEQUENCE_ENTRIES_MAX:
		return explain_count(file, c, "many", err);
	case CYAML_ERR_SEQUENCE_ENTRIES_MIN:
		return explain_count(file, c, "few", err);
	default:
		break;
	}
	schema_describe(schema_at(file->schema, c->path), expected, sizeof expected);
	if (strcmp(value, "SCALAR") == 0)
		value = "a single value";
	else if (strcmp(value, "MAPPING_START") == 0)
		value = "a mapping";
	else if (strcmp(value, "SEQUENCE_START") == 0)
		value = "a list";
	else
		return yaml_fail(file, c->path, err, "%s is '%s'; expected %s", where, value,
		                 expected);
	return yaml_fail(file, c->path, err, "%s is %s; expected %s", where, value, expected);
}

static enum result read_text(struct yaml_file *file, struct error *err)
{
	struct stat st;
	enum result result = RESULT_OK;
	FILE *f = fopen(file->path, "rb");
	if (!f || fstat(fileno(f), &st) != 0) {
		result = fail(RESULT_INPUT, err,
		              "%s:1: cannot be opened: %s; expected a readable YAML file",
		              file->path, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		result = fail(RESULT_INPUT, err, "%s:1: is no ordinary file; expected a YAML file",
		              file->path);
	} else if (st.st_size > YAML_FILE_BYTES_MAX) {
		result = fail(RESULT_INPUT, err, "%s:1: is too long; expected at most %d bytes",
		              file->path, YAML_FILE_BYTES_MAX);
	} else if (!(file->text = malloc((size_t)st.st_size + 1))) {
		result = fail(RESULT_RESOURCE, err, "%s: no memory", file->path);
	} else {
		file->bytes = fread(file->text, 1, (size_t)st.st_size, f);
		if (ferror(f))
			result = fail(RESULT_INPUT, err,
			              "%s:1: cannot be read: %s; expected a YAML file", file->path,
			              strerror(errno));
	}
	if (f)
		fclose(f);
	return result;
}

static enum result syntax_error(struct yaml_file *file, const yaml_parser_t *parser,
                                struct error *err)
{
	size_t line = parser->problem_mark.line + 1;
	if (parser->error == YAML_READER_ERROR) {
		line = 1;
		for (size_t i = 0; i < parser->problem_offset && i < file->bytes; i++)
			line += file->text[i] == '\n';
	}
	return fail(RESULT_INPUT, err,
	            "%s:%zu: %s%s%s; expected valid YAML (look at indentation by spaces, quotes "
	            "and brackets)",
	            file->path, line, parser->problem ? parser->problem : "not YAML",
	            parser->context ? " " : "", parser->context ? parser->context : "");
}

/* One document, and nothing behind it. */
static enum result parse(struct yaml_file *file, struct error *err)
{
	yaml_parser_t parser;
	yaml_document_t second;
	enum result result = RESULT_OK;

	if (!yaml_parser_initialize(&parser))
		return fail(RESULT_RESOURCE, err, "%s: no memory", file->path);
	yaml_parser_set_input_string(&parser, (const uint8_t *)file->text, file->bytes);
	if (!yaml_parser_load(&parser, &file->document)) {
		result = syntax_error(file, &parser, err);
		goto out;
	}
	file->has_document = true;
	if (!yaml_document_get_root_node(&file->document)) {
		result = fail(RESULT_INPUT, err, "%s:1: is empty; expected keys and values",
		              file->path);
		goto out;
	}
	if (!yaml_parser_load(&parser, &second)) {
		result = syntax_error(file, &parser, err);
		goto out;
	}
	yaml_node_t *root = yaml_document_get_root_node(&second);
	if (root)
		result = fail(RESULT_INPUT, err,
		              "%s:%zu: a second document begins; expected one per file", file->path,
		              root->start_mark.line + 1);
	yaml_document_delete(&second);
out:
	yaml_parser_delete(&parser);
	return result;
}

static cyaml_config_t cyaml_config_for(struct complaint *complaint)
{
	return (cyaml_config_t){
	    .log_fn = on_cyaml_log,
	    .log_ctx = complaint,
	    .log_level = CYAML_LOG_ERROR,
	    .mem_fn = cyaml_mem,
	};
}

enum result yaml_open(const char *path, const cyaml_schema_value_t *schema, struct yaml_file *file,
                      struct error *err)
{
	*file = (struct yaml_file){.path = path, .schema = schema};
	enum result result = read_text(file, err);
	if (result == RESULT_OK)
		result = parse(file, err);
	if (result == RESULT_OK) {
		struct complaint complaint = {0};
		cyaml_config_t config = cyaml_config_for(&complaint);
		cyaml_err_t code = cyaml_load_data((const uint8_t *)file->text, file->bytes,
		                                   &config, schema, &file->data, NULL);
		if (code != CYAML_OK) {
			if (complaint.message[0] == '\0')
				snprintf(complaint.message, sizeof complaint.message, "%s",
				         cyaml_strerror(code));
			file->data = NULL;
			result = explain(file, &complaint, code, err);
		}
	}
	if (result != RESULT_OK)
		yaml_close(file);
	return result;
}

void yaml_close(struct yaml_file *file)
{
	struct complaint unused = {0};
	cyaml_config_t config = cyaml_config_for(&unused);
	if (file->data)
		cyaml_free(&config, file->schema, file->data, 0);
	if (file->has_document)
		yaml_document_delete(&file->document);
	free(file->text);
	*file = (struct yaml_file){0};
}
