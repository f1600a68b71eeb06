/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints of bills in files of their own; bills.c has the table. Private to control/api. */
#ifndef HEADRACE_API_BILLS_PRIV_H
#define HEADRACE_API_BILLS_PRIV_H

#include "control/api/api_priv.h"

api_endpoint api_bills_export;

#endif
