/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/base/timing.h"
#include "lib/engine/cgroup.h"
#include "lib/linux/clone.h"
#include "lib/linux/signals.h"
#include "lib/sandbox/rendezvous.h"

/* Where it lies seen from the running program: in a directory of programs, in a build tree. */
static const char *const places[] = { "moat-shim", "../shim/moat-shim" };

static char *find_beside_us(void)
{
	cleanup_free char *self = realpath("/proc/self/exe", NULL);
	char *slash = self ? strrchr(self, '/') : NULL;

	if (!slash)
		return NULL;
	*slash = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		cleanup_free char *path = xasprintf("%s/%s", self, places[i]);

		if (access(path, X_OK) == 0)
			return steal_ptr(&path);
	}
	return NULL;
}

/* Whoever sets the environment of a runtime may as well choose another runtime. */
char *shim_find(void)
{
	const char *wanted = getenv("MOAT_SHIM");
	char *path;

	if (wanted && *wanted)
		return xstrdup(wanted);
	path = find_beside_us();
	return path ? path : xstrdup(MOAT_LIBEXECDIR "/moat-shim");
}

static void add_fd(char ***argv, const char *option, int fd)
{
	if (fd >= 0)
		strv_pushf(argv, "--%s=%d", option, fd);
}

static char **plan(const struct shim_launch *l, const char *program, int sync_fd)
{
	char **argv = NULL;

	strv_push(&argv, xstrdup(program));
	strv_push(&argv, xstrdup(l->command));
	strv_pushf(&argv, "--root=%s", l->root);
	strv_pushf(&argv, "--id=%s", l->id);
	add_fd(&argv, "sync-fd", sync_fd);
	add_fd(&argv, "console-fd", l->console_fd);
	add_fd(&argv, "process-fd", l->process_fd);
	add_fd(&argv, "image-fd", l->image_fd);
	add_fd(&argv, "log-fd", log_fd());
	add_fd(&argv, "timing-fd", timing_fd());
	strv_each(dir, l->oom_dirs) {
		strv_pushf(&argv, "--oom-dir=%s", dir);
	}
	strv_each(option, l->more) {
		strv_push(&argv, xstrdup(option));
	}
	if (l->runs_at_once)
		strv_push(&argv, xstrdup("--run"));
	if (log_file_format() == LOG_FORMAT_JSON)
		strv_push(&argv, xstrdup("--log-json"));
	if (log_wants(LOG_LEVEL_DEBUG))
		strv_push(&argv, xstrdup("--debug"));
	return argv;
}

/* Nothing of ours gets in but what is named: callers leak descriptors too. */
static int keep_descriptors(const struct shim_launch *l, int sync_fd, struct error *err)
{
	const int wanted[] = { sync_fd,	    l->console_fd, l->process_fd,
			       l->image_fd, log_fd(),	   timing_fd() };
	int keep[ARRAY_SIZE(wanted)];
	size_t count = 0;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (wanted[i] < 0)
			continue;
		if (fcntl(wanted[i], F_SETFD, 0) < 0)
			return error_sys(err, errno, "inherit descriptor %d", wanted[i]);
		keep[count++] = wanted[i];
	}
	r = close_all_but(3, keep, count);
	return r < 0 ? error_sys(err, r, "close descriptors") : 0;
}

/* A session of its own: what is typed on the caller's terminal is for the container, and arrives
 * by way of the caller. The root directory, so that no file system stays busy because of it. */
static int become_shim(const struct shim_launch *l, char *const *argv, int sync_fd, bool is_in_v2,
		       struct error *err)
{
	int r = 0;

	signals_reset();
	if (setsid() < 0)
		return error_sys(err, errno, "make a session");
	if (l->cgroup)
		r = cgroup_attach(l->cgroup, 0, is_in_v2, err);
	if (r == 0)
		r = keep_descriptors(l, sync_fd, err);
	if (r < 0)
		return r;
	if (chdir("/") < 0)
		return error_sys(err, errno, "change to '/'");
	execv(argv[0], argv);
	return error_sys(err, errno, "execute '%s'", argv[0]);
}

int shim_launch(const struct shim_launch *l, pid_t *ret_pid, int *ret_sync, struct error *err)
{
	cleanup_free char *program = shim_find();
	cleanup_fd int ours = -1, theirs = -1;
	cleanup_strv char **argv = NULL;
	struct clone_request clone = {
		.flags = l->has_own_pids ? CLONE_NEWPID : 0,
		.cgroup_fd = l->cgroup ? l->cgroup->v2_fd : -1,
	};
	struct error failure = ERROR_INIT;
	int r = rendezvous_pair(&ours, &theirs);
	pid_t pid;

	if (r < 0)
		return error_sys(err, r, "make the rendezvous");
	argv = plan(l, program, theirs);
	pid = clone_process(&clone);
	if (pid < 0)
		return error_sys(err, pid, "fork");
	if (pid == 0) {
		/* Only returns to say why not. */
		(void)become_shim(l, argv, theirs, clone.is_in_cgroup, &failure);
		(void)rendezvous_send_failure(theirs, &failure); /* without a reader nobody cares */
		_exit(1);
	}
	*ret_pid = pid;
	*ret_sync = steal_fd(&ours);
	return 0;
}
