/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;
struct loop;

/*
 * The agent: grpc.AgentService and grpc.Health over an event loop, wire-compatible with Kata's
 * agent (docs/agent.md). One thread. Its clients are the host and fully trusted; the containers
 * it runs are not.
 *
 * The loop is ended (loop_quit()) when a client asked for DestroySandbox, or when the pipe that
 * carried everything has ended.
 */
struct agent_server;

struct agent_server_options {
	/* The machine is ours: pid 1 of a VM. Otherwise clock, entropy and host name are left
	 * alone. */
	bool is_guest;

	/* Places, for tests; NULL: the usual ones. */
	const char *sys_dir;   /* "/sys" */
	const char *dev_dir;   /* "/dev" */
	const char *run_dir;   /* "/run/kata-containers" */
	const char *image_dir; /* of the image, for its programs: "" */
	bool keeps_devices;    /* none can be reset (agent.keeps_devices) */
	bool no_half_close;    /* nor one direction ended: the host does not hear of it */
	int device_timeout_ms; /* for a device to appear; 0: 3 s (agent.hotplug_timeout) */
	int pipe_size;	       /* of stdio pipes; 0: the kernel's (agent.container_pipe_size) */

	/* Ports of this machine; 0: not served. Who is on the second gets a shell. */
	uint32_t log_port;
	uint32_t console_port;
};

/* Takes SIGCHLD of this process: every child is reaped here. Outside a guest SIGTERM and SIGINT,
 * too, which end the loop. */
int agent_server_new(struct loop *loop, const struct agent_server_options *options,
		     struct agent_server **ret, struct error *err);
/* Kills and removes what still runs, without waiting long. */
void agent_server_free(struct agent_server *server);

/* Where to listen; any number of these. Unix sockets: @is_raw speaks ttRPC at once, otherwise a
 * connection begins with `CONNECT port`. */
int agent_server_listen_unix(struct agent_server *server, const char *path, bool is_raw,
			     struct error *err);
/* AF_VSOCK, ports 1024 and 1027, and those of the options. */
int agent_server_listen_vsock(struct agent_server *server, struct error *err);
/* yamux over one pipe (@fd, owned), each stream beginning with `CONNECT port`. */
int agent_server_listen_pipe(struct agent_server *server, int fd, struct error *err);
