/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/rng.h"

#include <linux/virtio_ids.h>
#include <sys/random.h>

#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/throttle.h"
#include "lib/base/str.h"

struct rng {
	struct virtio_device dev;
	struct rate_limit limit;
	struct throttle throttle;
	struct virtqueue_iovecs iovecs;
};

static struct rng *rng_of(struct virtio_device *dev)
{
	return (struct rng *)dev;
}

/* Less than was asked for is fine with every driver. */
static size_t amount(const struct virtqueue_chain *chain)
{
	return chain->writable_bytes < VIRTIO_RNG_MAX ? chain->writable_bytes : VIRTIO_RNG_MAX;
}

static uint32_t fill(const struct virtqueue_chain *chain)
{
	uint8_t random[VIRTIO_RNG_MAX];
	ssize_t n = getrandom(random, amount(chain), 0);

	if (n <= 0)
		return 0;
	return (uint32_t)iovec_write(chain->writable, chain->writable_count, 0, random, (size_t)n);
}

static bool serve(struct virtio_device *dev, unsigned int queue)
{
	struct rng *rng = rng_of(dev);
	struct virtqueue_chain chain;
	uint32_t n;

	if (!virtio_device_pop(dev, queue, &rng->iovecs, &chain))
		return false;
	if (!throttle_pass(&rng->throttle, amount(&chain))) {
		virtqueue_unpop(&dev->queues[queue]);
		return false;
	}
	n = fill(&chain);
	dev->metrics.reads++;
	dev->metrics.read_bytes += n;
	virtqueue_push(&dev->queues[queue], chain.head, n);
	return true;
}

static void notify(struct virtio_device *dev, unsigned int queue)
{
	if (!throttle_is_waiting(&rng_of(dev)->throttle))
		virtio_device_serve(dev, queue, serve);
}

static int activate(struct virtio_device *dev)
{
	struct rng *rng = rng_of(dev);

	throttle_init(&rng->throttle, dev, 0, &rng->limit, NULL);
	return 0;
}

static void reset(struct virtio_device *dev)
{
	throttle_stop(&rng_of(dev)->throttle);
}

static void free_rng(struct virtio_device *dev)
{
	free(dev);
}

static const struct virtio_device_ops rng_ops = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.queues_count = 1,
	.queue_size_max = 16,
	.activate = activate,
	.notify = notify,
	.reset = reset,
	.free = free_rng,
};

struct virtio_device *virtio_rng_new(const struct rate_limit *limit)
{
	struct rng *rng = xcalloc(1, sizeof(*rng));

	rng->dev.ops = &rng_ops;
	if (limit)
		rng->limit = *limit;
	return &rng->dev;
}
