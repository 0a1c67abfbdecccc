/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "tests/unit/engine/boxed.h"

/* Containers run to their end: what their processes see, and what the host sees of them. */

static struct outcome got;

#define RUN(...)                                                                                   \
	do {                                                                                       \
		const struct wish wish_ = { __VA_ARGS__ };                                         \
                                                                                                   \
		if (!box)                                                                          \
			skip();                                                                    \
		box_run(box, &wish_, &got);                                                        \
	} while (0)

static void expect_output(const char *want)
{
	if (got.error[0])
		fail_msg("engine: %s", got.error);
	assert_string_equal(got.out, want);
}

static void expect_error(int code, const char *part)
{
	if (!strstr(got.error, part))
		fail_msg("'%s' is not in '%s' (%s)", part, got.error, got.out);
	assert_int_equal(got.status, code);
}

static void it_runs_a_program_and_gives_its_status(void **state)
{
	RUN(.script = "echo hello; exit 7");
	expect_output("hello\n");
	assert_int_equal(got.status, 7);
}

static void a_signal_ends_it_like_any_process(void **state)
{
	RUN(.script = "kill -9 $$", .namespaces = "{\"type\":\"mount\"}");
	assert_int_equal(got.status, 137);
}

static void its_namespaces_are_new_and_the_others_are_ours(void **state)
{
	static const char *const kinds[] = { "pid", "mnt", "uts", "ipc", "net", "cgroup", "user" };

	RUN(.script =
		    "for n in pid mnt uts ipc net cgroup user; do readlink /proc/self/ns/$n; done");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		cleanup_free char *path = xasprintf("/proc/self/ns/%s", kinds[i]);
		char own[64];
		ssize_t n = readlink(path, own, sizeof(own) - 1);
		bool is_shared = streq(kinds[i], "cgroup") || streq(kinds[i], "user");

		assert_true(n > 0);
		own[n] = '\0';
		if (!!strstr(got.out, own) != is_shared)
			fail_msg("%s: %s is %sin %s", kinds[i], own, is_shared ? "not " : "",
				 got.out);
	}
}

static void it_is_pid_1_of_its_own_pid_namespace(void **state)
{
	RUN(.script = "echo $$");
	expect_output("1\n");
}

static void loopback_is_up_in_a_new_network_namespace(void **state)
{
	RUN(.script = "ip -o link show lo | grep -c 'LOOPBACK,UP'");
	expect_output("1\n");
}

static void without_namespaces_it_is_only_a_changed_root(void **state)
{
	RUN(.script = "ls /; test $$ != 1 && echo other", .namespaces = "{\"type\":\"mount\"}");
	expect_output("bin\ndev\netc\nhome\nproc\nsys\ntmp\nother\n");
}

/* Runs in a container that joins namespace @type (@file below /proc/PID/ns) of another process;
 * whether it then was in that one. */
