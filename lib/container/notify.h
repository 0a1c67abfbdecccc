/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "lib/base/cleanup.h"

struct container;
struct error;
struct loop;

/*
 * $NOTIFY_SOCKET of the command's caller (sd_notify(3)), for programs in containers that say when
 * they are ready. The host's socket stays out of the container: that gets a directory with a
 * socket of ours, /run/notify/notify.sock, and from what arrives there only READY=1 is passed on,
 * with the pid that the caller's manager is to watch. Native isolation only: a socket is nothing
 * that a guest could be given through shared files.
 */

/* While a container is made, before its plan: the directory, the mount and the variable, if the
 * caller has a socket. */
int notify_prepare(struct container *c, struct error *err);

/* The socket, before the program runs. *ret stays NULL for a container that was made without one,
 * or when the caller has none now. */
struct notify;
int notify_open(const struct container *c, struct notify **ret, struct error *err);
void notify_free(struct notify *notify);
DEFINE_CLEANUP(notify_free_p, struct notify *, notify_free)
#define cleanup_notify CLEANUP(notify_free_p)

/* Waits for the program to be ready, or to end, and says so: @pid is what remains. For commands
 * that return once a container runs. NULL is accepted. */
void notify_wait(struct notify *notify, pid_t pid, int pidfd);
/* The same from a loop, which is freed before @notify: this process is what remains. */
int notify_watch(struct notify *notify, struct loop *loop);
