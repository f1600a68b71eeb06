/* SPDX-License-Identifier: Apache-2.0 */
/* What a sender says of its payload: CoAP Content-Format numbers and media types, as sets of
 * enum payload_format (bit i: the format i). Pure functions. */
#ifndef HEADRACE_INGEST_CONTENT_H
#define HEADRACE_INGEST_CONTENT_H

#include <stdint.h>

/* Nothing was said, or nothing that tells one format from another. */
#define CONTENT_ANY 0xff

/* Formats that a Content-Format (RFC 7252 §12.3; RFC 8428 §12.3) may be; 0: none of ours. */
uint8_t content_of_coap(uint16_t content_format);

/* Likewise of a media type, as MQTT 5's Content Type gives it; parameters are passed over. */
uint8_t content_of_media_type(const char *type, uint32_t bytes);

#endif
