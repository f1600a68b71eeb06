/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api: the TCP address, and that what leaves this machine is encrypted unless the operator says
 * otherwise. Input: the operator's file. Thread: start-up.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/config_priv.h"

/* "127.0.0.1:9404", "[::1]:9404" */
static bool parse_listen(struct config *c)
{
	const char *text = c->api.listen;
	char host[INET6_ADDRSTRLEN];
	unsigned port = 0;
	int end = 0;
	c->api.ipv6 = text[0] == '[';
	if (sscanf(text, c->api.ipv6 ? "[%45[0-9a-fA-F:.]]:%5u%n" : "%15[0-9.]:%5u%n", host, &port,
	           &end) != 2 ||
	    text[end] != '\0' || port < 1 || port > 65535)
		return false;
	c->api.port = (uint16_t)port;
	if (inet_pton(c->api.ipv6 ? AF_INET6 : AF_INET, host, c->api.address) != 1)
		return false;
	static const uint8_t one[16] = {[15] = 1};
	c->api.loopback = c->api.ipv6 ? memcmp(c->api.address, one, sizeof one) == 0
	                              : c->api.address[0] == 127;
	return true;
}

enum result config_take_api(struct yaml_file *file, struct config *c, struct error *err)
{
	enum result result = RESULT_OK;
	if (c->api.listen && !parse_listen(c))
		return yaml_fail(file, "api.listen", err,
		                 "api.listen is '%s'; expected an address and port, as "
		                 "127.0.0.1:9404 or [::1]:9404", c->api.listen);
	if (!c->api.certificate != !c->api.key)
		return yaml_fail(file, c->api.key ? "api.key" : "api.certificate", err,
		                 "api.%s is given alone; expected api.certificate and api.key",
		                 c->api.key ? "key" : "certificate");
	if (c->api.listen && !c->api.loopback && !c->api.certificate && !c->api.plaintext)
		return yaml_fail(file, "api.listen", err,
		                 "api.listen is '%s', beyond this machine; expected TLS with it "
		                 "(api.certificate and api.key), or api.plaintext: true",
		                 c->api.listen);
	if (c->api.certificate)
		result = config_check_reference(file, "api.certificate", c->api.certificate, false,
		                                err);
	if (result == RESULT_OK && c->api.key)
		result = config_check_reference(file, "api.key", c->api.key, false, err);
	return result;
}
