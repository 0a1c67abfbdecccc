/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/magic.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/server/network.h"
#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/netlink.h"
#include "lib/linux/uevent.h"

/*
 * The guest's links, addresses, routes and neighbours, as the host wants them: rtnetlink(7) in the
 * protocol's words. There is one network namespace in a guest, the agent's.
 */
#define LINK_TIMEOUT_MS 3000

/* An addition of ours, for where there are no slots: the address that it has by now. */
#define HW_PATH "hw:"

struct guest_network {
	int fd; /* of netlink */
	struct network found;
};

static void guest_network_done(struct guest_network *n)
{
	close_fdp(&n->fd);
	network_done(&n->found);
}
#define cleanup_guest_network CLEANUP(guest_network_done)
#define GUEST_NETWORK_INIT                                                                         \
	{                                                                                          \
		.fd = -1                                                                           \
	}

static int read_parts(struct guest_network *n, unsigned int parts, struct error *err)
{
	int r = 0;

	network_done(&n->found);
	if (n->fd < 0)
		r = n->fd = netlink_open();
	if (r >= 0)
		r = network_read(n->fd, parts, &n->found);
	return r < 0 ? error_sys(err, r, "read the network") : 0;
}

static int read_network(struct guest_network *n, struct error *err)
{
	return read_parts(n, NETWORK_LINKS | NETWORK_ADDRESSES, err);
}

static const struct network_link *find_by_name(const struct guest_network *n, const char *name)
{
	return network_find_name(&n->found, name);
}

static const struct network_link *find_by_hw(const struct guest_network *n, const char *hw)
{
	for (size_t i = 0; i < n->found.links_count; i++) {
		char text[NETWORK_HW_TEXT];

		network_hw_text(&n->found.links[i].hw, text);
		if (hw && *hw && strcasecmp(text, hw) == 0)
			return &n->found.links[i];
	}
	return NULL;
}

/* UpdateInterface, in a worker: the link may not be there yet */

struct search {
	struct guest_network *network;
	const types_Interface *wanted;
	const char *told_hw;	  /* what it has if this is not the first time; or NULL */
	struct network_link link; /* found */
	struct error err;
};

static int find_link(void *ctx)
{
	struct search *s = ctx;
	const struct network_link *link;
	int r = read_network(s->network, &s->err);

	if (r < 0)
		return r;
	link = find_by_hw(s->network, s->wanted->hw_addr);
	if (!link && s->told_hw)
		link = find_by_hw(s->network, s->told_hw);
	if (!link && (!s->wanted->hw_addr || !*s->wanted->hw_addr))
		link = find_by_name(s->network, s->wanted->name);
	if (link)
		s->link = *link;
	return link != NULL;
}

/* The card of a machine that was saved has the address it had there: its name is all that says
 * which one it is, when none with the wanted address has come. */
static int wait_for_link(struct search *s, int timeout_ms)
{
	int r = uevent_wait(find_link, s, timeout_ms);
	const struct network_link *link;

	if (r != -ETIMEDOUT || s->told_hw)
		return r;
	link = find_by_name(s->network, s->wanted->name);
	if (!link)
		return r;
	s->link = *link;
	return 0;
}

static int change_link(const struct guest_network *n, unsigned int index, unsigned int set,
		       unsigned int mask, const char *name, uint32_t mtu)
{
	struct netlink_request request;

	network_link_request(index, set, mask, &request);
	if (name)
		netlink_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
	if (mtu)
		netlink_add(&request, IFLA_MTU, &mtu, sizeof(mtu));
	return netlink_ask(n->fd, &request, NULL);
}

/* A name that another link has changes its place with ours. */
static int rename_link(const struct guest_network *n, const struct network_link *link,
		       const char *name, struct error *err)
{
	const struct network_link *holder = find_by_name(n, name);
	char temporary[IFNAMSIZ];
	int r;

	if (streq(link->name, name))
		return 0;
	if (strlen(name) >= IFNAMSIZ)
		return error_set(err, -EINVAL, "link name '%.100s': too long", name);
	(void)snprintf(temporary, sizeof(temporary), "%.9s_temp", name);
	r = holder ? change_link(n, holder->index, 0, IFF_UP, temporary, 0) : 0;
	if (r == 0)
		r = change_link(n, link->index, 0, 0, name, 0);
	if (r == 0 && holder)
		r = change_link(n, holder->index, holder->flags & IFF_UP, IFF_UP, link->name, 0);
	return r < 0 ? error_sys(err, r, "rename link '%s' to '%s'", link->name, name) : 0;
}

