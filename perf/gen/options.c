/* SPDX-License-Identifier: Apache-2.0 */
/* Options to struct options. What is wrong is said on stderr, with what is expected. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gen.h"

static const char usage[] =
    "headrace-gen: a fleet of meters on a DPDK port\n"
    "\n"
    "Port\n"
    "  --device D           e.g. net_memif0,role=client,socket=/run/m.sock,socket-abstract=no\n"
    "                       or net_af_packet0,iface=veth1; required\n"
    "  --cpu N              to run on (the last one)\n"
    "  --hugepages H        auto, yes or no (auto)\n"
    "  --memory-mb N        of packet buffers (128)\n"
    "  --file-prefix P      DPDK's (headrace-gen)\n"
    "Addresses\n"
    "  --server A           (10.77.0.1)\n"
    "  --mqtt-port N        (1883)\n"
    "  --coap-port N        (5683)\n"
    "  --first-address A    of the meters, on the server's network (10.77.1.1)\n"
    "  --addresses N        how many: each is good for 16128 meters (at least 16)\n"
    "Fleet\n"
    "  --protocol P         mqtt or coap (mqtt)\n"
    "  --qos Q              MQTT: 0 or 1; CoAP: 0 NON, 1 CON (1)\n"
    "  --meters N           (10000)\n"
    "  --batch N            readings in a message, 1 to 100: a gateway with N meters sends one of\n"
    "                       each; with --profile backlog, N of a meter's past intervals (1)\n"
    "  --shape S            JSON: flat, nested or both; cbor: the flat one's values as a compact\n"
    "                       batch (flat)\n"
    "  --keep-alive S       MQTT (60)\n"
    "Profile\n"
    "  --profile P          steady: messages at --rate for --seconds\n"
    "                       herd: one message of each sender, all within --within seconds\n"
    "                       backlog: the past --intervals of each meter, 15 min apart, at --rate\n"
    "                       hold: connections and keep-alives for --seconds, messages if --rate\n"
    "                       replay: the frames of --pcap, nothing of the fleet\n"
    "                       storm: at --rate: connect, publish, wait for the PUBACK, disconnect\n"
    "  --rate R[,R...]      messages per second of the whole fleet, one step after the other\n"
    "                       (herd: only how many steps there are);\n"
    "                       0: as fast as --inflight-max allows, latencies mean little (1000)\n"
    "  --seconds S          of each step (10)\n"
    "  --within S           (2)\n"
    "  --intervals N        1 to 190 (96)\n"
    "  --arrivals A         poisson or even (poisson)\n"
    "  --warmup S           at the start of each step, not in its latencies (0)\n"
    "  --drain S            wait for answers after a step (10)\n"
    "  --inflight-max N     messages under way (262144)\n"
    "  --nstart N           CoAP: unanswered messages of one meter (1)\n"
    "  --rto-ms N           first retransmission of TCP data (500)\n"
    "  --connect-rate R     connections per second, 0: as fast as --connect-window allows (0)\n"
    "  --connect-window N   connections being set up at once (1024)\n"
    "  --close              disconnect at the end\n"
    "  --pcap FILE          for replay: Ethernet frames; those for one host go to the server\n"
    "  --pcap-speed X       1: with their own distances; 2: twice as fast; 0: at once (1)\n"
    "Impairments, percent\n"
    "  --duplicates P       the sender's last reading once more\n"
    "  --late P             readings 1 to 41 hours old\n"
    "  --loss P, --reorder P  of the frames that leave here\n"
    "Hostile, alongside; the exit status then ignores unanswered messages\n"
    "  --zero-window N      more clients, that never open their window after the handshake\n"
    "  --syn-flood R        SYNs per second from 198.18.0.0/15\n"
    "  --zero-window-from N, --syn-flood-from N  only from that step on (1)\n"
    "  --bridge IF          frames of this interface reach the server too, and its answers come\n"
    "                       back: real clients beside the fleet (on a veth, without offloads)\n"
    "Results\n"
    "  --json FILE          all figures\n"
    "  --ledger FILE        one JSON line per reading of the first million messages\n"
    "  --devices-csv FILE   only write the registry's CSV for these meters\n"
    "  --seed N             of everything random (1)\n"
    "  --quiet              no line per second\n"
    "\n"
    "Latency counts from when a message was due, whether or not it could be sent then.\n"
    "Exit status: 0 everything that asks for an answer got one; 1 could not run; 2 wrong options;\n"
    "3 connections or answers are missing.\n";

enum {
	OPT_DEVICE = 256,
	OPT_CPU,
	OPT_HUGEPAGES,
	OPT_MEMORY,
	OPT_PREFIX,
	OPT_SERVER,
	OPT_MQTT,
	OPT_COAP,
	OPT_FIRST,
	OPT_ADDRESSES,
	OPT_PROTOCOL,
	OPT_QOS,
	OPT_METERS,
	OPT_BATCH,
	OPT_SHAPE,
	OPT_KEEP_ALIVE,
	OPT_PROFILE,
	OPT_RATE,
	OPT_SECONDS,
	OPT_WITHIN,
	OPT_INTERVALS,
	OPT_ARRIVALS,
	OPT_WARMUP,
	OPT_DRAIN,
	OPT_INFLIGHT,
	OPT_NSTART,
	OPT_RTO,
	OPT_CONNECT_RATE,
	OPT_CONNECT_WINDOW,
	OPT_CLOSE,
	OPT_DUPLICATES,
	OPT_LATE,
	OPT_LOSS,
	OPT_REORDER,
	OPT_ZERO_WINDOW,
	OPT_SYN_FLOOD,
	OPT_ZERO_WINDOW_FROM,
	OPT_SYN_FLOOD_FROM,
	OPT_BRIDGE,
	OPT_PCAP,
	OPT_PCAP_SPEED,
	OPT_JSON,
	OPT_LEDGER,
	OPT_DEVICES,
	OPT_SEED,
	OPT_QUIET,
	OPT_HELP,
};

static const struct option long_options[] = {
    {"device", required_argument, NULL, OPT_DEVICE},
    {"cpu", required_argument, NULL, OPT_CPU},
    {"hugepages", required_argument, NULL, OPT_HUGEPAGES},
    {"memory-mb", required_argument, NULL, OPT_MEMORY},
    {"file-prefix", required_argument, NULL, OPT_PREFIX},
    {"server", required_argument, NULL, OPT_SERVER},
    {"mqtt-port", required_argument, NULL, OPT_MQTT},
    {"coap-port", required_argument, NULL, OPT_COAP},
    {"first-address", required_argument, NULL, OPT_FIRST},
    {"addresses", required_argument, NULL, OPT_ADDRESSES},
    {"protocol", required_argument, NULL, OPT_PROTOCOL},
    {"qos", required_argument, NULL, OPT_QOS},
    {"meters", required_argument, NULL, OPT_METERS},
    {"batch", required_argument, NULL, OPT_BATCH},
    {"shape", required_argument, NULL, OPT_SHAPE},
    {"keep-alive", required_argument, NULL, OPT_KEEP_ALIVE},
    {"profile", required_argument, NULL, OPT_PROFILE},
    {"rate", required_argument, NULL, OPT_RATE},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"within", required_argument, NULL, OPT_WITHIN},
    {"intervals", required_argument, NULL, OPT_INTERVALS},
    {"arrivals", required_argument, NULL, OPT_ARRIVALS},
    {"warmup", required_argument, NULL, OPT_WARMUP},
    {"drain", required_argument, NULL, OPT_DRAIN},
    {"inflight-max", required_argument, NULL, OPT_INFLIGHT},
    {"nstart", required_argument, NULL, OPT_NSTART},
    {"rto-ms", required_argument, NULL, OPT_RTO},
    {"connect-rate", required_argument, NULL, OPT_CONNECT_RATE},
    {"connect-window", required_argument, NULL, OPT_CONNECT_WINDOW},
    {"close", no_argument, NULL, OPT_CLOSE},
    {"duplicates", required_argument, NULL, OPT_DUPLICATES},
    {"late", required_argument, NULL, OPT_LATE},
    {"loss", required_argument, NULL, OPT_LOSS},
    {"reorder", required_argument, NULL, OPT_REORDER},
    {"zero-window", required_argument, NULL, OPT_ZERO_WINDOW},
    {"syn-flood", required_argument, NULL, OPT_SYN_FLOOD},
    {"zero-window-from", required_argument, NULL, OPT_ZERO_WINDOW_FROM},
    {"syn-flood-from", required_argument, NULL, OPT_SYN_FLOOD_FROM},
    {"bridge", required_argument, NULL, OPT_BRIDGE},
    {"pcap", required_argument, NULL, OPT_PCAP},
    {"pcap-speed", required_argument, NULL, OPT_PCAP_SPEED},
    {"json", required_argument, NULL, OPT_JSON},
    {"ledger", required_argument, NULL, OPT_LEDGER},
    {"devices-csv", required_argument, NULL, OPT_DEVICES},
    {"seed", required_argument, NULL, OPT_SEED},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static bool wrong(const char *expected)
{
	fprintf(stderr, "headrace-gen: %s: expected %s\n", optarg, expected);
	return false;
}

static bool u64_parse(uint64_t from, uint64_t to, uint64_t *out)
{
	char *end, text[64];
	errno = 0;
	*out = strtoull(optarg, &end, 10);
	if (!errno && *optarg != '-' && end != optarg && !*end && *out >= from && *out <= to)
		return true;
	snprintf(text, sizeof text, "%llu to %llu", (unsigned long long)from,
		 (unsigned long long)to);
	return wrong(text);
}

static bool u32_parse(uint32_t from, uint32_t to, uint32_t *out)
{
	uint64_t v;
	if (!u64_parse(from, to, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool u16_parse(uint16_t *out)
{
	uint64_t v;
	if (!u64_parse(1, 65535, &v))
		return false;
	*out = (uint16_t)v;
	return true;
}

static bool double_parse(double to, double *out)
{
	char *end;
	*out = strtod(optarg, &end);
	return (end != optarg && !*end && *out >= 0 && *out <= to) || wrong("a number in range");
}

static bool percent_parse(double *out)
{
	if (!double_parse(100, out))
		return false;
	*out /= 100;
	return true;
}

static bool rates_parse(struct options *o)
{
	const char *at = optarg;
	for (o->rate_count = 0; o->rate_count < STEPS_MAX;) {
		char *end;
		double rate = strtod(at, &end);
		if (end == at || !(rate >= 0 && rate <= 1e8) || (*end && *end != ','))
			break;
		o->rates[o->rate_count++] = rate;
		if (!*end)
			return true;
		at = end + 1;
	}
	return wrong("up to 32 numbers from 0 to 100000000, with commas between");
}

/* The argument as one of the words; its index. */
static bool word_parse(const char *const *words, uint32_t *out)
{
	char all[128] = "one of";
	for (uint32_t i = 0; words[i]; i++) {
		if (strcmp(words[i], optarg) == 0) {
			*out = i;
			return true;
		}
		strncat(all, " ", sizeof all - strlen(all) - 1);
		strncat(all, words[i], sizeof all - strlen(all) - 1);
	}
	return wrong(all);
}

