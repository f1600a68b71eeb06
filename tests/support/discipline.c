/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into headraced by a test: counts the calls that a worker thread must never make after
 * start (allocation, locks, blocking file calls), and who made them.
 *
 * SIGUSR2 arms it; at the end of the process one line per kind of call and caller goes to the file
 * named by HEADRACE_DISCIPLINE: "<count> <call> <caller>".
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define OFFENCES_MAX 64

struct offence {
	_Atomic(const char *) call;
	_Atomic(void *) caller;
	_Atomic unsigned long count;
};

static struct offence offences[OFFENCES_MAX];
static _Atomic unsigned long worker_calls; /* of clock_gettime: proof that workers were seen */
static atomic_bool armed;
static _Thread_local int is_worker; /* 0: not asked yet, 1: yes, -1: no */

static int on_worker(void)
{
	if (!atomic_load_explicit(&armed, memory_order_relaxed))
		return 0;
	if (is_worker == 0) {
		char name[16] = "";
		prctl(PR_GET_NAME, name);
		is_worker = strncmp(name, "rte-worker", 10) == 0 ? 1 : -1;
	}
	return is_worker == 1;
}

static void note(const char *call, void *caller)
{
	for (int i = 0; i < OFFENCES_MAX; i++) {
		const char *known = atomic_load(&offences[i].call);
		if (!known && atomic_compare_exchange_strong(&offences[i].call, &known, call)) {
			atomic_store(&offences[i].caller, caller);
			known = call;
		}
		if (known == call && atomic_load(&offences[i].caller) == caller) {
			atomic_fetch_add(&offences[i].count, 1);
			return;
		}
	}
}

/* The next definition of a function in the link order. */
static void *next(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);
	if (!f)
		abort();
	return f;
}

#define WRAP(type, name, parameters, arguments)                                                    \
	type name parameters;                                                                      \
	type name parameters                                                                       \
	{                                                                                          \
		static type(*real) parameters;                                                     \
		if (!real)                                                                         \
			*(void **)&real = next(#name);                                             \
		if (on_worker())                                                                   \
			note(#name, __builtin_return_address(0));                                  \
		return real arguments;                                                             \
	}

/* glibc's own names: dlsym itself may allocate while the wrappers look for the real ones */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *p, size_t bytes);
extern void __libc_free(void *p);

void *malloc(size_t bytes)
{
	if (on_worker())
		note("malloc", __builtin_return_address(0));
	return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	if (on_worker())
		note("calloc", __builtin_return_address(0));
	return __libc_calloc(count, bytes);
}

void *realloc(void *p, size_t bytes)
{
	if (on_worker())
		note("realloc", __builtin_return_address(0));
	return __libc_realloc(p, bytes);
}

void free(void *p)
{
	if (p && on_worker())
		note("free", __builtin_return_address(0));
	__libc_free(p);
}

WRAP(int, pthread_mutex_lock, (pthread_mutex_t * m), (m))
WRAP(int, pthread_rwlock_rdlock, (pthread_rwlock_t * l), (l))
WRAP(int, pthread_rwlock_wrlock, (pthread_rwlock_t * l), (l))
WRAP(int, pthread_cond_wait, (pthread_cond_t * c, pthread_mutex_t *m), (c, m))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(ssize_t, pread, (int fd, void *p, size_t n, off_t o), (fd, p, n, o))
WRAP(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t o), (fd, p, n, o))

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		*(void **)&real = next("clock_gettime");
	if (on_worker())
		atomic_fetch_add_explicit(&worker_calls, 1, memory_order_relaxed);
	return real(clock, ts);
}

static void arm(int signal_number)
{
	(void)signal_number;
	atomic_store(&armed, true);
}

__attribute__((constructor)) static void begin(void)
{
	signal(SIGUSR2, arm);
}

__attribute__((destructor)) static void report(void)
{
	const char *path = getenv("HEADRACE_DISCIPLINE");
	bool was_armed = atomic_exchange(&armed, false);
	FILE *f = path && was_armed ? fopen(path, "w") : NULL;
	if (!f)
		return;
	fprintf(f, "%lu clock_gettime worker\n", atomic_load(&worker_calls));
	for (int i = 0; i < OFFENCES_MAX && atomic_load(&offences[i].call); i++) {
		Dl_info where = {0};
		void *caller = atomic_load(&offences[i].caller);
		dladdr(caller, &where);
		fprintf(f, "%lu %s %s:%s(%p)\n", atomic_load(&offences[i].count),
		        atomic_load(&offences[i].call), where.dli_fname ? where.dli_fname : "?",
		        where.dli_sname ? where.dli_sname : "?", caller);
	}
	fclose(f);
}
