/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "hypervisor/builtin/virtio/console.h"
#include "tests/fuzz/hostile/driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct virtio_device *make(void)
{
	struct virtio_device *dev;

	if (virtio_console_new(hostile_join(SOCK_STREAM), &dev, NULL) < 0)
		abort();
	return dev;
}

static void act(struct virtio_device *dev, uint8_t what, const uint8_t *data, size_t len)
{
	char drain[65536];

	switch (what % 8) {
	case 0:
		hostile_part();
		break;
	case 1:
		(void)shutdown(hostile_other_end(), SHUT_WR);
		break;
	case 2:
	case 3:
		(void)!recv(hostile_other_end(), drain, sizeof(drain), MSG_DONTWAIT);
		break;
	default:
		(void)!send(hostile_other_end(), data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hostile_device device = { .make = make, .act = act };

	hostile_run(&device, data, size);
	return 0;
}
