/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/vsock.h"

#include <endian.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/vsock-internal.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/base/wire.h"

#define VSOCK_QUEUE_MAX 128

enum { QUEUE_TO_GUEST, QUEUE_FROM_GUEST, QUEUE_EVENTS, QUEUES_COUNT };

static struct vsock *vsock_of(struct virtio_device *dev)
{
	return (struct vsock *)dev;
}

static void hold_no_more(struct vsock *v)
{
	if (!v->is_held || v->refusals_count >= VSOCK_REFUSALS_MAX)
		return;
	v->is_held = false;
	virtio_device_again(&v->dev, QUEUE_FROM_GUEST);
}

/* The first of the line that has something to say. 0: nobody has. */
static uint32_t fill_chain(struct vsock *v, const struct virtqueue_chain *chain)
{
	uint32_t n = 0;

	while (!n && v->line)
		n = vsock_stream_speak(v->line, chain);
	return n;
}

static bool serve_to_guest(struct virtio_device *dev, unsigned int queue)
{
	struct vsock *v = vsock_of(dev);
	struct virtqueue_chain chain;
	uint32_t n;

	if (!v->line || v->owes_event || v->awaits_notice ||
	    !virtio_device_pop(dev, queue, &v->iovecs, &chain))
		return false;
	if (chain.writable_bytes <= VSOCK_HEADER) {
		virtio_device_fail(dev, "a buffer without room for a packet");
		return false;
	}
	n = fill_chain(v, &chain);
	if (!n) {
		virtqueue_unpop(&dev->queues[queue]);
		return false;
	}
	virtqueue_push(&dev->queues[queue], chain.head, n);
	return true;
}

void vsock_serve_guest(struct vsock *v)
{
	virtio_device_serve(&v->dev, QUEUE_TO_GUEST, serve_to_guest);
	hold_no_more(v);
	vsock_host_listen(v);
}

static void connect_to_host(struct vsock *v, const struct vsock_packet *packet)
{
	struct vsock_stream *s;
	int fd = -EMFILE;

	if (v->streams_count < VIRTIO_VSOCK_STREAMS_MAX)
		fd = vsock_host_connect(v, packet->dst_port);
	if (fd < 0) {
		v->dev.metrics.dropped++;
		vsock_refuse(v, packet);
		return;
	}
	s = vsock_stream_new(v, fd, packet->src_port, packet->dst_port, VSOCK_OPEN);
	vsock_stream_hear(s, packet, NULL);
}

static void hear(struct vsock *v, const struct vsock_packet *packet,
		 const struct virtqueue_chain *chain)
{
	struct vsock_stream *s;

	if (packet->src_cid != v->guest_cid || packet->dst_cid != VMADDR_CID_HOST ||
	    packet->len > chain->readable_bytes - VSOCK_HEADER) {
		v->dev.metrics.dropped++;
		return;
	}
	s = packet->type == VIRTIO_VSOCK_TYPE_STREAM
		    ? vsock_stream_find(v, packet->src_port, packet->dst_port)
		    : NULL;
	if (s)
		vsock_stream_hear(s, packet, chain);
	else if (packet->op == VIRTIO_VSOCK_OP_REQUEST && packet->type == VIRTIO_VSOCK_TYPE_STREAM)
		connect_to_host(v, packet);
	else if (packet->op != VIRTIO_VSOCK_OP_RST)
		vsock_refuse(v, packet);
}

static void decode(const struct virtio_vsock_hdr *h, struct vsock_packet *ret)
{
	*ret = (struct vsock_packet){
		.src_cid = le64toh(h->src_cid),
		.dst_cid = le64toh(h->dst_cid),
		.src_port = le32toh(h->src_port),
		.dst_port = le32toh(h->dst_port),
		.len = le32toh(h->len),
		.type = le16toh(h->type),
		.op = le16toh(h->op),
		.flags = le32toh(h->flags),
		.buf_alloc = le32toh(h->buf_alloc),
		.fwd_cnt = le32toh(h->fwd_cnt),
	};
}

static bool serve_from_guest(struct virtio_device *dev, unsigned int queue)
{
	struct vsock *v = vsock_of(dev);
	struct virtio_vsock_hdr header;
	struct vsock_packet packet;
	struct virtqueue_chain chain;

	v->is_held = v->refusals_count >= VSOCK_REFUSALS_MAX;
	if (v->is_held || !virtio_device_pop(dev, queue, &v->iovecs, &chain))
		return false;
	if (iovec_read(chain.readable, chain.readable_count, 0, &header, sizeof(header)) <
	    sizeof(header)) {
		virtio_device_fail(dev, "a packet without a header");
		return false;
	}
	decode(&header, &packet);
	hear(v, &packet, &chain);
	virtqueue_push(&dev->queues[queue], chain.head, 0);
	return true;
}

