/* SPDX-License-Identifier: Apache-2.0 */
/* Segments of packet scripts: built from fields, compared with fields. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "peer.h"
#include "script.h"

static const char letters[] = "FSRPAU";

int flags_parse(const char *text)
{
	int flags = 0;
	if (strcmp(text, "-") == 0)
		return 0;
	for (; *text; text++) {
		const char *at = strchr(letters, *text);
		if (!at)
			return -1;
		flags |= 1 << (at - letters);
	}
	return flags;
}

uint32_t hex_parse(const char *text, uint8_t *out, uint32_t most)
{
	uint32_t n = 0;
	unsigned byte;
	while (n < most && sscanf(text + 2 * n, "%2x", &byte) == 1)
		out[n++] = (uint8_t)byte;
	return n;
}

const char *value_of(const char *field, const char *name)
{
	size_t n = strlen(name);
	return strncmp(field, name, n) == 0 && field[n] == '=' ? field + n + 1 : NULL;
}

uint32_t number(const char *text)
{
	return (uint32_t)strtoll(text, NULL, 0);
}

static void add_option(struct built *b, const uint8_t *bytes, uint32_t count)
{
	memcpy(b->bytes + 20 + b->options, bytes, count);
	b->options += count;
}

static void add_sack(struct runner *r, struct built *b, const char *v)
{
	uint8_t o[40] = {1, 1, 5};
	uint32_t n = 4, iss = r->peers[r->peer].engine_iss;
	while (v && n + 8 <= sizeof o) {
		const char *dash = strchr(v, '-');
		put_be32(o + n, iss + number(v));
		put_be32(o + n + 4, iss + number(dash + 1));
		n += 8;
		v = strchr(v, ',');
		v = v ? v + 1 : NULL;
	}
	o[3] = (uint8_t)(n - 2);
	add_option(b, o, n);
}

static void add_field(struct runner *r, struct built *b, const char *f)
{
	struct script_peer *p = &r->peers[r->peer];
	const char *v;
	uint8_t o[40];
	if ((v = value_of(f, "seq")))
		put_be32(b->bytes + 4, p->iss + number(v));
	else if ((v = value_of(f, "abs_seq")))
		put_be32(b->bytes + 4, number(v));
	else if ((v = value_of(f, "ack")))
		put_be32(b->bytes + 8, p->engine_iss + number(v));
	else if ((v = value_of(f, "abs_ack")))
		put_be32(b->bytes + 8, number(v));
	else if ((v = value_of(f, "win")))
		put_be16(b->bytes + 14, (uint16_t)number(v));
	else if ((v = value_of(f, "urg")))
		put_be16(b->bytes + 18, (uint16_t)number(v));
	else if ((v = value_of(f, "len")))
		b->data = number(v);
	else if ((v = value_of(f, "off")))
		b->off = number(v) + 1;
	else if ((v = value_of(f, "cut")))
		b->cut = number(v);
	else if ((v = value_of(f, "mss"))) {
		memcpy(o, (uint8_t[]){2, 4}, 2);
		put_be16(o + 2, (uint16_t)number(v));
		add_option(b, o, 4);
	} else if ((v = value_of(f, "ws"))) {
		add_option(b, (uint8_t[]){1, 3, 3, (uint8_t)number(v)}, 4);
	} else if (strcmp(f, "sackok") == 0) {
		add_option(b, (uint8_t[]){1, 1, 4, 2}, 4);
	} else if ((v = value_of(f, "ts"))) {
		memcpy(o, (uint8_t[]){1, 1, 8, 10}, 4);
		put_be32(o + 4, number(v));
		const char *echo = strchr(v, '/') + 1;
		bool last = strcmp(echo, "echo") == 0;
		put_be32(o + 8, last ? r->peers[r->peer].engine_ts : number(echo));
		add_option(b, o, 12);
	} else if ((v = value_of(f, "sack"))) {
		add_sack(r, b, v);
	} else if ((v = value_of(f, "opt"))) {
		add_option(b, o, hex_parse(v, o, sizeof o));
	} else {
		script_fail(r, "unknown field %s", f);
	}
}

uint32_t segment_build(struct runner *r, struct built *b, uint8_t flags, char **fields,
                       uint32_t count)
{
	const struct script_peer *p = &r->peers[r->peer];
	memset(b, 0, sizeof *b);
	put_be16(b->bytes, p->port);
	put_be16(b->bytes + 2, p->local_port);
	put_be16(b->bytes + 14, 65535);
	b->bytes[13] = flags;
	for (uint32_t i = 0; i < count; i++)
		add_field(r, b, fields[i]);
	while (b->options % 4)
		b->bytes[20 + b->options++] = 0;
	b->bytes[12] = (uint8_t)((b->off ? b->off - 1 : 5 + b->options / 4) << 4);
	uint32_t header = 20 + b->options;
	uint32_t offset = get_be32(b->bytes + 4) - p->iss - 1;
	for (uint32_t i = 0; i < b->data; i++)
		b->bytes[header + i] = stream_byte(STREAM, offset + i);
	return header + b->data - b->cut;
}

static const uint8_t *option_of(const uint8_t *s, uint8_t kind)
{
	uint32_t end = (uint32_t)(s[12] >> 4) * 4;
	for (uint32_t at = 20; at < end;) {
		if (s[at] == kind)
			return s + at;
		at += s[at] <= 1 ? 1 : s[at + 1];
	}
	return NULL;
}

void segment_show(const struct runner *r, const struct output *o)
{
	const uint8_t *s = o->segment;
	const struct script_peer *p = &r->peers[o->peer];
	printf("  sent to %s: ", p->name);
	for (int i = 0; i < 6; i++)
		if (s[13] >> i & 1)
			printf("%c", letters[i]);
	printf(" seq=%u ack=%u win=%u len=%u", get_be32(s + 4) - p->engine_iss,
	       get_be32(s + 8) - p->iss, get_be16(s + 14), o->bytes - (s[12] >> 4) * 4u);
	const uint8_t *sack = option_of(s, 5);
	for (uint32_t i = 2; sack && i < sack[1]; i += 8)
		printf(" sack %u-%u", get_be32(sack + i) - p->iss, get_be32(sack + i + 4) - p->iss);
	printf("\n");
}

static bool sack_matches(const struct script_peer *p, const uint8_t *s, const char *v)
{
	const uint8_t *o = option_of(s, 5);
	if (!o)
		return false;
	uint32_t at = 2;
	while (v && at < o[1]) {
		if (get_be32(o + at) - p->iss != number(v) ||
		    get_be32(o + at + 4) - p->iss != number(strchr(v, '-') + 1))
			return false;
		at += 8;
		v = strchr(v, ',');
		v = v ? v + 1 : NULL;
	}
	return !v && at == o[1];
}

bool segment_matches(struct runner *r, const struct output *o, const char *f)
{
	const struct script_peer *p = &r->peers[o->peer];
	const uint8_t *s = o->segment;
	const uint8_t *opt;
	const char *v;
	if ((v = value_of(f, "seq")))
		return get_be32(s + 4) - p->engine_iss == number(v);
	if ((v = value_of(f, "abs_seq")))
		return get_be32(s + 4) == number(v);
	if ((v = value_of(f, "ack")))
		return get_be32(s + 8) - p->iss == number(v);
	if ((v = value_of(f, "abs_ack")))
		return get_be32(s + 8) == number(v);
	if ((v = value_of(f, "win")))
		return get_be16(s + 14) == number(v);
	if ((v = value_of(f, "len")))
		return o->bytes - (s[12] >> 4) * 4u == number(v);
	if ((v = value_of(f, "mss")))
		return (opt = option_of(s, 2)) && get_be16(opt + 2) == number(v);
	if ((v = value_of(f, "ws")))
		return (opt = option_of(s, 3)) && opt[2] == number(v);
	if ((v = value_of(f, "tsecr")))
		return (opt = option_of(s, 8)) && get_be32(opt + 6) == number(v);
	if ((v = value_of(f, "sack")))
		return sack_matches(p, s, v);
	if (strcmp(f, "sackok") == 0)
		return option_of(s, 4) != NULL;
	if (strcmp(f, "nosack") == 0)
		return option_of(s, 5) == NULL && option_of(s, 4) == NULL;
	if (strcmp(f, "nots") == 0)
		return option_of(s, 8) == NULL;
	if (strcmp(f, "nows") == 0)
		return option_of(s, 3) == NULL;
	script_fail(r, "unknown field %s", f);
	return false;
}
