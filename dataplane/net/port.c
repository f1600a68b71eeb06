/* SPDX-License-Identifier: Apache-2.0 */
#include "net/port.h"

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/spread.h"

#define ARGS_MAX          16
#define NEIGHBOUR_ENTRIES 4096
#define RX_DESCRIPTORS    1024
#define TX_DESCRIPTORS    1024
#define RX_BUFFERS        (2 * RX_DESCRIPTORS)
#define RX_CHECKSUMS                                                                               \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM |                            \
	 RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define TX_CHECKSUMS                                                                               \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |                            \
	 RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
#define RSS_FLOWS (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)
#define RX_VLAN RTE_ETH_RX_OFFLOAD_VLAN_STRIP
#define TX_VLAN RTE_ETH_TX_OFFLOAD_VLAN_INSERT

/* Free huge pages of any size, by the kernel's count. */
static bool hugepages_free(void)
{
	unsigned long free_pages = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "HugePages_Free: %lu", &free_pages) == 1)
			break;
	if (f)
		fclose(f);
	return free_pages > 0;
}

/* "0@(0-N),1@cpu,2@cpu...": the main thread floats over all CPUs, workers are pinned. */
static void lcores_text(const struct dpdk_config *config, char *text, size_t bytes)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int n = cpus > 1 ? snprintf(text, bytes, "0@(0-%ld)", cpus - 1)
	                 : snprintf(text, bytes, "0@0");
	for (uint32_t i = 0; i < config->worker_count && n > 0 && (size_t)n < bytes; i++)
		n += snprintf(text + n, bytes - (size_t)n, ",%u@%u", i + 1,
		              config->worker_cpus[i]);
}

enum result dpdk_init(const struct dpdk_config *config, struct error *err)
{
	bool huge = config->hugepages == DPDK_HUGEPAGES_YES ||
	            (config->hugepages == DPDK_HUGEPAGES_AUTO && hugepages_free());
	char lcores[512], memory[16], prefix[64];
	lcores_text(config, lcores, sizeof lcores);
	snprintf(memory, sizeof memory, "%u", config->memory_mb);
	snprintf(prefix, sizeof prefix, "--file-prefix=%s", config->file_prefix);

	/* rte_eal_init may reorder and edit them, so they are arrays of their own */
	static char program[] = "headraced", lcores_option[] = "--lcores",
	            main_lcore[] = "--main-lcore=0", memory_option[] = "-m",
	            quiet_eal[] = "--log-level=lib.eal:4",
	            quiet_telemetry[] = "--log-level=lib.telemetry:4", in_memory[] = "--in-memory",
	            no_huge[] = "--no-huge", no_shconf[] = "--no-shconf", no_pci[] = "--no-pci";
	char *args[ARGS_MAX] = {program, lcores_option, lcores, main_lcore, memory_option, memory,
	                        prefix, quiet_eal, quiet_telemetry};
	int count = 9;
	args[count++] = huge ? in_memory : no_huge;
	if (!huge)
		args[count++] = no_shconf;
	if (!config->pci)
		args[count++] = no_pci;

	if (rte_eal_init(count, args) < 0)
		return fail(RESULT_RESOURCE, err,
		            "DPDK did not start: %s (%s huge pages, %u MB, lcores %s); the lines "
		            "above say why", rte_strerror(rte_errno), huge ? "with" : "without",
		            config->memory_mb, lcores);
	return RESULT_OK;
}

void dpdk_fini(void)
{
	rte_eal_cleanup();
}

static enum result probe(const struct port_config *config, struct port *port, struct error *err)
{
	int rc = rte_dev_probe(config->device);
	if (rc != 0)
		return fail(RESULT_RESOURCE, err,
		            "port %s: the device can't be probed: %s; is the interface there and "
		            "up, and may this user open it (CAP_NET_RAW, CAP_NET_ADMIN)?",
		            config->device, rte_strerror(-rc));
	snprintf(port->device, sizeof port->device, "%s", config->device);
	port->device[strcspn(port->device, ",")] = '\0';
	if (rte_eth_dev_get_port_by_name(port->device, &port->id) != 0)
		return fail(RESULT_RESOURCE, err, "port %s: the device has no Ethernet port",
		            config->device);
	return RESULT_OK;
}

/* The kernel's sockets spread over all of a device's queues, read or not. */
static bool is_af_packet(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_af_packet") == 0;
}

/* A flow stays on its queue: RSS, or the fan-out of af_packet sockets. (A tap's driver speaks of
 * RSS, but the kernel moves flows between its queues.) */
static bool keeps_flows_apart(const struct rte_eth_dev_info *info)
{
	return is_af_packet(info) || ((info->flow_type_rss_offloads & RSS_FLOWS) &&
	                              strcmp(info->driver_name, "net_tap") != 0);
}

