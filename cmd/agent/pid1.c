/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/server/options.h"
#include "agent/server/points.h"
#include "agent/server/server.h"
#include "cmd/agent/agent.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/base/steps.h"
#include "lib/base/str.h"

#define NEW_ROOT "/newroot"
#define ALONE_MARK "/agent-alone" /* of moat-image, which knows what it has packed */
#define OWN_DIRECTORIES 3	  /* the kernel's /dev and /root, and NEW_ROOT */
#define COMMAND_LINE_MAX 65536
#define CONFIG_FILE_MAX 65536

struct boot {
	struct agent_boot_options options;
};

/*
 * pivot_root(2), which the engine gives every container its root with, refuses to leave the
 * initramfs: the kernel's first file system has no mount that it could be moved to. So everything
 * is mounted in a tmpfs, which is then moved over "/" and entered; that is a mount like any other.
 */
/* clang-format off */
static const struct mount_plan {
	const char *target; /* below the new root, made there */
	const char *type;   /* NULL: a directory is enough */
	unsigned long flags;
	const char *data;
	mode_t mode;
} mounts[] = {
	{ "", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755", 0755 },
	{ "/dev", "devtmpfs", MS_NOSUID, NULL, 0755 },
	{ "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666", 0755 },
	{ "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777", 01777 },
	{ "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, 0555 },
	{ "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, 0555 },
	{ "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME,
	  "nsdelegate", 0 },
	{ "/run", NULL, 0, NULL, 0755 },
	{ "/tmp", NULL, 0, NULL, 01777 },
};
/* clang-format on */

static int mount_one(const struct mount_plan *m, struct error *err)
{
	char path[64];

	(void)snprintf(path, sizeof(path), NEW_ROOT "%s", m->target);
	if (m->mode && mkdir(path, m->mode) < 0 && errno != EEXIST)
		return error_sys(err, errno, "make '%s'", path);
	if (m->type && mount(m->type, path, m->type, m->flags, m->data) < 0)
		return error_sys(err, errno, "mount %s on '%s'", m->type, m->target);
	return 0;
}

static int mount_all(void *ctx, struct error *err)
{
	(void)umask(0);
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		int r = mount_one(&mounts[i], err);

		if (r < 0)
			return r;
	}
	(void)umask(022);
	return 0;
}

/* An initramfs without /dev/console starts us without standard streams, and the next files that
 * are opened would become those. */
static int open_console(void *ctx, struct error *err)
{
	int fd;

	if (fcntl(STDERR_FILENO, F_GETFD) >= 0)
		return 0;
	do {
		fd = open(NEW_ROOT "/dev/console", O_RDWR | O_NOCTTY); /* kept over exec */
		if (fd < 0)
			fd = open(NEW_ROOT "/dev/null", O_RDWR);
		if (fd < 0)
			return error_sys(err, errno, "open '/dev/console'");
	} while (fd < STDERR_FILENO);
	return 0;
}

/* A guest that does not boot helps nobody, so one that cannot be read is only mentioned. */
static void read_config_file(struct agent_boot_options *options)
{
	cleanup_free char *path = xstrdup(options->config_file);
	cleanup_free char *text = NULL;
	int r = read_file_at(AT_FDCWD, path, CONFIG_FILE_MAX, &text, NULL);

	if (r < 0)
		log_warning("read '%s': %s", path, strerror(-r));
	else
		agent_boot_options_parse_file(text, options);
}

static int read_options(void *ctx, struct error *err)
{
	struct boot *boot = ctx;
	cleanup_free char *line = NULL;
	int r = read_file_at(AT_FDCWD, NEW_ROOT "/proc/cmdline", COMMAND_LINE_MAX, &line, NULL);

	if (r < 0)
		return error_sys(err, r, "read '/proc/cmdline'");
	agent_boot_options_parse(line, &boot->options);
	if (*boot->options.config_file)
		read_config_file(&boot->options);
	log_setup(&(struct log_options){
		.program = "moat-agent",
		.level = boot->options.log_level,
		.fd = -1,
	});
	log_keep_stderr();
	return 0;
}

static bool is_of_image(const char *name)
{
	return name[0] != '.' && !streq(name, &NEW_ROOT[1]);
}

/* Besides the agent, and the two directories that the kernel's own first image has. */
static bool has_more(DIR *dir)
{
	const struct dirent *entry;
	bool has = false;

	while (!has && (entry = readdir(dir)))
		has = is_of_image(entry->d_name) && !streq(entry->d_name, "init") &&
		      !streq(entry->d_name, "dev") && !streq(entry->d_name, "root");
	rewinddir(dir);
	return has;
}

/* To list the root takes a new guest longer. What another image, put behind moat-image's, has
 * brought are directories, and each is one more link of the root. */
static bool is_marked_alone(void)
{
	struct stat st;

	return access(ALONE_MARK, F_OK) == 0 && stat("/", &st) == 0 &&
	       st.st_nlink <= 2 + OWN_DIRECTORIES;
}

/* What the image has besides the agent (programs and their libraries, hooks, /etc) stays where it
 * was, as far as the agent has nothing of its own there. */
static int keep_image(void *ctx, struct error *err)
{
	cleanup_dir DIR *dir = NULL;
	cleanup_fd int root = -1;
	struct dirent *entry;

	if (is_marked_alone())
		return 0;
	dir = opendir("/");
	if (dir && !has_more(dir))
		return 0;
	root = open(NEW_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!dir || root < 0 || mkdirat(root, &INITRAMFS[1], 0700) < 0 ||
	    mount("/", NEW_ROOT INITRAMFS, NULL, MS_BIND, NULL) < 0)
		return error_sys(err, errno, "keep the image in '%s'", INITRAMFS);
	while ((entry = readdir(dir))) {
		cleanup_free char *to = xasprintf("%s/%s", &INITRAMFS[1], entry->d_name);

		if (is_of_image(entry->d_name) && symlinkat(to, root, entry->d_name) < 0 &&
		    errno != EEXIST)
			return error_sys(err, errno, "link '/%s'", entry->d_name);
	}
	return 0;
}

static int set_up_modules(void *ctx, struct error *err)
{
	return modules_set_up(NEW_ROOT, err);
}

static int watch_devices(void *ctx, struct error *err)
{
	return modules_watch(err);
}

static int enter_root(void *ctx, struct error *err)
{
	if (chdir(NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		return error_sys(err, errno, "enter '%s'", NEW_ROOT);
	return 0;
}

static int name_machine(void *ctx, struct error *err)
{
	static const char name[] = "localhost";

	return sethostname(name, strlen(name)) < 0 ? error_sys(err, errno, "set host name") : 0;
}

/* clang-format off */
static const struct step boot_steps[] = {
	{ "mounts", mount_all },
	{ "console", open_console },
	{ "options", read_options },
	{ "image", keep_image },
	{ "modules", set_up_modules },
	{ "root", enter_root },
	{ "devices", watch_devices },
	{ "name", name_machine },
};
/* clang-format on */

/* The device node is there as soon as the kernel knows the protocol; what counts is whether there
 * is a host behind it. */
static bool is_vsock_usable(void)
{
	cleanup_fd int fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
	unsigned int cid;

	return fd >= 0 && ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) == 0 &&
	       cid > VMADDR_CID_HOST && cid != VMADDR_CID_ANY;
}

static int listen_serial(struct agent_server *server, const char *name, struct error *err)
{
	int fd, r = port_open(name, &fd, err);

	return r < 0 ? r : agent_server_listen_pipe(server, fd, err);
}

static int listen_channel(struct agent_server *server, const struct agent_boot_options *o,
			  struct error *err)
{
	switch (o->channel) {
	case AGENT_CHANNEL_VSOCK:
		return agent_server_listen_vsock(server, err);
	case AGENT_CHANNEL_UNIX:
		return agent_server_listen_unix(server, o->channel_name, true, err);
	case AGENT_CHANNEL_SERIAL:
		return listen_serial(server, o->channel_name, err);
	case AGENT_CHANNEL_AUTO:
		break;
	}
	return is_vsock_usable() ? agent_server_listen_vsock(server, err)
				 : listen_serial(server, o->channel_name, err);
}

static struct agent_server_options server_options(const struct agent_boot_options *o)
{
	return (struct agent_server_options){
		.is_guest = true,
		.device_timeout_ms = (int)o->device_timeout_s * 1000,
		.pipe_size = (int)o->pipe_size,
		.keeps_devices = o->keeps_devices,
		.no_half_close = o->no_half_close,
		.log_port = o->log_port,
		.console_port = o->has_console ? o->console_port : 0,
	};
}

static int serve(struct error *err)
{
	struct agent_server_options options;
	struct boot boot = { 0 };
	struct agent_server *server;
	struct loop *loop;
	int r;

	agent_point(AGENT_POINT_STARTED);
	r = steps_run(boot_steps, ARRAY_SIZE(boot_steps), &boot, err);
	if (r < 0)
		return r;
	agent_point(AGENT_POINT_MOUNTED);
	r = loop_new(&loop);
	if (r < 0)
		return error_sys(err, r, "make event loop");
	options = server_options(&boot.options);
	r = agent_server_new(loop, &options, &server, err);
	if (r == 0)
		r = listen_channel(server, &boot.options, err);
	agent_point(AGENT_POINT_LISTENING);
	return r < 0 ? r : loop_run(loop);
}

void pid1_main(void)
{
	struct error err = ERROR_INIT;

	log_setup(&(struct log_options){
		.program = "moat-agent", .level = LOG_LEVEL_WARNING, .fd = -1 });
	if (serve(&err) < 0 && err.code < 0)
		log_failure(&err);
	sync();
	/* A reset, not a power-off: the VMM is told to end on one, and a machine without ACPI has
	 * nothing to power itself off with. */
	(void)reboot(RB_AUTOBOOT);
	_exit(1); /* the kernel panics, which resets too */
}
