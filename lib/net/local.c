/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "lib/linux/netlink.h"
#include "lib/net/join.h"

/*
 * To the kernel of the namespace the link's addresses are local, and it would look for a listener
 * of its own. So they are taken out of its table of local ones, where nobody looks who asks for a
 * link's addresses, and routed to the tap instead.
 */

/* 169.254.77.1 … (RFC 3927): nobody routes them. */
struct network_address net_local_source(unsigned int tap_index)
{
	return (struct network_address){
		.family = AF_INET,
		.prefix = 32,
		.scope = RT_SCOPE_LINK,
		.bytes = { 169, 254, 77, (unsigned char)(tap_index % 254 + 1) },
	};
}

bool net_has_local(const struct net_endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->addresses_count; i++)
		if (endpoint->addresses[i].family == AF_INET)
			return true;
	return false;
}

static int add_source(int fd, unsigned int tap_index)
{
	const struct network_address source = net_local_source(tap_index);
	const struct ifaddrmsg head = {
		.ifa_family = AF_INET,
		.ifa_prefixlen = 32,
		.ifa_scope = RT_SCOPE_LINK,
		.ifa_index = tap_index,
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	netlink_add(&request, IFA_LOCAL, source.bytes, sizeof(struct in_addr));
	netlink_add(&request, IFA_ADDRESS, source.bytes, sizeof(struct in_addr));
	return netlink_ask(fd, &request, NULL);
}

/* The address has this route by itself. Only where somebody has made one of its kind, the kernel
 * asks its routes, and not its addresses, whether a packet's sender is itself
 * (fib_validate_source()): the guest has an address that is still the link's. */
static int add_local_route(int fd, unsigned int tap_index)
{
	const struct network_address source = net_local_source(tap_index);
	const struct rtmsg head = {
		.rtm_family = AF_INET,
		.rtm_dst_len = 32,
		.rtm_table = RT_TABLE_LOCAL,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_HOST,
		.rtm_type = RTN_LOCAL,
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	netlink_add(&request, RTA_DST, source.bytes, sizeof(struct in_addr));
	netlink_add(&request, RTA_OIF, &tap_index, sizeof(tap_index));
	return netlink_ask(fd, &request, NULL);
}

/* It is not asked for: the guest's answer would be handed on. */
static int add_neighbor(int fd, const struct network_address *address, const struct network_hw *hw,
			unsigned int tap_index)
{
	const struct ndmsg head = {
		.ndm_family = AF_INET,
		.ndm_ifindex = (int)tap_index,
		.ndm_state = NUD_PERMANENT,
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	netlink_add(&request, NDA_DST, address->bytes, sizeof(struct in_addr));
	netlink_add(&request, NDA_LLADDR, hw->bytes, hw->size);
	return netlink_ask(fd, &request, NULL);
}

static int add_route(int fd, const struct network_address *address, unsigned int tap_index)
{
	const struct network_address source = net_local_source(tap_index);
	const struct rtmsg head = {
		.rtm_family = AF_INET,
		.rtm_dst_len = 32,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_LINK,
		.rtm_type = RTN_UNICAST,
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	netlink_add(&request, RTA_DST, address->bytes, sizeof(struct in_addr));
	netlink_add(&request, RTA_OIF, &tap_index, sizeof(tap_index));
	netlink_add(&request, RTA_PREFSRC, source.bytes, sizeof(struct in_addr));
	return netlink_ask(fd, &request, NULL);
}

static int remove_local_route(int fd, const struct network_address *address, unsigned int index)
{
	const struct rtmsg head = {
		.rtm_family = AF_INET,
		.rtm_dst_len = 32,
		.rtm_table = RT_TABLE_LOCAL,
		.rtm_scope = RT_SCOPE_HOST,
		.rtm_type = RTN_LOCAL,
	};
	struct netlink_request request;
	int r;

	netlink_begin(&request, RTM_DELROUTE, 0, &head, sizeof(head));
	netlink_add(&request, RTA_DST, address->bytes, sizeof(struct in_addr));
	netlink_add(&request, RTA_OIF, &index, sizeof(index));
	r = netlink_ask(fd, &request, NULL);
	return r == -ESRCH ? 0 : r; /* by an earlier call */
}

/* The last step is the one that changes where packets go. */
static int lead(int fd, const struct net_endpoint *endpoint, const struct network_address *address,
		unsigned int tap_index)
{
	int r = add_neighbor(fd, address, &endpoint->hw, tap_index);

	if (r == 0)
		r = add_route(fd, address, tap_index);
	return r == 0 ? remove_local_route(fd, address, endpoint->index) : r;
}

int net_lead_to_guest(int fd, const struct net_endpoint *endpoint, unsigned int tap_index)
{
	const struct network_address source = net_local_source(tap_index);
	int r;

	if (!net_has_local(endpoint))
		return 0;
	r = net_join_keep(fd, tap_index, &source);
	if (r == 0)
		r = add_source(fd, tap_index);
	if (r == 0)
		r = add_local_route(fd, tap_index);
	for (size_t i = 0; i < endpoint->addresses_count && r == 0; i++)
		if (endpoint->addresses[i].family == AF_INET)
			r = lead(fd, endpoint, &endpoint->addresses[i], tap_index);
	return r;
}

void net_lead_back(int fd, const struct network_link_address *address)
{
	const struct rtmsg head = {
		.rtm_family = AF_INET,
		.rtm_dst_len = 32,
		.rtm_table = RT_TABLE_LOCAL,
		.rtm_protocol = RTPROT_KERNEL,
		.rtm_scope = RT_SCOPE_HOST,
		.rtm_type = RTN_LOCAL,
	};
	struct netlink_request request;

	if (address->address.family != AF_INET)
		return;
	netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	netlink_add(&request, RTA_DST, address->address.bytes, sizeof(struct in_addr));
	netlink_add(&request, RTA_PREFSRC, address->address.bytes, sizeof(struct in_addr));
	netlink_add(&request, RTA_OIF, &address->index, sizeof(address->index));
	(void)netlink_ask(fd, &request, NULL); /* mostly it is there */
}
