/* SPDX-License-Identifier: Apache-2.0 */
#include "control/api/peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

struct peers {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop_asked;
	bool stop;
	struct peer first; /* of a ring; not a peer */
	uint64_t count, late, over;
};

/* --- who --- */

static void who_of_unix(int fd, struct api_who *who)
{
	struct ucred peer;
	struct passwd entry, *found = NULL;
	char words[1024];
	socklen_t bytes = sizeof peer;
	who->role = API_ADMIN;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
		peer = (struct ucred){.uid = (uid_t)-1};
	if (getpwuid_r(peer.uid, &entry, words, sizeof words, &found) == 0 && found)
		snprintf(who->name, sizeof who->name, "%s", entry.pw_name);
	else
		snprintf(who->name, sizeof who->name, "uid %u", (unsigned)peer.uid);
	snprintf(who->from, sizeof who->from, "unix:%d", (int)peer.pid);
}

static void who_of_tcp(const struct sockaddr *address, struct peer *peer)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, one[16] = {[15] = 1};
	char text[INET6_ADDRSTRLEN];
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
	const uint8_t *bytes = (const uint8_t *)&in->sin_addr;
	bool six = address->sa_family == AF_INET6;
	if (six)
		bytes = in6->sin6_addr.s6_addr;
	if (six && memcmp(bytes, mapped, sizeof mapped) == 0) {
		six = false;
		bytes += sizeof mapped;
	}
	memcpy(peer->address, bytes, six ? 16 : 4);
	peer->address_bytes = six ? 8 : 4;
	bool loopback = six ? memcmp(bytes, one, sizeof one) == 0 : bytes[0] == 127;
	peer->who.role = loopback ? API_MONITOR : API_ANYBODY;
	inet_ntop(six ? AF_INET6 : AF_INET, bytes, text, sizeof text);
	snprintf(peer->who.from, sizeof peer->who.from, six ? "[%s]:%u" : "%s:%u", text,
	         ntohs(address->sa_family == AF_INET6 ? in6->sin6_port : in->sin_port));
}

/* --- the list --- */

/* Are there as many already as there may be? */
static bool is_over(const struct peers *p, const struct peer *new, const struct peer_limits *most)
{
	uint32_t all = 0, same = 0;
	for (const struct peer *o = p->first.next; o != &p->first; o = o->next) {
		if (o->over || o->local != new->local)
			continue;
		all++;
		same += o->address_bytes == new->address_bytes &&
		        memcmp(o->address, new->address, sizeof o->address) == 0;
	}
	return all >= most->connections || same >= most->of_address;
}

struct peer *peers_add(struct peers *p, int fd, const struct sockaddr *address,
                       const struct peer_limits *most)
{
	struct peer *peer = calloc(1, sizeof *peer);
	if (!peer)
		return NULL;
	peer->fd = fd;
	peer->local = !address;
	if (address)
		who_of_tcp(address, peer);
	else
		who_of_unix(fd, &peer->who);
	pthread_mutex_lock(&p->lock);
	peer->over = is_over(p, peer, most);
	p->over += peer->over;
	peer->next = &p->first;
	peer->previous = p->first.previous;
	peer->next->previous = peer->previous->next = peer;
	p->count++;
	pthread_mutex_unlock(&p->lock);
	return peer;
}

void peers_remove(struct peers *p, struct peer *peer)
{
	if (!peer)
		return;
	pthread_mutex_lock(&p->lock);
	peer->next->previous = peer->previous;
	peer->previous->next = peer->next;
	p->count--;
	pthread_mutex_unlock(&p->lock);
	free(peer);
}

void peer_allow_s(struct peer *peer, uint32_t seconds)
{
	uint64_t until_us = seconds ? clock_mono_us() + (uint64_t)seconds * 1000000 : 0;
	atomic_store_explicit(&peer->deadline_us, until_us, memory_order_relaxed);
}

void peers_counts(struct peers *p, uint64_t *now, uint64_t *late, uint64_t *over)
{
	pthread_mutex_lock(&p->lock);
	*now = p->count;
	*late = p->late;
	*over = p->over;
	pthread_mutex_unlock(&p->lock);
}

/* Its own thread sees the end of the stream and cleans up. */
static void end_late_ones(struct peers *p, uint64_t now_us)
{
	for (struct peer *peer = p->first.next; peer != &p->first; peer = peer->next) {
		uint64_t until_us =
		    atomic_load_explicit(&peer->deadline_us, memory_order_relaxed);
		if (until_us == 0 || until_us > now_us)
			continue;
		atomic_store_explicit(&peer->deadline_us, 0, memory_order_relaxed);
		shutdown(peer->fd, SHUT_RDWR);
		p->late++;
	}
}

static void *run(void *argument)
{
	struct peers *p = argument;
	pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		struct timespec until;
		end_late_ones(p, clock_mono_us());
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		while (!p->stop &&
		       pthread_cond_timedwait(&p->stop_asked, &p->lock, &until) != ETIMEDOUT)
			;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

enum result peers_start(struct peers **out, struct error *err)
{
	pthread_condattr_t attributes;
	struct peers *p = calloc(1, sizeof *p);
	if (!p)
		return fail(RESULT_RESOURCE, err, "api: no memory");
	p->first.next = p->first.previous = &p->first;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&p->stop_asked, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&p->lock, NULL);
	if (pthread_create(&p->thread, NULL, run, p) != 0) {
		free(p);
		return fail(RESULT_RESOURCE, err, "api: no thread for the connections");
	}
	pthread_setname_np(p->thread, "api peers");
	*out = p;
	return RESULT_OK;
}

void peers_stop(struct peers *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->stop_asked);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->stop_asked);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
