/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/builtin/virtio/rng.h"
#include "tests/fuzz/hostile/driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct virtio_device *make(void)
{
	return virtio_rng_new(NULL);
}

/* The simplest device: what is beneath each is found here the fastest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hostile_device device = { .make = make };

	hostile_run(&device, data, size);
	return 0;
}
