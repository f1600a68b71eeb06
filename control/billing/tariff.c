/* SPDX-License-Identifier: Apache-2.0 */
#include "control/billing/tariff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define DAY_S 86400

static const char *const month_names[12] = {"January",   "February", "March",    "April",
                                            "May",       "June",     "July",     "August",
                                            "September", "October",  "November", "December"};
static const char *const weekday_names[7] = {"Mondays",   "Tuesdays", "Wednesdays", "Thursdays",
                                             "Fridays",   "Saturdays", "Sundays"};

void tariff_init(struct tariff *t)
{
	memset(t, 0, sizeof *t);
	memset(t->use, TARIFF_NO_PERIOD, sizeof t->use);
	memset(t->holiday_use, TARIFF_NO_PERIOD, sizeof t->holiday_use);
	t->end_day = INT32_MAX;
	t->decimals = 2;
}

/* Returns the quarter hour that is taken; TARIFF_QUARTERS: none was. */
static uint32_t fill_day(uint8_t day[TARIFF_QUARTERS], uint32_t from, uint32_t to, uint8_t period)
{
	uint32_t count = (to + TARIFF_QUARTERS - from) % TARIFF_QUARTERS;
	if (count == 0) /* from an hour to the same: the whole day */
		count = TARIFF_QUARTERS;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *quarter = &day[(from + i) % TARIFF_QUARTERS];
		if (*quarter != TARIFF_NO_PERIOD)
			return (from + i) % TARIFF_QUARTERS;
		*quarter = period;
	}
	return TARIFF_QUARTERS;
}

static enum result taken(const struct tariff *t, const char *day, const char *month,
                         uint32_t quarter, uint8_t first, uint8_t second, struct error *err)
{
	return fail(RESULT_INPUT, err, "%s%s%s at %02u:%02u are in two periods, '%s' and '%s'",
	            day, *month ? " in " : "", month, quarter / 4, quarter % 4 * 15,
	            t->periods[first].name, t->periods[second].name);
}

enum result tariff_use(struct tariff *t, uint32_t months, uint32_t weekdays,
                       uint32_t from_quarter, uint32_t to_quarter, uint8_t period,
                       struct error *err)
{
	CHECK(from_quarter < TARIFF_QUARTERS && to_quarter <= TARIFF_QUARTERS);
	for (uint32_t m = 0; m < 12; m++)
		for (uint32_t d = 0; d < 7; d++) {
			if (!(months >> m & 1) || !(weekdays >> d & 1))
				continue;
			uint32_t q = fill_day(t->use[m][d], from_quarter,
			                      to_quarter % TARIFF_QUARTERS, period);
			if (q < TARIFF_QUARTERS)
				return taken(t, weekday_names[d], month_names[m], q,
				             t->use[m][d][q], period, err);
		}
	return RESULT_OK;
}

enum result tariff_use_holidays(struct tariff *t, uint32_t from_quarter, uint32_t to_quarter,
                                uint8_t period, struct error *err)
{
	CHECK(from_quarter < TARIFF_QUARTERS && to_quarter <= TARIFF_QUARTERS);
	uint32_t q =
	    fill_day(t->holiday_use, from_quarter, to_quarter % TARIFF_QUARTERS, period);
	if (q < TARIFF_QUARTERS)
		return taken(t, "holidays", "", q, t->holiday_use[q], period, err);
	return RESULT_OK;
}

/* --- checks --- */

static enum result check_tier(const struct tariff *t, uint32_t i, int64_t below_mwh,
                              struct error *err)
{
	const struct tariff_tier *tier = &t->tiers[i];
	bool last = i + 1 == t->tier_count;
	if (tier->price < 0 || tier->price > PRICE_MAX)
		return fail(RESULT_INPUT, err, "tier %u: the price must be from 0 to 1000", i + 1);
	if (last != (tier->up_to_mwh == INT64_MAX))
		return fail(RESULT_INPUT, err,
		            last ? "the last tier ends at a limit; expected it open, so that each "
		                   "kWh has a price"
		                 : "tier %u is open, but others follow", i + 1);
	if (!last && tier->up_to_mwh <= below_mwh)
		return fail(RESULT_INPUT, err, "tier %u ends at or below the one before it", i + 1);
	if (!last && tier->up_to_mwh > ENERGY_MWH_MAX)
		return fail(RESULT_INPUT, err, "tier %u ends beyond all that a meter can count",
		            i + 1);
	return RESULT_OK;
}

static enum result check_tiers(const struct tariff *t, char *where, struct error *err)
{
	enum result result = RESULT_OK;
	if (t->tier_count == 0)
		return fail(RESULT_INPUT, err, "there is no tier; expected at least one price");
	for (uint32_t i = 0; i < t->tier_count && result == RESULT_OK; i++) {
		snprintf(where, TARIFF_PLACE_BYTES, "tiers[%u]", i);
		result = check_tier(t, i, i ? t->tiers[i - 1].up_to_mwh : 0, err);
	}
	return result;
}

static enum result check_use(const struct tariff *t, struct error *err)
{
	for (uint32_t m = 0; m < 12; m++)
		for (uint32_t d = 0; d < 7; d++)
			for (uint32_t q = 0; q < TARIFF_QUARTERS; q++)
				if (t->use[m][d][q] >= t->period_count)
					return fail(RESULT_INPUT, err,
					            "%s in %s at %02u:%02u are in no period",
					            weekday_names[d], month_names[m], q / 4,
					            q % 4 * 15);
	return RESULT_OK;
}

