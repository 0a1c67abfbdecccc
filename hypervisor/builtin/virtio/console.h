/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct virtio_device;

/*
 * A console with one port (VIRTIO 1.2, 5.3): /dev/hvc0 of the guest. Its other side is a socket,
 * whose owner bounds what the guest writes: a full one holds the guest's output back, and nobody
 * else. A socket whose other end is closed takes all and gives nothing.
 */
/* @fd: a stream or sequenced-packet socket, owned from success on; its flags are left alone. */
int virtio_console_new(int fd, struct virtio_device **ret, struct error *err);
