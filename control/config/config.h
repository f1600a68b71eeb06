/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: configs/headrace.yaml, the channel catalogue and the profiles, read with
 * libcyaml against a schema. Only this folder sees libcyaml. A wrong key, type or range is
 * RESULT_INPUT with "file:line: what is wrong, what was expected".
 */
#ifndef HEADRACE_CONFIG_CONFIG_H
#define HEADRACE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"
#include "contract/channel.h"
#include "contract/limits.h"
#include "contract/profile.h"

enum config_distribution { DISTRIBUTION_AUTO, DISTRIBUTION_DEVICE, DISTRIBUTION_SOFTWARE };

struct config_port {
	char *device;    /* DPDK vdev ("net_af_packet0,iface=hr0") or PCI address */
	char *address;   /* "10.77.0.1/24": ours on this port */
	char *gateway;   /* optional: next hop for other networks; NULL: none */
	char *address6;  /* optional "2001:db8::1/64"; NULL: no IPv6 */
	char *gateway6;  /* optional; may be link-local */
	uint16_t mtu;    /* default 1500 */
	uint16_t queues; /* io stages that serve it; default 1 */
	enum config_distribution distribution; /* of flows over them; default auto */
	uint16_t vlan;   /* 802.1Q tag of our frames; default 0: untagged */
	/* derived */
	uint8_t ipv4[4], gateway_ipv4[4];
	uint8_t prefix_bits;
	bool has_gateway, has_ipv6, has_gateway6;
	uint8_t ipv6_prefix_bits;
	uint8_t ipv6[16], gateway_ipv6[16];
};

/* A worker thread and the stages it runs. Stage names: "io<N>" (numbered over all ports in
 * order), "stage<N>", "store". Each io and the store exactly once; stages numbered without a
 * gap. */
struct config_worker {
	uint32_t cpu;
	char **stages;
	uint32_t stages_count;
	/* derived */
	uint32_t io_mask, stage_mask;
	bool store;
};

enum config_hugepages { HUGEPAGES_AUTO, HUGEPAGES_YES, HUGEPAGES_NO };
enum config_idle { IDLE_BACKOFF, IDLE_SPIN };
enum config_registration {
	REGISTER_OFF,
	REGISTER_PENDING,
	REGISTER_ALLOW_LIST,
	REGISTER_OPEN
};
enum config_identity { IDENTITY_CLIENT_ID, IDENTITY_USERNAME };
enum config_authorisation { AUTHORISATION_GATEWAY, AUTHORISATION_STRICT };

struct config {
	struct {
		enum config_hugepages hugepages; /* auto: use them when there are any */
		uint32_t memory_mb;              /* for packet buffers; default 64 */
		char *file_prefix;               /* default "headrace" */
	} dpdk;
	struct config_port *ports;
	uint32_t ports_count;
	struct config_worker *workers;
	uint32_t workers_count;
	enum config_idle idle; /* default backoff */

