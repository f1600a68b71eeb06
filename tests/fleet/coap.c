/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CoAP clients on libcoap: one session, so one UDP port, per meter. Confirmable requests are
 * repeated by libcoap; when it gives up, or no answer follows the empty acknowledgement, the
 * message fails and is sent as a new request if the fleet is told to go on. A 5.03 is sent again
 * after its Max-Age. Any other answer settles the message.
 *
 * The token is the message's index and generation, so a late answer can't settle another one.
 * Only this file sees libcoap.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <coap3/coap.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "fleet.h"

#define TOKEN_BYTES         6
#define NON_WAIT_US         3000000
#define CON_WAIT_US         100000000 /* MAX_TRANSMIT_WAIT, RFC 7252 4.8.2: 93 s */
#define CON_WAIT_RESTART_US 8000000   /* when restarts are expected */
#define DEFAULT_MAX_AGE_S   60        /* RFC 7252 5.10.5 */

struct exchange {
	uint32_t message; /* NONE: free */
	uint64_t sent_us;
};

struct peer {
	coap_session_t *session;
	struct exchange exchanges[SESSION_INFLIGHT];
	bool renew; /* the session saw a network error: take a new one */
};

static coap_context_t *context;
static struct peer *peers;
static struct fleet *fleet;
static coap_address_t server;

static struct peer *peer_of(uint32_t message)
{
	return &peers[fleet->senders[fleet->messages[message].sender].transport];
}

static struct exchange *exchange_find(struct peer *p, uint32_t message)
{
	for (uint32_t i = 0; i < SESSION_INFLIGHT; i++)
		if (p->exchanges[i].message == message)
			return &p->exchanges[i];
	return NULL;
}

/* The exchange that a token belongs to; NULL: none any more. */
static struct exchange *exchange_of_token(coap_bin_const_t token)
{
	if (token.length != TOKEN_BYTES)
		return NULL;
	uint32_t message = get_be32(token.s);
	if (message >= fleet->message_count ||
	    fleet->messages[message].generation != get_be16(token.s + 4))
		return NULL;
	return exchange_find(peer_of(message), message);
}

static uint32_t max_age_s(const coap_pdu_t *pdu)
{
	coap_opt_iterator_t iterator;
	coap_opt_t *option = coap_check_option(pdu, COAP_OPTION_MAXAGE, &iterator);
	return option ? coap_decode_var_bytes(coap_opt_value(option), coap_opt_length(option))
	              : DEFAULT_MAX_AGE_S;
}

static coap_response_t on_response(coap_session_t *session, const coap_pdu_t *sent,
                                   const coap_pdu_t *received, const coap_mid_t mid)
{
	(void)session, (void)sent, (void)mid;
	struct exchange *e = exchange_of_token(coap_pdu_get_token(received));
	if (!e)
		return COAP_RESPONSE_OK;
	uint32_t message = e->message;
	uint64_t now_us = clock_mono_us();
	e->message = NONE;
	coap_pdu_code_t code = coap_pdu_get_code(received);
	if (code == COAP_RESPONSE_CODE(503)) {
		fleet->totals.overloaded++;
		traffic_failed(fleet, message, now_us + max_age_s(received) * 1000000u);
	} else if (COAP_RESPONSE_CLASS(code) == 2 || COAP_RESPONSE_CLASS(code) == 4) {
		traffic_acked(fleet, message, now_us);
	} else {
		traffic_failed(fleet, message, 0);
	}
	return COAP_RESPONSE_OK;
}

static void exchange_failed(struct exchange *e, uint64_t now_us)
{
	uint32_t message = e->message;
	e->message = NONE;
	traffic_failed(fleet, message, fleet->options.reconnect ? now_us + 100000 : 0);
}

static void on_nack(coap_session_t *session, const coap_pdu_t *sent,
                    const coap_nack_reason_t reason, const coap_mid_t mid)
{
	(void)session, (void)mid;
	struct exchange *e = sent ? exchange_of_token(coap_pdu_get_token(sent)) : NULL;
	if (!e)
		return;
	if (reason != COAP_NACK_RST)
		peer_of(e->message)->renew = true;
	exchange_failed(e, clock_mono_us());
}

static bool session_open(struct peer *p)
{
	if (p->session)
		coap_session_release(p->session);
	p->renew = false;
	p->session = coap_new_client_session(context, NULL, &server, COAP_PROTO_UDP);
	if (!p->session)
		return false;
	coap_session_set_nstart(p->session, SESSION_INFLIGHT);
	if (fleet->options.reconnect) {
		/* 0.5 + 1 + 2 s: a restarted server is found again soon */
		coap_session_set_ack_timeout(p->session, (coap_fixed_point_t){0, 500});
		coap_session_set_max_retransmit(p->session, 2);
	}
	return true;
}

