/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <strings.h>

#include "lib/base/error.h"
#include "lib/base/str.h"

/* A table that changes while it is read is read again. */
#define READ_TRIES 10

/* --- attributes --------------------------------------------------------------------------- */

static bool copy_attribute(const struct nlmsghdr *message, size_t family_size, uint16_t type,
			   void *to, size_t size)
{
	size_t got;
	const void *data = netlink_attribute(message, family_size, type, &got);

	if (!data || got != size)
		return false;
	memcpy(to, data, size);
	return true;
}

/* What does not fit is cut. */
static void copy_text(const void *data, size_t size, char *to, size_t to_size)
{
	if (!data || !size)
		return;
	size = size < to_size ? size : to_size - 1;
	memcpy(to, data, size);
	to[size] = '\0';
}

static void copy_hw(const void *data, size_t size, struct network_hw *to)
{
	if (!data || size > sizeof(to->bytes))
		return;
	memcpy(to->bytes, data, size);
	to->size = size;
}

/* --- messages ----------------------------------------------------------------------------- */

static void read_kind(const struct nlmsghdr *message, struct network_link *ret)
{
	char port[8] = "";
	size_t size, inner;
	const void *data,
		*info = netlink_attribute(message, sizeof(struct ifinfomsg), IFLA_LINKINFO, &size);

	if (!info)
		return;
	data = netlink_inner_attribute(info, size, IFLA_INFO_KIND, &inner);
	copy_text(data, data ? inner : 0, ret->kind, sizeof(ret->kind));
	data = netlink_inner_attribute(info, size, IFLA_INFO_SLAVE_KIND, &inner);
	copy_text(data, data ? inner : 0, port, sizeof(port));
	ret->is_port = streq(port, "bridge");
}

static bool read_link(const struct nlmsghdr *message, void *item)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	struct network_link *ret = item;
	const void *data;
	size_t size = 0;

	*ret = (struct network_link){
		.index = (unsigned int)info->ifi_index,
		.flags = info->ifi_flags,
		.type = info->ifi_type,
	};
	(void)copy_attribute(message, sizeof(*info), IFLA_MTU, &ret->mtu, sizeof(ret->mtu));
	data = netlink_attribute(message, sizeof(*info), IFLA_IFNAME, &size);
	copy_text(data, size, ret->name, sizeof(ret->name));
	data = netlink_attribute(message, sizeof(*info), IFLA_IFALIAS, &size);
	copy_text(data, size, ret->alias, sizeof(ret->alias));
	data = netlink_attribute(message, sizeof(*info), IFLA_ADDRESS, &size);
	copy_hw(data, size, &ret->hw);
	read_kind(message, ret);
	return true;
}

