/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registration by MQTT: a PUBLISH to `register/DEVICE` whose payload describes the device. They
 * are collected and submitted together, so that a fleet that starts up costs few disk writes.
 *
 * The answer is a PUBLISH to the response topic of the request (5.0), or to
 * `register/DEVICE/answer`: {"deviceId":"SM-1","result":"pending","state":"pending","detail":"..."}
 * and the reason code of PUBACK or PUBREC. Private to control/broker.
 */
#ifndef HEADRACE_BROKER_REGISTERING_H
#define HEADRACE_BROKER_REGISTERING_H

#include "control/broker/core.h"
#include "control/registry/registration.h"

struct registering;

struct registering *registering_new(struct registration *registration);
void registering_free(struct registering *g);

/* core_hooks.take. False: the topic is not one of registration. */
bool registering_take(struct registering *g, const struct core_publisher *from,
                      struct bytes client, struct bytes topic, struct bytes props,
                      struct bytes payload);

/* Submit what was collected, publish the answers. RESULT other than OK: nothing was applied, call
 * it again later. */
MUST_USE enum result registering_submit(struct registering *g, struct core *core,
                                        struct error *err);

#endif
