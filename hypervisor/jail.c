/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/beneath.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/linux/mount.h"

/* Any directory does to put the new root on, once nothing in it is needed. */
#define PLACE "/proc"
#define OWN_DESCRIPTORS "/proc/self/fd"
#define OWN_PROGRAM "/proc/self/exe"

/* What programs are made of, wherever distributions have it, and what any may open. What is missing
 * here a program does not need. */
static const char *const usual[] = {
	"/usr",
	"/bin",
	"/sbin",
	"/lib",
	"/lib32",
	"/lib64",
	"/nix/store",
	"/gnu/store",
	"/etc/ld.so.cache",
	"/etc/alternatives",
	"/dev/null",
	"/dev/zero",
	"/dev/urandom",
};

/* Beside a program that is in none of these: "bin", and what goes with that. */
static const char *const siblings[] = { "lib", "lib64", "libexec", "share" };

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_there(int root, const char *path)
{
	cleanup_fd int fd = beneath_open(root, path, O_PATH, 0);

	return fd >= 0;
}

static int attach(int root, int tree, const char *path)
{
	cleanup_fd int target = is_directory(tree) ? beneath_mkdirs(root, path, 0755)
						   : beneath_touch(root, path, 0644);

	return target < 0 ? target : mount_attach(tree, target);
}

/* With what is mounted there: a user's namespaces cannot have one without the other. */
static int show(int root, const char *path)
{
	cleanup_fd int tree = mount_clone(AT_FDCWD, path, true);

	return tree < 0 ? tree : attach(root, tree, path);
}

static int show_readonly(int root, const char *path)
{
	static const struct mount_change change = {
		.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID,
		.propagation = MS_PRIVATE,
	};
	cleanup_fd int tree = -1;
	int r;

	if (is_there(root, path))
		return 0;
	tree = mount_clone(AT_FDCWD, path, true);
	r = tree < 0 ? tree : mount_change(tree, &change, true);
	return r < 0 ? r : attach(root, tree, path);
}

static int copy_link(int root, const char *path, const char *target)
{
	cleanup_free char *name = NULL;
	cleanup_fd int parent = beneath_parent(root, path, 0755, &name);

	if (parent < 0)
		return parent;
	return symlinkat(target, parent, name) < 0 ? -errno : 0;
}

/* "/lib" is a link to "usr/lib" nearly everywhere, and stays one. */
static int show_usual(int root, const char *path)
{
	char target[4096];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	int r;

	if (n >= 0) {
		target[n] = '\0';
		return copy_link(root, path, target);
	}
	r = show_readonly(root, path);
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

/* The directory that is @levels above what @path names; NULL: it would be the root. */
static char *above(const char *path, int levels)
{
	cleanup_free char *dir = xstrdup(path);

	while (levels-- > 0) {
		char *slash = strrchr(dir, '/');

		if (!slash || slash == dir)
			return NULL;
		*slash = '\0';
	}
	return steal_ptr(&dir);
}

static int show_siblings(int root, const char *program)
{
	cleanup_free char *dir = above(program, 1);
	cleanup_free char *prefix = above(program, 2);
	int r = 0;

	if (!prefix || !str_ends_with(dir, "/bin"))
		return 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(siblings); i++) {
		cleanup_free char *path = xasprintf("%s/%s", prefix, siblings[i]);

		r = show_usual(root, path);
	}
	return r;
}

/* It is found under the name that it was called by, too, where that is a link. */
static int show_program(int root, const char *program)
{
	cleanup_free char *real = realpath(program, NULL);
	cleanup_free char *dir = above(real ? real : program, 1);
	int r;

	if (!real || is_there(root, program))
		return 0; /* or else execve(2) says what is wrong with it */
	r = show_readonly(root, dir ? dir : real);
	if (r == 0)
		r = show_siblings(root, real);
	return r < 0 ? r : show_readonly(root, program);
}

