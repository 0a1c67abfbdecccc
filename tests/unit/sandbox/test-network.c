/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/if_addr.h>
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
#include "lib/sandbox/network.h"
#include "oci/config.h"

/* A namespace with links that have an address each, and taps; and who sits where at `start`. */
struct scene {
	struct network_link links[8];
	struct network_link_address addresses[8];
	struct network found;
	struct sandbox_network network;
};

static struct network_link *add_link(struct scene *s, const char *name, const char *kind)
{
	struct network_link *link = &s->links[s->found.links_count++];
	const unsigned int index = (unsigned int)s->found.links_count;

	*link = (struct network_link){
		.index = index,
		.type = ARPHRD_ETHER,
		.hw = { { 2, 0, 0, 0, 0, (unsigned char)index }, 6 },
	};
	(void)snprintf(link->name, sizeof(link->name), "%s", name);
	(void)snprintf(link->kind, sizeof(link->kind), "%s", kind);
	s->found.links = s->links;
	return link;
}

static void add_endpoint(struct scene *s, const char *name)
{
	struct network_link_address *a = &s->addresses[s->found.addresses_count++];

	a->index = add_link(s, name, "veth")->index;
	assert_int_equal(network_address_parse("10.0.0.1/24", NULL, &a->address, NULL), 0);
	s->found.addresses = s->addresses;
}

static unsigned int add_tap(struct scene *s, const char *link, uint64_t hash)
{
	struct net_mark mark = { .hash = hash };
	struct network_link *tap = add_link(s, "moat", "tun");

	(void)snprintf(mark.link, sizeof(mark.link), "%s", link);
	net_mark_text(&mark, tap->alias);
	return tap->index;
}

static void plan(struct scene *s)
{
	assert_int_equal(net_plan_make(&s->found, &s->network.plan, NULL), 0);
}

static void seat(struct scene *s)
{
	assert_int_equal(sandbox_network_seat(&s->found, &s->network, NULL), 0);
}

static void a_network_that_is_as_it_was_is_known(void **state)
{
	struct scene s = { 0 };

	add_endpoint(&s, "eth0");
	plan(&s);
	add_tap(&s, "eth0", net_plan_hash(&s.network.plan));
	seat(&s);
	assert_true(s.network.is_known);
	assert_int_equal(s.network.nics_count, 1);
	assert_int_equal(s.network.nics[0].state, NIC_HAS_NAME);
	net_plan_done(&s.network.plan);
}

static void a_namespace_without_links_or_taps_is_known(void **state)
{
	struct scene s = { 0 };

	add_link(&s, "lo", "")->flags = IFF_LOOPBACK;
	plan(&s);
	seat(&s);
	assert_true(s.network.is_known);
	assert_int_equal(s.network.nics_count, 0);
}

static void a_link_that_changed_is_told_again_by_its_name(void **state)
{
	struct scene s = { 0 };

	add_endpoint(&s, "eth0");
	plan(&s);
	add_tap(&s, "eth0", 1);
	seat(&s);
	assert_false(s.network.is_known);
	assert_int_equal(s.network.nics[0].state, NIC_HAS_NAME);
	net_plan_done(&s.network.plan);
}

static void a_new_link_gets_a_spare_tap_and_the_rest_are_taken_away(void **state)
{
	struct scene s = { 0 };
	unsigned int taps[2];

	add_endpoint(&s, "eth0");
	plan(&s);
	for (size_t i = 0; i < ARRAY_SIZE(taps); i++)
		taps[i] = add_tap(&s, "", 0);
	seat(&s);
	assert_false(s.network.is_known);
	assert_int_equal(s.network.nics_count, 2);
	assert_ptr_equal(s.network.nics[0].endpoint, &s.network.plan.endpoints[0]);
	assert_int_equal(s.network.nics[0].tap_index, taps[0]);
	assert_int_equal(s.network.nics[0].state, NIC_IS_NEW);
	assert_null(s.network.nics[1].endpoint);
	net_plan_done(&s.network.plan);
}

static void a_start_that_was_killed_between_joining_and_telling_is_made_good(void **state)
{
	struct scene s = { 0 };
	unsigned int tap;

	add_endpoint(&s, "eth0");
	plan(&s);
	tap = add_tap(&s, "eth0", 0);
	seat(&s);
	assert_false(s.network.is_known);
	assert_int_equal(s.network.nics[0].tap_index, tap);
	assert_int_equal(s.network.nics[0].state, NIC_IS_NEW);
	net_plan_done(&s.network.plan);
}

