/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/error.h"
#include "lib/engine/id-map.h"
#include "lib/engine/namespaces.h"
#include "lib/engine/sync.h"
#include "lib/engine/user-ids.h"
#include "lib/linux/caps.h"
#include "oci/config.h"

static bool has_capability(unsigned int number)
{
	struct caps caps;

	return caps_get(&caps) == 0 && caps.effective & UINT64_C(1) << number;
}

bool rights_are_missing(void)
{
	return !has_capability(CAP_SYS_ADMIN);
}

/* -EPERM: the owner is above ours (ioctl_ns(2)). */
static int open_owner(int fd)
{
	int owner = ioctl(fd, NS_GET_USERNS);

	return owner < 0 ? -errno : owner;
}

bool rights_want_pid_namespace(void)
{
	cleanup_fd int fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	cleanup_fd int owner = fd < 0 ? fd : open_owner(fd);

	return owner == -EPERM && !rights_are_missing();
}

static int plan_ids(const struct user_ids *ids, struct id_map_plan *ret, struct error *err)
{
	const struct id_map_rights rights = {
		.uid = geteuid(),
		.gid = getegid(),
		.may_set_uids = has_capability(CAP_SETUID),
		.may_set_gids = has_capability(CAP_SETGID),
	};
	const struct oci_linux maps = {
		.uid_mappings = ids->uids,
		.uid_mappings_count = ids->uids_count,
		.gid_mappings = ids->gids,
		.gid_mappings_count = ids->gids_count,
	};

	return id_map_plan(&maps, &rights, ret, err);
}

/* The mappings are written from outside, by a child that stays there. */
static _Noreturn void write_maps(const struct id_map_plan *plan, struct sync *shim)
{
	struct error err = ERROR_INIT;
	int r = sync_wait(shim, SYNC_IDS_DUE, &err);

	if (r == 0)
		r = id_map_write(plan, getppid(), &err);
	if (r < 0)
		sync_send_failure(shim, &err);
	else
		(void)sync_send(shim, SYNC_IDS_MAPPED, NULL); /* its end is told by ours */
	_exit(0);
}

static int enter_new(struct sync *outside, struct error *err)
{
	int r;

	if (unshare(CLONE_NEWUSER) < 0)
		return namespaces_explain(CLONE_NEWUSER, errno, "make user namespace", err);
	r = sync_send(outside, SYNC_IDS_DUE, err);
	return r < 0 ? r : sync_wait(outside, SYNC_IDS_MAPPED, err);
}

int rights_make(struct error *err)
{
	cleanup_user_ids struct user_ids ids = { 0 };
	struct sync shim = { .fd = -1, .peer = "moat-shim" };
	struct sync outside = { .fd = -1, .peer = "the process that maps ids" };
	cleanup_pid pid_t pid = 0;
	struct id_map_plan plan;
	int r;

	user_ids_read(&ids);
	r = plan_ids(&ids, &plan, err);
	if (r == 0)
		r = sync_pair(&shim, &outside.fd, err);
	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0) {
		sync_close(&outside);
		write_maps(&plan, &shim);
	}
	sync_close(&shim);
	r = pid < 0 ? error_sys(err, errno, "fork") : enter_new(&outside, err);
	sync_close(&outside);
	return r;
}

static bool is_own(int fd)
{
	struct stat own, st;

	return stat("/proc/self/ns/user", &own) == 0 && fstat(fd, &st) == 0 &&
	       own.st_dev == st.st_dev && own.st_ino == st.st_ino;
}

int rights_enter_by_fd(int fd, struct error *err)
{
	cleanup_fd int owner = -1;

	if (!rights_are_missing())
		return 0;
	owner = open_owner(fd);
	if (owner == -EPERM)
		return 0;
	if (owner < 0)
		return error_sys(err, owner, "find the user namespace");
	if (is_own(owner))
		return 0;
	return setns(owner, CLONE_NEWUSER) < 0 ? error_sys(err, errno, "join the user namespace")
					       : 1;
}

int rights_enter(const char *path, struct error *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, errno, "open '%s'", path);
	return rights_enter_by_fd(fd, err);
}
