/* SPDX-License-Identifier: Apache-2.0 */
/* The options of all commands, each described once. A command may say it in its own words. */
#include <stdio.h>
#include <string.h>

#include "control/cli/command.h"

/* clang-format off */
static const struct option_info options[OPTION_COUNT] = {
	[OPTION_FROM] = {"--from", "TIME", VALUE_TIME,
		"where to begin: a time as 2026-01-31T08:15:00Z or a day as 2026-01-31 (UTC)"},
	[OPTION_TO] = {"--to", "TIME", VALUE_TIME, "where to end: before this time or day"},
	[OPTION_LIMIT] = {"--limit", "N", VALUE_NUMBER, "show at most N"},
	[OPTION_OFFSET] = {"--offset", "N", VALUE_NUMBER, "pass over the first N"},
	[OPTION_PREFIX] = {"--prefix", "TEXT", VALUE_DEVICE, "only ids that begin with TEXT"},
	[OPTION_STATE] = {"--state", "STATE", VALUE_CHOICE, "only those in this state",
		"pending|active|suspended|retired"},
	[OPTION_REASON] = {"--reason", "REASON", VALUE_REASON, "only this reason, as clock_drift"},
	[OPTION_SEGMENT] = {"--segment", "HEX", VALUE_TEXT,
		"only this segment, by the number in its name"},
	[OPTION_BLOCKS] = {"--blocks", "A-B", VALUE_TEXT,
		"only blocks A to B (or one: A, or all from A: A-)"},
	[OPTION_DEVICE] = {"--device", "N", VALUE_NUMBER,
		"only records of the device with this number"},
	[OPTION_RECORDS] = {"--records", NULL, VALUE_FLAG, "every record, not only the blocks"},
	[OPTION_UNTIL] = {"--until", "X", VALUE_TIME,
		"a time as 2026-01-31T08:15:00Z or a journal block's number"},
	[OPTION_METERS] = {"--meters", "A,B", VALUE_DEVICE, "only these meters, in this order"},
	[OPTION_AFTER] = {"--after", "ROW", VALUE_TEXT,
		"go on behind this row: METER,TIME,METER_TIME"},
	[OPTION_OUTPUT] = {"--output", "PATH", VALUE_FILE, "the file to write"},
	[OPTION_TRACE] = {"--trace", NULL, VALUE_FLAG,
		"what each line was made of: as `bills trace`"},
	[OPTION_BY] = {"--by", "WHAT", VALUE_CHOICE, "one line for each", "interval|day"},
	[OPTION_MONTH] = {"--month", "MONTH", VALUE_MONTH, "the month, as 2026-03"},
	[OPTION_TARIFF] = {"--tariff", "ID", VALUE_TEXT, "the tariff's id"},
	[OPTION_NUMBER] = {"--number", "N", VALUE_NUMBER, "of the point's bills of the month; the first"},
	[OPTION_LEVEL] = {"--level", "LEVEL", VALUE_CHOICE, "how long a period is", "hour|day|month"},
	[OPTION_GROUP] = {"--group", "NAME", VALUE_TEXT, "only those in this group"},
	[OPTION_SEARCH] = {"--search", "TEXT", VALUE_TEXT, "only those with TEXT in any field"},
	[OPTION_CUSTOMER] = {"--customer", "ID", VALUE_TEXT, "only this customer's"},
	[OPTION_METER] = {"--meter", "ID", VALUE_DEVICE, "the new meter"},
	[OPTION_AT] = {"--at", "TIME", VALUE_TIME,
		"when: a time as 2026-03-14T10:07:00Z, or a local day's beginning as 2026-03-14"},
	[OPTION_FINAL] = {"--final", "KWH", VALUE_TEXT, "what the old register said at last"},
	[OPTION_INITIAL] = {"--initial", "KWH", VALUE_TEXT, "what the new register said at first"},
	[OPTION_RATIO] = {"--ratio", "RATIO", VALUE_TEXT,
		"energy for each of the register's, as 40, 0.5 or 200/5"},
	[OPTION_DIALS] = {"--dials", "N", VALUE_NUMBER, "digits of the register in kWh"},
	[OPTION_ALL] = {"--all", NULL, VALUE_FLAG, "all of them"},
	[OPTION_DRY_RUN] = {"--dry-run", NULL, VALUE_FLAG, "say what would change and change nothing"},
	[OPTION_EVERY] = {"--every", "SECONDS", VALUE_NUMBER, "how long between two looks (2)"},
	[OPTION_ONCE] = {"--once", NULL, VALUE_FLAG, "print it once as plain text, and end"},
	[OPTION_PANEL] = {"--panel", "PANEL", VALUE_CHOICE, "the panel to begin with",
		"overview|stages|levels|memory|errors|counters"},
	[OPTION_SET] = {"--set", "NAME=VALUE", VALUE_TEXT,
		"time=2026-01-31T08:15:00Z or a channel, as kwh=12.5; again for each"},
	[OPTION_PAYLOAD] = {"--payload", "FILE", VALUE_FILE, "the bytes that should have come"},
	[OPTION_WHY] = {"--why", "TEXT", VALUE_TEXT, "the reason, for the record"},
	[OPTION_ACCEPT_LATE] = {"--accept-late", NULL, VALUE_FLAG,
		"take what is too late, too: the flag late_accepted stays with the reading"},
	[OPTION_VALUE] = {"--value", "KWH", VALUE_TEXT, "the energy of the whole period"},
	[OPTION_VALUES] = {"--values", "A,B", VALUE_TEXT, "the energy of each interval, in kWh"},
	[OPTION_DAY] = {"--day", "DAY", VALUE_DAY, "the local day, as 2026-03-01"},
	[OPTION_RULE] = {"--rule", "RULE", VALUE_TEXT, "only what this rule found, as spike"},
	[OPTION_KIND] = {"--kind", "KIND", VALUE_TEXT, "only this kind, as low_battery"},
	[OPTION_SEVERITY] = {"--severity", "SEVERITY", VALUE_CHOICE, "this one or worse",
		"info|warning|critical"},
	[OPTION_SUBJECT] = {"--subject", "ID", VALUE_DEVICE, "only of this device or gateway"},
	[OPTION_NOTE] = {"--note", "TEXT", VALUE_TEXT, "for others who look at it"},
	[OPTION_MAN] = {"--man", NULL, VALUE_FLAG, "the manual page headrace(1), for man or groff"},
	[OPTION_ROLE] = {"--role", "ROLE", VALUE_CHOICE, "what it may",
		"monitor|viewer|operator|admin"},
	[OPTION_EXPIRES] = {"--expires", "DAYS", VALUE_NUMBER, "good for so many days (for ever)"},
	[OPTION_SINCE] = {"--since", "TIME", VALUE_TIME, "only since this time or day"},
	[OPTION_WHO] = {"--who", "NAME", VALUE_TEXT, "only of this user or token"},
	[OPTION_PATH] = {"--path", "TEXT", VALUE_TEXT, "only paths that begin so, as /devices"},
	[OPTION_OBJECT] = {"--object", "ID", VALUE_DEVICE, "only what was done to this"},
	/* those that a command has by its `formats` and `watch` */
	[OPTION_FORMAT] = {"--format", "FORMAT", VALUE_CHOICE, "the form of the answer"},
	[OPTION_JSON] = {"--json", NULL, VALUE_FLAG, "the same as --format json"},
	[OPTION_WATCH] = {"--watch", "[SECONDS]", VALUE_SECONDS,
		"show it again every second, or as many as given, until Ctrl-C"},
	[OPTION_COUNT_OF] = {"--count", "N", VALUE_NUMBER, "with --watch: end after N times"},
	/* those of every command */
	[OPTION_SOCKET] = {"--socket", "PATH", VALUE_FILE,
		"the daemon's socket (else HEADRACE_SOCKET, else /run/headrace/api.sock)", NULL, true},
	[OPTION_URL] = {"--url", "URL", VALUE_TEXT,
		"the daemon on another machine, as https://host:port (else HEADRACE_URL)", NULL, true},
	[OPTION_TOKEN_FILE] = {"--token-file", "FILE", VALUE_FILE,
		"the file with the token that lets you in (else HEADRACE_TOKEN_FILE)", NULL, true},
	[OPTION_TOKEN] = {"--token", "TOKEN", VALUE_TEXT,
		"the token itself (else HEADRACE_TOKEN); others on this machine can see it among the "
		"processes", NULL, true},
	[OPTION_CACERT] = {"--cacert", "FILE", VALUE_FILE,
		"the certificates in PEM form that a daemon at https:// is known by (else "
		"HEADRACE_CACERT, else the system's)", NULL, true},
	[OPTION_HELP] = {"--help", NULL, VALUE_FLAG, "this text", NULL, true},
	[OPTION_VERSION] = {"--version", NULL, VALUE_FLAG, "the version", NULL, true},
};
/* clang-format on */

