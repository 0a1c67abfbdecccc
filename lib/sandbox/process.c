/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "agent/client/client.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/base/timing.h"
#include "lib/sandbox/relay.h"

#define DIAL_TIMEOUT_MS 10000
#define SIGNAL_TIMEOUT_MS 10000

/* After the exit its streams end by themselves, but for what a child of it holds open or a guest
 * that means ill; such a stream is given up when nothing has come for this long. */
#define DRAIN_QUIET_MS 500
/* What can be on its way at the exit: the buffers of pipe, agent, channel and relay, and more. A
 * guest that goes on sending would keep us for ever. */
#define DRAIN_MAX_BYTES (8ull << 20)

static const char *const stream_names[] = { "stdin", "stdout", "stderr" };

void guest_process_init(struct guest_process *p, struct loop *loop, const char *container_id,
			const char *exec_id, bool has_terminal)
{
	*p = (struct guest_process){
		.loop = loop,
		.container_id = container_id,
		.exec_id = exec_id,
		.has_terminal = has_terminal,
		.own = { -1, -1, -1 },
		.streams = { -1, -1, -1 },
		.status = GUEST_STATUS_LOST,
		.tty = -1,
	};
}

void guest_process_done(struct guest_process *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->streams); i++) {
		close_fdp(&p->own[i]);
		close_fdp(&p->streams[i]);
		relay_free(p->relays[i]);
		p->relays[i] = NULL;
	}
	loop_remove(p->drain_timer);
	p->drain_timer = NULL;
}

/* A terminal has one output: the guest's side of it carries both. */
int guest_process_dial(struct guest_process *p, const char *address, struct error *err)
{
	size_t count = p->has_terminal ? 2 : 3;

	for (size_t i = 0; i < count; i++) {
		int r = agent_dial(p->loop, address, AGENT_PORT_STDIO, DIAL_TIMEOUT_MS,
				   &p->streams[i], &p->ports[i], err);

		if (r < 0)
			return error_wrap(err, r, "%s", stream_names[i]);
	}
	return 0;
}

static bool is_drained(const struct guest_process *p)
{
	for (size_t i = 1; i < ARRAY_SIZE(p->relays); i++)
		if (p->relays[i] && !relay_is_done(p->relays[i]))
			return false;
	return true;
}

static void finish(struct guest_process *p)
{
	loop_remove(p->drain_timer);
	p->drain_timer = NULL;
	p->is_finished = true;
}

static void on_relay_done(void *ctx)
{
	struct guest_process *p = ctx;

	if (p->has_exited && !p->is_finished && is_drained(p))
		finish(p);
}

static void on_drain_timer(void *ctx);

static unsigned long long output_bytes(const struct guest_process *p)
{
	unsigned long long bytes = 0;

	for (size_t i = 1; i < ARRAY_SIZE(p->relays); i++)
		bytes += p->relays[i] ? relay_bytes(p->relays[i]) : 0;
	return bytes;
}

/* Output that the caller does not read yet is not given up, however long that takes: on the host
 * a process would have waited for its reader too. */
static bool is_quiet(const struct guest_process *p)
{
	for (size_t i = 1; i < ARRAY_SIZE(p->relays); i++)
		if (p->relays[i] && relay_has_pending(p->relays[i]))
			return false;
	return output_bytes(p) == p->drained;
}

static void await_quiet(struct guest_process *p)
{
	p->drained = output_bytes(p);
	p->drain_timer = loop_add_timer(p->loop, DRAIN_QUIET_MS, on_drain_timer, p);
}

static void on_drain_timer(void *ctx)
{
	struct guest_process *p = ctx;

	p->drain_timer = NULL;
	if (is_quiet(p) || output_bytes(p) - p->drained_at_exit > DRAIN_MAX_BYTES)
		finish(p);
	else
		await_quiet(p);
}

int guest_process_adopt(struct guest_process *p, struct error *err)
{
	for (int i = 0; i < (int)ARRAY_SIZE(p->own); i++) {
		p->own[i] = relay_adopt(i, i > STDIN_FILENO);
		if (p->own[i] < 0)
			return error_sys(err, p->own[i], "open %s", stream_names[i]);
	}
	return 0;
}

