/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact amounts: energy times price times multiplier without rounding, and one rounding at the end.
 *
 *   energy      mWh            1 kWh = 10^6
 *   price       10^-9 a kWh    0.08 = 80,000,000
 *   multiplier  10^-6          1.5 = 1,500,000
 *   amount      10^-21         energy * price * multiplier, as (10^-6 kWh) * 10^-9 * 10^-6
 *
 * 128 bits hold 1.7 * 10^38: 10^15 mWh (a thousand GWh) at 1,000 a kWh times 100 is 10^35.
 */
#ifndef HEADRACE_BILLING_MONEY_H
#define HEADRACE_BILLING_MONEY_H

#include <stdbool.h>
#include <stdint.h>

#define PRICE_DECIMALS      9
#define MULTIPLIER_DECIMALS 6
#define AMOUNT_DECIMALS     21

#define MULTIPLIER_ONE  INT64_C(1000000)
#define ENERGY_MWH_MAX  INT64_C(1000000000000000) /* 10^15, of one bill */
#define PRICE_MAX       INT64_C(1000000000000)    /* 1,000 a kWh */
#define MULTIPLIER_MAX  INT64_C(100000000)        /* 100 */

typedef __int128 amount_t;

/* Sign, 39 digits, point, terminator. */
#define MONEY_BYTES 48

/* Energy at a price. Each within its bounds above (sign free). */
amount_t money_of_energy(int64_t energy_mwh, int64_t price, int64_t multiplier);

/* A price (10^-9 of the currency) as an amount. */
amount_t money_of_price(int64_t price);

/* amount * part / whole, rounded half away from zero at 10^-21; 0 <= part <= whole <= 10^4 and
 * |amount| < 10^33. */
amount_t money_share(amount_t amount, int32_t part, int32_t whole);

/* Rounded half away from zero ("half up" for what is owed) to `decimals`, 0 .. 9, as an integer
 * in 10^-decimals. False: beyond 64 bits. */
bool money_round(amount_t amount, unsigned decimals, int64_t *out);

/* All digits, without zeros at the end but with `least` decimals: "7.575", "10.00". */
const char *money_format(amount_t amount, unsigned least, char out[MONEY_BYTES]);

#endif
