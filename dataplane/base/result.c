/* SPDX-License-Identifier: Apache-2.0 */
#include "base/result.h"

#include <stdarg.h>
#include <stdio.h>

enum result fail(enum result result, struct error *err, const char *format, ...)
{
	if (err) {
		va_list ap;
		va_start(ap, format);
		vsnprintf(err->text, sizeof err->text, format, ap);
		va_end(ap);
	}
	return result;
}
