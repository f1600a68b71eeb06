/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's ports, opened. Thread: start-up. Memory: the array of ports. */
#include "control/start_ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static bool is_pci_address(const char *device)
{
	unsigned domain, bus, slot, function;
	return sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &function) == 4 ||
	       sscanf(device, "%x:%x.%x", &bus, &slot, &function) == 3;
}

enum result start_dpdk(const struct config *config, struct error *err)
{
	uint32_t cpus[MAX_WORKERS];
	struct dpdk_config c = {
	    .hugepages = (enum dpdk_hugepages)config->dpdk.hugepages,
	    .memory_mb = config->dpdk.memory_mb,
	    .file_prefix = config->dpdk.file_prefix,
	    .worker_cpus = cpus,
	    .worker_count = config->workers_count,
	};
	_Static_assert((int)HUGEPAGES_AUTO == (int)DPDK_HUGEPAGES_AUTO &&
	                   (int)HUGEPAGES_NO == (int)DPDK_HUGEPAGES_NO, "same order");
	_Static_assert((int)DISTRIBUTION_AUTO == (int)PORT_AUTO &&
	                   (int)DISTRIBUTION_SOFTWARE == (int)PORT_BY_SOFTWARE, "same order");
	for (uint32_t i = 0; i < config->workers_count; i++)
		cpus[i] = config->workers[i].cpu;
	for (uint32_t i = 0; i < config->ports_count; i++)
		c.pci = c.pci || is_pci_address(config->ports[i].device);
	return dpdk_init(&c, err);
}

static void log_port(const struct config_port *c, const struct port *port)
{
	log_info("net", "port %s: %s%s%s, %u queues, checksums in %s", c->device, c->address,
	         c->address6 ? ", " : "", c->address6 ? c->address6 : "", port->queues,
	         port->tx_checksums ? "hardware" : "software");
	if (port->distribution != PORT_ALONE)
		log_info("net", "port %s: flows are spread over %u io stages by %s", c->device,
		         port->workers,
		         port->distribution == PORT_BY_DEVICE ? "the device" : "software");
}

enum result start_ports(const struct config *config, struct port **ports, uint32_t *ports_open,
                        struct error *err)
{
	*ports = calloc(config->ports_count, sizeof **ports);
	if (!*ports)
		return fail(RESULT_RESOURCE, err, "no memory for %u ports", config->ports_count);
	for (uint32_t i = 0; i < config->ports_count; i++) {
		const struct config_port *p = &config->ports[i];
		struct port_config c = {
		    .device = p->device,
		    .prefix_bits = p->prefix_bits,
		    .has_gateway = p->has_gateway,
		    .mtu = p->mtu,
		    .workers = p->queues,
		    .distribution = (enum port_distribution)p->distribution,
		    .has_ipv6 = p->has_ipv6,
		    .ipv6_prefix_bits = p->ipv6_prefix_bits,
		    .has_gateway6 = p->has_gateway6,
		    .vlan = p->vlan,
		    .coap_groups = config->coap.port != 0 && config->coap.multicast,
		};
		memcpy(c.ipv4, p->ipv4, sizeof c.ipv4);
		memcpy(c.gateway_ipv4, p->gateway_ipv4, sizeof c.gateway_ipv4);
		memcpy(c.ipv6, p->ipv6, sizeof c.ipv6);
		memcpy(c.gateway6, p->gateway_ipv6, sizeof c.gateway6);
		enum result r = port_open(&c, &(*ports)[i], err);
		if (r != RESULT_OK)
			return r;
		(*ports_open)++;
		log_port(p, &(*ports)[i]);
	}
	return RESULT_OK;
}
