/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs packet scripts: segments in, expected segments and events out.
 *
 * usage: run_script FILE...
 *
 * One statement per line, `#` starts a comment. Sequence numbers are relative: seq of a segment
 * to the engine counts from the peer's initial number, seq of one from it from the engine's.
 *
 *     config KEY=N ...        before the first segment: rx_buffer, rx_memory, tx_buffer,
 *                             tx_memory, mtu, conns, syn_cache, time_wait, first_data_ms,
 *                             per_prefix
 *     peer NAME [port=N] [iss=N] [local_port=N] [ip=HEX32]
 *                             the peer that the following lines are about; made when new
 *     > FLAGS [FIELD]...      a segment from the peer, then the end of a poll
 *     >> FLAGS [FIELD]...     the same, but the poll goes on
 *         FLAGS: letters of S A F R P U, or - for none
 *         FIELD: seq=N ack=N win=N data=N len=N (N bytes of the stream) mss=N ws=N sackok
 *                ts=VAL/ECR (a number, or `echo` of the engine's last) sack=A-B,... opt=HEX (raw
 *                option bytes, as they are) off=N (data offset in words) abs_seq=N abs_ack=N
 *                urg=N cut=N (drop the last N bytes)
 *     < FLAGS [FIELD]...      the engine must have sent this; fields not named are not compared;
 *                             nosack, nots: the option must be absent
 *     < none                  nothing (more) was sent
 *     < *                     forget what was sent
 *     + SECONDS               time passes, timers run when they are due
 *     app VERB                send N, close, abort, resume, take N (bytes per data event),
 *                             take all, refuse (in accept), close_in_accept, abort_in_accept,
 *                             abort_in_data, close_in_data, normal
 *     link none|control|all   which buffers the link has
 *     icmp seq=N [mtu=N] [bytes=N]
 *     event NAME [N]          the oldest event: accept, data, finished, writable, closed
 *                             (normal, reset, timeout, aborted)
 *     event none
 *     counter NAME N          has this value
 *     level NAME N            conns, half_open, time_wait, rx, tx
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "invariants.h"
#include "script.h"
#include "tcp/tcp.h"

