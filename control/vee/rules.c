/* SPDX-License-Identifier: Apache-2.0 */
#include "control/vee/rules.h"

#include <string.h>

const struct vee_rule_info vee_rule_info[VEE_RULE_COUNT] = {
#define R(id, text, measure, digits, usual, highest, words)                                        \
	[VEE_RULE_##id] = {.name = text,                                                           \
	                   .unit = measure,                                                        \
	                   .help = words,                                                          \
	                   .decimals = digits,                                                     \
	                   .otherwise = usual,                                                     \
	                   .most = highest},
    VEE_RULES(R)
#undef R
};

void vee_rules_default(struct vee_rules *out)
{
	*out = (struct vee_rules){
	    .from_day = INT32_MIN,
	    .tolerance_s = 60,
	    .interpolate_max_s = 120 * 60,
	    .like_days = 3,
	    .like_days_back = 35,
	    .outage_min = 240,
	    .completeness_min = 9500,
	};
	for (int i = 0; i < VEE_RULE_COUNT; i++)
		out->rule[i] = (struct vee_rule_setting){true, vee_rule_info[i].otherwise};
}

const struct vee_rules *vee_rules_on(const struct vee_rules *newest, int32_t day)
{
	const struct vee_rules *rules = newest;
	while (rules->from_day > day && rules->before)
		rules = rules->before;
	return rules;
}

const struct vee_rule_setting *vee_rule_for(const struct vee_rules *rules, enum vee_rule rule,
                                            const char *profile)
{
	for (uint32_t i = 0; profile && i < rules->override_count; i++) {
		const struct vee_override *o = &rules->overrides[i];
		if (o->rule == rule && strcmp(o->profile, profile) == 0)
			return &o->setting;
	}
	return &rules->rule[rule];
}

bool vee_is_day_off(const struct vee_rules *rules, int32_t day)
{
	uint32_t low = 0, high = rules->holiday_count;
	int32_t weekday = ((day + 3) % 7 + 7) % 7; /* 1970-01-01 was a Thursday; 0: Monday */
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (rules->holidays[middle] < day)
			low = middle + 1;
		else
			high = middle;
	}
	return weekday >= 5 || (low < rules->holiday_count && rules->holidays[low] == day);
}
