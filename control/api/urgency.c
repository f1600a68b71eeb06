/* SPDX-License-Identifier: Apache-2.0 */
#include "control/api/urgency.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICE_URGENT (-10)

static _Thread_local bool raised;
static _Thread_local int ordinary; /* what it was before */

/* Linux: nice belongs to the thread. */
static bool set_nice(int value)
{
	return setpriority(PRIO_PROCESS, (id_t)gettid(), value) == 0;
}

void urgency_raise(void)
{
	static atomic_bool refused; /* not asked for again */
	if (raised || atomic_load_explicit(&refused, memory_order_relaxed))
		return;
	ordinary = getpriority(PRIO_PROCESS, (id_t)gettid());
	raised = ordinary > NICE_URGENT && set_nice(NICE_URGENT);
	if (!raised && ordinary > NICE_URGENT)
		atomic_store_explicit(&refused, true, memory_order_relaxed);
}

void urgency_drop(void)
{
	if (raised)
		raised = !set_nice(ordinary);
}
