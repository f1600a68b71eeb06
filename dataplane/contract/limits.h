/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that shape structs. What an operator may choose is in the configuration instead. */
#ifndef HEADRACE_CONTRACT_LIMITS_H
#define HEADRACE_CONTRACT_LIMITS_H

#define MAX_IO_WORKERS    16
#define MAX_STAGE_WORKERS 16
#define MAX_WORKERS       32 /* threads; each runs one or more stages */

#define READING_CHANNELS  8     /* channel values in one reading */
#define DEVICE_ID_BYTES   64    /* longest device id, without terminator */
#define CLIENT_ID_BYTES   64    /* longest client id kept for the error queue (longer: cut) */
#define TOPIC_BYTES       256   /* longest telemetry topic or URI path */
#define BATCH_READINGS    64    /* readings in one batch */
#define BATCH_ARENA_BYTES 65535 /* raw bytes in one batch: offsets are 16 bits */
/* Largest telemetry payload: with its origin it must fit an empty batch's arena. */
#define PAYLOAD_BYTES_MAX 60000

#define DEVICE_NONE UINT32_MAX
#define TICKET_NONE UINT32_MAX

#endif
