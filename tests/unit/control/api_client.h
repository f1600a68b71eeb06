/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP byte by byte, so that a test can send what no library would. */
#ifndef HEADRACE_TESTS_CONTROL_API_CLIENT_H
#define HEADRACE_TESTS_CONTROL_API_CLIENT_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char answer[1 << 22]; /* the body */
static size_t answer_bytes;     /* it may have zeros */
static char headers[4096];

/* To the TCP port when it is not 0, else to the socket. */
static inline int dial(const char *path, uint16_t port)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	strcpy(un.sun_path, path);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(port ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
	int done = port ? connect(fd, (struct sockaddr *)&in, sizeof in)
	               : connect(fd, (struct sockaddr *)&un, sizeof un);
	if (fd < 0 || done != 0)
		abort();
	return fd;
}

/* Sends the request, reads to the end; returns the status, 0: no HTTP came. */
static inline int exchange(int fd, const char *request, size_t bytes)
{
	static char all[sizeof answer + sizeof headers];
	size_t used = 0;
	while (bytes > 0) {
		ssize_t n = send(fd, request, bytes, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		request += n;
		bytes -= (size_t)n;
	}
	for (ssize_t n; used < sizeof all - 1 &&
	                (n = recv(fd, all + used, sizeof all - 1 - used, 0)) > 0;)
		used += (size_t)n;
	close(fd);
	all[used] = '\0';
	int status = 0;
	answer_bytes = 0;
	answer[0] = '\0';
	sscanf(all, "HTTP/1.%*c %d", &status);
	char *body = strstr(all, "\r\n\r\n");
	if (!body)
		return status;
	*body = '\0';
	size_t length = strlen(all) < sizeof headers ? strlen(all) : sizeof headers - 1;
	memcpy(headers, all, length);
	headers[length] = '\0';
	answer_bytes = used - (size_t)(body + 4 - all);
	if (answer_bytes >= sizeof answer)
		abort(); /* ask for less */
	memcpy(answer, body + 4, answer_bytes);
	answer[answer_bytes] = '\0';
	return status;
}

#endif
