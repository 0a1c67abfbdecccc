/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/net-devices.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/engine/namespaces.h"
#include "lib/linux/netdev.h"
#include "lib/linux/netlink.h"
#include "oci/config.h"

int net_devices_check(const struct oci_linux *l, const struct namespace_plan *namespaces,
		      struct error *err)
{
	if (!l->net_devices_count)
		return 0;
	if (!(namespaces->private_flags & CLONE_NEWNET))
		return error_set(err, -EINVAL,
				 "linux.netDevices: unable to move network devices without a "
				 "private network namespace");
	for (size_t i = 0; i < l->net_devices_count; i++) {
		const struct oci_net_device *device = &l->net_devices[i];

		if (!netdev_is_name(device->host_name) || strchr(device->host_name, '%'))
			return error_set(err, -EINVAL, "linux.netDevices: invalid name '%s'",
					 device->host_name);
		if (device->name && !netdev_is_name(device->name))
			return error_set(err, -EINVAL, "linux.netDevices.%s: invalid name '%s'",
					 device->host_name, device->name);
	}
	return 0;
}

static int open_namespace(const struct namespace_plan *namespaces, pid_t init, struct error *err)
{
	cleanup_free char *path = NULL;
	int fd;

	for (size_t i = 0; i < namespaces->joins_count; i++) {
		if (namespaces->joins[i].type != OCI_NS_NETWORK)
			continue;
		fd = fcntl(namespaces->joins[i].fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? error_sys(err, errno, "duplicate network namespace") : fd;
	}
	path = xasprintf("/proc/%d/ns/net", (int)init);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_sys(err, errno, "open '%s'", path) : fd;
}

struct homes {
	struct netdev_home host;
	struct netdev_home container;
};

#define HOMES_INIT                                                                                 \
	{                                                                                          \
		{ -1, -1 },                                                                        \
		{                                                                                  \
			-1, -1                                                                     \
		}                                                                                  \
	}

static void homes_close(struct homes *homes)
{
	close_fdp(&homes->host.socket);
	close_fdp(&homes->host.ns_fd);
	close_fdp(&homes->container.socket);
}

/* @container_fd stays the caller's. */
static int homes_open(int container_fd, struct homes *ret, struct error *err)
{
	ret->container.ns_fd = container_fd;
	ret->host.ns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (ret->host.ns_fd < 0)
		return error_sys(err, errno, "open '/proc/self/ns/net'");
	ret->host.socket = netlink_open();
	if (ret->host.socket < 0)
		return error_sys(err, ret->host.socket, "open netlink socket");
	ret->container.socket = netlink_open_in(container_fd, CLONE_NEWNET);
	if (ret->container.socket < 0)
		return error_sys(err, ret->container.socket,
				 "open netlink socket of the container");
	return 0;
}

static int move_one(struct net_devices *devices, const struct homes *homes,
		    const struct oci_net_device *device, struct error *err)
{
	const char *name = device->name ? device->name : device->host_name;
	struct netdev_move move = {
		.from = &homes->host,
		.to = &homes->container,
		.name = device->host_name,
		.new_name = name,
		.is_up = true,
	};
	int r = netdev_move(&move);

	if (move.has_moved) {
		devices->moved[devices->moved_count++] = (struct net_device_moved){
			.host_name = device->host_name,
			.name = xstrdup(move.got_name),
			.was_up = move.was_up,
		};
	}
	if (r == -EEXIST)
		return error_set(err, r,
				 "linux.netDevices: move '%s': the container has a '%s' already",
				 device->host_name, name);
	return r < 0 ? error_sys(err, r, "linux.netDevices: move '%s'", device->host_name) : 0;
}

int net_devices_move(struct net_devices *devices, const struct namespace_plan *namespaces,
		     pid_t init, struct error *err)
{
	CLEANUP(homes_close) struct homes homes = HOMES_INIT;
	const struct oci_linux *l = devices->linux_;
	int r;

	if (!l->net_devices_count)
		return 0;
	devices->moved = xcalloc(l->net_devices_count, sizeof(*devices->moved));
	devices->ns_fd = open_namespace(namespaces, init, err);
	if (devices->ns_fd < 0)
		return devices->ns_fd;
	r = homes_open(devices->ns_fd, &homes, err);
	for (size_t i = 0; r == 0 && i < l->net_devices_count; i++)
		r = move_one(devices, &homes, &l->net_devices[i], err);
	if (r < 0)
		net_devices_bring_back(devices);
	return r;
}

void net_devices_bring_back(struct net_devices *devices)
{
	CLEANUP(homes_close) struct homes homes = HOMES_INIT;
	struct error err = ERROR_INIT;

	if (!devices->moved_count)
		return;
	if (homes_open(devices->ns_fd, &homes, &err) < 0) {
		log_warning("linux.netDevices: bring back: %s", err.msg);
		return;
	}
	while (devices->moved_count) {
		struct net_device_moved *moved = &devices->moved[--devices->moved_count];
		struct netdev_move move = {
			.from = &homes.container,
			.to = &homes.host,
			.name = moved->name,
			.new_name = moved->host_name,
			.is_up = moved->was_up,
		};
		int r = netdev_move(&move);

		if (r < 0)
			log_warning("linux.netDevices: bring back '%s': %s", move.new_name,
				    strerror(-r));
		free(moved->name);
	}
}

void net_devices_done(struct net_devices *devices)
{
	while (devices->moved_count)
		free(devices->moved[--devices->moved_count].name);
	free(devices->moved);
	close_fdp(&devices->ns_fd);
	*devices = (struct net_devices)NET_DEVICES_INIT;
}
