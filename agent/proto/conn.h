/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/proto/ttrpc.h"

struct error;
struct loop;

/*
 * One ttRPC connection on an event loop, for either side. Frames come in whole; frames go out in
 * the order they were sent, from a queue when the stream is full. While that queue is longer than
 * TTRPC_CONN_QUEUE nothing is read, so a peer that asks without listening stalls itself only. A
 * handler that runs the loop gets no frame of the same connection meanwhile.
 */
#define TTRPC_CONN_QUEUE TTRPC_MAX_PAYLOAD

struct ttrpc_conn;

struct ttrpc_conn_handlers {
	/* As ttrpc_frame_fn; a negative return ends the connection with that error. */
	int (*on_frame)(void *ctx, const struct ttrpc_header *header, const uint8_t *payload);
	/* The stream ended (-EPIPE), failed, or on_frame refused to go on. Called once, from the
	 * loop. */
	void (*on_end)(void *ctx, const struct error *err);
	void *ctx;
};

/* @fd: a connected stream socket, owned from here on, also on failure. */
int ttrpc_conn_new(struct loop *loop, int fd, const struct ttrpc_conn_handlers *handlers,
		   struct ttrpc_conn **ret);
/* Allowed in both handlers. */
void ttrpc_conn_free(struct ttrpc_conn *conn);

/* -EMSGSIZE above the frame's limit. A stream that cannot be written is noticed by the loop. */
int ttrpc_conn_request(struct ttrpc_conn *conn, uint32_t stream_id,
		       const struct ttrpc_request *request);
int ttrpc_conn_response(struct ttrpc_conn *conn, uint32_t stream_id,
			const struct ttrpc_response *response);
/* Whether everything that was sent has been handed to the kernel. */
bool ttrpc_conn_is_flushed(const struct ttrpc_conn *conn);
