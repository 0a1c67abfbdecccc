/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;
struct namespace_plan;
struct oci_linux;

struct net_device_moved {
	const char *host_name;
	char *name; /* in the container */
	bool was_up;
};

/*
 * linux.netDevices: links of the caller's network namespace that move into the container's, by the
 * caller, which alone has rights over both. They are there and up before anything of the container
 * runs. What the kernel does with them at the container's end (physical ones come back, virtual
 * ones are gone) is not ours (config-linux.md#network-devices).
 */
struct net_devices {
	const struct oci_linux *linux_;
	struct net_device_moved *moved;
	size_t moved_count;
	int ns_fd; /* the container's, or -1 */
};

#define NET_DEVICES_INIT                                                                           \
	{                                                                                          \
		.ns_fd = -1                                                                        \
	}

/* Refuses names that no link can have, and a container without a network of its own. */
int net_devices_check(const struct oci_linux *linux_, const struct namespace_plan *namespaces,
		      struct error *err);

/* @init: in its network namespace by now, if that is a new one. */
int net_devices_move(struct net_devices *devices, const struct namespace_plan *namespaces,
		     pid_t init, struct error *err);

/* Brings back what was moved, when there is no container after all. */
void net_devices_bring_back(struct net_devices *devices);
void net_devices_done(struct net_devices *devices);
