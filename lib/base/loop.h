/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/signalfd.h>

#include "lib/base/cleanup.h"

/*
 * One thread's event loop over epoll(7): descriptors, signals and timers. The shim and the agent
 * are each one such thread. Callbacks may add and remove sources, their own included; a removed
 * source is not called again. Errors of set-up are -errno.
 */
struct loop;
struct loop_source;

/* @events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as epoll_wait(2) gave them. */
typedef void (*loop_fd_fn)(void *ctx, int fd, uint32_t events);
typedef void (*loop_timer_fn)(void *ctx);
typedef void (*loop_signal_fn)(void *ctx, const struct signalfd_siginfo *info);

int loop_new(struct loop **ret);
void loop_free(struct loop *loop); /* frees its sources; closes no foreign descriptor */
DEFINE_CLEANUP(loop_free_p, struct loop *, loop_free)
#define cleanup_loop CLEANUP(loop_free_p)

/* Watches @fd, which the caller owns, keeps open, and closes only after loop_remove(). A file
 * that epoll cannot watch (regular files) gives -EPERM. */
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *ctx,
		struct loop_source **ret);
/* Changes what is waited for; 0 waits for errors and hang-ups only. */
void loop_set_events(struct loop_source *source, uint32_t events);

/* Calls @fn once, @delay_ms from now; the source is then removed by itself. */
struct loop_source *loop_add_timer(struct loop *loop, int delay_ms, loop_timer_fn fn, void *ctx);

/* Blocks @signals in this process and delivers them here; at most once a loop. */
int loop_add_signals(struct loop *loop, const sigset_t *signals, loop_signal_fn fn, void *ctx);

void loop_remove(struct loop_source *source); /* NULL is accepted */

/* Runs until loop_quit(); returns its @code. */
int loop_run(struct loop *loop);
void loop_quit(struct loop *loop, int code);
/* Runs until @done is true, loop_quit() was called or @timeout_ms is over (-ETIMEDOUT). */
int loop_run_until(struct loop *loop, const bool *done, int timeout_ms);