static bool address_parse(uint8_t out[4])
{
	return inet_pton(AF_INET, optarg, out) == 1 || wrong("an IPv4 address");
}

static bool take_words(struct options *o, int option)
{
	static const char *const protocols[] = {"mqtt", "coap", NULL};
	static const char *const profiles[] = {"steady", "herd", "backlog", "hold",
					       "storm",  "replay", NULL};
	static const char *const shapes[] = {"flat", "nested", "both", "cbor", NULL};
	static const char *const arrivals[] = {"even", "poisson", NULL};
	static const char *const pages[] = {"auto", "yes", "no", NULL};
	static const char *const qualities[] = {"0", "1", NULL};
	uint32_t word;
	switch (option) {
	case OPT_PROTOCOL:
		return word_parse(protocols, &word) && (o->protocol = (enum protocol)word, true);
	case OPT_PROFILE:
		return word_parse(profiles, &word) && (o->profile = (enum profile)word, true);
	case OPT_SHAPE:
		return word_parse(shapes, &word) && (o->shape = (enum shape)word, true);
	case OPT_ARRIVALS:
		return word_parse(arrivals, &word) && (o->poisson = word, true);
	case OPT_HUGEPAGES:
		o->hugepages = optarg;
		return word_parse(pages, &word);
	default:
		return word_parse(qualities, &word) && (o->qos = (uint8_t)word, true);
	}
}

