/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/beneath.h"
#include "tests/unit/base/fixture.h"

/* A tree with a secret next to the root that everything must stay beneath:
 * DIR/secret, DIR/root/{inside,dir/,up -> ../secret,abs -> /secret,self -> /dir}. */
static int make_tree(void **state)
{
	cleanup_fd int dir = -1;

	if (make_dir(state) < 0)
		return -1;
	dir = open_dir(state);
	return mkdirat(dir, "root", 0755) || mkdirat(dir, "root/dir", 0755) ||
	       write_atomic_at(dir, "secret", "outside", 7, 0644) ||
	       symlinkat("../secret", dir, "root/up") || symlinkat("/secret", dir, "root/abs") ||
	       symlinkat("/dir", dir, "root/self") ||
	       symlinkat("../../../../../../..", dir, "root/far") ||
	       symlinkat("nowhere", dir, "root/dangling");
}

static int open_root(void *const *state)
{
	cleanup_fd int dir = open_dir(state);
	int root = openat(dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(root >= 0);
	return root;
}

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void links_out_of_the_root_lead_nowhere(void **state)
{
	static const char *const paths[] = { "up",	   "abs",
					     "/up",	   "../secret",
					     "/../secret", "dir/../../secret",
					     "far/secret", "self/../../secret" };
	cleanup_fd int root = open_root(state);

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_int_equal(beneath_open(root, paths[i], O_RDONLY, 0), -ENOENT);
}

static void dots_and_far_links_end_at_the_root(void **state)
{
	static const char *const paths[] = { "", "/", ".", "..", "../..", "far", "self/.." };
	cleanup_fd int root = open_root(state);

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		cleanup_fd int fd = beneath_open(root, paths[i], O_PATH | O_DIRECTORY, 0);

		assert_true(fd >= 0);
		assert_int_equal(inode_of(fd), inode_of(root));
	}
}

static void absolute_links_are_followed_beneath_the_root(void **state)
{
	cleanup_fd int root = open_root(state);
	cleanup_fd int real = beneath_open(root, "dir", O_PATH, 0);
	cleanup_fd int link = beneath_open(root, "self", O_PATH, 0);

	assert_int_equal(inode_of(link), inode_of(real));
}

static void magic_links_are_refused(void **state)
{
	cleanup_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(beneath_open(proc, "self/root", O_PATH, 0), -ELOOP);
}

