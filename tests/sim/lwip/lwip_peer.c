/* SPDX-License-Identifier: Apache-2.0 */
#include "lwip_peer.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>
#include <lwip/tcp.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/timeouts.h>

#include "base/check.h"

#define WRITE_BYTES 700

/* The functions of lwIP that are used, by their own names. */
#define FUNCTIONS(F)                                                                               \
	F(lwip_init) F(netif_add) F(netif_set_up) F(netif_set_link_up) F(netif_set_default)        \
	F(ip_input) F(pbuf_alloc) F(pbuf_take) F(pbuf_free) F(pbuf_copy_partial)                   \
	F(sys_check_timeouts) F(sys_timeouts_sleeptime) F(tcp_new) F(tcp_arg) F(tcp_recv)          \
	F(tcp_err) F(tcp_connect) F(tcp_write) F(tcp_output) F(tcp_recved) F(tcp_close)    \
	F(tcp_abort) F(netif_ip6_addr_set) F(netif_ip6_addr_set_state)

static struct {
#define FIELD(name) __typeof__(name) *name;
	FUNCTIONS(FIELD)
#undef FIELD
	struct tcp_pcb **active, **time_wait;
} lwip;

static struct {
	uint64_t now_us;
	uint32_t random;
	struct netif netif;
	void (*send)(void *context, const uint8_t *ip, uint32_t bytes);
	void *context;
} host;

/* --- what lwIP takes from the program ------------------------------------------------------- */

u32_t sys_now(void)
{
	return (u32_t)(host.now_us / 1000);
}

int rand(void)
{
	host.random = host.random * 1103515245u + 12345u;
	return (int)(host.random >> 1);
}

/* One thread, so the lock is not needed. */
void sys_check_core_locking(void)
{
}

uint8_t stream_byte(uint64_t stream, uint32_t offset)
{
	uint64_t z = (stream + offset / 8) * 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 29) * 0xbf58476d1ce4e5b9u;
	return (uint8_t)(z >> (offset % 8 * 8));
}

bool lwip_open(void)
{
	void *library = dlopen("liblwip.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return false;
	}
	bool all = true;
#define LOOK_UP(name) all &= (lwip.name = (__typeof__(name) *)dlsym(library, #name)) != NULL;
	FUNCTIONS(LOOK_UP)
#undef LOOK_UP
	lwip.active = dlsym(library, "tcp_active_pcbs");
	lwip.time_wait = dlsym(library, "tcp_tw_pcbs");
	if (!all || !lwip.active || !lwip.time_wait)
		fprintf(stderr, "liblwip.so.0 lacks a function\n");
	return all && lwip.active && lwip.time_wait;
}

static err_t output(struct pbuf *p)
{
	static uint8_t packet[2048];
	CHECK_OP(p->tot_len, <=, (int)sizeof packet);
	lwip.pbuf_copy_partial(p, packet, p->tot_len, 0);
	host.send(host.context, packet, p->tot_len);
	return ERR_OK;
}

static err_t output_ipv4(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
	(void)netif;
	(void)to;
	return output(p);
}

static err_t output_ipv6(struct netif *netif, struct pbuf *p, const ip6_addr_t *to)
{
	(void)netif;
	(void)to;
	return output(p);
}

static err_t netif_start(struct netif *netif)
{
	netif->name[0] = 'h';
	netif->name[1] = 'r';
	netif->mtu = netif->mtu6 = 1500;
	netif->output = output_ipv4;
	netif->output_ip6 = output_ipv6;
	return ERR_OK;
}

