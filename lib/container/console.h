/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct error;

/*
 * Where the master of a process's terminal goes: to the socket that the caller named, or, in the
 * foreground, to ourselves over a pair of sockets.
 */
struct console {
	int container_end; /* a backend sends the master here; -1: no terminal */
	int our_end;	   /* foreground: the master arrives here; else -1 */
};
#define CONSOLE_INIT                                                                               \
	{                                                                                          \
		-1, -1                                                                             \
	}
void console_done(struct console *console);
#define cleanup_console CLEANUP(console_done)

struct console_request {
	bool has_terminal; /* of the process */
	bool is_detached;
	const char *socket_path; /* or NULL */
	int socket_fd;		 /* connected already; -1 */
};

/* Refuses what does not fit together, and connects. The socket must listen already: whoever
 * gave its path waits there. */
int console_open(const struct console_request *request, struct console *ret, struct error *err);

/* Takes the master from our end, where it waits once the backend has returned. */
int console_receive(const struct console *console, int *ret_master, struct error *err);