static bool joins(const char *type, const char *file, int flag, const char *others)
{
	cleanup_free char *namespaces = NULL;
	cleanup_free char *script = NULL;
	cleanup_free char *path = NULL;
	int ready[2], done[2];
	char byte, theirs[64];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(done[1]);
		if (unshare(flag) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		(void)!read(done[0], &byte, 1);
		_exit(0);
	}
	close(ready[1]);
	close(done[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	path = xasprintf("/proc/%d/ns/%s", (int)pid, file);
	namespaces = xasprintf("%s{\"type\":\"%s\",\"path\":\"%s\"}", others, type, path);
	script = xasprintf("readlink /proc/self/ns/%s", file);
	n = readlink(path, theirs, sizeof(theirs) - 1);
	assert_true(n > 0);
	theirs[n] = '\0';
	box_run(box, &(struct wish){ .script = script, .namespaces = namespaces }, &got);
	close(done[1]);
	(void)wait_status(pid);
	return str_after(got.out, theirs) != NULL;
}

static void namespaces_can_be_joined_by_path(void **state)
{
	static const char mount[] = "{\"type\":\"mount\"},";

	if (!box)
		skip();
	assert_true(joins("uts", "uts", CLONE_NEWUTS, mount));
	assert_true(joins("ipc", "ipc", CLONE_NEWIPC, mount));
	assert_true(joins("network", "net", CLONE_NEWNET, mount));
	assert_true(joins("cgroup", "cgroup", CLONE_NEWCGROUP, mount));
	assert_true(joins("mount", "mnt", CLONE_NEWNS, ""));
}

static void a_path_of_another_type_is_refused(void **state)
{
	RUN(.script = "true",
	    .namespaces = "{\"type\":\"mount\"},{\"type\":\"uts\",\"path\":\"/proc/self/ns/ipc\"}");
	expect_error(-EINVAL, "'/proc/self/ns/ipc' is not a 'uts' namespace");
}

static void hostname_and_domainname_are_its_own(void **state)
{
	RUN(.script = "hostname; cat /proc/sys/kernel/domainname",
	    .top = "\"hostname\":\"web\",\"domainname\":\"example\"");
	expect_output("web\nexample\n");
}

static void the_hosts_hostname_is_never_changed(void **state)
{
	RUN(.script = "true", .top = "\"hostname\":\"web\"",
	    .namespaces = "{\"type\":\"mount\"},{\"type\":\"uts\",\"path\":\"/proc/self/ns/uts\"}");
	expect_error(-EINVAL, "unable to set hostname without a private UTS namespace");
}

/* Mounts. */

static void the_hosts_tree_is_gone(void **state)
{
	RUN(.script = "wc -l < /proc/self/mountinfo; grep -c ' / / ' /proc/self/mountinfo");
	/* The root, proc, /dev, /dev/pts. */
	assert_true(str_after(got.out, "4\n") != NULL);
}

static void mounts_come_in_the_order_of_the_list(void **state)
{
	box_write(box, "host/file", "x");
	RUN(.script = "ls /a /a/b",
	    .mounts = ",{\"destination\":\"/a\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
		      "{\"destination\":\"/a/b\",\"type\":\"bind\",\"source\":\"host\","
		      "\"options\":[\"rbind\",\"ro\"]}");
	expect_output("/a:\nb\n\n/a/b:\nfile\n");
}

static void a_read_only_bind_is_read_only_and_the_host_stays_writable(void **state)
{
	RUN(.script = "touch /mnt/x 2>&1; echo $?",
	    .mounts = ",{\"destination\":\"/mnt\",\"type\":\"bind\",\"source\":\"host\","
		      "\"options\":[\"bind\",\"ro\",\"nosuid\",\"nodev\",\"noexec\"]}");
	expect_output("touch: /mnt/x: Read-only file system\n1\n");
	box_write(box, "host/x", "");
}

static void a_file_is_bound_on_a_file_that_is_made_for_it(void **state)
{
	box_write(box, "host/file", "content");
	RUN(.script = "cat /etc/deep/name",
	    .mounts = ",{\"destination\":\"/etc/deep/name\",\"source\":\"host/file\","
		      "\"type\":\"none\",\"options\":[\"bind\",\"ro\"]}");
	expect_output("content");
}

static void a_missing_bind_source_is_named(void **state)
{
	RUN(.script = "true",
	    .mounts = ",{\"destination\":\"/x\",\"source\":\"/nowhere\",\"options\":[\"bind\"]}");
	expect_error(-ENOENT, "mounts[3]: bind source '/nowhere': No such file or directory");
}

static void the_file_systems_own_words_explain_a_refused_option(void **state)
{
	RUN(.script = "true",
	    .mounts = ",{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"nonsense\"]}");
	expect_error(-EINVAL,
		     "mounts[3]: mount 'tmpfs' on '/x': tmpfs: Unknown parameter 'nonsense'");
}

static void a_tmpfs_has_the_mode_of_what_it_covers(void **state)
{
	RUN(.script = "chmod 711 /home; stat -c %a /home; stat -c %a /made",
	    .mounts = ",{\"destination\":\"/home\",\"type\":\"tmpfs\"},"
		      "{\"destination\":\"/made\",\"type\":\"tmpfs\"}");
	expect_output("711\n1777\n"); /* what is made for it has no mode that counts */
}

static void a_read_only_tmpfs_can_hold_later_mounts(void **state)
{
	RUN(.script = "ls /a; touch /a/x 2>/dev/null || echo ro",
	    .mounts = ",{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"ro\"]},"
		      "{\"destination\":\"/a/b\",\"type\":\"tmpfs\"}");
	expect_output("b\nro\n");
}

static void recursive_words_reach_the_mounts_below(void **state)
{
	RUN(.script = "touch /a/b/x 2>/dev/null || echo ro",
	    .mounts = ",{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"host\","
		      "\"options\":[\"rbind\",\"rro\"]},"
		      "{\"destination\":\"/a/b\",\"type\":\"tmpfs\",\"options\":[\"rro\"]}");
	/* The second one's target cannot be made in a read-only tree. */
	expect_error(-EROFS, "mounts[4]: make mount point '/a/b'");
}

static void mounts_made_inside_do_not_show_outside(void **state)
{
	cleanup_free char *before = NULL;
	cleanup_free char *after = NULL;

	if (!box)
		skip();
	assert_int_equal(read_file_at(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &before, NULL), 0);
	RUN(.script = "mount -t tmpfs t /tmp; true", .linux_ = "\"rootfsPropagation\":\"rshared\"");
	assert_int_equal(got.status, 0);
	RUN(.script = "mount -t tmpfs t /tmp; true");
	assert_int_equal(read_file_at(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &after, NULL), 0);
	assert_string_equal(before, after);
}

static void the_roots_propagation_is_as_asked(void **state)
{
	RUN(.script = "grep ' / / ' /proc/self/mountinfo | grep -c shared",
	    .linux_ = "\"rootfsPropagation\":\"shared\"");
	assert_string_equal(got.out, "0\n"); /* its root is a directory of another file system */
	RUN(.script = "sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\/ .* \\(.*\\) - .*/\\1/p' "
		      "/proc/self/mountinfo",
	    .linux_ = "\"rootfsPropagation\":\"shared\"");
	assert_non_null(strstr(got.out, "shared:"));
	RUN(.script = "sed -n 's/^[^ ]* [^ ]* [^ ]* [^ ]* \\/ .* \\(.*\\) - .*/\\1/p' "
		      "/proc/self/mountinfo",
	    .linux_ = "\"rootfsPropagation\":\"unbindable\"");
	assert_non_null(strstr(got.out, "unbindable"));
}

static void cgroups_can_be_mounted_read_only(void **state)
{
	RUN(.script =
		    "ls /sys/fs/cgroup >/dev/null && ! touch /sys/fs/cgroup/x 2>/dev/null && echo ok",
	    .namespaces = "{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"}",
	    .mounts =
		    ",{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
		    "\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
		    "{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
		    "\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}");
	expect_output("ok\n");
}

/* Hostile images. */

static void a_link_in_the_image_does_not_lead_a_mount_out(void **state)
{
	cleanup_free char *link = NULL;

	if (!box)
		skip();
	link = box_path(box, "rootfs/data");
	assert_int_equal(symlink(box->host, link), 0);
	RUN(.script = "mount | grep -c ' on /tmp/.*host/made '",
	    .mounts = ",{\"destination\":\"/data/made\",\"type\":\"tmpfs\"}");
	/* The link is dangling inside, where its target is not. */
	assert_false(box_has(box, "host/made"));
}

static void a_dev_that_is_a_link_gets_its_nodes_inside(void **state)
{
	cleanup_free char *dev = NULL;

	if (!box)
		skip();
	dev = box_path(box, "rootfs/dev");
	assert_int_equal(rmdir(dev), 0);
	assert_int_equal(symlink("../host", dev), 0);
	RUN(.script = "true");
	assert_false(box_has(box, "host/null"));
	assert_false(box_has(box, "host/fd"));
	assert_int_equal(unlink(dev), 0);
	assert_int_equal(symlink(box->host, dev), 0);
	RUN(.script = "true");
	assert_false(box_has(box, "host/null"));
	assert_false(box_has(box, "host/fd"));
}

static void a_proc_that_is_a_link_is_refused(void **state)
{
	cleanup_free char *proc = NULL;

	if (!box)
		skip();
	proc = box_path(box, "rootfs/proc");
	assert_int_equal(rmdir(proc), 0);
	assert_int_equal(symlink("tmp", proc), 0);
	RUN(.script = "true");
	expect_error(-ENOTDIR, "filesystem 'proc' must be mounted on ordinary directory");
}

static void a_mount_on_the_root_itself_is_refused(void **state)
{
	RUN(.script = "true", .mounts = ",{\"destination\":\"/a/..\",\"type\":\"tmpfs\"}");
	expect_error(-EINVAL, "on the top of rootfs");
}

/* CVE-2025-31133: it would make the cover another file, writable. */
static void a_null_device_of_the_image_does_not_cover_masked_files(void **state)
{
	cleanup_free char *null = NULL;

	if (!box)
		skip();
	box_write(box, "rootfs/etc/secret", "secret");
	null = box_path(box, "rootfs/dev/null");
	assert_int_equal(symlink("/etc/passwd", null), 0);
	RUN(.script = "cat /etc/secret; stat -c %t,%T /etc/secret",
	    .all_mounts = "{\"destination\":\"/proc\",\"type\":\"proc\"}",
	    .linux_ = "\"maskedPaths\":[\"/etc/secret\"]");
	expect_output("1,3\n");
}

static void a_working_directory_behind_a_descriptor_is_refused(void **state)
{
	cleanup_fd int leaked = open("/", O_PATH | O_DIRECTORY);

	assert_true(leaked >= 0);
	for (int fd = 3; fd < 16; fd++) {
		cleanup_free char *cwd = xasprintf("/proc/self/fd/%d", fd);

		RUN(.script = "pwd", .cwd = cwd);
		assert_true(got.status < 0);
		assert_string_equal(got.out, "");
	}
}

static void descriptors_of_the_caller_do_not_leak(void **state)
{
	cleanup_fd int leaked = open("/", O_PATH | O_DIRECTORY); /* without O_CLOEXEC */

	assert_true(leaked >= 0);
	RUN(.script = "ls /proc/$$/fd; true");
	expect_output("0\n1\n2\n");
}

static void preserved_descriptors_stay(void **state)
{
	cleanup_oci_config struct oci_config *config = NULL;
	const struct wish wish = { .script = "exec >&3; ls /proc/$$/fd; echo end" };
	struct engine_container c;
	struct error err = ERROR_INIT;
	char out[256];
	int fds[2];
	pid_t pid;

	if (!box)
		skip();
	config = box_config(box, &wish);
	assert_int_equal(pipe(fds), 0);
	/* The write end has to be descriptor 3. */
	pid = fork();
	if (pid == 0) {
		pid_t child;

		if (dup2(fds[1], 3) < 0 || close_all_but(4, &fds[0], 0) < 0)
			_exit(99);
		box_container(box, config, &c);
		c.preserved_fds = 1;
		if (engine_create(&c, &child, &err) < 0) {
			dprintf(2, "%s\n", err.msg);
			_exit(98);
		}
		_exit(wait_status(child));
	}
	close(fds[1]);
	read_to_end(fds[0], out, sizeof(out));
	close(fds[0]);
	assert_int_equal(wait_status(pid), 0);
	assert_string_equal(out, "0\n1\n2\n3\nend\n");
}

/* Devices and hidden paths. */

static void the_usual_devices_are_there(void **state)
{
	RUN(.script =
		    "for d in null zero full random urandom tty; do stat -c '%n %t,%T %a' /dev/$d; "
		    "done; readlink /dev/fd; readlink /dev/ptmx");
	expect_output("/dev/null 1,3 666\n/dev/zero 1,5 666\n/dev/full 1,7 666\n"
		      "/dev/random 1,8 666\n/dev/urandom 1,9 666\n/dev/tty 5,0 666\n"
		      "/proc/self/fd\npts/ptmx\n");
}

static void configured_devices_are_made_as_given(void **state)
{
	RUN(.script = "stat -c '%F %t,%T %a %u' /dev/sub/mine /dev/pipe; stat -c %a /dev/null",
	    .linux_ =
		    "\"devices\":[{\"path\":\"/dev/sub/mine\",\"type\":\"c\",\"major\":1,"
		    "\"minor\":3,\"fileMode\":384,\"uid\":5},{\"path\":\"/dev/pipe\","
		    "\"type\":\"p\",\"major\":0,\"minor\":0},{\"path\":\"/dev/null\",\"type\":\"c\","
		    "\"major\":1,\"minor\":3,\"fileMode\":420}]");
	expect_output("character special file 1,3 600 5\nfifo 0,0 666 0\n644\n");
}

static void masked_files_and_directories_are_empty(void **state)
{
	RUN(.script = "cat /proc/keys; ls /proc/scsi /proc/acpi; cat /etc/passwd; "
		      "touch /proc/acpi/x 2>&1",
	    .linux_ = "\"maskedPaths\":[\"/proc/keys\",\"/proc/scsi\",\"/proc/acpi\",\"/nowhere\","
		      "\"/etc/passwd\",\"/etc/passwd/below\",\"/home\",\"/tmp\"]");
	assert_null(strstr(got.out, "root:"));
	assert_string_equal(got.error, "");
}

static void read_only_paths_cannot_be_written(void **state)
{
	RUN(.script = "echo 1 > /proc/sys/kernel/printk || touch /etc/x || touch /tmp/x && echo rw",
	    .linux_ = "\"readonlyPaths\":[\"/proc/sys\",\"/etc\",\"/nowhere\"]");
	assert_non_null(strstr(got.out, "/etc/x: Read-only file system"));
	assert_non_null(strstr(got.out, "printk: Read-only file system"));
	assert_non_null(strstr(got.out, "rw\n"));
}

static void a_read_only_root_is_read_only_but_for_its_mounts(void **state)
{
	RUN(.script = "touch /x 2>&1; touch /dev/x && echo dev", .root = "\"readonly\":true",
	    .cwd = "/work/dir");
	expect_output("touch: /x: Read-only file system\ndev\n");
	assert_true(box_has(box, "rootfs/work/dir"));
}

/* The process. */

#define CAPS(set) "\"" set "\":[\"CAP_CHOWN\",\"CAP_KILL\"]"

static void capabilities_are_exactly_those_given(void **state)
{
	RUN(.script = "grep Cap /proc/self/status",
	    .process = "\"capabilities\":{" CAPS("bounding") "," CAPS("effective") "," CAPS(
		    "permitted") "}");
	expect_output("CapInh:\t0000000000000000\nCapPrm:\t0000000000000021\n"
		      "CapEff:\t0000000000000021\nCapBnd:\t0000000000000021\n"
		      "CapAmb:\t0000000000000000\n");
}

static void a_user_gets_ambient_capabilities_and_no_others(void **state)
{
	RUN(.script =
		    "id -u; id -g; id -G; grep Cap /proc/self/status; grep NoNew /proc/self/status",
	    .user = "{\"uid\":1000,\"gid\":1001,\"additionalGids\":[5,6]}",
	    .process = "\"noNewPrivileges\":true,\"capabilities\":{" CAPS("bounding") "," CAPS(
		    "effective") "," CAPS("permitted") "," CAPS("inheritable") "," CAPS("ambient") "}");
	expect_output("1000\n1001\n1001 5 6\n"
		      "CapInh:\t0000000000000021\nCapPrm:\t0000000000000021\n"
		      "CapEff:\t0000000000000021\nCapBnd:\t0000000000000021\n"
		      "CapAmb:\t0000000000000021\nNoNewPrivs:\t1\n");
}

static void home_comes_from_the_containers_passwd(void **state)
{
	RUN(.script = "echo $HOME", .user = "{\"uid\":1000,\"gid\":1000}");
	expect_output("/home/app\n");
	RUN(.script = "echo $HOME", .process = "\"env\":[\"PATH=/bin\",\"HOME=/given\"]");
	expect_output("/given\n");
}

static void nothing_of_the_callers_environment_gets_in(void **state)
{
	assert_int_equal(setenv("MOAT_TEST_LEAK", "1", 1), 0);
	RUN(.args = "[\"env\"]", .process = "\"env\":[\"A=1\",\"PATH=/bin\",\"A=2\"]");
	expect_output("A=2\nPATH=/bin\nHOME=/root\n");
}

static void its_working_directory_is_made(void **state)
{
	RUN(.script = "pwd; stat -c %a .", .cwd = "/new/dir");
	expect_output("/new/dir\n755\n");
}

static void limits_mask_and_oom_score_are_set(void **state)
{
	RUN(.script = "ulimit -n; umask; cat /proc/self/oom_score_adj",
	    .user = "{\"uid\":0,\"gid\":0,\"umask\":63}",
	    .process = "\"oomScoreAdj\":500,\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":77,"
		       "\"hard\":88}]");
	expect_output("77\n0077\n500\n");
}

static void a_limit_that_cannot_be_set_is_named(void **state)
{
	RUN(.script = "true",
	    .process = "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":18446744073709551615,"
		       "\"hard\":18446744073709551615}]");
	expect_error(-EPERM, "set rlimit RLIMIT_NOFILE: Operation not permitted");
}

static void sysctls_of_its_namespaces_are_set(void **state)
{
	RUN(.script = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni",
	    .linux_ = "\"sysctl\":{\"net.ipv4.ip_forward\":\"1\",\"kernel/shmmni\":\"123\"}");
	expect_output("1\n123\n");
}

static void sysctls_of_the_host_are_refused(void **state)
{
	RUN(.script = "true", .linux_ = "\"sysctl\":{\"vm.swappiness\":\"1\"}");
	expect_error(-EINVAL, "sysctl \"vm.swappiness\" is not in a separate kernel namespace");
	RUN(.script = "true", .linux_ = "\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"}",
	    .namespaces =
		    "{\"type\":\"mount\"},{\"type\":\"network\",\"path\":\"/proc/self/ns/net\"}");
	expect_error(-EINVAL, "is not allowed in the host's network namespace");
}