int coap_start(struct fleet *f)
{
	fleet = f;
	coap_startup();
	coap_set_log_level(LOG_EMERG);
	context = coap_new_context(NULL);
	peers = calloc(f->coap_senders ? f->coap_senders : 1, sizeof *peers);
	CHECK(context && peers);
	coap_register_response_handler(context, on_response);
	coap_register_nack_handler(context, on_nack);
	coap_address_init(&server);
	server.size = sizeof server.addr.sin;
	server.addr.sin.sin_family = AF_INET;
	server.addr.sin.sin_port = htons((uint16_t)f->options.coap_port);
	if (inet_pton(AF_INET, f->options.host, &server.addr.sin.sin_addr) != 1) {
		fprintf(stderr, "headrace-fleet: --host %s: expected an IPv4 address\n",
		        f->options.host);
		return -1;
	}
	for (uint32_t i = 0; i < f->coap_senders; i++) {
		memset(peers[i].exchanges, 0xff, sizeof peers[i].exchanges);
		if (!session_open(&peers[i])) {
			fprintf(stderr, "headrace-fleet: no CoAP session %u\n", i);
			return -1;
		}
	}
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = NONE};
	return epoll_ctl(f->epoll, EPOLL_CTL_ADD, coap_context_get_coap_fd(context), &event);
}

static coap_pdu_t *request_new(struct peer *p, uint32_t message, const char *payload,
                               uint32_t bytes)
{
	const struct message *m = &fleet->messages[message];
	coap_pdu_t *pdu = coap_new_pdu(m->qos ? COAP_MESSAGE_CON : COAP_MESSAGE_NON,
	                               COAP_REQUEST_CODE_POST, p->session);
	if (!pdu)
		return NULL;
	uint8_t token[TOKEN_BYTES], format[4];
	put_be32(token, message);
	put_be16(token + 4, m->generation);
	size_t format_bytes = coap_encode_var_safe(format, sizeof format,
	                                           COAP_MEDIATYPE_APPLICATION_JSON);
	if (coap_add_token(pdu, sizeof token, token) &&
	    coap_add_option(pdu, COAP_OPTION_URI_PATH, strlen(COAP_PATH),
	                    (const uint8_t *)COAP_PATH) &&
	    coap_add_option(pdu, COAP_OPTION_CONTENT_FORMAT, format_bytes, format) &&
	    coap_add_data(pdu, bytes, (const uint8_t *)payload))
		return pdu;
	coap_delete_pdu(pdu);
	return NULL;
}

bool coap_send_message(struct fleet *f, uint32_t message, const char *payload, uint32_t bytes)
{
	struct peer *p = &peers[f->senders[f->messages[message].sender].transport];
	struct exchange *e = exchange_find(p, NONE);
	if (!e || (p->renew && !session_open(p)))
		return false;
	coap_pdu_t *pdu = request_new(p, message, payload, bytes);
	if (!pdu)
		return false;
	*e = (struct exchange){message, clock_mono_us()};
	if (coap_send(p->session, pdu) != COAP_INVALID_MID)
		return true;
	/* on_nack may have been called from coap_send: then the message is dealt with */
	if (e->message != message)
		return true;
	e->message = NONE;
	p->renew = true;
	return false;
}

void coap_event(struct fleet *f)
{
	(void)f;
	coap_io_process(context, COAP_IO_NO_WAIT);
}

void coap_housekeep(struct fleet *f, uint64_t now_us)
{
	uint64_t con_wait_us = f->options.reconnect ? CON_WAIT_RESTART_US : CON_WAIT_US;
	for (uint32_t i = 0; i < f->coap_senders; i++) {
		for (uint32_t k = 0; k < SESSION_INFLIGHT; k++) {
			struct exchange *e = &peers[i].exchanges[k];
			if (e->message == NONE)
				continue;
			bool con = f->messages[e->message].qos;
			if (now_us > e->sent_us + (con ? con_wait_us : NON_WAIT_US))
				exchange_failed(e, now_us);
		}
	}
	coap_io_process(context, COAP_IO_NO_WAIT);
}

void coap_stop(struct fleet *f)
{
	for (uint32_t i = 0; i < f->coap_senders; i++)
		if (peers[i].session)
			coap_session_release(peers[i].session);
	coap_free_context(context);
	free(peers);
	coap_cleanup();
}
