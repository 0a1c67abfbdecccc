/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/init.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"
#include "lib/base/timing.h"
#include "lib/engine/engine.h"
#include "lib/engine/entrance.h"
#include "lib/engine/hooks.h"
#include "lib/engine/process.h"
#include "lib/engine/rootfs.h"
#include "lib/engine/sysctl.h"
#include "lib/engine/terminal.h"
#include "lib/linux/netdev.h"

/* What a shell says of programs that cannot be executed; conmon and podman know them. */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

struct work {
	const struct engine_container *c;
	const struct oci_config *config;
	const struct container_plan *plan;
	struct sync sync;
	struct rootfs rootfs;
	struct process process;
	char *keyring;
	bool has_fifo; /* at its gate, asked while a filter cannot forbid it */
	pid_t pid;     /* as the caller sees it; known once recorded */
};

/* When the caller dies before the container is made, so does init. If it died before the kernel was
 * told so, the next wait ends with an end of file, or 'ready' cannot be sent. */
static int begin(void *ctx, struct error *err)
{
	struct work *w = ctx;
	const struct rootfs_sources *sources = w->rootfs.sources;
	cleanup_free int *keep = xcalloc(OCI_NS_COUNT + 3 + sources->mounts_count, sizeof(*keep));
	size_t count = 0;
	struct stat st;
	int r = entrance_keep_parent(err);

	if (r < 0)
		return r;
	timing_setup(timing_fd(), "init");
	for (size_t i = 0; i < w->plan->namespaces.joins_count; i++)
		keep[count++] = w->plan->namespaces.joins[i].fd;
	keep[count++] = w->c->console_socket;
	keep[count++] = w->c->start_fd;
	keep[count++] = timing_fd();
	w->has_fifo = fstat(w->c->start_fd, &st) == 0 && S_ISFIFO(st.st_mode);
	for (size_t i = 0; i < sources->mounts_count; i++)
		keep[count++] = sources->mounts[i];
	return process_begin(&w->process, keep, count, err);
}

/* The cgroup namespace has the process's cgroup as its root, in which it is by now. */
static int join(void *ctx, struct error *err)
{
	struct work *w = ctx;
	const struct namespace_plan *plan = &w->plan->namespaces;
	int r;

	if (plan->unshares_cgroup && unshare(CLONE_NEWCGROUP) < 0)
		return namespaces_explain(CLONE_NEWCGROUP, errno, "unshare", err);
	r = namespaces_join(plan, ~(CLONE_NEWPID | CLONE_NEWUSER | plan->outer_flags), err);
	if (r < 0 || !(plan->clone_flags & CLONE_NEWNET))
		return r;
	r = netdev_up("lo");
	return r < 0 ? error_sys(err, r, "bring loopback up") : 0;
}

/* As late as possible: what the caller does with the pid takes time too. */
static int await_record(void *ctx, struct error *err)
{
	struct work *w = ctx;

	return w->pid ? 0 : sync_wait_number(&w->sync, SYNC_RECORDED, &w->pid, err);
}

static int leave_cgroup(void *ctx, struct error *err)
{
	struct work *w = ctx;
	int r;

	if (!w->plan->delegate)
		return 0;
	r = await_record(w, err);
	if (r == 0)
		r = sync_send(&w->sync, SYNC_CGROUP_DUE, err);
	return r < 0 ? r : sync_wait(&w->sync, SYNC_CGROUP_LEFT, err);
}

static int attach_rootfs(void *ctx, struct error *err)
{
	return rootfs_attach(&((struct work *)ctx)->rootfs, err);
}

/* Only now: until here it may search where the caller may. What is made from now on belongs to the
 * container's root. */
static int become_root(void *ctx, struct error *err)
{
	const struct container_plan *all = ((struct work *)ctx)->plan;
	const struct namespace_plan *plan = &all->namespaces;
	int r = namespaces_have_user(plan) ? entrance_become_root(all->process.keeps_groups, err)
					   : 0;

	if (r < 0 || !plan->late_flags || unshare(plan->late_flags) == 0)
		return r;
	return namespaces_explain(plan->late_flags, errno, "unshare", err);
}

static int mount_all(void *ctx, struct error *err)
{
	return rootfs_mount(&((struct work *)ctx)->rootfs, err);
}

