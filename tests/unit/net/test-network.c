/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/net/network.h"

static void addresses_are_read_with_and_without_a_prefix(void **state)
{
	static const struct {
		const char *text, *mask, *back;
		int family, prefix;
	} cases[] = {
		{ "10.0.0.1", "24", "10.0.0.1", AF_INET, 24 },
		{ "10.0.0.1/8", NULL, "10.0.0.1", AF_INET, 8 },
		{ "10.0.0.1/8", "24", "10.0.0.1", AF_INET, 8 },
		{ "10.0.0.1", NULL, "10.0.0.1", AF_INET, 32 },
		{ "0.0.0.0/0", "", "0.0.0.0", AF_INET, 0 },
		{ "fe80::1", "64", "fe80::1", AF_INET6, 64 },
		{ "2001:db8:0:0::5", "", "2001:db8::5", AF_INET6, 128 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct network_address a;
		cleanup_free char *back = NULL;

		assert_int_equal(network_address_parse(cases[i].text, cases[i].mask, &a, NULL), 0);
		back = network_address_text(&a);
		assert_string_equal(back, cases[i].back);
		assert_int_equal(a.family, cases[i].family);
		assert_int_equal(a.prefix, cases[i].prefix);
	}
}

static void what_is_no_address_is_refused_by_name(void **state)
{
	static const struct {
		const char *text, *mask, *error;
	} cases[] = {
		{ "10.0.0", NULL, "'10.0.0': not an address" },
		{ NULL, NULL, "'': not an address" },
		{ "10.0.0.1", "33", "'33': not a prefix of '10.0.0.1'" },
		{ "10.0.0.1", "255.0.0.0", "'255.0.0.0': not a prefix of '10.0.0.1'" },
		{ "::1/129", NULL, "'129': not a prefix of '::1'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_INIT;
		struct network_address a;

		assert_int_equal(network_address_parse(cases[i].text, cases[i].mask, &a, &err),
				 -EINVAL);
		assert_string_equal(err.msg, cases[i].error);
	}
}

static void hardware_addresses_go_both_ways(void **state)
{
	char text[NETWORK_HW_TEXT];
	struct network_hw hw;

	assert_int_equal(network_hw_parse("02:AB:cd:00:01:ff", &hw, NULL), 0);
	assert_int_equal(hw.size, 6);
	network_hw_text(&hw, text);
	assert_string_equal(text, "02:ab:cd:00:01:ff");
	network_hw_text(&(struct network_hw){ .size = 0 }, text);
	assert_string_equal(text, "");
	assert_int_equal(network_hw_parse("02:ab:", &hw, NULL), -EINVAL);
	assert_int_equal(network_hw_parse("02-ab", &hw, NULL), -EINVAL);
	assert_int_equal(network_hw_parse("", &hw, NULL), -EINVAL);
	assert_int_equal(network_hw_parse("0", &hw, NULL), -EINVAL);
}

/* --- messages ----------------------------------------------------------------------------- */

static const unsigned char mac[] = { 2, 0, 0, 0, 0, 1 };

static void begin_link(struct netlink_request *m, int index)
{
	const struct ifinfomsg info = { .ifi_index = index, .ifi_type = 1, .ifi_flags = IFF_UP };

	netlink_begin(m, RTM_NEWLINK, 0, &info, sizeof(info));
}

static void a_link_is_read_with_its_kind_and_alias(void **state)
{
	cleanup_network struct network network = { 0 };
	const struct network_link *link;
	struct netlink_request m;
	const uint32_t mtu = 1400;
	size_t nest;

	begin_link(&m, 7);
	netlink_add(&m, IFLA_IFNAME, "eth0", sizeof("eth0"));
	netlink_add(&m, IFLA_MTU, &mtu, sizeof(mtu));
	netlink_add(&m, IFLA_ADDRESS, mac, sizeof(mac));
	netlink_add(&m, IFLA_IFALIAS, "no end", strlen("no end")); /* the kernel sends none */
	nest = netlink_open_nest(&m, IFLA_LINKINFO);
	netlink_add(&m, IFLA_INFO_KIND, "veth", sizeof("veth"));
	netlink_add(&m, IFLA_INFO_SLAVE_KIND, "bridge", sizeof("bridge"));
	netlink_close_nest(&m, nest);
	assert_int_equal(network_add_message(&network, &m.header), 0);
	link = network_find_name(&network, "eth0");
	assert_non_null(link);
	assert_ptr_equal(link, network_find_index(&network, 7));
	assert_int_equal(link->mtu, 1400);
	assert_int_equal(link->flags, IFF_UP);
	assert_string_equal(link->kind, "veth");
	assert_string_equal(link->alias, "no end");
	assert_true(link->is_port);
	assert_true(network_hw_equal(&link->hw, &(struct network_hw){ { 2, 0, 0, 0, 0, 1 }, 6 }));
}

static void names_that_are_too_long_are_cut(void **state)
{
	cleanup_network struct network network = { 0 };
	char text[200];
	struct netlink_request m;

	memset(text, 'x', sizeof(text));
	begin_link(&m, 1);
	netlink_add(&m, IFLA_IFNAME, text, sizeof(text));
	netlink_add(&m, IFLA_IFALIAS, text, sizeof(text));
	netlink_add(&m, IFLA_ADDRESS, text, sizeof(text));
	assert_int_equal(network_add_message(&network, &m.header), 0);
	assert_int_equal(strlen(network.links[0].name), IFNAMSIZ - 1);
	assert_int_equal(strlen(network.links[0].alias), sizeof(network.links[0].alias) - 1);
	assert_int_equal(network.links[0].hw.size, 0);
}

static void an_address_has_the_flags_that_its_header_has_no_room_for(void **state)
{
	const struct ifaddrmsg head = { .ifa_family = AF_INET,
					.ifa_prefixlen = 24,
					.ifa_index = 3 };
	const uint32_t flags = IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE;
	cleanup_network struct network network = { 0 };
	struct netlink_request m;

	netlink_begin(&m, RTM_NEWADDR, 0, &head, sizeof(head));
	netlink_add(&m, IFA_ADDRESS, "\x0a\x00\x00\x01", 4); /* the peer's */
	netlink_add(&m, IFA_LOCAL, "\x0a\x00\x00\x02", 4);
	netlink_add(&m, IFA_FLAGS, &flags, sizeof(flags));
	assert_int_equal(network_add_message(&network, &m.header), 0);
	assert_int_equal(network.addresses_count, 1);
	assert_int_equal(network.addresses[0].index, 3);
	assert_int_equal(network.addresses[0].address.flags, flags);
	assert_memory_equal(network.addresses[0].address.bytes, "\x0a\x00\x00\x02", 4);
}

static void begin_route(struct netlink_request *m, const struct rtmsg *head)
{
	netlink_begin(m, RTM_NEWROUTE, 0, head, sizeof(*head));
}

static void only_unicast_routes_of_the_main_table_are_read(void **state)
{
	static const struct rtmsg others[] = {
		{ .rtm_family = AF_INET, .rtm_table = RT_TABLE_LOCAL, .rtm_type = RTN_LOCAL },
		{ .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_BLACKHOLE },
		{ .rtm_family = AF_MPLS, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST },
		{ .rtm_family = AF_INET6,
		  .rtm_table = RT_TABLE_MAIN,
		  .rtm_type = RTN_UNICAST,
		  .rtm_flags = RTM_F_CLONED },
	};
	cleanup_network struct network network = { 0 };
	struct netlink_request m;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		begin_route(&m, &others[i]);
		assert_int_equal(network_add_message(&network, &m.header), 0);
	}
	assert_int_equal(network.routes_count, 0);
}

static void a_route_by_two_gateways_is_two_routes(void **state)
{
	static const struct rtmsg head = { .rtm_family = AF_INET,
					   .rtm_table = RT_TABLE_MAIN,
					   .rtm_type = RTN_UNICAST };
	struct {
		struct rtnexthop hop;
		struct nlattr attribute;
		unsigned char gateway[4];
	} hops[] = {
		{ { sizeof(hops[0]), 0, 0, 2 }, { 8, RTA_GATEWAY }, { 10, 0, 0, 1 } },
		{ { sizeof(hops[0]), RTNH_F_ONLINK, 0, 3 }, { 8, RTA_GATEWAY }, { 10, 1, 0, 1 } },
	};
	cleanup_network struct network network = { 0 };
	struct netlink_request m;

	begin_route(&m, &head);
	netlink_add(&m, RTA_MULTIPATH, hops, sizeof(hops));
	assert_int_equal(network_add_message(&network, &m.header), 0);
	assert_int_equal(network.routes_count, 2);
	assert_int_equal(network.routes[0].index, 2);
	assert_memory_equal(network.routes[0].gateway.bytes, hops[0].gateway, 4);
	assert_int_equal(network.routes[1].index, 3);
	assert_int_equal(network.routes[1].flags, RTNH_F_ONLINK);

	hops[1].hop.rtnh_len = sizeof(hops); /* beyond the end */
	begin_route(&m, &head);
	netlink_add(&m, RTA_MULTIPATH, hops, sizeof(hops));
	assert_int_equal(network_add_message(&network, &m.header), -EPROTO);
}

static void only_neighbours_that_somebody_set_are_read(void **state)
{
	struct ndmsg head = { .ndm_family = AF_INET, .ndm_ifindex = 2, .ndm_state = NUD_REACHABLE };
	cleanup_network struct network network = { 0 };
	struct netlink_request m;

	for (int i = 0; i < 2; i++) {
		netlink_begin(&m, RTM_NEWNEIGH, 0, &head, sizeof(head));
		netlink_add(&m, NDA_DST, "\x0a\x00\x00\x01", 4);
		netlink_add(&m, NDA_LLADDR, mac, sizeof(mac));
		assert_int_equal(network_add_message(&network, &m.header), 0);
		assert_int_equal(network.neighbors_count, i);
		head.ndm_state = NUD_PERMANENT;
	}
	assert_memory_equal(network.neighbors[0].hw.bytes, mac, sizeof(mac));
}

static void a_message_that_ends_early_is_refused(void **state)
{
	static const uint16_t types[] = { RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWNEIGH };
	cleanup_network struct network network = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct netlink_request m;

		netlink_begin(&m, types[i], 0, "", 1);
		assert_int_equal(network_add_message(&network, &m.header), -EPROTO);
	}
}

