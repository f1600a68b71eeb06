/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two profiles by hand, for tests that have no configuration: the flat and the nested message of
 * metering practice.
 *
 *	id 1 "flat":   {"meterId","ts","kWh","kW","pf","v","status"}
 *	id 2 "nested": {"meterId","timestamp","location",
 *	                "energy":{"active_kwh","reactive_kvarh","peak_demand_kw","power_factor"},
 *	                "status":{"tamper_detected","battery_level","signal_strength"}}
 */
#ifndef HEADRACE_TESTS_SUPPORT_PROFILES_H
#define HEADRACE_TESTS_SUPPORT_PROFILES_H

#include "contract/profile.h"

/* Channel ids and canonical units, of these profiles only. */
enum {
	TEST_CHANNEL_ACTIVE = 1,   /* mWh */
	TEST_CHANNEL_REACTIVE = 2, /* mvarh */
	TEST_CHANNEL_DEMAND = 3,   /* mW */
	TEST_CHANNEL_FACTOR = 4,   /* 1/10,000 */
	TEST_CHANNEL_VOLTAGE = 5,  /* mV */
	TEST_CHANNEL_BATTERY = 6,  /* % */
	TEST_CHANNEL_SIGNAL = 7,   /* dBm, may be negative */
};

/* Slots of profile 1 and 2, in order. */
enum { FLAT_ACTIVE, FLAT_DEMAND, FLAT_FACTOR, FLAT_VOLTAGE, FLAT_CHANNELS };
enum {
	NESTED_ACTIVE,
	NESTED_REACTIVE,
	NESTED_DEMAND,
	NESTED_FACTOR,
	NESTED_BATTERY,
	NESTED_SIGNAL,
	NESTED_CHANNELS
};

#define TEST_FLAT_MESSAGE                                                                          \
	"{\"meterId\":\"SM-00001\",\"ts\":\"2025-06-15T14:15:00Z\",\"kWh\":1247.83,\"kW\":3.21,"   \
	"\"pf\":0.97,\"v\":239.4,\"status\":\"OK\"}"
#define TEST_FLAT_MS 1749996900000

#define TEST_NESTED_MESSAGE                                                                        \
	"{\"meterId\":\"METER-00042\",\"timestamp\":\"2026-02-08T14:15:00Z\",\"location\":"        \
	"{\"lat\":37.7749,\"lon\":-122.4194},\"energy\":{\"active_kwh\":125.3,"                    \
	"\"reactive_kvarh\":18.2,\"peak_demand_kw\":4.5,\"power_factor\":0.92},\"status\":"        \
	"{\"tamper_detected\":false,\"battery_level\":95,\"signal_strength\":-68}}"
#define TEST_NESTED_MS 1770560100000

/* Both profiles with topics "meters/+/flat", "meters/+/nested" and URIs "/readings",
 * "/readings/nested/#", 15-minute intervals, domain thresholds (60, 300, 3,600 s; 48 h), no
 * capacity and no dials. Only the nested one has a signature ("energy" as a member). */
void test_profiles_init(struct profile_set *set);

#endif
