/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of validation and estimation as data (configs/vee/): versions with the local day from
 * which they rule, each rule with its limit, switched on or off, for all meters or for those of a
 * profile; and what a rule found.
 *
 * Threads: immutable once read, any thread. Memory: the caller's.
 */
#ifndef HEADRACE_VEE_RULES_H
#define HEADRACE_VEE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/profile.h"

#define VEE_LIKE_DAYS_MAX      8
#define VEE_LIKE_DAYS_BACK_MAX 60
#define VEE_OVERRIDES_MAX      64
#define VEE_HOLIDAYS_MAX       1000
#define VEE_PARTS_MAX          (READING_CHANNELS - 1)

/*
 * R(identifier, name, unit of its limit, decimals of the limit, default, most, help). Limits are
 * whole numbers of 10^-decimals units. The numbers are kept on disk: append only.
 */
/* clang-format off */
#define VEE_RULES(R)                                                                               \
R(SPIKE,      "spike",         "%",   2,   18000,  100000000, "a day's highest interval above its third highest") \
R(SUM,        "sum",           "kWh", 6,    1000, 1000000000, "the day's intervals add up to something else than the register counted") \
R(TOU_SUM,    "tou_sum",       "kWh", 6,  100000, 1000000000, "the registers by time of use add up to something else than the total") \
R(HIGH_USE,   "high_use",      "%",   2,   30000,  100000000, "the day's use above what is customary on like days") \
R(LOW_USE,    "low_use",       "%",   2,    2000,      10000, "the day's use below what is customary on like days") \
R(ZERO_USE,   "zero_use",      "d",   0,       1,         30, "days in a row on which an active meter counted nothing") \
R(INACTIVE,   "inactive_use",  "kWh", 6,       0, 1000000000, "use on a meter that is pending, suspended or retired") \
R(GAP,        "gap",           "min", 0,       0,     100000, "intervals without a reading at one of their ends") \
R(INCOMPLETE, "incomplete",    "%",   2,    9500,      10000, "the day's share of actual values is below") \
R(FELL,       "register_fell", "",    0,       0,          0, "the register fell and did not roll over: reset, exchange or fault")
/* clang-format on */

enum vee_rule {
#define R(id, name, unit, decimals, otherwise, most, help) VEE_RULE_##id,
	VEE_RULES(R)
#undef R
	    VEE_RULE_COUNT
};

struct vee_rule_info {
	const char *name, *unit, *help;
	uint8_t decimals;
	int64_t otherwise, most; /* of the limit */
};
extern const struct vee_rule_info vee_rule_info[VEE_RULE_COUNT];

struct vee_rule_setting {
	bool on;
	int64_t limit;
};

/* For the meters of one profile instead of the rule for all. */
struct vee_override {
	char profile[PROFILE_NAME_BYTES];
	uint8_t rule; /* enum vee_rule */
	struct vee_rule_setting setting;
};

/* A register by time of use: value * 10^pow10 is mWh. */
struct vee_part {
	uint8_t channel;
	int8_t pow10;
};

struct vee_rules {
	int32_t version;           /* 0: those that are built in */
	int32_t from_day;          /* local */
	int32_t tolerance_s;       /* a reading so near to a boundary stands for it */
	int32_t interpolate_max_s; /* gaps up to this are interpolated */
	int32_t like_days;         /* longer ones: the mean of so many like days */
	int32_t like_days_back;    /* which are looked for so many days back */
	int32_t outage_min;        /* a day with zeros for so long is like no other; 0: never */
	int32_t completeness_min;  /* hundredths of a percent of actual values; below: no bill */
	struct vee_rule_setting rule[VEE_RULE_COUNT];
	uint32_t override_count;
	struct vee_override overrides[VEE_OVERRIDES_MAX];
	uint32_t holiday_count;
	int32_t holidays[VEE_HOLIDAYS_MAX]; /* local days, ascending: like days off work */
	uint32_t part_count;
	struct vee_part parts[VEE_PARTS_MAX];
	struct vee_rules *before; /* the version that this one followed; NULL: the first */
};

/* The rules that hold where no file says otherwise. */
void vee_rules_default(struct vee_rules *out);

/* The version that rules on a local day; on days before the first, the first. */
const struct vee_rules *vee_rules_on(const struct vee_rules *newest, int32_t day);

/* A rule as it holds for the meters of a profile (NULL: of none). */
const struct vee_rule_setting *vee_rule_for(const struct vee_rules *rules, enum vee_rule rule,
                                            const char *profile);

/* Saturday, Sunday or a holiday: days are like one another when they agree in this. */
bool vee_is_day_off(const struct vee_rules *rules, int32_t day);

/* What a rule found. Units of value and limit: the rule's. */
struct vee_finding {
	uint8_t rule; /* enum vee_rule */
	int32_t version;
	int64_t from_s, to_s;
	int64_t value, limit;
	int64_t is_mwh, against_mwh; /* the energies compared; 0 where the rule compares none */
};

#endif