static void an_interface_that_was_taken_away_is_not_offered(void **state)
{
	struct error err = ERROR_INIT;
	struct scene s = { 0 };

	add_endpoint(&s, "eth1");
	plan(&s);
	add_tap(&s, "/", 1);
	assert_int_equal(sandbox_network_seat(&s.found, &s.network, &err), -ENOSPC);
	assert_string_equal(err.msg, "link 'eth1': came too late for the virtual machine");
	net_plan_done(&s.network.plan);
}

static void nothing_is_told_of_a_link_that_left(void **state)
{
	struct scene s = { 0 };

	add_tap(&s, "eth0", 1);
	plan(&s);
	seat(&s);
	assert_true(s.network.is_known);
	assert_int_equal(s.network.nics_count, 0);
}

static void only_a_namespace_that_somebody_may_fill_has_room_to_grow(void **state)
{
	static const struct {
		const char *annotations, *namespaces;
		bool may_grow;
	} cases[] = {
		{ "", "{\"type\":\"network\"}", true },
		{ "", "{\"type\":\"network\",\"path\":\"/run/netns/a\"}", false },
		{ "\"io.container.manager\":\"libpod\"", "{\"type\":\"network\"}", false },
		{ "\"io.container.manager\":\"libpod\"",
		  "{\"type\":\"network\"},{\"type\":\"user\",\"path\":\"/u\"}", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_oci_config struct oci_config *config = NULL;
		struct error err = ERROR_INIT;
		cleanup_free char *text = xasprintf(
			"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/r\"},\"annotations\":{%s},"
			"\"linux\":{\"namespaces\":[%s]}}",
			cases[i].annotations, cases[i].namespaces);

		if (oci_config_parse("config.json", text, strlen(text), &config, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(sandbox_network_may_grow(config), cases[i].may_grow);
	}
}

static void assert_unfit(const struct scene *s, char *const *addresses, const char *wanted)
{
	const struct net_endpoint *links[HV_NICS_MAX];
	struct error err = ERROR_INIT;

	assert_int_equal(sandbox_network_assign(&s->network.plan, addresses, links, &err), -EINVAL);
	assert_string_equal(err.msg, wanted);
}

static void a_saved_machine_has_its_links_again_in_any_order(void **state)
{
	static char spare[] = "", first[] = "02:00:00:00:00:01", second[] = "02:00:00:00:00:02",
		    third[] = "02:00:00:00:00:03";
	char *swapped[] = { spare, second, first, NULL };
	char *other[] = { first, third, NULL };
	char *less[] = { second, spare, NULL };
	char *none[] = { NULL };
	const struct net_endpoint *links[HV_NICS_MAX];
	struct error err = ERROR_INIT;
	struct scene s = { 0 };

	add_endpoint(&s, "eth0");
	add_endpoint(&s, "eth1");
	plan(&s);
	assert_int_equal(sandbox_network_assign(&s.network.plan, swapped, links, &err), 0);
	assert_null(links[0]);
	assert_string_equal(links[1]->name, "eth1");
	assert_string_equal(links[2]->name, "eth0");
	assert_unfit(&s, other,
		     "interface 2 of the saved machine has the address '02:00:00:00:00:03', "
		     "which no link has here");
	assert_unfit(&s, less,
		     "link 'eth0': no interface of the saved machine has its address "
		     "'02:00:00:00:00:01'");
	assert_unfit(&s, none,
		     "link 'eth0': no interface of the saved machine has its address "
		     "'02:00:00:00:00:01'");
	sandbox_network_done(&s.network);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_that_is_as_it_was_is_known),
		cmocka_unit_test(a_namespace_without_links_or_taps_is_known),
		cmocka_unit_test(a_link_that_changed_is_told_again_by_its_name),
		cmocka_unit_test(a_new_link_gets_a_spare_tap_and_the_rest_are_taken_away),
		cmocka_unit_test(a_start_that_was_killed_between_joining_and_telling_is_made_good),
		cmocka_unit_test(an_interface_that_was_taken_away_is_not_offered),
		cmocka_unit_test(nothing_is_told_of_a_link_that_left),
		cmocka_unit_test(a_saved_machine_has_its_links_again_in_any_order),
		cmocka_unit_test(only_a_namespace_that_somebody_may_fill_has_room_to_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
