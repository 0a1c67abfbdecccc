/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/net.h"

#include <endian.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/backend.h"
#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/throttle.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

enum { QUEUE_RECEIVE, QUEUE_SEND, QUEUES_COUNT };

#define HEADER sizeof(struct virtio_net_hdr_v1)
/* Segments of 64 KiB, and what is in front of them. */
#define PACKET_MAX (HEADER + 65536 + 128)
#define PACKET_MIN (HEADER + 14)
/* Of Linux's smallest buffers the largest packet takes 44. */
#define CHAINS_MAX 64

/*
 * A packet is read before it is known how many of the guest's buffers it takes, and given to it
 * from a buffer of ours: one more copy than into as many buffers as the largest packet would need,
 * which had to be walked for every small one.
 */
struct net {
	struct virtio_device dev;
	struct backend backend;
	bool is_tap;
	bool is_gone;	 /* the tap was deleted */
	bool is_starved; /* the packet waits for buffers */
	bool is_blocked; /* the other side takes nothing for now */
	bool is_passed;	 /* the packet has been counted by the limit */
	struct rate_limit received_limit, sent_limit;
	struct throttle received, sent;
	size_t packet_len; /* 0: there is none */
	struct virtqueue_used used[CHAINS_MAX];
	struct virtqueue_iovecs iovecs;
	uint8_t packet[PACKET_MAX];
};

