/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "agent/server/network.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

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

void network_link_read(const struct nlmsghdr *message, const struct ifinfomsg *info,
		       struct network_link *ret)
{
	const char *name;
	const void *hw;
	size_t size;

	*ret = (struct network_link){
		.index = (unsigned int)info->ifi_index,
		.flags = info->ifi_flags,
	};
	(void)copy_attribute(message, sizeof(*info), IFLA_MTU, &ret->mtu, sizeof(ret->mtu));
	name = netlink_attribute(message, sizeof(*info), IFLA_IFNAME, &size);
	if (name && size <= sizeof(ret->name))
		memcpy(ret->name, name, size);
	ret->name[sizeof(ret->name) - 1] = '\0';
	hw = netlink_attribute(message, sizeof(*info), IFLA_ADDRESS, &size);
	if (hw && size <= sizeof(ret->hw.bytes)) {
		memcpy(ret->hw.bytes, hw, size);
		ret->hw.size = size;
	}
}

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

bool network_address_equal(const struct network_address *a, const struct network_address *b)
{
	return a->family == b->family && a->prefix == b->prefix &&
	       memcmp(a->bytes, b->bytes, network_address_size(a)) == 0;
}

bool network_address_read(const struct nlmsghdr *message, struct network_address *ret)
{
	const struct ifaddrmsg *head = NLMSG_DATA(message);
	size_t size;

	*ret = (struct network_address){
		.family = head->ifa_family,
		.prefix = head->ifa_prefixlen,
		.scope = head->ifa_scope,
	};
	if (head->ifa_family != AF_INET && head->ifa_family != AF_INET6)
		return false;
	/* Of a point-to-point link the other one is its peer's. */
	size = network_address_size(ret);
	return copy_attribute(message, sizeof(*head), IFA_LOCAL, ret->bytes, size) ||
	       copy_attribute(message, sizeof(*head), IFA_ADDRESS, ret->bytes, size);
}

/* routes */

static int add_source(const types_Route *route, struct rtmsg *head, struct network_address *source,
		      struct error *err)
{
	int r;

	if (!route->source || !*route->source)
		return 0;
	r = network_address_parse(route->source, NULL, source, err);
	if (r < 0)
		return r;
	if (source->family != head->rtm_family)
		return error_set(err, -EINVAL, "route source '%s': of another family",
				 route->source);
	/* A whole address is the one to be sent from, anything less is part of the rule. */
	if (source->prefix && source->prefix < network_address_size(source) * 8)
		head->rtm_src_len = source->prefix;
	return 0;
}

static void add_mtu(struct netlink_request *request, uint32_t mtu)
{
	struct {
		struct rtattr head;
		uint32_t value;
	} metrics = { { sizeof(metrics), RTAX_MTU }, mtu };

	netlink_add(request, RTA_METRICS, &metrics, sizeof(metrics));
}

static bool is_default(const char *dest)
{
	return !dest || !*dest || streq(dest, "default");
}

int network_route_request(const types_Route *route, unsigned int index, struct netlink_request *ret,
			  struct error *err)
{
	bool has_gateway = route->gateway && *route->gateway;
	struct network_address dest = { 0 }, gateway = { 0 }, source = { 0 };
	struct rtmsg head = {
		.rtm_family = route->family == types_IPFamily_v6 ? AF_INET6 : AF_INET,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = (unsigned char)route->scope,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = route->flags,
	};
	int r = is_default(route->dest) ? 0 : network_address_parse(route->dest, NULL, &dest, err);

	if (r == 0 && has_gateway)
		r = network_address_parse(route->gateway, NULL, &gateway, err);
	if (r < 0)
		return r;
	if ((dest.family && dest.family != head.rtm_family) ||
	    (has_gateway && gateway.family != head.rtm_family))
		return error_set(err, -EINVAL, "route '%.100s': of another family than it says",
				 route->dest ? route->dest : "");
	r = add_source(route, &head, &source, err);
	if (r < 0)
		return r;
	head.rtm_dst_len = dest.prefix;
	netlink_begin(ret, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	if (dest.prefix)
		netlink_add(ret, RTA_DST, dest.bytes, network_address_size(&dest));
	if (has_gateway)
		netlink_add(ret, RTA_GATEWAY, gateway.bytes, network_address_size(&gateway));
	if (source.family)
		netlink_add(ret, head.rtm_src_len ? RTA_SRC : RTA_PREFSRC, source.bytes,
			    network_address_size(&source));
	if (index)
		netlink_add(ret, RTA_OIF, &index, sizeof(index));
	if (route->mtu)
		add_mtu(ret, route->mtu);
	return 0;
}

static char *read_address(const struct nlmsghdr *message, const struct rtmsg *head, uint16_t type,
			  bool has_prefix)
{
	struct network_address a = { .family = head->rtm_family };
	cleanup_free char *text = NULL;

	if (!copy_attribute(message, sizeof(*head), type, a.bytes, network_address_size(&a)))
		return NULL;
	text = network_address_text(&a);
	return has_prefix ? xasprintf("%s/%u", text, head->rtm_dst_len) : steal_ptr(&text);
}

static uint32_t read_mtu(const struct nlmsghdr *message, const struct rtmsg *head)
{
	size_t left;
	const char *p = netlink_attribute(message, sizeof(*head), RTA_METRICS, &left);

	while (p && left >= sizeof(struct rtattr)) {
		struct rtattr item;
		uint32_t mtu;
		size_t size;

		memcpy(&item, p, sizeof(item));
		size = RTA_ALIGN(item.rta_len);
		if (item.rta_len < sizeof(item) || size > left)
			return 0;
		if (item.rta_type == RTAX_MTU && item.rta_len == RTA_LENGTH(sizeof(mtu))) {
			memcpy(&mtu, p + sizeof(item), sizeof(mtu));
			return mtu;
		}
		p += size;
		left -= size;
	}
	return 0;
}

bool network_route_read(const struct nlmsghdr *message, types_Route *ret, unsigned int *ret_index)
{
	const struct rtmsg *head = NLMSG_DATA(message);

	if (head->rtm_table != RT_TABLE_MAIN || head->rtm_type != RTN_UNICAST ||
	    (head->rtm_family != AF_INET && head->rtm_family != AF_INET6))
		return false;
	*ret_index = 0;
	(void)copy_attribute(message, sizeof(*head), RTA_OIF, ret_index, sizeof(*ret_index));
	*ret = (types_Route){
		.dest = read_address(message, head, RTA_DST, true),
		.gateway = read_address(message, head, RTA_GATEWAY, false),
		.source = read_address(message, head, RTA_PREFSRC, false),
		.scope = head->rtm_scope,
		.family = head->rtm_family == AF_INET6 ? types_IPFamily_v6 : types_IPFamily_v4,
		.flags = head->rtm_flags,
		.mtu = read_mtu(message, head),
	};
	return true;
}