static const char no_mkdir[] =
	"\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\","
	"\"mkdirat\",\"no_such_call\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38}]}";

static void a_seccomp_filter_holds_with_and_without_no_new_privs(void **state)
{
	RUN(.script = "mkdir /x; grep Seccomp: /proc/self/status", .linux_ = no_mkdir);
	expect_output("mkdir: can't create directory '/x': Function not implemented\n"
		      "Seccomp:\t2\n");
	RUN(.script = "mkdir /x; grep Seccomp: /proc/self/status", .linux_ = no_mkdir,
	    .process = "\"noNewPrivileges\":true,\"capabilities\":{}",
	    .user = "{\"uid\":1000,\"gid\":1000}");
	expect_output("mkdir: can't create directory '/x': Function not implemented\n"
		      "Seccomp:\t2\n");
}

static void a_filter_may_forbid_all_that_is_not_needed_to_execute(void **state)
{
	RUN(.args = "[\"/bin/true\"]", .process = "\"noNewPrivileges\":true",
	    .linux_ = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":["
		      "\"sendmsg\",\"recvmsg\",\"sendto\",\"getcwd\",\"chdir\",\"fchdir\",\"stat\","
		      "\"newfstatat\",\"access\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"}]}");
	assert_string_equal(got.error, "");
	assert_int_equal(got.status, 0);
}

