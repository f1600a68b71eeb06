/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile: how the messages of one kind of meter are recognised, decoded and validated.
 * Read from configs/profiles/ at start by control/config, immutable afterwards. Names, scales and
 * units of the wire are here, never in code.
 */
#ifndef HEADRACE_CONTRACT_PROFILE_H
#define HEADRACE_CONTRACT_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/limits.h"

#define PROFILE_NAME_BYTES  48
#define PROFILE_FIELDS_MAX  32
#define PROFILE_PATH_BYTES  64
#define PROFILE_TEXT_BYTES  32
#define PROFILE_UNIT_BYTES  16
#define PROFILE_MATCHES_MAX 16
#define PROFILE_MATCH_BYTES 256
#define PROFILES_MAX        64

/* What a field of the payload is for. */
enum field_role {
	FIELD_IGNORED,   /* known, carries nothing for us */
	FIELD_DEVICE,    /* string: the device id */
	FIELD_TIMESTAMP, /* the meter's time */
	FIELD_COLLECTED, /* the gateway's collection time */
	FIELD_CHANNEL,   /* a number for `slot` */
	FIELD_STATUS,    /* string: READING_F_STATUS unless it equals `good` */
	FIELD_TAMPER,    /* boolean: READING_F_TAMPER when true */
};

enum time_format {
	TIME_ISO8601,  /* RFC 3339, "2025-06-15T14:15:00Z"; any offset, up to ms */
	TIME_EPOCH_S,  /* number of seconds since 1970 */
	TIME_EPOCH_MS, /* number of milliseconds since 1970 */
};

/* What the payload is written in. Bits of this order make a set (content.h). */
enum payload_format {
	FORMAT_JSON,      /* objects with the fields' paths as members */
	FORMAT_SENML,     /* RFC 8428, JSON or CBOR, told by the first byte */
	FORMAT_CBOR,      /* the compact batch of docs/PAYLOADS.md */
	FORMAT_SPARKPLUG, /* Sparkplug B: protobuf, with state for each edge node */
	FORMAT_COUNT,
};

/* Where the device id is. */
enum device_source {
	DEVICE_FROM_PAYLOAD, /* FORMAT_JSON: the field with FIELD_DEVICE; FORMAT_CBOR: the row */
	DEVICE_FROM_TOPIC,   /* a level of the MQTT topic or CoAP path */
	DEVICE_FROM_KEY,     /* FORMAT_JSON: {"<device>": [readings], ...} */
	DEVICE_FROM_NAME,    /* FORMAT_SENML: in the resolved name, before the channel's */
};

struct profile_field {
	/* FORMAT_JSON: member names joined by '.', "energy.active_kwh". Others: the whole name. */
	char path[PROFILE_PATH_BYTES];
	enum field_role role;
	enum time_format time_format; /* FIELD_TIMESTAMP, FIELD_COLLECTED */
	bool required;
	uint8_t slot;       /* FIELD_CHANNEL: index into channels */
	int8_t scale_pow10; /* FIELD_CHANNEL: canonical = wire number * 10^scale / divisor */
	uint8_t divisor;    /* 0 stands for 1; 36: from joules */
	bool sum;           /* FORMAT_SENML: the record's sum, not its value */
	char unit[PROFILE_UNIT_BYTES];  /* of the wire; a record that names another is refused */
	char good[PROFILE_TEXT_BYTES]; /* FIELD_STATUS */
};

struct profile_channel {
	uint8_t channel; /* id in the catalogue */
	bool negative_allowed;
	int64_t min, max; /* canonical units, both allowed; INT64_MIN and INT64_MAX: no limit */
};

struct profile {
	uint8_t id; /* 1..255: stored with each reading, never reused; one id per version */
	uint16_t version;
	char name[PROFILE_NAME_BYTES];

	/* recognition: any topic (MQTT filter syntax) or URI path, then the payload signature */
	uint32_t topic_count, uri_count;
	char topics[PROFILE_MATCHES_MAX][PROFILE_MATCH_BYTES];
	char uris[PROFILE_MATCHES_MAX][PROFILE_MATCH_BYTES];
	char signature[PROFILE_MATCH_BYTES]; /* Hyperscan expression; "": any payload */

	/* decoding */
	enum payload_format format;
	enum device_source device_source;
	uint8_t topic_level; /* DEVICE_FROM_TOPIC: which level is the id, from 1 */
	/* DEVICE_FROM_NAME: "<prefix><device><separator><channel>", split at the last separator,
	 * or at the first one behind the prefix */
	char name_prefix[PROFILE_PATH_BYTES];
	char name_separator;
	bool split_first;
	uint32_t field_count;
	struct profile_field fields[PROFILE_FIELDS_MAX];
	uint32_t channel_count;
	struct profile_channel channels[READING_CHANNELS];
	int8_t register_slot; /* the cumulative energy register of the sequence rule; -1: none */
	int8_t register_kwh_pow10; /* 1 kWh = 10^this canonical units of the register */
	int8_t battery_slot;       /* battery level for READING_F_LOW_BATTERY; -1 */
	int64_t battery_low;       /* canonical units; at or below: low */

	/* validation */
	uint32_t interval_ms;      /* nominal distance of readings */
	uint32_t drift_accept_ms;  /* |drift| up to this: accepted (60 s) */
	uint32_t drift_flag_ms;    /* up to this: accepted, flagged (300 s) */
	uint32_t drift_replace_ms; /* up to this: replaced by the collection time (3,600 s) */
	uint64_t late_max_ms;      /* older than this when received: error queue (48 h) */
	uint32_t capacity_w;       /* where the registry says nothing; 0: no check */
	uint8_t dials;             /* likewise: decimal digits of the register in kWh; 0: none */
};

/* All profiles in order of preference: the first whose topic and signature match wins. */
struct profile_set {
	uint32_t count;
	struct profile profiles[PROFILES_MAX];
	const struct profile *by_id[256];
};

#endif
