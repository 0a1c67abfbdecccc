/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/container/console.h"
#include "lib/container/foreground.h"
#include "tests/unit/container/fixture.h"

/*
 * Each test runs a "moat" of its own: a process that makes a child, as a backend would, and stands
 * for it. Its standard input and output are pipes of ours.
 */
struct session {
	pid_t pid;
	int input;
	int output;
};

typedef void (*child_fn)(void);

static int make_terminal(int *ret_slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	int unlocked = 0;

	assert_true(master >= 0);
	assert_int_equal(ioctl(master, TIOCSPTLCK, &unlocked), 0);
	*ret_slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(*ret_slave >= 0);
	return master;
}

static void run_child(child_fn fn, int slave)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (slave >= 0) {
		ioctl(slave, TIOCSCTTY, 0);
		dup2(slave, 0);
		dup2(slave, 1);
		dup2(slave, 2);
	}
	fn();
	_exit(99);
}

static void stand_for(child_fn fn, bool has_terminal)
{
	struct console_request request = { .has_terminal = has_terminal, .socket_fd = -1 };
	struct console console = CONSOLE_INIT;
	struct foreground *foreground = NULL;
	struct error err = ERROR_INIT;
	int slave = -1, status = -1;
	pid_t pid;

	if (foreground_begin(true, &err) < 0 || console_open(&request, &console, &err) < 0)
		_exit(90);
	if (has_terminal) {
		int master = make_terminal(&slave);

		send_fds(console.container_end, "x", 1, &master, 1);
		close(master);
	}
	pid = fork();
	if (pid == 0)
		run_child(fn, slave);
	close_fdp(&slave);
	if (foreground_new(pid, &console, &foreground, &err) < 0 ||
	    foreground_wait(foreground, &status, &err) < 0)
		_exit(91);
	foreground_free(foreground);
	_exit(status);
}

static struct session begin(child_fn fn, bool has_terminal)
{
	struct session s;
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	s.pid = fork();
	if (s.pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close_all_but(3, NULL, 0);
		stand_for(fn, has_terminal);
	}
	close(in[0]);
	close(out[1]);
	s.input = in[1];
	s.output = out[0];
	return s;
}

/* The exit status; *ret_output: everything that came out. */
static int end(struct session *s, char **ret_output)
{
	struct strbuf text = STRBUF_INIT;
	char buf[4096];
	ssize_t n;
	int status;

	while ((n = read(s->output, buf, sizeof(buf))) > 0)
		strbuf_add(&text, buf, (size_t)n);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	assert_true(WIFEXITED(status));
	close_fdp(&s->output);
	close_fdp(&s->input);
	if (ret_output)
		*ret_output = strbuf_steal(&text);
	else
		strbuf_done(&text);
	return WEXITSTATUS(status);
}

static void wait_for_byte(const struct session *s)
{
	char c;

	assert_int_equal(read_exact(s->output, &c, 1), 0);
}

static void exit_42(void)
{
	_exit(42);
}

static void kill_self(void)
{
	raise(SIGKILL);
}

static void wait_for_term(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	(void)!write(1, "r", 1);
	sigwait(&set, &sig);
	_exit(sig);
}

static void leave_orphan(void)
{
	if (fork() == 0 && fork() == 0)
		_exit(0);
	_exit(3);
}

static void write_much(void)
{
	char block[1000];

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 500; i++)
		(void)!write(1, block, sizeof(block));
	_exit(0);
}

static void echo_line(void)
{
	char line[64];
	ssize_t n = read(0, line, sizeof(line));

	dprintf(1, "got %zd", n);
	n = read(0, line, sizeof(line));
	dprintf(1, " then %zd", n);
	_exit(0);
}

/* Closes the terminal everywhere, and opens it again later. */
static void reopen(void)
{
	char name[64];

	snprintf(name, sizeof(name), "%s", ttyname(0));
	signal(SIGHUP, SIG_IGN);
	close(0);
	close(1);
	close(2);
	poll(NULL, 0, 50);
	if (open(name, O_RDWR | O_NOCTTY) == 0)
		dprintf(0, "back");
	_exit(0);
}

static void test_the_exit_status_is_the_childs(void **state)
{
	struct session s = begin(exit_42, false);

	assert_int_equal(end(&s, NULL), 42);
}

static void test_a_signal_gives_128_and_its_number(void **state)
{
	struct session s = begin(kill_self, false);

	assert_int_equal(end(&s, NULL), 137);
}

static void test_signals_are_forwarded(void **state)
{
	struct session s = begin(wait_for_term, false);

	wait_for_byte(&s);
	kill(s.pid, SIGUSR1);
	assert_int_equal(end(&s, NULL), SIGUSR1);
}

static void test_orphans_do_not_confuse(void **state)
{
	struct session s = begin(leave_orphan, false);

	assert_int_equal(end(&s, NULL), 3);
}

static void test_all_output_arrives_before_the_end(void **state)
{
	struct session s = begin(write_much, true);
	char *output;

	assert_int_equal(end(&s, &output), 0);
	assert_int_equal(strlen(output), 500 * 1000);
	free(output);
}

static void test_input_and_its_end_reach_the_terminal(void **state)
{
	struct session s = begin(echo_line, true);
	char *output;

	assert_int_equal(write_all(s.input, "hello\n", 6), 0);
	close_fdp(&s.input);
	assert_int_equal(end(&s, &output), 0);
	assert_non_null(strstr(output, "got 6 then 0"));
	free(output);
}

static void test_a_terminal_that_nobody_holds_open_does_not_hang_up(void **state)
{
	struct session s = begin(reopen, true);
	char *output;

	assert_int_equal(end(&s, &output), 0);
	assert_string_equal(output, "back");
	free(output);
}

static void test_a_terminal_and_a_console_socket_belong_together(void **state)
{
	struct console_request request = { .has_terminal = true,
					   .is_detached = true,
					   .socket_fd = -1 };
	struct console console = CONSOLE_INIT;
	struct error err = ERROR_INIT;

	assert_true(console_open(&request, &console, &err) < 0);
	assert_non_null(strstr(err.msg, "cannot allocate tty"));
	request = (struct console_request){ .socket_path = "/s",
					    .is_detached = true,
					    .socket_fd = -1 };
	assert_true(console_open(&request, &console, &err) < 0);
	assert_non_null(strstr(err.msg, "cannot use console socket"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_exit_status_is_the_childs),
		cmocka_unit_test(test_a_signal_gives_128_and_its_number),
		cmocka_unit_test(test_signals_are_forwarded),
		cmocka_unit_test(test_orphans_do_not_confuse),
		cmocka_unit_test(test_all_output_arrives_before_the_end),
		cmocka_unit_test(test_input_and_its_end_reach_the_terminal),
		cmocka_unit_test(test_a_terminal_that_nobody_holds_open_does_not_hang_up),
		cmocka_unit_test(test_a_terminal_and_a_console_socket_belong_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
