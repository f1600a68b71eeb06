/* SPDX-License-Identifier: Apache-2.0 */
/* See auth.h. Input: an operator's file, and names and passwords from the network. */
#include "control/broker/auth.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_BYTES     64
#define SALT_BYTES_MAX 64
#define ITERATIONS_MAX 1000000
#define LINE_BYTES     1024

struct user {
	char *name;
	int iterations; /* 0: plain SHA512 */
	uint32_t salt_bytes;
	uint8_t salt[SALT_BYTES_MAX];
	uint8_t hash[HASH_BYTES];
};

struct auth {
	struct user *users; /* by name */
	size_t count, capacity;
};

/* --- the file --- */

/* Base64 of at most `most` bytes; -1: it is not. */
static int decode(const char *text, uint8_t *out, int most)
{
	uint8_t plain[LINE_BYTES];
	size_t length = strlen(text);
	if (length == 0 || length % 4 != 0 || length > LINE_BYTES)
		return -1;
	int bytes = EVP_DecodeBlock(plain, (const uint8_t *)text, (int)length);
	if (bytes < 0)
		return -1;
	bytes -= (text[length - 1] == '=') + (text[length - 2] == '=');
	if (bytes <= 0 || bytes > most)
		return -1;
	memcpy(out, plain, (size_t)bytes);
	return bytes;
}

/* The rest of a line behind "NAME:". */
static bool parse_hash(char *text, struct user *u)
{
	char *end, *kind = strsep(&text, "$"); /* what is before the first: nothing */
	if (!text || *kind)
		return false;
	kind = strsep(&text, "$");
	if (text && strcmp(kind, "7") == 0) {
		const char *iterations = strsep(&text, "$");
		long n = strtol(iterations, &end, 10);
		if (*end || n < 1 || n > ITERATIONS_MAX)
			return false;
		u->iterations = (int)n;
	} else if (strcmp(kind, "6") != 0) {
		return false;
	}
	const char *salt = text ? strsep(&text, "$") : NULL;
	int bytes = salt && text ? decode(salt, u->salt, SALT_BYTES_MAX) : -1;
	u->salt_bytes = bytes > 0 ? (uint32_t)bytes : 0;
	return bytes > 0 && decode(text, u->hash, HASH_BYTES) == HASH_BYTES;
}

static bool add(struct auth *a, const char *name, const struct user *u)
{
	if (a->count == a->capacity) {
		size_t capacity = a->capacity ? a->capacity * 2 : 64;
		struct user *longer = realloc(a->users, capacity * sizeof *longer);
		if (!longer)
			return false;
		a->users = longer;
		a->capacity = capacity;
	}
	a->users[a->count] = *u;
	return (a->users[a->count].name = strdup(name)) && ++a->count;
}

static enum result take_line(struct auth *a, char *line, const char *path, unsigned number,
                             struct error *err)
{
	struct user u = {0};
	line[strcspn(line, "\r\n")] = '\0';
	if (*line == '\0' || *line == '#')
		return RESULT_OK;
	char *colon = strchr(line, ':');
	if (!colon || colon == line)
		return fail(RESULT_INPUT, err, "%s:%u: expected NAME:HASH, as mosquitto_passwd "
		            "writes it", path, number);
	*colon = '\0';
	if (!parse_hash(colon + 1, &u))
		return fail(RESULT_INPUT, err,
		            "%s:%u: the password of '%.80s' is not a hash of mosquitto_passwd "
		            "($7$... or $6$...); run mosquitto_passwd -U on the file",
		            path, number, line);
	return add(a, line, &u) ? RESULT_OK
	                        : fail(RESULT_RESOURCE, err, "%s: no memory", path);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct user *)a)->name, ((const struct user *)b)->name);
}

enum result auth_load(const char *path, struct auth **out, struct error *err)
{
	char line[LINE_BYTES];
	unsigned number = 0;
	FILE *f = fopen(path, "re");
	if (!f)
		return fail(RESULT_INPUT, err, "%s: %s", path, strerror(errno));
	struct auth *a = calloc(1, sizeof *a);
	enum result result = a ? RESULT_OK : fail(RESULT_RESOURCE, err, "%s: no memory", path);
	while (result == RESULT_OK && fgets(line, sizeof line, f)) {
		number++;
		if (strlen(line) == sizeof line - 1)
			result = fail(RESULT_INPUT, err, "%s:%u: the line is too long", path,
			              number);
		else
			result = take_line(a, line, path, number, err);
	}
	if (result == RESULT_OK && ferror(f))
		result = fail(RESULT_INPUT, err, "%s: cannot be read", path);
	fclose(f);
	if (result != RESULT_OK) {
		auth_free(a);
		return result;
	}
	if (a->count > 0)
		qsort(a->users, a->count, sizeof a->users[0], by_name);
	*out = a;
	return RESULT_OK;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->count; i++)
		free(a->users[i].name);
	free(a->users);
	free(a);
}

/* --- checking --- */

static bool sha512(struct bytes password, const struct user *u, uint8_t out[HASH_BYTES])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context && EVP_DigestInit_ex(context, EVP_sha512(), NULL) == 1 &&
	            EVP_DigestUpdate(context, password.data, password.count) == 1 &&
	            EVP_DigestUpdate(context, u->salt, u->salt_bytes) == 1 &&
	            EVP_DigestFinal_ex(context, out, NULL) == 1;
	EVP_MD_CTX_free(context);
	return good;
}

static bool matches(const struct user *u, struct bytes password)
{
	uint8_t hash[HASH_BYTES];
	bool good = u->iterations == 0
	                ? sha512(password, u, hash)
	                : PKCS5_PBKDF2_HMAC((const char *)password.data, (int)password.count,
	                                    u->salt, (int)u->salt_bytes, u->iterations,
	                                    EVP_sha512(), HASH_BYTES, hash) == 1;
	return good && CRYPTO_memcmp(hash, u->hash, HASH_BYTES) == 0;
}

bool auth_check(const struct auth *a, struct bytes user, struct bytes password)
{
	size_t low = 0, high = a->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		const char *name = a->users[middle].name;
		size_t length = strlen(name);
		size_t shorter = length < user.count ? length : user.count;
		int order = shorter ? memcmp(user.data, name, shorter) : 0;
		if (order == 0 && user.count == length)
			return matches(&a->users[middle], password);
		if (order < 0 || (order == 0 && user.count < length))
			high = middle;
		else
			low = middle + 1;
	}
	if (a->count > 0)
		(void)matches(&a->users[0], password); /* the same time as for one who is there */
	return false;
}
