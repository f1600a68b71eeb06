/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CoAP service: what CoAP clients ask for that the data path does not hold. One thread answers
 * the requests of all io workers over the rings of contract/coap_service.h:
 *
 *   /.well-known/core         what there is (RFC 6690)
 *   /readings/DEVICE          the last reading; can be observed
 *   /cmd/DEVICE, ...          commands for a device; to be observed by it
 *   /rd, /rd-lookup/ep, /res  resource directory (RFC 9176); registers devices in the registry
 *   interoperability tests    when configured
 *
 * Threads: one of its own; coap_service_command from any other ordinary thread. Memory: the heap,
 * bounded by the configuration. It reads the store and the registry like the API does, and never
 * makes a worker wait.
 */
#ifndef HEADRACE_CONTROL_COAP_SERVICE_H
#define HEADRACE_CONTROL_COAP_SERVICE_H

#include <stdint.h>

#include "base/result.h"
#include "contract/channel.h"
#include "contract/coap_service.h"
#include "contract/profile.h"
#include "control/registry/registration.h"
#include "control/registry/registry.h"
#include "storage/store/store.h"

struct coap_service;

/* All of it outlives the service. */
struct coap_service_config {
	const struct channel_catalogue *channels;
	const struct profile_set *profiles;
	struct store *store;
	struct registry *registry;
	struct registration *registration;
	uint32_t io_count;
	uint32_t observers_max;     /* per io worker, as there */
	uint32_t registrations_max; /* in the resource directory */
	bool interop;
};

/* Start the thread, before the pipeline. */
MUST_USE enum result coap_service_start(const struct coap_service_config *config,
                                        struct coap_service **out, struct error *err);
/* For the pipeline. */
struct coap_link *coap_service_link(struct coap_service *s);

/* After the pipeline was stopped. NULL is fine. */
void coap_service_stop(struct coap_service *s);

/*
 * A message was published under "cmd/DEVICE" or "cmd/DEVICE/...": its observers get it, in order,
 * each when it has acknowledged the one before. Any ordinary thread. `retain` with an empty payload
 * takes back what was retained, which is no command.
 */
void coap_service_command(void *service, const char *topic, size_t topic_bytes,
                          const uint8_t *payload, size_t payload_bytes, bool retain);

/* COAP_SERVICE_COUNTS(X): X(identifier, name, help) */
/* clang-format off */
#define COAP_SERVICE_COUNTS(X) \
	X(REQUESTS, "coap_service_requests", "requests answered by the CoAP service") \
	X(NOTIFICATIONS, "coap_service_notifications", "notifications handed to the io workers") \
	X(COMMANDS, "coap_commands", "commands for devices, published under cmd/") \
	X(COMMANDS_DROPPED, "coap_commands_dropped", "commands dropped: too long, or a queue was full") \
	X(REGISTERED, "coap_registered", "registrations in the resource directory") \
	X(REGISTRATIONS_REFUSED, "coap_registrations_refused", "registrations refused by the directory") \
	X(REGISTRATIONS_EXPIRED, "coap_registrations_expired", "registrations whose lifetime ran out")
/* clang-format on */

enum coap_service_count {
#define COAP_SERVICE_ID(id, name, help) COAP_SERVICE_##id,
	COAP_SERVICE_COUNTS(COAP_SERVICE_ID)
#undef COAP_SERVICE_ID
	COAP_SERVICE_COUNT_COUNT
};
extern const struct counter_info coap_service_info[COAP_SERVICE_COUNT_COUNT];
const _Atomic uint64_t *coap_service_counts(const struct coap_service *s);

#endif
