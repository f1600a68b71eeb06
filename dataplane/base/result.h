/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One enum of results for control-plane, storage and start-up code: it says whose fault it was.
 * Hot paths use their own small enums. A function that returns it also fills a struct error,
 * which carries the words for the operator.
 */
#ifndef HEADRACE_BASE_RESULT_H
#define HEADRACE_BASE_RESULT_H

enum result {
	RESULT_OK = 0,
	RESULT_INPUT,    /* the operator's or the peer's bytes are wrong: say where and why */
	RESULT_ABSENT,   /* what was asked for does not exist */
	RESULT_RESOURCE, /* no memory, no file descriptor, no space */
	RESULT_MEDIA,    /* the disk or the file on it failed or is damaged */
	RESULT_BUG,      /* ours */
};

#define ERROR_TEXT_BYTES 512

/* The words that go with a result other than RESULT_OK: place, cause and remedy. */
struct error {
	char text[ERROR_TEXT_BYTES];
};

#define MUST_USE __attribute__((warn_unused_result))

/* Fill *err (which may be NULL) as printf does and return `result`: `return fail(...)`. */
__attribute__((format(printf, 3, 4))) enum result fail(enum result result, struct error *err,
                                                       const char *format, ...);

#endif
