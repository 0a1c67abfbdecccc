/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/console.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/backend.h"
#include "hypervisor/builtin/virtio/device.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/base/wire.h"

enum { QUEUE_INPUT, QUEUE_OUTPUT, QUEUES_COUNT };

#define PIECES 64

#define SAVED_SENT 1

struct console {
	struct virtio_device dev;
	struct backend backend;
	bool is_starved;    /* no chain to put input into */
	bool is_blocked;    /* the socket takes nothing more for now */
	bool has_no_input;  /* the other end will send nothing any more, */
	bool has_no_output; /* or take nothing */
	/* Of the first chain of output, which stays in the queue until all of it is sent. */
	uint64_t sent;
	struct virtqueue_iovecs iovecs;
};

static struct console *console_of(struct virtio_device *dev)
{
	return (struct console *)dev;
}

static void want(struct console *c)
{
	uint32_t events =
		(c->is_starved || c->has_no_input ? 0 : EPOLLIN) | (c->is_blocked ? EPOLLOUT : 0);

	if (events)
		backend_want(&c->backend, events);
	else
		backend_ignore(&c->backend);
}

/* Whether the chain is done with. */
static bool send_chain(struct console *c, const struct virtqueue_chain *chain)
{
	struct iovec pieces[PIECES];
	struct msghdr message = { .msg_iov = pieces };
	ssize_t n;

	while (!c->has_no_output) {
		message.msg_iovlen = iovec_slice(chain->readable, chain->readable_count, c->sent,
						 UINT64_MAX, pieces, PIECES);
		if (!message.msg_iovlen)
			return true;
		n = sendmsg(c->backend.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			c->sent += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			return false;
		else if (n == 0 || errno != EINTR)
			c->has_no_output = true;
	}
	c->dev.metrics.dropped++;
	return true;
}

static bool serve_output(struct virtio_device *dev, unsigned int queue)
{
	struct console *c = console_of(dev);
	struct virtqueue_chain chain;

	if (!virtio_device_pop(dev, queue, &c->iovecs, &chain))
		return false;
	if (!send_chain(c, &chain)) {
		virtqueue_unpop(&dev->queues[queue]);
		c->is_blocked = true;
		return false;
	}
	dev->metrics.writes++;
	dev->metrics.written_bytes += chain.readable_bytes;
	virtqueue_push(&dev->queues[queue], chain.head, 0);
	c->sent = 0;
	return true;
}

static void output(struct console *c)
{
	c->is_blocked = false;
	virtio_device_serve(&c->dev, QUEUE_OUTPUT, serve_output);
}

/* Bytes that were received; 0: there are none for now, or never again. */
static size_t receive(struct console *c, const struct virtqueue_chain *chain)
{
	struct msghdr message = { .msg_iov = chain->writable, .msg_iovlen = chain->writable_count };
	ssize_t n;

	do
		n = recvmsg(c->backend.fd, &message, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		c->has_no_input = true;
	return n > 0 ? (size_t)n : 0;
}

static bool serve_input(struct virtio_device *dev, unsigned int queue)
{
	struct console *c = console_of(dev);
	struct virtqueue_chain chain;
	size_t n = 0;

	c->is_starved = !virtio_device_pop(dev, queue, &c->iovecs, &chain);
	if (c->is_starved)
		return false;
	/* Received into a chain without room, nothing would look like the end. */
	if (chain.writable_count)
		n = receive(c, &chain);
	if (!n && chain.writable_count) {
		virtqueue_unpop(&dev->queues[queue]);
		return false;
	}
	dev->metrics.reads++;
	dev->metrics.read_bytes += n;
	virtqueue_push(&dev->queues[queue], chain.head, (uint32_t)n);
	return true;
}

static void input(struct console *c)
{
	if (!c->has_no_input)
		virtio_device_serve(&c->dev, QUEUE_INPUT, serve_input);
}

static void on_socket(void *ctx, int fd, uint32_t events)
{
	struct console *c = ctx;

	if (c->is_blocked)
		output(c);
	if (!c->is_starved)
		input(c);
	want(c);
}

static void notify(struct virtio_device *dev, unsigned int queue)
{
	struct console *c = console_of(dev);

	if (queue == QUEUE_INPUT)
		input(c);
	else if (!c->is_blocked)
		output(c);
	want(c);
}

static int activate(struct virtio_device *dev)
{
	struct console *c = console_of(dev);

	c->backend.loop = dev->loop;
	want(c);
	return 0;
}

static void reset(struct virtio_device *dev)
{
	struct console *c = console_of(dev);

	backend_ignore(&c->backend);
	c->is_starved = false;
	c->is_blocked = false;
	c->sent = 0;
}

static void save(const struct virtio_device *dev, struct strbuf *out)
{
	wire_add_varint(out, SAVED_SENT, ((const struct console *)dev)->sent);
}

static int restore(struct virtio_device *dev, const void *data, size_t len)
{
	struct wire_reader reader = { data, (const uint8_t *)data + len };
	struct wire_field f;
	int r;

	while ((r = wire_next(&reader, &f)) > 0)
		if (f.number == SAVED_SENT && f.type == WIRE_VARINT)
			console_of(dev)->sent = f.value;
	return r;
}

static void free_console(struct virtio_device *dev)
{
	close(console_of(dev)->backend.fd);
	free(dev);
}

static const struct virtio_device_ops console_ops = {
	.name = "console",
	.id = VIRTIO_ID_CONSOLE,
	.queues_count = QUEUES_COUNT,
	.queue_size_max = 64,
	.activate = activate,
	.notify = notify,
	.reset = reset,
	.save = save,
	.restore = restore,
	.free = free_console,
};

int virtio_console_new(int fd, struct virtio_device **ret, struct error *err)
{
	struct console *c;
	int type;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return error_sys(err, errno, "make a console of a descriptor");
	c = xcalloc(1, sizeof(*c));
	c->dev.ops = &console_ops;
	c->backend = (struct backend){ .fd = fd, .fn = on_socket, .ctx = c };
	*ret = &c->dev;
	return 0;
}