static int make_devices(void *ctx, struct error *err)
{
	return rootfs_make_devices(&((struct work *)ctx)->rootfs, err);
}

/* Before anything in /dev becomes read-only, and while the host's tree has a /dev/pts. */
static int open_terminal(void *ctx, struct error *err)
{
	struct work *w = ctx;
	int r;

	if (!w->config->process || !w->config->process->terminal)
		return 0;
	r = terminal_open(w->rootfs.fd, w->config->process, w->c->console_socket,
			  &w->process.terminal, err);
	if (r == 0)
		r = terminal_bind_console(w->rootfs.fd, w->process.terminal, err);
	return r;
}

static int hide_paths(void *ctx, struct error *err)
{
	return rootfs_hide(&((struct work *)ctx)->rootfs, err);
}

static int write_sysctls(void *ctx, struct error *err)
{
	return sysctls_write(&((struct work *)ctx)->config->linux_.sysctl, err);
}

static struct hooks_context hooks_context(const struct work *w, const char *kind)
{
	return (struct hooks_context){
		.kind = kind,
		.id = w->c->id,
		.bundle = w->c->bundle,
		.annotations = &w->config->annotations,
		.pid = w->pid,
	};
}

/* In the new root's directory, as other runtimes run them; nothing else of ours depends on that. */
static int run_container_hooks(const struct work *w, struct error *err)
{
	const struct oci_hooks *hooks = &w->config->hooks;
	struct hooks_context context = hooks_context(w, "createContainer");
	int r;

	if (!hooks->create_container_count)
		return 0;
	if (fchdir(w->rootfs.fd) < 0)
		return error_sys(err, errno, "enter '%s'", w->plan->rootfs);
	context.status = OCI_STATUS_CREATED;
	context.keeps_cwd = true;
	umask(0022);
	r = hooks_run(&context, hooks->create_container, hooks->create_container_count, err);
	umask(0);
	return r;
}

/* The caller runs its hooks when everything is mounted and the host's paths are still there. */
static int run_hooks(void *ctx, struct error *err)
{
	struct work *w = ctx;
	const struct oci_hooks *hooks = &w->config->hooks;
	int r;

	if (!hooks->prestart_count && !hooks->create_runtime_count &&
	    !hooks->create_container_count)
		return 0;
	r = await_record(w, err);
	if (r == 0 && (hooks->prestart_count || hooks->create_runtime_count)) {
		r = sync_send(&w->sync, SYNC_HOOKS_DUE, err);
		if (r == 0)
			r = sync_wait(&w->sync, SYNC_HOOKS_RUN, err);
	}
	if (r < 0)
		return r;
	return run_container_hooks(w, err);
}

static int seal_mounts(void *ctx, struct error *err)
{
	return rootfs_seal_mounts(&((struct work *)ctx)->rootfs, err);
}

static int change_root(void *ctx, struct error *err)
{
	return rootfs_change(&((struct work *)ctx)->rootfs, err);
}

static int set_names(void *ctx, struct error *err)
{
	const struct oci_config *config = ((struct work *)ctx)->config;

	if (config->hostname && sethostname(config->hostname, strlen(config->hostname)) < 0)
		return error_sys(err, errno, "set hostname '%s'", config->hostname);
	if (config->domainname && setdomainname(config->domainname, strlen(config->domainname)) < 0)
		return error_sys(err, errno, "set domainname '%s'", config->domainname);
	return 0;
}

/* The directory may have to be made, so the root is still writable. */
static int enter_cwd(void *ctx, struct error *err)
{
	struct work *w = ctx;

	return w->config->process ? process_enter_cwd(&w->process, err) : 0;
}

static int seal_root(void *ctx, struct error *err)
{
	struct work *w = ctx;
	int r = rootfs_seal(&w->rootfs, err);

	rootfs_done(&w->rootfs);
	return r;
}

static int outlive_caller(void *ctx, struct error *err)
{
	return entrance_outlive_parent(err);
}

static int become_process(void *ctx, struct error *err)
{
	struct work *w = ctx;

	timing_setup(-1, ""); /* closed with all that the program shall not have */
	return w->config->process ? process_become(&w->process, err) : 0;
}

static int report_ready(void *ctx, struct error *err)
{
	return sync_send(&((struct work *)ctx)->sync, SYNC_READY, err);
}

