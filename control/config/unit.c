/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config/unit.h"

#include <stddef.h>
#include <string.h>

struct unit {
	const char *base;
	int pow10, divisor;
};

/* SI Brochure, 9th edition, table 7: the prefixes in use with meters. */
static struct unit unit_split(const char *text)
{
	static const struct unit bases[] = {
	    {"Wh", 0, 1},  {"varh", 0, 1}, {"VAh", 0, 1}, {"W", 0, 1}, {"var", 0, 1},
	    {"VA", 0, 1},  {"V", 0, 1},    {"A", 0, 1},   {"Hz", 0, 1},
	};
	/* names that stand for others: 1 J = 1 Ws = 1/3,600 Wh; RFC 8428 §12.1 */
	static const struct {
		const char *name;
		struct unit is;
	} others[] = {
	    {"J", {"Wh", -2, 36}},     {"Ws", {"Wh", -2, 36}}, {"vars", {"varh", -2, 36}},
	    {"VAs", {"VAh", -2, 36}},  {"%", {"1", -2, 1}},    {"%EL", {"1", -2, 1}},
	    {"%RH", {"1", -2, 1}},     {"/", {"1", 0, 1}},     {"Cel", {"°C", 0, 1}},
	};
	static const struct {
		char letter;
		int pow10;
	} prefixes[] = {{'m', -3}, {'k', 3}, {'M', 6}, {'G', 9}};

	for (size_t o = 0; o < sizeof others / sizeof others[0]; o++)
		if (strcmp(text, others[o].name) == 0)
			return others[o].is;
	for (size_t p = 0; p < sizeof prefixes / sizeof prefixes[0]; p++) {
		int pow10 = prefixes[p].pow10;
		if (text[0] != prefixes[p].letter)
			continue;
		for (size_t b = 0; b < sizeof bases / sizeof bases[0]; b++)
			if (strcmp(text + 1, bases[b].base) == 0)
				return (struct unit){bases[b].base, pow10, 1};
		for (size_t o = 0; o < 4; o++)
			if (strcmp(text + 1, others[o].name) == 0)
				return (struct unit){others[o].is.base, pow10 + others[o].is.pow10,
				                     others[o].is.divisor};
	}
	return (struct unit){text, 0, 1};
}

bool unit_convert(const char *from, const char *to, int *pow10, int *divisor)
{
	struct unit a = unit_split(from), b = unit_split(to);
	if (strcmp(a.base, b.base) != 0 || a.divisor < b.divisor)
		return false;
	*pow10 = a.pow10 - b.pow10;
	*divisor = a.divisor / b.divisor;
	return true;
}
