/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/builtin/virtio/balloon.h"
#include "tests/fuzz/hostile/driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void act(struct virtio_device *dev, uint8_t what, const uint8_t *data, size_t len)
{
	virtio_balloon_resize(dev, what);
	(void)virtio_balloon_actual(dev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hostile_device device = { .make = virtio_balloon_new, .act = act };

	hostile_run(&device, data, size);
	return 0;
}
