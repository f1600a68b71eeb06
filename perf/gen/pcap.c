/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a capture, sent again as they were, at their own distance in time: --profile replay.
 *
 * File header (24 bytes), then records, all in the byte order of whoever wrote it:
 *
 *     | magic a1b2c3d4 (us) or a1b23c4d (ns) | version, 4 | zone, 4 | accuracy, 4 | longest, 4 |
 *     | link type 1: Ethernet, 4 |
 *     record: | seconds, 4 | us or ns, 4 | bytes here, 4 | bytes on the wire, 4 | frame ...
 *
 * A frame for one host goes to the server's MAC address, and comes from ours, so that the answers
 * find back; nothing else is changed. What was cut by the capture or does not fit a frame is
 * passed over and counted. The file is mapped; its contents are not trusted.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "gen.h"

#define FILE_HEADER    24
#define RECORD_HEADER  16
#define MAGIC_US       0xa1b2c3d4u
#define MAGIC_NS       0xa1b23c4du
#define LINK_ETHERNET  1
#define FRAMES_AT_ONCE 64

static uint32_t word(const struct pcap *p, const uint8_t *at)
{
	return p->big_endian ? get_be32(at) : get_le32(at);
}

/* NULL, or what is wrong with the file. */
static const char *take_header(struct pcap *p)
{
	if (p->bytes < FILE_HEADER)
		return "shorter than a capture's header";
	uint32_t magic = get_le32(p->data);
	p->big_endian = magic != MAGIC_US && magic != MAGIC_NS;
	magic = word(p, p->data);
	if (magic != MAGIC_US && magic != MAGIC_NS)
		return "not a pcap file (a pcapng file? convert it: editcap -F pcap)";
	p->nanoseconds = magic == MAGIC_NS;
	if ((word(p, p->data + 20) & 0xffff) != LINK_ETHERNET)
		return "not a capture of Ethernet frames";
	p->at = FILE_HEADER;
	return NULL;
}

const char *pcap_take(struct pcap *p, const uint8_t *data, size_t bytes)
{
	*p = (struct pcap){.data = data, .bytes = bytes};
	return take_header(p);
}

bool pcap_open(struct pcap *p, const char *path)
{
	struct stat s;
	const char *why = NULL;
	void *data = MAP_FAILED;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &s) != 0)
		why = strerror(errno);
	else if (s.st_size == 0)
		why = "empty";
	else
		data = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (!why)
		why = data == MAP_FAILED ? strerror(errno)
					 : pcap_take(p, data, (size_t)s.st_size);
	if (fd >= 0)
		close(fd);
	if (!why)
		return true;
	fprintf(stderr, "headrace-gen: --pcap %s: %s\n", path, why);
	if (data != MAP_FAILED)
		munmap(data, (size_t)s.st_size);
	p->data = NULL;
	return false;
}

void pcap_close(struct pcap *p)
{
	if (p->data)
		munmap((void *)(uintptr_t)p->data, p->bytes);
	p->data = NULL;
}

bool pcap_next(struct pcap *p, struct pcap_frame *f)
{
	if (p->bytes - p->at < RECORD_HEADER)
		return false;
	const uint8_t *record = p->data + p->at;
	uint32_t here = word(p, record + 8);
	if (here > p->bytes - p->at - RECORD_HEADER) {
		p->cut = true;
		return false;
	}
	uint32_t fraction = word(p, record + 4);
	*f = (struct pcap_frame){
	    .at_us = word(p, record) * 1000000ull + (p->nanoseconds ? fraction / 1000 : fraction),
	    .frame = record + RECORD_HEADER,
	    .bytes = here,
	    .whole = here == word(p, record + 12),
	};
	p->at += RECORD_HEADER + here;
	return true;
}

static bool send_frame(struct gen *g, const struct pcap_frame *f)
{
	if (!f->whole || f->bytes < 14 || f->bytes > LINK_FRAME_BYTES) {
		g->totals.replay_skipped++;
		return true;
	}
	uint8_t *out = link_new(&g->link);
	if (!out)
		return false;
	memcpy(out, f->frame, f->bytes);
	if (!(out[0] & 1))
		memcpy(out, g->server_mac, 6);
	memcpy(out + 6, g->mac, 6);
	link_send(&g->link, f->bytes, g->now_us);
	g->totals.replayed++;
	g->totals.tx_frames++;
	return true;
}

bool pcap_run(struct gen *g)
{
	struct pcap *p = &g->pcap;
	for (uint32_t i = 0; i < FRAMES_AT_ONCE && !link_is_congested(&g->link); i++) {
		struct pcap_frame f;
		size_t before = p->at;
		if (!pcap_next(p, &f))
			return false;
		if (p->first_us == 0) {
			p->first_us = f.at_us;
			p->began_us = g->now_us;
		}
		/* a capture's clock may step back: what is before the first is due at once */
		double after = f.at_us > p->first_us ? (double)(f.at_us - p->first_us) : 0;
		bool due = g->options.pcap_speed == 0 ||
			   (double)(g->now_us - p->began_us) * g->options.pcap_speed >= after;
		if (!due || !send_frame(g, &f)) {
			p->at = before;
			return true;
		}
	}
	return true;
}
