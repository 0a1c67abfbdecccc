/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/net/plan.h"

/* A namespace as a test draws it. */
struct scene {
	struct network_link links[16];
	struct network_link_address addresses[16];
	struct network_route routes[8];
	struct network_neighbor neighbors[4];
	struct network network;
};

static struct network_link *add_link(struct scene *s, unsigned int index, const char *name)
{
	struct network_link *link = &s->links[s->network.links_count++];

	*link = (struct network_link){
		.index = index,
		.flags = IFF_UP,
		.mtu = 1500,
		.type = ARPHRD_ETHER,
		.kind = "veth",
		.hw = { { 2, 0, 0, 0, 0, (unsigned char)index }, 6 },
	};
	(void)snprintf(link->name, sizeof(link->name), "%s", name);
	s->network.links = s->links;
	return link;
}

static struct network_address *add_address(struct scene *s, unsigned int index, const char *text)
{
	struct network_link_address *a = &s->addresses[s->network.addresses_count++];

	assert_int_equal(network_address_parse(text, NULL, &a->address, NULL), 0);
	a->index = index;
	a->address.flags = IFA_F_PERMANENT;
	s->network.addresses = s->addresses;
	return &a->address;
}

static struct network_route *add_route(struct scene *s, unsigned int index, const char *dest,
				       const char *gateway)
{
	struct network_route *route = &s->routes[s->network.routes_count++];

	*route = (struct network_route){ .index = index,
					 .family = AF_INET,
					 .protocol = RTPROT_STATIC };
	if (dest)
		assert_int_equal(network_address_parse(dest, NULL, &route->dest, NULL), 0);
	if (gateway)
		assert_int_equal(network_address_parse(gateway, NULL, &route->gateway, NULL), 0);
	s->network.routes = s->routes;
	return route;
}

static void expect_plan(const struct scene *s, const char *golden)
{
	cleanup_net_plan struct net_plan plan = { 0 };
	cleanup_free char *text = NULL;

	assert_int_equal(net_plan_make(&s->network, &plan, NULL), 0);
	text = net_plan_text(&plan);
	assert_string_equal(text, golden);
}

static void a_link_with_its_addresses_routes_and_neighbours_is_the_guests(void **state)
{
	struct scene s = { 0 };
	struct network_route *route;

	add_link(&s, 2, "eth0")->mtu = 1450;
	add_address(&s, 2, "10.88.0.5/16");
	add_address(&s, 2, "2001:db8::5/64");
	add_route(&s, 2, NULL, "10.88.0.1")->metric = 100;
	route = add_route(&s, 2, "192.0.2.0/24", "10.88.0.2");
	route->mtu = 1400;
	assert_int_equal(network_address_parse("10.88.0.5", NULL, &route->source, NULL), 0);
	add_route(&s, 2, NULL, "2001:db8::1")->family = AF_INET6;
	s.neighbors[0].index = 2;
	s.neighbors[0].hw = s.links[0].hw;
	assert_int_equal(network_address_parse("10.88.0.1", NULL, &s.neighbors[0].to, NULL), 0);
	s.network.neighbors = s.neighbors;
	s.network.neighbors_count = 1;
	expect_plan(&s, "eth0 link 02:00:00:00:00:02 mtu 1450\n"
			"eth0 address 10.88.0.5/16\n"
			"eth0 address 2001:db8::5/64\n"
			"eth0 route default via 10.88.0.1 metric 100\n"
			"eth0 route 192.0.2.0/24 via 10.88.0.2 from 10.88.0.5 mtu 1400\n"
			"eth0 route default inet6 via 2001:db8::1\n"
			"eth0 neighbor 10.88.0.1 02:00:00:00:00:02\n");
}

static void only_ethernet_links_with_an_address_are_joined(void **state)
{
	struct scene s = { 0 };

	add_link(&s, 1, "lo")->flags = IFF_LOOPBACK;
	add_address(&s, 1, "127.0.0.1/8");
	add_link(&s, 2, "unused");
	add_link(&s, 3, "wg0")->type = ARPHRD_NONE;
	add_address(&s, 3, "10.0.0.1/24");
	add_link(&s, 4, "port0")->is_port = true;
	add_address(&s, 4, "10.0.1.1/24");
	memcpy(add_link(&s, 5, "br0")->kind, "bridge", sizeof("bridge"));
	add_address(&s, 5, "10.0.2.1/24");
	expect_plan(&s, "br0 link 02:00:00:00:00:05 mtu 1500\n"
			"br0 address 10.0.2.1/24\n");
}

static void nothing_is_found_in_an_empty_namespace(void **state)
{
	struct scene s = { 0 };

	add_link(&s, 1, "lo")->flags = IFF_LOOPBACK;
	expect_plan(&s, "");
}

static void the_guest_gives_itself_what_the_host_gave_itself(void **state)
{
	struct scene s = { 0 };

	add_link(&s, 2, "eth0");
	add_address(&s, 2, "fe80::1/64")->scope = RT_SCOPE_LINK;
	add_address(&s, 2, "2001:db8::1/64")->flags = 0; /* announced by a router */
	add_address(&s, 2, "2001:db8::2/64")->flags |= IFA_F_DADFAILED;
	add_address(&s, 2, "10.0.0.1/24")->flags = 0; /* leased */
	add_route(&s, 2, "10.0.0.0/24", NULL)->protocol = RTPROT_KERNEL;
	add_route(&s, 2, NULL, "10.0.0.254")->protocol = RTPROT_RA;
	expect_plan(&s, "eth0 link 02:00:00:00:00:02 mtu 1500\n"
			"eth0 address 10.0.0.1/24\n");
}

