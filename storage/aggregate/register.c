/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/aggregate/register.h"

#include <stdbool.h>

#include "contract/reading.h"

int register_index(const struct profile *p, const struct stored_reading *r)
{
	if (!p || p->register_slot < 0)
		return -1;
	for (uint32_t i = 0; i < r->channel_count; i++) {
		if (r->channel[i] == p->channels[p->register_slot].channel)
			return (int)i;
	}
	return -1;
}

int64_t register_modulus(const struct profile *p, uint32_t dials)
{
	int64_t m = 1;
	dials = dials == 0 && p ? p->dials : dials;
	if (dials == 0 || !p || p->register_kwh_pow10 < 0 || dials + p->register_kwh_pow10 > 18)
		return 0;
	for (uint32_t i = 0; i < dials + (uint32_t)p->register_kwh_pow10; i++)
		m *= 10;
	return m;
}

/* 1 kWh = 1000 W * 3,600,000 ms; 1 % of tolerance, as in validation. Largest product: 2^32 W * 2^63
 * ms * 101 would not fit, so longer times count as 2^50 ms. */
static bool is_possible(const struct profile *p, int64_t modulus, const struct register_read *from,
                        const struct register_read *to, int64_t difference)
{
	__int128 ms = (__int128)to->ts_ms - from->ts_ms;
	if (p->capacity_w == 0)
		return from->value >= modulus - modulus / 10 && to->value < modulus / 10;
	ms = ms < 0 ? 0 : ms > (1ll << 50) ? 1ll << 50 : ms;
	__int128 watt_ms = ms * p->capacity_w * 101 / 100;
	__int128 needed = (__int128)difference * 3600000000;
	for (int i = 0; i < p->register_kwh_pow10; i++)
		needed /= 10;
	return needed <= watt_ms;
}

enum register_step register_step(const struct profile *p, int64_t modulus,
                                 const struct register_read *from, const struct register_read *to,
                                 int64_t *step)
{
	int64_t difference;
	bool late = (from->flags | to->flags) & READING_F_LATE;
	*step = 0;
	if (to->flags & READING_F_RESET)
		return REGISTER_FELL;
	if (__builtin_sub_overflow(to->value, from->value, &difference))
		return REGISTER_FELL;
	if (difference >= 0) {
		*step = difference;
		return REGISTER_ROSE;
	}
	difference += modulus;
	if (modulus == 0 || difference < 0)
		return REGISTER_FELL;
	if (!(to->flags & READING_F_ROLLOVER) &&
	    !(late && is_possible(p, modulus, from, to, difference)))
		return REGISTER_FELL;
	*step = difference;
	return REGISTER_ROLLED;
}
