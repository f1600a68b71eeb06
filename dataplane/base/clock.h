/* SPDX-License-Identifier: Apache-2.0 */
/* The three clocks. Pure libraries never read them: the time is an argument there. */
#ifndef HEADRACE_BASE_CLOCK_H
#define HEADRACE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>
#include <x86intrin.h>

/* CPU time-stamp counter, cycles. Invariant on every machine this runs on. */
static inline uint64_t clock_cycles(void)
{
	return __rdtsc();
}

/* Monotonic time since an arbitrary point, microseconds. */
static inline uint64_t clock_mono_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* Wall time since 1970-01-01 UTC, milliseconds. */
static inline int64_t clock_wall_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

#endif
