/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/server/guest-modules.h"
#include "cmd/agent/agent.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

/*
 * A kernel that has its drivers as modules gets each when it is needed: for the devices that are
 * there at boot, for those that are plugged in later (the kernel tells by uevents), and for file
 * systems, protocols and the like when the kernel asks for them. For that it runs modprobe, which
 * is this program by another name, in the initramfs that stays reachable.
 */
#define MODULES "/modules"
#define MODPROBE "/sbin/modprobe"
#define UEVENT_MAX 8192

static int make_modprobe(const char *new_root, struct error *err)
{
	cleanup_free char *sbin = xasprintf("%s/sbin", new_root);
	cleanup_free char *modprobe = xasprintf("%s" MODPROBE, new_root);
	cleanup_free char *knob = xasprintf("%s/proc/sys/kernel/modprobe", new_root);
	int r;

	if (mkdir(sbin, 0755) < 0 && errno != EEXIST)
		return error_sys(err, errno, "make '%s'", sbin);
	if (symlink(INITRAMFS "/init", modprobe) < 0 && errno != EEXIST) /* the image's own */
		return error_sys(err, errno, "make '%s'", modprobe);
	r = write_file_at(AT_FDCWD, knob, MODPROBE);
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
	return make_modprobe(new_root, err);
}

/* [OPTION…] NAME [PARAMETER…], as the kernel and people call modprobe(8). */
int modules_probe(char *const *words)
{
	cleanup_free char *parameters = NULL;
	struct error err = ERROR_INIT;
	struct guest_modules *modules;
	int r;

	while (*words && **words == '-')
		words++;
	if (!*words || guest_modules_open(GUEST_MODULES_DIR, &modules) < 0)
		return 1;
	parameters = strv_join(words + 1, " ");
	r = guest_modules_load(modules, *words, parameters, &err);
	if (r < 0 && r != -ENOENT)
		log_failure(&err);
	guest_modules_free(modules);
	return r < 0 ? 1 : 0;
}

/* --- devices that come later --------------------------------------------------------------- */

static int listen_events(void)
{
	const struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* "add@/devices/…" and strings "KEY=VALUE"; @text ends with a NUL of our own. */
static void on_event(const struct guest_modules *modules, const char *text, size_t len)
{
	if (!str_after(text, "add@"))
		return;
	for (const char *p = text; p < text + len; p += strlen(p) + 1) {
		const char *alias = str_after(p, "MODALIAS=");
		struct error err = ERROR_INIT;

		if (alias && guest_modules_load(modules, alias, NULL, &err) < 0 &&
		    err.code != -ENOENT)
			log_warning("%s", err.msg);
	}
}

static _Noreturn void follow_events(int fd, const struct guest_modules *modules)
{
	char buf[UEVENT_MAX + 1];

	for (;;) {
		ssize_t n = recv(fd, buf, UEVENT_MAX, 0);

		if (n <= 0)
			continue; /* some were lost, if anything */
		buf[n] = '\0';
		on_event(modules, buf, (size_t)n);
	}
}

int modules_watch(struct error *err)
{
	struct guest_modules *modules;
	int fd, r = guest_modules_open(GUEST_MODULES_DIR, &modules);
	pid_t pid;

	if (r < 0) /* all is built in */
		return 0;
	fd = listen_events();
	if (fd < 0)
		return error_sys(err, fd, "listen for devices");
	pid = fork();
	if (pid == 0)
		follow_events(fd, modules);
	close(fd);
	guest_modules_free(modules);
	return pid < 0 ? error_sys(err, errno, "fork") : 0;
}
