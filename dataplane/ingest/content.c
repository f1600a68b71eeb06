/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/content.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "contract/profile.h"

#define JSON  (1u << FORMAT_JSON | 1u << FORMAT_SENML)
#define CBOR  (1u << FORMAT_CBOR | 1u << FORMAT_SENML)
#define SENML (1u << FORMAT_SENML)

static const struct {
	uint16_t number; /* CoAP Content-Formats, IANA */
	uint8_t formats;
	const char *media_type;
} contents[] = {
    {0, CONTENT_ANY, "text/plain"},
    {42, CONTENT_ANY, "application/octet-stream"},
    {50, JSON, "application/json"},
    {60, CBOR, "application/cbor"},
    {110, SENML, "application/senml+json"},
    {111, SENML, "application/sensml+json"},
    {112, SENML, "application/senml+cbor"},
    {113, SENML, "application/sensml+cbor"},
};

uint8_t content_of_coap(uint16_t content_format)
{
	for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++)
		if (contents[i].number == content_format)
			return contents[i].formats;
	return 0;
}

uint8_t content_of_media_type(const char *type, uint32_t bytes)
{
	const char *end = memchr(type, ';', bytes);
	size_t length = end ? (size_t)(end - type) : bytes;

	while (length > 0 && type[length - 1] == ' ')
		length--;
	for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++)
		if (strlen(contents[i].media_type) == length &&
		    strncasecmp(contents[i].media_type, type, length) == 0)
			return contents[i].formats;
	return 0;
}
