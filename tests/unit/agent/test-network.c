/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/server/network.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

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

static const struct rtmsg *head_of(const struct netlink_request *request)
{
	return NLMSG_DATA(&request->header);
}

static bool has_attribute(const struct netlink_request *request, uint16_t type)
{
	size_t size;

	return netlink_attribute(&request->header, sizeof(struct rtmsg), type, &size);
}

static void a_default_route_has_a_gateway_and_no_destination(void **state)
{
	const types_Route route = { .gateway = (char *)"10.0.0.1", .flags = 4 };
	struct netlink_request request;

	assert_int_equal(network_route_request(&route, 7, &request, NULL), 0);
	assert_int_equal(head_of(&request)->rtm_dst_len, 0);
	assert_int_equal(head_of(&request)->rtm_flags, 4);
	assert_int_equal(head_of(&request)->rtm_table, RT_TABLE_MAIN);
	assert_true(has_attribute(&request, RTA_GATEWAY) && has_attribute(&request, RTA_OIF));
	assert_false(has_attribute(&request, RTA_DST) || has_attribute(&request, RTA_PREFSRC));
}

static void a_route_says_where_it_is_sent_from(void **state)
{
	types_Route route = {
		.dest = (char *)"192.168.0.0/16",
		.source = (char *)"10.0.0.5",
		.scope = RT_SCOPE_LINK,
		.mtu = 1400,
	};
	struct netlink_request request;

	assert_int_equal(network_route_request(&route, 7, &request, NULL), 0);
	assert_int_equal(head_of(&request)->rtm_dst_len, 16);
	assert_int_equal(head_of(&request)->rtm_scope, RT_SCOPE_LINK);
	assert_true(has_attribute(&request, RTA_PREFSRC) && has_attribute(&request, RTA_METRICS));
	route.source = (char *)"10.0.0.0/8";
	assert_int_equal(network_route_request(&route, 7, &request, NULL), 0);
	assert_int_equal(head_of(&request)->rtm_src_len, 8);
	assert_true(has_attribute(&request, RTA_SRC));
}

static void a_route_is_of_one_family(void **state)
{
	const types_Route route = { .dest = (char *)"10.0.0.0/8", .family = types_IPFamily_v6 };
	const types_Route mixed = { .dest = (char *)"10.0.0.0/8", .gateway = (char *)"fe80::1" };
	struct netlink_request request;

	assert_int_equal(network_route_request(&route, 1, &request, NULL), -EINVAL);
	assert_int_equal(network_route_request(&mixed, 1, &request, NULL), -EINVAL);
}

static void a_route_that_was_asked_for_reads_back(void **state)
{
	const types_Route route = {
		.dest = (char *)"2001:db8::/32",
		.gateway = (char *)"fe80::1",
		.family = types_IPFamily_v6,
		.mtu = 1400,
	};
	struct netlink_request request;
	types_Route back;
	unsigned int index;

	assert_int_equal(network_route_request(&route, 3, &request, NULL), 0);
	assert_true(network_route_read(&request.header, &back, &index));
	assert_int_equal(index, 3);
	assert_string_equal(back.dest, "2001:db8::/32");
	assert_string_equal(back.gateway, "fe80::1");
	assert_null(back.source);
	assert_int_equal(back.family, types_IPFamily_v6);
	assert_int_equal(back.mtu, 1400);
	free(back.dest);
	free(back.gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_with_and_without_a_prefix),
		cmocka_unit_test(what_is_no_address_is_refused_by_name),
		cmocka_unit_test(hardware_addresses_go_both_ways),
		cmocka_unit_test(a_default_route_has_a_gateway_and_no_destination),
		cmocka_unit_test(a_route_says_where_it_is_sent_from),
		cmocka_unit_test(a_route_is_of_one_family),
		cmocka_unit_test(a_route_that_was_asked_for_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
