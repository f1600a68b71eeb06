/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's life, its pools of connections, and the application's calls.
 */
#include "tcp/tcp_priv.h"

#include <stdlib.h>

static uint32_t ext_count(const struct tcp_config *config)
{
	uint32_t n = config->conns_max / 16;
	return min_u32(max_u32(n, 4096), config->conns_max);
}

static uint32_t chunk_count(const struct tcp_config *config)
{
	uint64_t n = config->tx_memory_bytes / sizeof(struct chunk);
	return n < 16 ? 16 : n > 1u << 30 ? 1u << 30 : (uint32_t)n;
}

static uint32_t table_entries(const struct tcp_config *config)
{
	return config->conns_max + config->syn_cache_max + config->time_wait_max;
}

uint64_t tcp_engine_memory(const struct tcp_config *config)
{
	return sizeof(struct tcp_engine) + table_bytes(table_entries(config)) +
	       (uint64_t)config->conns_max * CONN_BYTES +
	       (uint64_t)ext_count(config) * sizeof(struct ext) +
	       (uint64_t)chunk_count(config) * sizeof(struct chunk) +
	       (uint64_t)config->syn_cache_max * sizeof(struct syn) +
	       (uint64_t)config->time_wait_max * sizeof(struct time_wait) +
	       prefix_bytes(config) +
	       rxpool_bytes(config->rx_memory_bytes, config->rx_buffer_bytes);
}

static bool take_memory(struct tcp_engine *e)
{
	const struct tcp_config *g = &e->config;
	struct hash_key table_key = {get_le64(g->secret), get_le64(g->secret + 8)};
	e->ext_max = ext_count(g);
	e->chunk_max = chunk_count(g);
	e->conns = pages_new(g->conns_max, sizeof *e->conns);
	e->exts = pages_new(e->ext_max, sizeof *e->exts);
	e->chunks = pages_new(e->chunk_max, sizeof *e->chunks);
	e->syns = pages_new(g->syn_cache_max, sizeof *e->syns);
	e->time_waits = pages_new(g->time_wait_max, sizeof *e->time_waits);
	return e->conns && e->exts && e->chunks && e->syns && e->time_waits &&
	       table_init(&e->table, table_entries(g), table_key) &&
	       rxpool_init(&e->rx, g->rx_memory_bytes, g->rx_buffer_bytes) && prefix_init(e) &&
	       delay_init(e);
}

static void fill_pools(struct tcp_engine *e)
{
	for (uint32_t i = 0; i < e->config.conns_max; i++) {
		e->conns[i].ext = i + 1 < e->config.conns_max ? i + 1 : NONE;
		e->conns[i].generation = 1;
		wheel_node_init(&e->conns[i].timer);
	}
	for (uint32_t i = 0; i < e->ext_max; i++) {
		e->exts[i].next_free = i + 1 < e->ext_max ? i + 1 : NONE;
		e->exts[i].conn = NONE;
	}
	for (uint32_t i = 0; i < e->chunk_max; i++)
		e->chunks[i].next = i + 1 < e->chunk_max ? i + 1 : NONE;
	e->conn_free = e->ext_free = e->chunk_free = 0;
	e->flush_head = e->flush_tail = NONE;
	wheel_init(&e->wheel, &e->conns[0].timer, sizeof *e->conns, TICK_SHIFT, e->now_us);
	syn_init(e);
	time_wait_init(e);
}

/* Independent keys from the one secret: SipHash-2-4 as a pseudo-random function of a label. */
static struct hash_key derive(const uint8_t secret[32], uint8_t label)
{
	struct hash_key key = {get_le64(secret + 16), get_le64(secret + 24)};
	uint8_t in[2] = {label, 0};
	struct hash_key out;
	out.k0 = siphash24(key, in, sizeof in);
	in[1] = 1;
	out.k1 = siphash24(key, in, sizeof in);
	return out;
}

static void check_config(const struct tcp_config *config)
{
	CHECK_OP(config->conns_max, >, 0u);
	CHECK_OP(config->conns_max, <=, 1u << 24);
	CHECK_OP(config->syn_cache_max, <=, 1u << 24);
	CHECK_OP(config->time_wait_max, <=, 1u << 24);
	CHECK_OP(config->rx_buffer_bytes, >=, 2048u);
	CHECK_OP(config->rx_buffer_bytes, <=, 1u << (RX_BLOCK_SHIFT + RX_ORDERS - 1));
	CHECK_OP(config->tx_buffer_bytes, >, 0u);
	CHECK_OP(config->tx_buffer_bytes, <=, 1u << 28);
	CHECK_OP(config->mtu_bytes, >=, MTU_MIN_V4);
	CHECK_OP(config->mtu_bytes, <=, 9000);
}

