/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and what is made of it: checks of arguments, typos, completion, manual. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/cli/command.h"

static struct arguments args;
static const struct command *found;

/* Reads "headrace " + line, parted at spaces, without a word on stderr or stdout. */
static int read_line(const char *line)
{
	static char copy[512];
	char *argv[32] = {(char *)"headrace"}, *save = NULL;
	int argc = 1, out = dup(1), err = dup(2);
	snprintf(copy, sizeof copy, "%s", line);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	fflush(stdout);
	assert_non_null(freopen("/dev/null", "w", stderr));
	assert_non_null(freopen("/dev/null", "w", stdout));
	int code = arguments_read(argc, argv, &args, &found);
	fflush(stdout);
	fflush(stderr);
	dup2(out, 1);
	dup2(err, 2);
	close(out);
	close(err);
	return code;
}

static void check_options(const struct command *c)
{
	struct option_use use;
	uint8_t seen[OPTION_COUNT] = {0};
	for (unsigned i = 0; command_option_at(c, i, &use); i++) {
		assert_in_range(use.option, OPTION_NONE + 1, OPTION_COUNT - 1);
		assert_non_null(use.help);
		assert_true(use.kind != VALUE_NONE);
		assert_true(use.kind == VALUE_FLAG || use.argument);
		assert_true(use.kind != VALUE_CHOICE || use.choices);
		assert_int_equal(seen[use.option]++, 0);
	}
}

static void every_command_is_whole(void **state)
{
	const struct command *c;
	char name[64], other[64];
	unsigned used;
	(void)state;
	for (size_t i = 0; (c = command_at(i)); i++) {
		command_name(c, name, sizeof name);
		const char *words[] = {c->noun, c->verb};
		assert_ptr_equal(command_find(words, c->verb ? 2 : 1, &used), c);
		assert_non_null(c->summary);
		assert_int_not_equal(c->summary[strlen(c->summary) - 1], '.');
		assert_non_null(c->run);
		check_options(c);
		for (unsigned k = 0; k + 1 < SUBJECTS_MAX && c->subjects[k + 1].name; k++)
			assert_false(c->subjects[k].optional);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(name,
			                        command_name(command_at(k), other, sizeof other));
	}
}

static void every_option_is_described(void **state)
{
	(void)state;
	for (enum option o = OPTION_NONE + 1; o < OPTION_COUNT; o++) {
		const struct option_info *info = option_info(o);
		assert_non_null(info->name);
		assert_memory_equal(info->name, "--", 2);
		assert_int_equal(option_find(info->name, strlen(info->name)), o);
	}
}

static void old_names_still_mean_their_command(void **state)
{
	static const char *const names[][2] = {{"readings SM-1", "list"},
	                                       {"readings list SM-1", "list"},
	                                       {"aggregates SM-1", "list"},
	                                       {"usage SM-1 --from 2026-03-01", "show"},
	                                       {"retention", "show"},
	                                       {"bill SM-1 --month 2026-03", "show"}};
	(void)state;
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_int_equal(read_line(names[i][0]), EXIT_GOOD);
		assert_string_equal(found->verb, names[i][1]);
		if (strstr(names[i][0], "SM-1"))
			assert_string_equal(args.words[0], "SM-1");
	}
}