void script_fail(struct runner *r, const char *format, ...)
{
	va_list args;
	if (r->failed)
		return;
	r->failed = true;
	printf("%s:%u: ", r->file, r->line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* --- the application ---------------------------------------------------------------------- */

static void note(struct runner *r, const char *text)
{
	CHECK_OP(r->event_count, <, (uint32_t)EVENTS_MAX);
	struct event *e = &r->events[r->event_count++];
	snprintf(e->text, sizeof e->text, "%s", text);
}

static bool is_mode(const struct runner *r, const char *mode)
{
	return strcmp(r->mode, mode) == 0;
}

static bool on_accept(void *app, tcp_handle conn, const struct tcp_peer *peer)
{
	struct runner *r = app;
	note(r, "accept");
	for (uint32_t i = 0; i < r->peer_count; i++)
		if (r->peers[i].port == peer->port &&
		    memcmp(&r->peers[i].address, &peer->address, sizeof peer->address) == 0)
			r->peers[i].handle = conn;
	if (is_mode(r, "close_in_accept"))
		tcp_close(r->engine, conn);
	if (is_mode(r, "abort_in_accept"))
		tcp_abort(r->engine, conn);
	return !is_mode(r, "refuse");
}

static uint32_t on_data(void *app, tcp_handle conn, const uint8_t *bytes, uint32_t count)
{
	struct runner *r = app;
	char text[48];
	(void)bytes;
	snprintf(text, sizeof text, "data %u", count);
	note(r, text);
	if (is_mode(r, "abort_in_data"))
		tcp_abort(r->engine, conn);
	if (is_mode(r, "close_in_data"))
		tcp_close(r->engine, conn);
	return count < r->take ? count : r->take;
}

static void on_finished(void *app, tcp_handle conn)
{
	(void)conn;
	note(app, "finished");
}

static void on_writable(void *app, tcp_handle conn)
{
	(void)conn;
	note(app, "writable");
}

static void on_closed(void *app, tcp_handle conn, enum tcp_close_reason reason)
{
	static const char *const names[] = {"closed normal", "closed reset", "closed timeout",
	                                    "closed aborted"};
	(void)conn;
	note(app, names[reason]);
}

static const struct tcp_app app_ops = {on_accept, on_data, on_finished, on_writable, on_closed};

static uint8_t *link_alloc(void *link, uint32_t bytes, bool control)
{
	struct runner *r = link;
	CHECK_OP(bytes, <=, (uint32_t)sizeof r->buffer);
	if (strcmp(r->link, "none") == 0 || (strcmp(r->link, "control") == 0 && !control))
		return NULL;
	return r->buffer;
}

/* The engine's options are well formed. */
static void note_timestamp(struct script_peer *p, const uint8_t *segment)
{
	uint32_t end = (uint32_t)(segment[12] >> 4) * 4;
	for (uint32_t at = 20; at < end; at += segment[at] <= 1 ? 1 : segment[at + 1])
		if (segment[at] == 8)
			p->engine_ts = get_be32(segment + at + 2);
}

static void link_send(void *link, const struct tcp_address *local, const struct tcp_address *peer,
                      uint8_t *segment, uint32_t bytes)
{
	struct runner *r = link;
	CHECK_OP(r->out_count, <, (uint32_t)OUT_MAX);
	if (memcmp(local, &r->server, sizeof *local) != 0)
		script_fail(r, "sent from a wrong local address");
	for (uint32_t i = 0; i < r->peer_count; i++) {
		struct script_peer *p = &r->peers[i];
		if (p->port != get_be16(segment + 2) || p->local_port != get_be16(segment) ||
		    memcmp(peer, &p->address, sizeof *peer) != 0)
			continue;
		struct output *o = &r->out[r->out_count++];
		o->peer = i;
		o->bytes = bytes;
		CHECK_OP(bytes, <=, (uint32_t)sizeof o->segment);
		memcpy(o->segment, segment, bytes);
		if (segment[13] & 2)
			p->engine_iss = get_be32(segment + 4);
		note_timestamp(p, segment);
		return;
	}
	script_fail(r, "sent to nobody");
}

static const struct tcp_link link_ops = {link_alloc, link_send};

/* --- statements --------------------------------------------------------------------------- */

static void end_of_poll(struct runner *r)
{
	tcp_run_timers(r->engine, 10000);
	tcp_flush(r->engine);
	const char *broken = tcp_invariants(r->engine);
	if (broken)
		script_fail(r, "%s", broken);
}

static void engine_need(struct runner *r)
{
	if (r->engine)
		return;
	r->engine = tcp_engine_new(&r->config, &app_ops, r, &link_ops, r, &r->counters, r->now_us);
	CHECK(r->engine);
	tcp_set_now(r->engine, r->now_us);
}

static void do_inject(struct runner *r, char **words, uint32_t n, bool poll_ends)
{
	struct script_peer *p = &r->peers[r->peer];
	struct built b = {0};
	int flags = n > 1 ? flags_parse(words[1]) : -1;
	if (flags < 0) {
		script_fail(r, "flags?");
		return;
	}
	if (r->out_head != r->out_count) {
		script_fail(r, "a segment that nobody expected was sent before this");
		return;
	}
	engine_need(r);
	uint32_t bytes = segment_build(r, &b, (uint8_t)flags, words + 2, n - 2);
	/* exactly as long as it says, so that a sanitizer sees a byte too far */
	uint8_t *exact = malloc(bytes ? bytes : 1);
	CHECK(exact);
	memcpy(exact, b.bytes, bytes);
	tcp_input(r->engine, &r->server, &p->address, exact, bytes);
	free(exact);
	if (poll_ends)
		end_of_poll(r);
}

static void do_expect(struct runner *r, char **words, uint32_t n)
{
	if (n == 2 && strcmp(words[1], "*") == 0) {
		r->out_head = r->out_count = 0;
		return;
	}
	bool none = n == 2 && strcmp(words[1], "none") == 0;
	if (none && r->out_head == r->out_count)
		return;
	if (r->out_head == r->out_count) {
		script_fail(r, "nothing was sent");
		return;
	}
	struct output *o = &r->out[r->out_head++];
	bool good = !none && o->peer == r->peer && flags_parse(words[1]) == o->segment[13];
	const char *wrong = good ? NULL : "flags or peer";
	for (uint32_t i = 2; good && i < n; i++) {
		good = segment_matches(r, o, words[i]);
		wrong = good ? NULL : words[i];
	}
	if (!good) {
		script_fail(r, "another segment was sent: %s", wrong);
		segment_show(r, o);
	}
	if (r->out_head == r->out_count)
		r->out_head = r->out_count = 0;
}

static void do_pass_time(struct runner *r, const char *seconds)
{
	engine_need(r);
	uint64_t end = r->now_us + (uint64_t)(strtod(seconds, NULL) * 1e6 + 0.5);
	for (uint32_t steps = 0; r->now_us < end && !r->failed; steps++) {
		uint64_t next = tcp_next_timer_us(r->engine);
		if (next <= r->now_us)
			next = r->now_us + 1000;
		r->now_us = next < end ? next : end;
		tcp_set_now(r->engine, r->now_us);
		end_of_poll(r);
		if (steps > 1000000)
			script_fail(r, "timers without end");
	}
}

static void do_app(struct runner *r, char **words, uint32_t n)
{
	tcp_handle conn = r->peers[r->peer].handle;
	const char *verb = n > 1 ? words[1] : "";
	static uint8_t bytes[65536];
	if (strcmp(verb, "take") == 0 && n > 2) {
		r->take = strcmp(words[2], "all") == 0 ? UINT32_MAX : number(words[2]);
		return;
	}
	engine_need(r);
	if (strcmp(verb, "send") == 0 && n > 2) {
		bool sent = tcp_send(r->engine, conn, bytes, number(words[2]));
		bool wanted = n < 4 || strcmp(words[3], "fails") != 0;
		if (sent != wanted)
			script_fail(r, "tcp_send returned %d", sent);
	} else if (strcmp(verb, "close") == 0) {
		tcp_close(r->engine, conn);
	} else if (strcmp(verb, "abort") == 0) {
		tcp_abort(r->engine, conn);
	} else if (strcmp(verb, "resume") == 0) {
		tcp_resume(r->engine, conn);
	} else {
		snprintf(r->mode, sizeof r->mode, "%s", verb);
		return;
	}
	end_of_poll(r);
}

static void do_icmp(struct runner *r, char **words, uint32_t n)
{
	const struct script_peer *p = &r->peers[r->peer];
	uint32_t seq = 0, mtu = 0, bytes = 8;
	for (uint32_t i = 1; i < n; i++) {
		const char *v;
		if ((v = value_of(words[i], "seq")))
			seq = number(v);
		else if ((v = value_of(words[i], "mtu")))
			mtu = number(v);
		else if ((v = value_of(words[i], "bytes")))
			bytes = number(v);
	}
	uint8_t *quote = malloc(bytes + 1);
	uint8_t full[8];
	CHECK(quote);
	put_be16(full, p->local_port);
	put_be16(full + 2, p->port);
	put_be32(full + 4, p->engine_iss + seq);
	memcpy(quote, full, bytes < 8 ? bytes : 8);
	tcp_input_icmp(r->engine, &r->server, &p->address, quote, bytes, mtu);
	free(quote);
	end_of_poll(r);
}

static void do_event(struct runner *r, char **words, uint32_t n)
{
	char text[64] = "";
	for (uint32_t i = 1; i < n; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i > 1 ? " " : "",
		         words[i]);
	bool some = r->event_head < r->event_count;
	const char *got = some ? r->events[r->event_head].text : "none";
	if (strcmp(got, text) != 0)
		script_fail(r, "the event is \"%s\"", got);
	if (some)
		r->event_head++;
}

static void do_counter(struct runner *r, char **words)
{
	for (uint32_t i = 0; i < COUNTER_COUNT; i++) {
		if (strcmp(counter_info[i].name, words[1]) != 0)
			continue;
		uint64_t is = counter_get(&r->counters, i);
		if (is != number(words[2]))
			script_fail(r, "%s is %" PRIu64, words[1], is);
		return;
	}
	script_fail(r, "no counter %s", words[1]);
}

static void do_level(struct runner *r, char **words)
{
	struct tcp_levels l;
	tcp_levels_get(r->engine, &l);
	uint64_t is = strcmp(words[1], "conns") == 0       ? l.conns
	              : strcmp(words[1], "half_open") == 0 ? l.half_open
	              : strcmp(words[1], "time_wait") == 0 ? l.time_wait
	              : strcmp(words[1], "rx") == 0        ? l.rx_bytes
	                                                   : l.tx_bytes;
	if (is != number(words[2]))
		script_fail(r, "%s is %" PRIu64, words[1], is);
}

static void do_peer(struct runner *r, char **words, uint32_t n)
{
	for (r->peer = 0; r->peer < r->peer_count; r->peer++)
		if (strcmp(r->peers[r->peer].name, words[1]) == 0)
			break;
	CHECK_OP(r->peer, <, (uint32_t)PEERS_MAX);
	struct script_peer *p = &r->peers[r->peer];
	if (r->peer == r->peer_count) {
		r->peer_count++;
		*p = (struct script_peer){.port = (uint16_t)(40000 + r->peer), .local_port = 1883,
		                          .iss = 1000};
		snprintf(p->name, sizeof p->name, "%s", words[1]);
		memcpy(p->address.ip, (uint8_t[]){[10] = 0xff, 0xff, 10, 0, 0, 2}, 16);
	}
	for (uint32_t i = 2; i < n; i++) {
		const char *v;
		if ((v = value_of(words[i], "port")))
			p->port = (uint16_t)number(v);
		else if ((v = value_of(words[i], "iss")))
			p->iss = number(v);
		else if ((v = value_of(words[i], "local_port")))
			p->local_port = (uint16_t)number(v);
		else if ((v = value_of(words[i], "ip")))
			hex_parse(v, p->address.ip, 16);
		else
			script_fail(r, "unknown %s", words[i]);
	}
}

static void do_config(struct runner *r, char **words, uint32_t n)
{
	struct tcp_config *g = &r->config;
	for (uint32_t i = 1; i < n; i++) {
		const char *v;
		if ((v = value_of(words[i], "rx_buffer")))
			g->rx_buffer_bytes = number(v);
		else if ((v = value_of(words[i], "rx_memory")))
			g->rx_memory_bytes = number(v);
		else if ((v = value_of(words[i], "tx_buffer")))
			g->tx_buffer_bytes = number(v);
		else if ((v = value_of(words[i], "tx_memory")))
			g->tx_memory_bytes = number(v);
		else if ((v = value_of(words[i], "mtu")))
			g->mtu_bytes = (uint16_t)number(v);
		else if ((v = value_of(words[i], "conns")))
			g->conns_max = number(v);
		else if ((v = value_of(words[i], "syn_cache")))
			g->syn_cache_max = number(v);
		else if ((v = value_of(words[i], "time_wait")))
			g->time_wait_max = number(v);
		else if ((v = value_of(words[i], "first_data_ms")))
			g->first_data_timeout_ms = number(v);
		else if ((v = value_of(words[i], "per_prefix")))
			g->conns_per_prefix_max = number(v);
		else
			script_fail(r, "unknown %s", words[i]);
	}
}

static void do_line(struct runner *r, char **words, uint32_t n)
{
	const char *verb = words[0];
	if (strcmp(verb, ">") == 0)
		do_inject(r, words, n, true);
	else if (strcmp(verb, ">>") == 0)
		do_inject(r, words, n, false);
	else if (strcmp(verb, "<") == 0 && n > 1)
		do_expect(r, words, n);
	else if (strcmp(verb, "+") == 0 && n == 2)
		do_pass_time(r, words[1]);
	else if (strcmp(verb, "app") == 0)
		do_app(r, words, n);
	else if (strcmp(verb, "link") == 0 && n == 2)
		snprintf(r->link, sizeof r->link, "%s", words[1]);
	else if (strcmp(verb, "icmp") == 0)
		do_icmp(r, words, n);
	else if (strcmp(verb, "event") == 0)
		do_event(r, words, n);
	else if (strcmp(verb, "counter") == 0 && n == 3)
		do_counter(r, words);
	else if (strcmp(verb, "level") == 0 && n == 3)
		do_level(r, words);
	else if (strcmp(verb, "peer") == 0 && n >= 2)
		do_peer(r, words, n);
	else if (strcmp(verb, "config") == 0)
		do_config(r, words, n);
	else
		script_fail(r, "what is \"%s\"?", verb);
}

static void runner_init(struct runner *r, const char *file)
{
	memset(r, 0, sizeof *r);
	r->file = file;
	r->now_us = 1000000000;
	r->take = UINT32_MAX;
	snprintf(r->link, sizeof r->link, "all");
	memcpy(r->server.ip, (uint8_t[]){[10] = 0xff, 0xff, 10, 0, 0, 1}, 16);
	r->config = (struct tcp_config){
	    .conns_max = 16, .syn_cache_max = 16, .time_wait_max = 16, .rx_buffer_bytes = 32768,
	    .rx_memory_bytes = 1 << 20, .tx_buffer_bytes = 65536, .tx_memory_bytes = 1 << 20,
	    .mtu_bytes = 1500, .ports = {1883, 8883}, .seed = 1,
	};
	char *words[] = {(char[]){"peer"}, (char[]){"A"}};
	do_peer(r, words, 2);
}

static bool run(const char *file)
{
	static struct runner r;
	FILE *f = fopen(file, "r");
	if (!f) {
		perror(file);
		return false;
	}
	runner_init(&r, file);
	char line[512];
	while (!r.failed && fgets(line, sizeof line, f)) {
		r.line++;
		char *words[40];
		uint32_t n = 0;
		line[strcspn(line, "#\n")] = 0;
		for (char *w = strtok(line, " \t"); w && n < 40; w = strtok(NULL, " \t"))
			words[n++] = w;
		if (n > 0)
			do_line(&r, words, n);
	}
	if (!r.failed && r.out_head != r.out_count) {
		script_fail(&r, "a segment that nobody expected is left");
		segment_show(&r, &r.out[r.out_head]);
	}
	fclose(f);
	tcp_engine_free(r.engine);
	return !r.failed;
}

int main(int argc, char **argv)
{
	uint32_t bad = 0;
	for (int i = 1; i < argc; i++)
		bad += !run(argv[i]);
	printf("%d scripts, %u failed\n", argc - 1, bad);
	return bad || argc < 2 ? 1 : 0;
}