const struct option_info *option_info(enum option option)
{
	return &options[option];
}

const char *option_name(enum option option)
{
	return options[option].name + 2;
}

enum option option_find(const char *name, size_t bytes)
{
	enum option o = OPTION_NONE + 1;
	while (o < OPTION_COUNT &&
	       (strlen(options[o].name) != bytes || memcmp(options[o].name, name, bytes) != 0))
		o++;
	return o;
}

/* --- choices --- */

bool choice_at(const char *choices, unsigned i, char *out, size_t bytes)
{
	for (; i > 0 && choices; i--) {
		choices = strchr(choices, '|');
		choices += choices != NULL;
	}
	if (!choices || !*choices)
		return false;
	snprintf(out, bytes, "%.*s", (int)strcspn(choices, "|"), choices);
	return true;
}

bool choice_has(const char *choices, const char *word)
{
	char choice[64];
	for (unsigned i = 0; choice_at(choices, i, choice, sizeof choice); i++)
		if (strcmp(choice, word) == 0)
			return true;
	return false;
}

const char *choice_text(const char *choices, char *out, size_t bytes)
{
	char choice[64], next[64];
	size_t used = 0;
	out[0] = '\0';
	for (unsigned i = 0; choice_at(choices, i, choice, sizeof choice) && used < bytes; i++) {
		bool last = !choice_at(choices, i + 1, next, sizeof next);
		used += (size_t)snprintf(out + used, bytes - used, "%s%s",
		                         i == 0 ? ""
		                         : last ? " or "
		                                : ", ",
		                         choice);
	}
	return out;
}
