/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/container/backend.h"
#include "lib/container/native-criu.h"
#include "lib/container/native-rdt.h"
#include "lib/container/native-rootfs.h"
#include "lib/container/ps.h"
#include "lib/engine/cgroup-oom.h"
#include "lib/engine/cgroup-stats.h"
#include "lib/engine/cgroup.h"
#include "lib/engine/engine.h"
#include "lib/engine/intel-rdt.h"
#include "oci/config.h"

/*
 * Containers on this host's kernel, by the engine. A created one's init waits for a byte from
 * exec.fifo, a FIFO in the state directory which it holds open for reading; that it has been
 * executed shows in there being no reader any more.
 */
#define FIFO_NAME "exec.fifo"

/* For reading and writing, so that neither we nor the init ever waits to open it. */
static int make_fifo(const struct container *c, int *ret_fd, struct error *err)
{
	int dirfd = state_dir_fd(c->dir);
	int fd;

	if (mkfifoat(dirfd, FIFO_NAME, 0600) < 0)
		return error_sys(err, errno, "make '%s/" FIFO_NAME "'", state_dir_path(c->dir));
	fd = openat(dirfd, FIFO_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_sys(err, errno, "open '%s/" FIFO_NAME "'", state_dir_path(c->dir));
	*ret_fd = fd;
	return 0;
}

struct maker {
	struct container *c;
	struct cgroup *cgroup;
	struct intel_rdt rdt;
};

static void maker_done(struct maker *maker)
{
	cgroup_free(maker->cgroup);
	intel_rdt_done(&maker->rdt);
}

static int record_init(void *ctx, pid_t pid, struct error *err)
{
	struct maker *maker = ctx;
	struct container *c = maker->c;
	int r;

	c->record.pid = (uint32_t)pid;
	c->record.pid_start = process_start_time(pid);
	r = container_save(c, err);
	return r < 0 || !maker->rdt.root ? r : intel_rdt_attach(&maker->rdt, pid, err);
}

/* What a container leaves outside of its namespaces. */
static int remove_traces(struct container *c, const struct cgroup *cg, struct error *err)
{
	int r = backend_remove_cgroup(c, cg, err);

	if (r == 0)
		r = native_rootfs_detach(c, err);
	return r < 0 ? r : native_rdt_remove(c, err);
}

/* What there is before its first process; on failure the cgroup is left to be removed. */
static int prepare(struct maker *maker, bool has_cgroup, struct error *err)
{
	struct container *c = maker->c;
	int r = native_rootfs_note(c, err);

	if (r == 0 && has_cgroup)
		r = backend_make_cgroup(c, &c->config->linux_.resources, &maker->cgroup, err);
	if (r == 0 && maker->cgroup)
		r = cgroup_give_to_owner(maker->cgroup, c->config, err);
	return r < 0 ? r : native_rdt_create(c, &maker->rdt, err);
}

/* The error that @r stands for counts, not what becomes of this. */
static int undo(struct maker *maker, int r, struct error *err)
{
	if (maker->cgroup && cgroup_was_oom_killed(maker->cgroup))
		r = error_wrap(err, r, "container init was OOM-killed (memory limit too low?)");
	(void)remove_traces(maker->c, maker->cgroup, NULL);
	return r;
}

static int create(struct container *c, const struct container_create_request *request,
		  int console_fd, pid_t *ret_pid, struct error *err)
{
	cleanup_free char *cache_dir = state_cache_dir(c->root);
	cleanup_fd int start_fd = -1;
	CLEANUP(maker_done) struct maker maker = { .c = c };
	struct engine_container engine;
	int r = request->runs_at_once ? 0 : make_fifo(c, &start_fd, err);

	if (r < 0)
		return r;
	r = prepare(&maker, !request->no_cgroup, err);
	engine = (struct engine_container){
		.id = c->id,
		.config = c->config,
		.bundle = c->record.bundle,
		.cgroup = maker.cgroup,
		.cache_dir = cache_dir,
		.stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
		.console_socket = console_fd,
		.start_fd = start_fd,
		.preserved_fds = request->preserved_fds,
		.listen_fds = request->listen_fds,
		.listen_names = request->listen_names,
		.no_new_keyring = request->no_new_keyring,
		.no_pivot = request->no_pivot,
		.on_pid = record_init,
		.ctx = &maker,
	};
	if (r == 0)
		r = engine_create(&engine, ret_pid, err);
	return r < 0 ? undo(&maker, r, err) : 0;
}

static int restore(struct container *c, const struct container_create_request *request,
		   int console_fd, pid_t *ret_pid, struct error *err)
{
	CLEANUP(maker_done) struct maker maker = { .c = c };
	struct native_criu_restore wish = {
		.c = c,
		.options = request->restore,
		.console_fd = console_fd,
		.on_pid = record_init,
		.ctx = &maker,
	};
	int r = prepare(&maker, !request->no_cgroup, err);

	wish.cgroup = maker.cgroup;
	if (r == 0)
		r = native_criu_restore(&wish, ret_pid, err);
	return r < 0 ? undo(&maker, r, err) : 0;
}

static int checkpoint(struct container *c, const struct container_checkpoint_request *request,
		      struct error *err)
{
	return native_criu_dump(c, request->options, request->is_pre_dump, err);
}

/* Done once nobody holds the FIFO for writing: the init was executed, or is no more. What is in it
 * then is our byte, which nobody took, or init's reason; but a process of the container could have
 * got hold of it as well. */
static int wait_for_exec(int fifo, struct error *err)
{
	struct pollfd p = { .fd = fifo }; /* no events: a hang-up is always told */
	char text[sizeof(err->msg)];
	struct error reason = ERROR_INIT;
	ssize_t n;

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return error_sys(err, errno, "wait for the program to be executed");
	n = read(fifo, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	if (n == 1)
		return error_set(err, -ESRCH, "cannot start a container that has stopped");
	text[n] = '\0';
	error_set(&reason, -ECANCELED, "%s", text);
	error_sanitize(&reason);
	return error_set(err, reason.code, "%s", reason.msg);
}

static int write_start(const struct container *c, int fifo, struct error *err)
{
	int r = write_all(fifo, "0", 1);

	return r < 0 ? error_sys(err, r, "write '%s/" FIFO_NAME "'", state_dir_path(c->dir)) : 0;
}

static int start(struct container *c, struct error *err)
{
	int dirfd = state_dir_fd(c->dir);
	/* In this order: it is init's end that makes the first of them succeed. */
	cleanup_fd int to_init = openat(dirfd, FIFO_NAME, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	cleanup_fd int from_init = -1;
	int r;

	if (to_init < 0 && (errno == ENXIO || errno == ENOENT))
		return error_set(err, -EINVAL, "cannot start an already running container");
	if (to_init >= 0)
		from_init = openat(dirfd, FIFO_NAME, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (from_init < 0)
		return error_sys(err, errno, "open '%s/" FIFO_NAME "'", state_dir_path(c->dir));
	r = write_start(c, to_init, err);
	if (r < 0)
		return r;
	close(steal_fd(&to_init));
	r = wait_for_exec(from_init, err);
	(void)unlinkat(dirfd, FIFO_NAME, 0); /* without a reader it says the same */
	return r;
}

static bool waits_for_start(const struct container *c)
{
	cleanup_fd int fifo =
		openat(state_dir_fd(c->dir), FIFO_NAME, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	return fifo >= 0;
}

static int status(const struct container *c, enum oci_status *ret, struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	int r = backend_open_cgroup(c, &cg, err);

	if (r < 0)
		return r;
	if (cg && cgroup_is_frozen(cg))
		*ret = OCI_STATUS_PAUSED;
	else
		*ret = waits_for_start(c) ? OCI_STATUS_CREATED : OCI_STATUS_RUNNING;
	return 0;
}

/* Without a pid namespace of its own nothing but its cgroup tells which processes are the
 * container's, and the kernel does not end them with the init. */
static bool shares_pids(const struct container *c)
{
	const struct oci_namespace *ns;

	if (!c->config)
		return false;
	ns = oci_namespace_find(c->config, OCI_NS_PID);
	return !ns || ns->path;
}

static int kill_container(struct container *c, int sig, bool all, struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	bool is_for_all = all || (sig == SIGKILL && shares_pids(c));
	int r;

	if (!is_for_all && sig != SIGKILL)
		return backend_signal_process(c, sig, err);
	r = backend_open_cgroup(c, &cg, err);
	if (r < 0)
		return r;
	if (is_for_all && cg)
		return cgroup_signal(cg, sig, err);
	r = backend_signal_process(c, sig, err);
	/* A frozen process dies of SIGKILL on v2; on v1 it waits to be thawed. */
	if (r == 0 && cg && cgroup_is_frozen(cg))
		r = cgroup_freeze(cg, false, err);
	return r;
}

static int exec(struct container *c, const struct container_exec_request *request, int console_fd,
		pid_t *ret_pid, struct error *err)
{
	cleanup_free char *cache_dir = state_cache_dir(c->root);
	cleanup_cgroup struct cgroup *cg = NULL;
	cleanup_fd int pidfd = record_pidfd(&c->record);
	struct engine_exec engine;
	int r;

	if (pidfd == -ESRCH)
		return error_set(err, pidfd, "cannot exec in a stopped container");
	if (pidfd < 0)
		return error_sys(err, pidfd, "open process %u", c->record.pid);
	r = backend_open_cgroup(c, &cg, err);
	if (r == 0 && cg)
		r = cgroup_aim_exec(cg, request->cgroups, (pid_t)c->record.pid, err);
	if (r < 0)
		return r;
	engine = (struct engine_exec){
		.id = c->id,
		.bundle = c->record.bundle,
		.cache_dir = cache_dir,
		.init_pid = (pid_t)c->record.pid,
		.init_pidfd = pidfd,
		.config = c->config,
		.process = request->process,
		.cgroup = cg,
		.stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
		.console_socket = console_fd,
		.preserved_fds = request->preserved_fds,
		.no_new_keyring = c->record.has_no_keyring,
	};
	return engine_exec(&engine, ret_pid, err);
}

/* For what is impossible without one. */
static int require_cgroup(const struct container *c, struct cgroup **ret, struct error *err)
{
	int r = backend_open_cgroup(c, ret, err);

	if (r == 0 && !*ret)
		return error_set(err, -EOPNOTSUPP, "it was made without a cgroup of its own");
	return r;
}

static int freeze(struct container *c, bool frozen, struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	int r = require_cgroup(c, &cg, err);

	return r < 0 ? r : cgroup_freeze(cg, frozen, err);
}

static int update(struct container *c, const struct oci_resources *changes, struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	int r = require_cgroup(c, &cg, err);

	return r < 0 ? r : backend_update_cgroup(c, cg, &c->config->linux_.resources, changes, err);
}

static int change_mounts(const struct container *c, const struct oci_config *document,
			 bool is_removal, struct error *err)
{
	cleanup_fd int pidfd = record_pidfd(&c->record);
	const struct engine_mounts mounts = {
		.bundle = c->record.bundle,
		.init_pid = (pid_t)c->record.pid,
		.init_pidfd = pidfd,
		.config = c->config,
		.mounts = document->mounts,
		.count = document->mounts_count,
	};

	if (pidfd < 0)
		return error_sys(err, pidfd, "open process %u", c->record.pid);
	return is_removal ? engine_remove_mounts(&mounts, err) : engine_add_mounts(&mounts, err);
}

static int stats(const struct container *c, struct cgroup_stats *ret, struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	int r = require_cgroup(c, &cg, err);

	return r < 0 ? r : cgroup_stats(cg, ret, err);
}

struct watched {
	const struct oom_watch *watch;
	struct cgroup_oom *oom;
	struct loop_source *source;
};

static void on_oom(void *ctx, int fd, uint32_t events)
{
	struct watched *w = ctx;
	bool is_gone = false;

	for (int count = cgroup_oom_read(w->oom, &is_gone); count > 0; count--)
		w->watch->fn(w->watch->ctx);
	/* The end of the container is told by its process alone. */
	if (is_gone) {
		loop_remove(w->source);
		w->source = NULL;
	}
}

static void unwatch_oom(void *watched)
{
	struct watched *w = watched;

	loop_remove(w->source);
	cgroup_oom_free(w->oom);
	free(w);
}

static int watch_oom(const struct container *c, const struct oom_watch *watch, void **ret,
		     struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	struct watched *w;
	int r = require_cgroup(c, &cg, err);

	if (r < 0)
		return r;
	w = xcalloc(1, sizeof(*w));
	w->watch = watch;
	r = cgroup_oom_open(cg, &w->oom, err);
	if (r == 0) {
		r = loop_add_fd(watch->loop, cgroup_oom_fd(w->oom), cgroup_oom_events(w->oom),
				on_oom, w, &w->source);
		if (r < 0)
			error_sys(err, r, "wait for running out of memory");
	}
	if (r < 0) {
		unwatch_oom(w);
		return r;
	}
	*ret = w;
	return 0;
}

static int ps(const struct container *c, char *const *args, char **ret, struct error *err)
{
	cleanup_free pid_t *pids = NULL;
	size_t count = 0;
	int r = backend_pids(c, &pids, &count, err);

	return r < 0 ? r : ps_run(args, pids, count, ret, err);
}

static int destroy(struct container *c, struct error *err)
{
	cleanup_cgroup struct cgroup *cg = NULL;
	int r = backend_open_cgroup(c, &cg, err);

	if (r == 0)
		r = backend_end_process(c, cg, err);
	return r < 0 ? r : remove_traces(c, cg, err);
}

const struct container_backend native_backend = {
	.create = create,
	.restore = restore,
	.checkpoint = checkpoint,
	.start = start,
	.status = status,
	.kill = kill_container,
	.exec = exec,
	.freeze = freeze,
	.update = update,
	.change_mounts = change_mounts,
	.stats = stats,
	.update_rdt = native_rdt_update,
	.rdt_stats = native_rdt_stats,
	.watch_oom = watch_oom,
	.unwatch_oom = unwatch_oom,
	.pids = backend_pids,
	.ps = ps,
	.destroy = destroy,
};
