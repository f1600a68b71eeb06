/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker keeps in memory. Private to control/broker's core.
 *
 *   client id -> session -> state: subscriptions, entries, inbound ids, will
 *   (io, conn) -> session
 *
 * A connection that only publishes has a session of some 100 bytes; the state is made when it is
 * needed. Entries are in the order of delivery: sent ones, then from `unsent` on those that wait
 * for the window, for credit or for the client itself. After a reconnect all are unsent again, and
 * those with a packet id go out as duplicates with that id (MQTT5 4.4).
 */
#ifndef HEADRACE_BROKER_CORE_PRIV_H
#define HEADRACE_BROKER_CORE_PRIV_H

#include "control/broker/alias.h"
#include "control/broker/core.h"
#include "control/broker/tree.h"

#define REASON_SUCCESS          0x00
#define REASON_NO_SUBSCRIBERS   0x10
#define REASON_NO_SUBSCRIPTION  0x11
#define REASON_NOT_AUTHORISED   0x87
#define REASON_TAKEN_OVER       0x8e
#define REASON_UNKNOWN_PACKET   0x92
#define REASON_QUOTA            0x97
#define REASON_FAILED           0x80

struct entry {
	struct entry *next, *prev;
	struct message *message; /* NULL once released */
	uint64_t seq;            /* of its record on disk */
	uint16_t packet_id;      /* 0: never sent */
	uint8_t qos;
	bool retain;
	bool released;   /* QoS 2: PUBREC came; PUBREL is sent instead of the message */
	bool pubrel_due; /* ... and there was no credit for it */
	bool stored;     /* on disk */
	bool kept;       /* a retained message for a new subscription: beside the queue's limit */
	uint32_t id_count;
	uint32_t ids[]; /* subscription identifiers */
};

struct will {
	struct message *message; /* without its expiry, which begins when it is published */
	uint32_t delay_s, expiry_s;
	bool retain;
};

struct state {
	struct session *session;
	uint64_t number; /* of its records on disk */
	struct subscriber subscriber;
	struct aliases *aliases; /* that this connection was told */
	struct entry *first, *last, *unsent;
	uint32_t entry_count, kept_count;
	uint32_t inflight; /* entries sent on this connection, with QoS 1 or 2 */
	uint32_t pubrels_due;
	uint64_t last_seq;
	uint16_t last_packet_id;
	uint16_t inbound_count, inbound_capacity;
	uint16_t *inbound; /* QoS 2 packet ids of the client whose PUBREL has not come */
	bool persistent;   /* has a record on disk */
	/* while loading: was it connected when the daemon ended, and since when is it away */
	bool was_connected;
	int64_t since_ms;
	struct will *will;
	int64_t will_at_ms, expires_at_ms; /* while away; INT64_MAX: never */
	struct state *away_next, *away_prev; /* list of those with one of these times */
	bool is_away;
	uint64_t mark; /* of the routing that has it as a target */
	uint32_t target;
};

struct session {
	struct session *id_next, *conn_next;
	uint64_t conn; /* 0: not connected */
	uint64_t sequence;
	struct state *state; /* NULL: nothing to keep */
	uint8_t *username;   /* NULL: none */
	uint32_t credit, credit_first;
	uint32_t packet_bytes_max;
	uint32_t expiry_s;
	uint16_t window; /* unacknowledged messages that it may have */
	uint16_t username_bytes, client_bytes;
	uint8_t version, io;
	uint8_t alias_max; /* that the client takes, up to ALIASES_MAX */
	bool closing; /* BROKER_CLOSE was sent */
	uint8_t client[];
};

struct session_table {
	struct session **by_id, **by_conn;
	uint64_t buckets; /* of each */
	uint64_t count;   /* of sessions */
};

struct target {
	struct state *state;
	uint32_t ids; /* index of the first identifier + 1; 0: none */
	uint8_t qos;
	bool retain;
};

struct target_id {
	uint32_t id, next; /* index + 1 */
};

struct route {
	struct target *targets;
	uint32_t count, capacity;
	struct target_id *ids;
	uint32_t id_count, id_capacity;
	uint64_t mark;
	/* of the message under way */
	struct message *message;
	const struct state *publisher;
	bool retain;
	uint32_t matched; /* shares */
};

/* While records are loaded. */
struct loading {
	struct will **wills; /* of sessions that are gone */
	uint64_t will_count, will_capacity;
	struct state **states; /* by number once sorted */
	uint64_t state_count, state_capacity;
	struct message **messages; /* by id */
	uint64_t message_count, message_capacity;
	bool sorted;
};

struct core {
	struct core_config config;
	struct core_hooks hooks;
	void *context;
	int64_t now_ms, tick_ms, sweep_ms;
	struct hash_key key;
	struct tree tree;
	struct message_pool pool;
	struct session_table table;
	struct state *away; /* list */
	uint64_t last_number, connected, persistent, queued;
	uint64_t alias_bytes; /* of all aliases */
	int64_t load_ms;
	struct route route;
	struct loading loading;
	struct buffer out, disk, scratch;
	bool must_sync;
	struct broker_watch *watch;
	uint32_t watch_all, watch_count[BROKER_WATCH_WORDS * 64];
	_Atomic uint64_t counters[BROKER_COUNTER_COUNT];
	_Atomic uint64_t levels[BROKER_LEVEL_COUNT];
};

