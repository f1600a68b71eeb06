/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target as an ordinary test: every file of its corpus as it is, then a bounded
 * number of mutations of them from a fixed seed. Inputs lie in malloc-exact buffers, so that a
 * sanitizer sees the first byte read too far.
 *
 * usage: fuzz_NAME CORPUS_DIR [ROUNDS [SEED]]   or   fuzz_NAME FILE
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_MAX 4096
#define INPUT_MAX 70000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct input {
	uint8_t *data;
	size_t bytes;
};

static struct input inputs[FILES_MAX];
static size_t input_count;
static uint64_t random_state;

static uint64_t random_next(void)
{
	/* splitmix64 (Steele, Lea, Flood, 2014) */
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void run_exact(const uint8_t *data, size_t bytes)
{
	uint8_t *exact = malloc(bytes ? bytes : 1);
	if (!exact)
		abort();
	memcpy(exact, data, bytes);
	LLVMFuzzerTestOneInput(exact, bytes);
	free(exact);
}

static int load(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "rb");
	if (!f || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > INPUT_MAX ||
	    input_count == FILES_MAX) {
		if (f)
			fclose(f);
		return -1;
	}
	struct input *in = &inputs[input_count];
	in->bytes = (size_t)st.st_size;
	in->data = malloc(in->bytes + 1);
	if (!in->data || fread(in->data, 1, in->bytes, f) != in->bytes)
		abort();
	fclose(f);
	input_count++;
	return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static size_t mutate(uint8_t *buffer, size_t bytes)
{
	uint64_t edits = 1 + random_next() % 6;
	for (uint64_t i = 0; i < edits; i++) {
		size_t at = bytes ? random_next() % bytes : 0;
		switch (random_next() % 6) {
		case 0: /* flip a bit */
			if (bytes)
				buffer[at] ^= (uint8_t)(1u << random_next() % 8);
			break;
		case 1: /* set a byte to an edge value */
			if (bytes)
				buffer[at] = (uint8_t[]){0, 1, 127, 128, 255, '"', '{', ']'}
				    [random_next() % 8];
			break;
		case 2: /* cut the end */
			bytes = at;
			break;
		case 3: /* remove a byte */
			if (bytes) {
				memmove(buffer + at, buffer + at + 1, bytes - at - 1);
				bytes--;
			}
			break;
		case 4: /* insert a byte */
			if (bytes < INPUT_MAX) {
				memmove(buffer + at + 1, buffer + at, bytes - at);
				buffer[at] = (uint8_t)random_next();
				bytes++;
			}
			break;
		default: { /* splice in a piece of another input */
			const struct input *other = &inputs[random_next() % input_count];
			size_t take = other->bytes ? random_next() % other->bytes : 0;
			if (at + take <= INPUT_MAX) {
				memcpy(buffer + at, other->data + (other->bytes - take), take);
				if (at + take > bytes)
					bytes = at + take;
			}
		}
		}
	}
	return bytes;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s CORPUS_DIR [ROUNDS [SEED]] | FILE\n", argv[0]);
		return 2;
	}
	struct dirent **names;
	int n = scandir(argv[1], &names, NULL, by_name);
	if (n < 0 && load(argv[1]) != 0) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return 2;
	}
	for (int i = 0; i < n; i++) {
		char path[4096];
		snprintf(path, sizeof path, "%s/%s", argv[1], names[i]->d_name);
		load(path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (input_count == 0) {
		fprintf(stderr, "%s: the corpus is empty\n", argv[1]);
		return 1;
	}

	for (size_t i = 0; i < input_count; i++)
		run_exact(inputs[i].data, inputs[i].bytes);

	unsigned long rounds = n < 0 ? 0 : argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
	random_state = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	uint8_t *buffer = malloc(INPUT_MAX * 2);
	if (!buffer)
		abort();
	for (unsigned long r = 0; r < rounds; r++) {
		const struct input *in = &inputs[random_next() % input_count];
		memcpy(buffer, in->data, in->bytes);
		run_exact(buffer, mutate(buffer, in->bytes));
	}
	printf("%zu inputs and %lu mutations ran\n", input_count, rounds);
	free(buffer);
	for (size_t i = 0; i < input_count; i++)
		free(inputs[i].data);
	return 0;
}
