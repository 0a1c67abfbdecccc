/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/proto/method.h"

struct error;
struct loop;
struct strbuf;

/*
 * The host's side of the agent protocol: typed calls over one connection, many in flight, each
 * with a time-out. What the guest sends is bounded (4 MiB a frame, AGENT_MAX_IN_FLIGHT requests)
 * and decoded here; its texts are sanitized before they reach an error message.
 *
 * One client serves one loop. agent_call() runs that loop until the answer is there, so other
 * sources of it (a channel being bridged) go on meanwhile. It may be called from a callback, but
 * not from a reply of the same client: the answer could not be read.
 */
#define AGENT_MAX_IN_FLIGHT 64

struct agent_client;

/* Where an agent listens:
 *	vsock://CID[:PORT]    AF_VSOCK
 *	hvsock://PATH[:PORT]  a hybrid socket: `CONNECT port` → `OK n`
 *	unix://PATH           ttRPC at once, for an agent that is an ordinary process
 * Connects to @port, running @loop meanwhile; an address's own PORT stands for AGENT_PORT_RPC.
 * *ret_local_port is the number by which the agent knows this connection (stdin_port etc.); NULL
 * when not wanted. */
int agent_dial(struct loop *loop, const char *address, uint32_t port, int timeout_ms, int *ret_fd,
	       uint32_t *ret_local_port, struct error *err);
/* The same where a refusal may mean that the VMM or its guest is only on the way: a hybrid socket
 * of the VMM's own. */
int agent_await(struct loop *loop, const char *address, uint32_t port, int timeout_ms, int *ret_fd,
		uint32_t *ret_local_port, struct error *err);

/* The handshake alone, on a connected hybrid socket (for a caller that holds the pipe itself). */
int agent_handshake(struct loop *loop, int fd, uint32_t port, int timeout_ms,
		    uint32_t *ret_local_port, struct error *err);

/* @fd: a connected stream, owned from here on. */
int agent_client_new(struct loop *loop, int fd, struct agent_client **ret);
void agent_client_free(struct agent_client *client); /* pending calls end with -ECANCELED */

/* One call: @request and @response are the nanopb structs of @method (agent/proto/method.h);
 * *response is written on success and wants agent_response_release(). @timeout_ms -1: none.
 * Errors: -ETIMEDOUT, -EPIPE (the connection ended), or what the agent answered, with its
 * status code mapped to an errno (NOT_FOUND: -ENOENT, UNIMPLEMENTED: -ENOSYS, …). */
int agent_call(struct agent_client *client, enum agent_method method, const void *request,
	       void *response, int timeout_ms, struct error *err);

/* @response is NULL when @err is not; otherwise released after the callback. */
typedef void (*agent_reply_fn)(void *ctx, const void *response, const struct error *err);
int agent_call_async(struct agent_client *client, enum agent_method method, const void *request,
		     int timeout_ms, agent_reply_fn fn, void *ctx, struct error *err);

/* As agent_call(), with both messages as they are on the wire, for methods that agent_methods may
 * not have. *@response is appended to. What the agent refuses is told with its status code:
 * "agent: METHOD: NOT_FOUND: …". */
int agent_call_bytes(struct agent_client *client, const char *service, const char *method,
		     const struct strbuf *request, struct strbuf *response, int timeout_ms,
		     struct error *err);

void agent_response_release(enum agent_method method, void *response);
