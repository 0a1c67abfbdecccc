/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/builtin/virtio/device.h"

/* Chains in a row. */
#define TURN 64

bool virtio_device_has(const struct virtio_device *dev, unsigned int feature_bit)
{
	return dev->driver_features >> feature_bit & 1;
}

bool virtio_device_pop(struct virtio_device *dev, unsigned int queue,
		       struct virtqueue_iovecs *iovecs, struct virtqueue_chain *ret)
{
	int r = dev->is_held ? 0 : virtqueue_pop(&dev->queues[queue], iovecs, ret);

	if (r < 0)
		virtio_device_fail(dev, "a ring that breaks the rules");
	return r > 0;
}

void virtio_device_signal(struct virtio_device *dev, unsigned int queue)
{
	if (!virtqueue_wants_interrupt(&dev->queues[queue]))
		return;
	dev->metrics.interrupts++;
	dev->transport->interrupt(dev);
}

void virtio_device_serve(struct virtio_device *dev, unsigned int queue,
			 bool (*serve)(struct virtio_device *dev, unsigned int queue))
{
	int left = TURN;

	while (left && serve(dev, queue))
		left--;
	if (!left)
		virtio_device_again(dev, queue);
	virtio_device_signal(dev, queue);
}

void virtio_device_again(struct virtio_device *dev, unsigned int queue)
{
	dev->transport->again(dev, queue);
}

void virtio_device_change_config(struct virtio_device *dev, size_t offset, const void *data,
				 size_t len)
{
	dev->transport->change_config(dev, offset, data, len);
}

void virtio_device_fail(struct virtio_device *dev, const char *reason)
{
	dev->transport->fail(dev, reason);
}

void virtio_device_free(struct virtio_device *dev)
{
	if (dev)
		dev->ops->free(dev);
}
