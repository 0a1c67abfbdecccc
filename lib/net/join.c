/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/join.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <sys/ioctl.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/net/local.h"

#define TUN_DEVICE "/dev/net/tun"
#define TAP_NAME "moat%d"

/* --- taps --------------------------------------------------------------------------------- */

static int change_link(int fd, unsigned int index, unsigned int set, const char *alias,
		       uint32_t mtu)
{
	struct netlink_request request;

	network_link_request(index, set, set, &request);
	if (alias)
		netlink_add(&request, IFLA_IFALIAS, alias, strlen(alias));
	if (mtu)
		netlink_add(&request, IFLA_MTU, &mtu, sizeof(mtu));
	return netlink_ask(fd, &request, NULL);
}

int net_mark(int fd, unsigned int tap_index, const struct net_mark *mark, struct error *err)
{
	char text[NET_MARK_TEXT];
	int r;

	net_mark_text(mark, text);
	r = change_link(fd, tap_index, 0, text, 0);
	return r < 0 ? error_sys(err, r, "mark a tap") : 0;
}

/* With the header that tells a packet's checksum and segments: a guest and a veth hand each other
 * what neither has to compute or cut. */
static int make_tap(int tun_fd, struct net_tap *ret)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	struct ifreq hw = { 0 };

	memcpy(request.ifr_name, TAP_NAME, sizeof(TAP_NAME));
	if (ioctl(tun_fd, TUNSETIFF, &request) < 0 || ioctl(tun_fd, SIOCGIFHWADDR, &hw) < 0)
		return -errno;
	ret->index = if_nametoindex(request.ifr_name);
	if (!ret->index)
		return -errno;
	ret->hw.size = ETH_ALEN;
	memcpy(ret->hw.bytes, hw.ifr_hwaddr.sa_data, ETH_ALEN);
	return 0;
}

int net_tap_open(int fd, struct net_tap *ret, struct error *err)
{
	static const struct net_mark spare;
	struct net_tap tap = NET_TAP_INIT;
	cleanup_fd int tun_fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC);
	int r;

	if (tun_fd < 0)
		return error_sys(err, errno, "open '" TUN_DEVICE "'");
	r = make_tap(tun_fd, &tap);
	if (r < 0)
		return error_sys(err, r, "make a tap");
	r = net_mark(fd, tap.index, &spare, err);
	if (r < 0)
		return r;
	tap.fd = steal_fd(&tun_fd);
	*ret = tap;
	return 0;
}

int net_tap_set_hw(struct net_tap *tap, const unsigned char mac[static ETH_ALEN])
{
	struct ifreq request = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

	memcpy(request.ifr_hwaddr.sa_data, mac, ETH_ALEN);
	if (ioctl(tap->fd, SIOCSIFHWADDR, &request) < 0)
		return -errno;
	memcpy(tap->hw.bytes, mac, ETH_ALEN);
	return 0;
}

void net_tap_close(struct net_tap *tap)
{
	close_fdp(&tap->fd);
	tap->fd = -1;
}

/* --- traffic ------------------------------------------------------------------------------ */

/* Nobody else's, so that it can be removed without a look. What another tool puts at the ingress
 * of a link goes before it with a priority that was chosen, after it with one of the kernel's
 * choice. */
#define PRIORITY_KEEP 0x6d6eu
#define PRIORITY_REDIRECT 0x6d6fu

/* Both kinds of qdisc that stand there, "ingress" and "clsact", know it by this name. */
#define AT_INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)

static int add_ingress(int fd, unsigned int index)
{
	const struct tcmsg head = {
		.tcm_ifindex = (int)index,
		.tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0),
		.tcm_parent = TC_H_INGRESS,
	};
	struct netlink_request request;
	int r;

	netlink_begin(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	netlink_add(&request, TCA_KIND, "ingress", sizeof("ingress"));
	r = netlink_ask(fd, &request, NULL);
	return r == -EEXIST ? 0 : r;
}

/* Both take every packet; a kernel has the one or the other. */
static const struct classifier {
	const char *kind;
	uint16_t action; /* its attribute */
	bool has_selector;
} classifiers[] = {
	{ "u32", TCA_U32_ACT, true },
	{ "matchall", TCA_MATCHALL_ACT, false },
};

static void add_selector(struct netlink_request *request)
{
	const struct tc_u32_sel head = { .flags = TC_U32_TERMINAL, .nkeys = 1 };
	/* Behind it a key: nothing has to be equal to nothing. */
	char selector[sizeof(head) + sizeof(struct tc_u32_key)] = "";

	memcpy(selector, &head, sizeof(head));
	netlink_add(request, TCA_U32_SEL, selector, sizeof(selector));
}

static void add_redirect(struct netlink_request *request, unsigned int to)
{
	const struct tc_mirred redirect = {
		.action = TC_ACT_STOLEN,
		.eaction = TCA_EGRESS_REDIR,
		.ifindex = to,
	};
	size_t first = netlink_open_nest(request, 1), options;

	netlink_add(request, TCA_ACT_KIND, "mirred", sizeof("mirred"));
	options = netlink_open_nest(request, TCA_ACT_OPTIONS);
	netlink_add(request, TCA_MIRRED_PARMS, &redirect, sizeof(redirect));
	netlink_close_nest(request, options);
	netlink_close_nest(request, first);
}

