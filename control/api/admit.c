/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks, how often, and for what. Input: a request's head, not trusted. At the Unix socket
 * everybody who can open it is an admin; over TCP a token says who asks, and without one only
 * programs on this machine are told something: rates and counters.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "control/api/server.h"

/* A wrong token costs as much as so many requests. */
#define WRONG_TOKEN_COST 20

/* What a browser was talked into asking for under another name is refused (DNS rebinding). */
static bool is_loopback_host(const char *host)
{
	char name[INET_ADDRSTRLEN];
	struct in_addr address;
	if (strncmp(host, "[::1]", 5) == 0)
		return host[5] == '\0' || host[5] == ':';
	size_t length = strcspn(host, ":");
	if (length >= sizeof name)
		return false;
	memcpy(name, host, length);
	name[length] = '\0';
	return strcasecmp(name, "localhost") == 0 ||
	       (inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

/* --- how often --- */

static bool take(struct limits *limits, const void *key, size_t bytes, uint32_t cost,
                 struct incoming *in, const char *whose)
{
	uint32_t wait_s;
	if (limits_take(limits, key, bytes, cost, clock_mono_us(), &wait_s))
		return true;
	api_problem(&in->reply, 429, "Too many requests",
	            "wait as long as Retry-After says, or raise api.requests_per_s",
	            "%s has asked more often than it may", whose);
	in->reply.retry_after_s = wait_s;
	return false;
}

static bool take_from_address(const struct listener *l, struct incoming *in, uint32_t cost)
{
	const struct peer *p = in->peer;
	return p->address_bytes == 0 ||
	       take(l->api->address_limits, p->address, p->address_bytes, cost, in,
	            "this address");
}

/* --- who --- */

static bool refuse_token(const struct listener *l, struct incoming *in)
{
	if (take_from_address(l, in, WRONG_TOKEN_COST))
		api_problem(&in->reply, 401, "Wrong token",
		            "send Authorization: Bearer TOKEN with one that headrace tokens create "
		            "printed; it may have been revoked, or be past its end",
		            "the Authorization header names no token that is good now");
	return false;
}

static bool take_token(const struct listener *l, struct incoming *in, const char *header)
{
	static const char scheme[] = "Bearer ";
	struct token token;
	if (strncasecmp(header, scheme, strlen(scheme)) != 0 ||
	    !tokens_check(l->api->tokens, header + strlen(scheme), clock_wall_ms(), &token))
		return refuse_token(l, in);
	if (!take(l->api->token_limits, token.id, sizeof token.id, 1, in, "this token"))
		return false;
	snprintf(in->who.name, sizeof in->who.name, "%s", token.name);
	in->who.role = token.role < API_ROLE_COUNT ? (enum api_role)token.role : API_ANYBODY;
	return true;
}

bool server_admit(const struct listener *l, struct MHD_Connection *connection,
                  struct incoming *in)
{
	const char *host =
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
	const char *token = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
	                                                MHD_HTTP_HEADER_AUTHORIZATION);
	if (!in->peer) {
		api_problem(&in->reply, 503, "Out of resources", "try again later", "no memory");
		return false;
	}
	in->who = in->peer->who;
	if (in->peer->over) {
		api_problem(&in->reply, 503, "Too many connections",
		            "end some, wait, or raise api.connections and "
		            "api.connections_per_address",
		            "there are as many connections as there may be");
		in->reply.close = true;
		return false;
	}
	if (in->peer->local)
		return true;
	if (!take_from_address(l, in, 1))
		return false;
	if (token)
		return take_token(l, in, token);
	if (in->who.role == API_MONITOR && host && !is_loopback_host(host)) {
		api_problem(&in->reply, 403, "Not here",
		            "ask for localhost or an address of 127.0.0.0/8, or send a token",
		            "the Host header says '%.80s'", host);
		return false;
	}
	return true;
}

/* --- for what --- */

static void answer_no_route(struct incoming *in, const char *method, const struct api_route *other)
{
	char words[256];
	if (in->segment_count < 0) {
		api_problem(&in->reply, 400, "Bad path", "see: GET /openapi.json",
		            "the path is malformed, or longer than %u bytes or %u segments",
		            PATH_BYTES - 1, API_SEGMENTS_MAX);
	} else if (other) {
		api_route_methods(in->segments, (unsigned)in->segment_count, words, sizeof words);
		api_problem(&in->reply, 405, "Wrong method", "use a method that the path takes",
		            "%s takes %s, not %.16s", other->path, words, method);
	} else {
		snprintf(words, sizeof words, "%.200s",
		         in->segment_count > 0 ? in->segments[0] : "");
		api_problem(&in->reply, 404, "No such path", "see: GET /openapi.json",
		            "there is nothing at /%s%s", words,
		            in->segment_count > 1 ? "/..." : "");
	}
}

/* May who asks use the route? */
static bool check_role(struct incoming *in, const struct api_route *route)
{
	if (in->who.role >= route->role)
		return true;
	if (in->who.name[0] == '\0')
		api_problem(&in->reply, 401, "Who are you?",
		            "send Authorization: Bearer TOKEN (headrace tokens create NAME "
		            "--role ROLE), or use the Unix socket (headrace does)",
		            "%s %s needs a token with the role %s", route->method, route->path,
		            api_role_name(route->role));
	else
		api_problem(&in->reply, 403, "Not yours to ask",
		            "use a token with that role, or ask who has one",
		            "%s %s needs the role %s; '%s' is %s", route->method, route->path,
		            api_role_name(route->role), in->who.name,
		            api_role_name(in->who.role));
	return false;
}

bool server_find_route(const struct listener *l, struct incoming *in, const char *method)
{
	const struct api_route *other = NULL, *route = NULL;
	if (in->segment_count >= 0)
		route = api_route_find(method, in->segments, (unsigned)in->segment_count, &other);
	if (!route)
		answer_no_route(in, method, other);
	if (!route || !check_role(in, route))
		return false;
	if (route->body.bytes_max > API_BODY_LARGE) {
		if (atomic_flag_test_and_set(&l->api->receiving)) {
			api_problem(&in->reply, 503, "Busy", "try again when it is done",
			            "another import is under way");
			return false;
		}
		in->receiving = &l->api->receiving;
	}
	in->route = route;
	return true;
}
