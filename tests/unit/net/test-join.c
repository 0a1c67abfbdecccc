/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/netdev.h"
#include "lib/net/join.h"

/* A namespace of the test's own, with two ends of a cable: the sandbox's link and its peer. */
#define TIMEOUT_MS 10000

struct scene {
	int fd;	     /* of netlink */
	int peer_fd; /* a packet socket on the other end */
	struct net_endpoint endpoint;
	struct net_tap tap;
};

static void put_link(struct netlink_request *m, const char *name)
{
	netlink_add(m, IFLA_IFNAME, name, strlen(name) + 1);
}

static void make_cable(int fd)
{
	const struct ifinfomsg info = { 0 };
	struct netlink_request m;
	size_t linkinfo, data, peer;

	netlink_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	put_link(&m, "eth0");
	linkinfo = netlink_open_nest(&m, IFLA_LINKINFO);
	netlink_add(&m, IFLA_INFO_KIND, "veth", sizeof("veth"));
	data = netlink_open_nest(&m, IFLA_INFO_DATA);
	peer = netlink_open_nest(&m, VETH_INFO_PEER);
	/* A header of its own stands in front of the peer's attributes. */
	memcpy((char *)&m + m.header.nlmsg_len, &info, sizeof(info));
	m.header.nlmsg_len += sizeof(info);
	put_link(&m, "peer0");
	netlink_close_nest(&m, peer);
	netlink_close_nest(&m, data);
	netlink_close_nest(&m, linkinfo);
	assert_int_equal(netlink_ask(fd, &m, NULL), 0);
	assert_int_equal(netdev_up("eth0"), 0);
	assert_int_equal(netdev_up("peer0"), 0);
}

/* Frames of a kind that no kernel sends by itself. */
static int open_peer(void)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_802_EX1),
		.sll_ifindex = (int)if_nametoindex("peer0"),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_802_EX1));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void read_endpoint(struct scene *s)
{
	cleanup_network struct network network = { 0 };
	const struct network_link *link;

	assert_int_equal(network_read(s->fd, NETWORK_LINKS, &network), 0);
	link = network_find_name(&network, "eth0");
	assert_non_null(link);
	assert_string_equal(link->kind, "veth");
	s->endpoint = (struct net_endpoint){ .index = link->index, .hw = link->hw, .mtu = 1400 };
	memcpy(s->endpoint.name, link->name, sizeof(s->endpoint.name));
}

static int set_up(void **state)
{
	struct error err = ERROR_INIT;
	struct scene *s = xcalloc(1, sizeof(*s));
	int r;

	*s = (struct scene){ .fd = -1, .peer_fd = -1, .tap = NET_TAP_INIT };
	*state = s;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("skipped: needs root\n");
		return 0;
	}
	s->fd = netlink_open();
	r = net_tap_open(s->fd, &s->tap, &err);
	if (r < 0) {
		print_message("skipped: %s\n", err.msg);
		return 0;
	}
	make_cable(s->fd);
	read_endpoint(s);
	s->peer_fd = open_peer();
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	net_tap_close(&s->tap);
	close_fdp(&s->peer_fd);
	close_fdp(&s->fd);
	free(s);
	return 0;
}

static struct scene *scene(void **state)
{
	struct scene *s = *state;

	if (s->peer_fd < 0)
		skip();
	return s;
}

struct frame {
	struct virtio_net_hdr head; /* on the tap's side */
	struct ethhdr ethernet;
	char text[46]; /* what a frame holds at least */
};
#define BARE(frame) (&(frame)->ethernet)
#define BARE_SIZE (sizeof(struct frame) - offsetof(struct frame, ethernet))

static struct frame make_frame(const char *text)
{
	struct frame frame = { .ethernet = { .h_proto = htons(ETH_P_802_EX1) } };

	memset(frame.ethernet.h_dest, 0xff, ETH_ALEN);
	strncpy(frame.text, text, sizeof(frame.text) - 1);
	return frame;
}

/* The next of our kind; the kernel's own are passed over. */
static void expect_on_tap(const struct net_tap *tap, const char *text)
{
	struct pollfd pfd = { .fd = tap->fd, .events = POLLIN };
	struct {
		struct frame frame;
		char rest[2000];
	} got;

	do {
		assert_int_equal(poll(&pfd, 1, TIMEOUT_MS), 1);
		assert_true(read(tap->fd, &got, sizeof(got)) > 0);
	} while (got.frame.ethernet.h_proto != htons(ETH_P_802_EX1));
	assert_string_equal(got.frame.text, text);
}

