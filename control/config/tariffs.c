/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config/tariffs.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "control/config/decimal.h"
#include "control/config/yaml_file.h"

#define TEXT(structure, key)                                                                       \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER, struct structure, key, 1, 256)
#define OPTIONAL_TEXT(structure, key)                                                              \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct structure,   \
	                       key, 1, 256)
#define LIST(structure, key, entry, least, most)                                                   \
	CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct structure,     \
	                     key, entry, least, most)

struct raw_tier {
	char *up_to_kwh, *price;
};
struct raw_use {
	char *name, *multiplier;
	char **hours, **days, **months;
	uint32_t hours_count, days_count, months_count;
};
struct raw_holidays {
	char *use;
	char **dates;
	uint32_t dates_count;
};
struct raw_fixed {
	char *name, *amount;
	int per;
};
struct raw_tariff {
	char *id, *currency, *from, *to;
	int64_t version;
	int64_t *decimals;
	struct raw_tier *tiers;
	struct raw_use *time_of_use;
	struct raw_holidays *holidays;
	struct raw_fixed *fixed;
	uint32_t tiers_count, time_of_use_count, fixed_count;
};

static const cyaml_schema_value_t word = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, 64)};

static const cyaml_schema_field_t tier_fields[] = {
    OPTIONAL_TEXT(raw_tier, up_to_kwh), TEXT(raw_tier, price), CYAML_FIELD_END};
static const cyaml_schema_value_t tier_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_tier, tier_fields)};

static const cyaml_schema_field_t use_fields[] = {
    TEXT(raw_use, name),
    OPTIONAL_TEXT(raw_use, multiplier),
    CYAML_FIELD_SEQUENCE("hours", CYAML_FLAG_POINTER, struct raw_use, hours, &word, 1, 24),
    LIST(raw_use, days, &word, 1, 7),
    LIST(raw_use, months, &word, 1, 12),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t use_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_use, use_fields)};

static const cyaml_schema_field_t holidays_fields[] = {
    TEXT(raw_holidays, use),
    CYAML_FIELD_SEQUENCE("dates", CYAML_FLAG_POINTER, struct raw_holidays, dates, &word, 1,
                         TARIFF_HOLIDAYS_MAX),
    CYAML_FIELD_END,
};

enum { PER_PERIOD, PER_DAY };
static const cyaml_strval_t per_names[] = {{"period", PER_PERIOD}, {"day", PER_DAY}};
static const cyaml_schema_field_t fixed_fields[] = {
    TEXT(raw_fixed, name),
    TEXT(raw_fixed, amount),
    CYAML_FIELD_ENUM("per", CYAML_FLAG_STRICT, struct raw_fixed, per, per_names,
                     CYAML_ARRAY_LEN(per_names)),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t fixed_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_fixed, fixed_fields)};

static const cyaml_schema_field_t tariff_fields[] = {
    TEXT(raw_tariff, id),
    CYAML_FIELD_INT("version", CYAML_FLAG_DEFAULT, struct raw_tariff, version),
    TEXT(raw_tariff, currency),
    CYAML_FIELD_INT_PTR("decimals", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_tariff,
                        decimals),
    TEXT(raw_tariff, from),
    OPTIONAL_TEXT(raw_tariff, to),
    CYAML_FIELD_SEQUENCE("tiers", CYAML_FLAG_POINTER, struct raw_tariff, tiers, &tier_schema, 1,
                         TARIFF_TIERS_MAX),
    LIST(raw_tariff, time_of_use, &use_schema, 1, 64),
    CYAML_FIELD_MAPPING_PTR("holidays", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                            struct raw_tariff, holidays, holidays_fields),
    LIST(raw_tariff, fixed, &fixed_schema, 1, TARIFF_FIXED_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t tariff_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_tariff, tariff_fields)};

/* --- words --- */

