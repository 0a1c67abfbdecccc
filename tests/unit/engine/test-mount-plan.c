/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/engine/device-plan.h"
#include "lib/engine/mount-plan.h"

/* What mounts and devices of a configuration mean, without a process or a privilege. */

static struct oci_namespace own_userns = { OCI_NS_USER, NULL };
static struct oci_id_mapping containers_uids[] = { { 0, 100000, 1 }, { 1, 200000, 1000 } };
static struct oci_id_mapping containers_gids[] = { { 0, 300000, 65536 } };
static const struct oci_linux in_userns = {
	.uid_mappings = containers_uids,
	.uid_mappings_count = ARRAY_SIZE(containers_uids),
	.gid_mappings = containers_gids,
	.gid_mappings_count = ARRAY_SIZE(containers_gids),
	.namespaces = &own_userns,
	.namespaces_count = 1,
};
static const struct oci_linux without_userns;
static const struct mount_context context = { .linux_ = &without_userns };

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
	{ "overlay",
	  "nosymfollow,lowerdir=/a:/b",
	  MOUNT_FS,
	  false,
	  { MOUNT_ATTR_NOSYMFOLLOW, 0, 0 },
	  { 0, 0, 0 },
	  0,
	  "lowerdir=/a:/b" },
	/* crun's words. */
	{ "bind",
	  "bind,src-nofollow,rsync,rnomand",
	  MOUNT_BIND,
	  false,
	  { 0 },
	  { 0 },
	  MS_SYNCHRONOUS },
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

		if (mount_plan(&context, &mount, i, &plan, &err) < 0)
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
	const struct mount_context c = { .linux_ = &in_userns };
	const char *const *words = mount_option_words();
	size_t count = 0;

	for (; words[count]; count++) {
		bool is_for_bind = mount_idmap_is_option(words[count]);
		bool is_for_tmpfs = streq(words[count], "tmpcopyup");
		char *options[] = { (char *)words[count], NULL };
		const struct oci_mount mount = {
			.destination = (char *)"/x",
			.source = (char *)"/y",
			.type = (char *)(is_for_bind	? "bind"
					 : is_for_tmpfs ? "tmpfs"
							: "ext4"),
			.options = options,
		};
		struct mount_plan plan;

		assert_int_equal(mount_plan(&c, &mount, 0, &plan, NULL), 0);
		if (plan.data)
			fail_msg("'%s' is not found: is the table sorted?", words[count]);
		mount_plan_done(&plan);
	}
	assert_int_equal(count, 70);
}

