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

static int request_for(const types_Route *route, unsigned int index, struct netlink_request *ret)
{
	struct network_route parsed;
	int r = network_route_parse(route, index, &parsed, NULL);

	if (r == 0)
		network_route_request(&parsed, false, ret);
	return r;
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

	assert_int_equal(request_for(&route, 7, &request), 0);
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

	assert_int_equal(request_for(&route, 7, &request), 0);
	assert_int_equal(head_of(&request)->rtm_dst_len, 16);
	assert_int_equal(head_of(&request)->rtm_scope, RT_SCOPE_LINK);
	assert_true(has_attribute(&request, RTA_PREFSRC) && has_attribute(&request, RTA_METRICS));
	route.source = (char *)"10.0.0.0/8";
	assert_int_equal(request_for(&route, 7, &request), 0);
	assert_int_equal(head_of(&request)->rtm_src_len, 8);
	assert_true(has_attribute(&request, RTA_SRC));
}

static void a_route_is_of_one_family(void **state)
{
	const types_Route route = { .dest = (char *)"10.0.0.0/8", .family = types_IPFamily_v6 };
	const types_Route mixed = { .dest = (char *)"10.0.0.0/8", .gateway = (char *)"fe80::1" };
	struct netlink_request request;

	assert_int_equal(request_for(&route, 1, &request), -EINVAL);
	assert_int_equal(request_for(&mixed, 1, &request), -EINVAL);
}

static void a_route_that_was_asked_for_reads_back(void **state)
{
	const types_Route route = {
		.dest = (char *)"2001:db8::/32",
		.gateway = (char *)"fe80::1",
		.family = types_IPFamily_v6,
		.metric = 100,
		.mtu = 1400,
	};
	cleanup_network struct network network = { 0 };
	struct netlink_request request;
	types_Route back;

	assert_int_equal(request_for(&route, 3, &request), 0);
	assert_int_equal(network_add_message(&network, &request.header), 0);
	assert_int_equal(network.routes_count, 1);
	assert_int_equal(network.routes[0].index, 3);
	network_route_describe(&network.routes[0], &back);
	assert_string_equal(back.dest, "2001:db8::/32");
	assert_string_equal(back.gateway, "fe80::1");
	assert_null(back.source);
	assert_int_equal(back.family, types_IPFamily_v6);
	assert_int_equal(back.metric, 100);
	assert_int_equal(back.mtu, 1400);
	free(back.dest);
	free(back.gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_default_route_has_a_gateway_and_no_destination),
		cmocka_unit_test(a_route_says_where_it_is_sent_from),
		cmocka_unit_test(a_route_is_of_one_family),
		cmocka_unit_test(a_route_that_was_asked_for_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
