/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup.h"
#include "tests/unit/engine/boxed.h"

/* The start gate, terminals, a caller that dies, and processes that enter a running container. */

#define TIMEOUT_MS 10000

/* A container that sleeps behind its start gate or runs already, and what it prints. */
struct live {
	struct oci_config *config;
	struct engine_container c;
	int gate; /* eventfd, or -1 */
	int out;
	pid_t pid;
	int pidfd;
};

static void live_new(const struct wish *wish, bool has_gate, struct live *ret)
{
	struct error err = ERROR_INIT;
	int fds[2];

	ret->config = box_config(box, wish);
	ret->gate = has_gate ? eventfd(0, EFD_CLOEXEC) : -1;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	box_container(box, ret->config, &ret->c);
	ret->c.stdio[1] = ret->c.stdio[2] = fds[1];
	ret->c.start_fd = ret->gate;
	if (engine_create(&ret->c, &ret->pid, &err) < 0)
		fail_msg("%s", err.msg);
	close(fds[1]);
	ret->out = fds[0];
	ret->pidfd = pidfd_open(ret->pid, 0);
	assert_true(ret->pidfd >= 0);
}

static void live_end(struct live *live)
{
	kill_reap_pid(&live->pid);
	close(live->pidfd);
	close(live->out);
	close_fdp(&live->gate);
	oci_config_free(live->config);
}

static void open_gate(const struct live *live)
{
	uint64_t one = 1;

	assert_int_equal(write(live->gate, &one, sizeof(one)), sizeof(one));
}

static bool has_output(const struct live *live, int timeout_ms)
{
	struct pollfd p = { .fd = live->out, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1 && p.revents & POLLIN;
}

static void read_line(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size - 1 && read(fd, buf + len, 1) == 1)
		if (buf[len++] == '\n')
			break;
	buf[len] = '\0';
}

static const struct wish sleeper = { .script = "echo up; exec sleep 1000" };

static void it_waits_at_the_gate_until_it_is_started(void **state)
{
	const struct wish wish = { .script = "echo started; exit 5" };
	struct live live;
	char out[64];

	if (!box)
		skip();
	live_new(&wish, true, &live);
	assert_false(has_output(&live, 100));
	open_gate(&live);
	read_to_end(live.out, out, sizeof(out));
	assert_string_equal(out, "started\n");
	assert_int_equal(wait_status(live.pid), 5);
	live.pid = 0;
	live_end(&live);
}