static void arguments_are_checked_against_the_table(void **state)
{
	static const struct {
		const char *line;
		int code;
		enum form format;
	} cases[] = {
	    {"devices list", EXIT_GOOD, FORM_TABLE},
	    {"devices list --json", EXIT_GOOD, FORM_JSON},
	    {"devices list --format csv --limit=3", EXIT_GOOD, FORM_CSV},
	    {"--limit 3 devices --format=json list", EXIT_GOOD, FORM_JSON},
	    {"export", EXIT_GOOD, FORM_CSV},
	    {"export --format columns", EXIT_GOOD, FORM_OTHER},
	    {"export --format json", EXIT_USAGE, FORM_TABLE},
	    {"devices list --state lost", EXIT_USAGE, FORM_TABLE},
	    {"devices list extra", EXIT_USAGE, FORM_TABLE},
	    {"devices show", EXIT_USAGE, FORM_TABLE},
	    {"bills list", EXIT_USAGE, FORM_TABLE},
	    {"metrics --json", EXIT_USAGE, FORM_TABLE},
	    {"status --from 1", EXIT_USAGE, FORM_TABLE},
	    {"status --limit", EXIT_USAGE, FORM_TABLE},
	    {"status --json=1", EXIT_USAGE, FORM_TABLE},
	    {"a b c d e f g h i", EXIT_USAGE, FORM_TABLE},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (read_line(cases[i].line) != cases[i].code)
			fail_msg("%s", cases[i].line);
		if (cases[i].code == EXIT_GOOD)
			assert_int_equal(args.format, cases[i].format);
	}
	assert_int_equal(read_line("devices show -- --help"), EXIT_GOOD);
	assert_string_equal(args.words[0], "--help");
}

static void watch_takes_seconds_or_none(void **state)
{
	(void)state;
	assert_int_equal(read_line("status --watch"), EXIT_GOOD);
	assert_string_equal(args.options[OPTION_WATCH], "1");
	assert_int_equal(read_line("status --watch 5 --count 2"), EXIT_GOOD);
	assert_string_equal(args.options[OPTION_WATCH], "5");
	assert_int_equal(read_line("devices show --watch SM-1"), EXIT_GOOD);
	assert_string_equal(args.options[OPTION_WATCH], "1");
	assert_string_equal(args.words[0], "SM-1");
	assert_int_equal(read_line("audit --watch"), EXIT_USAGE);
}

static void help_and_version_need_no_command(void **state)
{
	(void)state;
	assert_int_equal(read_line(""), EXIT_GOOD);
	assert_null(found);
	assert_int_equal(read_line("--version"), EXIT_GOOD);
	assert_non_null(args.options[OPTION_VERSION]);
	assert_int_equal(read_line("help bills show"), EXIT_GOOD);
	assert_null(found);
	assert_int_equal(read_line("help devices"), EXIT_GOOD);
	assert_int_equal(read_line("help nothing"), EXIT_USAGE);
	assert_int_equal(read_line("help --man"), EXIT_GOOD);
	assert_string_equal(found->noun, "help");
}

/* --- typos --- */

static const char *meant(const char *word, const char *const *candidates)
{
	struct nearest n = {0};
	for (; *candidates; candidates++)
		typo_try(&n, word, *candidates);
	return n.word ? n.word : "";
}

static void typos_find_the_nearest_word(void **state)
{
	static const char *const words[] = {"status",  "devices", "readings",
	                                    "billing", "bills",   NULL};
	(void)state;
	assert_int_equal(typo_distance("", "abc"), 3);
	assert_int_equal(typo_distance("abc", "abc"), 0);
	assert_int_equal(typo_distance("abcd", "acbd"), 1);
	assert_int_equal(typo_distance("kitten", "sitting"), 3);
	assert_string_equal(meant("staus", words), "status");
	assert_string_equal(meant("sttaus", words), "status");
	assert_string_equal(meant("bilss", words), "bills");
	assert_string_equal(meant("dev", words), "devices");
	assert_string_equal(meant("xyzzy", words), "");
	assert_string_equal(meant("x", words), "");
}

/* --- completion --- */

/* The words that the last of `line` (its words parted by '|') may become. */
static char *completed(const char *line)
{
	static char text[65536], copy[512];
	char *words[16], *at = copy;
	int count = 0;
	snprintf(copy, sizeof copy, "%s", line);
	while (at)
		words[count++] = strsep(&at, "|");
	FILE *out = fmemopen(text, sizeof text, "w");
	assert_non_null(out);
	memset(text, 0, sizeof text);
	complete_print(out, count, words);
	fclose(out);
	return text;
}

