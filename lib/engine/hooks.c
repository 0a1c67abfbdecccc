/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/clone.h"
#include "lib/linux/signals.h"

#define OUTPUT_MAX 512 /* as much of a failed hook's output as an error has room for */

/* Memory files instead of pipes: a hook that does not read its input, or writes without end,
 * blocks nobody. */
static int make_input(const char *state, struct error *err)
{
	cleanup_fd int fd = memfd_create("hook-state", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return error_sys(err, errno, "make input");
	r = write_all(fd, state, strlen(state));
	if (r < 0)
		return error_sys(err, r, "write input");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_sys(err, errno, "rewind input");
	return steal_fd(&fd);
}

/* The standard streams of a hook, and what of its output can be told of in an error. */
struct streams {
	int fds[3];
	int memory;
};

static void streams_done(struct streams *s)
{
	close_fdp(&s->memory);
	for (size_t i = 0; i < ARRAY_SIZE(s->fds); i++)
		close_fdp(&s->fds[i]);
}

static int open_output(const char *path, int memory, int *ret, struct error *err)
{
	*ret = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0700)
		    : fcntl(memory, F_DUPFD_CLOEXEC, 3);
	return *ret < 0 ? error_sys(err, errno, "open output '%s'", path ? path : "memory") : 0;
}

static int open_streams(const struct hooks_context *context, const char *state, struct streams *s,
			struct error *err)
{
	int r;

	s->fds[0] = make_input(state, err);
	if (s->fds[0] < 0)
		return s->fds[0];
	s->memory = memfd_create("hook-output", MFD_CLOEXEC);
	if (s->memory < 0)
		return error_sys(err, errno, "make output");
	r = open_output(context->stdout_path, s->memory, &s->fds[1], err);
	return r < 0 ? r : open_output(context->stderr_path, s->memory, &s->fds[2], err);
}

__attribute__((noreturn)) static void become(const struct hooks_context *context,
					     const struct oci_hook *hook, const int fds[3])
{
	static char *const no_env[] = { NULL };
	char *const path_only[] = { hook->path, NULL };
	char *const *args = hook->args && hook->args[0] ? hook->args : path_only;
	char *const *env = hook->env;
	int nothing = -1;

	if (!env)
		env = context->default_env ? context->default_env : no_env;
	/* A session of its own, so that a time limit reaches what the hook has started. */
	(void)setsid();
	signals_reset();
	if (!context->keeps_cwd && chdir(context->bundle) < 0 && chdir("/") < 0)
		_exit(127);
	if (dup2(fds[0], 0) == 0 && dup2(fds[1], 1) == 1 && dup2(fds[2], 2) == 2 &&
	    close_all_but(3, &nothing, 0) == 0)
		execve(hook->path, args, env);
	dprintf(2, "%s", strerror(errno));
	_exit(127);
}

static int wait_for(pid_t pid, int pidfd, const struct oci_hook *hook, int *ret_status,
		    struct error *err)
{
	long long limit = hook->timeout.is_set ? hook->timeout.value : 0;
	long long deadline = now_ms() + limit * 1000;
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int r;

	do {
		long long left = deadline - now_ms();

		if (limit <= 0)
			left = -1;
		else if (left < 0)
			left = 0;
		r = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
	} while ((r < 0 && errno == EINTR) || (r == 0 && now_ms() < deadline));
	if (r < 0)
		return error_sys(err, errno, "wait");
	if (r == 0)
		return error_set(err, -ETIMEDOUT, "hook ran past specified timeout of %.1fs",
				 (double)limit);
	return waitpid(pid, ret_status, 0) < 0 ? error_sys(err, errno, "wait") : 0;
}

static int judge(int status, int output, struct error *err)
{
	char text[OUTPUT_MAX + 1];
	ssize_t n;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	n = pread(output, text, OUTPUT_MAX, 0);
	text[n > 0 ? n : 0] = '\0';
	if (WIFSIGNALED(status))
		error_set(err, -ECHILD, "killed by signal %d: %s", WTERMSIG(status), text);
	else
		error_set(err, -ECHILD, "exit status %d: %s", WEXITSTATUS(status), text);
	if (err)
		error_sanitize(err);
	return -ECHILD;
}

static int run_one(const struct hooks_context *context, const struct oci_hook *hook,
		   const char *state, struct error *err)
{
	CLEANUP(streams_done) struct streams streams = { { -1, -1, -1 }, -1 };
	cleanup_fd int pidfd = -1;
	struct clone_request clone = { .cgroup_fd = -1, .ret_pidfd = &pidfd };
	int r = open_streams(context, state, &streams, err), status = 0;
	pid_t pid;

	if (r < 0)
		return r;
	pid = clone_process(&clone);
	if (pid < 0)
		return error_sys(err, (int)pid, "start");
	if (pid == 0)
		become(context, hook, streams.fds);
	r = wait_for(pid, pidfd, hook, &status, err);
	if (r < 0) {
		(void)kill(-pid, SIGKILL); /* it may not have made its session yet */
		kill_reap_pid(&pid);
		return r;
	}
	return judge(status, streams.memory, err);
}

int hooks_run(const struct hooks_context *context, const struct oci_hook *hooks, size_t count,
	      struct error *err)
{
	const struct oci_state state = {
		.id = context->id,
		.status = context->status,
		.pid = context->pid,
		.bundle = context->bundle,
		.annotations = context->annotations,
	};
	cleanup_free char *text = NULL;

	if (!count)
		return 0;
	text = oci_state_text(&state, false);
	for (size_t i = 0; i < count; i++) {
		int r = run_one(context, &hooks[i], text, err);

		if (r < 0)
			return error_wrap(err, r, "hooks.%s[%zu] '%s'", context->kind, i,
					  hooks[i].path);
	}
	return 0;
}
