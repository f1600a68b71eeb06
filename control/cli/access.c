/* SPDX-License-Identifier: Apache-2.0 */
/* headrace whoami, tokens create|list|revoke, audit-log: who may ask the API what, and who did. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/command.h"
#include "control/cli/view.h"

static int who_am_i(const struct arguments *a)
{
	return view_get_object(a, "/whoami", strdup(""));
}

/* --- tokens --- */

static char *token_wish(const struct arguments *a)
{
	const char *days = a->options[OPTION_EXPIRES];
	json_t *wish =
	    json_pack("{s:s, s:s}", "name", a->words[0], "role", a->options[OPTION_ROLE]);
	if (wish && days)
		json_object_set_new(wish, "expires_days", json_integer(atoll(days)));
	char *text = wish ? json_dumps(wish, JSON_COMPACT) : NULL;
	json_decref(wish);
	return text;
}

static void print_token(const json_t *made)
{
	const char *expires = json_string_value(json_object_get(made, "expires"));
	fprintf(stderr, "The token of %s (%s)%s%s. It is not shown again:\n", text_of(made, "name"),
	        text_of(made, "role"), expires ? ", good until " : "", expires ? expires : "");
	printf("%s\n", text_of(made, "token"));
}

static int create_token(const struct arguments *a)
{
	struct answer answer;
	char *wish = token_wish(a);
	if (!wish) {
		fprintf(stderr, "headrace: the name must be UTF-8\n");
		return EXIT_USAGE;
	}
	bool answered =
	    client_post(a, "/tokens", "application/json", wish, strlen(wish), &answer);
	free(wish);
	if (!answered)
		return EXIT_UNREACHABLE;
	int code = answer_check(&answer);
	json_t *made = code == EXIT_GOOD ? answer_json(&answer) : NULL;
	if (made && a->options[OPTION_JSON])
		fwrite(answer.text, 1, answer.bytes, stdout);
	else if (made)
		print_token(made);
	json_decref(made);
	answer_free(&answer);
	return code;
}

static const struct column token_columns[] = {
    {"name", "NAME", COLUMN_TEXT},       {"role", "ROLE", COLUMN_TEXT},
    {"created", "CREATED", COLUMN_TEXT}, {"expires", "GOOD UNTIL", COLUMN_TEXT},
    {"last_used", "LAST USED", COLUMN_TEXT}, {"expired", "EXPIRED", COLUMN_TEXT},
    {"id", NULL, COLUMN_TEXT},
};
static const struct view token_view = VIEW("tokens", token_columns);

static int list_tokens(const struct arguments *a)
{
	return view_get(a, "/tokens", strdup(""), &token_view);
}

static int revoke_token(const struct arguments *a)
{
	struct answer answer;
	char *name = client_escape(a->words[0]), *path = NULL;
	if (!name || asprintf(&path, "/tokens/%s", name) < 0)
		path = NULL;
	free(name);
	if (!path) {
		fprintf(stderr, "headrace: no memory\n");
		return EXIT_FAILED;
	}
	bool answered = client_delete(a, path, &answer);
	free(path);
	if (!answered)
		return EXIT_UNREACHABLE;
	int code = answer_check(&answer);
	if (code == EXIT_GOOD && a->options[OPTION_JSON])
		fwrite(answer.text, 1, answer.bytes, stdout);
	else if (code == EXIT_GOOD)
		printf("The token of %s is of no use any more.\n", a->words[0]);
	answer_free(&answer);
	return code;
}

/* --- the audit log --- */

static const struct column entry_columns[] = {
    {"number", "NUMBER", COLUMN_PLAIN}, {"at", "TIME", COLUMN_TEXT},
    {"who", "WHO", COLUMN_TEXT},        {"role", NULL, COLUMN_TEXT},
    {"from", "FROM", COLUMN_TEXT},      {"method", "METHOD", COLUMN_TEXT},
    {"target", "TARGET", COLUMN_TEXT},  {"object", "OBJECT", COLUMN_TEXT},
    {"status", "STATUS", COLUMN_PLAIN}, {"outcome", "OUTCOME", COLUMN_TEXT},
    {"done", NULL, COLUMN_TEXT},
};
static const struct view entry_view = VIEW("entries", entry_columns);

static int show_audit_log(const struct arguments *a)
{
	static const enum option query[] = {OPTION_FROM, OPTION_SINCE,  OPTION_UNTIL, OPTION_WHO,
	                                    OPTION_PATH, OPTION_OBJECT, OPTION_LIMIT};
	return view_get(a, "/audit-log", client_query(a, query, sizeof query / sizeof query[0]),
	                &entry_view);
}

static const struct command access_commands[] = {
    {
        .noun = "whoami",
        .summary = "who you are to the daemon, and your role",
        .formats = FORMATS_LIST,
        .run = who_am_i,
    },
    {
        .noun = "tokens", .verb = "create",
        .summary = "make a token for the API over TCP",
        .text = "It is printed on standard output, once: the daemon keeps only a hash of it. Each "
                "role may what those before it may: monitor (rates and counters), viewer "
                "(reads), operator (changes), admin (tokens, backups).",
        .examples = "headrace tokens create grafana --role monitor\n"
                    "headrace tokens create ann --role operator --expires 90 > ann.token\n",
        .subjects = {{"NAME", VALUE_TEXT}},
        .options = {MUST(ROLE), TAKES(EXPIRES)},
        .formats = FORMATS_ANSWER,
        .run = create_token,
    },
    {
        .noun = "tokens", .verb = "list",
        .summary = "who has a token, without the tokens",
        .formats = FORMATS_LIST,
        .run = list_tokens,
    },
    {
        .noun = "tokens", .verb = "revoke",
        .summary = "make a token useless, at once",
        .subjects = {{"NAME", VALUE_TEXT}},
        .formats = FORMATS_ANSWER,
        .run = revoke_token,
    },
    {
        .noun = "audit-log",
        .summary = "who asked for which change, and what came of it",
        .text = "The newest ones, unless --from or --since says where to begin. Every request that "
                "may change something is there, from before it was done; an outcome that is "
                "unknown was under way when the daemon ended, or is now.",
        .examples = "headrace audit-log --who ann --since 2026-03-01\n"
                    "headrace audit-log --object SM-00001 --format csv\n",
        .options = {{.option = OPTION_FROM, .argument = "NUMBER", .kind = VALUE_NUMBER,
                     .help = "where to begin: the number of an entry"},
                    TAKES(SINCE),
                    {.option = OPTION_UNTIL, .argument = "TIME", .kind = VALUE_TIME,
                     .help = "only what was asked before this time or day"},
                    TAKES(WHO), TAKES(PATH), TAKES(OBJECT), TAKES(LIMIT)},
        .formats = FORMATS_LIST,
        .watch = true,
        .run = show_audit_log,
    },
};

const struct command_group access_group = COMMAND_GROUP("Access", access_commands);
