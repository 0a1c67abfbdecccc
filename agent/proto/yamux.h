/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct error;
struct loop;

/*
 * yamux: many streams over one byte pipe, as hashicorp/yamux frames them (12-byte header: version,
 * type, flags, stream id, length, big-endian; window updates; ping; go away). It carries the
 * agent's connections over one virtio-serial port where the host has no vhost-vsock.
 *
 * Both ends see plain descriptors: a stream is joined to a local stream socket, and bytes, half
 * closes and resets go both ways with the protocol's flow control; nothing is buffered beyond the
 * window (256 KiB a stream). A peer that breaks the protocol ends the session with an error; at
 * most YAMUX_MAX_STREAMS are open at once, more are reset.
 */
#define YAMUX_MAX_STREAMS 1024
#define YAMUX_WINDOW (256 * 1024)

struct yamux;

struct yamux_handlers {
	/* The peer opened a stream; @fd is our end of it, ours to close. NULL: streams are refused.
	 * The session may not be freed here. */
	void (*on_accept)(void *ctx, int fd);
	/* Another peer is at the other end and knows nothing of our streams, which are closed after
	 * this: yamux_restart(). NULL: that is a breach of the protocol. */
	void (*on_restart)(void *ctx);
	/* The pipe ended (err->code == -EPIPE) or the peer broke the protocol. Called once; the
	 * streams' sockets are closed by then. The session may be freed here. */
	void (*on_end)(void *ctx, const struct error *err);
	void *ctx;
};

/* @fd: the pipe, both directions, made non-blocking and owned by the session from here on.
 * @is_client: our streams get odd ids. */
int yamux_new(struct loop *loop, int fd, int is_client, const struct yamux_handlers *handlers,
	      struct yamux **ret);
void yamux_free(struct yamux *session);

/* Writes a ping to a pipe without a session on it yet, blocking: for a virtio-serial port, whose
 * other end may not be there yet. Returns once it is. 0 or -errno. */
int yamux_greet(int fd);

/*
 * For a peer that is saved, and goes on later with another process at this end of the pipe.
 * Hashicorp's protocol has no word for that: it is a go-away frame with SYN and 64 random bits,
 * which is answered by the same with ACK.
 */

/* Stops: when @on_held is called, all that the peer had for us has come, it has read all that we
 * wrote, a whole frame at the end, and nothing more is written until yamux_release(). A peer that
 * does not read makes it wait for ever. */
void yamux_hold(struct yamux *session, void (*on_held)(void *ctx), void *ctx);
void yamux_release(struct yamux *session);

/* Of a new session with such a peer, before all else: makes it forget its streams, and passes over
 * what it still sends on those. 0 or -errno. */
int yamux_restart(struct yamux *session);

/* Opens a stream and joins it to @fd (a stream socket, owned from here on). */
int yamux_open(struct yamux *session, int fd, struct error *err);