/* clang-format off */
static const struct step init_steps[] = {
	{ NULL, begin, NULL, "init begins" },
	{ "namespaces", join, NULL, "namespaces entered" },
	{ NULL, leave_cgroup, NULL },
	{ "rootfs", attach_rootfs, NULL, "root attached" },
	{ NULL, become_root, NULL },
	{ NULL, mount_all, NULL, "mounts made" },
	{ NULL, make_devices, NULL, "devices made" },
	{ NULL, open_terminal, NULL },
	{ NULL, hide_paths, NULL },
	{ NULL, write_sysctls, NULL },
	{ NULL, run_hooks, NULL },
	{ NULL, seal_mounts, NULL },
	{ "rootfs", change_root, NULL, "root changed" },
	{ NULL, set_names, NULL },
	{ NULL, enter_cwd, NULL },
	{ "rootfs", seal_root, NULL, "root sealed" },
	{ NULL, await_record, NULL },
	{ NULL, outlive_caller, NULL },
	{ NULL, become_process, NULL },
	{ NULL, report_ready, NULL },
};
/* clang-format on */

/* `start` opens the other end, and sees by the hang-up of ours that the program runs. */
static int wait_at_gate(const struct work *w, struct error *err)
{
	char bytes[8]; /* an eventfd wants this much */
	ssize_t n;

	do
		n = read(w->c->start_fd, bytes, sizeof(bytes));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_sys(err, errno, "wait to be started");
	return n == 0 ? error_set(err, -EPIPE, "nobody is left to start it") : 0;
}

static int run_start_hooks(const struct work *w, struct error *err)
{
	const struct oci_hooks *hooks = &w->config->hooks;
	struct hooks_context context = hooks_context(w, "startContainer");

	context.status = OCI_STATUS_CREATED;
	context.default_env = w->process.env;
	context.keeps_cwd = true;
	return hooks_run(&context, hooks->start_container, hooks->start_container_count, err);
}

static int start(struct work *w, struct error *err)
{
	int keep = w->c->start_fd >= 0 ? w->c->start_fd : w->sync.fd;
	int r = 0;

	if (w->c->start_fd >= 0)
		r = wait_at_gate(w, err);
	if (r == 0 && !w->config->process)
		r = error_set(err, -EINVAL, "process: missing");
	if (r == 0)
		r = run_start_hooks(w, err);
	return r < 0 ? r : process_execute(&w->process, keep, err);
}

/* Who started it reads the other end of a FIFO until that closes. Otherwise nobody listens any
 * more, but whoever has the container's output. */
static void report_late_failure(const struct work *w, const struct error *err)
{
	if (w->has_fifo && write(w->c->start_fd, err->msg, strlen(err->msg)) > 0)
		return;
	dprintf(STDERR_FILENO, "%s\n", err->msg);
}

void init_main(struct init *init)
{
	const char *id = init->c->id;
	struct error err = ERROR_INIT;
	struct work w = {
		.c = init->c,
		.config = init->c->config,
		.plan = init->plan,
		.sync = init->sync,
		.rootfs = ROOTFS_INIT,
		.process = PROCESS_INIT,
		.keyring = xasprintf("_ses.%s", id),
	};
	int r;

	w.rootfs.c = w.c;
	w.rootfs.plan = w.plan;
	w.rootfs.sources = init->sources;
	w.process.plan = &w.plan->process;
	w.process.filter = *init->filter;
	w.process.sync = &w.sync;
	w.process.gate_fd = w.c->start_fd;
	w.process.keyring = w.c->no_new_keyring ? NULL : w.keyring;
	w.process.preserved_fds = w.c->preserved_fds;
	w.process.listen_fds = w.c->listen_fds;
	w.process.listen_names = w.c->listen_names;
	memcpy(w.process.stdio, w.c->stdio, sizeof(w.process.stdio));

	r = steps_run(init_steps, ARRAY_SIZE(init_steps), &w, &err);
	if (r < 0) {
		sync_send_failure(&w.sync, &err);
		_exit(EXIT_FAILURE);
	}
	if (w.c->start_fd >= 0)
		sync_close(&w.sync);
	r = start(&w, &err);
	if (w.c->start_fd < 0)
		sync_send_failure(&w.sync, &err);
	else
		report_late_failure(&w, &err);
	_exit(r == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}
