/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/hypervisor-internal.h"
#include "hypervisor/jail.h"
#include "hypervisor/lend.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

static void await_end(const struct hv_vm *vm)
{
	struct pollfd pfd = { .fd = vm->pidfd, .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, 10000), 1);
}

/* Runs how.argv in the way of @how and gives what it printed. */
static char *run_argv(struct hv_spawn how)
{
	cleanup_fd int read_fd = -1, write_fd = -1;
	struct hv_vm vm = { 0 };
	struct error err = ERROR_INIT;
	char *text = xcalloc(1, 4096);
	ssize_t n;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	read_fd = ends[0];
	write_fd = ends[1];
	how.out_fd = how.log_fd = write_fd;
	if (hv_spawn_as(&how, &vm, &err) < 0)
		fail_msg("%s", err.msg);
	await_end(&vm);
	hv_stop(&vm);
	close_fdp(&write_fd);
	n = read(read_fd, text, 4095);
	assert_true(n >= 0);
	return text;
}

static char *run_as(const char *program, struct hv_spawn how)
{
	char *const argv[] = { (char *)program, NULL };

	how.argv = argv;
	return run_argv(how);
}

static char *run_script_as(const char *script, struct hv_spawn how)
{
	char *const argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)script, NULL };

	how.argv = argv;
	return run_argv(how);
}

static char *run_script(const char *script, const int *fds, size_t count)
{
	return run_script_as(script, (struct hv_spawn){ .fds = fds, .fds_count = count });
}

static void only_the_given_descriptors_are_inherited(void **state)
{
	cleanup_fd int wanted = fcntl(0, F_DUPFD_CLOEXEC, 50);
	cleanup_fd int leaked = fcntl(0, F_DUPFD, 60);
	cleanup_free char *text = NULL;

	assert_true(wanted >= 50 && leaked >= 60);
	text = run_script("cd /proc/self/fd && echo [0-9]*", &wanted, 1);
	/* 3: the shell's own, if it has the directory open. */
	assert_non_null(strstr(text, "0 1 2 "));
	assert_non_null(strstr(text, "50"));
	assert_null(strstr(text, "60"));
}

static void signals_and_rights_start_afresh(void **state)
{
	cleanup_free char *text = NULL;
	sigset_t blocked, old;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &old), 0);
	assert_true(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
	/* By grep itself: a shell blocks signals for the moment in which it forks. */
	text = run_script("ulimit -c; exec grep -E '^(SigBlk|SigIgn|NoNewPrivs)' /proc/self/status",
			  NULL, 0);
	(void)signal(SIGUSR1, SIG_DFL);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	assert_string_equal(text, "0\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
				  "NoNewPrivs:\t1\n");
}

static void nothing_of_the_environment_is_inherited(void **state)
{
	cleanup_free char *text = NULL;

	assert_int_equal(setenv("MOAT_TEST_SECRET", "s3cret", 1), 0);
	/* As it was before the shell added its own. */
	text = run_script("tr '\\0' '|' </proc/self/environ; echo end", NULL, 0);
	assert_string_equal(text, "end\n");
}

struct looking {
	const char *secret;
	int fd;
};

static int look(void *ctx, struct error *err)
{
	const struct looking *l = ctx;

	(void)err;
	return write_all(l->fd, *l->secret || getenv("MOAT_TEST_SECRET") ? "has" : "not", 3);
}

static void leave(void *ctx)
{
	(void)ctx;
	_exit(0);
}

static void a_copy_of_this_process_forgets_the_environment(void **state)
{
	cleanup_fd int read_fd = -1, write_fd = -1;
	struct looking looking = { 0 };
	const struct hv_fork how = { "copy", look, leave, &looking };
	struct hv_vm vm = { 0 };
	char text[4] = "";
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	read_fd = ends[0];
	looking.fd = write_fd = ends[1];
	assert_int_equal(setenv("MOAT_TEST_SECRET", "s3cret", 1), 0);
	looking.secret = getenv("MOAT_TEST_SECRET");
	assert_int_equal(hv_fork(&how, &write_fd, 1, 2, &vm, NULL), 0);
	assert_int_equal(read_exact(read_fd, text, 3), 0);
	assert_string_equal(text, "not");
	assert_string_equal(looking.secret, "s3cret");
	await_end(&vm);
	hv_stop(&vm);
}

