/* SPDX-License-Identifier: Apache-2.0 */
/* The table of routes as an OpenAPI description. Private to control/api. */
#ifndef HEADRACE_API_OPENAPI_H
#define HEADRACE_API_OPENAPI_H

#include "control/api/text.h"

/* False: a shape is malformed, or there is no memory. */
bool openapi_put(struct text *t, const char *version);

#endif