static void missing_programs_are_reported_in_the_words_callers_know(void **state)
{
	RUN(.args = "[\"nonexist\"]");
	expect_error(-ENOENT, "exec: \"nonexist\": executable file not found in $PATH");
	RUN(.args = "[\"/nonexist\"]");
	expect_error(-ENOENT, "exec: \"/nonexist\": stat /nonexist: no such file or directory");
	RUN(.args = "[\"/etc\"]");
	expect_error(-EACCES, "exec: \"/etc\": permission denied");
	RUN(.args = "[\"/etc/passwd\"]");
	expect_error(-EACCES, "exec: \"/etc/passwd\": permission denied");
}

static void a_program_that_cannot_be_executed_is_an_error_of_create(void **state)
{
	cleanup_free char *path = NULL;

	if (!box)
		skip();
	box_write(box, "rootfs/bin/broken", "\177ELF");
	path = box_path(box, "rootfs/bin/broken");
	assert_int_equal(chmod(path, 0755), 0);
	RUN(.args = "[\"broken\"]");
	expect_error(-ENOEXEC, "exec /bin/broken: Exec format error");
}

static void hooks_run_in_their_order_and_see_the_state(void **state)
{
	cleanup_free char *hooks = NULL;
	cleanup_free char *text = NULL;
	cleanup_free char *path = NULL;

	if (!box)
		skip();
	hooks = xasprintf("\"hooks\":{"
			  "\"prestart\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\","
			  "\"echo prestart >> %s/log\"]}],"
			  "\"createRuntime\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\","
			  "\"grep -o '.status.:.[a-z]*' >> %s/log\"]}],"
			  "\"createContainer\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\","
			  "\"echo createContainer >> %s/log\"]}],"
			  "\"startContainer\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\","
			  "\"echo startContainer > /inside\"]}]}",
			  box->host, box->host, box->host);
	RUN(.script = "cat /inside", .top = hooks);
	expect_output("startContainer\n");
	path = box_path(box, "host/log");
	assert_int_equal(read_file_at(AT_FDCWD, path, 4096, &text, NULL), 0);
	assert_string_equal(text, "prestart\n\"status\":\"created\ncreateContainer\n");
}

