/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/engine/sync.h"

static struct sync caller, child;

static int set_up(void **state)
{
	int fd;

	if (sync_pair(&caller, &fd, NULL) < 0)
		return -1;
	child = (struct sync){ .fd = fd, .peer = "caller" };
	return 0;
}

static int tear_down(void **state)
{
	sync_close(&caller);
	sync_close(&child);
	return 0;
}

static void messages_arrive_by_name(void **state)
{
	pid_t pid = 0;

	assert_int_equal(sync_send_number(&child, SYNC_CHILD, 42, NULL), 0);
	assert_int_equal(sync_wait_number(&caller, SYNC_CHILD, &pid, NULL), 0);
	assert_int_equal(pid, 42);
	assert_int_equal(sync_send(&child, SYNC_READY, NULL), 0);
	assert_int_equal(sync_wait(&caller, SYNC_READY, NULL), 0);
}

static void another_message_than_the_one_waited_for_is_an_error(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(sync_send(&child, SYNC_HOOKS_DUE, NULL), 0);
	assert_int_equal(sync_wait(&caller, SYNC_READY, &err), -EPROTO);
	assert_string_equal(err.msg, "init sent 'hooks-due' instead of 'ready'");
}

static void a_death_is_never_taken_for_a_message(void **state)
{
	struct error err = ERROR_INIT;

	sync_close(&child);
	assert_int_equal(sync_wait(&caller, SYNC_READY, &err), -EPIPE);
	assert_string_equal(err.msg, "init died before 'ready'");
	assert_int_equal(sync_send(&caller, SYNC_HOOKS_RUN, &err), -EPIPE);
	assert_string_equal(err.msg, "init died before 'hooks-run' could be sent");
}

static void an_error_arrives_as_it_was(void **state)
{
	struct error sent = ERROR_INIT, err = ERROR_INIT;

	error_set(&sent, -ENOENT, "exec: \"x\":\nnot\x1b[31m there");
	sync_send_failure(&child, &sent);
	assert_int_equal(sync_wait(&caller, SYNC_READY, &err), -ENOENT);
	assert_string_equal(err.msg, "exec: \"x\": not?[31m there");
}

/* The peer's last words are behind the kernel's own ECONNRESET then. */
static void an_error_is_heard_though_our_own_messages_were_not(void **state)
{
	struct error sent = ERROR_INIT, err = ERROR_INIT;

	assert_int_equal(sync_send(&caller, SYNC_HOOKS_RUN, NULL), 0);
	error_set(&sent, -EROFS, "why");
	sync_send_failure(&child, &sent);
	sync_close(&child);
	assert_int_equal(sync_wait(&caller, SYNC_READY, &err), -EROFS);
	assert_string_equal(err.msg, "why");
}

static void an_error_is_heard_by_whoever_sends_too_late(void **state)
{
	struct error sent = ERROR_INIT, err = ERROR_INIT;

	error_set(&sent, -EROFS, "why");
	sync_send_failure(&child, &sent);
	sync_close(&child);
	assert_int_equal(sync_send(&caller, SYNC_HOOKS_RUN, &err), -EROFS);
	assert_string_equal(err.msg, "why");
}

static void descriptors_travel_with_their_message(void **state)
{
	int fds[2], got = -1;
	char byte;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(sync_send_fd(&caller, SYNC_FILTER, fds[0], NULL), 0);
	assert_int_equal(sync_wait_fd(&child, SYNC_FILTER, &got, NULL), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(read(got, &byte, 1), 1);
	assert_int_equal(fcntl(got, F_GETFD), FD_CLOEXEC);
	close(fds[0]);
	close(fds[1]);
	close(got);
}

static void a_message_without_its_descriptor_is_an_error(void **state)
{
	struct error err = ERROR_INIT;
	int got = -1;

	assert_int_equal(sync_send(&caller, SYNC_FILTER, NULL), 0);
	assert_int_equal(sync_wait_fd(&child, SYNC_FILTER, &got, &err), -EPROTO);
	assert_int_equal(got, -1);
}

static void the_end_after_ready_means_executed(void **state)
{
	struct error sent = ERROR_INIT, err = ERROR_INIT;

	error_set(&sent, -ENOEXEC, "exec /x: Exec format error");
	sync_send_failure(&child, &sent);
	assert_int_equal(sync_wait_exec(&caller, &err), -ENOEXEC);
	sync_close(&child);
	assert_int_equal(sync_wait_exec(&caller, &err), 0);
}

static void truncated_and_foreign_bytes_are_errors(void **state)
{
	static const char *const bytes[] = { "x", "xxxxxxxx", "\0\0\0\0xxxx",
					     "\0\0\0\0xxxx\1\0\0\0y" };
	static const size_t sizes[] = { 1, 8, 8, 13 };

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(send(child.fd, bytes[i], sizes[i], 0), sizes[i]);
		assert_int_equal(sync_wait(&caller, SYNC_READY, NULL), -EPROTO);
	}
}

#define PAIRED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIRED(messages_arrive_by_name),
		PAIRED(another_message_than_the_one_waited_for_is_an_error),
		PAIRED(a_death_is_never_taken_for_a_message),
		PAIRED(an_error_arrives_as_it_was),
		PAIRED(an_error_is_heard_though_our_own_messages_were_not),
		PAIRED(an_error_is_heard_by_whoever_sends_too_late),
		PAIRED(descriptors_travel_with_their_message),
		PAIRED(a_message_without_its_descriptor_is_an_error),
		PAIRED(the_end_after_ready_means_executed),
		PAIRED(truncated_and_foreign_bytes_are_errors),
	};

	return cmocka_run_group_tests_name("sync", tests, NULL, NULL);
}