struct tcp_engine *tcp_engine_new(const struct tcp_config *config, const struct tcp_app *app_ops,
                                  void *app, const struct tcp_link *link_ops, void *link,
                                  struct counters *counters, uint64_t now_us)
{
	check_config(config);
	struct tcp_engine *e = pages_new(1, sizeof *e);
	if (!e)
		return NULL;
	e->now_us = now_us;
	e->config = *config;
	e->app = *app_ops;
	e->app_context = app;
	e->link = *link_ops;
	e->link_context = link;
	e->counters = counters;
	e->isn_key = derive(config->secret, 1);
	e->ts_key = derive(config->secret, 2);
	e->cookie_key = derive(config->secret, 3);
	e->random = config->seed;
	e->rst_tokens = RST_PER_S;
	e->rst_tick = now_tick(e);
	while (config->rx_buffer_bytes >> e->rcv_wscale > UINT16_MAX)
		e->rcv_wscale++;
	if (!take_memory(e)) {
		tcp_engine_free(e);
		return NULL;
	}
	fill_pools(e);
	return e;
}

void tcp_engine_free(struct tcp_engine *e)
{
	if (!e)
		return;
	table_fini(&e->table);
	rxpool_fini(&e->rx);
	prefix_fini(e);
	free(e->ack_next);
	free(e->conns);
	free(e->exts);
	free(e->chunks);
	free(e->syns);
	free(e->time_waits);
	free(e);
}

void tcp_set_now(struct tcp_engine *e, uint64_t now_us)
{
	CHECK_OP(now_us, >=, e->now_us);
	e->now_us = now_us;
}

