/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver.h"

/* A guest whose one device is a vsock, which listens in a directory of its own, for tests. */
enum { VSOCK_TO_GUEST, VSOCK_FROM_GUEST, VSOCK_EVENTS };

#define VSOCK_CID 77
#define VSOCK_BUFFER_SIZE 4096
#define VSOCK_PORT 1024 /* of the guest's */
#define VSOCK_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

struct vsock_scene {
	struct driver d;
	char *dir, *path;
	uint64_t buffers[DRIVER_QUEUE_SIZE]; /* by head */
	/* The last packet that came, and its data. */
	struct virtio_vsock_hdr got;
	char data[VSOCK_BUFFER_SIZE + 1];
};

int vsock_scene_make(void **state);
int vsock_scene_drop(void **state);
struct virtio_device *vsock_scene_device(struct vsock_scene *s); /* a new one at the same place */

/* A buffer that the device may write a packet into. */
void vsock_give_buffer(struct vsock_scene *s, uint64_t gpa);

/* What the guest says next, of a connection between these ports. */
struct virtio_vsock_hdr vsock_header(uint32_t guest_port, uint32_t host_port, uint16_t op,
				     uint32_t flags, uint32_t len, uint32_t taken);
void vsock_say_header(struct vsock_scene *s, const struct virtio_vsock_hdr *h, const void *data,
		      uint32_t len);
void vsock_say(struct vsock_scene *s, uint32_t guest_port, uint32_t host_port, uint16_t op,
	       uint32_t flags);
void vsock_say_data(struct vsock_scene *s, uint32_t guest_port, uint32_t host_port,
		    const void *data, uint32_t len);
/* Says as much as the device has room for while nobody reads the socket. */
size_t vsock_say_all(struct vsock_scene *s, uint32_t port);

/* Whether a packet came; its buffer is given again. */
bool vsock_hear(struct vsock_scene *s);
void vsock_expect(struct vsock_scene *s, uint16_t op);

/* A client of the host's that has said this. */
int vsock_greet(struct vsock_scene *s, const char *text);
/* The guest takes the connection to VSOCK_PORT that @fd has asked for. Returns the host's port. */
uint32_t vsock_accept(struct vsock_scene *s, int fd);
/* Both: one that is connected. */
uint32_t vsock_connect_guest(struct vsock_scene *s, int *ret_fd);
/* A service of the host's on this port, and a guest's connection to it. */
int vsock_connect_host(struct vsock_scene *s, uint32_t guest_port, uint32_t host_port);
/* Whether the device has closed the other end, be it with something unread. */
bool vsock_is_closed(int fd);
/* Reads until there is nothing more; how much that was. */
size_t vsock_drain(struct vsock_scene *s, int fd);
