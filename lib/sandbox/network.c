/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/net/local.h"
#include "oci/annotations.h"
#include "oci/config.h"

#define VHOST_DEVICE "/dev/vhost-net"
#define CALL_TIMEOUT_MS 60000

/* In the mark of a tap whose interface the guest took away: no link has such a name. */
#define TAKEN_AWAY "/"

void sandbox_network_close_taps(struct sandbox_network *network)
{
	for (size_t i = 0; i < ARRAY_SIZE(network->taps); i++) {
		struct hv_nic *nic = &network->hv_nics[i];

		if (nic->fd <= 0)
			continue;
		net_tap_close(&network->taps[i]);
		close_fdp(&nic->vhost_fd);
		*nic = (struct hv_nic){ 0 };
	}
}

void sandbox_network_done(struct sandbox_network *network)
{
	sandbox_network_close_taps(network);
	net_plan_done(&network->plan);
	*network = (struct sandbox_network){ 0 };
}

static int read_plan(int fd, struct network *found, struct net_plan *plan, struct error *err)
{
	int r = network_read(fd, NETWORK_ALL, found);

	if (r < 0)
		return error_sys(err, r, "read the network");
	return net_plan_make(found, plan, err);
}

/* podman sets up what it has networks for before `create`, and says where; but where there is a
 * user namespace, that has to be there first. */
bool sandbox_network_may_grow(const struct oci_config *config)
{
	const char *manager = oci_annotation(config, "io.container.manager");
	const struct oci_namespace *ns = oci_namespace_find(config, OCI_NS_NETWORK);

	if (!ns || ns->path)
		return false;
	return !streq_null(manager, "libpod") || oci_namespace_find(config, OCI_NS_USER);
}

/* --- making ------------------------------------------------------------------------------- */

/* Of two links with one address the guest tells the interfaces apart by the taps' own, at first. */
static void choose_address(const struct net_plan *plan, struct sandbox_nic *nic,
			   struct hv_nic *hv_nic)
{
	const bool has_own = nic->endpoint && !net_plan_is_twin(plan, nic->endpoint);
	const struct network_hw *hw = has_own ? &nic->endpoint->hw : &nic->tap_hw;

	nic->state = has_own ? NIC_HAS_ADDRESS : NIC_IS_NEW;
	memcpy(hv_nic->mac, hw->bytes, sizeof(hv_nic->mac));
}

static int add_nic(struct sandbox_network *n, int fd, const struct net_endpoint *endpoint,
		   bool has_vhost, struct error *err)
{
	struct sandbox_nic *nic = &n->nics[n->nics_count];
	struct hv_nic *hv_nic = &n->hv_nics[n->nics_count];
	struct net_tap *tap = &n->taps[n->nics_count];
	int r = net_tap_open(fd, tap, err);

	if (r < 0)
		return r;
	n->nics_count++;
	*nic = (struct sandbox_nic){
		.endpoint = endpoint,
		.tap_index = tap->index,
		.tap_hw = tap->hw,
	};
	*hv_nic = (struct hv_nic){
		.fd = tap->fd,
		/* A host without it, or without the right to it, does without. */
		.vhost_fd = has_vhost ? open(VHOST_DEVICE, O_RDWR | O_CLOEXEC) : -1,
	};
	choose_address(&n->plan, nic, hv_nic);
	return endpoint ? net_join(fd, endpoint, tap->index, err) : 0;
}

/* What it receives can go to one of them only. */
static int refuse_taken(const struct network *found, const struct net_endpoint *endpoint,
			struct error *err)
{
	if (!net_is_taken(found, endpoint->name))
		return 0;
	return error_set(err, -EBUSY, "link '%s': another virtual machine has it", endpoint->name);
}

/* Somebody who may make no taps can hardly give the namespace a link that needs one. */
static int add_spares(struct sandbox_network *n, int fd, size_t count, bool has_vhost,
		      struct error *err)
{
	struct error reason = ERROR_INIT;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = add_nic(n, fd, NULL, has_vhost, &reason);
	if (r == -EACCES || r == -EPERM || r == -ENOENT) {
		log_debug("no spare interfaces: %s", reason.msg);
		return 0;
	}
	if (r < 0 && err)
		*err = reason;
	return r;
}