static void an_attribute_beyond_the_end_is_none(void **state)
{
	const struct nlattr attribute = { .nla_len = 200, .nla_type = IFLA_IFNAME };
	cleanup_network struct network network = { 0 };
	struct netlink_request m;

	begin_link(&m, 1);
	netlink_add(&m, IFLA_IFNAME, "eth0", sizeof("eth0"));
	memcpy((char *)&m + NLMSG_LENGTH(sizeof(struct ifinfomsg)), &attribute, sizeof(attribute));
	assert_int_equal(network_add_message(&network, &m.header), 0);
	assert_string_equal(network.links[0].name, "");
}

static void more_than_anybody_configures_is_refused(void **state)
{
	cleanup_network struct network network = { 0 };
	struct netlink_request m;

	begin_link(&m, 1);
	for (int i = 0; i < NETWORK_ITEMS_MAX; i++)
		assert_int_equal(network_add_message(&network, &m.header), 0);
	assert_int_equal(network_add_message(&network, &m.header), -E2BIG);
}

/* --- this namespace ----------------------------------------------------------------------- */

static void the_loopback_is_there(void **state)
{
	cleanup_network struct network network = { 0 };
	int fd = netlink_open();

	assert_true(fd >= 0);
	assert_int_equal(network_read(fd, NETWORK_ALL, &network), 0);
	close_fdp(&fd);
	assert_non_null(network_find_name(&network, "lo"));
	assert_true(network_find_name(&network, "lo")->flags & IFF_LOOPBACK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_with_and_without_a_prefix),
		cmocka_unit_test(what_is_no_address_is_refused_by_name),
		cmocka_unit_test(hardware_addresses_go_both_ways),
		cmocka_unit_test(a_link_is_read_with_its_kind_and_alias),
		cmocka_unit_test(names_that_are_too_long_are_cut),
		cmocka_unit_test(an_address_has_the_flags_that_its_header_has_no_room_for),
		cmocka_unit_test(only_unicast_routes_of_the_main_table_are_read),
		cmocka_unit_test(a_route_by_two_gateways_is_two_routes),
		cmocka_unit_test(only_neighbours_that_somebody_set_are_read),
		cmocka_unit_test(a_message_that_ends_early_is_refused),
		cmocka_unit_test(an_attribute_beyond_the_end_is_none),
		cmocka_unit_test(more_than_anybody_configures_is_refused),
		cmocka_unit_test(the_loopback_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
