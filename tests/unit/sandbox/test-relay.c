/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/sandbox/fixture.h"

#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/sandbox/relay.h"

#define MANY (8u << 20)

static void set_true(void *ctx)
{
	*(bool *)ctx = true;
}

static void make_pipe(int ends[2])
{
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
}

static void make_sockets(int ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

/* A process that writes a pattern of @len bytes, slowly taken by nobody but the relay. */
static pid_t start_writer(int fd, size_t len)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	(void)close_all_but(3, &fd, 1); /* a read end of ours would keep the pipe alive */
	for (size_t i = 0; i < len; i += 4096) {
		char block[4096];

		memset(block, (int)(i / 4096 % 251), sizeof(block));
		if (write_all(fd, block, sizeof(block)) < 0)
			_exit(1);
	}
	_exit(0);
}

/* Exits with 0 when it got exactly that pattern and then the end. */
static pid_t start_reader(int fd, size_t len)
{
	pid_t pid = fork();
	char block[4096];

	assert_true(pid >= 0);
	if (pid)
		return pid;
	(void)close_all_but(3, &fd, 1);
	for (size_t i = 0; i < len; i += 4096) {
		if (read_exact(fd, block, sizeof(block)) < 0)
			_exit(1);
		for (size_t k = 0; k < sizeof(block); k++)
			if ((unsigned char)block[k] != i / 4096 % 251)
				_exit(2);
	}
	_exit(read(fd, block, 1) == 0 ? 0 : 3);
}

static int exit_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void pass_everything(int from[2], int to[2])
{
	struct loop *loop;
	struct relay *relay;
	bool is_done = false;
	pid_t writer, reader;

	writer = start_writer(from[1], MANY);
	close(from[1]);
	reader = start_reader(to[0], MANY);
	close(to[0]);
	assert_int_equal(loop_new(&loop), 0);
	relay = relay_new(loop, from[0], to[1], set_true, &is_done);
	assert_int_equal(loop_run_until(loop, &is_done, 20000), 0);
	assert_true(relay_is_done(relay));
	assert_true(relay_bytes(relay) == MANY);
	relay_free(relay);
	loop_free(loop);
	assert_int_equal(exit_status(writer), 0);
	assert_int_equal(exit_status(reader), 0);
}

static void every_byte_and_the_end_pass_from_pipe_to_socket(void **state)
{
	int from[2], to[2];

	make_pipe(from);
	make_sockets(to);
	pass_everything(from, to);
}

static void every_byte_and_the_end_pass_from_socket_to_blocking_pipe(void **state)
{
	int from[2], to[2];

	make_sockets(from);
	make_pipe(to);
	pass_everything(from, to);
}

static void a_reader_that_goes_away_ends_the_writer(void **state)
{
	int from[2], to[2];
	struct loop *loop;
	struct relay *relay;
	bool is_done = false;
	pid_t writer;

	make_pipe(from);
	make_pipe(to);
	signal(SIGPIPE, SIG_DFL);
	writer = start_writer(from[1], MANY);
	close(from[1]);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(loop_new(&loop), 0);
	relay = relay_new(loop, from[0], to[1], set_true, &is_done);
	close(to[0]);
	assert_int_equal(loop_run_until(loop, &is_done, 5000), 0);
	relay_free(relay);
	loop_free(loop);
	assert_int_equal(exit_status(writer), 128 + SIGPIPE);
}

static void an_idle_relay_notices_that_its_reader_went_away(void **state)
{
	int from[2], to[2];
	struct loop *loop;
	struct relay *relay;
	bool is_done = false;

	make_sockets(from);
	make_pipe(to);
	assert_int_equal(loop_new(&loop), 0);
	relay = relay_new(loop, from[0], to[1], set_true, &is_done);
	assert_int_equal(loop_run_until(loop, &is_done, 50), -ETIMEDOUT);
	close(to[0]);
	assert_int_equal(loop_run_until(loop, &is_done, 5000), 0);
	relay_free(relay);
	loop_free(loop);
	close(from[1]);
}

static void a_file_and_dev_null_work_though_epoll_knows_neither(void **state)
{
	FILE *file = tmpfile();
	struct loop *loop;
	struct relay *relay;
	bool is_done = false;

	assert_non_null(file);
	assert_int_equal(ftruncate(fileno(file), MANY), 0);
	assert_int_equal(loop_new(&loop), 0);
	relay = relay_new(loop, dup(fileno(file)), open("/dev/null", O_WRONLY | O_CLOEXEC),
			  set_true, &is_done);
	assert_int_equal(loop_run_until(loop, &is_done, 5000), 0);
	assert_true(relay_bytes(relay) == MANY);
	relay_free(relay);
	loop_free(loop);
	fclose(file);
}

static void a_slow_reader_holds_the_writer_back(void **state)
{
	int from[2], to[2];
	struct loop *loop;
	struct relay *relay;
	bool is_done = false;
	char block[4096] = { 0 };
	size_t written = 0;
	ssize_t n;

	make_sockets(from);
	make_pipe(to);
	assert_int_equal(loop_new(&loop), 0);
	relay = relay_new(loop, from[0], to[1], set_true, &is_done);
	assert_int_equal(set_nonblock(from[1], true), 0);
	for (int i = 0; i < 50; i++) {
		while ((n = write(from[1], block, sizeof(block))) > 0)
			written += (size_t)n;
		assert_int_equal(loop_run_until(loop, &is_done, 5), -ETIMEDOUT);
	}
	assert_true(relay_has_pending(relay));
	assert_true(written < 2u << 20); /* the buffers of two pipes, and ours */
	relay_free(relay);
	loop_free(loop);
	close(from[1]);
	close(to[0]);
}

static void adopting_a_pipe_leaves_the_callers_flags_alone(void **state)
{
	int ends[2], ours;

	make_pipe(ends);
	ours = relay_adopt(ends[0], false);
	assert_true(ours >= 0);
	assert_int_equal(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(ours, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	close(ours);
	close(ends[0]);
	close(ends[1]);
}

static void a_fifo_without_a_reader_is_adopted_as_it_is(void **state)
{
	int ends[2], ours;

	make_pipe(ends);
	close(ends[0]);
	ours = relay_adopt(ends[1], true);
	assert_true(ours >= 0);
	close(ours);
	close(ends[1]);
}

static int ignore_sigpipe(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_and_the_end_pass_from_pipe_to_socket),
		cmocka_unit_test(every_byte_and_the_end_pass_from_socket_to_blocking_pipe),
		cmocka_unit_test(a_reader_that_goes_away_ends_the_writer),
		cmocka_unit_test(an_idle_relay_notices_that_its_reader_went_away),
		cmocka_unit_test(a_file_and_dev_null_work_though_epoll_knows_neither),
		cmocka_unit_test(a_slow_reader_holds_the_writer_back),
		cmocka_unit_test(adopting_a_pipe_leaves_the_callers_flags_alone),
		cmocka_unit_test(a_fifo_without_a_reader_is_adopted_as_it_is),
	};

	return cmocka_run_group_tests(tests, ignore_sigpipe, NULL);
}
