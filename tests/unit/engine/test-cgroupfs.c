/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/sysmacros.h>
#include <cmocka.h>

#include "lib/base/str.h"
#include "lib/linux/cgroupfs.h"

/* "POINT MAJOR:MINOR v1|v2 OPTION,OPTION" for each, one a line. */
static char *parsed(const char *mountinfo)
{
	struct strbuf sb = STRBUF_INIT;
	struct cgroupfs_mount *mounts = NULL;
	size_t count = 0;
	int r = cgroupfs_parse_mounts(mountinfo, &mounts, &count);

	if (r == -ENOENT)
		return xstrdup("none");
	assert_int_equal(r, 0);
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *options = strv_join(mounts[i].options, ",");

		strbuf_addf(&sb, "%s %u:%u %s %s\n", mounts[i].mount_point, major(mounts[i].dev),
			    minor(mounts[i].dev), mounts[i].is_v2 ? "v2" : "v1", options);
	}
	cgroupfs_free_mounts(mounts, count);
	return strbuf_steal(&sb);
}

static void assert_parsed(const char *mountinfo, const char *expected)
{
	cleanup_free char *got = parsed(mountinfo);

	assert_string_equal(got, expected);
}

static void test_hierarchies_of_both_versions_are_found_in_their_order(void **state)
{
	assert_parsed(
		"23 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"
		"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
		"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
		"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
		"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n",
		"/sys/fs/cgroup/cpu,cpuacct 0:29 v1 rw,cpu,cpuacct\n"
		"/sys/fs/cgroup/systemd 0:37 v1 rw,xattr,name=systemd\n"
		"/sys/fs/cgroup/unified 0:38 v2 rw,nsdelegate\n");
}

static void test_a_hierarchy_mounted_twice_is_one(void **state)
{
	assert_parsed("1 0 0:29 / /a rw - cgroup cgroup rw,cpu\n"
		      "2 0 0:29 /x /b rw master:1 propagate_from:2 - cgroup cgroup rw,cpu\n"
		      "3 0 0:30 / /c rw - cgroup cgroup rw,pids",
		      "/a 0:29 v1 rw,cpu\n/c 0:30 v1 rw,pids\n");
}

static void test_a_mount_that_shows_the_root_is_better_than_one_of_a_part(void **state)
{
	assert_parsed("1 0 0:29 /web /run/web/cgroup ro - cgroup2 cgroup2 rw\n"
		      "2 0 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
		      "3 0 0:29 /other /b rw - cgroup2 cgroup2 rw\n",
		      "/sys/fs/cgroup 0:29 v2 rw\n");
}

static void test_escaped_bytes_of_a_mount_point_are_themselves_again(void **state)
{
	assert_parsed("1 0 0:29 / /a\\040b\\011\\012\\134x\\04 rw - cgroup2 none rw\n",
		      "/a b\t\n\\x\\04 0:29 v2 rw\n");
}

static void test_a_name_that_looks_like_a_separator_does_not_confuse(void **state)
{
	assert_parsed("1 0 0:29 / /-\\040cgroup rw - tmpfs x rw\n"
		      "2 0 0:30 / /a rw - ext4 - rw - cgroup2 x rw,cpu\n",
		      "none");
}

static void test_lines_that_are_not_understood_are_left_out(void **state)
{
	assert_parsed("", "none");
	assert_parsed("\n\n", "none");
	assert_parsed(" - cgroup", "none");
	assert_parsed("1 0 0:29 / /a rw - cgroup", "none");
	assert_parsed("1 0 0:29 / /a rw - cgroup3 x rw\n", "none");
	assert_parsed("1 0 29 / /a rw - cgroup x rw\n", "none");
	assert_parsed("1 0 a:29 / /a rw - cgroup x rw\n", "none");
	assert_parsed("1 0 0:29 / a rw - cgroup x rw\n", "none");
	assert_parsed("1 0 0:29 / /a - cgroup x rw\n", "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hierarchies_of_both_versions_are_found_in_their_order),
		cmocka_unit_test(test_a_hierarchy_mounted_twice_is_one),
		cmocka_unit_test(test_a_mount_that_shows_the_root_is_better_than_one_of_a_part),
		cmocka_unit_test(test_escaped_bytes_of_a_mount_point_are_themselves_again),
		cmocka_unit_test(test_a_name_that_looks_like_a_separator_does_not_confuse),
		cmocka_unit_test(test_lines_that_are_not_understood_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
