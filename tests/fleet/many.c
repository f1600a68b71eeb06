/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace-many: many MQTT clients at once, in one thread over epoll. Each connects, subscribes to
 * a topic of its own, and when all are there publishes `messages` QoS 1 messages, one after the
 * other, to its neighbour's topic. It ends when each client has had its PUBACKs and its neighbour's
 * messages, in their order and once each.
 *
 *   headrace-many HOST PORT CLIENTS MESSAGES SECONDS
 *
 * Exit status: 0 all came; 1 something is missing, a connection was lost or an answer was wrong.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"

#define CONNECTING_MAX 256 /* handshakes under way at once */

enum state { NEW, CONNECTING, GREETED, SUBSCRIBING, READY };

struct client {
	int fd;
	enum state state;
	uint32_t sent, acked, received;
	uint32_t filled;
	uint8_t in[512];
};

struct many {
	struct sockaddr_in server;
	struct client *clients;
	uint32_t count, messages;
	uint32_t begun, connecting, ready, done;
	int epoll;
};

static _Noreturn void die(const char *what, uint32_t client)
{
	fprintf(stderr, "client %u: %s: %s\n", client, what, strerror(errno));
	exit(EXIT_FAILURE);
}

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* All packets are short, and few are under way: a socket that takes less is an error. */
static void send_all(struct many *m, struct client *c, const uint8_t *packet, uint32_t count)
{
	if (write(c->fd, packet, count) != (ssize_t)count)
		die("write", (uint32_t)(c - m->clients));
}

/* The topic of a client as an MQTT string; returns its length with the two bytes before it. */
static uint32_t put_topic(uint8_t *at, uint32_t client)
{
	int n = sprintf((char *)at + 2, "many/%u", client);
	put_be16(at, (uint16_t)n);
	return 2 + (uint32_t)n;
}

static void send_connect(struct many *m, struct client *c)
{
	uint8_t packet[64] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0};
	uint32_t n = 12 + put_topic(packet + 12, (uint32_t)(c - m->clients));
	packet[1] = (uint8_t)(n - 2);
	send_all(m, c, packet, n);
}

static void send_subscribe(struct many *m, struct client *c)
{
	uint8_t packet[64] = {0x82, 0, 0, 1};
	uint32_t n = 4 + put_topic(packet + 4, (uint32_t)(c - m->clients));
	packet[n++] = 1;
	packet[1] = (uint8_t)(n - 2);
	send_all(m, c, packet, n);
}

static void send_publish(struct many *m, struct client *c)
{
	uint8_t packet[64] = {0x32, 0};
	uint32_t neighbour = ((uint32_t)(c - m->clients) + 1) % m->count;
	uint32_t n = 2 + put_topic(packet + 2, neighbour);
	put_be16(packet + n, (uint16_t)(c->sent + 1));
	put_be32(packet + n + 2, c->sent);
	packet[1] = (uint8_t)(n + 4);
	send_all(m, c, packet, n + 6);
	c->sent++;
}

static void begin(struct many *m, struct client *c)
{
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		die("socket", (uint32_t)(c - m->clients));
	int one = 1;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(c->fd, (struct sockaddr *)&m->server, sizeof m->server) != 0 &&
	    errno != EINPROGRESS)
		die("connect", (uint32_t)(c - m->clients));
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
	epoll_ctl(m->epoll, EPOLL_CTL_ADD, c->fd, &event);
	c->state = CONNECTING;
	m->connecting++;
}

static void connected(struct many *m, struct client *c)
{
	int failed = 0;
	socklen_t bytes = sizeof failed;
	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failed, &bytes);
	errno = failed;
	if (failed)
		die("connect", (uint32_t)(c - m->clients));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	epoll_ctl(m->epoll, EPOLL_CTL_MOD, c->fd, &event);
	c->state = GREETED;
	send_connect(m, c);
}

