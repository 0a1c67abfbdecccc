/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "hypervisor/jail.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/linux/caps.h"
#include "lib/linux/clone.h"
#include "lib/linux/userns.h"

static const char *const search_path[] = {
	"/usr/bin",
	"/usr/local/bin",
	"/usr/libexec",
	"/usr/lib/qemu",
};

/* Where distributions put it. The C one always lies in QEMU's own directory, which is how the two
 * are told apart without running them. */
static const struct {
	const char *path;
	bool is_rust;
} virtiofsds[] = {
	{ "/usr/libexec/virtiofsd", true },
	{ "/usr/lib/virtiofsd", true },
	{ "/usr/bin/virtiofsd", true },
	{ "/usr/lib/qemu/virtiofsd", false },
};

static bool is_program(const char *root, const char *path)
{
	cleanup_free char *whole = xasprintf("%s%s", root, path);

	return access(whole, X_OK) == 0;
}

const char *hv_find_virtiofsd(const char *root, bool *ret_is_rust)
{
	for (size_t i = 0; i < ARRAY_SIZE(virtiofsds); i++) {
		if (!is_program(root, virtiofsds[i].path))
			continue;
		if (ret_is_rust)
			*ret_is_rust = virtiofsds[i].is_rust;
		return virtiofsds[i].path;
	}
	return NULL;
}

int hv_find_program(const char *root, const char *const *names, char **ret, struct error *err)
{
	for (const char *const *name = names; *name; name++) {
		for (size_t i = 0; i < ARRAY_SIZE(search_path); i++) {
			cleanup_free char *path = xasprintf("%s/%s", search_path[i], *name);

			if (is_program(root, path)) {
				*ret = steal_ptr(&path);
				return 0;
			}
		}
	}
	return error_sys(err, ENOENT, "find '%s'", names[0]);
}

/* What the child needs, gathered before the fork. */
struct child {
	const struct hv_spawn *how;
	int null_fd, report_fd;
	int read_fd; /* the parent's end of the report */
	int userns;  /* to be in, or negative */
	uid_t user;  /* to be there, and the group of that number */
	gid_t group; /* one more; (gid_t)-1: none */
};

static int die_with_parent(const struct child *c, struct error *err)
{
	struct pollfd report = { .fd = c->report_fd };

	close(c->read_fd);
	/* Now, since it is lost with a change of the user. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_sys(err, errno, "set parent-death signal");
	/* The signal comes for deaths from now on; after one before it nobody reads the report. */
	if (poll(&report, 1, 0) > 0)
		return error_set(err, -ESRCH, "parent ended");
	return 0;
}

/* A shim blocks the signals it reads from a signalfd and ignores SIGPIPE; both would survive the
 * exec. */
static int reset_signals(const struct child *c, struct error *err)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* SIGKILL, SIGSTOP and libc's own refuse */
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return error_sys(err, errno, "unblock signals");
	return 0;
}

/* A session of its own: an interrupt typed on the caller's terminal is for the container. No core
 * file: it would hold the guest's memory. */
static int detach(const struct child *c, struct error *err)
{
	static const struct rlimit no_core = { 0, 0 };

	if (setsid() < 0)
		return error_sys(err, errno, "make a session");
	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return error_sys(err, errno, "forbid core files");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_sys(err, errno, "set no_new_privs");
	return 0;
}

/* Whoever breaks out of the VMM finds no network, no shared memory and no abstract socket: taps and
 * all other connections are descriptors. Nobody but root of a user namespace may, and every shim is
 * one; who is not, a unit test, has nothing to keep from it. */
static int leave_namespaces(const struct child *c, struct error *err)
{
	const int network = c->how->keeps_network ? 0 : CLONE_NEWNET;

	if (unshare(network | CLONE_NEWIPC | CLONE_NEWUTS) < 0 && errno != EPERM)
		return error_sys(err, errno, "make namespaces");
	return 0;
}

static int enter_jail(const struct child *c, struct error *err)
{
	return c->how->jail ? hv_jail_enter(c->how->jail, c->how->argv[0], err) : 0;
}

/* In a range of ids that nobody gives out: it starts beyond what systemd(1) lets containers have.
 * One for each shim, whose pid is below 2^22. */
#define OWN_USERS UINT32_C(0x70000000)