/* All of a holiday or nothing of it has times of its own. */
static enum result check_holidays(const struct tariff *t, struct error *err)
{
	uint32_t without = 0, gap = 0;
	for (uint32_t q = 0; q < TARIFF_QUARTERS; q++)
		if (t->holiday_use[q] == TARIFF_NO_PERIOD) {
			without++;
			gap = q;
		}
	if (without > 0 && without < TARIFF_QUARTERS)
		return fail(RESULT_INPUT, err, "holidays at %02u:%02u are in no period", gap / 4,
		            gap % 4 * 15);
	return RESULT_OK;
}

static int by_day(const void *a, const void *b)
{
	const int32_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static enum result check_prices(const struct tariff *t, char *where, struct error *err)
{
	snprintf(where, TARIFF_PLACE_BYTES, "time_of_use");
	for (uint32_t i = 0; i < t->period_count; i++)
		if (t->periods[i].multiplier < 0 || t->periods[i].multiplier > MULTIPLIER_MAX)
			return fail(RESULT_INPUT, err,
			            "period '%s': the multiplier must be from 0 to 100",
			            t->periods[i].name);
	for (uint32_t i = 0; i < t->fixed_count; i++) {
		snprintf(where, TARIFF_PLACE_BYTES, "fixed[%u]", i);
		if (t->fixed[i].price < -PRICE_MAX || t->fixed[i].price > PRICE_MAX)
			return fail(RESULT_INPUT, err,
			            "charge '%s': the amount must be from -1000 to 1000",
			            t->fixed[i].name);
	}
	return RESULT_OK;
}

enum result tariff_check(struct tariff *t, char place[TARIFF_PLACE_BYTES], struct error *err)
{
	char nowhere[TARIFF_PLACE_BYTES], *where = place ? place : nowhere;
	snprintf(where, TARIFF_PLACE_BYTES, "to");
	if (t->end_day <= t->from_day)
		return fail(RESULT_INPUT, err, "it ends before it begins");
	qsort(t->holidays, t->holiday_count, sizeof t->holidays[0], by_day);
	enum result result = check_prices(t, where, err);
	if (result == RESULT_OK)
		result = check_tiers(t, where, err);
	if (result != RESULT_OK)
		return result;
	snprintf(where, TARIFF_PLACE_BYTES, "time_of_use");
	result = check_use(t, err);
	if (result != RESULT_OK)
		return result;
	snprintf(where, TARIFF_PLACE_BYTES, "holidays");
	return check_holidays(t, err);
}

bool tariff_is_currency(const char *code)
{
	static const char codes[] =
	    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD "
	    "BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB "
	    "EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK "
	    "JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA "
	    "MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK "
	    "PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN "
	    "SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV "
	    "WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ";
	for (const char *c = codes; *c; c += 4)
		if (strncmp(c, code, 3) == 0 && code[3] == '\0')
			return true;
	return false;
}

/* --- questions --- */

static bool is_holiday(const struct tariff *t, int32_t day)
{
	return t->holiday_use[0] != TARIFF_NO_PERIOD &&
	       bsearch(&day, t->holidays, t->holiday_count, sizeof day, by_day);
}

static const uint8_t *use_of(const struct tariff *t, const struct local_time *local)
{
	if (t->holiday_count > 0 && is_holiday(t, civil_to_day(local->date)))
		return t->holiday_use;
	return t->use[local->date.month - 1][local->weekday];
}

uint8_t tariff_period_at(const struct tariff *t, const struct calendar *c, int64_t utc_s)
{
	struct local_time local = calendar_local(c, utc_s);
	return use_of(t, &local)[local.second_of_day / 900];
}

struct tariff_day tariff_day_at(const struct tariff *t, const struct calendar *c, int64_t utc_s)
{
	struct local_time local = calendar_local(c, utc_s);
	int32_t day = civil_to_day(local.date);
	struct tariff_day out = {calendar_day_start_s(c, day), calendar_day_start_s(c, day + 1),
	                         NULL};
	if (out.end_s - out.start_s == DAY_S &&
	    calendar_local(c, out.start_s).second_of_day == 0)
		out.use = use_of(t, &local);
	return out;
}

const struct tariff *tariff_on(const struct tariff *const *versions, uint32_t count, int32_t day)
{
	for (uint32_t i = 0; i < count; i++)
		if (day >= versions[i]->from_day && day < versions[i]->end_day)
			return versions[i];
	return NULL;
}

static int by_from_day(const void *a, const void *b)
{
	const struct tariff *const *x = a, *const *y = b;
	return ((*x)->from_day > (*y)->from_day) - ((*x)->from_day < (*y)->from_day);
}

static enum result check_pair(const struct tariff *a, const struct tariff *b, struct error *err)
{
	struct civil_date from = civil_from_day(b->from_day);
	char places[2 * TARIFF_PLACE_BYTES + 8] = "";
	if (*a->place)
		snprintf(places, sizeof places, " (%s, %s)", a->place, b->place);
	if (a->version == b->version)
		return fail(RESULT_INPUT, err, "tariff %s has two versions %d%s", a->id, a->version,
		            places);
	if (strcmp(a->currency, b->currency) != 0 || a->decimals != b->decimals)
		return fail(RESULT_INPUT, err, "tariff %s: versions %d and %d differ in currency%s",
		            a->id, a->version, b->version, places);
	if (b->from_day < a->end_day)
		return fail(RESULT_INPUT, err,
		            "tariff %s: versions %d and %d both rule on %04d-%02d-%02d%s", a->id,
		            a->version, b->version, from.year, from.month, from.day, places);
	return RESULT_OK;
}

enum result tariff_sort(const struct tariff **versions, uint32_t count, struct error *err)
{
	qsort(versions, count, sizeof *versions, by_from_day);
	enum result result = RESULT_OK;
	for (uint32_t i = 0; i < count && result == RESULT_OK; i++)
		for (uint32_t k = i + 1; k < count && result == RESULT_OK; k++)
			result = check_pair(versions[i], versions[k], err);
	return result;
}