/* Some programs reopen what they have inherited, and find what belongs to them by their name. */
static int show_own(int root, int descriptors, const char *program)
{
	int r = attach(root, descriptors, OWN_DESCRIPTORS);

	return r < 0 ? r : copy_link(root, OWN_PROGRAM, program);
}

static int show_all(int root, const struct hv_jail *jail, const char *program, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		r = show_usual(root, usual[i]);
		if (r < 0)
			return error_sys(err, r, "show '%s' to the VMM", usual[i]);
	}
	r = show_program(root, program);
	if (r < 0)
		return error_sys(err, r, "show '%s' to the VMM", program);
	for (const char *const *path = jail->readable; *path; path++) {
		r = show_readonly(root, *path);
		if (r < 0)
			return error_sys(err, r, "show '%s' to the VMM", *path);
	}
	r = jail->shared ? show(root, jail->shared) : 0;
	return r < 0 ? error_sys(err, r, "show '%s' to the VMM", jail->shared) : 0;
}

/* Mounts that others get to see cannot become somebody's root. 0: it is not permitted; else 1. */
static int leave_mounts(unsigned long propagation, struct error *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return errno == EPERM ? 0 : error_sys(err, errno, "make a mount namespace");
	if (mount(NULL, "/", NULL, propagation | MS_REC, NULL) < 0)
		return error_sys(err, errno, "keep mounts to oneself");
	return 1;
}

static int attach_root(int root, struct error *err)
{
	cleanup_fd int place = -1;
	int r;

	if (root < 0)
		return error_sys(err, root, "make a root");
	place = open(PLACE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place < 0)
		return error_sys(err, errno, "open '" PLACE "'");
	r = mount_attach(root, place);
	return r < 0 ? error_sys(err, r, "mount a root") : 0;
}

static int change_root(int root, struct error *err)
{
	int r = mount_change_root(root);

	return r < 0 ? error_sys(err, r, "change the root") : 0;
}

void hv_jail_plan(const struct hv_config *config, const char *more, struct hv_jail *ret)
{
	size_t n = 0;

	*ret = (struct hv_jail){ .shared = NULL };
	ret->readable[n++] = config->guest->kernel;
	if (config->guest->initrd)
		ret->readable[n++] = config->guest->initrd;
	if (config->accel == HV_ACCEL_KVM)
		ret->readable[n++] = "/dev/kvm";
	if (more)
		ret->readable[n++] = more;
}

void hv_jail_share_dir_of(struct hv_jail *jail, const char *path)
{
	free(jail->shared);
	jail->shared = above(path, 1);
}

void hv_jail_done(struct hv_jail *jail)
{
	free(jail->shared);
	*jail = (struct hv_jail){ .shared = NULL };
}

int hv_jail_enter(const struct hv_jail *jail, const char *program, struct error *err)
{
	static const struct mount_change readonly = { .set = MOUNT_ATTR_RDONLY };
	cleanup_fd int root = -1, descriptors = -1;
	int r = leave_mounts(MS_SLAVE, err);

	if (r <= 0)
		return r;
	descriptors = mount_clone(AT_FDCWD, OWN_DESCRIPTORS, true);
	if (descriptors < 0)
		return error_sys(err, descriptors, "clone '" OWN_DESCRIPTORS "'");
	root = mount_make_points();
	r = attach_root(root, err);
	if (r == 0)
		r = show_all(root, jail, program, err);
	if (r < 0)
		return r;
	r = show_own(root, descriptors, program);
	if (r == 0)
		r = mount_change(root, &readonly, false);
	return r < 0 ? error_sys(err, r, "make a root for the VMM") : change_root(root, err);
}

int hv_jail_enter_empty(struct error *err)
{
	cleanup_fd int root = -1;
	int r = leave_mounts(MS_PRIVATE, err);

	if (r <= 0)
		return r;
	root = mount_make_empty();
	r = attach_root(root, err);
	return r < 0 ? r : change_root(root, err);
}
