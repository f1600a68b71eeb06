/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread asks of the kernel's scheduler. */
#ifndef HEADRACE_BASE_SCHED_H
#define HEADRACE_BASE_SCHED_H

/*
 * The calling thread wants the processor soon rather than long: slices of 0.1 ms, the shortest
 * there are, instead of some 3 ms. One that wakes then gets the processor from a thread with
 * longer slices at once, and is no more and no less than its share ahead. Needs no right. Kernels
 * before 6.12 take no notice; nor does a thread whose policy isn't SCHED_OTHER (somebody has chosen
 * that on purpose). For threads that somebody waits for; called once, at their start.
 * Source: sched(7), sched_setattr(2), `sched_runtime` of SCHED_OTHER.
 */
void sched_soon(void);

#endif
