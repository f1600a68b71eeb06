/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The io worker's stage: frames of its flows in, batches of readings out; batches come home
 * and answers go out. Private to worker/.
 *
 * One poll, in order: frames -> TCP, CoAP -> MQTT -> decode -> open batches; batches home ->
 * PUBACK, CoAP response; timers; open batches handed on; segments sent.
 *
 * Thread: one worker. Memory: all in io_new. Never allocates, locks or blocks after that.
 */
#ifndef HEADRACE_WORKER_IO_H
#define HEADRACE_WORKER_IO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/ring.h"
#include "base/wheel.h"
#include "coap/coap.h"
#include "contract/batch.h"
#include "contract/counters.h"
#include "contract/registry_view.h"
#include "ingest/decode.h"
#include "ingest/match.h"
#include "mqtt/mqtt.h"
#include "net/stack.h"
#include "tcp/tcp.h"
#include "worker/pipeline.h"
#include "worker/report.h"
#include "worker/tickets.h"

#define URI_CACHE_SLOTS 256

enum pipeline_phase {
	PHASE_RUN,   /* take messages */
	PHASE_DRAIN, /* take no new message, answer the ones under way */
	PHASE_CLOSE, /* all answered: close the connections */
	PHASE_STOP,  /* end the threads */
};

/* What the io stage keeps of a connection beside TCP's and MQTT's own. */
struct io_conn {
	struct wheel_node timer; /* keep-alive, CONNECT time-out */
	tcp_handle handle;   /* 0: not in use */
	uint64_t topic_hash; /* of the topic whose candidates are kept */
	uint64_t candidates; /* profiles that the topic may belong to */
	uint32_t ticket_head, ticket_tail;
	uint32_t blocked_next; /* in the list of connections that wait for room */
	uint32_t credit_next;  /* in the list of connections that are due credit */
	uint32_t credit_bytes; /* the broker has it, and has not used it */
	bool blocked;      /* in the list of connections that wait */
	bool credit_due;   /* in the list of those due credit */
	bool announced;    /* the broker knows it, and is owed its end */
	bool broker_qos2;  /* the broker may hold packet ids of its QoS 2 publishes */
	bool resumed;      /* was first in that list: may take what newcomers may not */
	bool awaits_ack;   /* stopped at its own in-flight limit */
	bool finished;     /* the peer sent FIN; close when the last ticket is answered */
};

struct uri_slot {
	uint64_t hash;
	uint64_t candidates;
};

struct io_links {
	struct ring *to_stage[MAX_STAGE_WORKERS];
	struct ring *detour_return[MAX_STAGE_WORKERS]; /* emptied detour batches */
	struct ring *home;                             /* from the store */
	uint32_t stage_count, io_count;
};

struct io {
	uint32_t index;
	const struct pipeline_config *config;
	struct io_links links;
	_Atomic(const struct registry_view *) *registry;
	const struct registry_view *view; /* of this poll */
	const _Atomic int *phase;         /* enum pipeline_phase */
	struct port *port;
	uint64_t now_us;
	int64_t now_ms;
	bool drained_closed; /* connections were closed in PHASE_CLOSE */

	struct net_stack *net;
	struct tcp_engine *tcp;
	uint64_t tcp_memory_bytes; /* what the engine took at start */
	struct mqtt mqtt;
	struct mqtt_session *sessions; /* by tcp_index */
	struct io_conn *conns;         /* by tcp_index */
	struct wheel keep_alive;       /* nodes: io_conn.timer */
	struct coap_server *coap;
	struct tickets tickets;
	uint32_t blocked_head, blocked_tail;
	uint32_t credit_head;     /* connections that are due credit */
	uint32_t announced_count; /* connections that the broker knows */
	bool send_memory_short;   /* of this poll */

	const struct matcher *matcher;
	struct match_scratch *scratch;
	struct decode_plan **plans; /* by profile id */
	struct decoder *decoder;
	struct uri_slot uri_cache[URI_CACHE_SLOTS];

	struct batch *batches; /* all of them, one block */
	struct batch *free_batches;
	_Atomic uint32_t free_count;
	struct batch *open[MAX_STAGE_WORKERS];
	struct reading decoded[READINGS_PER_MESSAGE];

	struct counters *counters;
	struct stage_meter meter, decode_meter;
	struct histogram ack_us, poll_us;
	_Atomic uint64_t readings_received;
};

#define BURST_MAX 32u /* packets that are announced at once */

/* A telemetry message on its way into batches. */
struct message {
	uint64_t candidates; /* profiles by topic or URI, and content format */
	uint64_t sender_hash;
	uint32_t ticket; /* TICKET_NONE: nobody waits */
	const uint8_t *payload;
	uint32_t payload_bytes;
	const char *client;
	uint32_t client_bytes;
	const char *topic;
	uint32_t topic_bytes;
	const uint8_t *address; /* 16 bytes */
	uint16_t port;
	uint8_t protocol;
	uint8_t qos;
	bool client_is_sender; /* sender_hash is that of `client`, all of it */
};

