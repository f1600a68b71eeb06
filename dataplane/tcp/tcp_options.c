/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP options.
 *
 *     kind 0          end of list                          RFC 9293 3.1
 *     kind 1          no-operation                         RFC 9293 3.1
 *     2 4 m m         maximum segment size, SYN only       RFC 9293 3.7.1
 *     3 3 s           window scale, SYN only               RFC 7323 2
 *     4 2             SACK permitted, SYN only             RFC 2018 2
 *     5 2+8n (l l l l r r r r)*n   SACK                    RFC 2018 3
 *     8 10 v v v v e e e e         timestamps              RFC 7323 3
 *
 * Everything else is skipped by its length (RFC 9293 3.1).
 */
#include "tcp/tcp_priv.h"

enum {
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_PERMITTED = 4,
	OPT_SACK = 5,
	OPT_TS = 8,
};

static bool take_sack(const uint8_t *body, uint32_t bytes, struct options *out)
{
	if (bytes == 0 || bytes % 8 != 0 || bytes > sizeof out->sack)
		return false;
	out->sack_count = (uint8_t)(bytes / 8);
	for (uint32_t i = 0; i < out->sack_count; i++) {
		out->sack[i].start = get_be32(body + 8 * i);
		out->sack[i].end = get_be32(body + 8 * i + 4);
	}
	return true;
}

/* False: a known kind whose length or place is wrong; it is ignored. */
static bool take(uint8_t kind, const uint8_t *body, uint32_t bytes, bool syn, struct options *out)
{
	switch (kind) {
	case OPT_MSS:
		if (bytes != 2 || !syn)
			return false;
		out->has_mss = true;
		out->mss = get_be16(body);
		return true;
	case OPT_WSCALE:
		if (bytes != 1 || !syn)
			return false;
		out->has_wscale = true;
		out->wscale = body[0] > 14 ? 14 : body[0]; /* RFC 7323 2.3 */
		return true;
	case OPT_SACK_PERMITTED:
		if (bytes != 0 || !syn)
			return false;
		out->has_sack_permitted = true;
		return true;
	case OPT_SACK:
		return !syn && take_sack(body, bytes, out);
	case OPT_TS:
		if (bytes != 8)
			return false;
		out->has_ts = true;
		out->tsval = get_be32(body);
		out->tsecr = get_be32(body + 4);
		return true;
	default:
		return true;
	}
}

bool options_parse(const uint8_t *options, uint32_t bytes, bool syn, struct options *out)
{
	memset(out, 0, sizeof *out);
	for (uint32_t at = 0; at < bytes;) {
		uint8_t kind = options[at];
		if (kind == OPT_END)
			return true;
		if (kind == OPT_NOP) {
			at++;
			continue;
		}
		if (bytes - at < 2)
			return false;
		uint32_t length = options[at + 1];
		if (length < 2 || length > bytes - at)
			return false;
		if (!take(kind, options + at + 2, length - 2, syn, out))
			out->ignored++;
		at += length;
	}
	return true;
}

uint32_t options_put_ts(uint8_t *out, uint32_t tsval, uint32_t tsecr)
{
	out[0] = OPT_NOP;
	out[1] = OPT_NOP;
	out[2] = OPT_TS;
	out[3] = 10;
	put_be32(out + 4, tsval);
	put_be32(out + 8, tsecr);
	return 12;
}

uint32_t options_put_syn(uint8_t *out, uint16_t mss, const uint8_t *wscale, bool sack, bool ts,
                         uint32_t tsval, uint32_t tsecr)
{
	uint32_t n = 0;
	out[n++] = OPT_MSS;
	out[n++] = 4;
	put_be16(out + n, mss);
	n += 2;
	if (ts) {
		n += options_put_ts(out + n, tsval, tsecr);
		if (sack) { /* takes the place of the two NOPs */
			out[n - 12] = OPT_SACK_PERMITTED;
			out[n - 11] = 2;
		}
	} else if (sack) {
		out[n++] = OPT_NOP;
		out[n++] = OPT_NOP;
		out[n++] = OPT_SACK_PERMITTED;
		out[n++] = 2;
	}
	if (wscale) {
		out[n++] = OPT_NOP;
		out[n++] = OPT_WSCALE;
		out[n++] = 3;
		out[n++] = *wscale;
	}
	return n;
}

uint32_t options_put_sack(uint8_t *out, const struct range *ranges, uint32_t range_count)
{
	if (range_count == 0)
		return 0;
	out[0] = OPT_NOP;
	out[1] = OPT_NOP;
	out[2] = OPT_SACK;
	out[3] = (uint8_t)(2 + 8 * range_count);
	for (uint32_t i = 0; i < range_count; i++) {
		put_be32(out + 4 + 8 * i, ranges[i].start);
		put_be32(out + 8 + 8 * i, ranges[i].end);
	}
	return 4 + 8 * range_count;
}