static bool take_number(struct options *o, int option)
{
	switch (option) {
	case OPT_CPU:
		return u32_parse(0, 1023, &o->cpu);
	case OPT_MEMORY:
		return u32_parse(32, 65536, &o->memory_mb);
	case OPT_MQTT:
		return u16_parse(&o->mqtt_port);
	case OPT_COAP:
		return u16_parse(&o->coap_port);
	case OPT_ADDRESSES:
		return u32_parse(1, 65536, &o->addresses);
	case OPT_METERS:
		return u32_parse(1, 50000000, &o->meters);
	case OPT_BATCH:
		return u32_parse(1, BATCH_MAX, &o->batch);
	case OPT_KEEP_ALIVE:
		return u32_parse(0, 65535, &o->keep_alive);
	case OPT_INTERVALS:
		return u32_parse(1, 190, &o->intervals);
	case OPT_INFLIGHT:
		return u32_parse(1, 100000000, &o->inflight_max);
	case OPT_NSTART:
		return u32_parse(1, 1000, &o->nstart);
	case OPT_RTO:
		return u32_parse(50, 60000, &o->rto_ms);
	case OPT_CONNECT_WINDOW:
		return u32_parse(1, 10000000, &o->connect_window);
	case OPT_ZERO_WINDOW:
		return u32_parse(0, 10000000, &o->zero_window);
	case OPT_ZERO_WINDOW_FROM:
		return u32_parse(1, STEPS_MAX, &o->zero_window_from);
	case OPT_SYN_FLOOD_FROM:
		return u32_parse(1, STEPS_MAX, &o->syn_flood_from);
	default:
		return u64_parse(0, UINT64_MAX, &o->seed);
	}
}

