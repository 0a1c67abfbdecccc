/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"
#include "lib/engine/child.h"
#include "lib/engine/entrance.h"
#include "lib/engine/helper.h"
#include "lib/engine/namespaces.h"
#include "lib/engine/process.h"
#include "lib/engine/terminal.h"
#include "lib/linux/caps.h"
#include "oci/config.h"
#include "oci/state.h"

/*
 * engine_exec(): one more process in a container. The caller stays outside; a helper enters the
 * container's pid namespace, and clones the process into it, which joins the rest.
 *
 * Trust: from the moment it is in the pid namespace, the container's processes can see it, and
 * from the joining of the mount namespace on every file is theirs.
 */
struct entry {
	const struct engine_exec *e;
	struct oci_process document; /* with what it takes over from the container's own */
	struct process_plan plan;
	struct child child;
	int flags;   /* CLONE_NEW… of the namespaces to join; with CLONE_NEWUSER all at once */
	int root_fd; /* of a container without a mount namespace: its root, else -1 */

	/* In the process: */
	struct sync sync;
	struct process process;
	struct helper helper;
	char *keyring; /* or NULL */
};

static int check_terminal(const struct engine_exec *e, struct error *err)
{
	if (e->process->terminal && e->console_socket < 0)
		return error_set(err, -EINVAL, "process.terminal: there is no console socket");
	if (!e->process->terminal && e->console_socket >= 0)
		return error_set(err, -EINVAL,
				 "process.terminal: console socket given, but no terminal wanted");
	return 0;
}

/* The pid is still that of the pidfd if that process is alive after its files were looked at. */
static int check_alive(const struct engine_exec *e, struct error *err)
{
	if (pidfd_send_signal(e->init_pidfd, 0, NULL, 0) < 0)
		return error_sys(err, errno, "container's init");
	return 0;
}

static bool has_user(const struct entry *entry)
{
	return entry->flags & CLONE_NEWUSER;
}

/* One that the container joined may be ours, and the kernel refuses to join that. */
static int drop_own_user_namespace(struct entry *entry, struct error *err)
{
	cleanup_free char *path = NULL;
	struct stat own, its;

	if (!has_user(entry))
		return 0;
	path = xasprintf("/proc/%d/ns/user", (int)entry->e->init_pid);
	if (stat("/proc/self/ns/user", &own) < 0 || stat(path, &its) < 0)
		return error_sys(err, errno, "look at user namespace of the container");
	if (own.st_dev == its.st_dev && own.st_ino == its.st_ino)
		entry->flags &= ~CLONE_NEWUSER;
	return check_alive(entry->e, err);
}

static int plan(void *ctx, struct error *err)
{
	struct entry *entry = ctx;
	const struct engine_exec *e = entry->e;
	struct namespace_plan namespaces;
	struct process_request request;
	struct caps caps;
	int r = check_terminal(e, err);

	if (r < 0)
		return r;
	/* What the container joined, it has by now as much as what was made for it. */
	r = namespaces_plan(e->config, &namespaces, err);
	if (r < 0)
		return r;
	entry->flags = namespaces.private_flags;
	r = drop_own_user_namespace(entry, err);
	if (r < 0)
		return r;
	r = caps_get(&caps);
	if (r < 0)
		return error_sys(err, r, "read own capabilities");
	request = (struct process_request){
		.process = &entry->document,
		.linux_ = &e->config->linux_,
		.available = has_user(entry) ? ~0ull : caps.permitted,
		.is_guest = e->is_guest,
		.is_entering = true,
		.is_in_user_ns = has_user(entry),
		.keeps_groups = process_keeps_groups(e->config, e->is_guest),
	};
	process_inherit(e->process, e->config->process, &entry->document);
	return process_plan(&request, &entry->plan, err);
}

