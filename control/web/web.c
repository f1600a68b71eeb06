/* SPDX-License-Identifier: Apache-2.0 */
#include "control/web/web.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *name, const void *file)
{
	return strcmp(name, ((const struct web_file *)file)->name);
}

const struct web_file *web_find(const char *name)
{
	return bsearch(name, web_files, web_file_count, sizeof *web_files, compare);
}
