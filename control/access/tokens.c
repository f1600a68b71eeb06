/* SPDX-License-Identifier: Apache-2.0 */
/* See tokens.h. Input: operators' names, and tokens from the network. */
#include "control/access/tokens.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_BYTES 32
#define SALT_BYTES   16
#define HASH_BYTES   32
#define ID_BYTES     8
#define PREFIX       "hr_"
#define KEY_PREFIX   "token/"

struct record {
	struct token token;
	uint8_t salt[SALT_BYTES], hash[HASH_BYTES];
};

struct tokens {
	struct store *store;
	pthread_mutex_t lock;
	struct record *records; /* by name */
	uint32_t count;
};

static void to_hex(const uint8_t *bytes, size_t count, char *out)
{
	for (size_t i = 0; i < count; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
}

static bool from_hex(const char *text, uint8_t *out, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < 2 * count; i++) {
		const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
		if (!digit)
			return false;
		uint8_t value = (uint8_t)(digit - digits);
		out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | value : value << 4);
	}
	return text[2 * count] == '\0';
}

static bool hash_secret(const uint8_t salt[SALT_BYTES], const uint8_t secret[SECRET_BYTES],
                        uint8_t out[HASH_BYTES])
{
	uint8_t both[SALT_BYTES + SECRET_BYTES];
	memcpy(both, salt, SALT_BYTES);
	memcpy(both + SALT_BYTES, secret, SECRET_BYTES);
	bool good = EVP_Digest(both, sizeof both, out, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_cleanse(both, sizeof both);
	return good;
}

/* --- the store --- */

static size_t key_of(const char *name, char key[TOKEN_NAME_BYTES + sizeof KEY_PREFIX])
{
	return (size_t)sprintf(key, KEY_PREFIX "%s", name);
}

static bool is_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                             "0123456789._-");
	return length > 0 && length < TOKEN_NAME_BYTES && name[length] == '\0';
}

static enum result put_record(struct tokens *t, const struct record *r, struct error *err)
{
	char key[TOKEN_NAME_BYTES + sizeof KEY_PREFIX], salt[2 * SALT_BYTES + 1],
	    hash[2 * HASH_BYTES + 1];
	to_hex(r->salt, SALT_BYTES, salt);
	to_hex(r->hash, HASH_BYTES, hash);
	json_t *json = json_pack("{s:s, s:s, s:i, s:s, s:s, s:I, s:I}", "name", r->token.name,
	                         "id", r->token.id, "role", r->token.role, "salt", salt, "hash",
	                         hash, "created_ms", (json_int_t)r->token.created_ms, "expires_ms",
	                         (json_int_t)r->token.expires_ms);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!text)
		return fail(RESULT_RESOURCE, err, "no memory for a token");
	struct store_kv item = {key, key_of(r->token.name, key), text, strlen(text)};
	enum result result = store_kv_write(t->store, STORE_CONTROL, &item, 1, err);
	free(text);
	return result;
}

static bool parse_record(const void *value, size_t bytes, struct record *r)
{
	const char *name, *id, *salt, *hash;
	json_int_t created, expires;
	int role;
	json_t *json = json_loadb(value, bytes, 0, NULL);
	bool good = json &&
	            json_unpack(json, "{s:s, s:s, s:i, s:s, s:s, s:I, s:I}", "name", &name, "id",
	                        &id, "role", &role, "salt", &salt, "hash", &hash, "created_ms",
	                        &created, "expires_ms", &expires) == 0 &&
	            is_name(name) && strlen(id) == TOKEN_ID_BYTES - 1 && role >= 0 &&
	            role <= UINT8_MAX && from_hex(salt, r->salt, SALT_BYTES) &&
	            from_hex(hash, r->hash, HASH_BYTES);
	if (good) {
		r->token = (struct token){.role = (uint8_t)role,
		                          .created_ms = created,
		                          .expires_ms = expires};
		strcpy(r->token.name, name);
		strcpy(r->token.id, id);
	}
	json_decref(json);
	return good;
}

struct loading {
	struct tokens *tokens;
	uint32_t bad;
};

static bool on_record(void *context, const void *key, size_t key_bytes, const void *value,
                      size_t value_bytes)
{
	struct loading *l = context;
	struct tokens *t = l->tokens;
	(void)key, (void)key_bytes;
	if (t->count < TOKENS_MAX && parse_record(value, value_bytes, &t->records[t->count]))
		t->count++;
	else
		l->bad++;
	return true;
}

enum result tokens_open(struct store *store, struct tokens **out, struct error *err)
{
	struct tokens *t = calloc(1, sizeof *t);
	struct loading loading = {.tokens = t};
	if (!t || !(t->records = calloc(TOKENS_MAX, sizeof *t->records))) {
		free(t);
		return fail(RESULT_RESOURCE, err, "tokens: no memory");
	}
	t->store = store;
	pthread_mutex_init(&t->lock, NULL);
	enum result result = store_kv_scan(store, STORE_CONTROL, KEY_PREFIX, strlen(KEY_PREFIX),
	                                   on_record, &loading, err);
	if (result == RESULT_OK && loading.bad > 0)
		result = fail(RESULT_MEDIA, err, "tokens: %u records in the store are damaged",
		              loading.bad);
	if (result != RESULT_OK) {
		tokens_close(t);
		return result;
	}
	*out = t;
	return RESULT_OK;
}

void tokens_close(struct tokens *t)
{
	if (!t)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t->records);
	free(t);
}

