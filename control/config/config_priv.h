/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace.yaml as libcyaml loads it: every number a pointer, NULL where the file says nothing, so
 * that defaults and ranges are in one table. Private to control/config.
 *
 * S(section, key, default, least, most)
 */
#ifndef HEADRACE_CONFIG_CONFIG_PRIV_H
#define HEADRACE_CONFIG_CONFIG_PRIV_H

#include <cyaml/cyaml.h>
#include <stdint.h>

#include "control/config/config.h"
#include "control/config/yaml_file.h"

/* clang-format off */
#define DPDK_NUMBERS(S) \
	S(dpdk, memory_mb,              64,    16,  1048576)
#define MQTT_NUMBERS(S) \
	S(mqtt, port,                 1883,     0,    65535) \
	S(mqtt, packet_bytes_max,    65000,  1024,  1048576) \
	S(mqtt, keep_alive_max_s,     3600,     0,    65535) \
	S(mqtt, connect_timeout_ms,  10000,   100,   600000) \
	S(mqtt, inflight_max,           64,     1,     1024) \
	S(mqtt, topic_alias_max,        16,     0,     1024) \
	S(mqtt, alias_memory_kb,      1024,     1,  1048576)
#define BROKER_NUMBERS(S) \
	S(broker, memory_mb,           256,     1,  1048576) \
	S(broker, queue_messages,     1000,     1, 10000000) \
	S(broker, inflight_max,         64,     1,     4096) \
	S(broker, sessions_max,     100000,     0, 100000000) \
	S(broker, session_expiry_max_s, 2592000, 0, 4294967294) \
	S(broker, subscriptions_max,  1000,     1, 10000000) \
	S(broker, retained_max,     100000,     0, 100000000)
#define COAP_NUMBERS(S) \
	S(coap, port,                 5683,     0,    65535) \
	S(coap, exchanges_max,       65536,    64, 16777216) \
	S(coap, separate_after_ms,    1000,     1,     1999) \
	S(coap, overload_max_age_s,     30,     1,     3600) \
	S(coap, answers_max,          4096,    16,  1048576) \
	S(coap, bodies_max,             64,     1,     1024) \
	S(coap, body_idle_s,            30,     1,      247) \
	S(coap, observers_max,        1024,     1,    65536) \
	S(coap, notify_con_every,        8,     1,      255) \
	S(coap, leisure_ms,           5000,     0,    60000) \
	S(coap, registrations_max,   10000,     1,  1000000)
#define LIMITS_NUMBERS(S) \
	S(limits, connections,       16384,     1, 16777216) \
	S(limits, devices,          100000,     1, 100000000) \
	S(limits, batches,             256,    64,    65536) \
	S(limits, detours,             256,     1,     4096) \
	S(limits, messages,          65536,    64, 16777216) \
	S(limits, rx_memory_mb,         64,     1,   262144) \
	S(limits, tx_memory_mb,         32,     1,   262144) \
	S(limits, sparkplug_nodes,    1024,     1,  1048576) \
	S(limits, sparkplug_metrics, 32768,     1, 16777216)
#define JOURNAL_NUMBERS(S) \
	S(journal, segment_mb,          64,     4,     4096) \
	S(journal, segments_spare,       2,     1,       64) \
	S(journal, size_max_mb,       4096,     0, 16777216) \
	S(journal, block_kb,           256,   128,     1024) \
	S(journal, buffers,             32,     3,       64) \
	S(journal, inflight,             2,     1,        8)
#define STORE_NUMBERS(S) \
	S(store, run_readings,      262144,   256, 16777216) \
	S(store, run_age_ms,          5000,    10,   600000) \
	S(store, cache_mb,              64,     1,  1048576) \
	S(store, flush_s,              300,     1,    86400)
#define RETENTION_NUMBERS(S) \
	S(retention, raw_days,          90,     0,    36500) \
	S(retention, hour_days,        365,     0,    36500) \
	S(retention, day_days,        1825,     0,    36500)
