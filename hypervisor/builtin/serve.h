/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct loop;
struct machine;

/*
 * The VMM's side of its control socket: one request at a time, others wait in the socket's
 * queue. Who says nothing for some seconds is let go.
 */
struct server;

/* @listen_fd is owned. @on_quit: somebody wants it to end, or it is of no use. */
int server_new(struct loop *loop, int listen_fd, struct machine *machine,
	       void (*on_quit)(void *ctx, const char *reason), void *ctx, struct server **ret,
	       struct error *err);
/* The machine's on_paused. */
void server_on_paused(struct server *server);