static bool is_ip(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

static bool read_address(const struct nlmsghdr *message, void *item)
{
	const struct ifaddrmsg *head = NLMSG_DATA(message);
	struct network_link_address *ret = item;
	struct network_address *a = &ret->address;
	size_t size;

	*ret = (struct network_link_address){
		.index = head->ifa_index,
		.address = {
			.family = head->ifa_family,
			.prefix = head->ifa_prefixlen,
			.scope = head->ifa_scope,
			.flags = head->ifa_flags,
		},
	};
	if (!is_ip(head->ifa_family))
		return false;
	/* These have more bits than the header has room for. */
	(void)copy_attribute(message, sizeof(*head), IFA_FLAGS, &a->flags, sizeof(a->flags));
	/* Of a point-to-point link the other one is its peer's. */
	size = network_address_size(a);
	return copy_attribute(message, sizeof(*head), IFA_LOCAL, a->bytes, size) ||
	       copy_attribute(message, sizeof(*head), IFA_ADDRESS, a->bytes, size);
}

/* A whole one. */
static void set_address(struct network_address *ret, uint8_t family, const void *data, size_t size)
{
	struct network_address a = { .family = family };

	if (size != network_address_size(&a))
		return;
	a.prefix = (uint8_t)(size * 8);
	memcpy(a.bytes, data, size);
	*ret = a;
}

/* Leaves @ret of family 0 when there is none. */
static void read_route_address(const struct nlmsghdr *message, const struct rtmsg *head,
			       uint16_t type, uint8_t prefix, struct network_address *ret)
{
	struct network_address a = { .family = head->rtm_family, .prefix = prefix };

	if (copy_attribute(message, sizeof(*head), type, a.bytes, network_address_size(&a)))
		*ret = a;
}

static uint32_t read_mtu(const struct nlmsghdr *message)
{
	size_t size, inner;
	const void *metrics = netlink_attribute(message, sizeof(struct rtmsg), RTA_METRICS, &size);
	const void *data =
		metrics ? netlink_inner_attribute(metrics, size, RTAX_MTU, &inner) : NULL;
	uint32_t mtu = 0;

	if (data && inner == sizeof(mtu))
		memcpy(&mtu, data, sizeof(mtu));
	return mtu;
}

/* Unicast routes of the main table. Others are the kernel's own, or part of a policy that a guest
 * is not given. */
static bool read_route(const struct nlmsghdr *message, void *item)
{
	const struct rtmsg *head = NLMSG_DATA(message);
	const uint8_t whole = head->rtm_family == AF_INET6 ? 128 : 32;
	struct network_route *ret = item;

	if (head->rtm_table != RT_TABLE_MAIN || head->rtm_type != RTN_UNICAST ||
	    !is_ip(head->rtm_family) || head->rtm_flags & RTM_F_CLONED)
		return false;
	*ret = (struct network_route){
		.family = head->rtm_family,
		.scope = head->rtm_scope,
		.protocol = head->rtm_protocol,
		.flags = head->rtm_flags,
		.mtu = read_mtu(message),
	};
	(void)copy_attribute(message, sizeof(*head), RTA_OIF, &ret->index, sizeof(ret->index));
	(void)copy_attribute(message, sizeof(*head), RTA_PRIORITY, &ret->metric,
			     sizeof(ret->metric));
	read_route_address(message, head, RTA_DST, head->rtm_dst_len, &ret->dest);
	read_route_address(message, head, RTA_GATEWAY, whole, &ret->gateway);
	read_route_address(message, head, RTA_PREFSRC, whole, &ret->source);
	return true;
}

/* The others, the kernel finds for itself. */
static bool read_neighbor(const struct nlmsghdr *message, void *item)
{
	const struct ndmsg *head = NLMSG_DATA(message);
	struct network_neighbor *ret = item;
	const void *hw;
	size_t size = 0;

	*ret = (struct network_neighbor){
		.index = (unsigned int)head->ndm_ifindex,
		.state = head->ndm_state,
		.flags = head->ndm_flags,
		.to = { .family = head->ndm_family },
	};
	if (!is_ip(head->ndm_family) || !(head->ndm_state & NUD_PERMANENT) ||
	    head->ndm_flags & NTF_PROXY)
		return false;
	ret->to.prefix = (uint8_t)(network_address_size(&ret->to) * 8);
	hw = netlink_attribute(message, sizeof(*head), NDA_LLADDR, &size);
	copy_hw(hw, size, &ret->hw);
	return copy_attribute(message, sizeof(*head), NDA_DST, ret->to.bytes,
			      network_address_size(&ret->to));
}

/* --- all of them -------------------------------------------------------------------------- */

#define LIST(member) offsetof(struct network, member), offsetof(struct network, member##_count)

/* clang-format off */
static const struct part {
	enum network_part part;
	uint16_t question, answer; /* RTM_… */
	size_t family_size; /* of the header in front of the attributes */
	size_t items, count; /* in struct network */
	size_t item_size;
	bool (*read)(const struct nlmsghdr *message, void *item); /* false: not one of ours */
} parts[] = {
	{ NETWORK_LINKS, RTM_GETLINK, RTM_NEWLINK, sizeof(struct ifinfomsg),
	  LIST(links), sizeof(struct network_link), read_link },
	{ NETWORK_ADDRESSES, RTM_GETADDR, RTM_NEWADDR, sizeof(struct ifaddrmsg),
	  LIST(addresses), sizeof(struct network_link_address), read_address },
	{ NETWORK_ROUTES, RTM_GETROUTE, RTM_NEWROUTE, sizeof(struct rtmsg),
	  LIST(routes), sizeof(struct network_route), read_route },
	{ NETWORK_NEIGHBORS, RTM_GETNEIGH, RTM_NEWNEIGH, sizeof(struct ndmsg),
	  LIST(neighbors), sizeof(struct network_neighbor), read_neighbor },
};
/* clang-format on */

union item {
	struct network_link link;
	struct network_link_address address;
	struct network_route route;
	struct network_neighbor neighbor;
};

static int append(struct network *network, const struct part *part, const void *item)
{
	char **items = (char **)((char *)network + part->items);
	size_t *count = (size_t *)((char *)network + part->count);

	if (*count == NETWORK_ITEMS_MAX)
		return -E2BIG;
	*items = xrealloc(*items, *count + 1, part->item_size);
	memcpy(*items + *count * part->item_size, item, part->item_size);
	(*count)++;
	return 0;
}

/* A route by several gateways is as many routes. */
static int append_hops(struct network *network, const struct part *part,
		       const struct network_route *route, const char *hops, size_t size)
{
	int r = 0;

	while (r == 0 && size >= sizeof(struct rtnexthop)) {
		struct network_route one = *route;
		struct rtnexthop hop;
		const void *gateway;
		size_t got;

		memcpy(&hop, hops, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > size)
			return -EPROTO;
		one.index = (unsigned int)hop.rtnh_ifindex;
		one.flags |= hop.rtnh_flags;
		gateway = netlink_inner_attribute(hops + sizeof(hop), hop.rtnh_len - sizeof(hop),
						  RTA_GATEWAY, &got);
		if (gateway)
			set_address(&one.gateway, route->family, gateway, got);
		r = append(network, part, &one);
		hops += RTNH_ALIGN(hop.rtnh_len);
		size -= RTNH_ALIGN(hop.rtnh_len) < size ? RTNH_ALIGN(hop.rtnh_len) : size;
	}
	return r;
}

static int add(struct network *network, const struct part *part, const struct nlmsghdr *message)
{
	const void *hops = NULL;
	union item item;
	size_t size;

	if (!part->read(message, &item))
		return 0;
	if (part->part == NETWORK_ROUTES)
		hops = netlink_attribute(message, part->family_size, RTA_MULTIPATH, &size);
	return hops ? append_hops(network, part, &item.route, hops, size)
		    : append(network, part, &item);
}

int network_add_message(struct network *network, const struct nlmsghdr *message)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (message->nlmsg_type != parts[i].answer)
			continue;
		if (message->nlmsg_len < NLMSG_LENGTH(parts[i].family_size))
			return -EPROTO;
		return add(network, &parts[i], message);
	}
	return 0;
}

