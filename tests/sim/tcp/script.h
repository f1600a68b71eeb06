/* SPDX-License-Identifier: Apache-2.0 */
/* What the script runner's two files share: the runner, and segments made of words. */
#ifndef HEADRACE_TESTS_SIM_TCP_SCRIPT_H
#define HEADRACE_TESTS_SIM_TCP_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp/tcp.h"

#define PEERS_MAX  16
#define OUT_MAX    256
#define EVENTS_MAX 256
#define STREAM     77

struct script_peer {
	char name[32];
	struct tcp_address address;
	uint16_t port, local_port;
	uint32_t iss, engine_iss;
	uint32_t engine_ts; /* the engine's last timestamp */
	tcp_handle handle;
};

struct output {
	uint32_t peer;
	uint32_t bytes;
	uint8_t segment[1600];
};

struct event {
	char text[48];
};

struct runner {
	const char *file;
	uint32_t line;
	bool failed;
	struct tcp_config config;
	struct tcp_engine *engine;
	struct counters counters;
	uint64_t now_us;
	struct tcp_address server;
	struct script_peer peers[PEERS_MAX];
	uint32_t peer_count, peer;
	struct output out[OUT_MAX];
	uint32_t out_head, out_count;
	struct event events[EVENTS_MAX];
	uint32_t event_head, event_count;
	uint32_t take;
	char mode[32];
	char link[16];
	uint8_t buffer[9216];
};

/* Print place and reason, once; the script stops. */
__attribute__((format(printf, 2, 3))) void script_fail(struct runner *r, const char *format, ...);

struct built {
	uint8_t bytes[1800];
	uint32_t options, data;
	uint32_t cut, off; /* off: data offset in words + 1; 0: the true one */
};

/* -1: not flags. */
int flags_parse(const char *text);
uint32_t hex_parse(const char *text, uint8_t *out, uint32_t most);
/* The value of NAME=VALUE; NULL: another name. */
const char *value_of(const char *field, const char *name);
uint32_t number(const char *text);
/* From the current peer, with `count` fields; returns its length. */
uint32_t segment_build(struct runner *r, struct built *b, uint8_t flags, char **fields,
                       uint32_t count);
bool segment_matches(struct runner *r, const struct output *o, const char *field);
void segment_show(const struct runner *r, const struct output *o);

#endif
