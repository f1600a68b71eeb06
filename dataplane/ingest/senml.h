/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SenML (RFC 8428): records of either representation, and what they mean. Never leaves this folder.
 *
 *	senml_json.c, senml_cbor.c   bytes to struct senml_record, base fields and all
 *	senml.c                      base fields to names, times and values (§4.6), names to devices
 *	                             and channels by the profile, records to readings
 */
#ifndef HEADRACE_INGEST_SENML_H
#define HEADRACE_INGEST_SENML_H

#include "base/bytes.h"
#include "ingest/build.h"

/* Labels (RFC 8428 §12.2, table 4), as bits of senml_record.seen. */
enum senml_label {
	SENML_BVER,
	SENML_BN,
	SENML_BT,
	SENML_BU,
	SENML_BV,
	SENML_BS,
	SENML_N,
	SENML_U,
	SENML_V,
	SENML_VS,
	SENML_VB,
	SENML_S,
	SENML_T,
	SENML_UT,
	SENML_VD,
	SENML_OTHER, /* not ours: passed over */
	SENML_MUST,  /* not ours, but ends in '_': must be understood (§4.4) */
};
#define SENML_BIT(label) (1u << (label))
#define SENML_VALUES                                                                               \
	(SENML_BIT(SENML_V) | SENML_BIT(SENML_VS) | SENML_BIT(SENML_VB) | SENML_BIT(SENML_VD))
#define SENML_BASES (SENML_BIT(SENML_N) - 1)

struct senml_record {
	uint32_t seen; /* labels that are there */
	uint32_t bad;  /* labels whose value has the wrong type */
	struct bytes text[SENML_VD + 1];      /* BN, BU, N, U, VS */
	struct decimal number[SENML_VD + 1];  /* BVER, BT, BV, BS, V, S, T */
	bool vb;
};

/* The base fields in force. */
struct senml {
	struct message *m;
	struct bytes name, unit;
	struct decimal time, value, sum;
	bool has_value, has_sum;
};

/* What a label's value has to be. */
enum senml_type { SENML_TEXT, SENML_NUMBER, SENML_BOOLEAN, SENML_ANY };
static inline enum senml_type senml_type(enum senml_label label)
{
	switch (label) {
	case SENML_BN:
	case SENML_BU:
	case SENML_N:
	case SENML_U:
	case SENML_VS:
		return SENML_TEXT;
	case SENML_BVER:
	case SENML_BT:
	case SENML_BV:
	case SENML_BS:
	case SENML_V:
	case SENML_S:
	case SENML_T:
		return SENML_NUMBER;
	case SENML_VB:
		return SENML_BOOLEAN;
	default:
		return SENML_ANY;
	}
}

enum senml_label senml_label(const uint8_t *text, uint32_t bytes);

static inline void senml_begin(struct senml_record *record)
{
	record->seen = record->bad = 0;
}

/* A record is complete. False: nothing after it can be understood, or there is no room. */
bool senml_take(struct senml *s, const struct senml_record *record);

/* Every record has been taken; `rest`: what can't be parsed, NULL: nothing. Returns the count. */
uint32_t senml_finish(struct senml *s, const uint8_t *rest);

uint32_t senml_json(struct senml *s, const uint8_t *p);
uint32_t senml_cbor(struct senml *s);

#endif
