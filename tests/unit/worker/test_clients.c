/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "worker/clients.h"

static void clients_put_find_remove(void **state)
{
	(void)state;
	struct clients c;
	assert_true(clients_init(&c, 10));
	assert_int_equal(clients_find(&c, 77), CLIENT_NONE);
	clients_put(&c, 77, 3);
	assert_int_equal(clients_find(&c, 77), 3);
	clients_put(&c, 77, 4);
	assert_int_equal(clients_find(&c, 77), 4);
	clients_remove(&c, 77, 3); /* taken over meanwhile: stays */
	assert_int_equal(clients_find(&c, 77), 4);
	clients_remove(&c, 77, 4);
	assert_int_equal(clients_find(&c, 77), CLIENT_NONE);
	assert_int_equal(c.count, 0);
	clients_fini(&c);
}

/* Random operations against a plain array; hashes collide on purpose. */
static void clients_random_operations_match_a_model(void **state)
{
	(void)state;
	enum { KEYS = 64 };
	struct clients c;
	uint32_t model[KEYS];
	uint64_t seed = 5;
	assert_true(clients_init(&c, KEYS));
	for (uint32_t i = 0; i < KEYS; i++)
		model[i] = CLIENT_NONE;
	for (uint32_t round = 0; round < 200000; round++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint32_t key = (uint32_t)(seed >> 33) % KEYS;
		/* eight keys share each home slot, across the table's end too */
		uint64_t hash = (uint64_t)(key / 8 + 124) | (uint64_t)(key + 1) << 32;
		if (seed >> 62 == 0) {
			clients_remove(&c, hash, model[key]);
			model[key] = CLIENT_NONE;
		} else {
			model[key] = (uint32_t)(seed >> 40);
			clients_put(&c, hash, model[key]);
		}
		for (uint32_t k = 0; k < KEYS; k++) {
			uint64_t h = (uint64_t)(k / 8 + 124) | (uint64_t)(k + 1) << 32;
			assert_int_equal(clients_find(&c, h), model[k]);
		}
	}
	clients_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(clients_put_find_remove),
	    cmocka_unit_test(clients_random_operations_match_a_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
