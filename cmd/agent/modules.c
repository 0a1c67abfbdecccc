/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/server/modules.h"
#include "cmd/agent/agent.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/str.h"

/*
 * A kernel that has its drivers as modules gets each when it is needed: for the devices that are
 * there at boot, for those that are plugged in later (the kernel tells by uevents), and for file
 * systems, protocols and the like when the kernel asks for them. For that it runs the program in
 * /proc/sys/kernel/modprobe, which is this one; so the initramfs stays reachable in the new root.
 */
#define INITRAMFS "/initramfs"
#define MODULES "/modules"
#define UEVENT_MAX 8192

static int keep_initramfs(const char *new_root, struct error *err)
{
	cleanup_free char *path = xasprintf("%s" INITRAMFS, new_root);
	cleanup_free char *knob = xasprintf("%s/proc/sys/kernel/modprobe", new_root);
	int r;

	if (mkdir(path, 0700) < 0 || mount("/", path, NULL, MS_BIND, NULL) < 0)
		return error_sys(err, errno, "bind '%s'", path);
	r = write_file_at(AT_FDCWD, knob, INITRAMFS "/init");
	return r < 0 ? error_sys(err, r, "write '%s'", knob) : 0;
}

int modules_set_up(const char *new_root, struct error *err)
{
	cleanup_free char *sysfs = xasprintf("%s/sys", new_root);
	struct guest_modules *modules;
	int r = guest_modules_open(MODULES, &modules);

	if (r < 0) /* all is built in */
		return 0;
	guest_modules_load_at_boot(modules, sysfs);
	guest_modules_free(modules);
	return keep_initramfs(new_root, err);
}

int modules_probe(const char *wanted)
{
	struct error err = ERROR_INIT;
	struct guest_modules *modules;
	int r = guest_modules_open(INITRAMFS MODULES, &modules);

	if (r < 0)
		return 1;
	r = guest_modules_load(modules, wanted, &err);
	if (r < 0 && r != -ENOENT)
		log_failure(&err);
	guest_modules_free(modules);
	return r < 0 ? 1 : 0;
}

/* --- devices that come later --------------------------------------------------------------- */

int uevents_open(void)
{
	const struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* "add@/devices/…" and strings "KEY=VALUE". The last one is terminated by ourselves. */
static void on_uevent(void *ctx, int fd, uint32_t events)
{
	const struct guest_modules *modules = ctx;
	struct error err = ERROR_INIT;
	char buf[UEVENT_MAX + 1];
	ssize_t n = recv(fd, buf, UEVENT_MAX, MSG_DONTWAIT);

	if (n <= 0)
		return;
	buf[n] = '\0';
	if (!str_after(buf, "add@"))
		return;
	for (const char *p = buf; p < buf + n; p += strlen(p) + 1) {
		const char *alias = str_after(p, "MODALIAS=");

		if (!alias)
			continue;
		if (guest_modules_load(modules, alias, &err) < 0 && err.code != -ENOENT)
			log_warning("%s", err.msg);
	}
}

int modules_watch(struct loop *loop, struct error *err)
{
	struct guest_modules *modules;
	struct loop_source *source;
	int fd, r = guest_modules_open(INITRAMFS MODULES, &modules);

	if (r < 0)
		return 0;
	fd = uevents_open();
	if (fd < 0)
		return error_sys(err, fd, "listen for devices");
	r = loop_add_fd(loop, fd, EPOLLIN, on_uevent, modules, &source);
	return r < 0 ? error_sys(err, r, "watch for devices") : 0; /* both stay to the end */
}