static int change_address(const struct guest_network *n, unsigned int index, uint16_t type,
			  const struct network_address *a)
{
	const struct ifaddrmsg head = {
		.ifa_family = a->family,
		.ifa_prefixlen = a->prefix,
		.ifa_flags = a->family == AF_INET6 ? IFA_F_NODAD : 0, /* the host had it before */
		.ifa_index = index,
	};
	uint16_t flags = type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	struct netlink_request request;

	netlink_begin(&request, type, flags, &head, sizeof(head));
	netlink_add(&request, IFA_LOCAL, a->bytes, network_address_size(a));
	netlink_add(&request, IFA_ADDRESS, a->bytes, network_address_size(a));
	return netlink_ask(n->fd, &request, NULL);
}

static bool is_wanted(const struct network_address *a, const struct network_address *wanted,
		      size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (network_address_equal(a, &wanted[i]))
			return true;
	return false;
}

static bool has_no_ipv6(int r)
{
	return r == -EACCES || r == -EAFNOSUPPORT || r == -EOPNOTSUPP;
}

static int set_addresses(const struct guest_network *n, const struct network_link *link,
			 const types_Interface *wanted, struct error *err)
{
	size_t count = wanted->ip_addresses_count;
	cleanup_free struct network_address *list = xcalloc(count, sizeof(*list));
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = network_address_parse(wanted->ip_addresses[i].address,
					  wanted->ip_addresses[i].mask, &list[i], err);
	for (size_t i = 0; i < n->found.addresses_count && r == 0; i++) {
		const struct network_address *a = &n->found.addresses[i].address;

		if (n->found.addresses[i].index != link->index || a->scope != RT_SCOPE_UNIVERSE ||
		    is_wanted(a, list, count))
			continue;
		r = change_address(n, link->index, RTM_DELADDR, a);
		if (r == -EADDRNOTAVAIL) /* IPv6's have gone when the link was taken down */
			r = 0;
		if (r < 0)
			(void)error_sys(err, r, "link '%s': remove an address", link->name);
	}
	for (size_t i = 0; i < count && r == 0; i++) {
		r = change_address(n, link->index, RTM_NEWADDR, &list[i]);
		if (r < 0 && list[i].family == AF_INET6 && has_no_ipv6(r))
			r = 0;
		if (r < 0)
			(void)error_sys(err, r, "link '%s': add address '%s'", link->name,
					wanted->ip_addresses[i].address);
	}
	return r;
}

/* One that stands in for a link of the host takes that one's address. */
static int set_hw(const struct guest_network *n, const struct network_link *link, const char *text,
		  struct error *err)
{
	struct netlink_request request;
	struct network_hw hw;
	int r = network_hw_parse(text, &hw, err);

	if (r < 0 || network_hw_equal(&hw, &link->hw))
		return r;
	network_link_request(link->index, 0, 0, &request);
	netlink_add(&request, IFLA_ADDRESS, hw.bytes, hw.size);
	r = netlink_ask(n->fd, &request, NULL);
	return r < 0 ? error_sys(err, r, "link '%s': set address '%.100s'", link->name, text) : 0;
}

/* Without a driver nobody sees it. */
static int unbind_link(const struct agent_server_options *options, const struct network_link *link,
		       struct error *err)
{
	cleanup_free char *device =
		xasprintf("%s/class/net/%s/device", server_sys_dir(options), link->name);
	cleanup_free char *order = xasprintf("%s/driver/unbind", device);
	char target[256] = "";
	const char *name;
	int r;

	if (readlink(device, target, sizeof(target) - 1) < 0)
		return error_sys(err, errno, "read '%s'", device);
	name = strrchr(target, '/');
	r = write_file_at(AT_FDCWD, order, name ? name + 1 : target);
	return r < 0 ? error_sys(err, r, "link '%s': take its driver", link->name) : 0;
}

#define HIDDEN_NAME "unused-links"

