/* SPDX-License-Identifier: Apache-2.0 */
/* Section `ports`: addresses are taken apart and checked against each other. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/config_priv.h"

/* An address that a host may have: not 0/8, not loopback, multicast or above (RFC 6890). */
static bool is_unicast(uint32_t address)
{
	uint32_t first = address >> 24;
	return first != 0 && first != 127 && first < 224;
}

/* "10.77.0.1/24" */
static bool parse_network(const char *text, uint32_t *address, uint8_t *prefix_bits)
{
	char host[INET_ADDRSTRLEN];
	struct in_addr in;
	unsigned bits;
	int end = 0;
	if (sscanf(text, "%15[0-9.]/%2u%n", host, &bits, &end) != 2 || text[end] != '\0' ||
	    bits < 1 || bits > 32 || inet_pton(AF_INET, host, &in) != 1)
		return false;
	*address = ntohl(in.s_addr);
	*prefix_bits = (uint8_t)bits;
	return true;
}

static uint32_t mask_of(uint8_t prefix_bits)
{
	return ~(uint32_t)(((uint64_t)1 << (32 - prefix_bits)) - 1);
}

static void put_address(uint8_t out[4], uint32_t address)
{
	uint32_t wire = htonl(address);
	memcpy(out, &wire, 4);
}

static enum result take_address(struct yaml_file *file, const char *where,
                                const struct raw_port *raw, struct config_port *port,
                                struct error *err)
{
	char path[YAML_PATH_BYTES];
	uint32_t address, gateway;
	struct in_addr in;

	snprintf(path, sizeof path, "%s.address", where);
	if (!parse_network(raw->address, &address, &port->prefix_bits) || !is_unicast(address))
		return yaml_fail(file, path, err,
		                 "%s is '%s'; expected an IPv4 host address with prefix length, "
		                 "as 10.77.0.1/24", path, raw->address);
	uint32_t mask = mask_of(port->prefix_bits);
	if (port->prefix_bits < 31 && ((address & ~mask) == 0 || (address | mask) == UINT32_MAX))
		return yaml_fail(file, path, err,
		                 "%s is '%s', the network's own or broadcast address; expected a "
		                 "host address in it", path, raw->address);
	put_address(port->ipv4, address);
	if (!raw->gateway)
		return RESULT_OK;

	snprintf(path, sizeof path, "%s.gateway", where);
	if (inet_pton(AF_INET, raw->gateway, &in) != 1)
		return yaml_fail(file, path, err, "%s is '%s'; expected an IPv4 address", path,
		                 raw->gateway);
	gateway = ntohl(in.s_addr);
	if ((gateway & mask) != (address & mask) || gateway == address)
		return yaml_fail(file, path, err,
		                 "%s is '%s'; expected another address in the network %s", path,
		                 raw->gateway, raw->address);
	put_address(port->gateway_ipv4, gateway);
	port->has_gateway = true;
	return RESULT_OK;
}

#define IPV6_MTU_LEAST 1280 /* RFC 8200 5 */

static bool is_link_local6(const uint8_t a[16])
{
	return a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
}

/* An IPv6 address that a host may have: not unspecified, loopback, multicast or IPv4-mapped
 * (RFC 4291 2.4). */
static bool is_host6(const uint8_t a[16])
{
	static const uint8_t unspecified[16], loopback[16] = {[15] = 1};
	static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
	return a[0] != 0xff && memcmp(a, unspecified, 16) != 0 && memcmp(a, loopback, 16) != 0 &&
	       memcmp(a, mapped, 12) != 0;
}

/* "2001:db8::1/64" */
static bool parse_network6(const char *text, uint8_t address[16], uint8_t *prefix_bits)
{
	char host[INET6_ADDRSTRLEN];
	unsigned bits;
	int end = 0;
	if (sscanf(text, "%45[0-9a-fA-F:.]/%3u%n", host, &bits, &end) != 2 || text[end] != '\0' ||
	    bits < 1 || bits > 128 || inet_pton(AF_INET6, host, address) != 1)
		return false;
	*prefix_bits = (uint8_t)bits;
	return true;
}