static int on_message(void *ctx, const struct nlmsghdr *message)
{
	return network_add_message(ctx, message);
}

static int read_part(int fd, const struct part *part, struct network *network)
{
	/* Of the largest family's size: AF_UNSPEC is all that is in it. */
	static const char anything[sizeof(struct ifinfomsg)];
	const struct netlink_reader reader = { part->family_size, on_message, network };
	struct netlink_request request;

	netlink_begin(&request, part->question, NLM_F_DUMP, anything, part->family_size);
	return netlink_ask(fd, &request, &reader);
}

static int read_once(int fd, unsigned int wanted, struct network *ret)
{
	cleanup_network struct network network = { 0 };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++)
		if (wanted & parts[i].part)
			r = read_part(fd, &parts[i], &network);
	if (r < 0)
		return r;
	*ret = network;
	network = (struct network){ 0 };
	return 0;
}

int network_read(int fd, unsigned int wanted, struct network *ret)
{
	int r = -EINTR;

	for (int i = 0; i < READ_TRIES && r == -EINTR; i++)
		r = read_once(fd, wanted, ret);
	return r;
}

void network_done(struct network *network)
{
	free(network->links);
	free(network->addresses);
	free(network->routes);
	free(network->neighbors);
	*network = (struct network){ 0 };
}

const struct network_link *network_find_name(const struct network *network, const char *name)
{
	for (size_t i = 0; i < network->links_count; i++)
		if (name && streq(network->links[i].name, name))
			return &network->links[i];
	return NULL;
}

const struct network_link *network_find_index(const struct network *network, unsigned int index)
{
	for (size_t i = 0; i < network->links_count; i++)
		if (network->links[i].index == index)
			return &network->links[i];
	return NULL;
}

/* --- texts -------------------------------------------------------------------------------- */

void network_hw_text(const struct network_hw *hw, char ret[static NETWORK_HW_TEXT])
{
	ret[0] = '\0';
	for (size_t i = 0; i < hw->size; i++)
		(void)snprintf(ret + i * 3 - (i > 0), 4, "%s%02x", i ? ":" : "", hw->bytes[i]);
}

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p = c ? strchr(digits, c | 0x20) : NULL;

	return p ? (int)(p - digits) : -1;
}

