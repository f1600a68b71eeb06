/* SPDX-License-Identifier: Apache-2.0 */
#include "coap_rig.h"

static struct coap_exchange *find(struct rig *rig, uint16_t n, uint16_t id)
{
	struct coap_peer peer = rig_peer(n);
	return coap_exchange_find(rig->c, &peer, coap_peer_hash(rig->c, &peer), id, rig->now);
}

static struct coap_exchange *take(struct rig *rig, uint16_t n, uint16_t id, bool confirmable)
{
	struct coap_peer peer = rig_peer(n);
	return coap_exchange_take(rig->c, &peer, coap_peer_hash(rig->c, &peer), id, rig->now,
	                          confirmable);
}

static void exchange_is_found_by_peer_and_id(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 100);
	struct coap_exchange *e[50];
	for (uint16_t i = 0; i < 50; i++)
		e[i] = take(&rig, i / 10, (uint16_t)(i % 10 * 101), true);
	for (uint16_t i = 0; i < 50; i++)
		assert_ptr_equal(find(&rig, i / 10, (uint16_t)(i % 10 * 101)), e[i]);
	assert_null(find(&rig, 0, 1));
	assert_null(find(&rig, 5, 0));
	for (uint16_t i = 0; i < 50; i += 2)
		coap_exchange_release(rig.c, e[i]);
	for (uint16_t i = 0; i < 50; i++)
		assert_ptr_equal(find(&rig, i / 10, (uint16_t)(i % 10 * 101)), i % 2 ? e[i] : NULL);
	rig_fini(&rig);
}

static void exchange_is_forgotten_after_its_lifetime(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 10);
	take(&rig, 0, 1, true);
	take(&rig, 0, 2, false);
	uint64_t start = rig.now;
	rig.now = start + 145 * RIG_SECOND - 1;
	assert_non_null(find(&rig, 0, 2));
	rig.now = start + 145 * RIG_SECOND; /* NON_LIFETIME */
	assert_null(find(&rig, 0, 2));
	rig.now = start + 247 * RIG_SECOND - 1;
	assert_non_null(find(&rig, 0, 1));
	rig.now = start + 247 * RIG_SECOND; /* EXCHANGE_LIFETIME */
	assert_null(find(&rig, 0, 1));
	assert_int_equal(rig.c->free.count, 11);
	assert_int_equal(rig.c->ack_wait.count, 0);
	rig_fini(&rig);
}

static void exchange_answered_longest_ago_makes_room(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 3);
	rig_post(&rig, 0, COAP_CON, 1);
	rig_post(&rig, 0, COAP_CON, 2);
	rig_post(&rig, 0, COAP_CON, 3);
	rig_respond(&rig, 1, COAP_CODE_OF(2, 4), "");
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), "");
	assert_int_equal(rig_count(&rig, COUNTER_COAP_EVICTED), 0);
	rig_post(&rig, 0, COAP_CON, 4);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_EVICTED), 1);
	assert_null(find(&rig, 0, 2));
	assert_non_null(find(&rig, 0, 1));
	assert_non_null(find(&rig, 0, 3));
	assert_non_null(find(&rig, 0, 4));
	rig_fini(&rig);
}

static void exchange_refused_pushes_nothing_out(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 2);
	rig.code_at_once = COAP_CODE_OF(2, 4);
	rig_post(&rig, 0, COAP_CON, 1);
	rig_post(&rig, 0, COAP_CON, 2);
	rig.take = COAP_NOT_FOUND;
	for (uint16_t id = 3; id < 20; id++)
		rig_post(&rig, 0, COAP_CON, id);
	assert_int_equal(rig_count(&rig, COUNTER_COAP_EVICTED), 0);
	assert_non_null(find(&rig, 0, 1));
	assert_non_null(find(&rig, 0, 2));
	assert_null(find(&rig, 0, 3));
	rig_fini(&rig);
}

static void exchange_just_answered_is_not_the_one_to_go(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 1);
	rig_post(&rig, 0, COAP_CON, 1);
	rig_run(&rig, rig.now + 600000);
	rig_respond(&rig, 0, COAP_CODE_OF(2, 4), ""); /* being sent separately */
	assert_int_equal(rig.c->sending.count, 1);
	rig.code_at_once = COAP_CODE_OF(2, 4);
	rig_post(&rig, 0, COAP_CON, 2);
	assert_null(find(&rig, 0, 1));
	assert_non_null(find(&rig, 0, 2));
	assert_int_equal(rig.c->wheel.count, 0);
	rig_fini(&rig);
}

static void answer_ids_of_a_peer_differ_like_its_own(void **state)
{
	(void)state;
	static struct rig rig;
	rig_init(&rig, 1);
	struct coap_peer peer = rig_peer(0);
	uint64_t hash = coap_peer_hash(rig.c, &peer);
	static bool seen[65536];
	for (uint32_t id = 0; id < 65536; id++) {
		uint16_t answer = coap_answer_id(hash, (uint16_t)id);
		assert_false(seen[answer]);
		seen[answer] = true;
		assert_int_equal(coap_request_id(hash, answer), id);
	}
	rig_fini(&rig);
}

/* What is fetched is what the exchange's message id leads to; a cut datagram leads nowhere. */
static void fetch_names_the_bucket_of_a_datagrams_exchange(void **state)
{
	(void)state;
	static struct rig rig;
	const uint8_t datagram[] = {0x40, 0x02, 0x12, 0x34};
	struct coap_peer peer = rig_peer(3);
	rig_init(&rig, 100);
	struct coap_exchange *e = take(&rig, 3, 0x1234, true);
	assert_int_equal(coap_fetch(rig.c, &peer, datagram, sizeof datagram), e->bucket);
	coap_fetch_exchange(rig.c, e->bucket);
	assert_int_equal(coap_fetch(rig.c, &peer, datagram, 3), COAP_NIL);
	coap_fetch_exchange(rig.c, COAP_NIL);
	assert_ptr_equal(find(&rig, 3, 0x1234), e);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(exchange_is_found_by_peer_and_id),
	    cmocka_unit_test(exchange_is_forgotten_after_its_lifetime),
	    cmocka_unit_test(exchange_answered_longest_ago_makes_room),
	    cmocka_unit_test(exchange_refused_pushes_nothing_out),
	    cmocka_unit_test(exchange_just_answered_is_not_the_one_to_go),
	    cmocka_unit_test(fetch_names_the_bucket_of_a_datagrams_exchange),
	    cmocka_unit_test(answer_ids_of_a_peer_differ_like_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