	struct {
		uint16_t port;             /* 1883; 0: off */
		uint32_t packet_bytes_max; /* default 65,000: PAYLOAD_BYTES_MAX + headers */
		uint16_t keep_alive_max_s; /* 0: no limit; default 3,600 */
		uint32_t connect_timeout_ms; /* default 10,000 */
		uint32_t inflight_max;     /* QoS 1, 2 publishes of one connection; default 64 */
		uint16_t topic_alias_max;  /* offered to each client; default 16 */
		uint32_t alias_memory_kb;  /* per io worker; default 1,024 */
		bool retain, wildcards, subscription_ids, shared; /* offered; default yes */
	} mqtt;
	/* what the MQTT broker keeps for its clients */
	struct {
		uint32_t memory_mb;      /* of messages, queues and subscriptions; default 256 */
		uint32_t queue_messages; /* that wait in one session; default 1,000 */
		uint32_t inflight_max;   /* unacknowledged ones to one client; default 64 */
		uint32_t sessions_max;   /* persistent ones; default 100,000 */
		uint32_t session_expiry_max_s; /* 0: no limit; default 2,592,000 (30 days) */
		uint32_t subscriptions_max;    /* of one session; default 1,000 */
		uint32_t retained_max;         /* default 100,000 */
		bool anonymous;                /* clients may name no user; default true */
		enum config_identity identity; /* who it is that sends readings */
		char *password_file, *acl_file; /* NULL: none */
		char *dir; /* derived: in the store's folder */
	} broker;
	struct {
		uint16_t port; /* 5683; 0: off */
		uint32_t exchanges_max;
		uint32_t separate_after_ms;
		uint32_t overload_max_age_s;
		uint32_t answers_max;   /* long answers remembered, per io worker; default 4,096 */
		uint32_t bodies_max;    /* transfers in blocks, per io worker; default 64 */
		uint32_t body_idle_s;   /* default 30 */
		uint32_t observers_max; /* per io worker; default 1,024 */
		uint32_t notify_con_every; /* default 8 */
		uint32_t leisure_ms; /* default 5,000 */
		uint32_t registrations_max; /* in the resource directory; default 10,000 */
		bool interop;   /* the resources of interoperability tests; default false */
		bool multicast; /* listen to the all-CoAP-nodes groups; default true */
	} coap;
	struct {
		uint32_t connections; /* per io worker; default 16,384 */
		uint32_t devices;     /* highest number of devices; default 100,000 */
		uint32_t batches;     /* per io worker; default 256 */
		uint32_t detours;     /* per stage worker; default 256 */
		uint32_t messages;    /* in flight per io worker; default 65,536 */
		uint32_t rx_memory_mb, tx_memory_mb; /* of TCP, per io worker; default 64, 32 */
		/* edge nodes and their metrics, per io worker; default 1,024, 32,768 */
		uint32_t sparkplug_nodes, sparkplug_metrics;
	} limits;
	struct {
		char *dir;
		uint32_t segment_mb;     /* default 64 */
		uint32_t segments_spare; /* default 2 */
		uint32_t size_max_mb;    /* default 4,096 */
		uint32_t block_kb;       /* default 256 */
		uint32_t buffers;        /* default 32 */
		uint32_t inflight;       /* default 2 */
	} journal;
	struct {
		char *dir;
		uint32_t run_readings; /* default 262,144 */
		uint32_t run_age_ms;   /* default 5,000 */
		uint32_t cache_mb;     /* default 64 */
		uint32_t flush_s;      /* flushed, and the journal cut, this often; default 300 */
	} store;
	struct {
		uint32_t raw_days;  /* readings; default 90; 0: for ever */
		uint32_t hour_days; /* aggregates of hours; 365 */
		uint32_t day_days;  /* of days; 1,825; those of months stay for ever */
	} retention;
	/* defaults for profiles that don't say otherwise */
	struct {
		uint32_t drift_accept_s;  /* 60 */
		uint32_t drift_flag_s;    /* 300 */
		uint32_t drift_replace_s; /* 3,600 */
		uint32_t late_max_h;      /* 48 */
	} validation;
	char *channels_file; /* relative paths are relative to the configuration file */
	char *profiles_dir;
	char *vee_dir;    /* NULL: the rules that configs/vee/1.yaml shows */
	char *tariffs_dir; /* NULL: no tariffs, nothing is billed */
	char *health_file; /* NULL: the rules that configs/health.yaml shows */
	struct {
		char *timezone; /* whose days and months are meant; default "UTC" */
	} territory;
	struct {
		char *file; /* CSV or JSON imported at start when set */
		enum config_authorisation authorisation;
		enum config_registration registration; /* by devices themselves; default pending */
		char *allow_list;     /* with REGISTER_ALLOW_LIST: who may */
		uint32_t pending_max; /* devices that may wait for approval; default 10,000 */
	} registry;
	struct {
		char *socket; /* path of the API's Unix socket */
		char *listen; /* "127.0.0.1:9404", "[::1]:9404": TCP; NULL: off */
		char *certificate, *key; /* PEM files: TLS; NULL: none */
		bool plaintext;          /* beyond loopback without TLS; default false */
		uint32_t requests_per_s; /* of one token, of one address; default 100 */
		uint32_t connections;    /* over TCP; default 64 */
		uint32_t connections_per_address; /* default 8 */
		uint32_t request_timeout_s; /* for the head, and without progress; default 30 */
		uint32_t audit_log_entries; /* the newest; 0: all; default 1,000,000 */
		/* derived from listen */
		bool ipv6, loopback;
		uint8_t address[16]; /* the first 4 for IPv4 */
		uint16_t port;
	} api;
};

/* Read, check and derive. On success *out is freed with config_free. */
MUST_USE enum result config_load(const char *path, struct config **out, struct error *err);
void config_free(struct config *c);

/* Channel catalogue and profiles (every *.yaml of the folder in name order, which is the order of
 * preference). */
MUST_USE enum result config_load_channels(const char *path, struct channel_catalogue *out,
                                          struct error *err);
MUST_USE enum result config_load_profiles(const char *dir, const struct channel_catalogue *channels,
                                          const struct config *defaults, struct profile_set *out,
                                          struct error *err);

#endif
