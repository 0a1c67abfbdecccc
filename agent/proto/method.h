/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/proto/messages.h" /* the generated nanopb structs */

/*
 * The methods of grpc.AgentService and grpc.Health as one table: name on the wire, and the
 * messages they take and give. Client, server and moat-agentctl are all driven by it.
 */
enum agent_method {
	AGENT_CHECK, /* grpc.Health */
	AGENT_VERSION,
	AGENT_CREATE_SANDBOX,
	AGENT_DESTROY_SANDBOX,
	AGENT_CREATE_CONTAINER,
	AGENT_START_CONTAINER,
	AGENT_REMOVE_CONTAINER,
	AGENT_EXEC_PROCESS,
	AGENT_SIGNAL_PROCESS,
	AGENT_WAIT_PROCESS,
	AGENT_WRITE_STDIN,
	AGENT_READ_STDOUT,
	AGENT_READ_STDERR,
	AGENT_CLOSE_STDIN,
	AGENT_ATTACH_STDIO,
	AGENT_TTY_WIN_RESIZE,
	AGENT_GET_GUEST_DETAILS,
	AGENT_SET_GUEST_DATE_TIME,
	AGENT_RESEED_RANDOM_DEV,
	AGENT_PAUSE_CONTAINER,
	AGENT_RESUME_CONTAINER,
	AGENT_UPDATE_CONTAINER,
	AGENT_STATS_CONTAINER,
	AGENT_LIST_PROCESSES,
	AGENT_GET_OOM_EVENT,
	AGENT_UPDATE_INTERFACE,
	AGENT_UPDATE_ROUTES,
	AGENT_LIST_INTERFACES,
	AGENT_LIST_ROUTES,
	AGENT_ADD_ARP_NEIGHBORS,
	AGENT_GET_IP_TABLES,
	AGENT_SET_IP_TABLES,
	AGENT_GET_METRICS,
	AGENT_ONLINE_CPU_MEM,
	AGENT_MEM_HOTPLUG_BY_PROBE,
	AGENT_COPY_FILE,
	AGENT_ADD_SWAP,
	AGENT_ADD_SWAP_PATH,
	AGENT_GET_VOLUME_STATS,
	AGENT_RESIZE_VOLUME,
	AGENT_UPDATE_EPHEMERAL_MOUNTS,
	AGENT_REMOVE_STALE_SHARE_MOUNTS,
	AGENT_GET_DIAGNOSTIC_DATA,
	AGENT_SET_POLICY,
	AGENT_MEM_AGENT_MEMCG_SET,
	AGENT_MEM_AGENT_COMPACT_SET,
	AGENT_METHOD_COUNT,
};

struct agent_method_info {
	const char *service; /* "grpc.AgentService" */
	const char *name;    /* "CreateContainer" */
	const pb_msgdesc_t *request;
	size_t request_size; /* of the C struct */
	const pb_msgdesc_t *response;
	size_t response_size;
};
extern const struct agent_method_info agent_methods[AGENT_METHOD_COUNT];

/* The method of that service and name, or -ENOENT. */
int agent_method_find(const char *service, const char *name);

/* Ports of the channel (docs/agent.md). */
enum agent_port {
	AGENT_PORT_RPC = 1024,
	AGENT_PORT_LOG = 1025,
	AGENT_PORT_DEBUG = 1026,
	AGENT_PORT_STDIO = 1027,   /* passfd listener: a stream of a process's stdio */
	AGENT_PORT_FORWARD = 1028, /* moat's own: a port of the guest's loopback */
};
