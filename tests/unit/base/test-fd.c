/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/base/fixture.h"

static void a_file_is_replaced_as_a_whole(void **state)
{
	cleanup_fd int dir = open_dir(state);
	cleanup_free char *data = NULL;
	struct stat st;
	size_t len;

	assert_int_equal(write_atomic_at(dir, "f", "one", 3, 0600), 0);
	assert_int_equal(write_atomic_at(dir, "f", "t\0o", 3, 0640), 0);
	assert_int_equal(read_file_at(dir, "f", 100, &data, &len), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(data, "t\0o", 4);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static size_t count_entries(int dir)
{
	cleanup_dir DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	size_t n = 0;

	while (readdir(d))
		n++;
	return n - 2; /* "." and ".." */
}

static void a_replacement_that_fails_leaves_nothing_behind(void **state)
{
	cleanup_fd int dir = open_dir(state);

	assert_int_equal(mkdirat(dir, "d", 0755), 0);
	assert_int_equal(write_atomic_at(dir, "d", "x", 1, 0600), -EISDIR);
	assert_int_equal(count_entries(dir), 1);
}

static void a_leftover_of_a_killed_writer_is_in_nobodys_way(void **state)
{
	cleanup_fd int dir = open_dir(state);
	cleanup_free char *tmp = xasprintf(".f.%d", (int)getpid());

	assert_int_equal(symlinkat("elsewhere", dir, tmp), 0);
	assert_int_equal(write_atomic_at(dir, "f", "x", 1, 0600), 0);
	assert_int_equal(count_entries(dir), 1);
}

static void a_file_is_read_up_to_its_limit(void **state)
{
	cleanup_fd int dir = open_dir(state);
	cleanup_free char *big = xcalloc(1, 20000);
	cleanup_free char *data = NULL;
	size_t len = 0;

	assert_int_equal(write_atomic_at(dir, "f", big, 20000, 0600), 0);
	assert_int_equal(read_file_at(dir, "f", 19999, &data, &len), -EFBIG);
	assert_null(data);
	assert_int_equal(read_file_at(dir, "f", 20000, &data, &len), 0);
	assert_int_equal(len, 20000);
	assert_int_equal(read_file_at(dir, "missing", 1, &data, NULL), -ENOENT);
}

static void a_value_is_written_into_what_exists(void **state)
{
	cleanup_fd int dir = open_dir(state);
	cleanup_free char *data = NULL;

	assert_int_equal(write_file_at(dir, "f", "1"), -ENOENT);
	assert_int_equal(write_atomic_at(dir, "f", "000", 3, 0600), 0);
	assert_int_equal(write_file_at(dir, "f", "1"), 0);
	assert_int_equal(read_file_at(dir, "f", 9, &data, NULL), 0);
	assert_string_equal(data, "100");
}

static void an_early_end_is_a_broken_pipe(void **state)
{
	char buf[4];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write_all(fds[1], "abc", 3), 0);
	close(fds[1]);
	assert_int_equal(read_exact(fds[0], buf, 2), 0);
	assert_memory_equal(buf, "ab", 2);
	assert_int_equal(read_exact(fds[0], buf, 2), -EPIPE);
	close(fds[0]);
}

static void descriptors_travel_with_their_message(void **state)
{
	int pair[2], sent[2], got[4];
	size_t count = ARRAY_SIZE(got);
	struct stat a, b;
	char text[8];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe(sent), 0);
	assert_int_equal(send_fds(pair[0], "hi", 2, sent, 2), 2);
	assert_int_equal(recv_fds(pair[1], text, sizeof(text), got, &count), 2);
	assert_int_equal(count, 2);
	assert_memory_equal(text, "hi", 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fstat(sent[i], &a), 0);
		assert_int_equal(fstat(got[i], &b), 0);
		assert_int_equal(a.st_ino, b.st_ino);
		assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
		close(sent[i]);
		close(got[i]);
	}
	count = ARRAY_SIZE(got);
	assert_int_equal(send_fds(pair[0], "x", 1, NULL, 0), 1);
	assert_int_equal(recv_fds(pair[1], text, sizeof(text), got, &count), 1);
	assert_int_equal(count, 0);
	close(pair[0]);
	count = ARRAY_SIZE(got);
	assert_int_equal(recv_fds(pair[1], text, sizeof(text), got, &count), 0);
	assert_int_equal(send_fds(pair[1], "x", 1, NULL, 0), -EPIPE);
	close(pair[1]);
}

static size_t count_fds(void)
{
	cleanup_fd int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return count_entries(dir);
}