static int make(struct sandbox_network *n, int fd, size_t spares, bool has_vhost, struct error *err)
{
	cleanup_network struct network found = { 0 };
	int r = read_plan(fd, &found, &n->plan, err);
	const size_t joined = n->plan.endpoints_count;

	for (size_t i = 0; i < joined && r == 0; i++)
		r = refuse_taken(&found, &n->plan.endpoints[i], err);
	for (size_t i = 0; i < joined && r == 0; i++)
		r = add_nic(n, fd, &n->plan.endpoints[i], has_vhost, err);
	if (r == 0 && !joined)
		r = add_spares(n, fd, spares, has_vhost, err);
	if (r < 0 || !joined)
		return r;
	/* The guest will have been told, or there will be no sandbox. */
	return sandbox_network_settle(fd, n, err);
}

int sandbox_network_make(struct sandbox_network *network, size_t spares, bool has_vhost,
			 struct error *err)
{
	cleanup_fd int fd = netlink_open();
	int r;

	*network = (struct sandbox_network){ 0 };
	if (fd < 0)
		return error_sys(err, fd, "open a netlink socket");
	r = make(network, fd, spares, has_vhost, err);
	if (r < 0)
		sandbox_network_done(network);
	return r;
}

static const struct net_endpoint *find_unassigned(const struct net_plan *plan, const char *address,
						  const bool *is_assigned)
{
	for (size_t i = 0; i < plan->endpoints_count; i++) {
		char text[NETWORK_HW_TEXT];

		network_hw_text(&plan->endpoints[i].hw, text);
		if (!is_assigned[i] && streq(text, address))
			return &plan->endpoints[i];
	}
	return NULL;
}

static int refuse_unassigned(const struct net_plan *plan, const bool *is_assigned,
			     struct error *err)
{
	char text[NETWORK_HW_TEXT];

	for (size_t i = 0; i < plan->endpoints_count; i++) {
		if (is_assigned[i])
			continue;
		network_hw_text(&plan->endpoints[i].hw, text);
		return error_set(err, -EINVAL,
				 "link '%s': no interface of the saved machine has its address "
				 "'%s'",
				 plan->endpoints[i].name, text);
	}
	return 0;
}

int sandbox_network_assign(const struct net_plan *plan, char *const *addresses,
			   const struct net_endpoint *ret[static HV_NICS_MAX], struct error *err)
{
	bool is_assigned[NET_ENDPOINTS_MAX] = { false };
	size_t count = strv_len(addresses);

	if (count > HV_NICS_MAX)
		return error_set(err, -ERANGE, "%zu interfaces of the saved machine: too many",
				 count);
	for (size_t i = 0; i < count; i++) {
		ret[i] = NULL;
		if (!*addresses[i])
			continue;
		ret[i] = find_unassigned(plan, addresses[i], is_assigned);
		if (!ret[i])
			return error_set(err, -EINVAL,
					 "interface %zu of the saved machine has the address '%s', "
					 "which no link has here",
					 i + 1, addresses[i]);
		is_assigned[ret[i] - plan->endpoints] = true;
	}
	return refuse_unassigned(plan, is_assigned, err);
}

/* Taps are made in the order of the machine's interfaces, so that their order tells it later. */
static int remake(struct sandbox_network *n, int fd, char *const *addresses, bool has_vhost,
		  struct error *err)
{
	const struct net_endpoint *endpoints[HV_NICS_MAX];
	cleanup_network struct network found = { 0 };
	int r = read_plan(fd, &found, &n->plan, err);

	if (r == 0)
		r = sandbox_network_assign(&n->plan, addresses, endpoints, err);
	for (size_t i = 0; i < strv_len(addresses) && r == 0; i++) {
		struct sandbox_nic *nic = &n->nics[i];

		if (endpoints[i])
			r = refuse_taken(&found, endpoints[i], err);
		if (r == 0)
			r = add_nic(n, fd, endpoints[i], has_vhost, err);
		if (!endpoints[i])
			nic->state = NIC_IS_SETTLED;
		else if (nic->state == NIC_IS_NEW)
			nic->state = NIC_HAS_NAME;
	}
	return r < 0 ? r : sandbox_network_settle(fd, n, err);
}

int sandbox_network_remake(struct sandbox_network *network, char *const *addresses, bool has_vhost,
			   struct error *err)
{
	cleanup_fd int fd = netlink_open();
	int r;

	*network = (struct sandbox_network){ 0 };
	if (fd < 0)
		return error_sys(err, fd, "open a netlink socket");
	r = remake(network, fd, addresses, has_vhost, err);
	if (r < 0)
		sandbox_network_done(network);
	return r;
}

/* The guest goes on with the addresses that it had when it was saved, and a tap has its spare
 * interface's, by which `start` finds that again. */
