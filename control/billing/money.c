/* SPDX-License-Identifier: Apache-2.0 */
#include "control/billing/money.h"

#include "base/check.h"

static amount_t power_of_ten(unsigned exponent)
{
	amount_t p = 1;
	while (exponent-- > 0)
		p *= 10;
	return p;
}

amount_t money_of_energy(int64_t energy_mwh, int64_t price, int64_t multiplier)
{
	return (amount_t)energy_mwh * price * multiplier;
}

amount_t money_of_price(int64_t price)
{
	return (amount_t)price * power_of_ten(AMOUNT_DECIMALS - PRICE_DECIMALS);
}

/* Half away from zero. */
static amount_t divide(amount_t value, amount_t by)
{
	amount_t half = by / 2;
	if (value < 0)
		return -((-value + half) / by);
	return (value + half) / by;
}

amount_t money_share(amount_t amount, int32_t part, int32_t whole)
{
	CHECK(whole > 0 && part >= 0 && part <= whole);
	return part == whole ? amount : divide(amount * part, whole);
}

bool money_round(amount_t amount, unsigned decimals, int64_t *out)
{
	CHECK(decimals <= PRICE_DECIMALS);
	amount_t rounded = divide(amount, power_of_ten(AMOUNT_DECIMALS - decimals));
	if (rounded > INT64_MAX || rounded < INT64_MIN)
		return false;
	*out = (int64_t)rounded;
	return true;
}

const char *money_format(amount_t amount, unsigned least, char out[MONEY_BYTES])
{
	char digits[MONEY_BYTES];
	unsigned decimals = AMOUNT_DECIMALS, count = 0, n = 0;
	bool negative = amount < 0;
	unsigned __int128 rest = negative ? -(unsigned __int128)amount : (unsigned __int128)amount;
	CHECK(least <= AMOUNT_DECIMALS);
	for (; decimals > least && rest % 10 == 0; decimals--)
		rest /= 10;
	do { /* backwards, at least one digit before the point */
		if (count > 0 && count == decimals)
			digits[n++] = '.';
		digits[n++] = (char)('0' + (int)(rest % 10));
		rest /= 10;
		count++;
	} while (rest > 0 || count <= decimals);
	char *at = out;
	if (negative)
		*at++ = '-';
	while (n > 0)
		*at++ = digits[--n];
	*at = '\0';
	return out;
}
