/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"
#include "lib/container/backend.h"
#include "oci/config.h"

#define DIR_NAME "notify"
#define SOCKET_NAME "notify.sock"
#define CONTAINER_DIR "/run/notify"

/* As long as systemd's own client waits to be heard (sd_notify_barrier(3)). */
#define BARRIER_TIMEOUT_MS 30000
#define MESSAGE_MAX 4096

struct notify {
	int fd;	  /* ours, that the container sends to */
	int host; /* connected to the caller's */
	struct loop_source *source;
};

static const char *host_address(void)
{
	const char *address = getenv("NOTIFY_SOCKET");

	return address && (*address == '/' || *address == '@') ? address : NULL;
}

static void add_mount(struct oci_config *config, const char *source)
{
	static const char *const options[] = { "bind", "ro", "nosuid", "nodev", "noexec" };
	struct oci_mount mount = {
		.destination = xstrdup(CONTAINER_DIR),
		.source = xstrdup(source),
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		strv_push(&mount.options, xstrdup(options[i]));
	config->mounts = xrealloc(config->mounts, config->mounts_count + 1, sizeof(mount));
	config->mounts[config->mounts_count++] = mount;
}

int notify_prepare(struct container *c, struct error *err)
{
	cleanup_free char *source = NULL;

	if (!host_address() || !c->config->process || c->record.isolation != ISOLATION_NATIVE)
		return 0;
	source = xasprintf("%s/" DIR_NAME, state_dir_path(c->dir));
	if (mkdirat(state_dir_fd(c->dir), DIR_NAME, 0755) < 0)
		return error_sys(err, errno, "make '%s'", source);
	add_mount(c->config, source);
	strv_push(&c->config->process->env,
		  xstrdup("NOTIFY_SOCKET=" CONTAINER_DIR "/" SOCKET_NAME));
	return 0;
}

/* Whoever the program runs as may send; nobody else gets as far as the directory. */
static int bind_own(const struct container *c, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/" DIR_NAME "/" SOCKET_NAME, state_dir_path(c->dir));
	mode_t mask = umask(0);
	int fd;

	(void)unlink(path); /* of a start that was interrupted */
	fd = unix_bind_datagram(path, 0777);
	umask(mask);
	return fd < 0 ? error_sys(err, fd, "listen at '%s'", path) : fd;
}

int notify_open(const struct container *c, struct notify **ret, struct error *err)
{
	cleanup_notify struct notify *notify = NULL;
	const char *address = host_address();

	if (!address || c->record.isolation != ISOLATION_NATIVE ||
	    faccessat(state_dir_fd(c->dir), DIR_NAME, F_OK, 0) < 0)
		return 0;
	notify = xcalloc(1, sizeof(*notify));
	notify->fd = -1;
	notify->host = unix_connect_datagram(address);
	if (notify->host < 0)
		return error_sys(err, notify->host, "NOTIFY_SOCKET: connect to '%s'", address);
	notify->fd = bind_own(c, err);
	if (notify->fd < 0)
		return notify->fd;
	*ret = steal_ptr(&notify);
	return 0;
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	if (notify->fd >= 0)
		close(notify->fd);
	if (notify->host >= 0)
		close(notify->host);
	free(notify);
}

/* One message is a set of lines, and all that it says but this is the container's own business:
 * who is hostile in there could else speak to the host's manager in our name. */
static bool says_ready(int fd)
{
	char text[MESSAGE_MAX + 1];
	ssize_t n = recv(fd, text, MESSAGE_MAX, MSG_DONTWAIT);
	cleanup_strv char **lines = NULL;

	if (n <= 0)
		return false;
	text[n] = '\0';
	lines = strv_split(text, '\n');
	return strv_has(lines, "READY=1");
}

static void tell_host(struct notify *notify, pid_t pid)
{
	cleanup_free char *text = xasprintf("READY=1\nMAINPID=%d\n", (int)pid);

	if (send(notify->host, text, strlen(text), MSG_NOSIGNAL) < 0)
		log_warning("NOTIFY_SOCKET: send: %s", strerror(errno));
}

/* The manager looks up who sent a message by our pid, so we must not be gone before it did: it
 * closes the descriptor when it gets there. */
static void await_host(struct notify *notify)
{
	cleanup_fd int ours = -1;
	cleanup_fd int theirs = -1;
	struct pollfd p = { .events = 0 };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	ours = ends[0];
	theirs = ends[1];
	if (send_fds(notify->host, "BARRIER=1", strlen("BARRIER=1"), &theirs, 1) < 0)
		return;
	close(steal_fd(&theirs));
	p.fd = ours;
	if (poll(&p, 1, BARRIER_TIMEOUT_MS) == 0)
		log_warning("NOTIFY_SOCKET: nobody confirmed within %d s",
			    BARRIER_TIMEOUT_MS / 1000);
}

void notify_wait(struct notify *notify, pid_t pid, int pidfd)
{
	struct pollfd fds[2];

	if (!notify)
		return;
	fds[0] = (struct pollfd){ .fd = notify->fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents && says_ready(notify->fd)) {
			tell_host(notify, pid);
			await_host(notify);
			return;
		}
		if (fds[1].revents && !fds[0].revents)
			return;
	}
}

static void on_message(void *ctx, int fd, uint32_t events)
{
	struct notify *notify = ctx;

	if (!says_ready(fd))
		return;
	tell_host(notify, getpid());
	loop_remove(notify->source);
	notify->source = NULL;
}

int notify_watch(struct notify *notify, struct loop *loop)
{
	if (!notify)
		return 0;
	return loop_add_fd(loop, notify->fd, EPOLLIN, on_message, notify, &notify->source);
}
