/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/netdev.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/netlink.h"

#define NUMBER_MAX 1024	  /* tried for a "%d" */
#define ADDRESSES_MAX 256 /* of one link; more is no configuration but a mistake */

int netdev_up(const char *name)
{
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_flags = IFF_UP | IFF_RUNNING };

	if (fd < 0)
		return -errno;
	if (strlen(name) >= sizeof(request.ifr_name))
		return -ENODEV;
	memcpy(request.ifr_name, name, strlen(name) + 1);
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

bool netdev_is_name(const char *name)
{
	const char *percent = strchr(name, '%');

	if (!*name || strlen(name) >= NETDEV_NAME_MAX || is_dots(name))
		return false;
	if (strpbrk(name, "/: \t\n\v\f\r"))
		return false;
	return !percent || (percent[1] == 'd' && !strchr(percent + 1, '%'));
}

struct link {
	int index; /* 0 until found */
	unsigned int flags;
};

static int on_link(void *ctx, const struct nlmsghdr *message)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	struct link *link = ctx;

	if (message->nlmsg_type == RTM_NEWLINK)
		*link = (struct link){ info->ifi_index, info->ifi_flags };
	return 0;
}

static int find(const struct netdev_home *home, const char *name, struct link *ret)
{
	const struct netlink_reader reader = { sizeof(struct ifinfomsg), on_link, ret };
	const struct ifinfomsg info = { 0 };
	struct netlink_request request;
	int r;

	*ret = (struct link){ 0 };
	netlink_begin(&request, RTM_GETLINK, 0, &info, sizeof(info));
	netlink_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
	r = netlink_ask(home->socket, &request, &reader);
	if (r == 0 && !ret->index)
		r = -ENODEV;
	return r;
}

/* An address as it is taken over: what it is, not where the kernel got it from. */
struct address {
	struct ifaddrmsg head;
	struct {
		size_t size;
		unsigned char data[16];
	} attributes[4];
};

/* clang-format off */
static const uint16_t kept_attributes[] = {
	IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS,
};
/* clang-format on */

struct addresses {
	int index; /* of the link */
	struct address *items;
	size_t count;
};

static unsigned int flags_of(const struct nlmsghdr *message, const struct ifaddrmsg *head)
{
	unsigned int flags = head->ifa_flags;
	size_t size;
	const void *data = netlink_attribute(message, sizeof(*head), IFA_FLAGS, &size);

	if (data && size == sizeof(flags))
		memcpy(&flags, data, sizeof(flags));
	return flags;
}

static int on_address(void *ctx, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *head = NLMSG_DATA(message);
	struct addresses *all = ctx;
	struct address *address;

	if (message->nlmsg_type != RTM_NEWADDR || (int)head->ifa_index != all->index)
		return 0;
	/* Others come by themselves: link-local ones, and those that a router announces. */
	if (head->ifa_scope != RT_SCOPE_UNIVERSE || !(flags_of(message, head) & IFA_F_PERMANENT))
		return 0;
	if (all->count == ADDRESSES_MAX)
		return -E2BIG;
	all->items = xrealloc(all->items, all->count + 1, sizeof(*all->items));
	address = &all->items[all->count++];
	*address = (struct address){ .head = *head };
	for (size_t i = 0; i < ARRAY_SIZE(kept_attributes); i++) {
		size_t size = 0;
		const void *data =
			netlink_attribute(message, sizeof(*head), kept_attributes[i], &size);

		if (!data || size > sizeof(address->attributes[i].data))
			continue;
		memcpy(address->attributes[i].data, data, size);
		address->attributes[i].size = size;
	}
	return 0;
}

static int read_addresses(const struct netdev_home *home, struct addresses *ret)
{
	const struct netlink_reader reader = { sizeof(struct ifaddrmsg), on_address, ret };
	const struct ifaddrmsg head = { .ifa_family = AF_UNSPEC };
	struct netlink_request request;

	netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP, &head, sizeof(head));
	return netlink_ask(home->socket, &request, &reader);
}

static int add_addresses(const struct netdev_home *home, int index, const struct addresses *all)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct address *address = &all->items[i];
		struct ifaddrmsg head = address->head;
		struct netlink_request request;
		int r;

		head.ifa_index = (unsigned int)index;
		netlink_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head,
			      sizeof(head));
		for (size_t k = 0; k < ARRAY_SIZE(kept_attributes); k++)
			if (address->attributes[k].size)
				netlink_add(&request, kept_attributes[k],
					    address->attributes[k].data,
					    address->attributes[k].size);
		r = netlink_ask(home->socket, &request, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

static int send_away(const struct netdev_move *move, int index, const char *name)
{
	const struct ifinfomsg info = { .ifi_index = index };
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWLINK, 0, &info, sizeof(info));
	netlink_add(&request, IFLA_NET_NS_FD, &move->to->ns_fd, sizeof(move->to->ns_fd));
	netlink_add(&request, IFLA_IFNAME, name, strlen(name) + 1);
	return netlink_ask(move->from->socket, &request, NULL);
}

static int bring_up(const struct netdev_home *home, int index)
{
	const struct ifinfomsg info = {
		.ifi_index = index,
		.ifi_flags = IFF_UP,
		.ifi_change = IFF_UP,
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWLINK, 0, &info, sizeof(info));
	return netlink_ask(home->socket, &request, NULL);
}

/* The kernel would choose a number too, but not say which. */
static int choose_name(struct netdev_move *move)
{
	const char *percent = strchr(move->new_name, '%');
	struct link taken;

	for (int i = 0; i < (percent ? NUMBER_MAX : 1); i++) {
		int r;

		(void)snprintf(move->got_name, sizeof(move->got_name), "%s", move->new_name);
		if (percent) {
			int before = (int)(percent - move->new_name);

			(void)snprintf(move->got_name, sizeof(move->got_name), "%.*s%d%s", before,
				       move->new_name, i, percent + 2);
		}
		r = find(move->to, move->got_name, &taken);
		if (r < 0)
			return r == -ENODEV ? 0 : r;
	}
	return -EEXIST;
}

int netdev_move(struct netdev_move *move)
{
	cleanup_free struct address *items = NULL;
	struct addresses addresses = { 0 };
	struct link link;
	int r = find(move->from, move->name, &link);

	if (r < 0)
		return r;
	addresses.index = link.index;
	move->was_up = link.flags & IFF_UP;
	r = read_addresses(move->from, &addresses);
	items = addresses.items;
	if (r == 0)
		r = choose_name(move);
	if (r == 0)
		r = send_away(move, link.index, move->got_name);
	move->has_moved = r == 0;
	/* Its number may be another one there. */
	if (r == 0)
		r = find(move->to, move->got_name, &link);
	if (r == 0)
		r = add_addresses(move->to, link.index, &addresses);
	if (r == 0 && move->is_up)
		r = bring_up(move->to, link.index);
	return r;
}