/* Asks to be notified of the next one, too. */
static unsigned int count_events(struct vsock *v)
{
	struct virtio_device *dev = &v->dev;
	struct virtqueue_chain chain;
	unsigned int n = 0;

	while (n < VSOCK_QUEUE_MAX && virtio_device_pop(dev, QUEUE_EVENTS, &v->iovecs, &chain))
		n++;
	for (unsigned int i = 0; i < n; i++)
		virtqueue_unpop(&dev->queues[QUEUE_EVENTS]);
	return n;
}

static void hear_notice(struct vsock *v)
{
	if (v->awaits_notice && count_events(v) > v->events_left)
		v->awaits_notice = false;
}

static void tell_event(struct vsock *v)
{
	const struct virtio_vsock_event event = { htole32(VIRTIO_VSOCK_EVENT_TRANSPORT_RESET) };
	struct virtio_device *dev = &v->dev;
	struct virtqueue_chain chain;
	size_t n;

	if (!v->owes_event || !virtio_device_pop(dev, QUEUE_EVENTS, &v->iovecs, &chain))
		return;
	n = iovec_write(chain.writable, chain.writable_count, 0, &event, sizeof(event));
	v->owes_event = n < sizeof(event);
	v->events_left = count_events(v);
	v->awaits_notice = !v->owes_event;
	virtqueue_push(&dev->queues[QUEUE_EVENTS], chain.head, (uint32_t)n);
	virtio_device_signal(dev, QUEUE_EVENTS);
}

static void serve_events(struct vsock *v)
{
	hear_notice(v);
	tell_event(v);
}

static void notify(struct virtio_device *dev, unsigned int queue)
{
	struct vsock *v = vsock_of(dev);

	if (queue == QUEUE_FROM_GUEST)
		virtio_device_serve(dev, queue, serve_from_guest);
	if (queue == QUEUE_EVENTS)
		serve_events(v);
	vsock_serve_guest(v);
}

static int activate(struct virtio_device *dev)
{
	struct vsock *v = vsock_of(dev);

	v->next_port = VSOCK_FIRST_PORT;
	vsock_host_listen(v);
	return 0;
}

static void reset(struct virtio_device *dev)
{
	struct vsock *v = vsock_of(dev);

	vsock_host_stop(v);
	for (unsigned int i = 0; i < VSOCK_BUCKETS; i++)
		while (v->buckets[i])
			vsock_stream_free(v->buckets[i]);
	while (v->line)
		vsock_stream_free(v->line);
	v->is_held = false;
	v->owes_event = v->awaits_notice = false;
}

#define FIELD_NEXT_PORT 1

/* Connections are not saved: their sockets are not there where the machine goes on. But the guest
 * has its own until its programs close them, and would refuse a new one from the same port. */
static void save(const struct virtio_device *dev, struct strbuf *out)
{
	wire_add_varint(out, FIELD_NEXT_PORT, ((const struct vsock *)dev)->next_port);
}

static int restore(struct virtio_device *dev, const void *data, size_t len)
{
	struct wire_reader reader = { data, (const uint8_t *)data + len };
	struct vsock *v = vsock_of(dev);
	struct wire_field f;
	int r;

	while ((r = wire_next(&reader, &f)) > 0) {
		if (f.number != FIELD_NEXT_PORT || f.type != WIRE_VARINT)
			continue;
		if (f.value < VSOCK_FIRST_PORT || f.value >= UINT32_MAX)
			return -EBADMSG;
		v->next_port = (uint32_t)f.value;
	}
	v->owes_event = true;
	return r;
}

static void free_vsock(struct virtio_device *dev)
{
	struct vsock *v = vsock_of(dev);

	if (v->listener.fd >= 0)
		close(v->listener.fd);
	free(v->path);
	free(v);
}

static const struct virtio_device_ops vsock_ops = {
	.name = "vsock",
	.id = VIRTIO_ID_VSOCK,
	.queues_count = QUEUES_COUNT,
	.queue_size_max = VSOCK_QUEUE_MAX,
	.activate = activate,
	.notify = notify,
	.reset = reset,
	.save = save,
	.restore = restore,
	.free = free_vsock,
};

int virtio_vsock_new(const struct virtio_vsock_options *options, struct virtio_device **ret,
		     struct error *err)
{
	const struct virtio_vsock_config config = { htole64(options->guest_cid) };
	int is_listening = 0;
	socklen_t len = sizeof(is_listening);
	struct vsock *v;

	if (options->guest_cid <= VMADDR_CID_HOST || options->guest_cid >= UINT32_MAX)
		return error_set(err, -EINVAL, "make a vsock: no guest has the CID %llu",
				 (unsigned long long)options->guest_cid);
	if (options->listen_fd >= 0 &&
	    (getsockopt(options->listen_fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) < 0 ||
	     !is_listening))
		return error_set(err, -EINVAL, "make a vsock: its socket does not listen");
	v = xcalloc(1, sizeof(*v));
	v->dev.ops = &vsock_ops;
	v->dev.config_size = sizeof(config);
	memcpy(v->dev.config, &config, sizeof(config));
	v->guest_cid = options->guest_cid;
	v->path = options->path ? xstrdup(options->path) : NULL;
	v->listener.fd = options->listen_fd;
	*ret = &v->dev;
	return 0;
}
