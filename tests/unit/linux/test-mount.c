/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/mount.h"
#include "lib/linux/procfs.h"
#include "lib/linux/pty.h"

/* Mounts happen in a child with a mount namespace of its own, where a failed check is an exit
 * status: the number of its line. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			_exit(__LINE__ & 255 ? __LINE__ & 255 : 1);                                \
	} while (0)

static void run_apart(void (*fn)(void))
{
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: needs root\n");
		skip();
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWNS) == 0);
		CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("check in line %d (or 256 more) failed", WEXITSTATUS(status));
}

static char *const small[] = { (char *)"size=64k", (char *)"mode=711", NULL };
static const struct mount_fs tmpfs = {
	.type = "tmpfs",
	.source = "here",
	.options = small,
	.attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
};

static void make_and_attach(void)
{
	static const struct mount_change read_only = { .set = MOUNT_ATTR_RDONLY };
	char reason[MOUNT_REASON_MAX];
	int fd = mount_make(&tmpfs, reason);
	int target = open("/tmp", O_PATH | O_CLOEXEC);
	struct statvfs fs;
	struct stat st;

	CHECK(fd >= 0 && target >= 0);
	CHECK(mkdirat(fd, "below", 0755) == 0);
	CHECK(mount_change(fd, &read_only, false) == 0);
	CHECK(mount_attach(fd, target) == 0);
	CHECK(stat("/tmp/below", &st) == 0);
	CHECK(statvfs("/tmp", &fs) == 0 && fs.f_flag & ST_NOSUID && fs.f_flag & ST_RDONLY);
	CHECK(mkdirat(fd, "more", 0755) < 0 && errno == EROFS);
	CHECK(stat("/tmp", &st) == 0 && (st.st_mode & 07777) == 0711);
}

static void a_mount_is_made_changed_and_attached(void **state)
{
	run_apart(make_and_attach);
}

static void make_old_way(void)
{
	int target = open("/tmp", O_PATH | O_CLOEXEC);
	struct statvfs fs;

	CHECK(mount_make_legacy(&tmpfs, 0, target) == 0);
	CHECK(statvfs("/tmp", &fs) == 0 && fs.f_flag & ST_NOSUID && fs.f_flag & ST_NOEXEC);
}

static void the_old_way_does_the_same(void **state)
{
	run_apart(make_old_way);
}

static void refuse(void)
{
	char *const options[] = { (char *)"nope=1", NULL };
	const struct mount_fs bad = { .type = "tmpfs", .options = options };
	const struct mount_fs unknown = { .type = "no-such-fs" };
	char reason[MOUNT_REASON_MAX];

	CHECK(mount_make(&bad, reason) == -EINVAL);
	CHECK(streq(reason, "tmpfs: Unknown parameter 'nope'"));
	CHECK(mount_make(&unknown, reason) == -ENODEV);
	CHECK(streq(reason, ""));
}

static void a_file_system_says_what_it_does_not_like(void **state)
{
	run_apart(refuse);
}

static void long_values_need_the_old_way(void **state)
{
	cleanup_free char *option = xcalloc(1, 300);
	char *const options[] = { option, NULL };
	struct mount_fs fs = { .type = "overlay", .options = options };

	memset(option, 'x', 299);
	option[1] = '=';
	assert_true(mount_fs_is_legacy(&fs));
	option[250] = '\0';
	assert_false(mount_fs_is_legacy(&fs));
	fs.sb_flags = MS_I_VERSION;
	assert_true(mount_fs_is_legacy(&fs));
}

static void clone_trees(void)
{
	int flat = mount_clone(AT_FDCWD, "/", false);
	int deep = mount_clone(AT_FDCWD, "/", true);
	struct stat a, b;

	CHECK(flat >= 0 && deep >= 0);
	CHECK(fstatat(flat, "proc", &a, 0) == 0 && fstatat(deep, "proc", &b, 0) == 0);
	CHECK(a.st_dev != b.st_dev);
	CHECK(mount_clone(AT_FDCWD, "/nowhere", true) == -ENOENT);
}

static void a_recursive_clone_has_the_mounts_below(void **state)
{
	run_apart(clone_trees);
}

/* Whatever is mounted on /proc, a private one shows the kernel's files, and writes reach them. */
static void use_procfs(void)
{
	int fd;

	CHECK(mount("tmpfs", "/proc", "tmpfs", 0, NULL) == 0);
	fd = procfs_open();
	CHECK(fd >= 0);
	CHECK(unshare(CLONE_NEWUTS) == 0);
	CHECK(procfs_write(fd, "sys/kernel/domainname", "test") == 0);
	CHECK(procfs_write(fd, "self/oom_score_adj", "100") == -ELOOP);
	CHECK(procfs_write(fd, "../etc/passwd", "") == -EXDEV);
	CHECK(procfs_write(fd, "/sys/kernel/domainname", "") == -EXDEV);
}

static void a_private_proc_is_not_what_is_mounted_on_proc(void **state)
{
	run_apart(use_procfs);
}

static void fake_ptmx(void)
{
	int root = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct pty pty = PTY_INIT;

	CHECK(mount("tmpfs", "/tmp", "tmpfs", 0, NULL) == 0);
	root = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(pty_open_beneath(root, &pty) == -ENOENT);
	CHECK(mkdir("/tmp/dev", 0755) == 0 && mkdir("/tmp/dev/pts", 0755) == 0);
	/* The device number is right, but the terminals would be the host's. */
	CHECK(mknod("/tmp/dev/pts/ptmx", S_IFCHR | 0666, 5 << 8 | 2) == 0);
	CHECK(pty_open_beneath(root, &pty) == -ENOTTY);
	CHECK(unlink("/tmp/dev/pts/ptmx") == 0);
	CHECK(symlink("/dev/ptmx", "/tmp/dev/pts/ptmx") == 0);
	CHECK(pty_open_beneath(root, &pty) < 0);
	CHECK(mount("devpts", "/tmp/dev/pts", "devpts", 0, "ptmxmode=666") == 0);
	CHECK(pty_open_beneath(root, &pty) == 0);
	CHECK(pty.number == 0 && isatty(pty.slave));
	pty_close(&pty);
}

static void only_the_ptmx_of_a_devpts_makes_terminals(void **state)
{
	run_apart(fake_ptmx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mount_is_made_changed_and_attached),
		cmocka_unit_test(the_old_way_does_the_same),
		cmocka_unit_test(a_file_system_says_what_it_does_not_like),
		cmocka_unit_test(long_values_need_the_old_way),
		cmocka_unit_test(a_recursive_clone_has_the_mounts_below),
		cmocka_unit_test(a_private_proc_is_not_what_is_mounted_on_proc),
		cmocka_unit_test(only_the_ptmx_of_a_devpts_makes_terminals),
	};

	return cmocka_run_group_tests_name("mount", tests, NULL, NULL);
}
