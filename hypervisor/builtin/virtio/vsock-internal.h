/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <linux/virtio_vsock.h>
#include <linux/vm_sockets.h>
#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/builtin/virtio/backend.h"
#include "hypervisor/builtin/virtio/device.h"
#include "hypervisor/builtin/virtio/vsock.h"
#include "lib/base/fifo.h"

/*
 * vsock.c has the device: queues and packets. vsock-stream.c has the streams: what goes between a
 * guest's socket and a host's. vsock-host.c makes their host's sides: who connects to us, and whom
 * the guest connects to.
 *
 * What a stream has for the guest is not put together before the guest has a chain for it: a stream
 * only owes packets of this and that kind, and input that waits in its socket. Streams that have
 * something stand in line, and get one chain at a turn. So nothing is ever held for a guest that
 * takes nothing.
 */
#define VSOCK_BUCKETS 256
#define VSOCK_HEADER sizeof(struct virtio_vsock_hdr)
/* Resets that are owed for what the guest sent to no stream; beyond it the guest has to wait. */
#define VSOCK_REFUSALS_MAX 256
#define VSOCK_GREETERS_MAX 64
/* Ports of the host's sides begin where no service of the host's has one. */
#define VSOCK_FIRST_PORT (1U << 30)

/* A packet's header, as we count. */
struct vsock_packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type;
	uint16_t op;
	uint32_t flags;
	uint32_t buf_alloc;
	uint32_t fwd_cnt;
};

enum vsock_state {
	VSOCK_CONNECTING, /* the guest was, or will be, asked for a connection */
	VSOCK_OPEN,
	VSOCK_REFUSED, /* nothing more than a reset that is owed */
};

/* Packets owed. */
enum vsock_debt {
	VSOCK_OWES_RST = 1 << 0,
	VSOCK_OWES_REQUEST = 1 << 1,
	VSOCK_OWES_RESPONSE = 1 << 2,
	VSOCK_OWES_CREDIT_REQUEST = 1 << 3,
	VSOCK_OWES_CREDIT = 1 << 4,
};

struct vsock_stream {
	struct vsock *vsock;
	struct vsock_stream *next;			/* of its bucket */
	struct vsock_stream *line_before, *line_behind; /* while it stands in line */
	bool is_in_line;
	enum vsock_state state;
	uint32_t guest_port, host_port;
	uint16_t type; /* as the guest had it */
	unsigned int owes;
	struct backend host; /* .fd is -1 when nothing goes either way any more */
	bool is_pipe;
	int answer_fd; /* who handed the descriptor over waits for "OK"; -1: the host's side does */

	/* From the guest. Counters wrap around. */
	struct fifo output;	 /* what the socket did not take */
	uint32_t received;	 /* bytes */
	uint32_t forwarded;	 /* of them taken by the socket */
	uint32_t told_forwarded; /* as the guest knows it */
	bool guest_sends_no_more;
	bool guest_takes_no_more;
	bool is_output_done; /* nothing goes to the host any more */

	/* To the guest. */
	bool has_input; /* the socket is worth reading */
	bool is_input_done;
	bool host_takes_no_more; /* the other end is closed */
	uint32_t sent;
	uint32_t peer_buffer;
	uint32_t peer_forwarded;
	bool has_asked_credit;
	uint32_t told_shutdown; /* flags */
};

struct vsock_greeter;

struct vsock {
	struct virtio_device dev;
	uint64_t guest_cid;
	char *path;
	struct backend listener;
	struct loop_source *listen_again; /* a timer, after it could not accept */
	struct vsock_greeter *greeters;
	unsigned int greeters_count;

	struct vsock_stream *buckets[VSOCK_BUCKETS];
	unsigned int streams_count; /* those in buckets */
	unsigned int refusals_count;
	struct vsock_stream *line, *line_end;
	uint32_t next_port;
	bool is_held;	 /* the guest waits until resets have gone */
	bool owes_event; /* the guest is to know that all connections are gone */
	/* It was told, and has not taken notice: its driver ends whatever connection it has when it
	 * does, and puts the buffer back then, to these others. */
	bool awaits_notice;
	unsigned int events_left;
	struct virtqueue_iovecs iovecs;
};

/* Gives the guest what streams have for it, as far as it has chains. Callbacks end with it. */
void vsock_serve_guest(struct vsock *vsock);

/* @fd: owned; a socket. */
struct vsock_stream *vsock_stream_new(struct vsock *vsock, int fd, uint32_t guest_port,
				      uint32_t host_port, enum vsock_state state);
/* One that was handed over to connect to the guest; both are owned. -EINVAL: it cannot be one. */
int vsock_stream_pass(struct vsock *vsock, int fd, int answer_fd, uint32_t guest_port,
		      uint32_t host_port);
struct vsock_stream *vsock_stream_find(struct vsock *vsock, uint32_t guest_port,
				       uint32_t host_port);
/* At once, whatever it owes. */
void vsock_stream_free(struct vsock_stream *stream);
/* Something went wrong with it: the guest gets a reset. It is none of the vsock's any more. */
void vsock_stream_reset(struct vsock_stream *stream);
/* A reset for a packet that belongs to no stream. */
void vsock_refuse(struct vsock *vsock, const struct vsock_packet *packet);
/* A packet of the guest's to this stream, and the chain that it came in. May free the stream. */
void vsock_stream_hear(struct vsock_stream *stream, const struct vsock_packet *packet,
		       const struct virtqueue_chain *chain);
/* Takes it out of the line, and puts its next packet into the chain. The packet's length, and it
 * stands at the end of the line if it has more; 0: it has nothing. May free it. */
uint32_t vsock_stream_speak(struct vsock_stream *stream, const struct virtqueue_chain *chain);

/* The host's sides: takes connections as long as there is room for them; or no more. */
void vsock_host_listen(struct vsock *vsock);
void vsock_host_stop(struct vsock *vsock);
/* To the socket of this port; a descriptor or -errno. */
int vsock_host_connect(const struct vsock *vsock, uint32_t port);