uint64_t random_next(struct tcp_engine *e)
{
	/* splitmix64 (Steele, Lea, Flood, 2014): for jitter, never for secrets */
	uint64_t z = e->random += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* The high watermark, 15/16: no new connections above it. */
bool memory_is_short(const struct tcp_engine *e)
{
	return e->rx.used > e->rx.size - e->rx.size / 16 ||
	       e->chunk_used > e->chunk_max - e->chunk_max / 16;
}

uint32_t local_number(struct tcp_engine *e, const struct tcp_address *local, bool add)
{
	for (uint32_t i = 0; i < e->local_count; i++)
		if (memcmp(&e->locals[i], local, sizeof *local) == 0)
			return i;
	if (!add || e->local_count == LOCALS_MAX)
		return NONE;
	e->locals[e->local_count] = *local;
	return e->local_count++;
}

struct conn *conn_new(struct tcp_engine *e, const struct key *key)
{
	uint32_t index = e->conn_free;
	if (index == NONE)
		return NULL;
	struct conn *c = &e->conns[index];
	e->conn_free = c->ext;
	uint32_t generation = c->generation;
	uint32_t lists = c->flags & (C_IN_FLUSH | C_IN_DELAY);
	uint32_t flush_next = c->flush_next;
	memset(c, 0, sizeof *c);
	c->generation = generation;
	c->flags = lists;
	c->flush_next = flush_next;
	c->key = *key;
	c->state = STATE_ESTABLISHED;
	c->ext = c->rx_buffer = c->tx_head = c->tx_tail = c->tx_cursor = NONE;
	wheel_node_init(&c->timer);
	if (is_ipv4(key->ip))
		c->flags |= C_IPV4;
	e->conn_count++;
	return c;
}

static void ext_put(struct tcp_engine *e, struct conn *c)
{
	e->exts[c->ext].next_free = e->ext_free;
	e->exts[c->ext].conn = NONE;
	e->ext_free = c->ext;
	e->ext_used--;
	c->ext = NONE;
}

void conn_free(struct tcp_engine *e, struct conn *c)
{
	uint32_t index = (uint32_t)(c - e->conns);
	CHECK_OP(c->state, !=, STATE_FREE);
	rx_release(e, c);
	tx_release(e, c);
	prefix_remove(e, c);
	if (c->ext != NONE)
		ext_put(e, c);
	wheel_cancel(&e->wheel, index);
	c->state = STATE_FREE;
	c->flags &= C_IN_FLUSH | C_IN_DELAY;
	if (++c->generation == 0)
		c->generation = 1;
	c->ext = e->conn_free;
	e->conn_free = index;
	e->conn_count--;
}

void conn_end(struct tcp_engine *e, struct conn *c, enum tcp_close_reason reason)
{
	tcp_handle handle = handle_of(e, c);
	conn_free(e, c);
	e->app.closed(e->app_context, handle, reason);
}

void conn_close(struct tcp_engine *e, struct conn *c, enum tcp_close_reason reason)
{
	table_remove(e, &c->key, ENTRY(ENTRY_CONN, (uint32_t)(c - e->conns)));
	conn_end(e, c, reason);
}

void conn_abort(struct tcp_engine *e, struct conn *c, enum tcp_close_reason reason)
{
	send_rst(e, c);
	conn_close(e, c, reason);
}

void conn_touch(struct tcp_engine *e, struct conn *c)
{
	if (c->flags & C_IN_FLUSH)
		return;
	uint32_t index = (uint32_t)(c - e->conns);
	c->flags |= C_IN_FLUSH;
	c->flush_next = NONE;
	if (e->flush_head == NONE)
		e->flush_head = index;
	else
		e->conns[e->flush_tail].flush_next = index;
	e->flush_tail = index;
}

struct ext *ext_need(struct tcp_engine *e, struct conn *c)
{
	if (c->ext != NONE)
		return &e->exts[c->ext];
	if (e->ext_free == NONE) {
		count(e, COUNTER_TCP_EXT_EMPTY);
		return NULL;
	}
	c->ext = e->ext_free;
	struct ext *x = &e->exts[c->ext];
	e->ext_free = x->next_free;
	e->ext_used++;
	memset(x, 0, sizeof *x);
	x->conn = (uint32_t)(c - e->conns);
	x->reo_mult = 1;
	x->min_rtt_us = c->srtt_us;
	x->fack = c->snd_una;
	if (c->snd_nxt != c->snd_una) {
		x->sent[0] = c->single;
		x->sent_count = 1;
	}
	return x;
}

void ext_release_if_idle(struct tcp_engine *e, struct conn *c)
{
	struct ext *x = ext_of(e, c);
	if (!x || x->sent_count > 0 || x->ooo_count > 0 || x->ooo_has_fin)
		return;
	/* between two flights it has RACK's and CUBIC's memory; a shut window may last */
	if (has_unsent(c) && c->snd_wnd > 0)
		return;
	ext_put(e, c);
}

struct conn *conn_get(const struct tcp_engine *e, tcp_handle handle)
{
	uint32_t index = tcp_index(handle);
	if (index >= e->config.conns_max)
		return NULL;
	struct conn *c = &e->conns[index];
	if (c->state == STATE_FREE || c->generation != (uint32_t)(handle >> 32))
		return NULL;
	return c;
}

uint32_t tcp_send_room(const struct tcp_engine *e, tcp_handle conn)
{
	const struct conn *c = conn_get((struct tcp_engine *)(uintptr_t)e, conn);
	if (!c || c->flags & C_FIN_QUEUED)
		return 0;
	/* a chunk that is begun has room, too, but need not be counted on */
	uint64_t pool = (uint64_t)(e->chunk_max - e->chunk_used) * CHUNK_BYTES;
	uint64_t own = e->config.tx_buffer_bytes - c->tx_bytes;
	return (uint32_t)(own < pool ? own : pool);
}

void tcp_notify_writable(struct tcp_engine *e, tcp_handle conn)
{
	struct conn *c = conn_get(e, conn);
	if (!c || c->flags & C_FIN_QUEUED)
		return;
	/* by timer, too: no ACK may be coming for this connection */
	c->flags |= C_WANT_WRITE;
	c->poke_at = tick_in_ms(e, POKE_MS);
	timer_update(e, c);
}

bool tcp_send(struct tcp_engine *e, tcp_handle conn, const void *bytes, uint32_t count_)
{
	struct conn *c = conn_get(e, conn);
	if (!c || c->flags & C_FIN_QUEUED)
		return false;
	if (count_ == 0)
		return true;
	if ((uint64_t)c->tx_bytes + count_ > e->config.tx_buffer_bytes) {
		count(e, COUNTER_TCP_SEND_BUFFER_FULL);
		c->flags |= C_WANT_WRITE;
		if (c->tx_bytes == 0)
			count(e, COUNTER_TCP_SEND_TOO_LARGE);
		return false;
	}
	if (!tx_append(e, c, bytes, count_)) {
		/* nobody's ACK may be coming for this connection: ask again by timer */
		count(e, COUNTER_TCP_SEND_POOL_EMPTY);
		c->flags |= C_WANT_WRITE;
		c->poke_at = tick_in_ms(e, POKE_MS);
		timer_update(e, c);
		return false;
	}
	conn_touch(e, c);
	return true;
}

void tcp_resume(struct tcp_engine *e, tcp_handle conn)
{
	struct conn *c = conn_get(e, conn);
	if (!c || c->flags & C_FIN_QUEUED)
		return;
	c->flags |= C_RESUME;
	conn_touch(e, c);
}

/* CLOSE call, RFC 9293 3.10.4. */
void tcp_close(struct tcp_engine *e, tcp_handle conn)
{
	struct conn *c = conn_get(e, conn);
	if (!c || c->flags & C_FIN_QUEUED)
		return;
	c->flags |= C_FIN_QUEUED;
	c->flags &= ~(uint32_t)(C_WANT_WRITE | C_RESUME);
	c->state = c->state == STATE_CLOSE_WAIT ? STATE_LAST_ACK : STATE_FIN_WAIT_1;
	c->poke_at = 0;
	c->life_at = tick_in_ms(e, ORPHAN_MS);
	if (!(c->flags & C_OFFERING))
		rx_release(e, c);
	timer_update(e, c);
	conn_touch(e, c);
}

void tcp_abort(struct tcp_engine *e, tcp_handle conn)
{
	struct conn *c = conn_get(e, conn);
	if (c)
		conn_abort(e, c, TCP_CLOSED_ABORTED);
}

bool tcp_is_finished(const struct tcp_engine *e, tcp_handle conn)
{
	const struct conn *c = conn_get(e, conn);
	return c && c->flags & C_FIN_RCVD;
}

bool tcp_peer_of(const struct tcp_engine *e, tcp_handle conn, struct tcp_peer *peer)
{
	const struct conn *c = conn_get(e, conn);
	if (!c)
		return false;
	memcpy(peer->address.ip, c->key.ip, sizeof peer->address.ip);
	peer->port = c->key.peer_port;
	peer->local_port = c->key.local_port;
	return true;
}

/* One connection's turn. False: it is gone, or has nothing more to send. */
static bool flush_one(struct tcp_engine *e, struct conn *c)
{
	if (c->flags & C_EVICT) {
		conn_abort(e, c, TCP_CLOSED_ABORTED);
		return false;
	}
	if (c->flags & C_RESUME) {
		c->flags &= ~(uint32_t)C_RESUME;
		if (!rx_offer(e, c))
			return false;
	}
	conn_output(e, c);
	timer_update(e, c);
	if (c->flags & (C_RESUME | C_ACK_NOW))
		return true;
	return e->link_full && has_output(e, c);
}

/* Who has something left takes the next turn behind the others. Without buffers for data the ACKs
 * of some more connections are sent, and at the next flush those of others. */
void tcp_flush(struct tcp_engine *e)
{
	uint32_t last = e->flush_tail, starved = 0;
	e->link_full = e->link_shut = false;
	while (e->flush_head != NONE && !e->link_shut && starved < FLUSH_STARVED) {
		uint32_t index = e->flush_head;
		struct conn *c = &e->conns[index];
		bool more = c->state != STATE_FREE && flush_one(e, c);
		e->flush_head = c->flush_next;
		if (e->flush_head == NONE)
			e->flush_tail = NONE;
		c->flags &= ~(uint32_t)C_IN_FLUSH;
		if (more)
			conn_touch(e, c);
		starved += e->link_full;
		if (index == last)
			break;
	}
}

void tcp_levels_get(const struct tcp_engine *e, struct tcp_levels *levels)
{
	uint64_t table = table_bytes(table_entries(&e->config));
	levels->conns = __atomic_load_n(&e->conn_count, __ATOMIC_RELAXED);
	levels->conns_max = e->config.conns_max;
	levels->half_open = __atomic_load_n(&e->syn_count, __ATOMIC_RELAXED);
	levels->half_open_max = e->config.syn_cache_max;
	levels->time_wait = __atomic_load_n(&e->tw_count, __ATOMIC_RELAXED);
	levels->time_wait_max = e->config.time_wait_max;
	levels->exts = __atomic_load_n(&e->ext_used, __ATOMIC_RELAXED);
	levels->exts_max = e->ext_max;
	levels->timers = __atomic_load_n(&e->wheel.armed, __ATOMIC_RELAXED);
	levels->rx_bytes = __atomic_load_n(&e->rx.used, __ATOMIC_RELAXED);
	levels->rx_bytes_max = e->rx.size;
	levels->tx_bytes = (uint64_t)__atomic_load_n(&e->chunk_used, __ATOMIC_RELAXED) *
	                   sizeof(struct chunk);
	levels->tx_bytes_max = (uint64_t)e->chunk_max * sizeof(struct chunk);
	levels->bytes_per_idle_conn =
	    (uint32_t)(CONN_BYTES + (table + e->config.conns_max - 1) /
	                                         e->config.conns_max);
}
