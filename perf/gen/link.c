/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <string.h>

#define DESCRIPTORS    2048
#define BUFFERS        12288 /* both rings, the queue, what is held, a cache */
#define HOLD_MIN_US    200
#define HOLD_SPREAD_US 2000

static bool hugepages_free(void)
{
	unsigned long count = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "HugePages_Free: %lu", &count) == 1)
			break;
	if (f)
		fclose(f);
	return count > 0;
}

static bool start_dpdk(const struct link_config *config)
{
	bool huge = strcmp(config->hugepages, "yes") == 0 ||
		    (strcmp(config->hugepages, "auto") == 0 && hugepages_free());
	char lcores[32], memory[16], prefix[96];
	snprintf(lcores, sizeof lcores, "0@%u", config->cpu);
	snprintf(memory, sizeof memory, "%u", config->memory_mb);
	snprintf(prefix, sizeof prefix, "--file-prefix=%s", config->file_prefix);
	char *args[] = {(char[]){"headrace-gen"},
			(char[]){"--lcores"},
			lcores,
			(char[]){"-m"},
			memory,
			prefix,
			(char[]){"--no-pci"},
			(char[]){"--no-telemetry"},
			(char[]){"--log-level=lib.eal:4"},
			huge ? (char[]){"--in-memory"} : (char[]){"--no-huge"},
			huge ? (char[]){"--single-file-segments"} : (char[]){"--no-shconf"}};
	if (rte_eal_init((int)(sizeof args / sizeof args[0]), args) >= 0)
		return true;
	fprintf(stderr, "headrace-gen: DPDK did not start (%s, %s huge pages)\n",
		rte_strerror(rte_errno), huge ? "with" : "without");
	return false;
}

static int start_port(const struct link_config *config, struct link *l)
{
	struct rte_eth_conf conf = {0};
	uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;
	char name[64];
	int rc = rte_dev_probe(config->device);
	if (rc != 0)
		return rc;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(config->device, ","), config->device);
	rc = rte_eth_dev_get_port_by_name(name, &l->port);
	l->pool = rte_pktmbuf_pool_create("gen", BUFFERS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					  SOCKET_ID_ANY);
	if (rc == 0 && !l->pool)
		rc = -rte_errno;
	if (rc == 0)
		rc = rte_eth_dev_configure(l->port, 1, 1, &conf);
	if (rc == 0)
		rc = rte_eth_dev_adjust_nb_rx_tx_desc(l->port, &rx, &tx);
	if (rc == 0)
		rc = rte_eth_rx_queue_setup(l->port, 0, rx, SOCKET_ID_ANY, NULL, l->pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(l->port, 0, tx, SOCKET_ID_ANY, NULL);
	return rc == 0 ? rte_eth_dev_start(l->port) : rc;
}

bool link_open(const struct link_config *config, struct link *l, uint8_t mac[6])
{
	struct rte_ether_addr address;
	memset(l, 0, sizeof *l);
	l->loss_below = (uint64_t)(config->loss * 0x1p32);
	l->reorder_below = l->loss_below + (uint64_t)(config->reorder * 0x1p32);
	l->random = config->seed;
	if (!start_dpdk(config))
		return false;
	int rc = start_port(config, l);
	if (rc == 0)
		rc = rte_eth_macaddr_get(l->port, &address);
	if (rc != 0) {
		fprintf(stderr, "headrace-gen: --device %s: %s\n", config->device,
			rte_strerror(-rc));
		return false;
	}
	memcpy(mac, address.addr_bytes, 6);
	return true;
}

void link_close(struct link *l)
{
	rte_pktmbuf_free(l->building);
	rte_pktmbuf_free_bulk(l->queued, l->queued_count);
	for (uint32_t i = 0; i < l->held_count; i++)
		rte_pktmbuf_free(l->held[i].frame);
	rte_eth_dev_stop(l->port);
	rte_eth_dev_close(l->port);
	rte_eal_cleanup();
}

bool link_is_up(const struct link *l)
{
	struct rte_eth_link link;
	return rte_eth_link_get_nowait(l->port, &link) == 0 && link.link_status;
}

uint8_t *link_new(struct link *l)
{
	if (!l->building)
		l->building = rte_pktmbuf_alloc(l->pool);
	return l->building ? rte_pktmbuf_mtod(l->building, uint8_t *) : NULL;
}

static void push_out(struct link *l)
{
	uint16_t sent = rte_eth_tx_burst(l->port, 0, l->queued, (uint16_t)l->queued_count);
	l->sent += sent;
	l->queued_count -= sent;
	memmove(l->queued, l->queued + sent, l->queued_count * sizeof l->queued[0]);
}

static void queue(struct link *l, struct rte_mbuf *m)
{
	if (l->queued_count == LINK_QUEUED_MAX)
		push_out(l);
	if (l->queued_count == LINK_QUEUED_MAX) {
		l->dropped++;
		rte_pktmbuf_free(m);
		return;
	}
	l->queued[l->queued_count++] = m;
}

static uint32_t chance(struct link *l)
{
	l->random = l->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(l->random >> 32);
}

/* True: the frame is lost, or held back so that others overtake it. */
static bool impair(struct link *l, struct rte_mbuf *m, uint64_t now_us)
{
	uint32_t r = chance(l);
	if (r < l->loss_below) {
		l->lost++;
		rte_pktmbuf_free(m);
		return true;
	}
	if (r >= l->reorder_below || l->held_count == LINK_HELD_MAX)
		return false;
	l->reordered++;
	l->held[l->held_count].frame = m;
	l->held[l->held_count++].due_us = now_us + HOLD_MIN_US + chance(l) % HOLD_SPREAD_US;
	return true;
}

void link_send(struct link *l, uint32_t bytes, uint64_t now_us)
{
	struct rte_mbuf *m = l->building;
	l->building = NULL;
	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	if (l->reorder_below && impair(l, m, now_us))
		return;
	queue(l, m);
}

void link_flush(struct link *l, uint64_t now_us)
{
	for (uint32_t i = 0; i < l->held_count;) {
		if (l->held[i].due_us > now_us) {
			i++;
			continue;
		}
		queue(l, l->held[i].frame);
		l->held[i] = l->held[--l->held_count];
	}
	if (l->queued_count)
		push_out(l);
}

uint32_t link_receive(struct link *l, struct link_frame frames[LINK_BURST])
{
	l->received_count = rte_eth_rx_burst(l->port, 0, l->received, LINK_BURST);
	for (uint32_t i = 0; i < l->received_count; i++) {
		frames[i].bytes = rte_pktmbuf_mtod(l->received[i], const uint8_t *);
		frames[i].count = rte_pktmbuf_data_len(l->received[i]);
		rte_prefetch0(frames[i].bytes);
	}
	return l->received_count;
}

void link_release(struct link *l)
{
	rte_pktmbuf_free_bulk(l->received, l->received_count);
	l->received_count = 0;
}
