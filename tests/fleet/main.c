/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace-fleet: options, the loop, the line per second, the summary.
 *
 * Exit code: 0 everything that asks for an answer got one; 1 could not run; 2 wrong options;
 * 3 connections or answers were lost for good.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "fleet.h"

#define TURN_MS          5
#define DRAIN_S          15
#define DRAIN_RESTART_S  60 /* when the server is being restarted under us */
#define METERS_MAX       90000
#define SECONDS_MAX      86400

static const char usage[] =
    "headrace-fleet: simulated meters on real MQTT and CoAP clients\n"
    "\n"
    "  --host ADDRESS    of the server (127.0.0.1)\n"
    "  --mqtt-port N     (1883)\n"
    "  --coap-port N     (5683)\n"
    "  --meters N        half on CoAP, half on MQTT, some of those behind gateways (200)\n"
    "  --seconds N       then wait for what is unacknowledged, and end (20)\n"
    "  --rate R          messages per second of each meter or gateway, 0: flat out (1)\n"
    "  --seed N          of everything random (1)\n"
    "  --clean           fresh, well-formed readings only\n"
    "  --reconnect       go on over restarts of the server, sending again what was not\n"
    "                    acknowledged\n"
    "  --ledger FILE     one JSON line per reading sent\n"
    "  --ledger-sync     write the ledger as it happens\n"
    "  --summary FILE    totals as JSON\n"
    "  --devices FILE    only write the registry's CSV for these meters\n"
    "  --quiet           no line per second\n";

static volatile sig_atomic_t stop_signals;

static void on_signal(int number)
{
	(void)number;
	stop_signals++;
}

/* --- options --- */

enum { OPT_HOST = 256, OPT_MQTT, OPT_COAP, OPT_METERS, OPT_SECONDS, OPT_RATE, OPT_SEED, OPT_CLEAN,
       OPT_RECONNECT, OPT_LEDGER, OPT_SYNC, OPT_SUMMARY, OPT_DEVICES, OPT_QUIET, OPT_HELP };

static const struct option long_options[] = {
    {"host", required_argument, NULL, OPT_HOST},
    {"mqtt-port", required_argument, NULL, OPT_MQTT},
    {"coap-port", required_argument, NULL, OPT_COAP},
    {"meters", required_argument, NULL, OPT_METERS},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"rate", required_argument, NULL, OPT_RATE},
    {"seed", required_argument, NULL, OPT_SEED},
    {"clean", no_argument, NULL, OPT_CLEAN},
    {"reconnect", no_argument, NULL, OPT_RECONNECT},
    {"ledger", required_argument, NULL, OPT_LEDGER},
    {"ledger-sync", no_argument, NULL, OPT_SYNC},
    {"summary", required_argument, NULL, OPT_SUMMARY},
    {"devices", required_argument, NULL, OPT_DEVICES},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static bool number_parse(const char *name, uint64_t from, uint64_t to, uint64_t *out)
{
	char *end;
	errno = 0;
	*out = strtoull(optarg, &end, 10);
	if (!errno && *optarg != '-' && end != optarg && !*end && *out >= from && *out <= to)
		return true;
	fprintf(stderr, "headrace-fleet: --%s %s: expected %llu to %llu\n", name, optarg,
	        (unsigned long long)from, (unsigned long long)to);
	return false;
}