static enum result take_name(struct yaml_file *file, const char *path, const char *text,
                             char out[TARIFF_NAME_BYTES], struct error *err)
{
	if (strlen(text) >= TARIFF_NAME_BYTES ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(text))
		return yaml_fail(file, path, err,
		                 "%s is '%s'; expected up to %d of a-z, 0-9, '_' and '-'", path,
		                 text, TARIFF_NAME_BYTES - 1);
	memcpy(out, text, strlen(text) + 1);
	return RESULT_OK;
}

static enum result take_decimal(struct yaml_file *file, const char *path, const char *text,
                                int decimals, int64_t *out, struct error *err)
{
	if (!decimal_parse(text, decimals, out))
		return yaml_fail(file, path, err,
		                 "%s is '%s'; expected a decimal number with at most %d digits "
		                 "behind the point", path, text, decimals);
	return RESULT_OK;
}

static enum result take_date(struct yaml_file *file, const char *path, const char *text,
                             int32_t *day, struct error *err)
{
	struct civil_date date;
	struct error why;
	if (civil_parse(text, &date, &why) != RESULT_OK)
		return yaml_fail(file, path, err, "%s: %s", path, why.text);
	*day = civil_to_day(date);
	return RESULT_OK;
}

/* "mon" among names; -1: none. */
static int index_of(const char *text, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return -1;
}

static enum result take_bits(struct yaml_file *file, const char *path, char *const *words,
                             uint32_t words_count, const char *const *names, int count,
                             uint32_t *bits, struct error *err)
{
	*bits = words_count ? 0 : (1u << count) - 1;
	for (uint32_t i = 0; i < words_count; i++) {
		int index = index_of(words[i], names, count);
		if (index < 0)
			return yaml_fail(file, path, err, "%s has '%s'; expected some of %s .. %s",
			                 path, words[i], names[0], names[count - 1]);
		*bits |= 1u << index;
	}
	return RESULT_OK;
}

/* "22:00" to a quarter hour, 0 .. 96; -1: not one. */
static int quarter_of(const char *text, int bytes)
{
	static const char digits[] = "0123456789";
	if (bytes != 5 || text[2] != ':' || strspn(text, digits) != 2 ||
	    strspn(text + 3, digits) < 2)
		return -1;
	int hour = (text[0] - '0') * 10 + text[1] - '0';
	int minute = (text[3] - '0') * 10 + text[4] - '0';
	if (minute % 15 || minute > 45 || hour * 4 + minute / 15 > TARIFF_QUARTERS)
		return -1;
	return hour * 4 + minute / 15;
}

static bool parse_hours(const char *text, int *from, int *to)
{
	const char *dash = strchr(text, '-');
	if (!dash)
		return false;
	*from = quarter_of(text, (int)(dash - text));
	*to = quarter_of(dash + 1, (int)strlen(dash + 1));
	return *from >= 0 && *from < TARIFF_QUARTERS && *to >= 0 && *from != *to;
}

/* --- sections --- */

static enum result take_tiers(struct yaml_file *file, const struct raw_tariff *raw,
                              struct tariff *t, struct error *err)
{
	char path[YAML_PATH_BYTES];
	for (uint32_t i = 0; i < raw->tiers_count; i++) {
		struct tariff_tier *tier = &t->tiers[t->tier_count++];
		snprintf(path, sizeof path, "tiers[%u].price", i);
		enum result result = take_decimal(file, path, raw->tiers[i].price, PRICE_DECIMALS,
		                                  &tier->price, err);
		tier->up_to_mwh = INT64_MAX;
		snprintf(path, sizeof path, "tiers[%u].up_to_kwh", i);
		if (result == RESULT_OK && raw->tiers[i].up_to_kwh)
			result = take_decimal(file, path, raw->tiers[i].up_to_kwh, 6,
			                      &tier->up_to_mwh, err);
		if (result != RESULT_OK)
			return result;
	}
	return RESULT_OK;
}

