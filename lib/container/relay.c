/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/fd.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

#define DRAIN_MS 500

struct relay {
	struct loop *loop;

	int master; /* non-blocking */
	/* Held so that the terminal does not hang up while no process has it open, as when a
	 * service reopens /dev/console; -1 once the process has ended. */
	int slave;
	struct loop_source *master_source; /* NULL: hung up */
	bool is_draining;		   /* the loop ends with the other side */
	bool is_mute;			   /* our standard output is gone */

	struct loop_source *input_source; /* NULL: paused, ended or not pollable */
	bool is_input_pollable;		  /* a regular file or /dev/null is not */
	bool has_input_ended;
	char input[4096]; /* read, not yet accepted by the terminal */
	size_t input_start;
	size_t input_end;

	bool is_raw;
	struct termios saved;
};

static void read_input(struct relay *relay);

static bool has_pending_input(const struct relay *relay)
{
	return relay->input_start < relay->input_end;
}

static void on_input(void *ctx, int fd, uint32_t events)
{
	read_input(ctx);
}

/* Input that cannot be polled is read whenever the terminal can take more. */
static void watch(struct relay *relay)
{
	bool wants_room =
		has_pending_input(relay) || (!relay->is_input_pollable && !relay->has_input_ended);
	int r;

	loop_set_events(relay->master_source, EPOLLIN | (wants_room ? EPOLLOUT : 0));
	if (has_pending_input(relay) || relay->has_input_ended) {
		loop_remove(steal_ptr(&relay->input_source));
		return;
	}
	if (relay->input_source || !relay->is_input_pollable)
		return;
	r = loop_add_fd(relay->loop, STDIN_FILENO, EPOLLIN, on_input, relay, &relay->input_source);
	if (r < 0) {
		relay->is_input_pollable = false;
		loop_set_events(relay->master_source, EPOLLIN | EPOLLOUT);
	}
}

static void write_input(struct relay *relay)
{
	while (has_pending_input(relay)) {
		ssize_t n = write(relay->master, relay->input + relay->input_start,
				  relay->input_end - relay->input_start);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			relay->input_start = relay->input_end; /* nobody will read it */
			return;
		}
		relay->input_start += (size_t)n;
	}
}

/* A terminal has no end of file of its own; in line mode a character stands for it. */
static void end_input(struct relay *relay)
{
	struct termios tio;

	relay->has_input_ended = true;
	/* A connection leads to a terminal of the guest's, which cannot be asked. */
	if (tcgetattr(relay->master, &tio) < 0)
		tio = (struct termios){ .c_lflag = ICANON, .c_cc[VEOF] = 'D' & 0x1f };
	if (!(tio.c_lflag & ICANON))
		return;
	relay->input[0] = (char)tio.c_cc[VEOF];
	relay->input_start = 0;
	relay->input_end = 1;
}

static void read_input(struct relay *relay)
{
	ssize_t n = read(STDIN_FILENO, relay->input, sizeof(relay->input));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		relay->input_start = 0;
		relay->input_end = (size_t)n;
	} else {
		end_input(relay);
	}
	write_input(relay);
	watch(relay);
}

static void hang_up(struct relay *relay)
{
	loop_remove(steal_ptr(&relay->master_source));
	loop_remove(steal_ptr(&relay->input_source));
	if (relay->is_draining)
		loop_quit(relay->loop, 0);
}

static void copy_output(struct relay *relay)
{
	char buf[16384];
	ssize_t n = read(relay->master, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) { /* EIO: the last one to have the other side open has closed it */
		hang_up(relay);
		return;
	}
	/* The container goes on without an audience, as behind a closed pipe. */
	if (!relay->is_mute && write_all(STDOUT_FILENO, buf, (size_t)n) < 0)
		relay->is_mute = true;
}

static void on_master(void *ctx, int fd, uint32_t events)
{
	struct relay *relay = ctx;

	if (events & EPOLLOUT) {
		write_input(relay);
		if (!has_pending_input(relay) && !relay->is_input_pollable &&
		    !relay->has_input_ended)
			read_input(relay);
		watch(relay);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		copy_output(relay);
}

static void make_raw(struct relay *relay)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &relay->saved) < 0)
		return;
	raw = relay->saved;
	cfmakeraw(&raw);
	relay->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

int relay_new(struct loop *loop, int master, struct relay **ret)
{
	struct relay *relay = xcalloc(1, sizeof(*relay));
	int r;

	relay->loop = loop;
	relay->master = master;
	relay->is_input_pollable = true;
	relay->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	r = set_nonblock(master, true);
	if (r == 0)
		r = loop_add_fd(loop, master, EPOLLIN, on_master, relay, &relay->master_source);
	if (r < 0) {
		relay_free(relay);
		return r;
	}
	make_raw(relay);
	relay_resize(relay);
	watch(relay);
	*ret = relay;
	return 0;
}

void relay_free(struct relay *relay)
{
	if (!relay)
		return;
	if (relay->is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &relay->saved); /* it may be gone */
	loop_remove(relay->input_source);
	loop_remove(relay->master_source);
	close_fdp(&relay->slave);
	close_fdp(&relay->master);
	free(relay);
}

bool relay_window(struct winsize *ret)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (ioctl(fd, TIOCGWINSZ, ret) == 0)
			return true;
	return false;
}

void relay_resize(const struct relay *relay)
{
	struct winsize size;

	if (relay_window(&size))
		(void)ioctl(relay->master, TIOCSWINSZ, &size); /* hung up: nobody looks */
}

void relay_end_with_it(struct relay *relay)
{
	relay->is_draining = true;
	if (!relay->master_source)
		loop_quit(relay->loop, 0);
}

static void give_up(void *ctx)
{
	loop_quit(ctx, 0);
}

void relay_drain(struct relay *relay)
{
	relay->is_draining = true;
	close_fdp(&relay->slave);
	if (!relay->master_source) {
		loop_quit(relay->loop, 0);
		return;
	}
	(void)loop_add_timer(relay->loop, DRAIN_MS, give_up, relay->loop);
}
