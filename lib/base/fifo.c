/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/fifo.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/str.h"

/* A larger buffer is given back once it is empty: one 4 MiB message should not cost for ever. */
#define FIFO_KEEP (512u * 1024)

uint8_t *fifo_room(struct fifo *f, size_t size)
{
	if (f->start && f->start + f->len + size > f->cap) {
		memmove(f->buf, f->buf + f->start, f->len);
		f->start = 0;
	}
	if (f->len + size > f->cap) {
		f->cap = f->len + size < 4096 ? 4096 : (f->len + size) * 3 / 2;
		f->buf = xrealloc(f->buf, f->cap, 1);
	}
	return f->buf + f->start + f->len;
}

void fifo_commit(struct fifo *f, size_t size)
{
	f->len += size;
}

void fifo_add(struct fifo *f, const void *data, size_t size)
{
	if (!size)
		return;
	memcpy(fifo_room(f, size), data, size);
	fifo_commit(f, size);
}

const uint8_t *fifo_head(const struct fifo *f)
{
	return f->buf + f->start;
}

void fifo_drop(struct fifo *f, size_t size)
{
	assert(size <= f->len);
	f->len -= size;
	f->start = f->len ? f->start + size : 0;
	if (!f->len && f->cap > FIFO_KEEP)
		fifo_done(f);
}

void fifo_done(struct fifo *f)
{
	free(f->buf);
	*f = (struct fifo)FIFO_INIT;
}

static ssize_t write_socket(int fd, const void *data, size_t size)
{
	return send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int move(struct fifo *f, int fd, ssize_t (*put)(int fd, const void *data, size_t size))
{
	while (f->len) {
		ssize_t n = put(fd, fifo_head(f), f->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		fifo_drop(f, (size_t)n);
	}
	return 0;
}

int fifo_flush(struct fifo *f, int fd)
{
	return move(f, fd, write);
}

int fifo_send(struct fifo *f, int fd)
{
	return move(f, fd, write_socket);
}