int sandbox_network_use_template(struct sandbox_network *n, struct error *err)
{
	for (size_t i = 0; i < n->nics_count; i++) {
		const unsigned char mac[] = { 0x02, 'm', 'o', 'a', 't', (unsigned char)i };
		int r = net_tap_set_hw(&n->taps[i], mac);

		if (r < 0)
			return error_sys(err, r, "set a tap's address");
		n->nics[i].tap_hw = n->taps[i].hw;
		n->nics[i].state = NIC_IS_NEW;
		memcpy(n->hv_nics[i].mac, mac, sizeof(mac));
	}
	return 0;
}

/* What the guest knows is written down: an interface that it was told to take away, too. */
int sandbox_network_settle(int fd, const struct sandbox_network *network, struct error *err)
{
	const uint64_t hash = net_plan_hash(&network->plan);
	int r = 0;

	for (size_t i = 0; i < network->nics_count && r == 0; i++) {
		const struct sandbox_nic *nic = &network->nics[i];
		struct net_mark mark = { TAKEN_AWAY, hash };

		if (nic->endpoint)
			memcpy(mark.link, nic->endpoint->name, sizeof(mark.link));
		r = net_mark(fd, nic->tap_index, &mark, err);
	}
	return r;
}

/* --- telling ------------------------------------------------------------------------------ */

/* What a request borrows. */
struct told_link {
	types_IPAddress *addresses;
	char *path;
	char hw[NETWORK_HW_TEXT];
};

static void told_link_done(struct told_link *told)
{
	for (size_t i = 0; told->addresses && told->addresses[i].address; i++) {
		free(told->addresses[i].address);
		free(told->addresses[i].mask);
	}
	free(told->addresses);
	free(told->path);
}
#define cleanup_told_link CLEANUP(told_link_done)

static types_IPFamily family_of(uint8_t family)
{
	return family == AF_INET6 ? types_IPFamily_v6 : types_IPFamily_v4;
}

static void describe_endpoint(const struct net_endpoint *e, struct told_link *told,
			      types_Interface *ret)
{
	told->addresses = xcalloc(e->addresses_count + 1, sizeof(*told->addresses));
	for (size_t i = 0; i < e->addresses_count; i++) {
		const struct network_address *a = &e->addresses[i];

		told->addresses[i] = (types_IPAddress){
			.family = family_of(a->family),
			.address = network_address_text(a),
			.mask = xasprintf("%u", a->prefix),
		};
	}
	network_hw_text(&e->hw, told->hw);
	*ret = (types_Interface){
		.device = (char *)e->name,
		.name = (char *)e->name,
		.ip_addresses = told->addresses,
		.ip_addresses_count = (pb_size_t)e->addresses_count,
		.mtu = e->mtu,
		.hw_addr = told->hw,
		.raw_flags = e->has_no_arp ? IFF_NOARP : 0,
	};
}

static int tell_nic(struct agent_client *client, const struct sandbox_nic *nic, struct error *err)
{
	cleanup_told_link struct told_link told = { 0 };
	grpc_UpdateInterfaceRequest request = { .has_interface = true };
	types_Interface response;
	char tap_hw[NETWORK_HW_TEXT];
	int r;

	if (nic->endpoint)
		describe_endpoint(nic->endpoint, &told, &request.interface);
	if (nic->state == NIC_IS_NEW) {
		network_hw_text(&nic->tap_hw, tap_hw);
		told.path = xasprintf("hw:%s", tap_hw);
		request.interface.device_path = told.path;
	}
	if (nic->state == NIC_HAS_NAME)
		request.interface.hw_addr = NULL;
	r = agent_call(client, AGENT_UPDATE_INTERFACE, &request, &response, CALL_TIMEOUT_MS, err);
	if (r == 0)
		agent_response_release(AGENT_UPDATE_INTERFACE, &response);
	return r;
}

static char *describe_address(const struct network_address *a, bool has_prefix)
{
	cleanup_free char *text = a->family ? network_address_text(a) : NULL;

	if (!text || !has_prefix)
		return steal_ptr(&text);
	return xasprintf("%s/%u", text, a->prefix);
}

static types_Route describe_route(const struct net_plan *plan, const struct network_route *route)
{
	return (types_Route){
		.dest = describe_address(&route->dest, true),
		.gateway = describe_address(&route->gateway, false),
		.source = describe_address(&route->source, false),
		.device = (char *)net_plan_find(plan, route->index)->name,
		.scope = route->scope,
		.family = family_of(route->family),
		.flags = route->flags,
		.metric = route->metric,
		.mtu = route->mtu,
	};
}

