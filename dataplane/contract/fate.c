/* SPDX-License-Identifier: Apache-2.0 */
#include "contract/fate.h"

const struct fate_info fate_info[FATE_COUNT] = {
#define FATE(id, name, coap, mqtt, help) [FATE_##id] = {name, help, coap, mqtt},
    FATES(FATE)
#undef FATE
};
