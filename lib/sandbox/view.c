/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/view.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/linux/mount.h"
#include "lib/sandbox/files.h"
#include "lib/sandbox/rights.h"
#include "lib/sandbox/sandbox.h"
#include "oci/config.h"

/* In the making. */
struct view {
	int shared; /* the shared directory */
	int root;
	bool is_guests_root; /* on a disk, where nothing is made from here */
	int *covers;	     /* what is mounted where the guest has something of its own */
	size_t covers_count;
};

static void view_done(struct view *view)
{
	for (size_t i = 0; i < view->covers_count; i++)
		close_fdp(&view->covers[i]);
	free(view->covers);
	close_fdp(&view->shared);
	close_fdp(&view->root);
}
#define cleanup_view CLEANUP(view_done)

static int make_target(int root, const char *path, bool is_file)
{
	cleanup_free char *name = NULL;
	cleanup_fd int parent = -1;

	if (!is_file)
		return beneath_mkdirs(root, path, 0755);
	parent = beneath_parent(root, path, 0755, &name);
	return parent < 0 ? parent : beneath_touch(root, path, 0644);
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static int attach(const struct view *view, int source, const char *destination)
{
	cleanup_fd int target = make_target(view->root, destination, !is_directory(source));

	return target < 0 ? target : mount_attach(source, target);
}

static int show_share(struct view *view, const char *name, const char *destination)
{
	cleanup_fd int source = mount_clone(view->shared, name, true);

	return source < 0 ? source : attach(view, source, destination);
}

static int cover(struct view *view, const char *destination)
{
	cleanup_fd int source = mount_make_points();
	int r = source < 0 ? source : attach(view, source, destination);

	if (r == 0)
		view->covers[view->covers_count++] = steal_fd(&source);
	return r;
}

static bool is_present(const struct view *view, const char *path)
{
	cleanup_fd int fd = beneath_open(view->root, path, O_PATH, 0);

	return fd >= 0;
}

/* A tmpfs has the mode of the directory that it covers, but the guest cannot tell that this one was
 * made for it here. */
static void set_mode(const struct view *view, struct oci_mount *m)
{
	if (view->is_guests_root)
		return;
	if (m->type && streq(m->type, "tmpfs") && !strv_has_prefix(m->options, "mode=") &&
	    !is_present(view, m->destination))
		strv_pushf(&m->options, "mode=1777");
}

static int show_mount(struct view *view, struct oci_mount *m)
{
	const char *name = m->source ? str_after(m->source, SANDBOX_SHARE_GUEST_DIR "/") : NULL;

	if (strv_has(m->options, "remount"))
		return 0;
	set_mode(view, m);
	return name && view->shared >= 0 ? show_share(view, name, m->destination)
					 : cover(view, m->destination);
}

/* What cannot be shown, as a mount point that is missing on a read-only root, the guest can hardly
 * have; callers see no place there, or an empty one, never another file. */
static void show_mounts(struct view *view, struct oci_config *config)
{
	const struct mount_change readonly = { .set = MOUNT_ATTR_RDONLY };

	for (size_t i = 0; i < config->mounts_count; i++) {
		struct oci_mount *m = &config->mounts[i];
		int r = show_mount(view, m);

		if (r < 0)
			log_debug("mounts[%zu]: '%s' cannot be shown: %s", i, m->destination,
				  strerror(-r));
	}
	for (size_t i = 0; i < view->covers_count; i++)
		(void)mount_change(view->covers[i], &readonly, false); /* it is empty anyway */
}

static int cover_root(struct view *view)
{
	int fd = mount_make_points();

	/* One of ours keeps the mount, whose attributes are set at the end, like every cover's. */
	if (fd >= 0)
		view->covers[view->covers_count++] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return fd;
}

static int show_root(struct view *view, const char *place, const struct sandbox_plan *plan,
		     struct error *err)
{
	const char *name = str_after(plan->guest_config->root.path, SANDBOX_SHARE_GUEST_DIR "/");
	cleanup_fd int target = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (target < 0)
		return error_sys(err, errno, "open '%s'", place);
	view->is_guests_root = !name;
	view->root = name ? mount_clone(view->shared, name, true) : cover_root(view);
	if (view->root < 0)
		return error_sys(err, view->root, "make the root");
	r = mount_attach(view->root, target);
	return r < 0 ? error_sys(err, r, "mount on '%s'", place) : 0;
}

/* A slave of the namespace that the guest's files are served from, so that unmounting all of it
 * here does nothing to it there. */
int view_make(const char *shared_dir, const char *place, struct sandbox_plan *plan,
	      struct error *err)
{
	const struct mount_change readonly = { .set = MOUNT_ATTR_RDONLY };
	cleanup_view struct view view = { .shared = -1, .root = -1 };
	int r = files_isolate(err);

	if (r < 0)
		return r;
	if (shared_dir)
		view.shared = open(shared_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (shared_dir && view.shared < 0)
		return error_sys(err, errno, "open '%s'", shared_dir);
	view.covers = xcalloc(plan->guest_config->mounts_count + 1, sizeof(*view.covers));
	r = show_root(&view, place, plan, err);
	if (r < 0)
		return r;
	show_mounts(&view, plan->guest_config);
	if (plan->guest_config->root.readonly) {
		r = mount_change(view.root, &readonly, false);
		if (r < 0)
			return error_sys(err, r, "remount the root read-only");
	}
	r = mount_change_root(view.root);
	return r < 0 ? error_sys(err, r, "change the root") : 0;
}

int view_join(int pidfd, struct error *err)
{
	int flags = CLONE_NEWNS | (rights_are_missing() ? CLONE_NEWUSER : 0);

	return setns(pidfd, flags) < 0
		       ? error_sys(err, errno, "join the container's mount namespace")
		       : 0;
}
