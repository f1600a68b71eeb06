/* SPDX-License-Identifier: Apache-2.0 */
#include "control/start_broker.h"

struct broker_config start_broker_config(const struct config *k)
{
	uint32_t expiry_s = k->broker.session_expiry_max_s;
	return (struct broker_config){
	    .core = {.memory_bytes = (uint64_t)k->broker.memory_mb << 20,
	             .queue_messages = k->broker.queue_messages,
	             .inflight_max = k->broker.inflight_max,
	             .sessions_max = k->broker.sessions_max,
	             .session_expiry_max_s = expiry_s ? expiry_s : BROKER_NO_EXPIRY,
	             .subscriptions_max = k->broker.subscriptions_max,
	             .retained_max = k->broker.retained_max,
	             .identity_username = k->broker.identity == IDENTITY_USERNAME},
	    .dir = k->broker.dir,
	    .password_file = k->broker.password_file,
	    .acl_file = k->broker.acl_file,
	    .anonymous = k->broker.anonymous,
	};
}