static bool same_network6(const uint8_t a[16], const uint8_t b[16], uint8_t prefix_bits)
{
	for (uint32_t bit = 0; bit < prefix_bits; bit++)
		if ((a[bit / 8] ^ b[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

static enum result take_gateway6(struct yaml_file *file, const char *where,
                                 const struct raw_port *raw, struct config_port *port,
                                 struct error *err)
{
	char path[YAML_PATH_BYTES];
	uint8_t *gateway = port->gateway_ipv6;
	if (!raw->gateway6)
		return RESULT_OK;
	snprintf(path, sizeof path, "%s.gateway6", where);
	if (!port->has_ipv6)
		return yaml_fail(file, path, err, "%s is given without %s.address6", path, where);
	if (inet_pton(AF_INET6, raw->gateway6, gateway) != 1 || !is_host6(gateway))
		return yaml_fail(file, path, err, "%s is '%s'; expected an IPv6 address", path,
		                 raw->gateway6);
	if (memcmp(gateway, port->ipv6, 16) == 0 ||
	    (!is_link_local6(gateway) &&
	     !same_network6(gateway, port->ipv6, port->ipv6_prefix_bits)))
		return yaml_fail(file, path, err,
		                 "%s is '%s'; expected another address in the network %s, or a "
		                 "link-local one", path, raw->gateway6, raw->address6);
	port->has_gateway6 = true;
	return RESULT_OK;
}

static enum result take_address6(struct yaml_file *file, const char *where,
                                 const struct raw_port *raw, struct config_port *port,
                                 struct error *err)
{
	char path[YAML_PATH_BYTES];
	if (raw->address6) {
		snprintf(path, sizeof path, "%s.address6", where);
		if (!parse_network6(raw->address6, port->ipv6, &port->ipv6_prefix_bits) ||
		    !is_host6(port->ipv6) || is_link_local6(port->ipv6))
			return yaml_fail(file, path, err,
			                 "%s is '%s'; expected a global or unique local IPv6 "
			                 "address with prefix length, as 2001:db8::1/64", path,
			                 raw->address6);
		if (port->mtu < IPV6_MTU_LEAST)
			return yaml_fail(file, path, err,
			                 "%s needs an mtu of %d or more; it is %u", path,
			                 IPV6_MTU_LEAST, port->mtu);
		port->has_ipv6 = true;
	}
	return take_gateway6(file, where, raw, port, err);
}

/* The name of a vdev, without its arguments, or a PCI address: one port each. */
static bool same_device(const char *a, const char *b)
{
	size_t length = strcspn(a, ",");
	return length == strcspn(b, ",") && memcmp(a, b, length) == 0;
}

/* No device and no address twice. */
static enum result check_other_ports(struct yaml_file *file, const char *where,
                                     const struct raw_config *raw, uint32_t i,
                                     const struct config *c, struct error *err)
{
	const struct config_port *port = &c->ports[i];
	char path[YAML_PATH_BYTES];
	snprintf(path, sizeof path, "%s.device", where);
	for (uint32_t k = 0; k < i; k++) {
		const struct config_port *other = &c->ports[k];
		if (same_device(raw->ports[i].device, raw->ports[k].device))
			return yaml_fail(file, path, err,
			                 "%s is '%s', as in ports[%u]; expected another device",
			                 path, raw->ports[i].device, k);
		if (memcmp(port->ipv4, other->ipv4, 4) == 0)
			return yaml_fail(file, path, err,
			                 "%s has the address %s of ports[%u]; expected another",
			                 where, raw->ports[i].address, k);
		if (port->has_ipv6 && other->has_ipv6 && memcmp(port->ipv6, other->ipv6, 16) == 0)
			return yaml_fail(file, path, err,
			                 "%s has the address %s of ports[%u]; expected another",
			                 where, raw->ports[i].address6, k);
	}
	return RESULT_OK;
}

/* False: no memory. */
static bool copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static enum result copy_texts(const struct yaml_file *file, const struct raw_port *from,
                              struct config_port *port, struct error *err)
{
	if (!copy_text(&port->device, from->device) || !copy_text(&port->address, from->address) ||
	    !copy_text(&port->gateway, from->gateway) ||
	    !copy_text(&port->address6, from->address6) ||
	    !copy_text(&port->gateway6, from->gateway6))
		return fail(RESULT_RESOURCE, err, "%s: no memory", file->path);
	return RESULT_OK;
}

static enum result take_port(struct yaml_file *file, const struct raw_config *raw, uint32_t i,
                             struct config *c, struct error *err)
{
	const struct raw_port *from = &raw->ports[i];
	struct config_port *port = &c->ports[i];
	char where[YAML_PATH_BYTES / 2], path[YAML_PATH_BYTES];
	int64_t number;

	snprintf(where, sizeof where, "ports[%u]", i);
	snprintf(path, sizeof path, "%s.mtu", where);
	enum result result = yaml_int(file, path, from->mtu, 1500, 576, 9000, &number, err);
	if (result != RESULT_OK)
		return result;
	port->mtu = (uint16_t)number;
	snprintf(path, sizeof path, "%s.queues", where);
	result = yaml_int(file, path, from->queues, 1, 1, MAX_IO_WORKERS, &number, err);
	if (result != RESULT_OK)
		return result;
	port->queues = (uint16_t)number;
	port->distribution = from->distribution
	                         ? (enum config_distribution)*from->distribution
	                         : DISTRIBUTION_AUTO;
	snprintf(path, sizeof path, "%s.vlan", where);
	result = yaml_int(file, path, from->vlan, 0, 0, 4094, &number, err);
	if (result != RESULT_OK)
		return result;
	port->vlan = (uint16_t)number;
	result = take_address(file, where, from, port, err);
	if (result == RESULT_OK)
		result = take_address6(file, where, from, port, err);
	if (result == RESULT_OK)
		result = check_other_ports(file, where, raw, i, c, err);
	if (result != RESULT_OK)
		return result;
	return copy_texts(file, from, port, err);
}

enum result config_take_ports(struct yaml_file *file, const struct raw_config *raw,
                              struct config *c, struct error *err)
{
	uint32_t queues = 0;
	c->ports = calloc(raw->ports_count, sizeof *c->ports);
	if (!c->ports)
		return fail(RESULT_RESOURCE, err, "%s: no memory", file->path);
	c->ports_count = raw->ports_count;
	for (uint32_t i = 0; i < c->ports_count; i++) {
		enum result result = take_port(file, raw, i, c, err);
		if (result != RESULT_OK)
			return result;
		queues += c->ports[i].queues;
	}
	if (queues > MAX_IO_WORKERS)
		return yaml_fail(file, "ports", err,
		                 "the ports have %u queues together; expected at most %d", queues,
		                 MAX_IO_WORKERS);
	return RESULT_OK;
}