/* What the guest takes care of itself, which a tap then need not. */
static const struct {
	unsigned int feature;
	unsigned int offload;
} offloads[] = {
	{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
	{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
	{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
	{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
};

#define TAP_FEATURES                                                                               \
	(1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4 |                              \
	 1ULL << VIRTIO_NET_F_HOST_TSO6 | 1ULL << VIRTIO_NET_F_HOST_ECN |                          \
	 1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_GUEST_TSO4 |                       \
	 1ULL << VIRTIO_NET_F_GUEST_TSO6 | 1ULL << VIRTIO_NET_F_GUEST_ECN)

static struct net *net_of(struct virtio_device *dev)
{
	return (struct net *)dev;
}

static void want(struct net *n)
{
	uint32_t events = (n->packet_len ? 0 : EPOLLIN) | (n->is_blocked ? EPOLLOUT : 0);

	if (events && !n->is_gone)
		backend_want(&n->backend, events);
	else
		backend_ignore(&n->backend);
}

/* --- Towards the guest ------------------------------------------------------------------------ */

static bool read_packet(struct net *n)
{
	ssize_t got;

	do
		got = read(n->backend.fd, n->packet, sizeof(n->packet));
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno != EAGAIN)
		n->is_gone = true;
	n->packet_len = got >= (ssize_t)PACKET_MIN ? (size_t)got : 0;
	n->is_passed = false;
	if (got > 0 && !n->packet_len)
		n->dev.metrics.dropped++;
	return got > 0;
}

static void drop_packet(struct net *n)
{
	n->dev.metrics.dropped++;
	n->packet_len = 0;
}

/* Spreads the packet over buffers of the guest's. How many those are; 0: there are too few of them,
 * and none was taken. */
static size_t spread_packet(struct net *n, size_t max, struct iovec *place,
			    unsigned int *ret_place_count)
{
	struct virtqueue_chain chain;
	size_t done = 0, count = 0;

	while (done < n->packet_len && count < max &&
	       virtio_device_pop(&n->dev, QUEUE_RECEIVE, &n->iovecs, &chain)) {
		size_t here = iovec_write(chain.writable, chain.writable_count, 0, n->packet + done,
					  n->packet_len - done);

		if (!count)
			*ret_place_count =
				iovec_slice(chain.writable, chain.writable_count,
					    offsetof(struct virtio_net_hdr_v1, num_buffers), 2,
					    place, 2);
		n->used[count++] = (struct virtqueue_used){ chain.head, (uint32_t)here };
		done += here;
	}
	if (done == n->packet_len)
		return count;
	n->is_starved = count < max;
	while (count--)
		virtqueue_unpop(&n->dev.queues[QUEUE_RECEIVE]);
	return 0;
}

static bool serve_received(struct virtio_device *dev, unsigned int queue)
{
	struct net *n = net_of(dev);
	struct iovec place[2];
	unsigned int place_count = 0;
	bool is_mergeable = virtio_device_has(dev, VIRTIO_NET_F_MRG_RXBUF);
	uint16_t number;
	size_t count;

	if (!n->packet_len && !read_packet(n))
		return false;
	if (!n->packet_len)
		return true;
	if (!n->is_passed && !throttle_pass(&n->received, n->packet_len))
		return false;
	n->is_passed = true;
	n->is_starved = false;
	count = spread_packet(n, is_mergeable ? CHAINS_MAX : 1, place, &place_count);
	if (!count && n->is_starved)
		return false;
	if (!count) {
		drop_packet(n); /* no buffer is as large as it */
		return true;
	}
	number = htole16((uint16_t)count);
	iovec_write(place, place_count, 0, &number, sizeof(number));
	virtqueue_push_all(&dev->queues[queue], n->used, count);
	dev->metrics.reads++;
	dev->metrics.read_bytes += n->packet_len;
	n->packet_len = 0;
	return true;
}

static void receive(struct net *n)
{
	if (!throttle_is_waiting(&n->received))
		virtio_device_serve(&n->dev, QUEUE_RECEIVE, serve_received);
}

/* --- From the guest --------------------------------------------------------------------------- */

static bool serve_sent(struct virtio_device *dev, unsigned int queue)
{
	struct net *n = net_of(dev);
	struct virtqueue *vq = &dev->queues[queue];
	struct virtqueue_chain chain;
	ssize_t r = -1;

	if (!virtio_device_pop(dev, queue, &n->iovecs, &chain))
		return false;
	if (!throttle_pass(&n->sent, chain.readable_bytes)) {
		virtqueue_unpop(vq);
		return false;
	}
	if (chain.readable_bytes >= PACKET_MIN && chain.readable_bytes <= PACKET_MAX)
		r = writev(n->backend.fd, chain.readable, (int)chain.readable_count);
	else
		errno = EMSGSIZE;
	if (r < 0 && errno == EAGAIN) {
		virtqueue_unpop(vq);
		n->is_blocked = true;
		return false;
	}
	/* What the other side refuses is lost, as on any wire. */
	if (r < 0)
		dev->metrics.dropped++;
	dev->metrics.writes++;
	dev->metrics.written_bytes += r > 0 ? (uint64_t)r : 0;
	virtqueue_push(vq, chain.head, 0);
	return true;
}

static void send_packets(struct net *n)
{
	n->is_blocked = false;
	if (!throttle_is_waiting(&n->sent))
		virtio_device_serve(&n->dev, QUEUE_SEND, serve_sent);
}

/* --- The device ------------------------------------------------------------------------------- */

static void on_backend(void *ctx, int fd, uint32_t events)
{
	struct net *n = ctx;

	if (n->is_blocked)
		send_packets(n);
	receive(n);
	want(n);
}

static void notify(struct virtio_device *dev, unsigned int queue)
{
	struct net *n = net_of(dev);

	if (queue == QUEUE_RECEIVE)
		receive(n);
	else if (!n->is_blocked)
		send_packets(n);
	want(n);
}

static int set_up_tap(struct net *n)
{
	unsigned long offload = 0;
	int header = HEADER, is_little = 1;

	for (size_t i = 0; i < ARRAY_SIZE(offloads); i++)
		if (virtio_device_has(&n->dev, offloads[i].feature))
			offload |= offloads[i].offload;
	if (ioctl(n->backend.fd, TUNSETVNETHDRSZ, &header) < 0 ||
	    ioctl(n->backend.fd, TUNSETVNETLE, &is_little) < 0 ||
	    ioctl(n->backend.fd, TUNSETOFFLOAD, offload) < 0)
		return -errno;
	return 0;
}

static int activate(struct virtio_device *dev)
{
	struct net *n = net_of(dev);
	int r = n->is_tap ? set_up_tap(n) : 0;

	if (r < 0)
		return r;
	throttle_init(&n->received, dev, QUEUE_RECEIVE, &n->received_limit, NULL);
	throttle_init(&n->sent, dev, QUEUE_SEND, &n->sent_limit, NULL);
	n->backend.loop = dev->loop;
	want(n);
	return 0;
}

static void reset(struct virtio_device *dev)
{
	struct net *n = net_of(dev);

	backend_ignore(&n->backend);
	throttle_stop(&n->received);
	throttle_stop(&n->sent);
	n->packet_len = 0;
	n->is_starved = false;
	n->is_blocked = false;
}

static void free_net(struct virtio_device *dev)
{
	close(net_of(dev)->backend.fd);
	free(dev);
}

static const struct virtio_device_ops net_ops = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.queues_count = QUEUES_COUNT,
	.queue_size_max = 256,
	.activate = activate,
	.notify = notify,
	.reset = reset,
	.free = free_net,
};

/* Whether it is a tap. -EINVAL: neither that nor a socket with packets. */
static int examine(int fd)
{
	struct ifreq request = { 0 };
	int type = 0;
	socklen_t len = sizeof(type);

	if (ioctl(fd, TUNGETIFF, &request) == 0)
		return (request.ifr_flags & (IFF_TAP | IFF_VNET_HDR)) == (IFF_TAP | IFF_VNET_HDR)
			       ? 1
			       : -EINVAL;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    (type != SOCK_DGRAM && type != SOCK_SEQPACKET))
		return -EINVAL;
	return 0;
}

static void describe(struct net *n, const struct virtio_net_options *options)
{
	struct virtio_net_config config = { .mtu = htole16(options->mtu) };

	memcpy(config.mac, options->mac, sizeof(config.mac));
	_Static_assert(sizeof(config) <= VIRTIO_CONFIG_MAX, "the configuration has its place");
	n->dev.config_size = sizeof(config);
	memcpy(n->dev.config, &config, sizeof(config));
	n->dev.features = 1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_MRG_RXBUF |
			  (options->mtu ? 1ULL << VIRTIO_NET_F_MTU : 0) |
			  (n->is_tap ? TAP_FEATURES : 0);
}

int virtio_net_new(const struct virtio_net_options *options, struct virtio_device **ret,
		   struct error *err)
{
	int kind = examine(options->fd);
	struct net *n;
	int r;

	if (kind < 0)
		return error_set(err, kind,
				 "make a network interface: neither a tap with IFF_VNET_HDR nor a "
				 "socket of packets");
	r = set_nonblock(options->fd, true);
	if (r < 0)
		return error_sys(err, r, "make a network interface");
	n = xcalloc(1, sizeof(*n));
	n->dev.ops = &net_ops;
	n->is_tap = kind;
	n->received_limit = options->received;
	n->sent_limit = options->sent;
	n->backend = (struct backend){ .fd = options->fd, .fn = on_backend, .ctx = n };
	describe(n, options);
	*ret = &n->dev;
	return 0;
}
