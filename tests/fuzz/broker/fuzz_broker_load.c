/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary records as the broker's database:  | key bytes, 1 | value bytes, 1 | key | value | ...
 * Loading ends in words, or in a broker that serves its clients and forgets everything it had when
 * its sessions end.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "control/broker/core.h"

#define NOW 1000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct broker_watch watch;

static const struct core_config config = {.memory_bytes = 1 << 20,
                                          .queue_messages = 10,
                                          .inflight_max = 4,
                                          .sessions_max = 100,
                                          .session_expiry_max_s = BROKER_NO_EXPIRY,
                                          .subscriptions_max = 100,
                                          .retained_max = 100};

static void connect_as(struct core *c, const uint8_t *client, uint8_t count)
{
	uint64_t memory[64] = {0};
	struct broker_connect *r = (struct broker_connect *)memory;
	r->head.kind = BROKER_CONNECT;
	r->head.conn = 7;
	r->sequence = 1;
	r->session_expiry_s = 100;
	r->packet_bytes_max = BROKER_NO_LIMIT;
	r->credit_bytes = 1 << 20;
	r->receive_max = 3;
	r->version = 5;
	r->flags = BROKER_CONNECT_WAITS;
	r->client_bytes = count;
	memcpy(r + 1, client, count);
	core_input(c, 0, r, NOW + 1);
}

static void serve(struct core *c)
{
	struct broker_disconnected gone = {.head = {.conn = 7, .kind = BROKER_DISCONNECTED}};
	connect_as(c, (const uint8_t *)"a", 1);
	core_publish(c, (struct bytes){(const uint8_t *)"a/b", 3}, (struct bytes){0},
	             (struct bytes){(const uint8_t *)"x", 1}, 1);
	core_input(c, 0, &gone, NOW + 2);
	core_tick(c, NOW + 1000000ll * 1000000);
}

static bool load(struct core *c, const uint8_t *data, size_t bytes)
{
	struct error err = {""};
	for (size_t at = 0; at + 2 <= bytes;) {
		uint32_t key = data[at], value = data[at + 1];
		at += 2;
		if (key + value > bytes - at)
			break;
		if (core_load(c, (struct bytes){data + at, key},
		              (struct bytes){data + at + key, value}, NOW, &err) != RESULT_OK) {
			CHECK(err.text[0] != '\0');
			return false;
		}
		at += key + value;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct core_hooks none;
	memset(&watch, 0, sizeof watch);
	struct core *c = core_new(&config, &none, NULL, &watch, (struct hash_key){1, 2});
	if (load(c, data, bytes)) {
		core_loaded(c, NOW);
		serve(c);
	}
	core_free(c);
	return 0;
}