/* The period of that name, new or again. */
static enum result take_period(struct yaml_file *file, uint32_t entry, const struct raw_use *raw,
                               struct tariff *t, uint8_t *period, struct error *err)
{
	char path[YAML_PATH_BYTES];
	struct tariff_period p = {.multiplier = MULTIPLIER_ONE};
	snprintf(path, sizeof path, "time_of_use[%u].name", entry);
	enum result result = take_name(file, path, raw->name, p.name, err);
	snprintf(path, sizeof path, "time_of_use[%u].multiplier", entry);
	if (result == RESULT_OK && raw->multiplier)
		result = take_decimal(file, path, raw->multiplier, MULTIPLIER_DECIMALS,
		                      &p.multiplier, err);
	if (result != RESULT_OK)
		return result;
	for (uint32_t i = 0; i < t->period_count; i++) {
		if (strcmp(t->periods[i].name, p.name) != 0)
			continue;
		if (t->periods[i].multiplier != p.multiplier)
			return yaml_fail(file, path, err, "'%s' has two multipliers", p.name);
		*period = (uint8_t)i;
		return RESULT_OK;
	}
	if (t->period_count == TARIFF_PERIODS_MAX)
		return yaml_fail(file, path, err, "more than %d times of use", TARIFF_PERIODS_MAX);
	*period = (uint8_t)t->period_count;
	t->periods[t->period_count++] = p;
	return RESULT_OK;
}

static enum result take_use(struct yaml_file *file, uint32_t entry, const struct raw_use *raw,
                            struct tariff *t, struct error *err)
{
	static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
	static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun",
	                                     "jul", "aug", "sep", "oct", "nov", "dec"};
	char path[YAML_PATH_BYTES];
	uint32_t day_bits = 0, month_bits = 0;
	uint8_t period = 0;
	struct error why;
	enum result result = take_period(file, entry, raw, t, &period, err);
	snprintf(path, sizeof path, "time_of_use[%u].days", entry);
	if (result == RESULT_OK)
		result = take_bits(file, path, raw->days, raw->days_count, days, 7, &day_bits, err);
	snprintf(path, sizeof path, "time_of_use[%u].months", entry);
	if (result == RESULT_OK)
		result = take_bits(file, path, raw->months, raw->months_count, months, 12,
		                   &month_bits, err);
	for (uint32_t i = 0; i < raw->hours_count && result == RESULT_OK; i++) {
		int from, to;
		snprintf(path, sizeof path, "time_of_use[%u].hours[%u]", entry, i);
		if (!parse_hours(raw->hours[i], &from, &to))
			return yaml_fail(file, path, err,
			                 "%s is '%s'; expected HH:MM-HH:MM in quarters of an hour, "
			                 "such as 22:00-06:00", path, raw->hours[i]);
		if (tariff_use(t, month_bits, day_bits, (uint32_t)from, (uint32_t)to, period,
		               &why) != RESULT_OK)
			return yaml_fail(file, path, err, "%s", why.text);
	}
	return result;
}

static enum result take_holidays(struct yaml_file *file, const struct raw_holidays *raw,
                                 struct tariff *t, struct error *err)
{
	char path[YAML_PATH_BYTES];
	uint32_t period = 0;
	while (period < t->period_count && strcmp(t->periods[period].name, raw->use) != 0)
		period++;
	if (period == t->period_count)
		return yaml_fail(file, "holidays.use", err,
		                 "holidays.use is '%s'; expected a name of time_of_use", raw->use);
	for (uint32_t i = 0; i < raw->dates_count; i++) {
		snprintf(path, sizeof path, "holidays.dates[%u]", i);
		enum result result =
		    take_date(file, path, raw->dates[i], &t->holidays[t->holiday_count++], err);
		if (result != RESULT_OK)
			return result;
		for (uint32_t k = 0; k < i; k++)
			if (t->holidays[k] == t->holidays[i])
				return yaml_fail(file, path, err, "%s: %s is there twice", path,
				                 raw->dates[i]);
	}
	return tariff_use_holidays(t, 0, TARIFF_QUARTERS, (uint8_t)period, err);
}

