/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's counters: X(identifier, name, help). Written by its thread, read by anybody. */
#ifndef HEADRACE_BROKER_COUNTERS_H
#define HEADRACE_BROKER_COUNTERS_H

#include "contract/counters.h"

/* clang-format off */
#define BROKER_COUNTERS(X) \
	X(CONNECTS, "broker_connects", "connections accepted") \
	X(RESUMED, "broker_sessions_resumed", "of these, with the session of an earlier connection (MQTT5 3.1.2.4)") \
	X(TAKEN_OVER, "broker_taken_over", "connections closed for a newer one of the same client (MQTT5 3.1.4)") \
	X(REFUSED_CREDENTIALS, "broker_refused_credentials", "connections refused: unknown user or wrong password") \
	X(REFUSED_ANONYMOUS, "broker_refused_anonymous", "connections refused: no user name, and broker.anonymous is false") \
	X(REFUSED_WILL, "broker_refused_will", "connections refused: their will's topic is not allowed, or there is no memory for it") \
	X(REFUSED_SESSIONS, "broker_refused_sessions", "connections refused: broker.sessions_max persistent sessions") \
	X(SESSIONS_EXPIRED, "broker_sessions_expired", "sessions ended by their expiry interval (MQTT5 3.1.2.11.2)") \
	X(WILLS, "broker_wills", "wills published (MQTT5 3.1.2.5)") \
	X(SUBSCRIBED, "broker_subscribed", "filters subscribed to") \
	X(SUBSCRIBE_REFUSED, "broker_subscribe_refused", "filters refused: not allowed, or too many") \
	X(UNSUBSCRIBED, "broker_unsubscribed", "filters unsubscribed") \
	/* each PUBLISH that comes in ends in one of these */ \
	X(IN_ROUTED, "broker_in_routed", "PUBLISHes that had subscribers, or were kept as retained") \
	X(IN_NO_SUBSCRIBERS, "broker_in_no_subscribers", "PUBLISHes that nobody subscribed to") \
	X(IN_DUPLICATE, "broker_in_duplicate", "QoS 2 PUBLISHes that had come before (MQTT5 4.3.3)") \
	X(IN_REGISTER, "broker_in_register", "PUBLISHes that were registrations of devices") \
	X(IN_NOT_ALLOWED, "broker_in_not_allowed", "PUBLISHes refused by the access list, or to a topic of the server's own") \
	X(IN_QUOTA, "broker_in_quota", "PUBLISHes refused: broker.memory_mb is used up, or the topic has too many levels") \
	X(IN_STALE, "broker_in_stale", "PUBLISHes of connections that were closed for a newer one") \
	X(IN_READINGS, "broker_in_readings", "stored readings offered to live watchers") \
	/* each copy for a subscriber ends in one of these, or waits */ \
	X(SENT_QOS0, "broker_sent_qos0", "QoS 0 messages sent") \
	X(DONE_QOS1, "broker_done_qos1", "QoS 1 messages acknowledged by their subscriber") \
	X(DONE_QOS2, "broker_done_qos2", "QoS 2 messages completed with their subscriber") \
	X(REFUSED_BY_CLIENT, "broker_refused_by_client", "messages that the subscriber refused in PUBACK or PUBREC (5.0)") \
	X(DROPPED_QOS0, "broker_dropped_qos0", "QoS 0 messages dropped: the subscriber reads too slowly, or is away") \
	X(DROPPED_FULL, "broker_dropped_queue_full", "messages dropped: the session's queue is full") \
	X(DROPPED_EXPIRED, "broker_dropped_expired", "messages that expired while they waited (MQTT5 3.3.2.3.3)") \
	X(DROPPED_LARGE, "broker_dropped_too_large", "messages larger than the client takes (MQTT5 3.1.2.11.4)") \
	X(DROPPED_ENDED, "broker_dropped_session_ended", "messages that waited in a session that ended") \
	X(RESENT, "broker_resent", "messages and PUBRELs sent again after a reconnect (MQTT5 4.4)") \
	X(CLOSED_SLOW, "broker_closed_slow", "connections closed with 0x97: their queue was full") \
	X(CLOSED_QUOTA, "broker_closed_quota", "MQTT 3.1.1 connections closed because a PUBLISH could not be kept") \
	X(RETAINED_SET, "broker_retained_set", "retained messages kept or replaced (MQTT5 3.3.1.3)") \
	X(RETAINED_REFUSED, "broker_retained_refused", "messages not kept as retained: broker.retained_max") \
	X(RETAINED_EXPIRED, "broker_retained_expired", "retained messages that expired") \
	X(COMMITS, "broker_commits", "durable writes of sessions and messages, each for all that came in meanwhile") \
	X(COMMIT_FAILED, "broker_commit_failed", "such writes that failed and were tried again")

#define BROKER_LEVELS(X) \
	X(CONNECTIONS, "broker_connections", "clients connected") \
	X(SESSIONS, "broker_sessions", "persistent sessions, connected or not") \
	X(SUBSCRIPTIONS, "broker_subscriptions", "subscriptions") \
	X(RETAINED, "broker_retained", "retained messages") \
	X(QUEUED, "broker_queued", "copies of messages that wait for subscribers or their acknowledgement") \
	X(MESSAGE_BYTES, "broker_message_bytes", "memory of all messages, queued and retained, and of the queues") \
	X(FILTER_BYTES, "broker_filter_bytes", "memory of all subscriptions")
/* clang-format on */

enum broker_counter {
#define BROKER_ID(id, name, help) BROKER_COUNT_##id,
	BROKER_COUNTERS(BROKER_ID)
#undef BROKER_ID
	BROKER_COUNTER_COUNT
};

enum broker_level {
#define BROKER_ID(id, name, help) BROKER_LEVEL_##id,
	BROKER_LEVELS(BROKER_ID)
#undef BROKER_ID
	BROKER_LEVEL_COUNT
};

extern const struct counter_info broker_counter_info[BROKER_COUNTER_COUNT];
extern const struct counter_info broker_level_info[BROKER_LEVEL_COUNT];

#endif
