/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/namespaces.h"
#include "lib/engine/net-devices.h"
#include "lib/engine/sysctl.h"
#include "lib/linux/netdev.h"

/* Decisions, without a process or a privilege. */

static struct oci_config with_namespaces(struct oci_namespace *list, size_t count)
{
	return (struct oci_config){ .linux_ = { .namespaces = list, .namespaces_count = count } };
}

static void new_namespaces_are_cloned_but_for_the_cgroups(void **state)
{
	struct oci_namespace list[] = {
		{ OCI_NS_CGROUP, NULL },
		{ OCI_NS_PID, NULL },
		{ OCI_NS_MOUNT, NULL },
	};
	struct oci_config config = with_namespaces(list, ARRAY_SIZE(list));
	struct namespace_plan plan;

	assert_int_equal(namespaces_plan(&config, &plan, NULL), 0);
	assert_int_equal(plan.clone_flags, CLONE_NEWPID | CLONE_NEWNS);
	assert_true(plan.unshares_cgroup);
	assert_false(plan.needs_helper);
	assert_int_equal(plan.joins_count, 0);
	assert_int_equal(plan.private_flags, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWCGROUP);
}

static void joins_have_an_order_of_their_own_and_a_pid_needs_a_helper(void **state)
{
	struct oci_namespace list[] = {
		{ OCI_NS_CGROUP, (char *)"/c" },  { OCI_NS_MOUNT, (char *)"/m" },
		{ OCI_NS_NETWORK, (char *)"/n" }, { OCI_NS_PID, (char *)"/p" },
		{ OCI_NS_UTS, (char *)"/u" },	  { OCI_NS_IPC, (char *)"/i" },
	};
	struct oci_config config = with_namespaces(list, ARRAY_SIZE(list));
	cleanup_strbuf struct strbuf order = STRBUF_INIT;
	struct namespace_plan plan;

	assert_int_equal(namespaces_plan(&config, &plan, NULL), 0);
	for (size_t i = 0; i < plan.joins_count; i++)
		strbuf_addstr(&order, plan.joins[i].path);
	assert_string_equal(order.buf, "/p/i/u/n/m/c");
	assert_true(plan.needs_helper);
	assert_int_equal(plan.clone_flags, 0);
}

static void what_only_children_get_into_is_the_helpers(void **state)
{
	struct oci_namespace list[] = {
		{ OCI_NS_USER, NULL },
		{ OCI_NS_IPC, NULL },
		{ OCI_NS_TIME, NULL },
		{ OCI_NS_NETWORK, NULL },
	};
	struct oci_config config = with_namespaces(list, ARRAY_SIZE(list));
	struct namespace_plan plan;

	assert_int_equal(namespaces_plan(&config, &plan, NULL), 0);
	assert_true(plan.needs_helper);
	assert_true(plan.unshares_user);
	assert_true(plan.unshares_time);
	assert_int_equal(plan.clone_flags, CLONE_NEWNET);
	assert_int_equal(plan.late_flags, CLONE_NEWIPC);
}

static void time_offsets_want_a_new_time_namespace(void **state)
{
	struct oci_time_offset day = { .secs = 86400, .nanosecs = 5 };
	struct oci_time_offsets offsets = { .boottime = &day };
	struct oci_namespace list[] = { { OCI_NS_TIME, NULL } };
	struct oci_config config = with_namespaces(list, ARRAY_SIZE(list));
	cleanup_free char *text = namespaces_time_text(&offsets);
	struct error err = ERROR_INIT;
	struct namespace_plan plan;

	assert_string_equal(text, "boottime 86400 5\n");
	config.linux_.time_offsets = &offsets;
	assert_int_equal(namespaces_plan(&config, &plan, NULL), 0);
	assert_ptr_equal(plan.time_offsets, &offsets);
	list[0].path = (char *)"/t";
	assert_int_equal(namespaces_plan(&config, &plan, &err), -EINVAL);
	assert_string_equal(err.msg, "linux.timeOffsets: there is no new time namespace to set "
				     "them in");
}