static void a_program_that_cannot_run_is_an_error(void **state)
{
	char *const argv[] = { (char *)"/nonexistent/vmm", NULL };
	struct hv_vm vm = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(hv_spawn(argv, NULL, 0, 2, &vm, &err), -ENOENT);
	assert_string_equal(err.msg, "execute '/nonexistent/vmm': No such file or directory");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void who_is_to_have_no_rights_has_none(void **state)
{
	static const char script[] = "exec grep -E '^Cap' /proc/self/status";
	cleanup_free char *none = run_script_as(script, (struct hv_spawn){ .has_no_rights = true });
	const char *bounding = strstr(none, "CapBnd:\t");

	assert_non_null(strstr(none, "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
				     "CapEff:\t0000000000000000\n"));
	assert_non_null(bounding);
	if (geteuid() == 0) /* others cannot take anything from it, nor make use of it */
		assert_true(str_after(bounding, "CapBnd:\t0000000000000000\n") != NULL);
}

/* Of its own pid namespace, which only root can make. */
static void it_knows_no_other_process(void **state)
{
	cleanup_free char *text = NULL;

	if (geteuid() != 0)
		skip();
	text = run_script("echo $$ $PPID; kill -0 2 2>&1 || echo none", NULL, 0);
	assert_non_null(str_after(text, "1 0\n"));
	assert_true(str_ends_with(text, "none\n"));
}

static void in_a_jail_it_sees_what_it_was_given(void **state)
{
	static const char script[] =
		"echo /etc/* /dev/* /proc/* /srv/*; cat /etc/group; test -d /usr/bin && echo usr; "
		"echo x 2>&1 >/etc/made; echo x 2>&1 >/usr/made; . /proc/self/fd/50";
	const struct hv_jail jail = { .readable = { "/etc/group", "/dev/full" } };
	cleanup_free char *text = NULL, *group = NULL;
	cleanup_strbuf struct strbuf wanted = STRBUF_INIT;
	cleanup_fd int given = memfd_create("given", MFD_CLOEXEC), inherited = -1;

	if (geteuid() != 0)
		skip();
	assert_int_equal(write_all(given, "echo given", 10), 0);
	inherited = fcntl(given, F_DUPFD_CLOEXEC, 50);
	assert_int_equal(inherited, 50);
	assert_int_equal(read_file_at(AT_FDCWD, "/etc/group", 1 << 20, &group, NULL), 0);
	text = run_script_as(script,
			     (struct hv_spawn){ .jail = &jail, .fds = &inherited, .fds_count = 1 });
	strbuf_addf(&wanted,
		    "/etc/alternatives /etc/group /etc/ld.so.cache /dev/full /dev/null "
		    "/dev/urandom /dev/zero /proc/self /srv/*\n%susr\n",
		    group);
	assert_non_null(str_after(text, wanted.buf));
	assert_non_null(strstr(text, "/etc/made: Read-only file system"));
	assert_non_null(strstr(text, "/usr/made: Read-only file system"));
	assert_true(str_ends_with(text, "given\n"));
}

static void put(int dirfd, const char *name, const char *text, mode_t mode)
{
	cleanup_fd int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
}

/* It is found wherever it is, with what is beside it, and no further. */
static void a_program_of_any_place_runs_in_a_jail(void **state)
{
	static const char script[] = "#!/bin/sh\necho /tmp/*; cat \"${0%/*}/../share/firmware\"\n";
	char dir[] = "/tmp/moat-test-jail.XXXXXX";
	cleanup_free char *text = NULL, *wanted = NULL, *program = NULL;
	cleanup_fd int at = -1;

	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(at, "bin", 0755), 0);
	assert_int_equal(mkdirat(at, "share", 0755), 0);
	put(at, "bin/vmm-1", script, 0755);
	put(at, "share/firmware", "firmware\n", 0644);
	put(at, "secret", "secret\n", 0644);
	assert_int_equal(symlinkat("bin/vmm-1", at, "vmm"), 0);
	program = xasprintf("%s/bin/vmm-1", dir);
	text = run_as(program, (struct hv_spawn){ .jail = &(struct hv_jail){ .shared = NULL } });
	wanted = xasprintf("%s\nfirmware\n", dir);
	assert_string_equal(text, wanted);
	free(text);
	free(program);
	program = xasprintf("%s/vmm", dir); /* a link to it */
	text = run_as(program, (struct hv_spawn){ .jail = &(struct hv_jail){ .shared = NULL } });
	assert_non_null(str_after(text, dir));
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

static void a_jail_without_what_it_is_to_have_is_an_error(void **state)
{
	const struct hv_spawn how = {
		.argv = (char *[]){ (char *)"/bin/true", NULL },
		.jail = &(struct hv_jail){ .readable = { "/nonexistent/kernel" } },
		.out_fd = 2,
		.log_fd = 2,
	};
	struct hv_vm vm = { 0 };
	struct error err = ERROR_INIT;

	if (geteuid() != 0)
		skip();
	assert_int_equal(hv_spawn_as(&how, &vm, &err), -ENOENT);
	assert_string_equal(err.msg,
			    "show '/nonexistent/kernel' to the VMM: No such file or directory");
}

static void await_file(int dirfd, const char *name)
{
	for (int i = 0; faccessat(dirfd, name, F_OK, 0) < 0; i++) {
		assert_true(i < 1000);
		(void)usleep(10000);
	}
}

/* What a jail does not have is there as long as it is lent, and for writing. */
static void a_directory_is_lent_into_a_jail(void **state)
{
	static const char script[] = "cd \"$0\"; until [ -e lent/ours ]; do sleep 0.01; done\n"
				     "ls $0/.. >lent/seen; echo its >lent/its\n"
				     "while [ -e lent/ours ]; do sleep 0.01; done; echo gone >told";
	char dir[] = "/tmp/moat-test-lend.XXXXXX";
	cleanup_free char *vm_dir = NULL, *lent = NULL, *text = NULL;
	cleanup_fd int at = -1, image = -1;
	struct hv_jail jail = { .shared = NULL };
	struct hv_spawn how = { .jail = &jail, .has_no_rights = true, .out_fd = 2, .log_fd = 2 };
	struct hv_lending lending;
	struct hv_vm vm = { 0 };
	struct error err = ERROR_INIT;

	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(at, "vm", 0755), 0);
	assert_int_equal(mkdirat(at, "image", 0700), 0);
	put(at, "image/ours", "ours\n", 0644);
	image = openat(at, "image", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	jail.shared = vm_dir = xasprintf("%s/vm", dir);
	lent = xasprintf("%s/lent", vm_dir);
	how.argv = (char *[]){ (char *)"/bin/sh", (char *)"-c", (char *)script, vm_dir, NULL };
	if (hv_spawn_as(&how, &vm, &err) < 0 || hv_lend(vm.pid, lent, image, &lending, &err) != 1)
		fail_msg("%s", err.msg);
	await_file(image, "its");
	assert_int_equal(faccessat(at, "vm/lent/ours", F_OK, 0), -1);
	hv_lending_done(&lending);
	await_file(at, "vm/told");
	assert_int_equal(faccessat(at, "vm/lent", F_OK, 0), -1);
	assert_int_equal(read_file_at(image, "seen", 1 << 20, &text, NULL), 0);
	assert_string_equal(text, "vm\n");
	hv_stop(&vm);
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

/* By a descriptor that only reads it cannot be written to, whatever rights whoever looks has. */
static void a_file_is_lent_as_it_was_opened(void **state)
{
	static const char script[] =
		"cd \"$0\"; until grep -qs disk rw && grep -qs image ro; do sleep 0.01; done\n"
		"echo its >>rw; echo its >>ro; echo done >told";
	char dir[] = "/tmp/moat-test-lend.XXXXXX";
	cleanup_free char *vm_dir = NULL, *rw = NULL, *ro = NULL, *text = NULL;
	cleanup_fd int at = -1, rw_fd = -1, ro_fd = -1;
	struct hv_jail jail = { .shared = NULL };
	struct hv_spawn how = { .jail = &jail, .has_no_rights = true, .out_fd = 2, .log_fd = 2 };
	struct hv_lending lendings[2];
	struct hv_vm vm = { 0 };
	struct error err = ERROR_INIT;

	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(at, "vm", 0755), 0);
	put(at, "disk", "disk\n", 0600);
	put(at, "image", "image\n", 0600);
	rw_fd = openat(at, "disk", O_RDWR | O_CLOEXEC);
	ro_fd = openat(at, "image", O_RDONLY | O_CLOEXEC);
	jail.shared = vm_dir = xasprintf("%s/vm", dir);
	rw = xasprintf("%s/rw", vm_dir);
	ro = xasprintf("%s/ro", vm_dir);
	how.argv = (char *[]){ (char *)"/bin/sh", (char *)"-c", (char *)script, vm_dir, NULL };
	if (hv_spawn_as(&how, &vm, &err) < 0 ||
	    hv_lend(vm.pid, rw, rw_fd, &lendings[0], &err) != 1 ||
	    hv_lend(vm.pid, ro, ro_fd, &lendings[1], &err) != 1)
		fail_msg("%s", err.msg);
	await_file(at, "vm/told");
	hv_lending_done(&lendings[0]);
	hv_lending_done(&lendings[1]);
	assert_int_equal(faccessat(at, "vm/rw", F_OK, 0), -1);
	assert_int_equal(read_file_at(at, "disk", 100, &text, NULL), 0);
	assert_string_equal(text, "disk\nits\n");
	free(text);
	assert_int_equal(read_file_at(at, "image", 100, &text, NULL), 0);
	assert_string_equal(text, "image\n");
	hv_stop(&vm);
	assert_int_equal(remove_tree_at(AT_FDCWD, dir), 0);
}

static void who_has_no_jail_needs_nothing_lent(void **state)
{
	cleanup_fd int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct hv_lending lending;

	assert_int_equal(hv_lend(getpid(), "/nonexistent/lent", fd, &lending, NULL), 0);
	hv_lending_done(&lending);
}

static void a_user_of_its_own_is_nobodys(void **state)
{
	static const char script[] = "id -u; id -g; id -G; kill -0 $$ && sleep 0";
	cleanup_free char *text = NULL, *wanted = NULL;
	const unsigned int id = 0x70000000u + (unsigned int)getpid();

	if (geteuid() != 0)
		skip();
	text = run_script_as(script, (struct hv_spawn){ .has_own_user = true,
							.device = "/dev/null",
							.has_no_rights = true });
	wanted = xasprintf("%u\n%u\n%u\n", id, id, id);
	assert_string_equal(text, wanted);
	free(text);
	/* What nobody can open, who is not root. */
	text = run_script_as(script,
			     (struct hv_spawn){ .has_own_user = true, .device = "/nonexistent" });
	assert_string_equal(text, "0\n0\n0\n");
}

/* Where the kernel tells, since 5.0. */
static void huge_pages_are_forbidden_to_who_is_to_have_small_ones(void **state)
{
	static const char script[] = "grep THP_enabled: /proc/self/status";
	cleanup_free char *usual = run_script(script, NULL, 0);
	cleanup_free char *small =
		run_script_as(script, (struct hv_spawn){ .has_small_pages = true });

	if (!*usual)
		skip();
	assert_string_equal(usual, "THP_enabled:\t1\n");
	assert_string_equal(small, "THP_enabled:\t0\n");
}

static void a_standard_stream_cannot_be_passed(void **state)
{
	char *const argv[] = { (char *)"/bin/true", NULL };
	struct hv_vm vm = { 0 };
	const int fd = 1;

	assert_int_equal(hv_spawn(argv, &fd, 1, 2, &vm, NULL), -EINVAL);
}

static void stopping_kills_and_reaps(void **state)
{
	char *const argv[] = { (char *)"/bin/sleep", (char *)"1000", NULL };
	struct hv_vm vm = { 0 };
	pid_t pid;

	hv_stop(&vm);
	assert_int_equal(hv_spawn(argv, NULL, 0, 2, &vm, NULL), 0);
	pid = vm.pid;
	hv_stop(&vm);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	hv_stop(&vm);
}

/* The caller of hv_spawn() is killed; what it started must end. */
static void the_vm_dies_with_its_caller(void **state)
{
	char *const argv[] = { (char *)"/bin/sleep", (char *)"1000", NULL };
	cleanup_fd int read_fd = -1, write_fd = -1;
	struct pollfd pfd = { .events = POLLIN };
	pid_t caller;
	int ends[2];
	char byte;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	read_fd = ends[0];
	write_fd = ends[1];
	caller = fork();
	assert_true(caller >= 0);
	if (caller == 0) {
		struct hv_vm vm = { 0 };

		/* The sleeper holds the pipe open as its standard output. */
		if (hv_spawn(argv, NULL, 0, write_fd, &vm, NULL) == 0)
			(void)write_all(write_fd, "x", 1);
		pause();
		_exit(1);
	}
	close_fdp(&write_fd);
	assert_int_equal(read_exact(read_fd, &byte, 1), 0);
	kill_reap_pid(&caller);
	pfd.fd = read_fd;
	assert_int_equal(poll(&pfd, 1, 10000), 1);
	assert_int_equal(read(read_fd, &byte, 1), 0);
}

static void a_missing_qemu_is_named_as_the_hint_knows_it(void **state)
{
	static const char *const names[] = { "qemu-system-nonexistent", "moat-none", NULL };
	static const char *const shell[] = { "moat-none", "env", NULL };
	cleanup_free char *path = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(hv_find_program("", names, &path, &err), -ENOENT);
	assert_string_equal(err.msg, "find 'qemu-system-nonexistent': No such file or directory");
	assert_non_null(error_hint(&err));
	assert_int_equal(hv_find_program("", shell, &path, &err), 0);
	assert_string_equal(path, "/usr/bin/env");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_given_descriptors_are_inherited),
		cmocka_unit_test(signals_and_rights_start_afresh),
		cmocka_unit_test(nothing_of_the_environment_is_inherited),
		cmocka_unit_test(a_copy_of_this_process_forgets_the_environment),
		cmocka_unit_test(a_program_that_cannot_run_is_an_error),
		cmocka_unit_test(who_is_to_have_no_rights_has_none),
		cmocka_unit_test(it_knows_no_other_process),
		cmocka_unit_test(in_a_jail_it_sees_what_it_was_given),
		cmocka_unit_test(a_program_of_any_place_runs_in_a_jail),
		cmocka_unit_test(a_jail_without_what_it_is_to_have_is_an_error),
		cmocka_unit_test(a_directory_is_lent_into_a_jail),
		cmocka_unit_test(a_file_is_lent_as_it_was_opened),
		cmocka_unit_test(who_has_no_jail_needs_nothing_lent),
		cmocka_unit_test(a_user_of_its_own_is_nobodys),
		cmocka_unit_test(huge_pages_are_forbidden_to_who_is_to_have_small_ones),
		cmocka_unit_test(a_standard_stream_cannot_be_passed),
		cmocka_unit_test(stopping_kills_and_reaps),
		cmocka_unit_test(the_vm_dies_with_its_caller),
		cmocka_unit_test(a_missing_qemu_is_named_as_the_hint_knows_it),
	};

	return cmocka_run_group_tests_name("hypervisor-spawn", tests, NULL, NULL);
}
