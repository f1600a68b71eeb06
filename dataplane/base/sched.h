/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread asks of the kernel's scheduler. */
#ifndef HEADRACE_BASE_SCHED_H
#define HEADRACE_BASE_SCHED_H

#include <stdbool.h>

/*
 * The calling thread wants the processor soon rather than long: slices of 0.1 ms, the shortest
 * there are, instead of some 3 ms that end at a timer tick. One that wakes then gets the processor
 * from a thread with longer slices at once, and has no more than its share of it. Needs no right.
 * Kernels before 6.12 take no notice; a thread whose policy isn't SCHED_OTHER is left alone
 * (somebody has chosen that on purpose).
 *
 * `nice` (-20 to 19) is asked for, too, where it is higher in priority than what the thread has;
 * that needs root, CAP_SYS_NICE or RLIMIT_NICE, and without them the slices are had all the same.
 *
 * For threads that somebody waits for; called once, at their start. Source: sched(7),
 * sched_setattr(2), `sched_runtime` of SCHED_OTHER.
 */
void sched_soon(int nice);

/*
 * The opposite, for work that nobody waits for (and for the threads that the calling one starts):
 * nice 19 and SCHED_BATCH, a share of 1.5 % beside one thread of ordinary priority that is always
 * busy, and what others leave. Not SCHED_IDLE: on a busy machine that is nothing at all, not even
 * the moment it takes to give back what somebody else waits for.
 */
void sched_later(void);

/*
 * Does the kernel group threads by session (kernel.sched_autogroup_enabled)? Priorities then hold
 * within the group only, and a group of busy threads of low priority and a worker that wakes was
 * seen to hold up the kernel's own threads of that core (ksoftirqd, kblockd, and with them every
 * acknowledgement) for half a second (Linux 6.18).
 */
bool sched_has_autogroups(void);

#endif
