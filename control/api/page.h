/* SPDX-License-Identifier: Apache-2.0 */
/* How a file of the dashboard is answered. Private to control/api. */
#ifndef HEADRACE_API_PAGE_H
#define HEADRACE_API_PAGE_H

#include <microhttpd.h>

#include "control/web/web.h"

/* Compressed to who takes that, 304 to who has it. */
enum MHD_Result page_send(struct MHD_Connection *connection, const struct web_file *file);

#endif
