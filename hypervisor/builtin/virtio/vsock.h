/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct error;
struct virtio_device;

/*
 * Sockets between guest and host (VIRTIO 1.2, 5.10), of which the host's side are unix sockets:
 *
 *	to the guest	who connects to @listen_fd says "CONNECT PORT\n" and is answered
 *			"OK N\n", N being the port the guest sees; then bytes go both ways
 *	handed over	who says "passfd\n" and then sends a descriptor (SCM_RIGHTS) with the port
 *			as text is answered likewise, and is done: the descriptor is the stream. It
 *			is a socket, or a pipe that does not block, whose one end is one direction
 *	from the guest	a connection to port P of CID 2 is one to the unix socket at PATH_P
 *
 * One that cannot be made is closed, or reset. Either side may end one direction alone. A stream
 * holds at most VIRTIO_VSOCK_BUFFER bytes of the guest's that its socket does not take yet, which
 * is the credit that the guest is given; sending beyond it resets the stream. Further connections
 * than VIRTIO_VSOCK_STREAMS_MAX wait, those of the guest's are reset. When a machine was restored
 * its guest is told that all connections are gone. Where pipes are handed over the process ignores
 * SIGPIPE.
 */
#define VIRTIO_VSOCK_BUFFER (64 * 1024)
#define VIRTIO_VSOCK_STREAMS_MAX 1024

struct virtio_vsock_options {
	uint64_t guest_cid;
	int listen_fd;	  /* a listening unix stream socket, owned from success on; -1: none */
	const char *path; /* in front of "_PORT"; NULL: the guest connects nowhere */
};
int virtio_vsock_new(const struct virtio_vsock_options *options, struct virtio_device **ret,
		     struct error *err);