static void more_descriptors_than_expected_are_closed(void **state)
{
	int pair[2], sent[3] = { 0, 1, 2 }, got[2];
	size_t count = ARRAY_SIZE(got), before;
	char text[8];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	before = count_fds();
	assert_int_equal(send_fds(pair[0], "x", 1, sent, 3), 1);
	assert_int_equal(recv_fds(pair[1], text, sizeof(text), got, &count), -EMSGSIZE);
	assert_int_equal(count, 0);
	assert_int_equal(count_fds(), before);
	assert_int_equal(send_fds(pair[0], "x", 1, sent, FD_PASS_MAX + 1), -EINVAL);
	close(pair[0]);
	close(pair[1]);
}

static void expect_talk(const char *path)
{
	cleanup_fd int listener = unix_listen(path, 0600);
	cleanup_fd int client = -1, server = -1;
	struct stat st;
	char c;

	assert_true(listener >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	client = unix_connect(path);
	assert_true(client >= 0);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_int_equal(write_all(client, "c", 1), 0);
	assert_int_equal(read_exact(server, &c, 1), 0);
	assert_int_equal(unix_listen(path, 0600), -EADDRINUSE);
}

static void a_connection_need_not_wait_for_its_listener(void **state)
{
	cleanup_free char *path = xasprintf("%s/s", (char *)*state);
	cleanup_fd int listener = unix_listen(path, 0600);
	cleanup_fd int first = -1, second = -1;

	assert_int_equal(listen(listener, 0), 0);
	first = unix_connect_nonblock(path);
	assert_true(first >= 0);
	assert_true(fcntl(first, F_GETFL) & O_NONBLOCK);
	second = unix_connect_nonblock(path);
	assert_int_equal(second, -EAGAIN);
}

static void sockets_meet_at_paths_of_any_length(void **state)
{
	cleanup_free char *brief = xasprintf("%s/s", (char *)*state);
	cleanup_strbuf struct strbuf path = STRBUF_INIT;

	expect_talk(brief);
	strbuf_addstr(&path, *state);
	for (int i = 0; i < 3; i++) {
		strbuf_addf(&path, "/%060d", i);
		assert_int_equal(mkdir(path.buf, 0755), 0);
	}
	strbuf_addstr(&path, "/socket");
	expect_talk(path.buf);
	for (int i = 0; i < 110; i++)
		strbuf_addch(&path, 'x');
	assert_int_equal(unix_listen(path.buf, 0600), -ENAMETOOLONG);
	assert_int_equal(unix_connect("/nowhere/to/be/found"), -ENOENT);
}

static void datagrams_arrive_whole(void **state)
{
	cleanup_free char *path = xasprintf("%s/s", (char *)*state);
	cleanup_fd int receiver = unix_bind_datagram(path, 0666);
	cleanup_fd int sender = unix_connect_datagram(path);
	char text[8];

	assert_true(receiver >= 0 && sender >= 0);
	assert_int_equal(write_all(sender, "one", 3), 0);
	assert_int_equal(write_all(sender, "two", 3), 0);
	assert_int_equal(read(receiver, text, sizeof(text)), 3);
	assert_memory_equal(text, "one", 3);
	assert_int_equal(unix_bind_datagram(path, 0666), -EADDRINUSE);
	assert_int_equal(unix_connect_datagram("@moat-test-nobody"), -ECONNREFUSED);
}

/* In a process of its own, which loses them. */
static void missing_standard_descriptors_are_filled(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct stat null_st, st;
		bool is_right;

		close(0);
		close(2);
		is_right = fill_standard_fds() == 0 && stat("/dev/null", &null_st) == 0 &&
			   fstat(0, &st) == 0 && st.st_rdev == null_st.st_rdev &&
			   fstat(2, &st) == 0 && st.st_rdev == null_st.st_rdev;
		_exit(is_right ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void only_the_kept_descriptors_stay_open(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int keep[3];

		for (int i = 0; i < 10; i++)
			if (dup2(0, 100 + i) < 0)
				_exit(2);
		keep[0] = 107;
		keep[1] = 3; /* below @from: not its business */
		keep[2] = 102;
		if (close_all_but(101, keep, ARRAY_SIZE(keep)) < 0)
			_exit(3);
		for (int i = 100; i < 110; i++)
			if ((fcntl(i, F_GETFD) >= 0) != (i == 100 || i == 102 || i == 107))
				_exit(i);
		_exit(close_all_but(100, NULL, 0) < 0 || fcntl(107, F_GETFD) >= 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_tree_is_removed_without_following_links(void **state)
{
	cleanup_fd int dir = open_dir(state);

	assert_int_equal(mkdirat(dir, "keep", 0755), 0);
	assert_int_equal(mknodat(dir, "keep/file", S_IFREG | 0600, 0), 0);
	assert_int_equal(mkdirat(dir, "tree", 0755), 0);
	assert_int_equal(mkdirat(dir, "tree/a", 0755), 0);
	assert_int_equal(mkdirat(dir, "tree/a/b", 0755), 0);
	assert_int_equal(mkfifoat(dir, "tree/a/b/fifo", 0600), 0);
	assert_int_equal(symlinkat("../keep", dir, "tree/link"), 0);
	assert_int_equal(symlinkat("../../keep/file", dir, "tree/a/link"), 0);
	assert_int_equal(remove_tree_at(dir, "tree"), 0);
	assert_int_equal(faccessat(dir, "tree", F_OK, 0), -1);
	assert_int_equal(faccessat(dir, "keep/file", F_OK, 0), 0);
	assert_int_equal(remove_tree_at(dir, "tree"), 0);
	assert_int_equal(remove_tree_at(dir, "no/such/tree"), 0);
}

static void a_link_in_place_of_the_tree_is_removed_itself(void **state)
{
	cleanup_fd int dir = open_dir(state);

	assert_int_equal(mkdirat(dir, "keep", 0755), 0);
	assert_int_equal(mkdirat(dir, "keep/inner", 0755), 0);
	assert_int_equal(symlinkat("keep", dir, "tree"), 0);
	assert_int_equal(remove_tree_at(dir, "tree"), 0);
	assert_int_equal(faccessat(dir, "keep/inner", F_OK, 0), 0);
	assert_int_equal(faccessat(dir, "tree", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

/* A bind mount has the device number of the tree it is in, so that only the kernel can tell. */
static void what_is_mounted_in_a_tree_survives_it(void **state)
{
	cleanup_fd int dir = open_dir(state);
	int status;
	pid_t pid;

	assert_int_equal(mkdirat(dir, "keep", 0755), 0);
	assert_int_equal(mkdirat(dir, "keep/inner", 0755), 0);
	assert_int_equal(mkdirat(dir, "tree", 0755), 0);
	assert_int_equal(mkdirat(dir, "tree/mnt", 0755), 0);
	pid = fork();
	if (pid == 0) {
		if (fchdir(dir) < 0 || unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("keep", "tree/mnt", NULL, MS_BIND, NULL) < 0)
			_exit(77);
		_exit(remove_tree_at(AT_FDCWD, "tree") != -EBUSY);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: mounting needs root\n");
		skip();
	}
	assert_int_equal(status, 0);
	assert_int_equal(faccessat(dir, "keep/inner", F_OK, 0), 0);
}

static void parents_are_made_with_the_path(void **state)
{
	cleanup_free char *path = xasprintf("%s/a/b/c", (char *)*state);
	struct stat st;

	assert_int_equal(mkdir_parents(path, 0700), 0);
	assert_int_equal(mkdir_parents(path, 0755), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(mkdir_parents("/proc/version/x", 0700), -ENOTDIR);
}

static void blocking_is_switched(void **state)
{
	int fds[2];
	char c;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(set_nonblock(fds[0], true), 0);
	assert_int_equal(read(fds[0], &c, 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(set_nonblock(fds[0], false), 0);
	assert_false(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(set_nonblock(fds[0], true), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_in_dir(a_file_is_replaced_as_a_whole),
		test_in_dir(a_replacement_that_fails_leaves_nothing_behind),
		test_in_dir(a_leftover_of_a_killed_writer_is_in_nobodys_way),
		test_in_dir(a_file_is_read_up_to_its_limit),
		test_in_dir(a_value_is_written_into_what_exists),
		cmocka_unit_test(an_early_end_is_a_broken_pipe),
		cmocka_unit_test(descriptors_travel_with_their_message),
		cmocka_unit_test(more_descriptors_than_expected_are_closed),
		test_in_dir(sockets_meet_at_paths_of_any_length),
		test_in_dir(a_connection_need_not_wait_for_its_listener),
		test_in_dir(datagrams_arrive_whole),
		cmocka_unit_test(missing_standard_descriptors_are_filled),
		cmocka_unit_test(only_the_kept_descriptors_stay_open),
		test_in_dir(a_tree_is_removed_without_following_links),
		test_in_dir(a_link_in_place_of_the_tree_is_removed_itself),
		test_in_dir(what_is_mounted_in_a_tree_survives_it),
		test_in_dir(parents_are_made_with_the_path),
		cmocka_unit_test(blocking_is_switched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