/* How many queues, and who sees to it that each worker gets its flows. */
static enum result plan_queues(const struct port_config *config,
                               const struct rte_eth_dev_info *info, struct port *port,
                               struct error *err)
{
	uint16_t most = RTE_MIN(info->max_rx_queues, info->max_tx_queues);
	bool by_device = config->distribution == PORT_BY_DEVICE || keeps_flows_apart(info);
	if (is_af_packet(info) && most > config->workers)
		return fail(RESULT_INPUT, err,
		            "port %s: the device spreads its frames over %u queues (qpairs), but "
		            "only %u io stages read them; set queues to %u or more",
		            config->device, most, config->workers, most);
	if (config->distribution == PORT_BY_DEVICE && most < config->workers)
		return fail(RESULT_INPUT, err,
		            "port %s: distribution is 'device' over %u queues, the device has %u; "
		            "use 'auto' or 'software'",
		            config->device, config->workers, most);
	port->queues = by_device ? RTE_MIN(config->workers, most) : 1;
	if (config->workers == 1)
		port->distribution = PORT_ALONE;
	else if (by_device && port->queues == config->workers &&
	         config->distribution != PORT_BY_SOFTWARE)
		port->distribution = PORT_BY_DEVICE;
	else
		port->distribution = PORT_BY_SOFTWARE;
	if (port->distribution != PORT_ALONE && !(port->spread = spread_new(config->workers)))
		return fail(RESULT_RESOURCE, err, "port %s: no memory", config->device);
	return RESULT_OK;
}

static enum result configure(const struct port_config *config, struct port *port,
                             struct error *err)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	int rc = rte_eth_dev_info_get(port->id, &info);
	if (rc == 0) {
		enum result r = plan_queues(config, &info, port, err);
		if (r != RESULT_OK)
			return r;
		port->rx_checksums = (info.rx_offload_capa & RX_CHECKSUMS) == RX_CHECKSUMS;
		port->tx_checksums = (info.tx_offload_capa & TX_CHECKSUMS) == TX_CHECKSUMS;
		conf.rxmode.offloads = port->rx_checksums ? RX_CHECKSUMS : 0;
		conf.txmode.offloads = port->tx_checksums ? TX_CHECKSUMS : 0;
		if (config->vlan) {
			port->tx_vlan = info.tx_offload_capa & TX_VLAN;
			conf.rxmode.offloads |= info.rx_offload_capa & RX_VLAN;
			conf.txmode.offloads |= info.tx_offload_capa & TX_VLAN;
		}
		if (port->queues > 1 && info.flow_type_rss_offloads) {
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
			conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & RSS_FLOWS;
		}
		rc = rte_eth_dev_configure(port->id, port->queues, port->queues, &conf);
	}
	if (rc != 0)
		return fail(RESULT_RESOURCE, err, "port %s: not configurable: %s", config->device,
		            rte_strerror(-rc));
	return RESULT_OK;
}

static void rx_pool_name(const struct port *port, uint16_t queue, char name[RTE_MEMPOOL_NAMESIZE])
{
	snprintf(name, RTE_MEMPOOL_NAMESIZE, "rx%u.%u", port->id, queue);
}

static enum result set_up_queues(const struct port_config *config, struct port *port,
                                 struct error *err)
{
	uint16_t rx = RX_DESCRIPTORS, tx = TX_DESCRIPTORS;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);
	uint32_t buffers = RX_BUFFERS;
	if (port->distribution == PORT_BY_SOFTWARE) /* and what lies in the rings */
		buffers += (port->workers - 1u) * SPREAD_SLOTS;
	for (uint16_t q = 0; rc == 0 && q < port->queues; q++) {
		char name[RTE_MEMPOOL_NAMESIZE];
		rx_pool_name(port, q, name);
		struct rte_mempool *pool = rte_pktmbuf_pool_create(
		    name, buffers, 256, 0, port->buffer_bytes, SOCKET_ID_ANY);
		if (!pool)
			return fail(RESULT_RESOURCE, err,
			            "port %s: no memory for receive buffers: %s; "
			            "raise dpdk.memory_mb",
			            config->device, rte_strerror(rte_errno));
		rc = rte_eth_rx_queue_setup(port->id, q, rx, SOCKET_ID_ANY, NULL, pool);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(port->id, q, tx, SOCKET_ID_ANY, NULL);
	}
	if (rc != 0)
		return fail(RESULT_RESOURCE, err, "port %s: queues can't be set up: %s",
		            config->device, rte_strerror(-rc));
	return RESULT_OK;
}

/* All nodes, and the solicited-node groups of our addresses (RFC 4861 7.2.1). Returns how many. */
static uint32_t ipv6_groups(const struct port *port, struct rte_ether_addr macs[3])
{
	const uint8_t *addresses[2] = {port->local.ipv6, port->local.link_local};
	macs[0] = (struct rte_ether_addr){{0x33, 0x33, 0, 0, 0, 1}};
	for (uint32_t i = 0; i < 2; i++) {
		uint8_t group[16];
		packet_solicited_node(addresses[i], group);
		packet_group_mac(group, macs[i + 1].addr_bytes);
	}
	bool same = memcmp(&macs[1], &macs[2], sizeof macs[1]) == 0;
	return same ? 2 : 3;
}