static struct tcmsg filter_at(unsigned int index, unsigned int priority, uint16_t protocol)
{
	return (struct tcmsg){
		.tcm_ifindex = (int)index,
		.tcm_parent = AT_INGRESS,
		.tcm_info = TC_H_MAKE(priority << 16, htons(protocol)),
	};
}

static int add_filter(int fd, const struct classifier *classifier, unsigned int from,
		      unsigned int to)
{
	const struct tcmsg head = filter_at(from, PRIORITY_REDIRECT, ETH_P_ALL);
	struct netlink_request request;
	size_t options, action;

	netlink_begin(&request, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	netlink_add(&request, TCA_KIND, classifier->kind, strlen(classifier->kind) + 1);
	options = netlink_open_nest(&request, TCA_OPTIONS);
	if (classifier->has_selector)
		add_selector(&request);
	action = netlink_open_nest(&request, classifier->action);
	add_redirect(&request, to);
	netlink_close_nest(&request, action);
	netlink_close_nest(&request, options);
	return netlink_ask(fd, &request, NULL);
}

/* One that is left from an earlier virtual machine leads nowhere. */
static void remove_filter(int fd, const struct tcmsg *head)
{
	struct netlink_request request;

	netlink_begin(&request, RTM_DELTFILTER, 0, head, sizeof(*head));
	(void)netlink_ask(fd, &request, NULL); /* mostly there is none */
}

static void stop_redirecting(int fd, unsigned int from)
{
	const struct tcmsg head = filter_at(from, PRIORITY_REDIRECT, ETH_P_ALL);

	remove_filter(fd, &head);
}

static int redirect(int fd, unsigned int from, unsigned int to)
{
	int r = add_ingress(fd, from);

	if (r < 0)
		return r;
	stop_redirecting(fd, from);
	r = -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(classifiers) && r == -ENOENT; i++)
		r = add_filter(fd, &classifiers[i], from, to);
	return r;
}

/* A filter without an action ends the search for one. */
int net_join_keep(int fd, unsigned int tap_index, const struct network_address *to)
{
	const struct tc_u32_sel head_of_keys = { .flags = TC_U32_TERMINAL, .nkeys = 1 };
	struct tc_u32_key key = { .mask = UINT32_MAX, .off = offsetof(struct iphdr, daddr) };
	char selector[sizeof(head_of_keys) + sizeof(key)];
	const struct tcmsg head = filter_at(tap_index, PRIORITY_KEEP, ETH_P_IP);
	struct netlink_request request;
	size_t options;

	memcpy(&key.val, to->bytes, sizeof(key.val));
	memcpy(selector, &head_of_keys, sizeof(head_of_keys));
	memcpy(selector + sizeof(head_of_keys), &key, sizeof(key));
	remove_filter(fd, &head);
	netlink_begin(&request, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	netlink_add(&request, TCA_KIND, "u32", sizeof("u32"));
	options = netlink_open_nest(&request, TCA_OPTIONS);
	netlink_add(&request, TCA_U32_SEL, selector, sizeof(selector));
	netlink_close_nest(&request, options);
	return netlink_ask(fd, &request, NULL);
}

/* Else the host's kernel would talk to the guest of itself. One without IPv6 refuses, and does
 * not. */
static void silence(int fd, unsigned int index)
{
	const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	struct netlink_request request;
	size_t spec, inet6;

	network_link_request(index, 0, 0, &request);
	spec = netlink_open_nest(&request, IFLA_AF_SPEC);
	inet6 = netlink_open_nest(&request, AF_INET6);
	netlink_add(&request, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	netlink_close_nest(&request, inet6);
	netlink_close_nest(&request, spec);
	(void)netlink_ask(fd, &request, NULL); /* see above */
}

static void lead_to_guest(int fd, const struct net_endpoint *endpoint, unsigned int tap_index)
{
	int r = net_lead_to_guest(fd, endpoint, tap_index);

	if (r < 0)
		log_debug("link '%s': its own namespace cannot reach the guest: %s", endpoint->name,
			  strerror(-r));
}

int net_join(int fd, const struct net_endpoint *endpoint, unsigned int tap_index, struct error *err)
{
	struct net_mark mark = { .hash = 0 };
	int r;

	memcpy(mark.link, endpoint->name, sizeof(mark.link));
	r = net_mark(fd, tap_index, &mark, err);
	if (r < 0)
		return error_wrap(err, r, "link '%s'", endpoint->name);
	silence(fd, tap_index);
	r = change_link(fd, tap_index, IFF_UP, NULL, endpoint->mtu);
	if (r == 0)
		r = redirect(fd, tap_index, endpoint->index);
	if (r == 0)
		r = redirect(fd, endpoint->index, tap_index);
	if (r == 0)
		lead_to_guest(fd, endpoint, tap_index);
	return r < 0 ? error_sys(err, r, "link '%s': redirect its traffic", endpoint->name) : 0;
}

int net_part(int fd, struct error *err)
{
	cleanup_network struct network found = { 0 };
	int r = network_read(fd, NETWORK_LINKS | NETWORK_ADDRESSES, &found);

	if (r < 0)
		return error_sys(err, r, "read the network");
	for (size_t i = 0; i < found.links_count; i++)
		if (!(found.links[i].flags & IFF_LOOPBACK))
			stop_redirecting(fd, found.links[i].index);
	for (size_t i = 0; i < found.addresses_count; i++)
		net_lead_back(fd, &found.addresses[i]);
	return 0;
}
