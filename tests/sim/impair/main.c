/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bad network between two interfaces: every frame of one appears at the other, late, or not, or
 * twice, or damaged. For a namespace without a default route, between veth or tap interfaces whose
 * offloads are off (ethtool -K IF tx off tso off gso off gro off, on both ends of each pair).
 *
 * Runs until SIGTERM or SIGINT, then prints one line of counts for each way.
 */
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "impair.h"
#include "packet_socket.h"

#define ETHERNET_BYTES 14
#define BURST_FRAMES   64

static const char usage[] =
    "usage: headrace-impair [OPTION]... INTERFACE-A INTERFACE-B\n"
    "Options act on both ways, or after --way on the one it names.\n"
    "  --way ab|ba|both\n"
    "  --loss PERCENT        --duplicate PERCENT     --corrupt PERCENT  --reorder PERCENT\n"
    "  --burst START,END,LOSS   percent: a fade begins, ends, and loses within it\n"
    "  --delay-ms MS         --jitter-ms MS          (jitter keeps the order)\n"
    "  --rate-kbit KBIT/S    --queue-kb KB\n"
    "  --mtu BYTES           longer IP packets vanish without a word\n"
    "  --seed N              (default 1)\n"
    "Prints \"ready\" when frames pass.\n";

enum option_id {
	OPTION_WAY = 256, OPTION_LOSS, OPTION_DUPLICATE, OPTION_CORRUPT, OPTION_REORDER,
	OPTION_BURST, OPTION_DELAY, OPTION_JITTER, OPTION_RATE, OPTION_QUEUE, OPTION_MTU,
	OPTION_SEED, OPTION_HELP,
};