static bool take_fraction(struct options *o, int option)
{
	switch (option) {
	case OPT_SECONDS:
		return double_parse(1e7, &o->seconds);
	case OPT_WITHIN:
		return double_parse(1e6, &o->within) && (o->within > 0 || wrong("more than 0"));
	case OPT_WARMUP:
		return double_parse(1e6, &o->warmup);
	case OPT_DRAIN:
		return double_parse(1e6, &o->drain);
	case OPT_CONNECT_RATE:
		return double_parse(1e8, &o->connect_rate);
	case OPT_SYN_FLOOD:
		return double_parse(1e8, &o->syn_flood);
	case OPT_PCAP_SPEED:
		return double_parse(1e6, &o->pcap_speed);
	case OPT_DUPLICATES:
		return percent_parse(&o->duplicates);
	case OPT_LATE:
		return percent_parse(&o->late);
	case OPT_LOSS:
		return percent_parse(&o->loss);
	default:
		return percent_parse(&o->reorder);
	}
}

static bool take(struct options *o, int option)
{
	switch (option) {
	case OPT_DEVICE:
		o->device = optarg;
		return true;
	case OPT_PREFIX:
		o->file_prefix = optarg;
		return true;
	case OPT_SERVER:
		return address_parse(o->server);
	case OPT_FIRST:
		return address_parse(o->first_address);
	case OPT_RATE:
		return rates_parse(o);
	case OPT_PCAP:
		o->pcap_file = optarg;
		return true;
	case OPT_BRIDGE:
		o->bridge = optarg;
		return true;
	case OPT_CLOSE:
		return o->close = true;
	case OPT_QUIET:
		return o->quiet = true;
	case OPT_JSON:
		o->json_file = optarg;
		return true;
	case OPT_LEDGER:
		o->ledger_file = optarg;
		return true;
	case OPT_DEVICES:
		o->devices_file = optarg;
		return true;
	case OPT_PROTOCOL:
	case OPT_PROFILE:
	case OPT_SHAPE:
	case OPT_ARRIVALS:
	case OPT_HUGEPAGES:
	case OPT_QOS:
		return take_words(o, option);
	case OPT_SECONDS:
	case OPT_WITHIN:
	case OPT_WARMUP:
	case OPT_DRAIN:
	case OPT_CONNECT_RATE:
	case OPT_SYN_FLOOD:
	case OPT_PCAP_SPEED:
	case OPT_DUPLICATES:
	case OPT_LATE:
	case OPT_LOSS:
	case OPT_REORDER:
		return take_fraction(o, option);
	case '?':
		return false;
	default:
		return take_number(o, option);
	}
}