/* How `start` knows that the program runs: nobody reads the gate any more. */
static void a_fifo_hangs_up_when_the_program_runs(void **state)
{
	struct engine_container c;
	struct error err = ERROR_INIT;
	cleanup_oci_config struct oci_config *config = NULL;
	cleanup_free char *path = NULL;
	struct pollfd p = { .fd = -1, .events = 0 };
	int fifo;
	pid_t pid;

	if (!box)
		skip();
	path = box_path(box, "fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	fifo = open(path, O_RDWR | O_CLOEXEC);
	config = box_config(box, &sleeper);
	box_container(box, config, &c);
	c.stdio[1] = fifo; /* only so that its output goes nowhere */
	c.stdio[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
	c.start_fd = fifo;
	assert_int_equal(engine_create(&c, &pid, &err), 0);
	close(c.stdio[1]);
	close(fifo);
	p.fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(p.fd >= 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(write(p.fd, "0", 1), 1);
	assert_int_equal(poll(&p, 1, TIMEOUT_MS), 1);
	assert_true(p.revents & POLLERR);
	assert_int_equal(kill(pid, 0), 0);
	close(p.fd);
	kill_reap_pid(&pid);
}

static void a_missing_program_is_reported_before_the_gate(void **state)
{
	const struct wish wish = { .args = "[\"/nope\"]" };
	struct engine_container c;
	struct error err = ERROR_INIT;
	cleanup_oci_config struct oci_config *config = NULL;
	cleanup_fd int gate = eventfd(0, EFD_CLOEXEC);
	pid_t pid;

	if (!box)
		skip();
	config = box_config(box, &wish);
	box_container(box, config, &c);
	c.start_fd = gate;
	assert_int_equal(engine_create(&c, &pid, &err), -ENOENT);
	assert_string_equal(err.msg, "exec: \"/nope\": stat /nope: no such file or directory");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static int refuse_pid(void *ctx, pid_t pid, struct error *err)
{
	*(pid_t *)ctx = pid;
	return error_set(err, -ENOSPC, "cannot record it");
}

static void a_pid_that_cannot_be_recorded_ends_init(void **state)
{
	struct engine_container c;
	struct error err = ERROR_INIT;
	cleanup_oci_config struct oci_config *config = NULL;
	pid_t told = 0, pid;

	if (!box)
		skip();
	config = box_config(box, &sleeper);
	box_container(box, config, &c);
	c.on_pid = refuse_pid;
	c.ctx = &told;
	assert_int_equal(engine_create(&c, &pid, &err), -ENOSPC);
	assert_string_equal(err.msg, "cannot record it");
	assert_true(told > 0);
	assert_int_equal(kill(told, 0), -1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static int tell_and_die(void *ctx, pid_t pid, struct error *err)
{
	int fd = *(int *)ctx;

	if (write(fd, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	raise(SIGKILL);
	return 0;
}

static int tell_and_wait(void *ctx, pid_t pid, struct error *err)
{
	int fd = *(int *)ctx;

	if (write(fd, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	pause();
	return 0;
}

/* Runs engine_create() in a process of its own; gives its pid and init's. */
static pid_t create_in_child(int (*on_pid)(void *, pid_t, struct error *), pid_t *ret_init)
{
	struct engine_container c;
	struct error err = ERROR_INIT;
	struct oci_config *config = box_config(box, &sleeper);
	int fds[2];
	pid_t caller;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	caller = fork();
	assert_true(caller >= 0);
	if (caller == 0) {
		pid_t pid;

		box_container(box, config, &c);
		c.on_pid = on_pid;
		c.ctx = &fds[1];
		(void)engine_create(&c, &pid, &err);
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], ret_init, sizeof(*ret_init)), sizeof(*ret_init));
	close(fds[0]);
	oci_config_free(config);
	return caller;
}

/* Init becomes our child when its parent dies, so that its end can be waited for. */
static void expect_death(pid_t init)
{
	int pidfd = pidfd_open(init, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	if (pidfd >= 0) {
		assert_int_equal(poll(&p, 1, TIMEOUT_MS), 1);
		close(pidfd);
		(void)waitpid(init, NULL, 0);
	}
	assert_int_equal(kill(init, 0), -1);
}

static void a_caller_that_dies_takes_init_with_it(void **state)
{
	pid_t caller, init;

	if (!box)
		skip();
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	caller = create_in_child(tell_and_die, &init);
	assert_int_equal(wait_status(caller), 128 + SIGKILL);
	expect_death(init);

	caller = create_in_child(tell_and_wait, &init);
	kill_reap_pid(&caller);
	expect_death(init);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
}

static void an_init_that_is_killed_is_not_a_success(void **state)
{
	struct error err = ERROR_INIT;
	struct engine_container c;
	cleanup_oci_config struct oci_config *config = NULL;
	const struct wish wish = { .script = "true",
				   .top = "\"hooks\":{\"createRuntime\":[{\"path\":\"/bin/sh\","
					  "\"args\":[\"sh\",\"-c\",\"kill -9 $(sed "
					  "'s/.*.pid.: *\\\\([0-9]*\\\\).*/\\\\1/')\"]}]}" };
	pid_t pid;
	int r;

	if (!box)
		skip();
	config = box_config(box, &wish);
	box_container(box, config, &c);
	r = engine_create(&c, &pid, &err);
	assert_true(r < 0);
	assert_non_null(strstr(err.msg, "init died before '"));
}

/* Terminals. */

static int receive_master(int sock, char *name, size_t size)
{
	size_t count = 1;
	int fd = -1;
	ssize_t n = recv_fds(sock, name, size - 1, &fd, &count);

	assert_true(n > 0);
	name[n] = '\0';
	assert_int_equal(count, 1);
	return fd;
}

static void its_terminal_comes_over_the_console_socket(void **state)
{
	const struct wish wish = { .script =
					   "tty; stty size; echo a; test -c /dev/console && echo c",
				   .process = "\"terminal\":true,\"consoleSize\":"
					      "{\"height\":33,\"width\":44}" };
	struct engine_container c;
	struct error err = ERROR_INIT;
	cleanup_oci_config struct oci_config *config = NULL;
	char out[256], name[64];
	int socks[2], master;
	pid_t pid;

	if (!box)
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	config = box_config(box, &wish);
	box_container(box, config, &c);
	c.console_socket = socks[1];
	if (engine_create(&c, &pid, &err) < 0)
		fail_msg("%s", err.msg);
	master = receive_master(socks[0], name, sizeof(name));
	read_to_end(master, out, sizeof(out));
	close(master);
	close(socks[0]);
	close(socks[1]);
	assert_int_equal(wait_status(pid), 0);
	assert_string_equal(name, "/dev/pts/0");
	assert_string_equal(out, "/dev/pts/0\r\n33 44\r\na\r\nc\r\n");
}

static void a_terminal_without_a_socket_is_refused(void **state)
{
	const struct wish wish = { .script = "true", .process = "\"terminal\":true" };
	struct outcome got;

	if (!box)
		skip();
	box_run(box, &wish, &got);
	assert_string_equal(got.error, "process.terminal: there is no console socket");
}

static void a_terminal_without_a_devpts_is_refused(void **state)
{
	const struct wish wish = { .script = "true",
				   .process = "\"terminal\":true",
				   .all_mounts = "{\"destination\":\"/proc\",\"type\":\"proc\"}" };
	struct engine_container c;
	struct error err = ERROR_INIT;
	cleanup_oci_config struct oci_config *config = NULL;
	int socks[2];
	pid_t pid;

	if (!box)
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	config = box_config(box, &wish);
	box_container(box, config, &c);
	c.console_socket = socks[1];
	assert_int_equal(engine_create(&c, &pid, &err), -ENOENT);
	assert_string_equal(err.msg, "process.terminal: the container has no devpts on '/dev/pts'");
	close(socks[0]);
	close(socks[1]);
}

/* Entering. */

static struct oci_process *process_for(const struct live *live, const char *script)
{
	struct oci_process *process = oci_process_copy(live->config->process);

	strv_free(process->args);
	process->args = NULL;
	strv_push(&process->args, xstrdup("sh"));
	strv_push(&process->args, xstrdup("-c"));
	strv_push(&process->args, xstrdup(script));
	return process;
}

static int enter(const struct live *live, const struct oci_process *process, char *out, size_t size,
		 struct error *err)
{
	struct engine_exec e = {
		.init_pid = live->pid,
		.init_pidfd = live->pidfd,
		.config = live->config,
		.process = process,
		.console_socket = -1,
	};
	int fds[2], r;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	e.stdio[1] = e.stdio[2] = fds[1];
	r = engine_exec(&e, &pid, err);
	close(fds[1]);
	read_to_end(fds[0], out, size);
	close(fds[0]);
	return r < 0 ? r : wait_status(pid);
}

static void enter_script(const struct live *live, const char *script, char *out, size_t size)
{
	cleanup_oci_process struct oci_process *process = process_for(live, script);
	struct error err = ERROR_INIT;

	if (enter(live, process, out, size, &err) < 0)
		fail_msg("%s", err.msg);
}

static void a_process_enters_all_namespaces(void **state)
{
	const char *script =
		"for n in pid mnt uts ipc net cgroup; do readlink /proc/self/ns/$n; done";
	const struct wish wish = {
		.script =
			"for n in pid mnt uts ipc net cgroup; do readlink /proc/self/ns/$n; done; "
			"echo .; sleep 1000",
		.namespaces = "{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"uts\"},"
			      "{\"type\":\"ipc\"},{\"type\":\"network\"},{\"type\":\"cgroup\"}",
	};
	char first[1024] = "", second[1024], line[128];
	struct live live;

	if (!box)
		skip();
	live_new(&wish, false, &live);
	for (;;) {
		read_line(live.out, line, sizeof(line));
		if (streq(line, ".\n") || !*line)
			break;
		assert_true(strlen(first) + strlen(line) < sizeof(first));
		memcpy(first + strlen(first), line, strlen(line) + 1);
	}
	enter_script(&live, script, second, sizeof(second));
	assert_string_equal(first, second);
	live_end(&live);
}

static void a_process_enters_a_container_without_namespaces(void **state)
{
	const struct wish wish = { .script = "echo up; exec sleep 1000",
				   .namespaces = "{\"type\":\"ipc\"}",
				   .all_mounts = "" };
	struct live live;
	char out[256];
	pid_t pid;

	if (!box)
		skip();
	/* Mounts of a container without a mount namespace stay, so this has one around it. */
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(1);
		live_new(&wish, false, &live);
		enter_script(&live, "ls -d /bin /home; test -d /usr || echo inside", out,
			     sizeof(out));
		kill_reap_pid(&live.pid);
		_exit(streq(out, "/bin\n/home\ninside\n") ? 0 : 2);
	}
	assert_int_equal(wait_status(pid), 0);
}

static void a_process_gets_the_filter_and_the_rights_of_the_container(void **state)
{
	const struct wish wish = {
		.script = "echo up; exec sleep 1000",
		.process = "\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"effective\":"
			   "[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"]}",
		.linux_ = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":"
			  "[{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\"}]}",
	};
	struct live live;
	char out[512];

	if (!box)
		skip();
	live_new(&wish, false, &live);
	enter_script(&live, "grep -e CapBnd -e CapEff -e Seccomp: /proc/self/status", out,
		     sizeof(out));
	assert_string_equal(out, "CapEff:\t0000000000000020\nCapBnd:\t0000000000000020\n"
				 "Seccomp:\t2\n");
	live_end(&live);
}

static void entering_shows_no_descriptor_of_ours(void **state)
{
	cleanup_fd int leaked = open("/", O_PATH | O_DIRECTORY); /* without O_CLOEXEC */
	struct live live;
	char out[512];

	if (!box)
		skip();
	assert_true(leaked >= 0);
	live_new(&sleeper, false, &live);
	enter_script(&live, "ls /proc/$$/fd; true", out, sizeof(out));
	assert_string_equal(out, "0\n1\n2\n");
	live_end(&live);
}

static void a_missing_program_is_the_error_of_entering(void **state)
{
	struct error err = ERROR_INIT;
	struct oci_process *process;
	struct live live;
	char out[64];

	if (!box)
		skip();
	live_new(&sleeper, false, &live);
	process = process_for(&live, "");
	free(process->args[0]);
	process->args[0] = xstrdup("nonexist");
	assert_int_equal(enter(&live, process, out, sizeof(out), &err), -ENOENT);
	assert_string_equal(err.msg, "exec: \"nonexist\": executable file not found in $PATH");
	oci_process_free(process);
	live_end(&live);
}

static void a_container_that_is_gone_cannot_be_entered(void **state)
{
	struct error err = ERROR_INIT;
	cleanup_oci_process struct oci_process *process = NULL;
	struct live live;
	char out[64];

	if (!box)
		skip();
	live_new(&sleeper, false, &live);
	process = process_for(&live, "true");
	kill_reap_pid(&live.pid);
	assert_true(enter(&live, process, out, sizeof(out), &err) < 0);
	live_end(&live);
}

static void a_created_container_can_be_entered(void **state)
{
	struct live live;
	char out[64];

	if (!box)
		skip();
	live_new(&sleeper, true, &live);
	enter_script(&live, "echo in", out, sizeof(out));
	assert_string_equal(out, "in\n");
	live_end(&live);
}

static void a_process_can_have_a_terminal_of_its_own(void **state)
{
	cleanup_oci_process struct oci_process *process = NULL;
	struct engine_exec e = { 0 };
	struct error err = ERROR_INIT;
	struct live live;
	char out[128], name[64];
	int socks[2], master;
	pid_t pid;

	if (!box)
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	live_new(&sleeper, false, &live);
	process = process_for(&live, "tty; exec <&-; (echo x > /dev/tty)");
	process->terminal = true;
	e = (struct engine_exec){
		.init_pid = live.pid,
		.init_pidfd = live.pidfd,
		.config = live.config,
		.process = process,
		.console_socket = socks[1],
	};
	if (engine_exec(&e, &pid, &err) < 0)
		fail_msg("%s", err.msg);
	master = receive_master(socks[0], name, sizeof(name));
	read_to_end(master, out, sizeof(out));
	assert_string_equal(out, "/dev/pts/0\r\nx\r\n");
	assert_int_equal(wait_status(pid), 0);
	close(master);
	close(socks[0]);
	close(socks[1]);
	live_end(&live);
}

/* Its own cgroup is the root of its cgroup namespace, and whoever enters is in it too. */
static void it_and_those_who_enter_are_in_its_cgroup(void **state)
{
	const struct wish wish = { .script = "grep -c :/$ /proc/self/cgroup; grep -vc :/$ "
					     "/proc/self/cgroup; exec sleep 1000",
				   .namespaces = "{\"type\":\"pid\"},{\"type\":\"mount\"},"
						 "{\"type\":\"cgroup\"}" };
	cleanup_free char *path = NULL;
	cleanup_oci_process struct oci_process *process = NULL;
	struct engine_exec e;
	struct error err = ERROR_INIT;
	struct cgroup *cg = NULL;
	struct live live = { .gate = -1 };
	cleanup_free pid_t *pids = NULL;
	size_t count = 0;
	int fds[2];
	char out[64];
	pid_t pid;

	if (!box)
		skip();
	path = xasprintf("/moat-test-%d", (int)getpid());
	if (cgroup_open(path, &cg, &err) < 0 || cgroup_create(cg, &err) < 0) {
		print_message("skipped: %s\n", err.msg);
		cgroup_free(cg);
		skip();
	}
	live.config = box_config(box, &wish);
	box_container(box, live.config, &live.c);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	live.c.stdio[1] = live.c.stdio[2] = fds[1];
	live.c.cgroup = cg;
	if (engine_create(&live.c, &live.pid, &err) < 0)
		fail_msg("%s", err.msg);
	live.out = fds[0];
	live.pidfd = pidfd_open(live.pid, 0);
	read_line(fds[0], out, sizeof(out));
	assert_int_not_equal(*out, '0');
	read_line(fds[0], out, sizeof(out));
	assert_string_equal(out, "0\n");

	process = process_for(&live, "exec sleep 1000");
	e = (struct engine_exec){
		.init_pid = live.pid,
		.init_pidfd = live.pidfd,
		.config = live.config,
		.process = process,
		.cgroup = cg,
		.stdio = { 0, fds[1], fds[1] },
		.console_socket = -1,
	};
	assert_int_equal(engine_exec(&e, &pid, &err), 0);
	close(fds[1]);
	assert_int_equal(cgroup_pids(cg, &pids, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_true((pids[0] == live.pid && pids[1] == pid) ||
		    (pids[1] == live.pid && pids[0] == pid));
	kill_reap_pid(&pid);
	live_end(&live);
	assert_int_equal(cgroup_remove(cg, TIMEOUT_MS, &err), 0);
	cgroup_free(cg);
}

/* A pid namespace by path needs the helper; init stays our own child all the same. */
static void a_pid_namespace_can_be_joined_by_path(void **state)
{
	cleanup_free char *namespaces = NULL;
	struct live first, second;
	char out[128];

	if (!box)
		skip();
	live_new(&sleeper, false, &first);
	namespaces =
		xasprintf("{\"type\":\"mount\"},{\"type\":\"pid\",\"path\":\"/proc/%d/ns/pid\"}",
			  (int)first.pid);
	live_new(&(struct wish){ .script = "cat /proc/1/cmdline; echo; exec sleep 1000",
				 .namespaces = namespaces },
		 false, &second);
	read_line(second.out, out, sizeof(out));
	assert_string_equal(out, "sleep");
	kill_reap_pid(&second.pid);
	live_end(&second);
	live_end(&first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(it_waits_at_the_gate_until_it_is_started),
		BOXED(a_fifo_hangs_up_when_the_program_runs),
		BOXED(a_missing_program_is_reported_before_the_gate),
		BOXED(a_pid_that_cannot_be_recorded_ends_init),
		BOXED(a_caller_that_dies_takes_init_with_it),
		BOXED(an_init_that_is_killed_is_not_a_success),
		BOXED(its_terminal_comes_over_the_console_socket),
		BOXED(a_terminal_without_a_socket_is_refused),
		BOXED(a_terminal_without_a_devpts_is_refused),
		BOXED(a_process_enters_all_namespaces),
		BOXED(a_process_enters_a_container_without_namespaces),
		BOXED(a_process_gets_the_filter_and_the_rights_of_the_container),
		BOXED(entering_shows_no_descriptor_of_ours),
		BOXED(a_missing_program_is_the_error_of_entering),
		BOXED(a_container_that_is_gone_cannot_be_entered),
		BOXED(a_created_container_can_be_entered),
		BOXED(a_process_can_have_a_terminal_of_its_own),
		BOXED(it_and_those_who_enter_are_in_its_cgroup),
		BOXED(a_pid_namespace_can_be_joined_by_path),
	};

	return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
