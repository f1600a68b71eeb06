/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config/unit.h"

#include <stddef.h>
#include <string.h>

struct unit {
	const char *base;
	int pow10;
};

/* SI Brochure, 9th edition, table 7: the prefixes in use with meters. */
static struct unit unit_split(const char *text)
{
	static const char *const bases[] = {"Wh", "varh", "VAh", "W", "var", "VA", "V", "A", "Hz"};
	static const struct {
		char letter;
		int pow10;
	} prefixes[] = {{'m', -3}, {'k', 3}, {'M', 6}, {'G', 9}};

	if (strcmp(text, "%") == 0)
		return (struct unit){"1", -2};
	for (size_t p = 0; p < sizeof prefixes / sizeof prefixes[0]; p++)
		for (size_t b = 0; b < sizeof bases / sizeof bases[0]; b++)
			if (text[0] == prefixes[p].letter && strcmp(text + 1, bases[b]) == 0)
				return (struct unit){bases[b], prefixes[p].pow10};
	return (struct unit){text, 0};
}

bool unit_convert(const char *from, const char *to, int *pow10)
{
	struct unit a = unit_split(from), b = unit_split(to);
	if (strcmp(a.base, b.base) != 0)
		return false;
	*pow10 = a.pow10 - b.pow10;
	return true;
}
