/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The priority of the thread that serves a connection. Where workers and clients fill all
 * processors, what somebody waits for is not the answer but the thread's turn to run. So the thread
 * that has answered a quick request (api_route.quick: some ten microseconds) waits for the next one
 * at a higher priority, and keeps it if that is a quick one, too. Everything else, the first
 * request and TLS's handshake among it, is done at the ordinary one.
 *
 * Needs what `nice -n -10` needs: root, CAP_SYS_NICE or RLIMIT_NICE. Without, nothing changes.
 * Private to control/api. Threads: each acts on itself.
 */
#ifndef HEADRACE_API_URGENCY_H
#define HEADRACE_API_URGENCY_H

void urgency_raise(void);
void urgency_drop(void);

#endif