static void descriptors_are_closed_on_exec(void **state)
{
	cleanup_fd int root = open_root(state);
	cleanup_fd int fd = beneath_open(root, "new", O_CREAT | O_RDWR, 0600);
	struct stat st;

	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_mode_does_no_harm_to_a_directory(void **state)
{
	cleanup_fd int root = open_root(state);
	cleanup_fd int fd = beneath_open(root, "dir", O_RDONLY | O_DIRECTORY, 0755);

	assert_true(fd >= 0);
}

static void missing_directories_are_made_beneath(void **state)
{
	cleanup_fd int root = open_root(state);
	cleanup_fd int made = beneath_mkdirs(root, "/self/a//./b/../b/c", 0755);
	cleanup_fd int found = beneath_open(root, "dir/a/b/c", O_PATH | O_DIRECTORY, 0);

	assert_true(made >= 0);
	assert_int_equal(inode_of(made), inode_of(found));
}

static void directories_are_not_made_outside(void **state)
{
	cleanup_fd int dir = open_dir(state);
	cleanup_fd int root = open_root(state);
	cleanup_fd int made = beneath_mkdirs(root, "far/../new", 0755);

	assert_true(made >= 0);
	assert_int_equal(faccessat(dir, "new", F_OK, 0), -1);
	assert_int_equal(faccessat(dir, "root/new", F_OK, 0), 0);
}

static void what_a_dangling_link_leads_to_is_made_beneath(void **state)
{
	cleanup_fd int dir = open_dir(state);
	cleanup_fd int root = open_root(state);
	cleanup_fd int made = beneath_mkdirs(root, "dangling/x", 0755);
	cleanup_fd int file = beneath_touch(root, "up", 0644);
	struct stat st;

	assert_true(made >= 0 && file >= 0);
	assert_int_equal(faccessat(dir, "root/nowhere/x", F_OK, 0), 0);
	/* The root's parent is the root, and what is beside it stays as it is. */
	assert_int_equal(fstatat(dir, "root/secret", &st, 0), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(fstatat(dir, "secret", &st, 0), 0);
	assert_int_equal(st.st_size, 7);
}

static void dangling_links_may_follow_each_other_but_not_for_ever(void **state)
{
	cleanup_fd int dir = open_dir(state);
	cleanup_fd int root = open_root(state);
	cleanup_fd int made = -1;

	assert_int_equal(mkdirat(root, "deep", 0755), 0);
	assert_int_equal(symlinkat("/one/../two/b", root, "deep/a"), 0);
	assert_int_equal(symlinkat("../deep/three", root, "two"), 0);
	made = beneath_touch(root, "/deep/a/c/file", 0644);
	assert_true(made >= 0);
	assert_int_equal(faccessat(dir, "root/deep/three/b/c/file", F_OK, 0), 0);
	assert_int_equal(symlinkat("loop/x", root, "loop"), 0);
	assert_int_equal(beneath_mkdirs(root, "loop", 0755), -ELOOP);
	assert_int_equal(beneath_touch(root, "loop", 0644), -ELOOP);
}

static void a_file_on_the_way_is_no_directory(void **state)
{
	cleanup_fd int root = open_root(state);
	cleanup_fd int file = beneath_touch(root, "file", 0644);

	assert_true(file >= 0);
	assert_int_equal(beneath_mkdirs(root, "file/x", 0755), -ENOTDIR);
}

static void a_touched_file_is_made_once(void **state)
{
	cleanup_fd int root = open_root(state);
	cleanup_fd int first = beneath_touch(root, "a/b/file", 0640);
	cleanup_fd int second = beneath_touch(root, "/a/b/file", 0600);
	struct stat st;

	assert_int_equal(inode_of(first), inode_of(second));
	assert_int_equal(fstat(first, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

static void a_parent_comes_with_the_last_name(void **state)
{
	cleanup_fd int root = open_root(state);
	cleanup_free char *name = NULL;
	cleanup_fd int parent = beneath_parent(root, "x/y/", 0755, &name);
	cleanup_fd int x = beneath_open(root, "x", O_PATH, 0);

	assert_int_equal(inode_of(parent), inode_of(x));
	assert_string_equal(name, "y");
}

static void some_paths_have_no_last_name(void **state)
{
	static const char *const paths[] = { "", "/", "//", ".", "..", "a/..", "a/.", "/.." };
	cleanup_fd int root = open_root(state);
	char *name = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_int_equal(beneath_parent(root, paths[i], 0755, &name), -EINVAL);
	assert_null(name);
}

#define test_tree(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_tree(links_out_of_the_root_lead_nowhere),
		test_tree(dots_and_far_links_end_at_the_root),
		test_tree(absolute_links_are_followed_beneath_the_root),
		cmocka_unit_test(magic_links_are_refused),
		test_tree(descriptors_are_closed_on_exec),
		test_tree(a_mode_does_no_harm_to_a_directory),
		test_tree(missing_directories_are_made_beneath),
		test_tree(directories_are_not_made_outside),
		test_tree(what_a_dangling_link_leads_to_is_made_beneath),
		test_tree(dangling_links_may_follow_each_other_but_not_for_ever),
		test_tree(a_file_on_the_way_is_no_directory),
		test_tree(a_touched_file_is_made_once),
		test_tree(a_parent_comes_with_the_last_name),
		test_tree(some_paths_have_no_last_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
