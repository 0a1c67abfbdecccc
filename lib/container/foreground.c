/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/foreground.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/base/error.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/container/console.h"
#include "lib/container/relay.h"
#include "lib/linux/signals.h"

struct foreground {
	struct loop *loop;
	struct relay *relay; /* or NULL */
	pid_t pid;
	bool has_ended;
	int status;
};

/* All but those that report a fault of our own, and SIGURG, which means nothing to a process that
 * did not ask for it. */
static void fill_signals(sigset_t *set)
{
	static const int ours[] = { SIGSEGV, SIGBUS, SIGFPE,  SIGILL,
				    SIGTRAP, SIGSYS, SIGABRT, SIGURG };

	sigfillset(set);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigdelset(set, ours[i]);
}

int foreground_begin(bool reaps_orphans, struct error *err)
{
	sigset_t set;

	fill_signals(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return error_sys(err, errno, "block signals");
	if (reaps_orphans && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return error_sys(err, errno, "become a subreaper");
	return 0;
}

static void end(struct foreground *f, int status)
{
	f->has_ended = true;
	f->status = exit_code_of(status);
	if (f->relay)
		relay_drain(f->relay);
	else
		loop_quit(f->loop, 0);
}

static void reap(struct foreground *f)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == f->pid)
			end(f, status);
}

static void on_signal(void *ctx, const struct signalfd_siginfo *info)
{
	struct foreground *f = ctx;

	if (info->ssi_signo == SIGCHLD)
		reap(f);
	else if (info->ssi_signo == SIGWINCH && f->relay)
		relay_resize(f->relay);
	else if (!f->has_ended)
		(void)kill(f->pid, (int)info->ssi_signo); /* a child not waited for exists */
}

static int receive_master(struct console *console, int *ret, struct error *err)
{
	close_fdp(&console->container_end);
	return console->our_end < 0 ? 0 : console_receive(console, ret, err);
}

static int set_up(struct foreground *f, int *master)
{
	sigset_t signals;
	int r = loop_new(&f->loop);

	fill_signals(&signals);
	if (r == 0)
		r = loop_add_signals(f->loop, &signals, on_signal, f);
	if (r == 0 && *master >= 0)
		r = relay_new(f->loop, steal_fd(master), &f->relay);
	return r;
}

int foreground_new(pid_t pid, struct console *console, struct foreground **ret, struct error *err)
{
	cleanup_foreground struct foreground *f = NULL;
	cleanup_fd int master = -1;
	int r = receive_master(console, &master, err);

	if (r < 0)
		return r;
	f = xcalloc(1, sizeof(*f));
	f->pid = pid;
	r = set_up(f, &master);
	if (r < 0)
		return error_sys(err, r, "stand for process %d", (int)pid);
	*ret = steal_ptr(&f);
	return 0;
}

struct loop *foreground_loop(struct foreground *f)
{
	return f->loop;
}

int foreground_wait(struct foreground *f, int *ret_status, struct error *err)
{
	reap(f); /* what ended before the signals were blocked */
	(void)loop_run(f->loop);
	*ret_status = f->status;
	return 0;
}

void foreground_free(struct foreground *f)
{
	if (!f)
		return;
	relay_free(f->relay);
	loop_free(f->loop);
	free(f);
}

bool foreground_window(uint32_t *ret_height, uint32_t *ret_width)
{
	struct winsize size;

	if (!relay_window(&size))
		return false;
	*ret_height = size.ws_row;
	*ret_width = size.ws_col;
	return true;
}