static const struct {
	const char *destination, *type, *option, *msg;
} refused_mounts[] = {
	{ "/", "tmpfs", NULL, "mounts[0].destination: '/' is on the top of rootfs" },
	{ "/a/../.", "tmpfs", NULL, "mounts[0].destination: '/a/../.' is on the top of rootfs" },
	{ "/a", "bind", "tmpcopyup", "mounts[0].options: 'tmpcopyup' is only for a tmpfs" },
	{ "/a", "bind", "idmap",
	  "mounts[0].uidMappings: missing, and there is no user namespace to take them from" },
	{ "/a", "tmpfs", "ridmap",
	  "mounts[0]: id-mapped mounts are only supported for bind-mounts" },
	{ "/a", "bind", "idmap=uids=0-1", "mounts[0].options: bad id mapping 'uids=0-1'" },
	{ "/a", "bind", "idmap=pids=0-1-1", "mounts[0].options: bad id mapping 'pids=0-1-1'" },
	{ "/a", "bind", "idmap=uids=0-1-1",
	  "mounts[0].gidMappings: missing, the other one is there" },
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

		assert_true(mount_plan(&context, &mount, 0, &plan, &err) < 0);
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

static struct mount_plan planned;

static const struct mount_plan *plan_bind(const struct oci_linux *linux_, const char *option,
					  struct oci_id_mapping *uids, struct oci_id_mapping *gids)
{
	const struct mount_context c = { .linux_ = linux_ };
	char *options[] = { (char *)option, NULL };
	const struct oci_mount mount = {
		.destination = (char *)"/x",
		.source = (char *)"/y",
		.type = (char *)"bind",
		.options = options,
		.uid_mappings = uids,
		.uid_mappings_count = uids ? 1 : 0,
		.gid_mappings = gids,
		.gid_mappings_count = gids ? 1 : 0,
	};
	struct error err = ERROR_INIT;

	mount_plan_done(&planned);
	if (mount_plan(&c, &mount, 0, &planned, &err) < 0)
		fail_msg("%s: %s", option, err.msg);
	return &planned;
}

static void an_id_mapping_is_the_mounts_own_before_the_containers(void **state)
{
	struct oci_id_mapping uids = { 0, 5, 1 }, gids = { 0, 6, 1 };
	const struct mount_idmap *idmap;

	idmap = &plan_bind(&in_userns, "idmap", &uids, &gids)->idmap;
	assert_true(idmap->is_wanted && !idmap->is_recursive);
	assert_int_equal(idmap->uids[0].host_id, 5);
	assert_int_equal(idmap->gids[0].host_id, 6);
	/* Mappings alone mean the same. */
	assert_true(plan_bind(&in_userns, "ro", &uids, &gids)->idmap.is_wanted);
	idmap = &plan_bind(&in_userns, "ridmap", NULL, NULL)->idmap;
	assert_true(idmap->is_recursive);
	assert_int_equal(idmap->uids_count, 2);
	assert_int_equal(idmap->gids[0].host_id, 300000);
	assert_false(plan_bind(&in_userns, "ro", NULL, NULL)->idmap.is_wanted);
}

static void an_id_mapping_of_a_joined_namespace_is_found_by_its_path(void **state)
{
	struct oci_namespace ns = { OCI_NS_USER, (char *)"/proc/7/ns/user" };
	const struct oci_linux joined = { .namespaces = &ns, .namespaces_count = 1 };

	assert_string_equal(plan_bind(&joined, "idmap", NULL, NULL)->idmap.userns_path, ns.path);
}

static void crun_s_form_of_an_id_mapping_may_be_relative(void **state)
{
	const struct mount_idmap *idmap =
		&plan_bind(&in_userns, "idmap=uids=0-7-1#10-70-5;gids=@0-3-2", NULL, NULL)->idmap;

	assert_int_equal(idmap->uids_count, 2);
	assert_int_equal(idmap->uids[1].container_id, 10);
	assert_int_equal(idmap->uids[1].host_id, 70);
	assert_int_equal(idmap->uids[1].size, 5);
	assert_int_equal(idmap->gids[0].host_id, 300003);
	/* In the range where the container's id is. */
	idmap = &plan_bind(&in_userns, "ridmap=uids=@1-3-10", NULL, NULL)->idmap;
	assert_true(idmap->is_recursive);
	assert_int_equal(idmap->uids[0].container_id, 1);
	assert_int_equal(idmap->uids[0].host_id, 200002);
	assert_int_equal(idmap->gids_count, 1);
}

static void a_label_is_an_option_of_what_can_have_one(void **state)
{
	static const struct mount_context labelled = {
		.linux_ = &without_userns,
		.label = "u:r:t:s0:c1,c2",
		.label_option = "rootcontext",
	};
	static const struct {
		const char *type, *data, *xattr;
	} cases[] = {
		{ "tmpfs", "rootcontext=u:r:t:s0:c1,c2", NULL },
		{ "devpts", "rootcontext=u:r:t:s0:c1,c2", NULL },
		{ "mqueue", "", "u:r:t:s0:c1,c2" },
		{ "proc", "", NULL },
		{ "sysfs", "", NULL },
		{ "bind", "", NULL },
		{ "cgroup", "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct oci_mount mount = { .destination = (char *)"/x",
						 .source = (char *)"/y",
						 .type = (char *)cases[i].type };
		cleanup_free char *data = NULL;
		struct mount_plan plan;

		assert_int_equal(mount_plan(&labelled, &mount, 0, &plan, NULL), 0);
		data = strv_join(plan.data, ",");
		assert_string_equal(data, cases[i].data);
		assert_true(streq_null(plan.xattr_label, cases[i].xattr));
		mount_plan_done(&plan);
	}
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

static int drop_plan(void **state)
{
	mount_plan_done(&planned);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_become_flags_and_the_rest_is_data),
		cmocka_unit_test(every_word_of_the_table_is_found),
		cmocka_unit_test(mounts_that_make_no_sense_are_refused_by_their_place),
		cmocka_unit_test(propagation_words_are_known_and_default_to_private),
		cmocka_unit_test(an_id_mapping_is_the_mounts_own_before_the_containers),
		cmocka_unit_test(an_id_mapping_of_a_joined_namespace_is_found_by_its_path),
		cmocka_unit_test(crun_s_form_of_an_id_mapping_may_be_relative),
		cmocka_unit_test(a_label_is_an_option_of_what_can_have_one),
		cmocka_unit_test(default_devices_give_way_to_configured_ones),
		cmocka_unit_test(a_host_dev_that_is_bound_is_left_alone),
	};

	return cmocka_run_group_tests_name("mount-plan", tests, NULL, drop_plan);
}
