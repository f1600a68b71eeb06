/* SPDX-License-Identifier: Apache-2.0 */
#include "control/start_pipeline.h"

void start_pipeline_config(const struct config *k, struct pipeline_config *c)
{
	*c = (struct pipeline_config){
	    .port_count = k->ports_count,
	    .worker_count = k->workers_count,
	    .spin = k->idle == IDLE_SPIN,
	    .mqtt_port = k->mqtt.port,
	    .coap_port = k->coap.port,
	    .mqtt = {.packet_bytes_max = k->mqtt.packet_bytes_max,
	             .keep_alive_max_s = k->mqtt.keep_alive_max_s,
	             .connect_timeout_ms = k->mqtt.connect_timeout_ms,
	             .receive_max = (uint16_t)k->mqtt.inflight_max,
	             .topic_alias_max = k->mqtt.topic_alias_max,
	             .no_retain = !k->mqtt.retain,
	             .no_wildcards = !k->mqtt.wildcards,
	             .no_subscription_ids = !k->mqtt.subscription_ids,
	             .no_shared = !k->mqtt.shared},
	    .mqtt_inflight_max = k->mqtt.inflight_max,
	    .mqtt_auth = k->broker.password_file || !k->broker.anonymous,
	    .mqtt_identity_username = k->broker.identity == IDENTITY_USERNAME,
	    .mqtt_alias_bytes = (uint64_t)k->mqtt.alias_memory_kb << 10,
	    .coap = {.exchanges_max = k->coap.exchanges_max,
	             .separate_after_ms = k->coap.separate_after_ms,
	             .overload_max_age_s = k->coap.overload_max_age_s,
	             .payload_bytes_max = PAYLOAD_BYTES_MAX,
	             .answers_max = k->coap.answers_max,
	             .bodies_max = k->coap.bodies_max,
	             .body_idle_ms = k->coap.body_idle_s * 1000,
	             .observers_max = k->coap.observers_max,
	             .notify_con_every = k->coap.notify_con_every,
	             .leisure_ms = k->coap.leisure_ms},
	    .strict_authorisation = k->registry.authorisation == AUTHORISATION_STRICT,
	    .connections = k->limits.connections,
	    .batches = k->limits.batches,
	    .messages = k->limits.messages,
	    .rx_memory_bytes = (uint64_t)k->limits.rx_memory_mb << 20,
	    .tx_memory_bytes = (uint64_t)k->limits.tx_memory_mb << 20,
	    .detours = k->limits.detours,
	    .decoder = {k->limits.sparkplug_nodes, k->limits.sparkplug_metrics},
	    .devices = k->limits.devices,
	};
	for (uint32_t i = 0; i < k->workers_count; i++)
		c->workers[i] = (struct pipeline_worker_config){
		    .cpu = k->workers[i].cpu,
		    .io_mask = k->workers[i].io_mask,
		    .stage_mask = k->workers[i].stage_mask,
		    .store = k->workers[i].store,
		};
}