static ip_addr_t address_of(const uint8_t ip[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	ip_addr_t a = {.type = IPADDR_TYPE_V6};
	if (memcmp(ip, mapped, sizeof mapped) == 0) {
		a.type = IPADDR_TYPE_V4;
		memcpy(&a.u_addr.ip4.addr, ip + 12, 4);
	} else {
		memcpy(a.u_addr.ip6.addr, ip, 16);
	}
	return a;
}

void lwip_start(const uint8_t own[16], uint32_t seed,
                void (*send)(void *context, const uint8_t *ip, uint32_t bytes), void *context,
                uint64_t now_us)
{
	ip_addr_t address = address_of(own);
	ip4_addr_t ipv4 = {0}, mask, gateway;
	host.now_us = now_us;
	host.random = seed;
	host.send = send;
	host.context = context;
	lwip.lwip_init();
	if (address.type == IPADDR_TYPE_V4)
		ipv4 = address.u_addr.ip4;
	IP4_ADDR(&mask, 255, 255, 255, 0);
	IP4_ADDR(&gateway, 0, 0, 0, 0);
	CHECK(lwip.netif_add(&host.netif, &ipv4, &mask, &gateway, NULL, netif_start,
	                     lwip.ip_input) != NULL);
	lwip.netif_set_default(&host.netif);
	lwip.netif_set_link_up(&host.netif);
	lwip.netif_set_up(&host.netif);
	if (address.type == IPADDR_TYPE_V6) {
		lwip.netif_ip6_addr_set(&host.netif, 0, &address.u_addr.ip6);
		lwip.netif_ip6_addr_set_state(&host.netif, 0, IP6_ADDR_PREFERRED);
	}
}

void lwip_set_now(uint64_t now_us)
{
	host.now_us = now_us;
}

void lwip_receive(const uint8_t *ip, uint32_t bytes)
{
	/* not from its pool: in Debian 12's build the pool's pieces are shorter (600 bytes) than
	 * pbuf_alloc takes them to be, and a full segment overruns them */
	struct pbuf *p = lwip.pbuf_alloc(PBUF_RAW, (u16_t)bytes, PBUF_RAM);
	CHECK(p != NULL);
	lwip.pbuf_take(p, ip, (u16_t)bytes);
	if (lwip.ip_input(p, &host.netif) != ERR_OK)
		lwip.pbuf_free(p);
}

/* --- a client ------------------------------------------------------------------------------- */

static err_t on_connected(void *argument, struct tcp_pcb *pcb, err_t error)
{
	struct client *c = argument;
	(void)pcb;
	(void)error;
	c->state = CLIENT_OPEN;
	return ERR_OK;
}

static err_t on_received(void *argument, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
	struct client *c = argument;
	(void)pcb;
	(void)error;
	if (!p) {
		c->fin_seen = true;
		return ERR_OK;
	}
	for (struct pbuf *q = p; q; q = q->next) {
		const uint8_t *bytes = q->payload;
		for (uint32_t i = 0; i < q->len; i++, c->received++)
			if (c->received >= c->receive_bytes ||
			    bytes[i] != stream_byte(c->receive_stream, c->received))
				c->failure = "a wrong byte from the server";
	}
	c->unread += p->tot_len;
	lwip.pbuf_free(p);
	return ERR_OK;
}

/* lwIP has freed the connection already. */
static void on_error(void *argument, err_t error)
{
	struct client *c = argument;
	c->pcb = NULL;
	c->error = error;
	c->state = CLIENT_FAILED;
}

void lwip_connect(struct client *c, const uint8_t server[16])
{
	struct tcp_pcb *pcb = lwip.tcp_new();
	ip_addr_t address = address_of(server);
	CHECK(pcb != NULL);
	lwip.tcp_arg(pcb, c);
	lwip.tcp_recv(pcb, on_received);
	lwip.tcp_err(pcb, on_error);
	c->pcb = pcb;
	c->state = CLIENT_CONNECTING;
	CHECK_OP(lwip.tcp_connect(pcb, &address, c->server_port, on_connected), ==, ERR_OK);
}

void lwip_abort(struct client *c)
{
	lwip.tcp_abort(c->pcb); /* calls on_error */
}

static void client_send(struct client *c)
{
	struct tcp_pcb *pcb = c->pcb;
	uint8_t bytes[WRITE_BYTES];
	while (c->sent < c->send_bytes) {
		uint32_t n = c->send_bytes - c->sent < WRITE_BYTES ? c->send_bytes - c->sent
		                                                   : WRITE_BYTES;
		if (tcp_sndbuf(pcb) < n)
			break;
		for (uint32_t i = 0; i < n; i++)
			bytes[i] = stream_byte(c->send_stream, c->sent + i);
		if (lwip.tcp_write(pcb, bytes, (u16_t)n, TCP_WRITE_FLAG_COPY) != ERR_OK)
			break;
		c->sent += n;
	}
	lwip.tcp_output(pcb);
}

static void client_poll(struct client *c)
{
	if (c->state != CLIENT_OPEN)
		return;
	if (c->unread) {
		uint32_t n = c->read_bytes && c->read_bytes < c->unread ? c->read_bytes : c->unread;
		c->unread -= n;
		lwip.tcp_recved(c->pcb, (u16_t)n);
	}
	client_send(c);
	if (c->sent < c->send_bytes || c->received < c->receive_bytes || c->unread ||
	    (c->close_last && !c->fin_seen))
		return;
	/* after tcp_close the connection is lwIP's alone, and may be gone at once */
	lwip.tcp_err(c->pcb, NULL);
	if (lwip.tcp_close(c->pcb) == ERR_OK)
		c->state = CLIENT_DONE;
	else
		lwip.tcp_err(c->pcb, on_error);
}

void lwip_poll(struct client *clients, uint32_t count)
{
	lwip.sys_check_timeouts();
	for (uint32_t i = 0; i < count; i++)
		client_poll(&clients[i]);
}

uint64_t lwip_next_us(void)
{
	uint32_t ms = lwip.sys_timeouts_sleeptime();
	if (ms == SYS_TIMEOUTS_SLEEPTIME_INFINITE)
		return UINT64_MAX;
	return (host.now_us / 1000 + ms) * 1000 + (ms == 0 ? 1000 : 0);
}

bool lwip_is_empty(void)
{
	return *lwip.active == NULL && *lwip.time_wait == NULL;
}