/* Who can open @device: anybody, or its group, unless that is root's; nobody knows what else there
 * may be. */
static bool find_group(const char *device, gid_t *ret)
{
	const mode_t group = S_IRGRP | S_IWGRP, others = S_IROTH | S_IWOTH;
	struct stat st;

	*ret = (gid_t)-1;
	if (!device)
		return true;
	if (stat(device, &st) < 0)
		return false;
	if ((st.st_mode & others) == others)
		return true;
	*ret = st.st_gid;
	return (st.st_mode & group) == group && st.st_gid != 0;
}

/* A user namespace that knows this user alone. It is made by us and so ours, though by then we have
 * no capability: a signal of ours, and the one of our death, arrives in it. */
static int make_users(struct child *c)
{
	cleanup_strbuf struct strbuf groups = STRBUF_INIT;
	cleanup_free char *users = xasprintf("%u %u 1\n", c->user, c->user);

	strbuf_addstr(&groups, users);
	if (c->group != (gid_t)-1)
		strbuf_addf(&groups, "%u %u 1\n", c->group, c->group);
	return userns_make(users, groups.buf);
}

/* Where there can be none, in a user namespace with fewer ids or none to come, it is the caller. */
static void find_user(struct child *c)
{
	if (!c->how->has_own_user || geteuid() != 0 || !find_group(c->how->device, &c->group))
		return;
	c->user = OWN_USERS + (uid_t)getpid();
	c->userns = make_users(c);
	if (c->userns < 0)
		log_debug("a user for '%s': %s", c->how->argv[0], strerror(-c->userns));
}

static int become_user(const struct child *c, struct error *err)
{
	const size_t groups = c->group != (gid_t)-1;

	if (c->userns < 0)
		return 0;
	if (setns(c->userns, CLONE_NEWUSER) < 0)
		return error_sys(err, errno, "join a user namespace");
	if (setresgid(c->user, c->user, c->user) < 0 || setgroups(groups, &c->group) < 0)
		return error_sys(err, errno, "change the group");
	if (setresuid(c->user, c->user, c->user) < 0)
		return error_sys(err, errno, "change the user");
	return 0;
}

/* Root's files are root's without any capability; those of others it has as descriptors. */
static int give_up_rights(const struct child *c, struct error *err)
{
	int r = c->how->has_no_rights ? caps_give_up(0) : 0;

	return r < 0 ? error_sys(err, r, "give up capabilities") : 0;
}