/* The groups whose frames we need. A port that can't be told takes every group's, or does not
 * filter. */
static void join_groups(const struct port *port)
{
	struct rte_ether_addr macs[5];
	uint32_t count = port->local.has_ipv6 ? ipv6_groups(port, macs) : 0;
	for (uint32_t i = 0; i < 2 && port->local.coap_groups; i++)
		memcpy(macs[count++].addr_bytes, packet_coap_macs[i], 6);
	if (count > 0 && rte_eth_dev_set_mc_addr_list(port->id, macs, count) != 0)
		rte_eth_allmulticast_enable(port->id);
}

static enum result start(const struct port_config *config, struct port *port, struct error *err)
{
	struct rte_ether_addr mac;
	int rc = rte_eth_dev_start(port->id);
	if (rc == 0)
		rc = rte_eth_macaddr_get(port->id, &mac);
	if (rc != 0)
		return fail(RESULT_RESOURCE, err, "port %s: does not start: %s", config->device,
		            rte_strerror(-rc));
	/* not every device can set these; it then keeps what it has */
	rte_eth_dev_set_mtu(port->id, config->mtu);
	memcpy(port->local.mac, mac.addr_bytes, sizeof port->local.mac);
	packet_link_local(port->local.mac, port->local.link_local);
	join_groups(port);
	return RESULT_OK;
}

/* Who we are, as far as the configuration says. */
static void take_config(const struct port_config *config, struct port *port)
{
	*port = (struct port){.workers = config->workers,
	                      .mtu = config->mtu,
	                      .has_gateway = config->has_gateway,
	                      .has_gateway6 = config->has_gateway6};
	memcpy(port->local.ipv4, config->ipv4, 4);
	memcpy(port->gateway_ipv4, config->gateway_ipv4, 4);
	port->local.ipv4_mask =
	    config->prefix_bits == 0 ? 0 : UINT32_MAX << (32 - config->prefix_bits);
	port->local.coap_groups = config->coap_groups;
	port->local.has_ipv6 = config->has_ipv6;
	port->local.ipv6_prefix_bits = config->ipv6_prefix_bits;
	memcpy(port->local.ipv6, config->ipv6, 16);
	memcpy(port->gateway6, config->gateway6, 16);
	port->local.vlan = config->vlan;
	/* net_alloc leaves room for the longer of the two IP headers */
	uint32_t frame_bytes = config->mtu + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN +
	                       IPV6_HEADER_BYTES - IPV4_HEADER_BYTES;
	port->buffer_bytes = (uint16_t)RTE_MAX((uint32_t)RTE_MBUF_DEFAULT_BUF_SIZE,
	                                       RTE_PKTMBUF_HEADROOM + frame_bytes);
}

enum result port_open(const struct port_config *config, struct port *port, struct error *err)
{
	take_config(config, port);
	port->neighbours = neighbours_new(NEIGHBOUR_ENTRIES);
	if (!port->neighbours)
		return fail(RESULT_RESOURCE, err, "port %s: no memory", config->device);

	enum result r = probe(config, port, err);
	if (r == RESULT_OK)
		r = configure(config, port, err);
	if (r == RESULT_OK)
		r = set_up_queues(config, port, err);
	if (r == RESULT_OK)
		r = start(config, port, err);
	return r;
}

void port_close(struct port *port)
{
	rte_eth_dev_stop(port->id);
	rte_eth_dev_close(port->id);
	spread_free(port->spread);
	port->spread = NULL;
	for (uint16_t q = 0; q < port->queues; q++) {
		char name[RTE_MEMPOOL_NAMESIZE];
		rx_pool_name(port, q, name);
		rte_mempool_free(rte_mempool_lookup(name));
	}
	neighbours_free(port->neighbours);
	port->neighbours = NULL;
}

const char *port_distribution_name(enum port_distribution distribution)
{
	static const char *const names[] = {"auto", "device", "software", "alone"};
	return names[distribution];
}

/* The worker whose queue another one without shares. */
static uint32_t owner_of(const struct port *port, uint32_t worker)
{
	return worker % port->queues;
}

bool port_ring(const struct port *port, uint32_t index, struct port_ring *out)
{
	if (!port->spread)
		return false;
	const struct ring *ring;
	uint32_t pairs = port->workers * (port->workers - 1u);
	if (index < pairs) {
		uint32_t from = index / (port->workers - 1u), to = index % (port->workers - 1u);
		to += to >= from;
		ring = &port->spread->rx[from][to];
		*out = (struct port_ring){.from = from, .to = to};
	} else if (index - pairs < (uint32_t)port->workers - port->queues) {
		uint32_t from = index - pairs + port->queues;
		ring = &port->spread->tx[from];
		*out = (struct port_ring){
		    .from = from, .to = owner_of(port, from), .transmit = true};
	} else {
		return false;
	}
	out->used = ring_count(ring);
	out->slots = ring_slots(ring);
	return true;
}
