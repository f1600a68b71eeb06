/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records inside a journal block: how a reading and an error entry are written down.
 * The store keeps error entries in the same form.
 */
#ifndef HEADRACE_JOURNAL_RECORD_H
#define HEADRACE_JOURNAL_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/batch.h"
#include "contract/stored.h"

/* The records of one batch never take more: what the smallest block has room for. */
#define RECORD_BATCH_BYTES_MAX (128 * 1024 - 1024)

enum record_kind {
	RECORD_END,     /* no more records */
	RECORD_READING,
	RECORD_ERROR,
	RECORD_DAMAGED, /* the bytes don't make a record */
};

/* Bytes the record of batch->readings[index] takes; 0 for fates that leave no record. */
uint32_t record_bytes(const struct batch *batch, uint32_t index);

/* Write it; returns the end. The caller has made room. */
uint8_t *record_put(uint8_t *at, const struct batch *batch, uint32_t index);

struct record {
	enum record_kind kind;
	struct stored_reading reading; /* RECORD_READING */
	struct stored_error error;     /* RECORD_ERROR; `number` is for the caller to set */
	const uint8_t *body;           /* RECORD_ERROR: the encoded form, for keeping */
	uint32_t body_bytes;
};

/* Take the record at *at (before `end`) apart and move *at behind it. Untrusted bytes. */
enum record_kind record_get(const uint8_t **at, const uint8_t *end, struct record *record);

/* The encoded form of an error entry, taken apart. False: damaged. Untrusted bytes. */
bool record_error_parse(const uint8_t *body, uint32_t bytes, struct stored_error *error);

#endif
