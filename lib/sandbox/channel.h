/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/hypervisor.h"

struct error;
struct loop;

/*
 * How connections reach the agent of a VM: AF_VSOCK where the host and the guest have it, else one
 * virtio-serial port whose yamux session lives here, in the shim. There, every connection to a
 * socket in the file system becomes a stream, byte for byte; the `CONNECT port` line that starts
 * it is answered by the guest. Or the VMM makes such a socket itself and carries its connections to
 * the guest's vsock. Either way a client needs the address alone (agent_dial()).
 */
struct channel;

struct channel_ends {
	int vmm_fd;	  /* for struct hv_config's channel_fd; the caller's to close */
	uint32_t cid;	  /* VSOCK */
	const char *path; /* HYBRID: where the VMM is to make the socket; the channel's */
};

#define CHANNEL_SOCKET "agent.sock" /* the usual name of such a socket */

/* What @features of a driver leave: VSOCK when /dev/vhost-vsock opens and the guest has a driver
 * for it. */
enum hv_channel channel_choose(unsigned int features, const struct guest_image *guest);

/* @path: of the socket, for SERIAL and HYBRID. @on_end is called once when the guest's side ends or
 * breaks the protocol. */
int channel_new(struct loop *loop, enum hv_channel kind, const char *path,
		void (*on_end)(void *ctx, const struct error *err), void *ctx, struct channel **ret,
		struct channel_ends *ret_ends, struct error *err);
void channel_free(struct channel *channel);

/* For a guest that is saved: see yamux.h. Other channels than SERIAL need no rest, since the guest
 * is told by its own vsock that their connections are gone. */
int channel_restart(struct channel *channel, struct error *err);
void channel_hold(struct channel *channel, void (*on_held)(void *ctx), void *ctx);
void channel_release(struct channel *channel);

/* "hvsock:///…/agent.sock" or "vsock://CID". */
const char *channel_address(const struct channel *channel);

/* The same address for a process without paths to the host, whose current directory is the one that
 * the socket lies in. free(3) it. */
char *channel_local_address(const char *address);