/* What can't be said by one option alone. */
static const char *contradiction(struct options *o)
{
	struct item item = {.readings = (uint8_t)o->batch, .flags = ITEM_REPLAY};
	uint32_t senders = o->profile == PROFILE_BACKLOG ? o->meters : o->meters / o->batch;
	uint32_t needed = (senders + o->zero_window + PORT_SLOTS - 1) / PORT_SLOTS;
	if (!o->device && !o->devices_file)
		return "--device is required";
	if ((o->profile == PROFILE_REPLAY) != (o->pcap_file != NULL))
		return "--profile replay and --pcap belong together";
	if (senders == 0)
		return "--meters is less than --batch";
	if (o->addresses == 0)
		o->addresses = needed > 16 ? needed : 16;
	if (o->addresses < needed)
		return "--addresses: too few for so many meters (16128 each)";
	if (o->duplicates + o->late > 1 || o->loss + o->reorder > 1)
		return "percentages add up to more than 100";
	if (o->protocol == PROTOCOL_COAP &&
	    (payload_bytes(o, 1, &item) + 32 > COAP_DATAGRAM || o->zero_window ||
	     o->profile == PROFILE_STORM || o->profile == PROFILE_HOLD))
		return "with CoAP: no batches longer than a datagram, no connections to hold";
	if (payload_bytes(o, 1, &item) + 64 > MESSAGE_MAX)
		return "--batch: the message would be longer than 65000 bytes";
	return NULL;
}

int options_parse(struct options *o, int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	*o = (struct options){
	    .file_prefix = "headrace-gen",
	    .hugepages = "auto",
	    .server = {10, 77, 0, 1},
	    .first_address = {10, 77, 1, 1},
	    .mqtt_port = 1883,
	    .coap_port = 5683,
	    .cpu = cpus > 0 ? (uint32_t)cpus - 1 : 0,
	    .memory_mb = 128,
	    .qos = 1,
	    .meters = 10000,
	    .batch = 1,
	    .intervals = 96,
	    .rates = {1000},
	    .rate_count = 1,
	    .seconds = 10,
	    .within = 2,
	    .drain = 10,
	    .poisson = true,
	    .connect_window = 1024,
	    .keep_alive = 60,
	    .rto_ms = 500,
	    .nstart = 1,
	    .inflight_max = 262144,
	    .pcap_speed = 1,
	    .zero_window_from = 1,
	    .syn_flood_from = 1,
	    .seed = 1,
	};
	int option;
	optind = 1;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == OPT_HELP) {
			fputs(usage, stdout);
			return 1;
		}
		if (!take(o, option)) {
			fputs("headrace-gen: --help lists the options\n", stderr);
			return 3;
		}
	}
	const char *why = optind < argc ? "an argument that is not an option" : contradiction(o);
	if (why)
		fprintf(stderr, "headrace-gen: %s; see --help\n", why);
	return why ? 3 : 0;
}
