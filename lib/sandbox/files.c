/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/mount-plan.h"
#include "lib/linux/mount.h"
#include "lib/sandbox/rights.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/shim.h"

void files_done(struct files *files)
{
	close_fdp(&files->ns);
	close_fdp(&files->dir);
	close_fdp(&files->writable);
	*files = FILES_INIT;
}

void files_trees_done(struct files_trees *trees)
{
	for (size_t i = 0; i < trees->count; i++)
		close_fdp(&trees->fds[i]);
	free(trees->fds);
	*trees = (struct files_trees){ 0 };
}

int files_isolate(struct error *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return error_sys(err, errno, "unshare the mount namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return error_sys(err, errno, "make '/' a slave mount");
	return 0;
}

bool files_are_shared(const char *vm_dir)
{
	cleanup_free char *path = xasprintf("%s/" SHIM_SHARED_DIR, vm_dir);

	return access(path, F_OK) == 0;
}

/* Holds directories and the empty files that bind mounts cover, so a few pages are plenty. It is
 * shared, since what is mounted on it later has to reach virtiofsd's own namespace, too. */
static int mount_base(const char *dir, int *ret_fd, struct error *err)
{
	char *const options[] = { (char *)"mode=0755", (char *)"size=4m", (char *)"nr_inodes=16384",
				  NULL };
	const struct mount_fs fs = {
		.type = "tmpfs",
		.source = "moat",
		.options = options,
		.attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};
	const struct mount_change shared = { .propagation = MS_SHARED };
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
		r = mount_change(fd, &shared, false);
	if (r < 0)
		return error_sys(err, r, "mount tmpfs on '%s'", dir);
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* The guest has business in what is mounted here, not in the directory that holds it. Our way to
 * write there is no peer of that: what is mounted is nothing to it, and Linux 6.1 passes mounts to
 * the peers of a mount, but then not to its slaves (virtiofsd's) if one is in no namespace. */
int files_make(const char *dir, struct files *ret, struct error *err)
{
	const struct mount_change readonly = { .set = MOUNT_ATTR_RDONLY };
	const struct mount_change alone = { .propagation = MS_PRIVATE };
	cleanup_files struct files files = FILES_INIT;
	int r = mount_base(dir, &files.dir, err);

	if (r < 0)
		return r;
	files.writable = mount_clone(files.dir, "", false);
	if (files.writable < 0)
		return error_sys(err, files.writable, "clone '%s'", dir);
	r = mount_change(files.writable, &alone, false);
	if (r < 0)
		return error_sys(err, r, "make the clone of '%s' a private mount", dir);
	r = mount_change(files.dir, &readonly, false);
	if (r < 0)
		return error_sys(err, r, "remount '%s' read-only", dir);
	files.ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (files.ns < 0)
		return error_sys(err, errno, "open '/proc/self/ns/mnt'");
	*ret = files;
	files = FILES_INIT;
	return 0;
}

static int clone_one(const struct sandbox_share *share, int *ret, struct error *err)
{
	const struct mount_change change = {
		.set = share->is_readonly ? MOUNT_ATTR_RDONLY : 0,
		.propagation = MS_SLAVE,
	};
	int r;

	*ret = mount_clone(AT_FDCWD, share->host_path, share->is_recursive);
	if (*ret < 0)
		return error_sys(err, *ret, "bind '%s'", share->host_path);
	r = mount_change(*ret, &change, true);
	return r < 0 ? error_sys(err, r, "bind '%s'", share->host_path) : 0;
}

/* Its name in messages is the guest's, which has the place in mounts[] in it. */
static int make_one(const struct sandbox_share *share, int *ret, struct error *err)
{
	const struct oci_mount mount = {
		.type = share->fs_type,
		.options = share->fs_options,
		.destination = share->guest_name,
	};
	const struct mount_context context = { 0 };
	struct mount_plan plan = { 0 };
	char reason[MOUNT_REASON_MAX];
	struct mount_fs fs;
	int r = mount_plan(&context, &mount, 0, &plan, err);

	if (r < 0)
		return error_wrap(err, r, "'%s'", share->guest_name);
	fs = (struct mount_fs){
		.type = share->fs_type,
		.source = share->host_path,
		.options = plan.data,
		.sb_flags = plan.sb_flags,
		.attrs = plan.change.set,
	};
	*ret = mount_fs_is_legacy(&fs) ? -E2BIG : mount_make(&fs, reason);
	mount_plan_done(&plan);
	if (*ret == -E2BIG)
		return error_sys(err, *ret, "mount %s for '%s'", fs.type, share->guest_name);
	return *ret < 0 ? error_sys(err, *ret, "mount %s for '%s': %s", fs.type, share->guest_name,
				    reason)
			: 0;
}

int files_clone(const struct sandbox_plan *plan, struct files_trees *ret, struct error *err)
{
	cleanup_files_trees struct files_trees trees = { 0 };

	trees.fds = xcalloc(plan->shares_count + 1, sizeof(*trees.fds));
	while (trees.count < plan->shares_count) {
		size_t i = trees.count++;
		const struct sandbox_share *share = &plan->shares[i];
		int r = share->fs_type ? make_one(share, &trees.fds[i], err)
				       : clone_one(share, &trees.fds[i], err);

		if (r < 0)
			return r;
	}
	*ret = trees;
	trees = (struct files_trees){ 0 };
	return 0;
}

int files_enter(const struct files *files, struct error *err)
{
	return setns(files->ns, CLONE_NEWNS) < 0
		       ? error_sys(err, errno, "join the sandbox's mount namespace")
		       : 0;
}

static int make_parent(int base, const struct sandbox_share *share)
{
	cleanup_free char *name = NULL;
	cleanup_fd int parent = beneath_parent(base, share->guest_name, 0755, &name);

	return parent < 0 ? parent : 0;
}

static int make_target(int base, const struct sandbox_share *share)
{
	cleanup_fd int fd = -1;
	int r = make_parent(base, share);

	if (r < 0)
		return r;
	fd = share->is_file ? beneath_touch(base, share->guest_name, 0644)
			    : beneath_mkdirs(base, share->guest_name, 0755);
	return fd < 0 ? fd : 0;
}

static int attach_one(const struct files *files, const struct sandbox_share *share, int tree)
{
	cleanup_fd int target = -1;
	int r = make_target(files->writable, share);

	if (r < 0)
		return r;
	target = beneath_open(files->dir, share->guest_name, O_PATH, 0);
	return target < 0 ? target : mount_attach(tree, target);
}

int files_attach(const struct files *files, const struct sandbox_plan *plan,
		 struct files_trees *trees, struct error *err)
{
	for (size_t i = 0; i < trees->count; i++) {
		const struct sandbox_share *share = &plan->shares[i];
		int r = attach_one(files, share, trees->fds[i]);

		if (r < 0)
			return error_sys(err, r, "bind '%s' on '%s'", share->host_path,
					 share->guest_name);
	}
	return 0;
}

static int unmount_all(const struct files *files, const char *id)
{
	cleanup_dir DIR *dir = NULL;
	cleanup_fd int fd = beneath_open(files->writable, id, O_RDONLY | O_DIRECTORY, 0);
	struct dirent *entry;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	dir = fdopendir(steal_fd(&fd));
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		cleanup_free char *path = xasprintf("%s/%s", id, entry->d_name);

		if (*entry->d_name != '.' && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 &&
		    errno != EINVAL) /* nothing was mounted on it yet */
			return -errno;
	}
	return remove_tree_at(files->writable, id);
}

static int detach_here(const struct files *files, const char *id)
{
	int r = rights_enter_by_fd(files->ns, NULL);

	if (r < 0)
		return r;
	if (setns(files->ns, CLONE_NEWNS) < 0 || fchdir(files->dir) < 0)
		return -errno;
	return unmount_all(files, id);
}

int files_detach(const struct files *files, const char *id, struct error *err)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return error_sys(err, errno, "fork");
	if (pid == 0)
		_exit(-detach_here(files, id));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_sys(err, errno, "wait for process %d", (int)pid);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return error_sys(err, WIFEXITED(status) ? WEXITSTATUS(status) : EIO,
			 "take the files of '%s' out of the shared directory", id);
}
