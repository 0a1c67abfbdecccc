/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/proto/yamux.h"
#include "cmd/agent/agent.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/uevent.h"

#define PORTS_DIR "/sys/class/virtio-ports"
#define PORT_WAIT_MS 10000

#define FEW_DEVICES 8

static bool has_name(const char *port, const char *name)
{
	cleanup_free char *path = xasprintf(PORTS_DIR "/%s/name", port);
	cleanup_free char *text = NULL;

	if (read_file_at(AT_FDCWD, path, 256, &text, NULL) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return streq(text, name);
}

/* The device node ("/dev/vport0p1"), or NULL while there is none of that name. */
static char *find_port(const char *name)
{
	cleanup_dir DIR *dir = NULL;
	struct dirent *entry;

	/* Port 1 of the n-th device of a small machine: to list a directory for the first time
	 * takes a kernel longer than to look for these. */
	for (unsigned int n = 0; n < FEW_DEVICES; n++) {
		char port[32];

		(void)snprintf(port, sizeof(port), "vport%up1", n);
		if (has_name(port, name))
			return xasprintf("/dev/%s", port);
	}
	dir = opendir(PORTS_DIR);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && has_name(entry->d_name, name))
			return xasprintf("/dev/%s", entry->d_name);
	return NULL;
}

struct search {
	const char *name;
	char **ret;
};

static int find(void *ctx)
{
	const struct search *search = ctx;

	*search->ret = find_port(search->name);
	return *search->ret != NULL;
}

/* The driver learns of its ports by messages, so they may come after us; the kernel sends an event
 * when a port gets its name. */
static int wait_port(const char *name, char **ret, struct error *err)
{
	struct search search = { name, ret };
	int r = uevent_wait(find, &search, PORT_WAIT_MS);

	if (r == -ETIMEDOUT)
		return error_set(err, -ENODEV, "no virtio-serial port '%s' in %d s", name,
				 PORT_WAIT_MS / 1000);
	return r < 0 ? error_sys(err, r, "listen for devices") : 0;
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