static void take_publish(struct many *m, struct client *c, const uint8_t *packet, uint32_t count)
{
	uint32_t topic = get_be16(packet + 2);
	uint8_t puback[4] = {0x40, 2};
	if (count != 4 + topic + 6 || get_be32(packet + count - 4) != c->received)
		die("not the message that was expected", (uint32_t)(c - m->clients));
	c->received++;
	memcpy(puback + 2, packet + 4 + topic, 2);
	send_all(m, c, puback, 4);
}

static void take(struct many *m, struct client *c, const uint8_t *packet, uint32_t count)
{
	uint32_t before = c->acked + c->received;
	switch (packet[0] >> 4) {
	case 2: /* CONNACK */
		if (packet[3] != 0)
			die("refused", (uint32_t)(c - m->clients));
		c->state = SUBSCRIBING;
		send_subscribe(m, c);
		return;
	case 9: /* SUBACK */
		if (packet[4] != 1)
			die("subscription refused", (uint32_t)(c - m->clients));
		c->state = READY;
		m->connecting--;
		m->ready++;
		return;
	case 4: /* PUBACK */
		if (get_be16(packet + 2) != ++c->acked)
			die("not the PUBACK that was expected", (uint32_t)(c - m->clients));
		if (c->sent < m->messages)
			send_publish(m, c);
		break;
	case 3:
		take_publish(m, c, packet, count);
		break;
	default:
		die("unexpected packet", (uint32_t)(c - m->clients));
	}
	if (before + 1 == 2 * m->messages)
		m->done++;
}

static void readable(struct many *m, struct client *c)
{
	ssize_t got = read(c->fd, c->in + c->filled, sizeof c->in - c->filled);
	if (got <= 0)
		die("connection lost", (uint32_t)(c - m->clients));
	c->filled += (uint32_t)got;
	uint32_t at = 0;
	while (c->filled - at >= 2 && c->filled - at >= 2u + c->in[at + 1]) {
		take(m, c, c->in + at, 2u + c->in[at + 1]);
		at += 2u + c->in[at + 1];
	}
	memmove(c->in, c->in + at, c->filled - at);
	c->filled -= at;
}

/* Run until `*level` reaches the number of clients, or the time is over. */
static void run(struct many *m, const uint32_t *level, uint64_t deadline_ms)
{
	struct epoll_event events[256];
	while (*level < m->count && now_ms() < deadline_ms) {
		while (m->begun < m->count && m->connecting < CONNECTING_MAX)
			begin(m, &m->clients[m->begun++]);
		int n = epoll_wait(m->epoll, events, 256, 100);
		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			if (c->state == CONNECTING)
				connected(m, c);
			else
				readable(m, c);
		}
	}
}

int main(int argc, char **argv)
{
	struct many m = {.server = {.sin_family = AF_INET}, .epoll = epoll_create1(0)};
	if (argc != 6 || inet_pton(AF_INET, argv[1], &m.server.sin_addr) != 1) {
		fprintf(stderr, "usage: headrace-many HOST PORT CLIENTS MESSAGES SECONDS\n");
		return 2;
	}
	m.server.sin_port = htons((uint16_t)atoi(argv[2]));
	m.count = (uint32_t)atoi(argv[3]);
	m.messages = (uint32_t)atoi(argv[4]);
	struct rlimit files = {m.count + 64, m.count + 64};
	m.clients = calloc(m.count, sizeof m.clients[0]);
	if (!m.clients || setrlimit(RLIMIT_NOFILE, &files) != 0)
		die("no memory or files", 0);

	uint64_t started = now_ms(), deadline = started + (uint64_t)atoi(argv[5]) * 1000;
	run(&m, &m.ready, deadline);
	uint64_t all_ready = now_ms();
	for (uint32_t i = 0; m.ready == m.count && i < m.count; i++)
		send_publish(&m, &m.clients[i]);
	run(&m, &m.done, deadline);
	printf(
	    "%u clients, %u ready in %llu ms, %u had all of their %u messages and PUBACKs in %llu "
	    "ms\n",
	    m.count, m.ready, (unsigned long long)(all_ready - started), m.done, m.messages,
	    (unsigned long long)(now_ms() - all_ready));
	return m.done == m.count ? EXIT_SUCCESS : EXIT_FAILURE;
}
