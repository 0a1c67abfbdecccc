/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/state/record.h"
#include "tests/unit/state/fixture.h"

static void test_ids_are_checked(void **state)
{
	static const char *const good[] = { "a", "A_b+c.d-9", ".hidden", "..." };
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", "../x", "\303\244", "a\n" };
	char longest[1026];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(state_check_id(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(state_check_id(bad[i], NULL), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[1025] = '\0';
	assert_int_equal(state_check_id(longest, NULL), -EINVAL);
	longest[1024] = '\0';
	assert_int_equal(state_check_id(longest, NULL), 0);
}

static void test_a_bad_id_never_becomes_a_path(void **state)
{
	struct state_dir *dir = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(state_dir_create(*state, "../x", &dir, &err), -EINVAL);
	assert_string_equal(err.msg, "invalid container ID format: '../x'");
	assert_int_equal(state_dir_open(*state, "..", &dir, &err), -EINVAL);
	assert_null(dir);
}

static void test_the_root_is_made_private(void **state)
{
	cleanup_free char *root = xasprintf("%s/deep/root", (char *)*state);
	cleanup_state_dir struct state_dir *dir = NULL;
	struct error err = ERROR_INIT;
	struct stat st;

	assert_int_equal(state_dir_create(root, "a", &dir, &err), 0);
	assert_int_equal(stat(root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01700);
	assert_int_equal(fstat(state_dir_fd(dir), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_the_file_system_root_is_refused(void **state)
{
	static const char *const roots[] = { "/", "//", "/.", "/x/..", "/../" };

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		struct state_dir *dir = NULL;
		char **ids = NULL;
		struct error err = ERROR_INIT;

		assert_int_equal(state_dir_create(roots[i], "a", &dir, &err), -EINVAL);
		assert_string_equal(err.msg, "Option --root argument should not be set to /");
		assert_int_equal(state_dir_open(roots[i], "a", &dir, NULL), -EINVAL);
		assert_int_equal(state_list(roots[i], &ids, NULL), -EINVAL);
	}
}

static void test_a_relative_root_is_made_absolute(void **state)
{
	cleanup_free char *expected = xasprintf("%s/rel/a", (char *)*state);
	cleanup_free char *cwd = getcwd(NULL, 0);
	cleanup_state_dir struct state_dir *dir = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(chdir(*state), 0);
	assert_int_equal(state_dir_create("x/../rel/", "a", &dir, &err), 0);
	assert_int_equal(chdir(cwd), 0);
	assert_string_equal(state_dir_path(dir), expected);
}

static void test_the_same_id_is_refused_a_second_time(void **state)
{
	cleanup_state_dir struct state_dir *dir = NULL;
	struct state_dir *second = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(state_dir_create(*state, "twice", &dir, &err), 0);
	assert_int_equal(state_dir_create(*state, "twice", &second, &err), -EEXIST);
	assert_string_equal(err.msg, "container with given ID already exists");
	assert_null(second);
}

static void test_a_missing_container_is_named(void **state)
{
	struct state_dir *dir = NULL;
	struct error err = ERROR_INIT;
	char longest[301];

	assert_int_equal(state_dir_open(*state, "none", &dir, &err), -ENOENT);
	assert_string_equal(err.msg, "container 'none' does not exist");
	memset(longest, 'x', 300);
	longest[300] = '\0';
	assert_int_equal(state_dir_open(*state, longest, &dir, &err), -ENOENT);
}

static void test_a_new_directory_is_locked_until_it_is_closed(void **state)
{
	cleanup_state_dir struct state_dir *dir = NULL;
	cleanup_state_dir struct state_dir *other = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(state_dir_create(*state, "locked", &dir, &err), 0);
	assert_int_equal(state_dir_open(*state, "locked", &other, &err), 0);
	assert_false(state_dir_is_locked(dir)); /* not by somebody else */
	assert_true(state_dir_is_locked(other));
	assert_int_equal(state_dir_lock(other, 20, &err), -EBUSY);
	assert_string_equal(err.msg, "container 'locked' is busy: another command holds its lock");

	state_dir_close(steal_ptr(&dir));
	assert_false(state_dir_is_locked(other));
	assert_int_equal(state_dir_lock(other, 0, &err), 0);
}

static void test_closing_unlocks_although_a_child_inherited_the_descriptor(void **state)
{
	cleanup_state_dir struct state_dir *dir = NULL;
	cleanup_state_dir struct state_dir *other = NULL;
	cleanup_pid pid_t child = 0;
	struct error err = ERROR_INIT;

	assert_int_equal(state_dir_create(*state, "inherited", &dir, &err), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	state_dir_close(steal_ptr(&dir));
	assert_int_equal(state_dir_open(*state, "inherited", &other, &err), 0);
	assert_int_equal(state_dir_lock(other, 0, &err), 0);
}

static void test_a_lock_ends_with_its_killed_holder(void **state)
{
	cleanup_state_dir struct state_dir *other = NULL;
	struct error err = ERROR_INIT;
	int ready[2], status;
	pid_t child;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct state_dir *dir = NULL;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (state_dir_create(*state, "killed", &dir, NULL) < 0 ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_int_equal(state_dir_open(*state, "killed", &other, &err), 0);
	assert_true(state_dir_is_locked(other));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(state_dir_lock(other, 10000, &err), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	/* What delete --force does with it: no record, but a directory that can be removed. */
	assert_int_equal(state_dir_remove(other, &err), 0);
	assert_int_equal(faccessat(AT_FDCWD, state_dir_path(other), F_OK, 0), -1);
}

static void test_a_lock_on_a_removed_directory_is_none(void **state)
{
	cleanup_state_dir struct state_dir *dir = NULL;
	cleanup_state_dir struct state_dir *waiter = NULL;
	cleanup_state_dir struct state_dir *next = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(state_dir_create(*state, "again", &dir, &err), 0);
	assert_int_equal(state_dir_open(*state, "again", &waiter, &err), 0);
	assert_int_equal(state_dir_remove(dir, &err), 0);
	state_dir_close(steal_ptr(&dir));
	assert_int_equal(state_dir_create(*state, "again", &next, &err), 0);
	assert_int_equal(state_dir_lock(waiter, 1000, &err), -ENOENT);
	assert_string_equal(err.msg, "container 'again' does not exist");
}

static void test_removal_takes_everything_inside(void **state)
{
	cleanup_state_dir struct state_dir *dir = NULL;
	cleanup_strv char **ids = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(state_dir_create(*state, "full", &dir, &err), 0);
	assert_int_equal(mkdirat(state_dir_fd(dir), "vm", 0700), 0);
	assert_int_equal(write_atomic_at(state_dir_fd(dir), "vm/log", "x", 1, 0600), -ENOENT);
	assert_int_equal(mkfifoat(state_dir_fd(dir), "vm/exec.fifo", 0600), 0);
	assert_int_equal(symlinkat("/etc", state_dir_fd(dir), "link"), 0);
	assert_int_equal(write_atomic_at(state_dir_fd(dir), "state.json", "{", 1, 0600), 0);
	assert_int_equal(state_dir_remove(dir, &err), 0);
	assert_int_equal(access(state_dir_path(dir), F_OK), -1);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
	assert_int_equal(state_list(*state, &ids, &err), 0);
	assert_false(strv_has(ids, "full"));
}

/* Many processes create and delete one id at once: never two at the same time. */
static int fight(const char *root, int rounds)
{
	cleanup_free char *mark = xasprintf("%s/mark", root);
	int won = 0;

	for (int i = 0; i < rounds; i++) {
		cleanup_state_dir struct state_dir *dir = NULL;
		int r = i % 2 ? state_dir_create(root, "race", &dir, NULL)
			      : state_dir_open(root, "race", &dir, NULL);

		if (r == 0 && !(i % 2))
			r = state_dir_lock(dir, 1000, NULL);
		if (r < 0)
			continue;
		if (mkdir(mark, 0700) < 0 || rmdir(mark) < 0)
			return 1;
		if (state_dir_remove(dir, NULL) < 0)
			return 2;
		won++;
	}
	return won ? 0 : 3;
}

static void test_one_owner_at_a_time(void **state)
{
	pid_t children[6];

	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			_exit(fight(*state, 400));
	}
	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
}

static void test_the_list_is_sorted_and_holds_containers_only(void **state)
{
	cleanup_free char *root = xasprintf("%s/list", (char *)*state);
	static const char *const ids[] = { "b", "a.1", "B" };
	cleanup_strv char **got = NULL;
	cleanup_free char *joined = NULL;
	cleanup_fd int fd = -1;
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		cleanup_state_dir struct state_dir *dir = NULL;

		assert_int_equal(state_dir_create(root, ids[i], &dir, &err), 0);
	}
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(fd, "not an id", 0700), 0);
	assert_int_equal(write_atomic_at(fd, "file", "x", 1, 0600), 0);
	assert_int_equal(state_list(root, &got, &err), 0);
	joined = strv_join(got, " ");
	assert_string_equal(joined, "B a.1 b");
}

static void test_a_missing_root_has_no_containers(void **state)
{
	cleanup_free char *root = xasprintf("%s/nowhere", (char *)*state);
	cleanup_strv char **got = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(state_list(root, &got, &err), 0);
	assert_int_equal(strv_len(got), 0);
}

static void test_the_default_root_depends_on_the_user(void **state)
{
	cleanup_free char *root = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(setenv("XDG_RUNTIME_DIR", "/run/user/7", 1), 0);
	assert_int_equal(state_default_root(&root, &err), 0);
	assert_string_equal(root, geteuid() == 0 ? "/run/moat" : "/run/user/7/moat");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids_are_checked),
		cmocka_unit_test(test_a_bad_id_never_becomes_a_path),
		cmocka_unit_test(test_the_root_is_made_private),
		cmocka_unit_test(test_the_file_system_root_is_refused),
		cmocka_unit_test(test_a_relative_root_is_made_absolute),
		cmocka_unit_test(test_the_same_id_is_refused_a_second_time),
		cmocka_unit_test(test_a_missing_container_is_named),
		cmocka_unit_test(test_a_new_directory_is_locked_until_it_is_closed),
		cmocka_unit_test(test_closing_unlocks_although_a_child_inherited_the_descriptor),
		cmocka_unit_test(test_a_lock_ends_with_its_killed_holder),
		cmocka_unit_test(test_a_lock_on_a_removed_directory_is_none),
		cmocka_unit_test(test_removal_takes_everything_inside),
		cmocka_unit_test(test_one_owner_at_a_time),
		cmocka_unit_test(test_the_list_is_sorted_and_holds_containers_only),
		cmocka_unit_test(test_a_missing_root_has_no_containers),
		cmocka_unit_test(test_the_default_root_depends_on_the_user),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