/* A container in the host's mount namespace has only its root directory. */
static int open_root(void *ctx, struct error *err)
{
	struct entry *entry = ctx;
	cleanup_free char *path = NULL;

	if (entry->flags & CLONE_NEWNS)
		return 0;
	path = xasprintf("/proc/%d/root", (int)entry->e->init_pid);
	entry->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (entry->root_fd < 0)
		return error_sys(err, errno, "open root of the container");
	return check_alive(entry->e, err);
}

static int begin(void *ctx, struct error *err)
{
	struct entry *entry = ctx;
	const int keep[] = {
		entry->e->console_socket,
		entry->e->init_pidfd,
		entry->root_fd,
	};

	int r = entrance_keep_parent(err);

	return r < 0 ? r : process_begin(&entry->process, keep, ARRAY_SIZE(keep), err);
}

/* What a helper joins: the pid namespace; with a user namespace all of them, because only as long
 * as one has not entered that, one may join what it owns and what it does not own. */
static int helper_flags(const struct entry *entry)
{
	if (!(entry->flags & CLONE_NEWPID))
		return 0;
	return has_user(entry) ? entry->flags : CLONE_NEWPID;
}

/* All at once (Linux 5.8), by the descriptor of the process: no path of it that could be another's
 * by now. The cgroup namespace too: joining it does not depend on the process's own cgroup. */
static int join_flags(const struct entry *entry, int flags, struct error *err)
{
	if (!flags || setns(entry->e->init_pidfd, flags) == 0)
		return 0;
	if (errno == ESRCH)
		return error_set(err, -ESRCH, "cannot exec in a stopped container");
	return error_sys(err, errno, "join namespaces of the container");
}

static int join(void *ctx, struct error *err)
{
	struct entry *entry = ctx;
	int r = join_flags(entry, entry->flags & ~helper_flags(entry), err);

	if (r == 0 && has_user(entry))
		r = entrance_become_root(entry->plan.keeps_groups, err);
	if (r < 0 || entry->root_fd < 0)
		return r;
	if (fchdir(entry->root_fd) < 0 || chroot(".") < 0)
		return error_sys(err, errno, "enter root of the container");
	close_fdp(&entry->root_fd);
	entry->root_fd = -1;
	return 0;
}

static int await_record(void *ctx, struct error *err)
{
	struct entry *entry = ctx;
	pid_t pid;

	return sync_wait_number(&entry->sync, SYNC_RECORDED, &pid, err);
}

static int open_terminal(void *ctx, struct error *err)
{
	struct entry *entry = ctx;
	cleanup_fd int root = -1;

	if (!entry->e->process->terminal)
		return 0;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_sys(err, errno, "open '/'");
	return terminal_open(root, entry->e->process, entry->e->console_socket,
			     &entry->process.terminal, err);
}

static int enter_cwd(void *ctx, struct error *err)
{
	return process_enter_cwd(&((struct entry *)ctx)->process, err);
}

static int outlive_caller(void *ctx, struct error *err)
{
	return entrance_outlive_parent(err);
}

static int become(void *ctx, struct error *err)
{
	return process_become(&((struct entry *)ctx)->process, err);
}

static int report_ready(void *ctx, struct error *err)
{
	return sync_send(&((struct entry *)ctx)->sync, SYNC_READY, err);
}

static int execute(void *ctx, struct error *err)
{
	struct entry *entry = ctx;

	return process_execute(&entry->process, entry->sync.fd, err);
}

/* clang-format off */
static const struct step process_steps[] = {
	{ NULL, begin, NULL },
	{ NULL, join, NULL },
	{ NULL, open_terminal, NULL },
	{ NULL, enter_cwd, NULL },
	{ NULL, await_record, NULL },
	{ NULL, outlive_caller, NULL },
	{ NULL, become, NULL },
	{ NULL, report_ready, NULL },
	{ NULL, execute, NULL },
};
/* clang-format on */

