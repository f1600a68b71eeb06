/* SPDX-License-Identifier: Apache-2.0 */
#include "control/events/rules.h"

#include <string.h>

const char *const event_kind_name[EVENT_KIND_COUNT] = {
#define EVENT_KIND_NAME(id, name, severity, hand, hours, help) name,
    EVENT_KINDS(EVENT_KIND_NAME)
#undef EVENT_KIND_NAME
};

const char *const event_kind_help[EVENT_KIND_COUNT] = {
#define EVENT_KIND_HELP(id, name, severity, hand, hours, help) help,
    EVENT_KINDS(EVENT_KIND_HELP)
#undef EVENT_KIND_HELP
};

const char *const event_severity_name[EVENT_SEVERITIES] = {"info", "warning", "critical"};

enum event_kind event_kind_find(const char *name)
{
	int k = 0;
	while (k < EVENT_KIND_COUNT && strcmp(event_kind_name[k], name) != 0)
		k++;
	return (enum event_kind)k;
}

enum event_severity event_severity_find(const char *name)
{
	int s = 0;
	while (s < EVENT_SEVERITIES && strcmp(event_severity_name[s], name) != 0)
		s++;
	return (enum event_severity)s;
}

void event_kind_rules_default(struct event_kind_rule rules[EVENT_KIND_COUNT])
{
	static const struct event_kind_rule defaults[EVENT_KIND_COUNT] = {
#define EVENT_KIND_RULE(id, name, level, hand, hours, help)                                        \
	{.severity = EVENT_##level, .by_hand = hand, .quiet_h = hours},
	    EVENT_KINDS(EVENT_KIND_RULE)
#undef EVENT_KIND_RULE
	};
	memcpy(rules, defaults, sizeof defaults);
}
