/* SPDX-License-Identifier: Apache-2.0 */
/* Sample tariffs A and B, built by hand, and small helpers. */
#ifndef TESTS_BILLING_SAMPLES_H
#define TESTS_BILLING_SAMPLES_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "control/billing/bill.h"

#include <cmocka.h>

#define KWH        INT64_C(1000000)
#define CENT       INT64_C(10000000)
#define ALL_MONTHS 0xfffu
#define ALL_DAYS   0x7fu

static inline int32_t day_of(int32_t year, int32_t month, int32_t day)
{
	return civil_to_day((struct civil_date){year, month, day});
}

static inline void must(enum result result, const struct error *err)
{
	if (result != RESULT_OK)
		fail_msg("%s", err->text);
}

static inline struct calendar *zone(const char *name)
{
	struct calendar *c = NULL;
	struct error err = {""};
	must(calendar_new(name, &c, &err), &err);
	return c;
}

static inline void add_tier(struct tariff *t, int64_t up_to_kwh, int64_t cents)
{
	t->tiers[t->tier_count++] = (struct tariff_tier){
	    up_to_kwh == INT64_MAX ? INT64_MAX : up_to_kwh * KWH, cents * CENT};
}

static inline uint8_t add_period(struct tariff *t, const char *name, int64_t multiplier)
{
	struct tariff_period *p = &t->periods[t->period_count];
	snprintf(p->name, sizeof p->name, "%s", name);
	p->multiplier = multiplier;
	return (uint8_t)t->period_count++;
}

static inline void use(struct tariff *t, uint32_t from_hour, uint32_t to_hour, uint8_t period)
{
	struct error err = {""};
	must(tariff_use(t, ALL_MONTHS, ALL_DAYS, from_hour * 4, to_hour * 4, period, &err), &err);
}

static inline void name_it(struct tariff *t, const char *id, int32_t version)
{
	tariff_init(t);
	snprintf(t->id, sizeof t->id, "%s", id);
	snprintf(t->currency, sizeof t->currency, "USD");
	t->version = version;
	t->from_day = day_of(2020, 1, 1);
}

static inline void sample_a(struct tariff *t)
{
	struct error err = {""};
	name_it(t, "A", 1);
	add_tier(t, 100, 10);
	add_tier(t, 400, 12);
	add_tier(t, INT64_MAX, 15);
	use(t, 0, 24, add_period(t, "all_day", MULTIPLIER_ONE));
	must(tariff_check(t, NULL, &err), &err);
}

/* With time of use, or flat. */
static inline void sample_b(struct tariff *t, bool flat)
{
	struct error err = {""};
	name_it(t, "B", 1);
	add_tier(t, 100, 8);
	add_tier(t, 300, 10);
	add_tier(t, 500, 12);
	add_tier(t, INT64_MAX, 15);
	if (flat) {
		use(t, 0, 24, add_period(t, "all_day", MULTIPLIER_ONE));
	} else {
		uint8_t off = add_period(t, "off_peak", MULTIPLIER_ONE * 8 / 10);
		uint8_t mid = add_period(t, "mid_peak", MULTIPLIER_ONE);
		uint8_t on = add_period(t, "on_peak", MULTIPLIER_ONE * 15 / 10);
		use(t, 22, 6, off);
		use(t, 6, 14, mid);
		use(t, 14, 19, on);
		use(t, 19, 22, mid);
	}
	must(tariff_check(t, NULL, &err), &err);
}

#endif