int network_hw_parse(const char *text, struct network_hw *ret, struct error *err)
{
	const char *p = text;

	for (ret->size = 0; ret->size < sizeof(ret->bytes); p++) {
		int high = digit(p[0]), low = high < 0 ? -1 : digit(p[1]);

		if (low < 0)
			break;
		ret->bytes[ret->size++] = (unsigned char)(high << 4 | low);
		p += 2;
		if (!*p)
			return 0;
		if (*p != ':')
			break;
	}
	return error_set(err, -EINVAL, "'%.100s': not a hardware address", text);
}

size_t network_address_size(const struct network_address *a)
{
	return a->family == AF_INET6 ? 16 : 4;
}

int network_address_parse(const char *text, const char *mask, struct network_address *ret,
			  struct error *err)
{
	cleanup_free char *host = xstrdup(text ? text : "");
	char *slash = strchr(host, '/');
	struct network_address a = { .family = strchr(host, ':') ? AF_INET6 : AF_INET };
	uint32_t prefix = (uint32_t)network_address_size(&a) * 8, most = prefix;

	if (slash) {
		*slash = '\0';
		mask = slash + 1;
	}
	if (inet_pton(a.family, host, a.bytes) != 1)
		return error_set(err, -EINVAL, "'%.100s': not an address", text ? text : "");
	if (mask && *mask && (parse_u32(mask, &prefix) < 0 || prefix > most))
		return error_set(err, -EINVAL, "'%.100s': not a prefix of '%s'", mask, host);
	a.prefix = (uint8_t)prefix;
	*ret = a;
	return 0;
}

char *network_address_text(const struct network_address *a)
{
	char text[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(a->family, a->bytes, text, sizeof(text));
	return xstrdup(text);
}

bool network_hw_equal(const struct network_hw *a, const struct network_hw *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

bool network_address_equal(const struct network_address *a, const struct network_address *b)
{
	return a->family == b->family && a->prefix == b->prefix &&
	       memcmp(a->bytes, b->bytes, network_address_size(a)) == 0;
}

/* --- requests ----------------------------------------------------------------------------- */

void network_link_request(unsigned int index, unsigned int set, unsigned int mask,
			  struct netlink_request *ret)
{
	const struct ifinfomsg info = {
		.ifi_index = (int)index,
		.ifi_flags = set,
		.ifi_change = mask,
	};

	netlink_begin(ret, RTM_NEWLINK, 0, &info, sizeof(info));
}

static void add_mtu(struct netlink_request *request, uint32_t mtu)
{
	struct {
		struct rtattr head;
		uint32_t value;
	} metrics = { { sizeof(metrics), RTAX_MTU }, mtu };

	netlink_add(request, RTA_METRICS, &metrics, sizeof(metrics));
}

static void add_address(struct netlink_request *request, uint16_t type,
			const struct network_address *a)
{
	if (a->family)
		netlink_add(request, type, a->bytes, network_address_size(a));
}

/* Anything less than a whole address is part of the rule. */
static bool is_source_prefix(const struct network_address *source)
{
	return source->family && source->prefix &&
	       source->prefix < network_address_size(source) * 8;
}

void network_route_request(const struct network_route *route, bool is_another,
			   struct netlink_request *ret)
{
	const uint16_t flags = NLM_F_CREATE | (is_another ? NLM_F_APPEND : NLM_F_REPLACE);
	const bool has_prefix = is_source_prefix(&route->source);
	const struct rtmsg head = {
		.rtm_family = route->family,
		.rtm_dst_len = route->dest.prefix,
		.rtm_src_len = has_prefix ? route->source.prefix : 0,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = route->scope,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = route->flags,
	};

	netlink_begin(ret, RTM_NEWROUTE, flags, &head, sizeof(head));
	if (route->dest.prefix)
		add_address(ret, RTA_DST, &route->dest);
	add_address(ret, RTA_GATEWAY, &route->gateway);
	add_address(ret, has_prefix ? RTA_SRC : RTA_PREFSRC, &route->source);
	if (route->index)
		netlink_add(ret, RTA_OIF, &route->index, sizeof(route->index));
	if (route->metric)
		netlink_add(ret, RTA_PRIORITY, &route->metric, sizeof(route->metric));
	if (route->mtu)
		add_mtu(ret, route->mtu);
}