/* To who is in the namespace (net/local.h). */
static struct network_route way_back(const struct sandbox_nic *nic)
{
	return (struct network_route){
		.index = nic->endpoint->index,
		.family = AF_INET,
		.scope = RT_SCOPE_LINK,
		.dest = net_local_source(nic->tap_index),
	};
}

static size_t describe_routes(const struct sandbox_network *network, types_Route *ret)
{
	const struct net_plan *plan = &network->plan;
	size_t count = 0;

	for (size_t i = 0; i < network->nics_count; i++)
		if (network->nics[i].endpoint && net_has_local(network->nics[i].endpoint)) {
			const struct network_route route = way_back(&network->nics[i]);

			ret[count++] = describe_route(plan, &route);
		}
	for (size_t i = 0; i < plan->routes_count; i++)
		ret[count++] = describe_route(plan, &plan->routes[i]);
	return count;
}

static int tell_routes(struct agent_client *client, const struct sandbox_network *network,
		       struct error *err)
{
	cleanup_free types_Route *routes =
		xcalloc(network->plan.routes_count + network->nics_count, sizeof(*routes));
	size_t count = describe_routes(network, routes);
	const grpc_UpdateRoutesRequest request = {
		.has_routes = true,
		.routes = { (pb_size_t)count, routes },
	};
	grpc_Routes response;
	int r;

	if (!count)
		return 0;
	r = agent_call(client, AGENT_UPDATE_ROUTES, &request, &response, CALL_TIMEOUT_MS, err);
	for (size_t i = 0; i < count; i++) {
		free(routes[i].dest);
		free(routes[i].gateway);
		free(routes[i].source);
	}
	if (r == 0)
		agent_response_release(AGENT_UPDATE_ROUTES, &response);
	return r;
}

static int tell_neighbor(struct agent_client *client, const struct net_plan *plan,
			 const struct network_neighbor *n, struct error *err)
{
	cleanup_free char *address = network_address_text(&n->to);
	char hw[NETWORK_HW_TEXT];
	types_ARPNeighbor neighbor = {
		.has_to_ip_address = true,
		.to_ip_address = { .family = family_of(n->to.family), .address = address },
		.device = (char *)net_plan_find(plan, n->index)->name,
		.lladdr = hw,
		.state = n->state,
		.flags = n->flags,
	};
	const grpc_AddARPNeighborsRequest request = {
		.has_neighbors = true,
		.neighbors = { 1, &neighbor },
	};
	grpc_Empty response;
	int r;

	network_hw_text(&n->hw, hw);
	r = agent_call(client, AGENT_ADD_ARP_NEIGHBORS, &request, &response, CALL_TIMEOUT_MS, err);
	if (r == 0)
		agent_response_release(AGENT_ADD_ARP_NEIGHBORS, &response);
	return r;
}

static int tell_namespace(struct agent_client *client, const struct net_plan *plan,
			  const struct sandbox_nic *nic, struct error *err)
{
	const struct network_neighbor neighbor = {
		.index = nic->endpoint->index,
		.state = NUD_PERMANENT,
		.to = net_local_source(nic->tap_index),
		.hw = nic->tap_hw,
	};

	return tell_neighbor(client, plan, &neighbor, err);
}

/* Routes need their links, and those their addresses. */
int sandbox_network_tell(const struct sandbox_network *network, struct agent_client *client,
			 struct error *err)
{
	const struct net_plan *plan = &network->plan;
	int r = 0;

	for (size_t i = 0; i < network->nics_count && r == 0; i++)
		if (network->nics[i].state != NIC_IS_SETTLED)
			r = tell_nic(client, &network->nics[i], err);
	if (r == 0)
		r = tell_routes(client, network, err);
	for (size_t i = 0; i < network->nics_count && r == 0; i++)
		if (network->nics[i].endpoint && net_has_local(network->nics[i].endpoint))
			r = tell_namespace(client, plan, &network->nics[i], err);
	for (size_t i = 0; i < plan->neighbors_count && r == 0; i++)
		r = tell_neighbor(client, plan, &plan->neighbors[i], err);
	return r;
}

/* --- later -------------------------------------------------------------------------------- */

static struct sandbox_nic *find_seat(struct sandbox_network *n, const struct network *found,
				     const char *link)
{
	for (size_t i = 0; i < n->nics_count; i++) {
		const struct network_link *tap = network_find_index(found, n->nics[i].tap_index);
		struct net_mark mark;

		if (!n->nics[i].endpoint && net_mark_read(tap, &mark) && streq(mark.link, link))
			return &n->nics[i];
	}
	return NULL;
}

