/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reading on its way from the wire to the journal: two cache lines, no pointers.
 *
 * The io worker fills it (decode, identify), the stage worker gives it a fate and an effective
 * time (validate, dedup), the store worker writes it down. Nobody changes another's fields.
 *
 * Identity is (device, meter_ts_ms): the time as the meter sent it. A timestamp that had to be
 * replaced would otherwise make each retransmission a new reading.
 */
#ifndef HEADRACE_CONTRACT_READING_H
#define HEADRACE_CONTRACT_READING_H

#include <stddef.h>
#include <stdint.h>

#include "contract/fate.h"
#include "contract/limits.h"

enum protocol {
	PROTOCOL_MQTT = 0,
	PROTOCOL_COAP = 1,
	PROTOCOL_REPLAY = 2,
};

/* reading.flags: bits 0-11 below, bits 12-15 the protocol. Stored on disk: append only. */
enum {
	READING_F_DRIFT = 1 << 0,       /* drift between accepted and replaced: flagged */
	READING_F_TS_REPLACED = 1 << 1, /* ts_ms is the collection time, not the meter's */
	READING_F_LATE = 1 << 2,        /* older than a reading of the device already accepted */
	READING_F_ROLLOVER = 1 << 3,    /* the register passed its last dial */
	READING_F_ROUNDED = 1 << 4,     /* a value had more digits than its canonical unit */
	READING_F_TAMPER = 1 << 5,      /* the meter reports tampering */
	READING_F_STATUS = 1 << 6,      /* the meter's status is not its "good" value */
	READING_F_LOW_BATTERY = 1 << 7,
	READING_F_COLLECTED = 1 << 8, /* the collection time came with the message */
	READING_F_LATE_ACCEPTED = 1 << 9, /* too late; an operator accepted it */
	READING_F_CORRECTED = 1 << 10,    /* an operator corrected what the meter sent */
	READING_F_RESET = 1 << 11,        /* the first since the register counts anew */
};
#define READING_PROTOCOL_SHIFT 12

struct reading {
	/* written by the io worker */
	int64_t meter_ts_ms; /* UTC, as the meter sent it; with `device` the identity */
	int64_t received_ms; /* UTC, when the message's last byte was taken */
	/* collection time minus received_ms: 0 for live data, negative for a replay
	 * (saturates at INT32_MIN, 24.8 days) */
	int32_t collected_delta_ms;
	uint32_t device; /* registry number; DEVICE_NONE when unknown */
	uint32_t ticket; /* the io worker's handle of the message; TICKET_NONE: no answer due */
	uint32_t capacity_w; /* largest power of the meter, W; 0: not known */
	uint16_t raw_offset; /* this reading's own bytes in the batch's arena */
	uint16_t raw_bytes;
	uint16_t origin_offset; /* struct origin in the batch's arena, 8-byte aligned */
	uint16_t id_offset;     /* the device id as sent, from raw_offset (may be behind the raw) */
	uint8_t id_bytes;       /* 0: none found */
	uint8_t dials;          /* decimal digits of the register in kWh; 0: not known */
	uint8_t profile;        /* profile id, 1..255; 0: none */
	uint8_t channel_count;
	/* written by the stage worker (by the io worker for what it rejects itself) */
	uint8_t fate; /* enum fate */
	uint8_t id_apart; /* while decoding: id_offset counts in the decoder's own text */
	uint16_t flags; /* the io worker sets its own bits first */
	union {
		int64_t ts_ms;            /* effective time, UTC; with the fate */
		int64_t register_from_ms; /* before: the registry's, written by the io worker */
	};
	uint8_t channel[READING_CHANNELS]; /* channel ids, in the profile's order */
	/* second line */
	int64_t value[READING_CHANNELS]; /* canonical units of the channels */
};

_Static_assert(sizeof(struct reading) == 128, "two cache lines");
_Static_assert(offsetof(struct reading, value) == 64, "values are the second line");

/* Where a message came from; lies in the arena once per message and batch. */
struct origin {
	uint8_t address[16]; /* IPv6 or v4-mapped */
	uint16_t port;
	uint16_t topic_bytes; /* MQTT topic or CoAP path */
	uint8_t client_bytes; /* MQTT client id; 0 for CoAP */
	uint8_t protocol;     /* enum protocol */
	uint8_t qos;          /* MQTT QoS, or 1 for CON and 0 for NON */
	uint8_t spare;
	char text[]; /* client id, then topic */
};

static inline int64_t reading_collected_ms(const struct reading *r)
{
	return r->received_ms + r->collected_delta_ms;
}

#endif