static void a_link_that_has_but_its_own_address_is_joined(void **state)
{
	struct scene s = { 0 };

	add_link(&s, 2, "eth0")->flags |= IFF_NOARP;
	add_address(&s, 2, "fe80::1/64")->scope = RT_SCOPE_LINK;
	expect_plan(&s, "eth0 link 02:00:00:00:00:02 mtu 1500 noarp\n");
}

static void a_routes_state_is_not_passed_on(void **state)
{
	struct scene s = { 0 };

	add_link(&s, 2, "eth0");
	add_address(&s, 2, "10.0.0.1/24");
	add_route(&s, 2, NULL, "192.0.2.1")->flags = RTNH_F_ONLINK | RTNH_F_LINKDOWN;
	add_route(&s, 9, "10.9.0.0/16", NULL); /* of a link that is not joined */
	expect_plan(&s, "eth0 link 02:00:00:00:00:02 mtu 1500\n"
			"eth0 address 10.0.0.1/24\n"
			"eth0 route default via 192.0.2.1 flags 4\n");
}

static void links_beyond_what_a_machine_has_are_refused(void **state)
{
	cleanup_net_plan struct net_plan plan = { 0 };
	struct error err = ERROR_INIT;
	struct scene s = { 0 };

	for (unsigned int i = 2; i < 2 + NET_ENDPOINTS_MAX + 1; i++) {
		cleanup_free char *name = xasprintf("eth%u", i);

		add_link(&s, i, name);
		add_address(&s, i, "10.0.0.1/24");
	}
	assert_int_equal(net_plan_make(&s.network, &plan, &err), -E2BIG);
	assert_string_equal(err.msg, "link 'eth10': a virtual machine has at most 8");
}

static void links_with_one_hardware_address_are_twins(void **state)
{
	cleanup_net_plan struct net_plan plan = { 0 };
	struct scene s = { 0 };

	add_link(&s, 2, "eth0");
	add_link(&s, 3, "eth1")->hw = s.links[0].hw;
	add_link(&s, 4, "eth2");
	for (unsigned int i = 2; i <= 4; i++)
		add_address(&s, i, "10.0.0.1/24");
	assert_int_equal(net_plan_make(&s.network, &plan, NULL), 0);
	assert_true(net_plan_is_twin(&plan, net_plan_find(&plan, 2)));
	assert_true(net_plan_is_twin(&plan, net_plan_find(&plan, 3)));
	assert_false(net_plan_is_twin(&plan, net_plan_find(&plan, 4)));
}

static void whatever_a_guest_would_see_changes_the_hash(void **state)
{
	cleanup_net_plan struct net_plan before = { 0 }, after = { 0 };
	struct scene s = { 0 };

	add_link(&s, 2, "eth0");
	add_address(&s, 2, "10.0.0.1/24");
	assert_int_equal(net_plan_make(&s.network, &before, NULL), 0);
	s.links[0].mtu = 1400;
	assert_int_equal(net_plan_make(&s.network, &after, NULL), 0);
	assert_true(net_plan_hash(&before) != net_plan_hash(&after));
}

static void a_mark_reads_back_from_a_tap_alone(void **state)
{
	const struct net_mark mark = { "eth0", UINT64_MAX };
	struct network_link tap = { .kind = "tun" };
	struct net_mark back;

	assert_false(net_mark_read(&tap, &back));
	net_mark_text(&mark, tap.alias);
	assert_true(net_mark_read(&tap, &back));
	assert_string_equal(back.link, "eth0");
	assert_true(back.hash == UINT64_MAX);
	memcpy(tap.kind, "veth", sizeof("veth")); /* whoever can name it so can do worse */
	assert_false(net_mark_read(&tap, &back));
}

static void what_only_looks_like_a_mark_is_none(void **state)
{
	static const char *const texts[] = {
		"moat",
		"moat:",
		"moat:1",
		"moat::eth0",
		"moat:x:eth0",
		"moat:-1:eth0",
		"moat:1:a-name-that-no-link-has",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct network_link tap = { .kind = "tun" };
		struct net_mark back;

		(void)snprintf(tap.alias, sizeof(tap.alias), "%s", texts[i]);
		assert_false(net_mark_read(&tap, &back));
	}
}

static void a_tap_of_ours_is_no_link_of_the_guests(void **state)
{
	const struct net_mark mark = { "eth0", 1 };
	struct scene s = { 0 };
	struct network_link *tap = add_link(&s, 3, "moat0");

	memcpy(tap->kind, "tun", sizeof("tun"));
	net_mark_text(&mark, tap->alias);
	add_address(&s, 3, "10.0.0.1/24");
	expect_plan(&s, "");
	assert_true(net_is_taken(&s.network, "eth0"));
	assert_false(net_is_taken(&s.network, "eth1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_with_its_addresses_routes_and_neighbours_is_the_guests),
		cmocka_unit_test(only_ethernet_links_with_an_address_are_joined),
		cmocka_unit_test(nothing_is_found_in_an_empty_namespace),
		cmocka_unit_test(the_guest_gives_itself_what_the_host_gave_itself),
		cmocka_unit_test(a_link_that_has_but_its_own_address_is_joined),
		cmocka_unit_test(a_routes_state_is_not_passed_on),
		cmocka_unit_test(links_beyond_what_a_machine_has_are_refused),
		cmocka_unit_test(links_with_one_hardware_address_are_twins),
		cmocka_unit_test(whatever_a_guest_would_see_changes_the_hash),
		cmocka_unit_test(a_mark_reads_back_from_a_tap_alone),
		cmocka_unit_test(what_only_looks_like_a_mark_is_none),
		cmocka_unit_test(a_tap_of_ours_is_no_link_of_the_guests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
