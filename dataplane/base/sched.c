/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sched.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS 100000

bool sched_has_autogroups(void)
{
	char text[2] = "0";
	int fd = open("/proc/sys/kernel/sched_autogroup_enabled", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool on = read(fd, text, 1) == 1 && text[0] != '0';
	close(fd);
	return on;
}

void sched_soon(int nice)
{
	struct sched_attr attr = {.size = sizeof attr};

	/* the C library has no functions for these; what fails leaves all as it was */
	if (syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0) != 0 ||
	    attr.sched_policy != SCHED_NORMAL)
		return;
	int had = attr.sched_nice;
	attr.sched_runtime = SLICE_NS;
	attr.sched_nice = nice < had ? nice : had;
	if (syscall(SYS_sched_setattr, 0, &attr, 0) == 0)
		return;
	attr.sched_nice = had;
	syscall(SYS_sched_setattr, 0, &attr, 0);
}

void sched_later(void)
{
	struct sched_attr attr = {
	    .size = sizeof attr, .sched_policy = SCHED_BATCH, .sched_nice = 19};
	syscall(SYS_sched_setattr, 0, &attr, 0);
}
