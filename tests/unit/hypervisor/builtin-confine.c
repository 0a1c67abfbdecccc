/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor/builtin/confine.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/linux/seccomp-program.h"

/* What a taken over VMM would like to do. */
static void open_file(void)
{
	(void)syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY, 0);
}

static void execute(void)
{
	(void)syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static void make_process(void)
{
	(void)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void make_socket(void)
{
	(void)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static void map_code(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
}

static void make_code(void)
{
	(void)mprotect((void *)0x10000, 4096, PROT_READ | PROT_EXEC);
}

static void type_on_a_terminal(void)
{
	(void)ioctl(0, 0x5412 /* TIOCSTI */, "x");
}

static void call_as_32_bits(void)
{
	__asm__ volatile("int $0x80" : : "a"(20) : "memory"); /* getpid of that table */
}

static void call_as_x32(void)
{
	(void)syscall(0x40000000 | SYS_getpid);
}

/* And what it does all the time. */
static void allocate(void)
{
	void *volatile some = malloc(100);
	void *volatile much = malloc(1 << 20);

	free(much);
	free(some);
}

static void write_somewhere(void)
{
	(void)!write(-1, "", 1);
}

static void accept_a_client(void)
{
	(void)accept4(-1, NULL, NULL, SOCK_CLOEXEC);
}

/* As a guest's driver begins with an interface. */
static void set_up_a_tap(void)
{
	int value = 1;

	(void)ioctl(-1, TUNSETVNETHDRSZ, &value);
	(void)ioctl(-1, TUNSETVNETLE, &value);
	(void)ioctl(-1, TUNSETOFFLOAD, 0);
}

/* In a child of its own: 0, or the signal that ended it. */
static int try(int (*confine)(struct error *err), void (*deed)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct error err = ERROR_INIT;

		if (confine(&err) < 0)
			_exit(2);
		deed();
		/* Not _exit(), before which a sanitizer makes calls of its own. */
		(void)syscall(SYS_exit_group, 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status);
	assert_int_equal(WEXITSTATUS(status), 0);
	return 0;
}

/* The filters' own needs: no_new_privs, which every VMM has. */
static int as_loop(struct error *err)
{
	return confine_process(0, err) < 0 ? -1 : confine_loop(err);
}

static int as_vcpu(struct error *err)
{
	return confine_process(0, err) < 0 ? -1 : confine_vcpu(err);
}

static int as_files(struct error *err)
{
	return confine_process(0, err) < 0 ? -1 : confine_files(err);
}

static void open_by_handle(void)
{
	(void)syscall(SYS_open_by_handle_at, -1, NULL, 0);
}

static void mount_something(void)
{
	(void)syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL);
}

static void the_one_that_serves_files_may_do_nothing_else(void **state)
{
	void (*const deeds[])(void) = {
		execute,	 make_process,	 make_socket,	     map_code,
		make_code,	 call_as_x32,	 type_on_a_terminal, call_as_32_bits,
		accept_a_client, open_by_handle, mount_something,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(deeds); i++)
		assert_int_equal(try(as_files, deeds[i]), SIGSYS);
	assert_int_equal(try(as_files, allocate), 0);
	assert_int_equal(try(as_files, open_file), 0);
}

static void what_no_vmm_does_ends_it(void **state)
{
	void (*const deeds[])(void) = {
		open_file,	    execute,	     make_process, make_socket, map_code, make_code,
		type_on_a_terminal, call_as_32_bits, call_as_x32,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(deeds); i++) {
		assert_int_equal(try(as_loop, deeds[i]), SIGSYS);
		assert_int_equal(try(as_vcpu, deeds[i]), SIGSYS);
	}
}

static void what_a_vmm_does_is_let_through(void **state)
{
	(void)state;
	assert_int_equal(try(as_loop, allocate), 0);
	assert_int_equal(try(as_vcpu, allocate), 0);
	assert_int_equal(try(as_loop, write_somewhere), 0);
	assert_int_equal(try(as_vcpu, write_somewhere), 0);
	assert_int_equal(try(as_loop, accept_a_client), 0);
	assert_int_equal(try(as_vcpu, accept_a_client), SIGSYS);
	assert_int_equal(try(as_loop, set_up_a_tap), 0);
	assert_int_equal(try(as_vcpu, set_up_a_tap), SIGSYS);
}

static void the_filters_are_ones_that_the_kernel_takes(void **state)
{
	cleanup_seccomp_program struct sock_fprog loop = { 0 }, vcpu = { 0 };
	cleanup_seccomp_program struct sock_fprog files = { 0 };

	(void)state;
	confine_loop_filter(&loop);
	confine_vcpu_filter(&vcpu);
	confine_files_filter(&files);
	assert_int_equal(seccomp_program_check(&files), 0);
	assert_int_equal(seccomp_program_check(&loop), 0);
	assert_int_equal(seccomp_program_check(&vcpu), 0);
}

static void try_to_find_anything(void)
{
	struct error err = ERROR_INIT;

	if (confine_process(0, &err) < 0)
		_exit(2);
	_exit(access("/proc", F_OK) == 0 || access("/etc", F_OK) == 0 || getppid() < 0 ||
	      mkdir("/made", 0700) == 0);
}

static void a_confined_vmm_finds_no_file(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: only root can be given an empty root directory\n");
		skip();
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		try_to_find_anything();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(access("/proc", F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_no_vmm_does_ends_it),
		cmocka_unit_test(the_one_that_serves_files_may_do_nothing_else),
		cmocka_unit_test(what_a_vmm_does_is_let_through),
		cmocka_unit_test(the_filters_are_ones_that_the_kernel_takes),
		cmocka_unit_test(a_confined_vmm_finds_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