static bool u32_parse(const char *name, uint32_t from, uint32_t to, uint32_t *out)
{
	uint64_t v;
	if (!number_parse(name, from, to, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool rate_parse(double *out)
{
	char *end;
	*out = strtod(optarg, &end);
	if (end != optarg && !*end && *out >= 0 && *out <= 100000)
		return true;
	fprintf(stderr, "headrace-fleet: --rate %s: expected 0 to 100000\n", optarg);
	return false;
}

static bool option_take(struct options *o, int option)
{
	switch (option) {
	case OPT_HOST:
		o->host = optarg;
		return true;
	case OPT_MQTT:
		return u32_parse("mqtt-port", 1, 65535, &o->mqtt_port);
	case OPT_COAP:
		return u32_parse("coap-port", 1, 65535, &o->coap_port);
	case OPT_METERS:
		return u32_parse("meters", 1, METERS_MAX, &o->meters);
	case OPT_SECONDS:
		return u32_parse("seconds", 1, SECONDS_MAX, &o->seconds);
	case OPT_RATE:
		return rate_parse(&o->rate);
	case OPT_SEED:
		return number_parse("seed", 0, UINT64_MAX, &o->seed);
	case OPT_LEDGER:
		o->ledger_file = optarg;
		return true;
	case OPT_SUMMARY:
		o->summary_file = optarg;
		return true;
	case OPT_DEVICES:
		o->devices_file = optarg;
		return true;
	case OPT_CLEAN:
		return o->clean = true;
	case OPT_RECONNECT:
		return o->reconnect = true;
	case OPT_SYNC:
		return o->ledger_sync = true;
	case OPT_QUIET:
		return o->quiet = true;
	case OPT_HELP:
		fputs(usage, stdout);
		exit(0);
	default:
		fputs("headrace-fleet: --help lists the options\n", stderr);
		return false;
	}
}

static bool options_parse(struct options *o, int argc, char **argv)
{
	*o = (struct options){
	    .host = "127.0.0.1",
	    .mqtt_port = 1883,
	    .coap_port = 5683,
	    .meters = 200,
	    .seconds = 20,
	    .rate = 1,
	    .seed = 1,
	};
	int option;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (!option_take(o, option))
			return false;
	if (optind < argc) {
		fprintf(stderr, "headrace-fleet: %s: not understood; see --help\n", argv[optind]);
		return false;
	}
	return true;
}

/* --- the loop --- */

static void poll_events(struct fleet *f)
{
	struct epoll_event events[256];
	int n = epoll_wait(f->epoll, events, 256, TURN_MS);
	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == NONE)
			coap_event(f);
		else
			mqtt_event(f, events[i].data.u32, events[i].events);
	}
}

static void live_line(struct fleet *f, uint64_t start_us, uint64_t now_us,
                      const struct totals *before)
{
	const struct totals *t = &f->totals;
	printf("fleet %3.0f s: %u/%u connected, %llu readings/s sent, %llu/s acknowledged, "
	       "%u in flight, publish to ack p50 %.1f ms, max %.1f ms\n",
	       (double)(now_us - start_us) / 1e6, mqtt_connected(f), f->mqtt_senders,
	       (unsigned long long)(t->readings_sent - before->readings_sent),
	       (unsigned long long)(t->readings_acked - before->readings_acked), f->inflight,
	       (double)histogram_percentile_us(&f->latency_second, 50) / 1e3,
	       (double)f->latency_second.max_us / 1e3);
	fflush(stdout);
	memset(&f->latency_second, 0, sizeof f->latency_second);
}

static void run(struct fleet *f)
{
	uint64_t start_us = clock_mono_us(), now_us = start_us;
	uint64_t second_us = start_us + 1000000, keep_us = start_us;
	uint64_t end_us = start_us + f->options.seconds * 1000000ull;
	uint64_t drain_us = (f->options.reconnect ? DRAIN_RESTART_S : DRAIN_S) * 1000000ull;
	bool sending = true;
	struct totals before = f->totals;
	traffic_start(f, start_us);
	while (stop_signals < 2 && (sending || (f->inflight && now_us < end_us + drain_us))) {
		poll_events(f);
		now_us = clock_mono_us();
		if (now_us >= keep_us) {
			mqtt_housekeep(f, now_us);
			coap_housekeep(f, now_us);
			keep_us = now_us + 50000;
		}
		if (sending && (now_us >= end_us || stop_signals)) {
			sending = false;
			end_us = now_us;
		}
		if (sending)
			traffic_run(f, now_us);
		traffic_run_waiting(f, now_us);
		if (now_us >= second_us && !f->options.quiet) {
			live_line(f, start_us, now_us, &before);
			before = f->totals;
			second_us += 1000000;
		}
	}
	if (f->inflight)
		f->failed = true;
}

static int summary_write(const struct fleet *f)
{
	if (!f->options.summary_file)
		return 0;
	FILE *out = fopen(f->options.summary_file, "w");
	if (!out) {
		fprintf(stderr, "headrace-fleet: %s: %s\n", f->options.summary_file,
		        strerror(errno));
		return -1;
	}
	const struct totals *t = &f->totals;
	fprintf(out,
	        "{\"meters\":%u,\"messages_sent\":%llu,\"messages_acked\":%llu,"
	        "\"messages_again\":%llu,\"readings_sent\":%llu,\"readings_acked\":%llu,"
	        "\"readings_unanswered\":%llu,\"readings_abandoned\":%llu,"
	        "\"messages_unsettled\":%u,\"connections_lost\":%llu,\"overloaded\":%llu,"
	        "\"latency_us\":{\"p50\":%llu,\"p99\":%llu,\"max\":%llu}}\n",
	        f->options.meters, (unsigned long long)t->messages_sent,
	        (unsigned long long)t->messages_acked, (unsigned long long)t->messages_again,
	        (unsigned long long)t->readings_sent, (unsigned long long)t->readings_acked,
	        (unsigned long long)t->unanswered, (unsigned long long)t->abandoned, f->inflight,
	        (unsigned long long)t->connections_lost, (unsigned long long)t->overloaded,
	        (unsigned long long)histogram_percentile_us(&f->latency, 50),
	        (unsigned long long)histogram_percentile_us(&f->latency, 99),
	        (unsigned long long)f->latency.max_us);
	return fclose(out) ? -1 : 0;
}

/* Three descriptors per MQTT client, one per CoAP session. */
static void descriptors_raise(void)
{
	struct rlimit limit;
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	static struct fleet fleet = {.free_message = NONE, .waiting_first = NONE,
	                             .waiting_last = NONE};
	struct fleet *f = &fleet;
	if (!options_parse(&f->options, argc, argv))
		return 2;
	f->random = f->options.seed;
	fleet_populate(f);
	if (f->options.devices_file)
		return fleet_write_devices(f, f->options.devices_file) ? 1 : 0;

	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	descriptors_raise();
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (f->epoll < 0 || ledger_open(f) || mqtt_start(f) || coap_start(f))
		return 1;
	run(f);
	int bad = ledger_close(f) | summary_write(f);
	mqtt_stop(f);
	coap_stop(f);
	close(f->epoll);
	if (f->failed)
		fprintf(stderr, "headrace-fleet: %llu connections lost, %llu readings given up, "
		        "%u messages without an answer at the end\n",
		        (unsigned long long)f->totals.connections_lost,
		        (unsigned long long)f->totals.abandoned, f->inflight);
	if (bad)
		return 1;
	return f->failed ? 3 : 0;
}
