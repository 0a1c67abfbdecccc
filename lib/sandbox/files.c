/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>

#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/mount.h"
#include "lib/sandbox/sandbox.h"

int files_isolate(struct error *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return error_sys(err, errno, "unshare the mount namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return error_sys(err, errno, "make '/' a slave mount");
	return 0;
}

/* Holds directories and the empty files that bind mounts cover, so a few pages are plenty. */
static int mount_base(const char *dir, int *ret_fd, struct error *err)
{
	char *const options[] = { (char *)"mode=0755", (char *)"size=1m", (char *)"nr_inodes=4096",
				  NULL };
	const struct mount_fs fs = {
		.type = "tmpfs",
		.source = "moat",
		.options = options,
		.attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};
	const struct mount_change private = { .propagation = MS_PRIVATE };
	char reason[MOUNT_REASON_MAX];
	cleanup_fd int target = -1, fd = -1;
	int r;

	target = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		return error_sys(err, errno, "open '%s'", dir);
	fd = mount_make(&fs, reason);
	if (fd < 0)
		return error_sys(err, fd, "mount tmpfs for '%s'", dir);
	r = mount_attach(fd, target);
	if (r == 0)
		r = mount_change(fd, &private, false);
	if (r < 0)
		return error_sys(err, r, "mount tmpfs on '%s'", dir);
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int make_target(int base, const struct sandbox_share *share)
{
	if (share->is_file)
		return beneath_touch(base, share->guest_name, 0644);
	return beneath_mkdirs(base, share->guest_name, 0755);
}

static int make_parent(int base, const struct sandbox_share *share)
{
	cleanup_free char *name = NULL;
	cleanup_fd int parent = beneath_parent(base, share->guest_name, 0755, &name);

	return parent < 0 ? parent : 0;
}

static int share_one(int base, const struct sandbox_share *share, struct error *err)
{
	const struct mount_change change = {
		.set = share->is_readonly ? MOUNT_ATTR_RDONLY : 0,
		.propagation = MS_SLAVE,
	};
	cleanup_fd int source = -1, target = -1;
	int r;

	source = mount_clone(AT_FDCWD, share->host_path, share->is_recursive);
	if (source < 0)
		return error_sys(err, source, "bind '%s'", share->host_path);
	r = make_parent(base, share);
	if (r == 0)
		r = target = make_target(base, share);
	if (r >= 0)
		r = mount_change(source, &change, true);
	if (r >= 0)
		r = mount_attach(source, target);
	if (r < 0)
		return error_sys(err, r, "bind '%s' on '%s'", share->host_path, share->guest_name);
	return 0;
}

int files_share(const char *dir, const struct sandbox_plan *plan, struct error *err)
{
	const struct mount_change readonly = { .set = MOUNT_ATTR_RDONLY };
	cleanup_fd int base = -1;
	int r = mount_base(dir, &base, err);

	for (size_t i = 0; r == 0 && i < plan->shares_count; i++)
		r = share_one(base, &plan->shares[i], err);
	if (r < 0)
		return r;
	/* The guest has business in what is mounted here, not in the directory that holds it. */
	r = mount_change(base, &readonly, false);
	return r < 0 ? error_sys(err, r, "remount '%s' read-only", dir) : 0;
}