/* --- io.c --- */
struct io_setup {
	uint32_t index;
	const struct pipeline_config *config;
	struct port *port;
	uint16_t port_worker; /* number among those of the port */
	struct io_links links;
	_Atomic(const struct registry_view *) *registry;
	const _Atomic int *phase;
	const struct matcher *matcher;
	struct decode_plan **plans;
};
MUST_USE enum result io_new(const struct io_setup *setup, struct io **out, struct error *err);
void io_free(struct io *io);
/* One poll; returns how much there was to do (0: nothing). */
uint32_t io_poll(struct io *io);
/* Nothing of this io worker is under way. Any thread. */
bool io_is_idle(const struct io *io);

/* --- io_fetch.c --- */
/* Fetch what a burst of packets will need: connections, sessions, devices. */
void io_announce(void *io, struct packet *packets, uint32_t count);
/* The same for the tickets of a batch that has come home. */
void io_fetch_home(const struct io *io, const struct batch *b);

/* --- io_dispatch.c --- */
/* Decode, identify and put into the open batches. False: no room, nothing was taken. On success
 * the ticket counts the readings. */
bool io_dispatch(struct io *io, const struct message *message);
/* The same for readings that lie decoded in io->decoded; `trusted`: whoever sent them may. */
bool io_dispatch_decoded(struct io *io, const struct message *message, uint32_t count,
                         bool trusted);
/* Hand the open batches on. */
void io_hand_over(struct io *io);
/* Take the batches that came home; returns how many. */
uint32_t io_take_home(struct io *io);

/* --- io_mqtt.c --- */
extern const struct tcp_app io_tcp_app;
extern const struct mqtt_app io_mqtt_app;
/* A connection's message is durable, or answered by the broker. */
void io_mqtt_done(struct io *io, uint32_t ticket);
/* The session was accepted: arm its timer, offer what it has sent meanwhile. */
void io_mqtt_accepted(struct io *io, uint32_t index);
/* Stopped for lack of room: offer its data again later. */
void io_mqtt_block(struct io *io, struct io_conn *c);
/* A ticket for a QoS 1 or 2 publish that isn't in the queue yet; TICKET_NONE: no room. */
uint32_t io_mqtt_ticket(struct io *io, struct io_conn *c, const struct mqtt_publish *p);
/* Offer the kept data of blocked connections again, in the order in which they were blocked. */
void io_mqtt_unblock(struct io *io);
void io_mqtt_run_timers(struct io *io);
void io_mqtt_close_all(struct io *io);

/* --- io_broker.c: records to and from the broker; false: no room --- */
bool io_broker_connect(struct io *io, struct io_conn *c, const struct mqtt_session *s,
                       const struct mqtt_connect *connect, bool waits);
void io_broker_disconnected(struct io *io, struct io_conn *c, const struct mqtt_session *s);
bool io_broker_publish(struct io *io, struct io_conn *c, const struct mqtt_publish *p,
                       uint32_t ticket);
bool io_broker_filters(struct io *io, struct io_conn *c, const struct mqtt_filters *filters);
/* `kind`: BROKER_PUBREL, BROKER_PUBACK, BROKER_PUBREC, BROKER_PUBCOMP */
bool io_broker_ack(struct io *io, struct io_conn *c, uint16_t kind, uint16_t packet_id,
                   uint8_t reason);
/* Give credit where the connection has room again, now or in a later poll. */
void io_broker_give_credit(struct io *io, struct io_conn *c);
/* The stored readings of a batch to those who watch their devices. */
void io_broker_show(struct io *io, const struct batch *b);
/* Take what the broker sent, and give credit that is due; returns how many records there were. */
uint32_t io_broker_poll(struct io *io);
/* What a connection's send buffer must hold for the broker's sake. */
uint32_t io_broker_buffer_bytes(const struct pipeline_config *config);

/* --- io_coap.c --- */
extern const struct coap_app io_coap_app;
void io_coap_done(struct io *io, uint32_t ticket);
/* At most BURST_MAX packets, those for the CoAP port among them. */
void io_coap_announce(struct io *io, const struct packet *packets, uint32_t count);
/* A datagram to the CoAP port. */
void io_coap_take(struct io *io, const struct packet *p);

/* --- io_coap_service.c --- */
/* Hand a request to the service. False: no room. */
bool io_coap_ask(struct io *io, coap_handle exchange, const struct coap_request *request);
/* Tell the service of an observer. */
void io_coap_report(struct io *io, enum coap_ask_kind kind, coap_handle observer);
/* Take what the service answers; returns how many records. */
uint32_t io_coap_run_service(struct io *io);

/* --- io_replay.c --- */
/* Take what operators send once more; returns how many messages. */
uint32_t io_replay_poll(struct io *io);
/* A reading of a replay came home in `b`. */
void io_replay_note(struct ticket *t, const struct batch *b, enum fate fate);
void io_replay_done(struct io *io, uint32_t ticket);

#endif
