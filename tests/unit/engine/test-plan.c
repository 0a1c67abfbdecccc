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
#include "lib/engine/device-plan.h"
#include "lib/engine/filter.h"
#include "lib/engine/mount-plan.h"
#include "lib/engine/namespaces.h"
#include "lib/engine/sysctl.h"

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

static void a_namespace_given_twice_is_refused(void **state)
{
	struct oci_namespace list[] = { { OCI_NS_IPC, NULL }, { OCI_NS_IPC, (char *)"/i" } };
	struct oci_config config = with_namespaces(list, ARRAY_SIZE(list));
	struct namespace_plan plan;
	struct error err = ERROR_INIT;

	assert_int_equal(namespaces_plan(&config, &plan, &err), -EINVAL);
	assert_string_equal(err.msg, "linux.namespaces[1]: 'ipc' is given twice");
}

/* One mount's options in words, and the plan in numbers. */
static const struct {
	const char *type;
	const char *options;
	enum mount_kind kind;
	bool is_recursive;
	struct mount_change change, recursive;
	unsigned long sb_flags;
	const char *data;
	bool is_late;
} mount_cases[] = {
	{ "bind", "rbind,ro", MOUNT_BIND, true, { MOUNT_ATTR_RDONLY, 0, 0 } },
	{ "none",
	  "bind,rw,nosuid,nodev,rprivate",
	  MOUNT_BIND,
	  false,
	  { MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, MOUNT_ATTR_RDONLY, 0 },
	  { 0, 0, MS_PRIVATE } },
	/* The last word counts. */
	{ "bind", "bind,ro,rw", MOUNT_BIND, false, { 0, MOUNT_ATTR_RDONLY, 0 } },
	{ "bind", "bind,rw,ro", MOUNT_BIND, false, { MOUNT_ATTR_RDONLY, 0, 0 } },
	{ "bind",
	  "rbind,rro,rnosuid,rexec,slave",
	  MOUNT_BIND,
	  true,
	  { 0, 0, MS_SLAVE },
	  { MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOEXEC, 0 } },
	{ "bind",
	  "bind,noatime,nodiratime",
	  MOUNT_BIND,
	  false,
	  { MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODIRATIME, MOUNT_ATTR__ATIME, 0 } },
	{ "bind",
	  "bind,noatime,strictatime",
	  MOUNT_BIND,
	  false,
	  { MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, 0 } },
	{ "bind", "rbind,rrelatime", MOUNT_BIND, true, { 0, 0, 0 }, { 0, MOUNT_ATTR__ATIME, 0 } },
	{ "bind", "bind,remount,ro", MOUNT_REMOUNT, false, { MOUNT_ATTR_RDONLY, 0, 0 } },
	{ "bind", "remount,bind,ro", MOUNT_REMOUNT, false, { MOUNT_ATTR_RDONLY, 0, 0 } },
	{ "tmpfs",
	  "nosuid,strictatime,mode=755,size=65536k",
	  MOUNT_TMPFS,
	  false,
	  { MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, 0 },
	  { 0, 0, 0 },
	  0,
	  "mode=755,size=65536k" },
	{ "tmpfs", "ro", MOUNT_TMPFS, false, { 0, 0, 0 }, { 0, 0, 0 }, 0, NULL, true },
	/* The kernel's own are shared superblocks: only the mount is read-only. */
	{ "sysfs",
	  "nosuid,noexec,nodev,ro",
	  MOUNT_KERNEL,
	  false,
	  { MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY, 0, 0 } },
	{ "ext4",
	  "ro,sync,dirsync,acl",
	  MOUNT_FS,
	  false,
	  { MOUNT_ATTR_RDONLY, 0, 0 },
	  { 0, 0, 0 },
	  MS_RDONLY | MS_SYNCHRONOUS | MS_DIRSYNC,
	  "acl" },
	{ "ext4", "sync,async,defaults,silent,loud", MOUNT_FS, false },
	{ "cgroup", "ro", MOUNT_CGROUP, false, { MOUNT_ATTR_RDONLY, 0, 0 } },
	{ "proc", "", MOUNT_KERNEL, false },
};