/* One that left with its link, or that the guest took away, is nothing to tell of. */
static void forget_unused(struct sandbox_network *n, const struct network *found)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->nics_count; i++) {
		const struct network_link *tap = network_find_index(found, n->nics[i].tap_index);
		struct net_mark mark = { .hash = 0 };

		if (n->nics[i].endpoint || (net_mark_read(tap, &mark) && !*mark.link))
			n->nics[kept++] = n->nics[i];
	}
	n->nics_count = kept;
}

static int seat(struct sandbox_network *n, const struct network *found,
		const struct net_endpoint *endpoint, uint64_t hash, struct error *err)
{
	struct sandbox_nic *nic = find_seat(n, found, endpoint->name);
	struct net_mark mark;

	if (nic) {
		(void)net_mark_read(network_find_index(found, nic->tap_index), &mark);
		nic->endpoint = endpoint;
		/* Without one it was joined by a `start` that was killed then. */
		nic->state = mark.hash ? NIC_HAS_NAME : NIC_IS_NEW;
		n->is_known &= mark.hash == hash;
		return 0;
	}
	nic = find_seat(n, found, "");
	if (!nic)
		return error_set(err, -ENOSPC, "link '%s': came too late for the virtual machine",
				 endpoint->name);
	nic->endpoint = endpoint;
	n->is_known = false;
	return 0;
}

int sandbox_network_seat(const struct network *found, struct sandbox_network *network,
			 struct error *err)
{
	const uint64_t hash = net_plan_hash(&network->plan);
	int r = 0;

	network->nics_count = 0;
	network->is_known = true;
	for (size_t i = 0; i < found->links_count && network->nics_count < HV_NICS_MAX; i++) {
		const struct network_link *link = &found->links[i];
		struct net_mark mark;

		if (net_mark_read(link, &mark))
			network->nics[network->nics_count++] = (struct sandbox_nic){
				.tap_index = link->index,
				.tap_hw = link->hw,
				.state = NIC_IS_NEW,
			};
	}
	for (size_t i = 0; i < network->plan.endpoints_count && r == 0; i++)
		r = seat(network, found, &network->plan.endpoints[i], hash, err);
	if (r < 0)
		return r;
	forget_unused(network, found);
	for (size_t i = 0; i < network->nics_count; i++)
		network->is_known &= network->nics[i].endpoint != NULL;
	return 0;
}

static int rescan(int fd, struct sandbox_network *n, struct error *err)
{
	cleanup_network struct network found = { 0 };
	int r = read_plan(fd, &found, &n->plan, err);

	if (r == 0)
		r = sandbox_network_seat(&found, n, err);
	for (size_t i = 0; i < n->nics_count && r == 0; i++)
		if (n->nics[i].endpoint && n->nics[i].state == NIC_IS_NEW)
			r = net_join(fd, n->nics[i].endpoint, n->nics[i].tap_index, err);
	return r;
}

int sandbox_network_rescan(int fd, struct sandbox_network *ret, struct error *err)
{
	int r;

	*ret = (struct sandbox_network){ 0 };
	r = rescan(fd, ret, err);
	if (r < 0)
		sandbox_network_done(ret);
	return r;
}

/* --- to be saved --------------------------------------------------------------------------- */

/* Those of the host, which the guest's interfaces were given. */
static char *address_of(const struct network *found, const struct net_mark *mark)
{
	char text[NETWORK_HW_TEXT] = "";

	for (size_t i = 0; i < found->links_count; i++)
		if (*mark->link && streq(found->links[i].name, mark->link))
			network_hw_text(&found->links[i].hw, text);
	return xstrdup(text);
}

static int by_index(const void *a, const void *b)
{
	const struct network_link *const *x = a, *const *y = b;

	return (*x)->index < (*y)->index ? -1 : (*x)->index > (*y)->index;
}

int sandbox_network_addresses(int fd, char ***ret, struct error *err)
{
	cleanup_network struct network found = { 0 };
	cleanup_free const struct network_link **taps = NULL;
	int r = network_read(fd, NETWORK_ALL, &found);
	struct net_mark mark;
	size_t count = 0;

	if (r < 0)
		return error_sys(err, r, "read the network");
	taps = xcalloc(found.links_count + 1, sizeof(*taps));
	for (size_t i = 0; i < found.links_count; i++)
		if (net_mark_read(&found.links[i], &mark))
			taps[count++] = &found.links[i];
	qsort(taps, count, sizeof(*taps), by_index);
	*ret = NULL;
	for (size_t i = 0; i < count; i++) {
		(void)net_mark_read(taps[i], &mark);
		strv_push(ret, address_of(&found, &mark));
	}
	return 0;
}