static void a_failing_hook_ends_the_container_and_shows_its_output(void **state)
{
	RUN(.script = "echo ran",
	    .top = "\"hooks\":{\"createRuntime\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\","
		   "\"echo no reason; exit 3\"]}]}");
	expect_error(-ECHILD, "hooks.createRuntime[0] '/bin/sh': exit status 3: no reason");
	assert_string_equal(got.out, "");
}

static void a_hook_past_its_time_is_killed(void **state)
{
	RUN(.script = "echo ran",
	    .top = "\"hooks\":{\"createContainer\":[{\"path\":\"/bin/sleep\",\"args\":[\"sleep\","
		   "\"60\"],\"timeout\":1}]}");
	expect_error(-ETIMEDOUT, "hook ran past specified timeout of 1.0s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOXED(it_runs_a_program_and_gives_its_status),
		BOXED(a_signal_ends_it_like_any_process),
		BOXED(its_namespaces_are_new_and_the_others_are_ours),
		BOXED(it_is_pid_1_of_its_own_pid_namespace),
		BOXED(loopback_is_up_in_a_new_network_namespace),
		BOXED(without_namespaces_it_is_only_a_changed_root),
		BOXED(namespaces_can_be_joined_by_path),
		BOXED(a_path_of_another_type_is_refused),
		BOXED(hostname_and_domainname_are_its_own),
		BOXED(the_hosts_hostname_is_never_changed),
		BOXED(the_hosts_tree_is_gone),
		BOXED(mounts_come_in_the_order_of_the_list),
		BOXED(a_read_only_bind_is_read_only_and_the_host_stays_writable),
		BOXED(a_file_is_bound_on_a_file_that_is_made_for_it),
		BOXED(a_missing_bind_source_is_named),
		BOXED(the_file_systems_own_words_explain_a_refused_option),
		BOXED(a_tmpfs_has_the_mode_of_what_it_covers),
		BOXED(a_read_only_tmpfs_can_hold_later_mounts),
		BOXED(recursive_words_reach_the_mounts_below),
		BOXED(mounts_made_inside_do_not_show_outside),
		BOXED(the_roots_propagation_is_as_asked),
		BOXED(cgroups_can_be_mounted_read_only),
		BOXED(a_link_in_the_image_does_not_lead_a_mount_out),
		BOXED(a_dev_that_is_a_link_gets_its_nodes_inside),
		BOXED(a_proc_that_is_a_link_is_refused),
		BOXED(a_mount_on_the_root_itself_is_refused),
		BOXED(a_null_device_of_the_image_does_not_cover_masked_files),
		BOXED(a_working_directory_behind_a_descriptor_is_refused),
		BOXED(descriptors_of_the_caller_do_not_leak),
		BOXED(preserved_descriptors_stay),
		BOXED(the_usual_devices_are_there),
		BOXED(configured_devices_are_made_as_given),
		BOXED(masked_files_and_directories_are_empty),
		BOXED(read_only_paths_cannot_be_written),
		BOXED(a_read_only_root_is_read_only_but_for_its_mounts),
		BOXED(capabilities_are_exactly_those_given),
		BOXED(a_user_gets_ambient_capabilities_and_no_others),
		BOXED(home_comes_from_the_containers_passwd),
		BOXED(nothing_of_the_callers_environment_gets_in),
		BOXED(its_working_directory_is_made),
		BOXED(limits_mask_and_oom_score_are_set),
		BOXED(a_limit_that_cannot_be_set_is_named),
		BOXED(sysctls_of_its_namespaces_are_set),
		BOXED(sysctls_of_the_host_are_refused),
		BOXED(a_seccomp_filter_holds_with_and_without_no_new_privs),
		BOXED(a_filter_may_forbid_all_that_is_not_needed_to_execute),
		BOXED(missing_programs_are_reported_in_the_words_callers_know),
		BOXED(a_program_that_cannot_be_executed_is_an_error_of_create),
		BOXED(hooks_run_in_their_order_and_see_the_state),
		BOXED(a_failing_hook_ends_the_container_and_shows_its_output),
		BOXED(a_hook_past_its_time_is_killed),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