static inline struct state *state_of(struct subscriber *s)
{
	return (struct state *)((char *)s - offsetof(struct state, subscriber));
}

static inline struct bytes client_of(const struct session *s)
{
	return (struct bytes){s->client, s->client_bytes};
}

/* What broker.memory_mb limits. */
static inline uint64_t core_memory(const struct core *c)
{
	return c->pool.bytes + c->tree.bytes + c->alias_bytes;
}

static inline bool is_online(const struct session *s)
{
	return s->conn != 0 && !s->closing;
}

#define COUNT(c, id) core_count(c, BROKER_COUNT_##id, 1)

/* A record for io worker `io`, its head filled. Valid until the next. */
void *core_record(struct core *c, uint32_t io, uint64_t conn, enum broker_kind kind,
                  size_t bytes);
void core_close(struct core *c, struct session *s, uint8_t reason);

/* --- sessions.c --- */

void sessions_init(struct session_table *t);
struct session *session_by_id(const struct core *c, struct bytes client);
struct session *session_by_conn(const struct core *c, uint32_t io, uint64_t conn);
void session_bind(struct core *c, struct session *s, uint32_t io, uint64_t conn);
void session_unbind(struct core *c, struct session *s);
struct session *session_new(struct core *c, struct bytes client);
struct state *session_state(struct core *c, struct session *s);
/* It ends: its will is due, what waits is dropped, all of it is forgotten, on disk too. */
void session_end(struct core *c, struct session *s);
/* The session alone, without a trace on disk. */
void session_free(struct core *c, struct session *s);
/* Keep it on disk, as it is now. `since_ms`: away since; 0: connected. */
void session_save(struct core *c, struct session *s, int64_t since_ms);
/* Its client is gone. */
void session_detach(struct core *c, struct session *s, enum broker_end end);
void session_set_will(struct core *c, struct session *s, struct will *will);
void will_free(struct core *c, struct will *will);
void away_add(struct core *c, struct state *st);
void away_remove(struct core *c, struct state *st);
void sessions_tick(struct core *c);
void sessions_free(struct core *c);

/* --- connect.c --- */

void core_connect(struct core *c, uint32_t io, const struct broker_connect *r);
void core_disconnected(struct core *c, uint32_t io, const struct broker_disconnected *r);

/* --- deliver.c --- */

/* Have the session get the message. `keep`: it was retained, and is for a new subscription: QoS 0
 * may wait, and only memory limits how many do. */
void core_deliver(struct core *c, struct state *st, struct message *m, uint8_t qos, bool retain,
                  const uint32_t *ids, uint32_t id_count, bool keep);
/* Send what can be sent now. */
void core_pump(struct core *c, struct state *st);
void entry_append(struct core *c, struct state *st, struct entry *e);
void entries_drop(struct core *c, struct state *st);
/* The client is gone: all of them wait again. */
void entries_rewind(struct core *c, struct state *st);
void core_acked(struct core *c, struct session *s, const struct broker_ack *r);

/* --- publish.c --- */

void core_published(struct core *c, uint32_t io, const struct broker_publish *r);
/* May a client publish to this topic? */
bool core_may_publish(struct core *c, struct bytes client, struct bytes username,
                      struct bytes topic);
void core_released(struct core *c, uint32_t io, const struct broker_ack *r);
/* To all subscribers; `retain` as published. Returns how many it was meant for. */
uint32_t core_route(struct core *c, const struct state *publisher, struct message *m,
                    bool retain);
void core_publish_will(struct core *c, struct state *st);
/* Keep it as retained, or clear what is (no payload). */
void core_retain(struct core *c, struct message *m);
void inbound_add(struct state *st, uint16_t packet_id);

/* --- subscribe.c --- */

void core_subscribe(struct core *c, struct session *s, const struct broker_filters *r);
void core_unsubscribe(struct core *c, struct session *s, const struct broker_filters *r);
void core_watch(struct core *c, struct bytes filter, int change);
void subscriptions_drop(struct core *c, struct state *st, bool disk);

/* --- disk.c --- */

void disk_session(struct core *c, const struct session *s, int64_t since_ms);
void disk_session_gone(struct core *c, const struct session *s);
void disk_subscription(struct core *c, const struct state *st, struct bytes filter,
                       uint8_t options, uint32_t id);
void disk_subscription_gone(struct core *c, const struct state *st, struct bytes filter);
/* The entry with its packet id and, the first time, its message. */
void disk_entry(struct core *c, const struct state *st, struct entry *e);
void disk_entry_gone(struct core *c, const struct state *st, struct entry *e);
void disk_message_gone(struct core *c, const struct message *m);
/* PUBREC came: the message is not needed any more. */
void disk_entry_released(struct core *c, const struct state *st, struct entry *e);
void disk_inbound(struct core *c, const struct state *st, uint16_t packet_id, bool gone);
void disk_will(struct core *c, const struct state *st);
void disk_will_gone(struct core *c, const struct state *st);
void disk_retained(struct core *c, const struct message *m);
void disk_retained_gone(struct core *c, struct bytes topic);

#endif