static void completion_knows_the_table(void **state)
{
	(void)state;
	setenv("HEADRACE_SOCKET", "/nonexistent/api.sock", 1);
	assert_non_null(strstr(completed(""), "devices\t"));
	assert_non_null(strstr(completed(""), "status\twhat the daemon does"));
	assert_string_equal(completed("dev"), "devices\t\n");
	assert_non_null(strstr(completed("devices|"), "approve\t"));
	assert_null(strstr(completed("devices|l"), "approve"));
	assert_string_equal(completed("devices|list|--sta"), "--state\tonly those in this state\n");
	assert_string_equal(completed("devices|list|--state|re"), "retired\t\n");
	assert_string_equal(completed("devices|list|--state|=|re"), "retired\t\n");
	assert_string_equal(completed("devices|list|--state=re"), "--state=retired\t\n");
	assert_non_null(strstr(completed("devices|list|--state|="), "active\t"));
	assert_string_equal(completed("export|--format|"), "csv\t\ncolumns\t\n");
	assert_string_equal(completed("devices|import|"), ":file\n");
	assert_string_equal(completed("journal|verify|x"), ":folder\n");
	assert_string_equal(completed("errors|list|--reason|clock"), "clock_drift\t\n");
	assert_non_null(strstr(completed("help|bills|"), "show\t"));
	assert_string_equal(completed("devices|show|S"), ""); /* nobody answers */
	assert_string_equal(completed("nonsense|"), "");
	assert_null(strstr(completed("status|--json|-"), "--json"));
}

/* --- progress --- */

/* What is drawn on a terminal of this progress; "": nothing. */
static const char *drawn(struct progress p, uint64_t done, uint64_t total)
{
	static char text[256];
	int master = posix_openpt(O_RDWR | O_NOCTTY), before = dup(2);
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	fcntl(master, F_SETFL, O_NONBLOCK);
	dup2(slave, 2);
	progress_show(&p, done, total);
	fflush(stderr);
	dup2(before, 2);
	ssize_t n = read(master, text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	close(slave);
	close(master);
	close(before);
	return text;
}

static void progress_shows_after_a_second_on_a_terminal(void **state)
{
	struct progress p = {.what = "audit", .unit = "readings", .enabled = true};
	(void)state;
	assert_non_null(strstr(drawn(p, 25000, 100000), "audit [#######.......................]"));
	assert_non_null(strstr(drawn(p, 25000, 100000), " 25 %  25,000 of 100,000 readings"));
	assert_non_null(strstr(drawn(p, 7, 0), "audit  7 readings"));
	p.unit = NULL;
	assert_non_null(strstr(drawn(p, 1536, 3072), " 50 %  1.5 KiB of 3.0 KiB"));
	p.enabled = false;
	assert_string_equal(drawn(p, 1, 2), "");
	progress_begin(&p, "now");
	p.enabled = true;
	assert_string_equal(drawn(p, 1, 2), "");
}

/* --- the manual --- */

static void manual_has_every_command(void **state)
{
	const struct command *c;
	char name[64], wanted[96], *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	(void)state;
	manual_print(out);
	fclose(out);
	for (size_t i = 0; (c = command_at(i)); i++) {
		size_t used = (size_t)snprintf(wanted, sizeof wanted, ".SS \"headrace ");
		command_name(c, name, sizeof name);
		for (const char *n = name; *n; n++) /* as groff has a hyphen */
			used += (size_t)snprintf(wanted + used, sizeof wanted - used, "%s%c",
			                         *n == '-' ? "\\" : "", *n);
		if (!c->hidden && !strstr(text, wanted))
			fail_msg("not in the manual: %s", name);
	}
	assert_non_null(strstr(text, "HEADRACE_URL"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_command_is_whole),
	    cmocka_unit_test(every_option_is_described),
	    cmocka_unit_test(old_names_still_mean_their_command),
	    cmocka_unit_test(arguments_are_checked_against_the_table),
	    cmocka_unit_test(watch_takes_seconds_or_none),
	    cmocka_unit_test(help_and_version_need_no_command),
	    cmocka_unit_test(typos_find_the_nearest_word),
	    cmocka_unit_test(completion_knows_the_table),
	    cmocka_unit_test(progress_shows_after_a_second_on_a_terminal),
	    cmocka_unit_test(manual_has_every_command),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
