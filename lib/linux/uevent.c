/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/fd.h"

#define UEVENT_MAX 8192
/* What changes without an event, such as the size of a disk that had none, is found by looking. */
#define LOOK_MS 20

static int listen_events(void)
{
	const struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	cleanup_fd int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* Waits a while for one event, and takes all that are there: they only say that it is time to
 * look. */
static int wait_event(int fd, long long deadline_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	long long left_ms = deadline_ms - now_ms();
	char buf[UEVENT_MAX];

	if (left_ms <= 0)
		return -ETIMEDOUT;
	if (poll(&poll_fd, 1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS) < 0 && errno != EINTR)
		return -errno;
	while (recv(fd, buf, sizeof(buf), 0) >= 0 || errno == ENOBUFS)
		;
	return 0;
}

int uevent_wait(uevent_find_fn find, void *ctx, int timeout_ms)
{
	long long deadline_ms = now_ms() + timeout_ms;
	cleanup_fd int fd = -1;
	int r = find(ctx);

	if (r)
		return r;
	fd = listen_events();
	if (fd < 0)
		return fd;
	/* Once more before the first wait: it may have come before we listened. */
	while ((r = find(ctx)) == 0) {
		r = wait_event(fd, deadline_ms);
		if (r < 0)
			return r;
	}
	return r;
}