/* --- changes --- */

/* Where the name is, or would be. */
static uint32_t place_of(const struct tokens *t, const char *name, bool *found)
{
	uint32_t i = 0;
	while (i < t->count && strcmp(t->records[i].token.name, name) < 0)
		i++;
	*found = i < t->count && strcmp(t->records[i].token.name, name) == 0;
	return i;
}

static enum result draw(struct record *r, char text[TOKEN_TEXT_BYTES], struct error *err)
{
	uint8_t id[ID_BYTES], secret[SECRET_BYTES];
	char hex[2 * SECRET_BYTES + 1];
	if (RAND_bytes(id, sizeof id) != 1 || RAND_bytes(secret, sizeof secret) != 1 ||
	    RAND_bytes(r->salt, sizeof r->salt) != 1 || !hash_secret(r->salt, secret, r->hash))
		return fail(RESULT_RESOURCE, err, "the system gives no random bytes");
	to_hex(id, sizeof id, r->token.id);
	to_hex(secret, sizeof secret, hex);
	snprintf(text, TOKEN_TEXT_BYTES, PREFIX "%s_%s", r->token.id, hex);
	OPENSSL_cleanse(secret, sizeof secret);
	OPENSSL_cleanse(hex, sizeof hex);
	return RESULT_OK;
}

enum result tokens_create(struct tokens *t, const char *name, uint8_t role, int64_t now_ms,
                          int64_t expires_ms, char text[TOKEN_TEXT_BYTES], struct error *err)
{
	struct record r = {.token = {.role = role, .created_ms = now_ms,
	                             .expires_ms = expires_ms}};
	bool taken;
	if (!is_name(name))
		return fail(RESULT_INPUT, err,
		            "'%.60s' is no name of a token; expected up to %d letters, digits, "
		            "'.', '_' and '-'", name, TOKEN_NAME_BYTES - 1);
	strcpy(r.token.name, name);
	enum result result = draw(&r, text, err);
	if (result != RESULT_OK)
		return result;
	pthread_mutex_lock(&t->lock);
	uint32_t at = place_of(t, name, &taken);
	if (taken)
		result = fail(RESULT_INPUT, err, "there is a token '%s' already", name);
	else if (t->count == TOKENS_MAX)
		result = fail(RESULT_INPUT, err, "there are %u tokens; revoke one first",
		              TOKENS_MAX);
	else
		result = put_record(t, &r, err);
	if (result == RESULT_OK) {
		memmove(&t->records[at + 1], &t->records[at],
		        (t->count - at) * sizeof t->records[0]);
		t->records[at] = r;
		t->count++;
	}
	pthread_mutex_unlock(&t->lock);
	return result;
}

enum result tokens_revoke(struct tokens *t, const char *name, struct error *err)
{
	char key[TOKEN_NAME_BYTES + sizeof KEY_PREFIX];
	enum result result;
	bool found;
	pthread_mutex_lock(&t->lock);
	uint32_t at = place_of(t, name, &found);
	if (!found) {
		result = fail(RESULT_ABSENT, err, "there is no token '%.60s'", name);
	} else {
		struct store_kv item = {key, key_of(name, key), NULL, 0};
		result = store_kv_write(t->store, STORE_CONTROL, &item, 1, err);
	}
	if (result == RESULT_OK) {
		t->count--;
		memmove(&t->records[at], &t->records[at + 1],
		        (t->count - at) * sizeof t->records[0]);
	}
	pthread_mutex_unlock(&t->lock);
	return result;
}

uint32_t tokens_list(struct tokens *t, struct token *out, uint32_t most)
{
	pthread_mutex_lock(&t->lock);
	uint32_t count = t->count < most ? t->count : most;
	for (uint32_t i = 0; i < count; i++)
		out[i] = t->records[i].token;
	pthread_mutex_unlock(&t->lock);
	return count;
}

/* --- checking --- */

/* The id, which is no secret, and the secret. */
static bool split(const char *text, char id[TOKEN_ID_BYTES], uint8_t secret[SECRET_BYTES])
{
	if (strlen(text) != TOKEN_TEXT_BYTES - 1 || strncmp(text, PREFIX, strlen(PREFIX)) != 0)
		return false;
	text += strlen(PREFIX);
	memcpy(id, text, TOKEN_ID_BYTES - 1);
	id[TOKEN_ID_BYTES - 1] = '\0';
	text += TOKEN_ID_BYTES - 1;
	return *text == '_' && from_hex(text + 1, secret, SECRET_BYTES);
}

bool tokens_check(struct tokens *t, const char *text, int64_t now_ms, struct token *out)
{
	char id[TOKEN_ID_BYTES];
	uint8_t secret[SECRET_BYTES], hash[HASH_BYTES];
	bool good = false;
	if (!split(text, id, secret))
		return false;
	pthread_mutex_lock(&t->lock);
	for (uint32_t i = 0; i < t->count && !good; i++) {
		struct record *r = &t->records[i];
		if (strcmp(r->token.id, id) != 0)
			continue;
		good = hash_secret(r->salt, secret, hash) &&
		       CRYPTO_memcmp(hash, r->hash, HASH_BYTES) == 0 &&
		       (r->token.expires_ms == 0 || now_ms < r->token.expires_ms);
		if (good) {
			r->token.last_used_ms = now_ms;
			*out = r->token;
		}
	}
	pthread_mutex_unlock(&t->lock);
	OPENSSL_cleanse(secret, sizeof secret);
	return good;
}
