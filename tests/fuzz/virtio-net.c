/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "hypervisor/builtin/virtio/net.h"
#include "tests/fuzz/hostile/driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct virtio_device *make(void)
{
	const struct virtio_net_options options = {
		.fd = hostile_join(SOCK_DGRAM),
		.mac = { 2 },
		.mtu = 1500,
	};
	struct virtio_device *dev;

	if (virtio_net_new(&options, &dev, NULL) < 0)
		abort();
	return dev;
}

static void act(struct virtio_device *dev, uint8_t what, const uint8_t *data, size_t len)
{
	static uint8_t packet[65536];

	switch (what % 8) {
	case 0:
		hostile_part();
		break;
	case 1:
	case 2:
		(void)!recv(hostile_other_end(), packet, sizeof(packet), MSG_DONTWAIT);
		break;
	default: /* its size is from what the bytes say, not how many these are */
		(void)!send(hostile_other_end(), packet, len * what, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hostile_device device = { .make = make, .act = act };

	hostile_run(&device, data, size);
	return 0;
}
