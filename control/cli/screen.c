/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal as a screen: output that takes the place of the one before without flicker, keys as
 * they are pressed. However the program ends, by a signal too, the terminal is given back as it
 * was.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "control/cli/cli.h"

/* the other screen, no cursor; and back */
#define OPEN  "\033[?1049h\033[?25l\033[2J"
#define CLOSE "\033[?25h\033[?1049l\033[0m"

static struct {
	FILE *real; /* NULL: nothing is kept */
	char *text;
	size_t bytes;
} kept;

static struct {
	struct termios before;
	volatile sig_atomic_t open, resized;
	bool raw;
} terminal;

/* --- output --- */

bool screen_keep(void)
{
	FILE *f = open_memstream(&kept.text, &kept.bytes);
	if (!f)
		return false;
	kept.real = stdout;
	stdout = f;
	return true;
}

/* Each line is followed by the wiping of its rest; they are no wider than the window, since tables
 * are cut, or the terminal cuts them. */
void screen_show(void)
{
	FILE *f = stdout;
	stdout = kept.real;
	kept.real = NULL;
	if (fclose(f) == 0 && kept.text && kept.bytes > 0) {
		const char *at = kept.text;
		fputs("\033[H\033[?7l", stdout);
		for (unsigned row = 0; *at && row + 1 < terminal_height(); row++) {
			size_t length = strcspn(at, "\n");
			fwrite(at, 1, length, stdout);
			fputs("\033[K\n", stdout);
			at += length + (at[length] == '\n');
		}
		fputs("\033[J\033[?7h", stdout);
	}
	fflush(stdout);
	free(kept.text);
	kept.text = NULL;
}

/* --- the terminal, and its return --- */

/* Safe in a signal's handler. */
static void give_back(void)
{
	if (!terminal.open)
		return;
	terminal.open = 0;
	ssize_t written = write(STDOUT_FILENO, CLOSE, sizeof CLOSE - 1);
	(void)written;
	if (terminal.raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
}

static void take_over(void)
{
	struct termios raw = terminal.before;
	raw.c_lflag &= (tcflag_t)~(ICANON | ECHO); /* Ctrl-C stays a signal */
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	if (terminal.raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	ssize_t written = write(STDOUT_FILENO, OPEN, sizeof OPEN - 1);
	(void)written;
	terminal.open = 1;
}

/* The signal does what it would have done, but to a terminal in order. */
static void on_end(int number)
{
	give_back();
	signal(number, SIG_DFL);
	raise(number);
}

static void on_stop(int number)
{
	sigset_t set;
	int before = errno;
	give_back();
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* stops here until SIGCONT */
	signal(number, on_stop);
	take_over();
	terminal.resized = 1;
	errno = before;
}

static void on_resize(int number)
{
	(void)number;
	terminal.resized = 1;
}

void screen_open(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGSEGV, SIGBUS,
	                           SIGFPE, SIGILL, SIGABRT};
	struct sigaction resize = {.sa_handler = on_resize}; /* poll() is to be broken off */
	terminal.raw = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &terminal.before) == 0;
	for (unsigned i = 0; i < sizeof ends / sizeof ends[0]; i++)
		signal(ends[i], on_end);
	signal(SIGTSTP, on_stop);
	sigaction(SIGWINCH, &resize, NULL);
	atexit(give_back);
	take_over();
}

void screen_close(void)
{
	fflush(stdout);
	give_back();
}

int screen_key(int timeout_ms)
{
	struct pollfd fd = {.fd = terminal.raw ? STDIN_FILENO : -1, .events = POLLIN};
	unsigned char key = 0;
	int n = poll(&fd, 1, timeout_ms);
	if (terminal.resized || (n < 0 && errno == EINTR)) {
		terminal.resized = 0;
		return -1;
	}
	if (n > 0 && read(STDIN_FILENO, &key, 1) != 1)
		terminal.raw = false; /* nobody is there any more */
	return key;
}
