/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes on their way: added behind, taken from the front. How many it may hold is its user's
 * business. */
struct fifo {
	uint8_t *buf;
	size_t start;
	size_t len;
	size_t cap;
};
#define FIFO_INIT                                                                                  \
	{                                                                                          \
		NULL, 0, 0, 0                                                                      \
	}

/* Room for @size more bytes, to be filled and then kept with fifo_commit(). */
uint8_t *fifo_room(struct fifo *f, size_t size);
void fifo_commit(struct fifo *f, size_t size);
void fifo_add(struct fifo *f, const void *data, size_t size);
const uint8_t *fifo_head(const struct fifo *f);
void fifo_drop(struct fifo *f, size_t size);
void fifo_done(struct fifo *f);

/* Write as much to @fd as it takes at the moment. 0, also when some is left, or -errno.
 * fifo_flush(): any file that is non-blocking; a pipe may raise SIGPIPE. fifo_send(): a socket. */
int fifo_flush(struct fifo *f, int fd);
int fifo_send(struct fifo *f, int fd);
