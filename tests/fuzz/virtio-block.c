/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hypervisor/builtin/virtio/block.h"
#include "tests/fuzz/hostile/driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DISK (64 * 512)

static bool is_readonly;

static int make_file(void)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, DISK) < 0)
		abort();
	return fd;
}

static struct virtio_device *make(void)
{
	const struct virtio_block_options options = {
		.id = "fuzz",
		.fd = make_file(),
		.is_readonly = is_readonly,
		.bytes = { .per_second = 1 << 30, .burst = 1 << 16 },
	};
	struct virtio_device *dev;

	if (virtio_block_new(&options, &dev, NULL) < 0)
		abort();
	return dev;
}

static void act(struct virtio_device *dev, uint8_t what, const uint8_t *data, size_t len)
{
	const struct virtio_block_options options = {
		.id = "other",
		.fd = what & 1 ? make_file() : -1,
		.is_readonly = what & 2,
	};

	if ((options.fd >= 0 && ftruncate(options.fd, what * 300) < 0) ||
	    virtio_block_change(dev, &options, NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hostile_device device = { .make = make, .act = act };

	if (!size)
		return 0;
	is_readonly = data[0] & 1;
	hostile_run(&device, data + 1, size - 1);
	return 0;
}
