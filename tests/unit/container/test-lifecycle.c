/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/container/container.h"
#include "tests/unit/container/fixture.h"

/*
 * What the façade takes for true, and what it does then, with records and processes that look like
 * those of native containers. No namespace and no cgroup is made, so no rights are needed.
 */
#define ID "box"

static char root[] = "/tmp/moat-test-XXXXXX";
static struct error err;

static int make_root(void **state)
{
	memcpy(root, "/tmp/moat-test-XXXXXX", sizeof(root));
	err = (struct error)ERROR_INIT;
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	return remove_tree_at(AT_FDCWD, root);
}

static pid_t spawn_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A container as it is on disk; *ret_dir is locked. */
static struct state_dir *make_locked(int phase, pid_t pid, uint64_t start)
{
	struct state_dir *dir = NULL;
	struct record record = {
		.version = RECORD_VERSION,
		.id = (char *)ID,
		.isolation = ISOLATION_NATIVE,
		.phase = phase,
		.bundle = (char *)"/bundle",
		.pid = (uint32_t)pid,
		.pid_start = start,
		.created = (char *)"2026-01-02T03:04:05.000000006Z",
	};

	assert_int_equal(state_dir_create(root, ID, &dir, &err), 0);
	assert_int_equal(record_write(dir, &record, &err), 0);
	return dir;
}

static void make(int phase, pid_t pid)
{
	state_dir_close(make_locked(phase, pid, pid ? process_start_time(pid) : 0));
}

static int make_fifo(void)
{
	cleanup_free char *path = xasprintf("%s/" ID "/exec.fifo", root);

	assert_int_equal(mkfifo(path, 0600), 0);
	return open(path, O_RDWR | O_CLOEXEC);
}

static bool exists(void)
{
	cleanup_free char *path = xasprintf("%s/" ID, root);

	return access(path, F_OK) == 0;
}

static void assert_status(enum oci_status wanted)
{
	struct container_info info;

	assert_int_equal(container_info(root, ID, &info, &err), 0);
	assert_string_equal(oci_status_name(info.status), oci_status_name(wanted));
	container_info_done(&info);
}

static void test_a_half_made_one_is_creating_while_its_maker_lives(void **state)
{
	struct state_dir *dir = make_locked(RECORD_CREATING, 0, 0);

	assert_status(OCI_STATUS_CREATING);
	assert_true(container_kill(root, ID, SIGTERM, false, &err) < 0);
	assert_string_equal(err.msg, "container not running");
	state_dir_close(dir);
	assert_status(OCI_STATUS_STOPPED);
	assert_int_equal(container_delete(root, ID, false, &err), 0);
	assert_false(exists());
}

static void test_a_directory_without_record_is_half_made_too(void **state)
{
	struct state_dir *dir = NULL;

	assert_int_equal(state_dir_create(root, ID, &dir, &err), 0);
	assert_status(OCI_STATUS_CREATING);
	state_dir_close(dir);
	assert_status(OCI_STATUS_STOPPED);
	assert_true(container_start(root, ID, &err) < 0);
	assert_string_equal(err.msg, "cannot start a container that has stopped");
	assert_int_equal(container_delete(root, ID, true, &err), 0);
	assert_false(exists());
}

static void test_without_a_fifo_a_live_one_runs(void **state)
{
	pid_t pid = spawn_sleeper();

	make(RECORD_CREATED, pid);
	assert_status(OCI_STATUS_RUNNING);
	assert_true(container_start(root, ID, &err) < 0);
	assert_string_equal(err.msg, "cannot start an already running container");
	assert_true(container_delete(root, ID, false, &err) < 0);
	assert_string_equal(err.msg, "cannot delete container box that is not stopped: running");
	end_child(pid);
	assert_status(OCI_STATUS_STOPPED);
	assert_true(container_start(root, ID, &err) < 0);
	assert_string_equal(err.msg, "cannot start a container that has stopped");
}