static void options_become_flags_and_the_rest_is_data(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(mount_cases); i++) {
		cleanup_strv char **options = strv_split(mount_cases[i].options, ',');
		const struct oci_mount mount = {
			.destination = (char *)"/x",
			.source = (char *)"/y",
			.type = (char *)mount_cases[i].type,
			.options = *options[0] ? options : NULL,
		};
		cleanup_free char *data = NULL;
		struct mount_plan plan;
		struct error err = ERROR_INIT;

		if (mount_plan(&mount, i, &plan, &err) < 0)
			fail_msg("%s", err.msg);
		data = strv_join(plan.data, ",");
		if (plan.kind != mount_cases[i].kind ||
		    plan.is_recursive != mount_cases[i].is_recursive ||
		    memcmp(&plan.change, &mount_cases[i].change, sizeof(plan.change)) ||
		    memcmp(&plan.recursive, &mount_cases[i].recursive, sizeof(plan.recursive)) ||
		    plan.sb_flags != mount_cases[i].sb_flags ||
		    plan.is_read_only_late != mount_cases[i].is_late ||
		    !streq(data, mount_cases[i].data ? mount_cases[i].data : ""))
			fail_msg("%s: %s", mount.type, mount_cases[i].options);
		mount_plan_done(&plan);
	}
}

static void every_word_of_the_table_is_found(void **state)
{
	const char *const *words = mount_option_words();
	size_t count = 0;

	for (; words[count]; count++) {
		char *options[] = { (char *)words[count], NULL };
		const struct oci_mount mount = { .destination = (char *)"/x",
						 .source = (char *)"/y",
						 .type = (char *)"ext4",
						 .options = options };
		struct mount_plan plan;

		assert_int_equal(mount_plan(&mount, 0, &plan, NULL), 0);
		if (plan.data)
			fail_msg("'%s' is not found: is the table sorted?", words[count]);
		mount_plan_done(&plan);
	}
	assert_true(count > 55);
}

static const struct {
	const char *destination, *type, *option, *msg;
} refused_mounts[] = {
	{ "/", "tmpfs", NULL, "mounts[0].destination: '/' is on the top of rootfs" },
	{ "/a/../.", "tmpfs", NULL, "mounts[0].destination: '/a/../.' is on the top of rootfs" },
	{ "/a", "tmpfs", "tmpcopyup", "mounts[0].options: 'tmpcopyup' is not supported" },
	{ "/a", "bind", "idmap", "mounts[0].options: 'idmap' is not supported" },
	{ "/a", "bind", "size=1",
	  "mounts[0].options: 'size=1': bind mounts cannot have any "
	  "filesystem-specific options applied" },
	{ "/a", "", NULL, "mounts[0].type: missing" },
};

static void mounts_that_make_no_sense_are_refused_by_their_place(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused_mounts); i++) {
		char *options[] = { (char *)refused_mounts[i].option, NULL };
		const struct oci_mount mount = {
			.destination = (char *)refused_mounts[i].destination,
			.source = (char *)"/y",
			.type = (char *)refused_mounts[i].type,
			.options = options,
		};
		struct mount_plan plan;
		struct error err = ERROR_INIT;

		assert_true(mount_plan(&mount, 0, &plan, &err) < 0);
		assert_string_equal(err.msg, refused_mounts[i].msg);
	}
}

static void propagation_words_are_known_and_default_to_private(void **state)
{
	struct propagation_plan plan;
	struct error err = ERROR_INIT;

	assert_int_equal(propagation_plan(NULL, &plan, NULL), 0);
	assert_int_equal(plan.host, MS_PRIVATE);
	assert_int_equal(plan.root, 0);
	assert_int_equal(propagation_plan("rshared", &plan, NULL), 0);
	assert_int_equal(plan.host, 0);
	assert_int_equal(plan.root, MS_SHARED);
	assert_true(plan.is_root_recursive);
	assert_int_equal(propagation_plan("public", &plan, &err), -EINVAL);
	assert_string_equal(err.msg, "linux.rootfsPropagation: unknown value 'public'");
}

