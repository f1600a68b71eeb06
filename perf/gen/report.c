/* SPDX-License-Identifier: Apache-2.0 */
/* What is shown: a line per second, a line per step, a table at the end, all of it as JSON. */
#include <errno.h>
#include <string.h>

#include "gen.h"

static const char *const profile_names[] = {"steady", "herd",  "backlog",
					    "hold",   "storm", "replay"};

static unsigned long long ull(uint64_t v)
{
	return v;
}

static double behind_s(const struct gen *g)
{
	double lag = (double)g->now_us - g->schedule.due_us;
	return g->schedule.phase == PHASE_LOAD && lag > 0 && g->schedule.next < g->schedule.total
		   ? lag / 1e6
		   : 0;
}

void report_second(struct gen *g)
{
	static struct totals before;
	static uint64_t before_us;
	static const char *const phases[] = {"arp",   "connect", "load", "drain",
	                                     "pause", "close",   "end"};
	const struct totals *t = &g->totals;
	double s = before_us ? (double)(g->now_us - before_us) / 1e6 : 1;
	if (!g->options.quiet) {
		printf("gen: %-7s %u up, %.0f opened/s, %.0f sent/s, %.0f acked/s, %llu under way, "
		       "%.2f s behind, %llu again, p50 %.2f p99 %.2f max %.2f ms\n",
		       phases[g->schedule.phase], g->up,
		       (double)(t->connected - before.connected) / s,
		       (double)(t->sent - before.sent) / s, (double)(t->acked - before.acked) / s,
		       ull(t->scheduled - t->acked - t->unanswered), behind_s(g),
		       ull(t->tcp_retransmitted + t->coap_retransmitted - before.tcp_retransmitted -
			   before.coap_retransmitted),
		       (double)latency_percentile_us(&g->second, 50) / 1e3,
		       (double)latency_percentile_us(&g->second, 99) / 1e3,
		       (double)g->second.max_us / 1e3);
		fflush(stdout);
	}
	before = *t;
	before_us = g->now_us;
	memset(&g->second, 0, sizeof g->second);
}

void report_step(const struct gen *g, uint32_t step)
{
	const struct step *s = &g->steps[step];
	double seconds = (double)(s->end_us - s->start_us) / 1e6;
	printf("gen: step %u ends: offered %.0f/s, acknowledged %.0f/s, %llu of %llu answered, "
	       "%llu left out, p50 %.2f p90 %.2f p99 %.2f p99.9 %.2f max %.2f ms\n",
	       step + 1, s->rate, seconds > 0 ? (double)s->acked_in_time / seconds : 0,
	       ull(s->acked), ull(s->scheduled), ull(s->left_out),
	       (double)latency_percentile_us(&s->latency, 50) / 1e3,
	       (double)latency_percentile_us(&s->latency, 90) / 1e3,
	       (double)latency_percentile_us(&s->latency, 99) / 1e3,
	       (double)latency_percentile_us(&s->latency, 99.9) / 1e3,
	       (double)s->latency.max_us / 1e3);
	fflush(stdout);
}

static double connect_seconds(const struct gen *g)
{
	const struct schedule *s = &g->schedule;
	if (g->options.profile == PROFILE_STORM)
		return 0; /* they come and go all the time */
	return s->last_up_us > s->first_open_us ? (double)(s->last_up_us - s->first_open_us) / 1e6
						: 0;
}

void report_table(const struct gen *g)
{
	const struct totals *t = &g->totals;
	double connecting = connect_seconds(g);
	printf(
	    "\n%-28s %llu connected of %llu opened, %llu refused, %llu reset, %llu closed by the "
	    "peer, %llu timed out\n",
	    "connections", ull(t->connected), ull(t->opened), ull(t->refused), ull(t->reset),
	    ull(t->closed_by_peer), ull(t->timed_out));
	if (connecting > 0)
		printf("%-28s %.0f/s, %.2f s in all\n", "connections at the start",
		       (double)g->setup.count / connecting, connecting);
	if (g->setup.count)
		printf("%-28s p50 %.2f p99 %.2f max %.2f ms\n", "connection set-up",
		       (double)latency_percentile_us(&g->setup, 50) / 1e3,
		       (double)latency_percentile_us(&g->setup, 99) / 1e3,
		       (double)g->setup.max_us / 1e3);
	printf("%-28s %llu sent, %llu acknowledged, %llu unanswered, %llu refused\n", "messages",
	       ull(t->sent), ull(t->acked), ull(t->scheduled - t->acked), ull(t->rejected));
	printf("%-28s %llu sent, %llu acknowledged\n", "readings", ull(t->readings_sent),
	       ull(t->readings_acked));
	printf("%-28s %llu TCP, %llu CoAP, %llu MQTT after reconnecting, %llu told to wait\n",
	       "sent again", ull(t->tcp_retransmitted), ull(t->coap_retransmitted),
	       ull(t->mqtt_again), ull(t->overloaded));
	printf("%-28s %llu in, %llu out; %llu dropped by the port, %llu lost and %llu reordered on "
	       "purpose\n",
	       "frames", ull(t->rx_frames), ull(t->tx_frames), ull(g->link.dropped),
	       ull(g->link.lost), ull(g->link.reordered));
	if (t->protocol_errors || t->bad_checksum || t->early_acks)
		printf(
		    "%-28s %llu protocol errors, %llu bad checksums, %llu early acknowledgements\n",
		    "the server's faults", ull(t->protocol_errors), ull(t->bad_checksum),
		    ull(t->early_acks));
	if (t->holders || t->floods)
		printf("%-28s %llu zero windows held, %llu of them evicted, %llu SYNs of a flood\n",
		       "hostile", ull(t->holders), ull(t->holders_lost), ull(t->floods));
	if (g->options.pcap_file)
		printf("%-28s %llu frames sent, %llu passed over%s\n", "replayed",
		       ull(t->replayed), ull(t->replay_skipped),
		       g->pcap.cut ? "; the file's end is missing" : "");
	if (g->options.bridge)
		printf("%-28s %llu frames, both ways\n", "bridged", ull(t->bridged));
}