static void send_from_peer(const struct scene *s, const char *text)
{
	const struct frame frame = make_frame(text);

	assert_int_equal(send(s->peer_fd, BARE(&frame), BARE_SIZE, 0), BARE_SIZE);
}

static void what_a_link_receives_goes_to_its_tap(void **state)
{
	struct scene *s = scene(state);

	assert_int_equal(net_join(s->fd, &s->endpoint, s->tap.index, NULL), 0);
	send_from_peer(s, "to the guest");
	expect_on_tap(&s->tap, "to the guest");
}

static void what_a_guest_sends_leaves_by_the_link(void **state)
{
	struct scene *s = scene(state);
	const struct frame frame = make_frame("from the guest");
	struct pollfd pfd = { .fd = s->peer_fd, .events = POLLIN };
	struct frame got;

	assert_int_equal(net_join(s->fd, &s->endpoint, s->tap.index, NULL), 0);
	assert_int_equal(write(s->tap.fd, &frame, sizeof(frame)), sizeof(frame));
	assert_int_equal(poll(&pfd, 1, TIMEOUT_MS), 1);
	assert_int_equal(recv(s->peer_fd, BARE(&got), BARE_SIZE, 0), BARE_SIZE);
	assert_string_equal(got.text, "from the guest");
}

static void the_tap_has_the_links_size_and_name_on_it(void **state)
{
	struct scene *s = scene(state);
	cleanup_network struct network network = { 0 };
	const struct network_link *tap;
	struct net_mark mark;

	assert_int_equal(net_join(s->fd, &s->endpoint, s->tap.index, NULL), 0);
	assert_int_equal(network_read(s->fd, NETWORK_ALL, &network), 0);
	tap = network_find_index(&network, s->tap.index);
	assert_non_null(tap);
	assert_int_equal(tap->mtu, 1400);
	assert_true(tap->flags & IFF_UP);
	assert_true(network_hw_equal(&tap->hw, &s->tap.hw));
	assert_true(net_mark_read(tap, &mark));
	assert_string_equal(mark.link, "eth0");
	/* Nor has it an address: the host says nothing to the guest. */
	for (size_t i = 0; i < network.addresses_count; i++)
		assert_int_not_equal(network.addresses[i].index, s->tap.index);
}

static void a_link_can_be_joined_with_another_tap(void **state)
{
	struct scene *s = scene(state);
	struct net_tap other = NET_TAP_INIT;

	for (int i = 0; i < 2; i++)
		assert_int_equal(net_join(s->fd, &s->endpoint, s->tap.index, NULL), 0);
	assert_int_equal(net_tap_open(s->fd, &other, NULL), 0);
	assert_int_equal(net_join(s->fd, &s->endpoint, other.index, NULL), 0);
	send_from_peer(s, "to the second");
	expect_on_tap(&other, "to the second");
	net_tap_close(&other);
}

static void a_link_is_given_back_to_its_kernel(void **state)
{
	struct scene *s = scene(state);
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_802_EX1),
		.sll_ifindex = (int)s->endpoint.index,
	};
	cleanup_fd int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct pollfd tap_pfd = { .fd = s->tap.fd, .events = POLLIN };

	assert_int_equal(net_join(s->fd, &s->endpoint, s->tap.index, NULL), 0);
	assert_int_equal(net_part(s->fd, NULL), 0);
	while (poll(&tap_pfd, 1, 0) == 1) {
		char rest[2000];

		assert_true(read(s->tap.fd, rest, sizeof(rest)) > 0);
	}
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	send_from_peer(s, "to the host");
	assert_int_equal(poll(&pfd, 1, TIMEOUT_MS), 1);
	/* It would be there before. */
	assert_int_equal(poll(&tap_pfd, 1, 0), 0);
}

static void a_link_that_is_gone_is_named(void **state)
{
	struct scene *s = scene(state);
	struct error err = ERROR_INIT;

	s->endpoint.index = 4711;
	assert_int_equal(net_join(s->fd, &s->endpoint, s->tap.index, &err), -ENODEV);
	assert_string_equal(err.msg, "link 'eth0': redirect its traffic: No such device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_a_link_receives_goes_to_its_tap, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_a_guest_sends_leaves_by_the_link, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_tap_has_the_links_size_and_name_on_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_link_can_be_joined_with_another_tap, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_link_is_given_back_to_its_kernel, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_link_that_is_gone_is_named, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
