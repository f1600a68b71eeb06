/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HEADRACE_TESTS_SIM_TCP_INVARIANTS_H
#define HEADRACE_TESTS_SIM_TCP_INVARIANTS_H

#include "tcp/tcp.h"

/* What must hold between any two calls of the engine: walks all connections and pools. NULL, or
 * what is broken. */
const char *tcp_invariants(struct tcp_engine *e);

#endif