static void names_of_links_are_those_the_kernel_takes(void **state)
{
	assert_true(netdev_is_name("eth0"));
	assert_true(netdev_is_name("eth%d"));
	assert_true(netdev_is_name("fifteen-letters"));
	assert_false(netdev_is_name("sixteen-letters!"));
	assert_false(netdev_is_name(""));
	assert_false(netdev_is_name(".."));
	assert_false(netdev_is_name("a/b"));
	assert_false(netdev_is_name("a b"));
	assert_false(netdev_is_name("eth%s"));
	assert_false(netdev_is_name("e%d%d"));
}

static void network_devices_want_a_network_of_their_own(void **state)
{
	struct oci_net_device device = { (char *)"eth1", (char *)"not/a/name" };
	struct oci_linux l = { .net_devices = &device, .net_devices_count = 1 };
	struct namespace_plan namespaces = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(net_devices_check(&l, &namespaces, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "without a private network namespace"));
	namespaces.private_flags = CLONE_NEWNET;
	assert_int_equal(net_devices_check(&l, &namespaces, &err), -EINVAL);
	assert_string_equal(err.msg, "linux.netDevices.eth1: invalid name 'not/a/name'");
	device.name = NULL;
	assert_int_equal(net_devices_check(&l, &namespaces, &err), 0);
}

static void a_namespace_given_twice_is_refused(void **state)
{
	struct oci_namespace list[] = { { OCI_NS_IPC, NULL }, { OCI_NS_IPC, (char *)"/i" } };
	struct oci_config config = with_namespaces(list, ARRAY_SIZE(list));
	struct namespace_plan plan;
	struct error err = ERROR_INIT;

	assert_int_equal(namespaces_plan(&config, &plan, &err), -EINVAL);
	assert_string_equal(err.msg, "linux.namespaces[1]: 'ipc' is given twice");
}

/* Sysctls. */

static const struct {
	const char *name;
	int flags;
	int result;
} sysctl_cases[] = {
	{ "net.ipv4.ip_forward", CLONE_NEWNET, 0 },
	{ "net/ipv4/ip_forward", CLONE_NEWNET, 0 },
	{ "net.ipv4.ip_forward", CLONE_NEWIPC, -EINVAL },
	{ "kernel.shmmax", CLONE_NEWIPC, 0 },
	{ "kernel.shmmaxx", CLONE_NEWIPC, -EINVAL },
	{ "fs.mqueue.msg_max", CLONE_NEWIPC, 0 },
	{ "fs.mqueue", CLONE_NEWIPC, -EINVAL },
	{ "kernel.domainname", CLONE_NEWUTS, 0 },
	{ "kernel.hostname", CLONE_NEWUTS, -EINVAL },
	{ "kernel.core_pattern", ~0, -EINVAL },
	{ "vm.swappiness", ~0, -EINVAL },
	{ "user.max_user_namespaces", CLONE_NEWUSER, 0 },
	{ "user.max_user_namespaces", ~CLONE_NEWUSER, -EINVAL },
	{ "net/../vm/swappiness", ~0, -EINVAL },
	{ "net//vm", ~0, -EINVAL },
	{ "", ~0, -EINVAL },
};

static void only_settings_of_private_namespaces_may_change(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(sysctl_cases); i++)
		if (sysctl_check(sysctl_cases[i].name, sysctl_cases[i].flags, NULL) !=
		    sysctl_cases[i].result)
			fail_msg("%s", sysctl_cases[i].name);
}

static void the_first_separator_of_a_sysctl_decides(void **state)
{
	cleanup_free char *dots = sysctl_path("net.ipv4.conf.eth0/1.rp_filter");
	cleanup_free char *slashes = sysctl_path("net/ipv4/conf/eth0.1/rp_filter");

	assert_string_equal(dots, "net/ipv4/conf/eth0.1/rp_filter");
	assert_string_equal(slashes, dots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_namespaces_are_cloned_but_for_the_cgroups),
		cmocka_unit_test(joins_have_an_order_of_their_own_and_a_pid_needs_a_helper),
		cmocka_unit_test(what_only_children_get_into_is_the_helpers),
		cmocka_unit_test(time_offsets_want_a_new_time_namespace),
		cmocka_unit_test(names_of_links_are_those_the_kernel_takes),
		cmocka_unit_test(network_devices_want_a_network_of_their_own),
		cmocka_unit_test(a_namespace_given_twice_is_refused),
		cmocka_unit_test(only_settings_of_private_namespaces_may_change),
		cmocka_unit_test(the_first_separator_of_a_sysctl_decides),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