__attribute__((noreturn)) static void run_process(void *ctx)
{
	struct entry *entry = ctx;
	struct process *p = &entry->process;
	struct error err = ERROR_INIT;

	*p = (struct process)PROCESS_INIT;
	p->plan = &entry->plan;
	p->sync = &entry->sync;
	p->filter = entry->child.filter.program;
	p->keyring = entry->keyring;
	p->preserved_fds = entry->e->preserved_fds;
	memcpy(p->stdio, entry->e->stdio, sizeof(p->stdio));
	(void)steps_run(process_steps, ARRAY_SIZE(process_steps), entry, &err); /* it failed */
	sync_send_failure(&entry->sync, &err);
	_exit(EXIT_FAILURE);
}

static int enter(void *ctx, struct error *err)
{
	const struct entry *entry = ctx;
	int r = entrance_hide(err);

	if (r == 0)
		r = join_flags(entry, helper_flags(entry), err);
	return r == 0 ? entrance_keep_parent(err) : r;
}

static void run(void *ctx, int sync_fd)
{
	struct entry *entry = ctx;

	entry->sync = (struct sync){ .fd = sync_fd, .peer = "caller" };
	if (!(entry->flags & CLONE_NEWPID))
		run_process(entry);
	entry->helper = (struct helper){
		.sync = &entry->sync,
		.enter = enter,
		.run = run_process,
		.ctx = entry,
	};
	helper_main(&entry->helper);
}

static int start(void *ctx, struct error *err)
{
	struct entry *entry = ctx;
	const struct child_start start = {
		.run = run,
		.ctx = entry,
		.is_helped = entry->flags & CLONE_NEWPID,
	};

	return child_start(&entry->child, &start, err);
}

static int record(void *ctx, struct error *err)
{
	return child_record(&((struct entry *)ctx)->child, err);
}

static int find_filter(void *ctx, struct error *err)
{
	struct entry *entry = ctx;

	child_find_filter(&entry->child, entry->e->cache_dir);
	return 0;
}

static int make_filter(void *ctx, struct error *err)
{
	return filter_make(&((struct entry *)ctx)->child.filter, err);
}

static int send_filter(void *ctx, struct error *err)
{
	struct child *child = &((struct entry *)ctx)->child;

	return filter_send(&child->filter, &child->sync, err);
}

static int forward_listener(void *ctx, struct error *err)
{
	struct entry *entry = ctx;
	const struct engine_exec *e = entry->e;
	const struct oci_state state = {
		.id = e->id,
		.status = OCI_STATUS_RUNNING,
		.pid = e->init_pid,
		.bundle = e->bundle,
		.annotations = &e->config->annotations,
	};

	return child_forward_listener(&entry->child, &state, err);
}

static int await_exec(void *ctx, struct error *err)
{
	struct entry *entry = ctx;
	int r = sync_wait(&entry->child.sync, SYNC_READY, err);

	return r < 0 ? r : sync_wait_exec(&entry->child.sync, err);
}

/* clang-format off */
static const struct step exec_steps[] = {
	{ NULL, plan, NULL },
	{ NULL, open_root, NULL },
	{ NULL, find_filter, NULL },
	{ "start process", start, NULL },
	{ NULL, record, NULL },
	{ NULL, make_filter, NULL },
	{ NULL, send_filter, NULL },
	{ NULL, forward_listener, NULL },
	{ NULL, await_exec, NULL },
};
/* clang-format on */

int engine_exec(const struct engine_exec *e, pid_t *ret_pid, struct error *err)
{
	struct entry entry = { .e = e, .child = CHILD_INIT, .root_fd = -1 };
	int r;

	if (!e->no_new_keyring)
		entry.keyring = xasprintf("_ses.%s", e->id);
	entry.child.cgroup = e->cgroup;
	entry.child.plan = &entry.plan;
	entry.child.on_pid = e->on_pid;
	entry.child.ctx = e->ctx;
	r = steps_run(exec_steps, ARRAY_SIZE(exec_steps), &entry, err);
	if (r == 0)
		*ret_pid = steal_pid(&entry.child.pid);
	child_done(&entry.child);
	close_fdp(&entry.root_fd);
	process_plan_done(&entry.plan);
	free(entry.keyring);
	return r;
}
