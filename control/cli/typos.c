/* SPDX-License-Identifier: Apache-2.0 */
/* The nearest word to one that was mistyped. */
#include <string.h>

#include "control/cli/command.h"

#define WORD_MAX 64

/* Optimal string alignment: insert, delete, change, swap two neighbours; three rows of the matrix
 * are kept. */
unsigned typo_distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX];
	size_t width = strlen(b);
	if (width >= WORD_MAX || strlen(a) >= WORD_MAX)
		return WORD_MAX;
	for (size_t k = 0; k <= width; k++)
		rows[0][k] = (unsigned)k;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];
		row[0] = (unsigned)i;
		for (size_t k = 1; k <= width; k++) {
			unsigned best = above[k - 1] + (a[i - 1] != b[k - 1]);
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			if (above[k] + 1 < best)
				best = above[k] + 1;
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
			    two[k - 2] + 1 < best)
				best = two[k - 2] + 1;
			row[k] = best;
		}
	}
	return rows[strlen(a) % 3][width];
}

/* A third of the word may be wrong, and one letter of a short one; a beginning counts as one. */
void typo_try(struct nearest *n, const char *word, const char *candidate)
{
	size_t length = strlen(word);
	unsigned allowed = length < 6 ? 2 : length < 12 ? 3 : 4;
	unsigned d = typo_distance(word, candidate);
	if (length >= 3 && strncmp(candidate, word, length) == 0)
		d = 1;
	if (d > allowed || d >= length || (n->word && d >= n->distance))
		return;
	n->word = candidate;
	n->distance = d;
}
