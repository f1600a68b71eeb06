/* SPDX-License-Identifier: Apache-2.0 */
/* DPDK and its ports as the configuration wants them. */
#ifndef HEADRACE_CONTROL_START_PORTS_H
#define HEADRACE_CONTROL_START_PORTS_H

#include <stdint.h>

#include "base/result.h"
#include "control/config/config.h"
#include "net/port.h"

MUST_USE enum result start_dpdk(const struct config *config, struct error *err);

/* *ports is an array for free(), also after a failure; the first *ports_open of it are open. */
MUST_USE enum result start_ports(const struct config *config, struct port **ports,
                                 uint32_t *ports_open, struct error *err);

#endif
