/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tariff files: one YAML file for each version of a tariff. See configs/tariffs/.
 * Thread: any that may allocate. Memory: tariff_book_free gives all of it back.
 */
#ifndef HEADRACE_CONFIG_TARIFFS_H
#define HEADRACE_CONFIG_TARIFFS_H

#include <stdint.h>

#include "base/result.h"
#include "control/billing/tariff.h"

#define TARIFF_FILES_MAX 4096

/* All versions of all tariffs: ascending by id, then by date. */
struct tariff_book {
	uint32_t count;
	const struct tariff **all;
};

/* RESULT_INPUT: "FILE:LINE: cause; what was expected". */
MUST_USE enum result tariff_load(const char *path, struct tariff *out, struct error *err);

/* All *.yaml of a folder, which may be empty. RESULT_INPUT also where two files contradict each
 * other; nothing is kept then. */
MUST_USE enum result tariff_book_load(const char *dir, struct tariff_book *out,
                                      struct error *err);
void tariff_book_free(struct tariff_book *book);

/* The versions of a tariff; *count 0 and NULL: there is none. */
const struct tariff *const *tariff_book_find(const struct tariff_book *book, const char *id,
                                             uint32_t *count);

#endif
