/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct error;

/*
 * What moat and a shim say to each other while a container or an exec comes to life. Each message
 * has a name and one direction; each side says which it waits for. The end of the channel is
 * "moat-shim died before 'created'", never success.
 *
 *	create:	shim → NAMESPACES			network and mount namespace are there
 *		moat → HOOKED				the host's hooks have run
 *		shim → CREATED (agent's address)	the container exists, nothing runs yet
 *		moat → RECORDED				it is on disk: the shim may outlive moat
 *		shim → STARTED				`run` only: the program runs
 *	start:	moat → START				on the socket <state>/start.sock
 *		shim → STARTED
 *	exec:	shim → STARTED				the program runs
 *		moat → RECORDED				the pid file is written
 *	pod:	shim → JOIN				on the socket <sandbox>/vm/shim.sock
 *		owner → FILES				and the descriptors of the shared files
 *	guard:	shim → ATTEND (container/process)	on the same socket: kill it when I die
 *		shim → LEAVE				it has ended
 *	save:	moat → HOLD				on the same socket
 *		owner → HELD				the agent has read all, till the socket ends
 *	any:	shim → PROGRESS (percent and work)	before its message, for who waits to show
 *		shim → FAILED (struct error)		instead of its message; its work is undone
 *
 * Until RECORDED arrives, the shim takes the end of the channel as moat's death and undoes its
 * work.
 */
enum rendezvous_message {
	RENDEZVOUS_NAMESPACES,
	RENDEZVOUS_HOOKED,
	RENDEZVOUS_CREATED,
	RENDEZVOUS_RECORDED,
	RENDEZVOUS_START,
	RENDEZVOUS_STARTED,
	RENDEZVOUS_JOIN,
	RENDEZVOUS_FILES,
	RENDEZVOUS_ATTEND,
	RENDEZVOUS_LEAVE,
	RENDEZVOUS_HOLD,
	RENDEZVOUS_HELD,
	RENDEZVOUS_PROGRESS,
	RENDEZVOUS_FAILED,
	RENDEZVOUS_COUNT,
};

const char *rendezvous_name(enum rendezvous_message message);

#define RENDEZVOUS_TEXT_MAX 1020

/* Any connected stream socket carries the messages; this makes one. Leaf: 0 or -errno. */
int rendezvous_pair(int *ret_moat, int *ret_shim);

/* @text: at most RENDEZVOUS_TEXT_MAX - 1 bytes, NULL for none. A reader that is gone is -EPIPE. */
int rendezvous_send(int fd, enum rendezvous_message message, const char *text);
/* FAILED with @failure, as the other side is to report it. */
int rendezvous_send_failure(int fd, const struct error *failure);

/* PROGRESS, as progress_relay() wants a function; @ctx: the descriptor. What cannot be sent is left
 * out. */
void rendezvous_send_progress(void *ctx, const char *what, int percent);

/* One message, without regard to what was expected. *ret_text wants free(3); it is the failure's
 * text for FAILED, whose code is *ret_code; it can be printed. -EPIPE at the end of the channel,
 * -EAGAIN when nothing is there, -EBADMSG for what is no message or a part of one. */
int rendezvous_receive(int fd, enum rendezvous_message *ret, int *ret_code, char **ret_text);

/* Waits for @wanted from @peer ("moat-shim"), and shows what progress that tells of, if that is
 * wanted (lib/base/progress.h). FAILED becomes the caller's error as it is. @ret_text may be
 * NULL. */
int rendezvous_wait(int fd, enum rendezvous_message wanted, int timeout_ms, const char *peer,
		    char **ret_text, struct error *err);
