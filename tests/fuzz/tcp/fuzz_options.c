/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP options: any bytes. Oracles: parsing twice gives the same; what is reported was there;
 * what the writers produce parses to the same values.
 */
#include <stdlib.h>

#include "tcp/tcp_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_written(const struct options *o)
{
	uint8_t out[40];
	struct options again;
	uint8_t wscale = o->wscale;
	uint32_t n = options_put_syn(out, o->mss, o->has_wscale ? &wscale : NULL,
	                             o->has_sack_permitted, o->has_ts, o->tsval, o->tsecr);
	CHECK_OP(n, <=, 40u);
	CHECK_OP(n % 4, ==, 0u);
	CHECK(options_parse(out, n, true, &again));
	CHECK_OP(again.mss, ==, o->mss);
	CHECK_OP(again.has_wscale, ==, o->has_wscale);
	CHECK_OP(again.wscale, ==, o->has_wscale ? o->wscale : 0);
	CHECK_OP(again.has_sack_permitted, ==, o->has_sack_permitted);
	CHECK_OP(again.has_ts, ==, o->has_ts);
	CHECK_OP(again.tsval, ==, o->has_ts ? o->tsval : 0);
	CHECK_OP(again.ignored, ==, 0u);

	n = o->has_ts ? options_put_ts(out, o->tsval, o->tsecr) : 0;
	uint32_t blocks = min_u32(o->sack_count, o->has_ts ? 3 : 4);
	n += options_put_sack(out + n, o->sack, blocks);
	CHECK_OP(n, <=, 40u);
	CHECK(options_parse(out, n, false, &again));
	CHECK_OP(again.sack_count, ==, blocks);
	for (uint32_t i = 0; i < blocks; i++) {
		CHECK_OP(again.sack[i].start, ==, o->sack[i].start);
		CHECK_OP(again.sack[i].end, ==, o->sack[i].end);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes < 1 || bytes > 41)
		return 0;
	bool syn = data[0] & 1;
	/* malloc-exact, so that the first byte too far is seen */
	uint8_t *exact = malloc(bytes);
	CHECK(exact);
	memcpy(exact, data + 1, bytes - 1);
	struct options a, b;
	bool good = options_parse(exact, (uint32_t)bytes - 1, syn, &a);
	CHECK_OP(options_parse(exact, (uint32_t)bytes - 1, syn, &b), ==, good);
	CHECK(memcmp(&a, &b, sizeof a) == 0);
	CHECK_OP(a.wscale, <=, 14);
	CHECK_OP(a.sack_count, <=, 4);
	CHECK(syn ? a.sack_count == 0 : !(a.has_mss || a.has_wscale || a.has_sack_permitted));
	if (good)
		check_written(&a);
	free(exact);
	return 0;
}