#define VALIDATION_NUMBERS(S) \
	S(validation, drift_accept_s,   60,     0,    86400) \
	S(validation, drift_flag_s,    300,     0,    86400) \
	S(validation, drift_replace_s, 3600,    0,    86400) \
	S(validation, late_max_h,       48,     1,     8760)
#define REGISTRY_NUMBERS(S) \
	S(registry, pending_max,     10000,     0, 100000000)
#define API_NUMBERS(S) \
	S(api, requests_per_s,         100,     1,  1000000) \
	S(api, connections,             64,     1,     4096) \
	S(api, connections_per_address,  8,     1,     4096) \
	S(api, request_timeout_s,       30,     1,     3600) \
	S(api, audit_log_entries,  1000000,     0, 1000000000)
/* clang-format on */

#define RAW_NUMBER(section, key, otherwise, least, most) int64_t *key;

struct raw_port {
	char *device, *address, *gateway, *address6, *gateway6;
	int64_t *mtu, *queues, *vlan;
	int *distribution;
};

struct raw_worker {
	int64_t cpu;
	char **stages;
	uint32_t stages_count;
};

struct raw_dpdk {
	DPDK_NUMBERS(RAW_NUMBER)
	int *hugepages;
	char *file_prefix;
};
struct raw_mqtt {
	MQTT_NUMBERS(RAW_NUMBER)
	bool *retain, *wildcards, *subscription_ids, *shared;
};
struct raw_broker {
	BROKER_NUMBERS(RAW_NUMBER)
	bool *anonymous;
	int *identity;
	char *password_file, *acl_file;
};
struct raw_coap {
	COAP_NUMBERS(RAW_NUMBER)
	bool *multicast, *interop;
};
struct raw_limits {
	LIMITS_NUMBERS(RAW_NUMBER)
};
struct raw_journal {
	JOURNAL_NUMBERS(RAW_NUMBER)
	char *dir;
};
struct raw_store {
	STORE_NUMBERS(RAW_NUMBER)
	char *dir;
};
struct raw_retention {
	RETENTION_NUMBERS(RAW_NUMBER)
};
struct raw_validation {
	VALIDATION_NUMBERS(RAW_NUMBER)
};
struct raw_registry {
	REGISTRY_NUMBERS(RAW_NUMBER)
	char *file, *allow_list;
	int *authorisation, *registration;
};
struct raw_territory {
	char *timezone;
};
struct raw_api {
	API_NUMBERS(RAW_NUMBER)
	char *socket, *listen, *certificate, *key;
	bool *plaintext;
};

struct raw_config {
	struct raw_dpdk dpdk;
	struct raw_port *ports;
	uint32_t ports_count;
	struct raw_worker *workers;
	uint32_t workers_count;
	int *idle;
	struct raw_mqtt mqtt;
	struct raw_broker broker;
	struct raw_coap coap;
	struct raw_limits limits;
	struct raw_journal journal;
	struct raw_store store;
	struct raw_retention retention;
	struct raw_validation validation;
	char *channels_file, *profiles_dir, *tariffs_dir, *vee_dir, *health_file;
	struct raw_territory territory;
	struct raw_registry registry;
	struct raw_api api;
};

extern const cyaml_schema_value_t config_schema;

/* ports: addresses and queues. */
MUST_USE enum result config_take_ports(struct yaml_file *file, const struct raw_config *raw,
                                       struct config *c, struct error *err);
/* workers: each stage exactly once. */
MUST_USE enum result config_take_workers(struct yaml_file *file, const struct raw_config *raw,
                                         struct config *c, struct error *err);

/* `path` is there and can be read; `key` names it in the error. */
MUST_USE enum result config_check_reference(struct yaml_file *file, const char *key,
                                            const char *path, bool folder, struct error *err);
/* api: the TCP address and what it needs. */
MUST_USE enum result config_take_api(struct yaml_file *file, struct config *c, struct error *err);

#endif