/* Devices. */

static void default_devices_give_way_to_configured_ones(void **state)
{
	struct oci_device device = { (char *)"/dev/null", (char *)"c", 1,	    3,
				     { 0600, true },	  { 7, true }, { 0, false } };
	struct oci_config config = { .linux_ = { .devices = &device, .devices_count = 1 } };
	struct devices_plan plan;

	assert_int_equal(devices_plan(&config, &plan, NULL), 0);
	assert_int_equal(plan.count, 6);
	assert_int_equal(plan.nodes[0].mode, S_IFCHR | 0600);
	assert_int_equal(plan.nodes[0].uid, 7);
	assert_string_equal(plan.nodes[1].path, "/dev/zero");
	assert_int_equal(plan.nodes[1].rdev, makedev(1, 5));
	assert_true(plan.has_links);
	devices_plan_done(&plan);
}

static void a_host_dev_that_is_bound_is_left_alone(void **state)
{
	struct oci_mount mount = { .destination = (char *)"/dev",
				   .type = (char *)"bind",
				   .source = (char *)"/dev" };
	struct oci_config config = { .mounts = &mount, .mounts_count = 1 };
	struct devices_plan plan;

	assert_int_equal(devices_plan(&config, &plan, NULL), 0);
	assert_int_equal(plan.count, 0);
	assert_false(plan.has_links);
	devices_plan_done(&plan);
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

/* Filters. */

static void filters_that_need_a_listener_are_refused(void **state)
{
	struct oci_syscall rule = { .action = OCI_SECCOMP_NOTIFY };
	struct oci_seccomp seccomp = { .default_action = OCI_SECCOMP_ALLOW,
				       .syscalls = &rule,
				       .syscalls_count = 1 };
	struct filter_plan plan;
	struct error err = ERROR_INIT;

	assert_int_equal(filter_plan(&seccomp, &plan, &err), -EOPNOTSUPP);
	assert_string_equal(err.msg, "linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY is not "
				     "supported");
}

static void absent_flags_of_a_filter_differ_from_none(void **state)
{
	char *none[] = { NULL };
	char *unknown[] = { (char *)"SECCOMP_FILTER_FLAG_FOO", NULL };
	struct oci_seccomp seccomp = { .default_action = OCI_SECCOMP_ALLOW };
	struct filter_plan plan;

	assert_int_equal(filter_plan(&seccomp, &plan, NULL), 0);
	assert_int_not_equal(plan.optional_flags, 0);
	seccomp.flags = none;
	assert_int_equal(filter_plan(&seccomp, &plan, NULL), 0);
	assert_int_equal(plan.flags | plan.optional_flags, 0);
	seccomp.flags = unknown;
	assert_int_equal(filter_plan(&seccomp, &plan, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_namespaces_are_cloned_but_for_the_cgroups),
		cmocka_unit_test(joins_have_an_order_of_their_own_and_a_pid_needs_a_helper),
		cmocka_unit_test(a_namespace_given_twice_is_refused),
		cmocka_unit_test(options_become_flags_and_the_rest_is_data),
		cmocka_unit_test(every_word_of_the_table_is_found),
		cmocka_unit_test(mounts_that_make_no_sense_are_refused_by_their_place),
		cmocka_unit_test(propagation_words_are_known_and_default_to_private),
		cmocka_unit_test(default_devices_give_way_to_configured_ones),
		cmocka_unit_test(a_host_dev_that_is_bound_is_left_alone),
		cmocka_unit_test(only_settings_of_private_namespaces_may_change),
		cmocka_unit_test(the_first_separator_of_a_sysctl_decides),
		cmocka_unit_test(filters_that_need_a_listener_are_refused),
		cmocka_unit_test(absent_flags_of_a_filter_differ_from_none),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
