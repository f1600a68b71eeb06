/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK: the environment and its ports. Together with stack.c and send.c the only place that sees
 * rte_ethdev.
 */
#ifndef HEADRACE_NET_PORT_H
#define HEADRACE_NET_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "net/neighbours.h"
#include "net/packet.h"

struct spread;

enum dpdk_hugepages { DPDK_HUGEPAGES_AUTO, DPDK_HUGEPAGES_YES, DPDK_HUGEPAGES_NO };

struct dpdk_config {
	enum dpdk_hugepages hugepages;
	uint32_t memory_mb;
	const char *file_prefix;
	const uint32_t *worker_cpus; /* worker i becomes lcore i + 1, pinned to this CPU */
	uint32_t worker_count;
	bool pci; /* probe PCI devices */
};

/* Start the environment. The calling thread becomes lcore 0 and keeps its CPU affinity. Once per
 * process. */
MUST_USE enum result dpdk_init(const struct dpdk_config *config, struct error *err);
void dpdk_fini(void);

/* How a port's frames come to the io worker that has their flow. */
enum port_distribution {
	PORT_AUTO,        /* by the device if it can, else by software; a wish, never the outcome */
	PORT_BY_DEVICE,   /* a queue for each worker; the device keeps flows apart (RSS, fan-out) */
	PORT_BY_SOFTWARE, /* who receives a frame hashes its flow and hands it on */
	PORT_ALONE,       /* one worker: nothing to share; never a wish */
};

struct port_config {
	const char *device; /* "net_af_packet0,iface=hr0" or a PCI address */
	uint8_t ipv4[4];
	uint8_t prefix_bits;
	bool has_gateway;
	uint8_t gateway_ipv4[4];
	uint16_t mtu;
	uint16_t workers; /* io workers that serve the port */
	enum port_distribution distribution;
	/* IPv6, beside a link-local address made from the MAC address */
	bool has_ipv6;
	uint8_t ipv6[16];
	uint8_t ipv6_prefix_bits;
	bool has_gateway6;
	uint8_t gateway6[16]; /* may be link-local */
	bool coap_groups;     /* listen to the all-CoAP-nodes groups */
	uint16_t vlan;        /* 1..4094: only frames with this 802.1Q tag; 0: untagged ones */
};

struct port {
	uint16_t id; /* DPDK's */
	uint16_t workers;
	uint16_t queues; /* of the device, each way; worker i has queue i, if there are so many */
	enum port_distribution distribution;
	struct spread *spread; /* NULL: PORT_ALONE */
	uint16_t mtu;
	struct packet_local local;
	bool has_gateway;
	uint8_t gateway_ipv4[4];
	bool has_gateway6;
	uint8_t gateway6[16];
	uint16_t buffer_bytes; /* of a packet buffer, with head room: a frame fits */
	bool tx_vlan;          /* the port inserts the VLAN tag */
	bool rx_checksums; /* the port verifies IPv4, TCP and UDP checksums */
	bool tx_checksums; /* the port fills them in */
	struct neighbours *neighbours;
	char device[64];
};

/* Probe, configure and start a port. */
MUST_USE enum result port_open(const struct port_config *config, struct port *port,
                               struct error *err);
void port_close(struct port *port);

/* "auto", "device", "software", "alone" */
const char *port_distribution_name(enum port_distribution distribution);

/* A ring between two workers of the port, by number; false: no such. */
struct port_ring {
	uint32_t from, to; /* workers of the port */
	bool transmit;     /* frames to send; else received ones */
	uint32_t used, slots;
};
bool port_ring(const struct port *port, uint32_t index, struct port_ring *out);

#endif
