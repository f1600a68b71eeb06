/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in memory behind the real store.h, for tests of the control plane: key-value entries,
 * readings and error entries that a test puts in, and a switch that makes writes fail.
 */
#ifndef HEADRACE_TESTS_CONTROL_FAKE_STORE_H
#define HEADRACE_TESTS_CONTROL_FAKE_STORE_H

#include "storage/store/store.h"

struct store *fake_store_new(void);
void fake_store_free(struct store *s);

/* The next `count` store_kv_write fail with RESULT_MEDIA. */
void fake_store_fail_writes(struct store *s, unsigned count);
/* Those whose first key begins so. */
void fake_store_fail_writes_of(struct store *s, const char *prefix, unsigned count);
/* `good` ones are done first. */
void fake_store_fail_writes_after(struct store *s, unsigned good, unsigned count);
/* Is the text in any value? */
bool fake_store_has(struct store *s, const char *text);
unsigned fake_store_writes(const struct store *s);

void fake_store_add_reading(struct store *s, const struct stored_reading *reading);
/* The one that was added last, to be changed. */
struct stored_reading *fake_store_last_reading(struct store *s);
/* Strings and raw bytes are the caller's and stay. */
void fake_store_add_error(struct store *s, const struct stored_error *error);
void fake_store_set_total(struct store *s, enum fate fate, uint64_t count);

#endif
