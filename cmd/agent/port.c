/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/proto/yamux.h"
#include "cmd/agent/agent.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"

#define PORTS_DIR "/sys/class/virtio-ports"
#define PORT_WAIT_S 10
#define UEVENT_MAX 8192

static bool has_name(int ports_fd, const char *port, const char *name)
{
	cleanup_free char *path = xasprintf("%s/name", port);
	cleanup_free char *text = NULL;

	if (read_file_at(ports_fd, path, 256, &text, NULL) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return streq(text, name);
}

/* The device node ("/dev/vport0p1"), or NULL while there is none of that name. */
static char *find_port(const char *name)
{
	cleanup_fd int fd = open(PORTS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = NULL;
	struct dirent *entry;

	if (fd < 0)
		return NULL;
	dir = fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 3));
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && has_name(fd, entry->d_name, name))
			return xasprintf("/dev/%s", entry->d_name);
	return NULL;
}

/* Kernel events (udev's source); the kernel sends one when a port gets its name. */
static int listen_uevents(void)
{
	const struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	const struct timeval timeout = { .tv_sec = PORT_WAIT_S };
	cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* The driver learns of its ports by messages, so they may come after us. */
static int wait_port(const char *name, char **ret, struct error *err)
{
	cleanup_fd int events = -1;
	char buf[UEVENT_MAX];
	ssize_t n;

	*ret = find_port(name);
	if (*ret)
		return 0;
	events = listen_uevents();
	if (events < 0)
		return error_sys(err, events, "listen for devices");
	for (;;) {
		*ret = find_port(name);
		if (*ret)
			return 0;
		n = recv(events, buf, sizeof(buf), 0);
		if (n < 0 && errno != EINTR && errno != ENOBUFS)
			return error_set(err, -ENODEV, "no virtio-serial port '%s' in %d s", name,
					 PORT_WAIT_S);
	}
}

int port_open(const char *name, int *ret_fd, struct error *err)
{
	cleanup_free char *path = NULL;
	cleanup_fd int fd = -1;
	int r = wait_port(name, &path, err);

	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "open '%s'", path);
	/* Reading a port that the host has not opened yet gives an end of file, which the session
	 * would believe; a blocking write waits. */
	r = yamux_greet(fd);
	if (r < 0)
		return error_sys(err, r, "write '%s'", path);
	*ret_fd = steal_fd(&fd);
	return 0;
}