static const struct option options[] = {
    {"way", required_argument, NULL, OPTION_WAY},
    {"loss", required_argument, NULL, OPTION_LOSS},
    {"duplicate", required_argument, NULL, OPTION_DUPLICATE},
    {"corrupt", required_argument, NULL, OPTION_CORRUPT},
    {"reorder", required_argument, NULL, OPTION_REORDER},
    {"burst", required_argument, NULL, OPTION_BURST},
    {"delay-ms", required_argument, NULL, OPTION_DELAY},
    {"jitter-ms", required_argument, NULL, OPTION_JITTER},
    {"rate-kbit", required_argument, NULL, OPTION_RATE},
    {"queue-kb", required_argument, NULL, OPTION_QUEUE},
    {"mtu", required_argument, NULL, OPTION_MTU},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

static _Noreturn void bad_usage(const char *what)
{
	fprintf(stderr, "headrace-impair: %s\n%s", what, usage);
	exit(2);
}

/* A number from 0 to `most`; `*text` moves behind it. */
static double number(const char **text, double most)
{
	char *end;
	double v = strtod(*text, &end);
	if (end == *text || !(v >= 0 && v <= most))
		bad_usage("a number is missing or out of range");
	*text = end;
	return v;
}

static double only_number(const char *text, double most)
{
	double v = number(&text, most);
	if (*text)
		bad_usage("something follows a number");
	return v;
}

static uint32_t parts(double percent)
{
	return (uint32_t)(percent * 100 + 0.5);
}

static void set_burst(struct impair_config *g, const char *text)
{
	uint32_t *fields[] = {&g->burst_start, &g->burst_end, &g->burst_loss};
	for (uint32_t i = 0; i < 3; i++) {
		*fields[i] = parts(number(&text, 100));
		if (*text != (i < 2 ? ',' : '\0'))
			bad_usage("--burst START,END,LOSS");
		text++;
	}
}

static void set(struct impair_config *g, int id, const char *text)
{
	switch (id) {
	case OPTION_LOSS:
		g->loss = parts(only_number(text, 100));
		break;
	case OPTION_DUPLICATE:
		g->duplicate = parts(only_number(text, 100));
		break;
	case OPTION_CORRUPT:
		g->corrupt = parts(only_number(text, 100));
		break;
	case OPTION_REORDER:
		g->reorder = parts(only_number(text, 100));
		break;
	case OPTION_BURST:
		set_burst(g, text);
		break;
	case OPTION_DELAY:
		g->delay_us = (uint64_t)(only_number(text, 60000) * 1000);
		break;
	case OPTION_JITTER:
		g->jitter_us = (uint64_t)(only_number(text, 60000) * 1000);
		break;
	case OPTION_RATE:
		g->rate_bytes_s = (uint64_t)(only_number(text, 1e7) * 125);
		break;
	case OPTION_QUEUE:
		g->queue_bytes = (uint32_t)(only_number(text, 1e6) * 1024);
		break;
	case OPTION_MTU:
		g->bytes_max = (uint32_t)only_number(text, 65535) + ETHERNET_BYTES;
		break;
	default:
		exit(2); /* getopt has said why */
	}
}

/* 1: a to b; 2: b to a; 3: both. */
static uint32_t ways_of(const char *text)
{
	static const char *const names[] = {"ab", "ba", "both"};
	for (uint32_t i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0)
			return i + 1;
	bad_usage("--way ab, ba or both");
}

static uint64_t parse(int argc, char **argv, struct impair_config config[IMPAIR_WAYS])
{
	uint64_t seed = 1;
	uint32_t ways = 3;
	for (int id; (id = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (id == OPTION_HELP) {
			fputs(usage, stdout);
			exit(0);
		}
		if (id == OPTION_WAY)
			ways = ways_of(optarg);
		else if (id == OPTION_SEED)
			seed = strtoull(optarg, NULL, 0);
		else
			for (uint32_t way = 0; way < IMPAIR_WAYS; way++)
				if (ways >> way & 1)
					set(&config[way], id, optarg);
	}
	if (argc - optind != 2)
		bad_usage("two interfaces are needed");
	return seed;
}

static void wait_for_frames(const struct impair *im, const int fds[2])
{
	struct pollfd polled[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
	uint64_t next_us = impair_next_us(im), now_us = clock_mono_us();
	uint64_t wait_us = next_us > now_us ? next_us - now_us : 0;
	if (wait_us > 1000000)
		wait_us = 1000000;
	struct timespec patience = {(time_t)(wait_us / 1000000), (long)(wait_us % 1000000) * 1000};
	(void)ppoll(polled, 2, &patience, NULL);
}

/* Way 0 goes from interface 0 to interface 1. */
static void pass_frames(struct impair *im, const int fds[2])
{
	static uint8_t frame[FRAME_BYTES_MAX];
	for (uint32_t way = 0; way < IMPAIR_WAYS; way++) {
		for (uint32_t i = 0; i < BURST_FRAMES; i++) {
			uint32_t bytes = packet_socket_receive(fds[way], frame);
			if (bytes == 0)
				break;
			impair_put(im, clock_mono_us(), way, 0, frame, bytes);
		}
	}
	struct impair_packet p;
	while (impair_get(im, clock_mono_us(), &p)) {
		packet_socket_send(fds[1 - p.way], p.data, p.bytes);
		free(p.data);
	}
}

static void print_counts(const struct impair *im)
{
	static const char *const names[] = {"ab", "ba"};
	for (uint32_t way = 0; way < IMPAIR_WAYS; way++) {
		const struct impair_counts *c = &im->counts[way];
		printf("%s: in %" PRIu64 " out %" PRIu64 " lost %" PRIu64 " too_long %" PRIu64
		       " queue_full %" PRIu64 " duplicated %" PRIu64 " corrupted %" PRIu64
		       " reordered %" PRIu64 "\n",
		       names[way], c->in, c->out, c->lost, c->too_long, c->queue_full,
		       c->duplicated, c->corrupted, c->reordered);
	}
}

int main(int argc, char **argv)
{
	static struct impair im;
	struct impair_config config[IMPAIR_WAYS] = {0};
	uint64_t seed = parse(argc, argv, config);
	int fds[2];
	for (int i = 0; i < 2; i++)
		fds[i] = packet_socket_open(argv[optind + i], NULL);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	impair_init(&im, config, seed);
	printf("ready\n");
	fflush(stdout);
	while (!ended) {
		wait_for_frames(&im, fds);
		pass_frames(&im, fds);
	}
	print_counts(&im);
	impair_fini(&im);
	return 0;
}