/* A network namespace that nobody is in, which lasts by its mount. */
static int make_hidden(const char *path)
{
	cleanup_fd int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	cleanup_fd int file = -1;
	int r = own < 0 ? -errno : 0;

	if (r == 0) {
		file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		r = file < 0 || unshare(CLONE_NEWNET) < 0 ? -errno : 0;
	}
	if (r < 0)
		return r;
	if (mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) < 0)
		r = -errno;
	return setns(own, CLONE_NEWNET) < 0 && r == 0 ? -errno : r;
}

static int open_hidden(const struct agent_server_options *options, int *ret)
{
	cleanup_free char *path = xasprintf("%s/" HIDDEN_NAME, server_run_dir(options));
	struct statfs fs;
	int r = mkdir_parents(server_run_dir(options), 0700);

	if (r == 0 && (statfs(path, &fs) < 0 || fs.f_type != NSFS_MAGIC))
		r = make_hidden(path);
	if (r < 0)
		return r;
	*ret = open(path, O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? -errno : 0;
}

/* Firecracker's devices go on to use the memory that a driver gave them, whatever that says. */
static int put_aside(const struct agent_server_options *options, const struct guest_network *n,
		     const struct network_link *link, struct error *err)
{
	struct netlink_request request;
	cleanup_fd int hidden = -1;
	int r = open_hidden(options, &hidden);

	if (r < 0)
		return error_sys(err, r, "make a place for unused links");
	network_link_request(link->index, 0, IFF_UP, &request);
	netlink_add(&request, IFLA_NET_NS_FD, &hidden, sizeof(hidden));
	r = netlink_ask(n->fd, &request, NULL);
	return r < 0 ? error_sys(err, r, "link '%s': put it aside", link->name) : 0;
}

/* One that was kept for the host's use and is not needed. */
static int hide_link(const struct agent_server_options *options, const struct guest_network *n,
		     const struct network_link *link, struct error *err)
{
	return options->keeps_devices ? put_aside(options, n, link, err)
				      : unbind_link(options, link, err);
}

static int update_link(struct guest_network *n, const struct network_link *link,
		       const types_Interface *wanted, struct error *err)
{
	unsigned int noarp = wanted->raw_flags & IFF_NOARP;
	int r = change_link(n, link->index, 0, IFF_UP, NULL, 0);

	if (r < 0)
		return error_sys(err, r, "link '%s': take down", link->name);
	if (wanted->hw_addr && *wanted->hw_addr)
		r = set_hw(n, link, wanted->hw_addr, err);
	if (r < 0)
		return r;
	r = set_addresses(n, link, wanted, err);
	if (r == 0 && wanted->name && *wanted->name)
		r = rename_link(n, link, wanted->name, err);
	if (r < 0)
		return r;
	r = change_link(n, link->index, IFF_UP | noarp, IFF_UP | IFF_NOARP, NULL,
			(uint32_t)wanted->mtu);
	return r < 0 ? error_sys(err, r, "link '%s': bring up", wanted->name) : 0;
}

static int update_interface(const struct agent_server_options *options,
			    const types_Interface *wanted, struct error *err)
{
	cleanup_guest_network struct guest_network network = GUEST_NETWORK_INIT;
	struct search search = { .network = &network, .wanted = wanted, .err = ERROR_INIT };
	const char *hw = str_after(wanted->device_path ? wanted->device_path : "", HW_PATH);
	const bool is_to_hide = hw && !(wanted->name && *wanted->name);
	types_Interface named = *wanted;
	cleanup_free char *name = NULL;
	int r = 0;

	/* Where it is plugged in says which one it is, whatever address it has. */
	if (hw) {
		named.hw_addr = (char *)hw;
		search.told_hw = wanted->hw_addr;
		search.wanted = &named;
	} else if (wanted->device_path && *wanted->device_path) {
		r = device_find(options, "net", wanted->device_path, &name, err);
		named.name = name;
		named.hw_addr = NULL;
		search.wanted = &named;
	}
	if (r < 0)
		return r;
	r = wait_for_link(&search, options->device_timeout_ms ? options->device_timeout_ms
							      : LINK_TIMEOUT_MS);
	if (r == -ETIMEDOUT && is_to_hide)
		return 0;
	if (r == -ETIMEDOUT)
		return error_set(err, -ENODEV, "link '%.100s' (%.32s): there is none",
				 wanted->name ? wanted->name : "",
				 wanted->hw_addr ? wanted->hw_addr : "");
	if (r < 0)
		return search.err.code ? error_set(err, r, "%s", search.err.msg)
				       : error_sys(err, r, "listen for devices");
	if (is_to_hide)
		return hide_link(options, &network, &search.link, err);
	return update_link(&network, &search.link, wanted, err);
}

struct update {
	struct agent_server *server;
	grpc_UpdateInterfaceRequest *request;
	struct rpc_call *calls;
};

static int run_update(void *ctx, struct worker_progress *progress, struct worker_result *result)
{
	struct update *u = ctx;

	return update_interface(&u->server->options, &u->request->interface, &result->err);
}

static void drop_update(void *ctx, const struct worker_result *result)
{
	struct update *u = ctx;

	rpc_free_request(AGENT_UPDATE_INTERFACE, u->request);
	free(u);
}

static void finish_update(void *ctx, const struct worker_result *result)
{
	struct update *u = ctx;

	rpc_end_all(&u->calls, &result->err, &u->request->interface);
	drop_update(u, result);
}

static const struct worker_task update_task = {
	"update interface", NULL, run_update, finish_update, drop_update,
};

int network_update_interface(struct rpc_call *call, const void *request, void *response,
			     struct error *err)
{
	const grpc_UpdateInterfaceRequest *req = request;
	struct update *u;

	if (!req->has_interface)
		return error_set(err, -EINVAL, "interface is missing");
	u = xcalloc(1, sizeof(*u));
	*u = (struct update){ .server = call->server, .request = rpc_take_request(call) };
	(void)rpc_wait(call, &u->calls);
	worker_add(call->server, &update_task, u);
	return RPC_LATER;
}

/* ListInterfaces */

static void add_address(types_Interface *interface, const struct network_address *a)
{
	types_IPAddress *to;

	interface->ip_addresses =
		xrealloc(interface->ip_addresses, interface->ip_addresses_count + 1u, sizeof(*to));
	to = &interface->ip_addresses[interface->ip_addresses_count++];
	*to = (types_IPAddress){
		.family = a->family == AF_INET6 ? types_IPFamily_v6 : types_IPFamily_v4,
		.address = network_address_text(a),
		.mask = xasprintf("%u", a->prefix),
	};
}

int network_list_interfaces(struct rpc_call *call, const void *request, void *response,
			    struct error *err)
{
	cleanup_guest_network struct guest_network network = GUEST_NETWORK_INIT;
	grpc_Interfaces *ret = response;
	int r = read_network(&network, err);

	if (r < 0)
		return r;
	ret->interfaces = xcalloc(network.found.links_count, sizeof(*ret->interfaces));
	ret->interfaces_count = (pb_size_t)network.found.links_count;
	for (size_t i = 0; i < network.found.links_count; i++) {
		const struct network_link *link = &network.found.links[i];
		types_Interface *interface = &ret->interfaces[i];
		char hw[NETWORK_HW_TEXT];

		network_hw_text(&link->hw, hw);
		interface->device = xstrdup(link->name);
		interface->name = xstrdup(link->name);
		interface->mtu = link->mtu;
		interface->hw_addr = xstrdup(hw);
		interface->raw_flags = link->flags;
		for (size_t k = 0; k < network.found.addresses_count; k++)
			if (network.found.addresses[k].index == link->index)
				add_address(interface, &network.found.addresses[k].address);
	}
	return 0;
}

/* routes */

static void add_route_to(grpc_Routes *ret, const struct network *found,
			 const struct network_route *route)
{
	const struct network_link *link = network_find_index(found, route->index);
	types_Route *to;

	ret->routes = xrealloc(ret->routes, ret->routes_count + 1u, sizeof(*ret->routes));
	to = &ret->routes[ret->routes_count++];
	network_route_describe(route, to);
	to->device = xstrdup(link ? link->name : "");
}

static int list_routes(struct guest_network *n, grpc_Routes *ret, struct error *err)
{
	int r = read_parts(n, NETWORK_LINKS | NETWORK_ROUTES, err);

	for (size_t i = 0; i < n->found.routes_count && r == 0; i++)
		add_route_to(ret, &n->found, &n->found.routes[i]);
	return r;
}

int network_list_routes(struct rpc_call *call, const void *request, void *response,
			struct error *err)
{
	cleanup_guest_network struct guest_network network = GUEST_NETWORK_INIT;

	return list_routes(&network, response, err);
}

static int parse_route(const struct guest_network *n, const types_Route *route,
		       struct network_route *ret, struct error *err)
{
	const struct network_link *link = find_by_name(n, route->device);

	if (route->device && *route->device && !link)
		return error_set(err, -ENODEV, "route: there is no link '%.100s'", route->device);
	return network_route_parse(route, link ? link->index : 0, ret, err);
}

static int add_route(const struct guest_network *n, const types_Route *route,
		     const struct network_route *parsed, bool is_another, struct error *err)
{
	struct netlink_request request;
	int r;

	network_route_request(parsed, is_another, &request);
	r = netlink_ask(n->fd, &request, NULL);
	if (r == 0 || r == -EEXIST || (parsed->family == AF_INET6 && has_no_ipv6(r)))
		return 0;
	return error_sys(err, r, "add route '%.100s' by '%.100s'", route->dest ? route->dest : "",
			 route->gateway && *route->gateway ? route->gateway : route->device);
}

/* One of the same request is not what a later one is meant to replace. */
static bool is_another(const struct network_route *routes, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (routes[k].family == routes[i].family && routes[k].metric == routes[i].metric &&
		    network_address_equal(&routes[k].dest, &routes[i].dest))
			return true;
	return false;
}

int network_update_routes(struct rpc_call *call, const void *request, void *response,
			  struct error *err)
{
	const grpc_UpdateRoutesRequest *req = request;
	const size_t count = req->routes.routes_count;
	cleanup_free struct network_route *routes = xcalloc(count, sizeof(*routes));
	cleanup_guest_network struct guest_network network = GUEST_NETWORK_INIT;
	int r = req->has_routes ? read_network(&network, err)
				: error_set(err, -EINVAL, "routes are missing");

	for (size_t i = 0; i < count && r == 0; i++)
		r = parse_route(&network, &req->routes.routes[i], &routes[i], err);
	/* A gateway can only be named once it is reachable itself. */
	for (int has_gateway = 0; has_gateway < 2; has_gateway++)
		for (size_t i = 0; i < count && r == 0; i++)
			if (!!routes[i].gateway.family == has_gateway)
				r = add_route(&network, &req->routes.routes[i], &routes[i],
					      is_another(routes, i), err);
	return r < 0 ? r : list_routes(&network, response, err);
}

/* AddARPNeighbors */

static int add_neighbor(const struct guest_network *n, const types_ARPNeighbor *neighbor,
			struct error *err)
{
	const struct network_link *link = find_by_name(n, neighbor->device);
	struct ndmsg head = {
		.ndm_state = neighbor->state ? (uint16_t)neighbor->state : NUD_PERMANENT,
		.ndm_flags = (uint8_t)neighbor->flags,
	};
	struct netlink_request request;
	struct network_address to;
	struct network_hw hw;
	int r;

	if (!link)
		return error_set(err, -ENODEV, "neighbour: there is no link '%.100s'",
				 neighbor->device ? neighbor->device : "");
	r = network_address_parse(neighbor->to_ip_address.address, NULL, &to, err);
	if (r == 0 && neighbor->lladdr && *neighbor->lladdr)
		r = network_hw_parse(neighbor->lladdr, &hw, err);
	if (r < 0)
		return r;
	head.ndm_family = to.family;
	head.ndm_ifindex = (int)link->index;
	netlink_begin(&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	netlink_add(&request, NDA_DST, to.bytes, network_address_size(&to));
	if (neighbor->lladdr && *neighbor->lladdr)
		netlink_add(&request, NDA_LLADDR, hw.bytes, hw.size);
	r = netlink_ask(n->fd, &request, NULL);
	return r < 0 ? error_sys(err, r, "add neighbour '%s'", neighbor->to_ip_address.address) : 0;
}

int network_add_neighbors(struct rpc_call *call, const void *request, void *response,
			  struct error *err)
{
	const grpc_AddARPNeighborsRequest *req = request;
	cleanup_guest_network struct guest_network network = GUEST_NETWORK_INIT;
	int r = req->has_neighbors ? read_network(&network, err)
				   : error_set(err, -EINVAL, "neighbors are missing");

	for (size_t i = 0; i < req->neighbors.neighbors_count && r == 0; i++)
		r = add_neighbor(&network, &req->neighbors.neighbors[i], err);
	return r;
}