static void test_a_fifo_tells_created_from_running_by_its_reader(void **state)
{
	pid_t pid = spawn_sleeper();
	int fifo;

	make(RECORD_CREATED, pid);
	fifo = make_fifo();
	assert_status(OCI_STATUS_CREATED);
	close(fifo);
	assert_status(OCI_STATUS_RUNNING);
	end_child(pid);
	assert_status(OCI_STATUS_STOPPED);
}

static void test_a_reused_pid_is_not_the_container(void **state)
{
	pid_t pid = spawn_sleeper();

	state_dir_close(make_locked(RECORD_CREATED, pid, process_start_time(pid) + 1));
	assert_status(OCI_STATUS_STOPPED);
	assert_true(container_kill(root, ID, SIGKILL, false, &err) < 0);
	assert_string_equal(err.msg, "container not running");
	assert_int_equal(container_delete(root, ID, true, &err), 0);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* nobody touched it */
	end_child(pid);
}

static void test_a_zombie_has_stopped(void **state)
{
	pid_t pid = spawn_sleeper();
	siginfo_t info;

	make(RECORD_CREATED, pid);
	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	assert_status(OCI_STATUS_STOPPED);
	end_child(pid);
}

/* Reads its byte and "executes" by closing the FIFO, as O_CLOEXEC would. */
static pid_t spawn_init(int fifo)
{
	pid_t pid = fork();
	char c;

	if (pid != 0)
		return pid;
	if (read(fifo, &c, 1) == 1)
		close(fifo);
	for (;;)
		pause();
}

static void test_start_writes_the_byte_and_waits_for_the_exec(void **state)
{
	struct state_dir *dir = make_locked(RECORD_CREATED, 0, 0);
	struct record record;
	int fifo = make_fifo();
	pid_t pid = spawn_init(fifo);

	close(fifo);
	assert_int_equal(record_read(dir, &record, &err), 0);
	record.pid = (uint32_t)pid;
	record.pid_start = process_start_time(pid);
	assert_int_equal(record_write(dir, &record, &err), 0);
	record_done(&record);
	state_dir_close(dir);

	assert_status(OCI_STATUS_CREATED);
	assert_int_equal(container_start(root, ID, &err), 0);
	assert_status(OCI_STATUS_RUNNING);
	assert_true(container_start(root, ID, &err) < 0);
	end_child(pid);
}

static void test_kill_sends_what_it_was_told(void **state)
{
	pid_t pid = spawn_sleeper();
	int status;

	make(RECORD_CREATED, pid);
	assert_int_equal(container_kill(root, ID, SIGUSR1, false, &err), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGUSR1);
	assert_true(container_kill(root, ID, SIGUSR1, false, &err) < 0);
	assert_string_equal(err.msg, "container not running");
	assert_int_equal(container_kill(root, ID, SIGUSR1, true, &err), 0);
}

static void test_delete_ends_a_created_one(void **state)
{
	pid_t pid = spawn_sleeper();
	int status, fifo;

	make(RECORD_CREATED, pid);
	fifo = make_fifo();
	assert_int_equal(container_delete(root, ID, false, &err), 0);
	close(fifo);
	assert_false(exists());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void test_delete_by_force_ends_a_running_one(void **state)
{
	pid_t pid = spawn_sleeper();
	int status;

	make(RECORD_CREATED, pid);
	assert_int_equal(container_delete(root, ID, true, &err), 0);
	assert_false(exists());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(container_delete(root, ID, true, &err), 0);
	assert_int_equal(container_delete(root, ID, false, &err), -ENOENT);
	assert_string_equal(err.msg, "container does not exist");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_half_made_one_is_creating_while_its_maker_lives),
		TEST(test_a_directory_without_record_is_half_made_too),
		TEST(test_without_a_fifo_a_live_one_runs),
		TEST(test_a_fifo_tells_created_from_running_by_its_reader),
		TEST(test_a_reused_pid_is_not_the_container),
		TEST(test_a_zombie_has_stopped),
		TEST(test_start_writes_the_byte_and_waits_for_the_exec),
		TEST(test_kill_sends_what_it_was_told),
		TEST(test_delete_ends_a_created_one),
		TEST(test_delete_by_force_ends_a_running_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