static void put_latency(FILE *out, const char *name, const struct latency *l)
{
	fprintf(out,
		"\"%s\":{\"count\":%llu,\"mean\":%.1f,\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,"
		"\"p99_9\":%llu,\"max\":%llu}",
		name, ull(l->count), latency_mean_us(l), ull(latency_percentile_us(l, 50)),
		ull(latency_percentile_us(l, 90)), ull(latency_percentile_us(l, 99)),
		ull(latency_percentile_us(l, 99.9)), ull(l->max_us));
}

static void put_steps(FILE *out, const struct gen *g)
{
	for (uint32_t i = 0; i <= g->schedule.step; i++) {
		const struct step *s = &g->steps[i];
		double seconds = (double)(s->end_us - s->start_us) / 1e6;
		if (s->start_us == 0)
			break;
		fprintf(out,
			"%s\n  {\"offered_per_s\":%.1f,\"seconds\":%.3f,\"scheduled\":%llu,"
			"\"acked\":%llu,\"acked_per_s\":%.1f,\"left_out\":%llu,"
			"\"generator_cycles_per_message\":%.0f,",
			i ? "," : "", s->rate, seconds, ull(s->scheduled), ull(s->acked),
			seconds > 0 ? (double)s->acked_in_time / seconds : 0, ull(s->left_out),
			s->acked ? (double)s->busy_cycles / (double)s->acked : 0);
		put_latency(out, "latency_us", &s->latency);
		fputs("}", out);
	}
}

static void put_totals(FILE *out, const struct gen *g)
{
	const struct totals *t = &g->totals;
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {
	    {"opened", t->opened},
	    {"established", t->established},
	    {"connected", t->connected},
	    {"refused", t->refused},
	    {"reset", t->reset},
	    {"closed_by_peer", t->closed_by_peer},
	    {"timed_out", t->timed_out},
	    {"closed", t->closed},
	    {"holders", t->holders},
	    {"holders_lost", t->holders_lost},
	    {"syns_flooded", t->floods},
	    {"bridged", t->bridged},
	    {"replayed", t->replayed},
	    {"replay_skipped", t->replay_skipped},
	    {"messages_scheduled", t->scheduled},
	    {"messages_sent", t->sent},
	    {"messages_acked", t->acked},
	    {"messages_unanswered", t->scheduled - t->acked},
	    {"messages_rejected", t->rejected},
	    {"readings_sent", t->readings_sent},
	    {"readings_acked", t->readings_acked},
	    {"tcp_retransmitted", t->tcp_retransmitted},
	    {"coap_retransmitted", t->coap_retransmitted},
	    {"mqtt_again", t->mqtt_again},
	    {"overloaded", t->overloaded},
	    {"pings", t->pings},
	    {"acks_sent", t->acks_sent},
	    {"rx_frames", t->rx_frames},
	    {"tx_frames", t->tx_frames},
	    {"tx_dropped", g->link.dropped},
	    {"impaired_lost", g->link.lost},
	    {"impaired_reordered", g->link.reordered},
	    {"rx_ignored", t->rx_ignored},
	    {"out_of_order", t->out_of_order},
	    {"bad_checksum", t->bad_checksum},
	    {"protocol_errors", t->protocol_errors},
	    {"early_acks", t->early_acks},
	};
	for (uint32_t i = 0; i < sizeof all / sizeof all[0]; i++)
		fprintf(out, "%s\n  \"%s\":%llu", i ? "," : "", all[i].name, ull(all[i].value));
}

int report_json(const struct gen *g, bool complete)
{
	const struct options *o = &g->options;
	if (!o->json_file)
		return 0;
	FILE *out = fopen(o->json_file, "w");
	if (!out) {
		fprintf(stderr, "headrace-gen: %s: %s\n", o->json_file, strerror(errno));
		return -1;
	}
	double connecting = connect_seconds(g);
	fprintf(out,
		"{\"complete\":%s,\n\"conditions\":{\"device\":\"%s\",\"protocol\":\"%s\","
		"\"profile\":\"%s\",\"qos\":%u,\"meters\":%u,\"clients\":%u,\"batch\":%u,"
		"\"arrivals\":\"%s\",\"seed\":%llu,\"bytes_per_client\":%zu},\n",
		complete ? "true" : "false", o->device,
		o->protocol == PROTOCOL_MQTT ? "mqtt" : "coap", profile_names[o->profile], o->qos,
		o->meters, g->client_count, o->batch, o->poisson ? "poisson" : "even", ull(o->seed),
		sizeof(struct client) + sizeof g->last_ts[0]);
	fprintf(out, "\"connections_per_s\":%.1f,\"connect_seconds\":%.3f,",
		connecting > 0 ? (double)g->setup.count / connecting : 0, connecting);
	put_latency(out, "setup_us", &g->setup);
	fputs(",\n\"steps\":[", out);
	put_steps(out, g);
	fputs("],\n\"totals\":{", out);
	put_totals(out, g);
	fputs("}}\n", out);
	int bad = ferror(out);
	return fclose(out) || bad ? -1 : 0;
}