static enum result take_fixed(struct yaml_file *file, const struct raw_tariff *raw,
                              struct tariff *t, struct error *err)
{
	char path[YAML_PATH_BYTES];
	for (uint32_t i = 0; i < raw->fixed_count; i++) {
		struct tariff_fixed *f = &t->fixed[t->fixed_count++];
		snprintf(path, sizeof path, "fixed[%u].name", i);
		enum result result = take_name(file, path, raw->fixed[i].name, f->name, err);
		snprintf(path, sizeof path, "fixed[%u].amount", i);
		if (result == RESULT_OK)
			result = take_decimal(file, path, raw->fixed[i].amount, PRICE_DECIMALS,
			                      &f->price, err);
		if (result != RESULT_OK)
			return result;
		for (uint32_t k = 0; k < i; k++)
			if (strcmp(t->fixed[k].name, f->name) == 0)
				return yaml_fail(file, path, err, "charge '%s' is there twice",
				                 f->name);
		f->daily = raw->fixed[i].per == PER_DAY;
	}
	return RESULT_OK;
}

static enum result take_head(struct yaml_file *file, const struct raw_tariff *raw,
                             struct tariff *t, struct error *err)
{
	int64_t number;
	enum result result = take_name(file, "id", raw->id, t->id, err);
	if (result == RESULT_OK)
		result = yaml_int(file, "version", &raw->version, 0, 1, 1000000, &number, err);
	if (result != RESULT_OK)
		return result;
	t->version = (int32_t)number;
	if (!tariff_is_currency(raw->currency))
		return yaml_fail(file, "currency", err,
		                 "currency is '%s'; expected a code of ISO 4217, such as USD",
		                 raw->currency);
	memcpy(t->currency, raw->currency, 4);
	result = yaml_int(file, "decimals", raw->decimals, 2, 0, 4, &number, err);
	t->decimals = (uint8_t)number;
	if (result == RESULT_OK)
		result = take_date(file, "from", raw->from, &t->from_day, err);
	const char *name = strrchr(file->path, '/');
	snprintf(t->place, sizeof t->place, "%.60s:%u", name ? name + 1 : file->path,
	         yaml_line(file, "from"));
	if (result == RESULT_OK && raw->to) {
		result = take_date(file, "to", raw->to, &t->end_day, err);
		t->end_day += result == RESULT_OK; /* the file names the last day */
	}
	return result;
}

static enum result take_times(struct yaml_file *file, const struct raw_tariff *raw,
                              struct tariff *t, struct error *err)
{
	enum result result = RESULT_OK;
	for (uint32_t i = 0; i < raw->time_of_use_count && result == RESULT_OK; i++)
		result = take_use(file, i, &raw->time_of_use[i], t, err);
	if (result == RESULT_OK && raw->time_of_use_count == 0) {
		t->periods[t->period_count++] =
		    (struct tariff_period){"all_day", MULTIPLIER_ONE};
		memset(t->use, 0, sizeof t->use);
	}
	if (result == RESULT_OK && raw->holidays)
		result = take_holidays(file, raw->holidays, t, err);
	return result;
}

enum result tariff_load(const char *path, struct tariff *out, struct error *err)
{
	struct yaml_file file;
	struct error why;
	char where[TARIFF_PLACE_BYTES];
	tariff_init(out);
	enum result result = yaml_open(path, &tariff_schema, &file, err);
	if (result != RESULT_OK)
		return result;
	const struct raw_tariff *raw = file.data;
	result = take_head(&file, raw, out, err);
	if (result == RESULT_OK)
		result = take_tiers(&file, raw, out, err);
	if (result == RESULT_OK)
		result = take_times(&file, raw, out, err);
	if (result == RESULT_OK)
		result = take_fixed(&file, raw, out, err);
	if (result == RESULT_OK && tariff_check(out, where, &why) != RESULT_OK)
		result = yaml_fail(&file, where, err, "%s", why.text);
	yaml_close(&file);
	return result;
}