/* Whatever the program asks of madvise(2). A kernel that cannot forbid them does no harm. */
static int set_page_size(const struct child *c, struct error *err)
{
	if (c->how->has_small_pages)
		(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* outlives execve(2) */
	return 0;
}

static int change_directory(const struct child *c, struct error *err)
{
	const char *dir = c->how->dir;

	return dir && chdir(dir) < 0 ? error_sys(err, errno, "change to '%s'", dir) : 0;
}

static int set_stdio(const struct child *c, struct error *err)
{
	if (dup2(c->null_fd, 0) < 0 || dup2(c->how->out_fd, 1) < 0 || dup2(c->how->log_fd, 2) < 0)
		return error_sys(err, errno, "set standard streams");
	return 0;
}

static int keep_descriptors(const struct child *c, struct error *err)
{
	cleanup_free int *keep = xcalloc(c->how->fds_count + 1, sizeof(int));
	int r;

	for (size_t i = 0; i < c->how->fds_count; i++) {
		if (fcntl(c->how->fds[i], F_SETFD, 0) < 0)
			return error_sys(err, errno, "inherit descriptor %d", c->how->fds[i]);
		keep[i] = c->how->fds[i];
	}
	keep[c->how->fds_count] = c->report_fd;
	r = close_all_but(3, keep, c->how->fds_count + 1);
	return r < 0 ? error_sys(err, r, "close descriptors") : 0;
}

/* Nobody needs the caller's environment, which may have its secrets. */
static int execute(const struct child *c, struct error *err)
{
	char *const nothing[] = { NULL };

	execve(c->how->argv[0], c->how->argv, nothing);
	return error_sys(err, errno, "execute '%s'", c->how->argv[0]);
}

/* As after execve(2): what is not in memory cannot be read by who takes over the process. */
static void wipe_environment(void)
{
	for (char **variable = environ; *variable; variable++)
		explicit_bzero(*variable, strlen(*variable));
	(void)clearenv();
}

static int go_on(const struct child *c, struct error *err)
{
	int r;

	wipe_environment();
	log_start_anew(c->how->fork->name);
	(void)prctl(PR_SET_NAME, c->how->fork->name); /* for people */
	r = c->how->fork->prepare(c->how->fork->ctx, err);
	if (r < 0)
		return r;
	close(c->report_fd);
	c->how->fork->run(c->how->fork->ctx);
	_exit(127);
}

/* What the child is to be; returns only to say why it is not. */
static int begin(const struct child *c, struct error *err)
{
	return c->how->fork ? go_on(c, err) : execute(c, err);
}

static _Noreturn void run_child(const struct child *c)
{
	static int (*const steps[])(const struct child *c, struct error *err) = {
		reset_signals,	  detach,	  leave_namespaces, enter_jail,
		become_user,	  give_up_rights, die_with_parent,  set_page_size,
		change_directory, set_stdio,	  keep_descriptors, begin,
	};
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (steps[i](c, &err) < 0)
			break;
	(void)write_all(c->report_fd, &err, sizeof(err)); /* without a reader nobody cares */
	_exit(127);
}

/* The report pipe closes when the child became what it is to be; until then it carries its
 * error. */
static int await_start(int report_fd, struct error *err)
{
	struct error report = ERROR_INIT;
	int r = read_exact(report_fd, &report, sizeof(report));

	if (r == -EPIPE)
		return 0;
	if (r < 0)
		return error_sys(err, r, "wait for the program to start");
	if (err)
		*err = report;
	return report.code;
}

/* The first process of a pid namespace of its own, where that is permitted: whoever takes it over
 * knows no other process that it could send a signal to or trace, nor does one live on that it
 * starts. */
static pid_t fork_apart(void)
{
	struct clone_request apart = { .flags = CLONE_NEWPID, .cgroup_fd = -1 };
	struct clone_request usual = { .cgroup_fd = -1 };
	pid_t pid = clone_process(&apart);

	return pid == -EPERM ? clone_process(&usual) : pid;
}

int hv_spawn_as(const struct hv_spawn *how, struct hv_vm *ret, struct error *err)
{
	cleanup_fd int null_fd = -1, read_fd = -1, report_fd = -1, pidfd = -1;
	cleanup_fd int userns = -1;
	cleanup_pid pid_t pid = 0;
	struct child child = { .how = how, .userns = -1 };
	int ends[2];
	int r;

	for (size_t i = 0; i < how->fds_count; i++)
		if (how->fds[i] < 3)
			return error_set(err, -EINVAL, "pass descriptor %d: standard stream",
					 how->fds[i]);
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null_fd < 0)
		return error_sys(err, errno, "open '/dev/null'");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_sys(err, errno, "make pipe");
	read_fd = ends[0];
	report_fd = ends[1];
	child.null_fd = null_fd;
	child.report_fd = report_fd;
	child.read_fd = read_fd;
	find_user(&child);
	userns = child.userns; /* to be closed */

	pid = fork_apart();
	if (pid < 0)
		return error_sys(err, pid, "fork");
	if (pid == 0)
		run_child(&child);
	close_fdp(&report_fd); /* held open here it would hide that the child's is closed */
	r = await_start(read_fd, err);
	if (r < 0)
		return r;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return error_sys(err, errno, "open pidfd of %d", (int)pid);
	*ret = (struct hv_vm){ .pid = steal_pid(&pid), .pidfd = steal_fd(&pidfd) };
	return 0;
}

int hv_spawn(char *const *argv, const int *fds, size_t fds_count, int log_fd, struct hv_vm *ret,
	     struct error *err)
{
	const struct hv_spawn how = {
		.argv = argv,
		.fds = fds,
		.fds_count = fds_count,
		.out_fd = log_fd,
		.log_fd = log_fd,
	};

	return hv_spawn_as(&how, ret, err);
}

int hv_fork(const struct hv_fork *fork, const int *fds, size_t fds_count, int log_fd,
	    struct hv_vm *ret, struct error *err)
{
	const struct hv_spawn how = {
		.fork = fork,
		.fds = fds,
		.fds_count = fds_count,
		.out_fd = log_fd,
		.log_fd = log_fd,
	};

	return hv_spawn_as(&how, ret, err);
}