void guest_process_relay(struct guest_process *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->streams); i++) {
		int ours, stream;

		if (p->streams[i] < 0) {
			close_fdp(&p->own[i]);
			continue;
		}
		ours = steal_fd(&p->own[i]);
		stream = steal_fd(&p->streams[i]);
		p->relays[i] = i == 0 ? relay_new(p->loop, ours, stream, on_relay_done, p)
				      : relay_new(p->loop, stream, ours, on_relay_done, p);
		if (i > 0)
			relay_time_first(p->relays[i], "first output");
	}
}

static void exited(struct guest_process *p)
{
	if (p->has_exited)
		return;
	p->has_exited = true;
	timing_point("program ended");
	/* What it did not read stays with the caller. */
	relay_free(p->relays[0]);
	p->relays[0] = NULL;
	p->drained_at_exit = output_bytes(p);
	if (is_drained(p))
		finish(p);
	else
		await_quiet(p);
}

void guest_process_lose(struct guest_process *p)
{
	if (p->has_exited)
		return;
	p->is_lost = true;
	p->has_exited = true;
	finish(p);
}

const char *guest_process_loss(const struct guest_process *p)
{
	return *p->reason ? p->reason : "its virtual machine ended";
}

static void on_wait_reply(void *ctx, const void *response, const struct error *err)
{
	struct guest_process *p = ctx;
	const grpc_WaitProcessResponse *reply = response;

	if (err) {
		if (err->code != -EPIPE && err->code != -ECANCELED)
			snprintf(p->reason, sizeof(p->reason), "%.250s", err->msg);
		guest_process_lose(p);
		return;
	}
	/* The guest's word; exit(2) takes the low eight bits of anything. */
	p->status = reply->status & 0xff;
	exited(p);
}

int guest_process_wait(struct guest_process *p, struct error *err)
{
	const grpc_WaitProcessRequest request = {
		.container_id = (char *)p->container_id,
		.exec_id = (char *)p->exec_id,
	};

	return agent_call_async(p->client, AGENT_WAIT_PROCESS, &request, -1, on_wait_reply, p, err);
}

static void on_signal_reply(void *ctx, const void *response, const struct error *err)
{
	if (err)
		log_debug("signal: %s", err->msg);
}

static void send_signal(struct guest_process *p, int sig)
{
	const grpc_SignalProcessRequest request = {
		.container_id = (char *)p->container_id,
		.exec_id = (char *)p->exec_id,
		.signal = (uint32_t)sig,
	};

	(void)agent_call_async(p->client, AGENT_SIGNAL_PROCESS, &request, SIGNAL_TIMEOUT_MS,
			       on_signal_reply, p, NULL); /* the channel has ended, we are next */
}

void guest_process_resize(struct guest_process *p)
{
	grpc_TtyWinResizeRequest request = {
		.container_id = (char *)p->container_id,
		.exec_id = (char *)p->exec_id,
	};
	struct winsize size;

	if (p->tty < 0 || ioctl(p->tty, TIOCGWINSZ, &size) < 0 || (!size.ws_row && !size.ws_col))
		return;
	request.row = size.ws_row;
	request.column = size.ws_col;
	(void)agent_call_async(p->client, AGENT_TTY_WIN_RESIZE, &request, SIGNAL_TIMEOUT_MS,
			       on_signal_reply, p, NULL); /* as above */
}

static void on_signal(void *ctx, const struct signalfd_siginfo *info)
{
	struct guest_process *p = ctx;

	if (p->has_exited)
		return;
	if (info->ssi_signo == SIGWINCH && p->tty >= 0)
		guest_process_resize(p);
	else
		send_signal(p, (int)info->ssi_signo);
}

/* Those that a fault of ours would raise stay with us. */
static void fill_forwarded(sigset_t *set)
{
	static const int ours[] = {
		SIGKILL, SIGSTOP, SIGCHLD, SIGPIPE, SIGSEGV, SIGBUS,
		SIGFPE,	 SIGILL,  SIGTRAP, SIGSYS,  SIGABRT,
	};

	sigfillset(set);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		sigdelset(set, ours[i]);
}

int guest_process_take_signals(struct guest_process *p, int tty, struct error *err)
{
	sigset_t set;
	int r;

	p->tty = tty;
	fill_forwarded(&set);
	r = loop_add_signals(p->loop, &set, on_signal, p);
	return r < 0 ? error_sys(err, r, "take signals") : 0;
}
