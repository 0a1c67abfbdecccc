/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/plan-internal.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/sandbox/sandbox.h"
#include "oci/config.h"

/*
 * Mounts: what a kernel makes up out of itself is mounted in the guest; what has files on the
 * host becomes a share; what can be neither is refused.
 */

/* clang-format off */
static const char *const guest_types[] = {
	"proc", "sysfs", "tmpfs", "ramfs", "devpts", "mqueue", "cgroup", "cgroup2", "hugetlbfs",
	"bpf", "securityfs", "debugfs", "tracefs", "configfs",
};

/* Places where a bind can only mean "the kernel's own"; the guest has its own kernel. */
static const struct {
	const char *source;
	const char *type;
} kernel_places[] = {
	{ "/proc", "proc" },
	{ "/sys", "sysfs" },
	{ "/sys/fs/cgroup", "cgroup" },
	{ "/dev/mqueue", "mqueue" },
	{ "/dev/pts", "devpts" },
};
/* clang-format on */

#define NOT_IN_VM "of the host, which a virtual machine cannot be given"

static bool is_bind(const struct oci_mount *m)
{
	return streq_null(m->type, "bind") || strv_has(m->options, "bind") ||
	       strv_has(m->options, "rbind");
}

static bool is_guest_type(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(guest_types); i++)
		if (streq(type, guest_types[i]))
			return true;
	return false;
}

/* The last of "ro" and "rw" counts, as mount(8) has it. */
static bool is_readonly(const struct oci_mount *m)
{
	bool readonly = false;

	strv_each(option, m->options) {
		if (streq(option, "ro"))
			readonly = true;
		else if (streq(option, "rw"))
			readonly = false;
	}
	return readonly;
}

static bool is_beneath(const char *path, const char *dir)
{
	const char *rest = str_after(path, dir);

	return rest && *rest == '/';
}

static char *absolute_source(const struct planning *p, const struct oci_mount *m)
{
	return *m->source == '/' ? xstrdup(m->source) : xasprintf("%s/%s", p->bundle, m->source);
}

/* Turns a bind into a mount of the guest's own file system of @type. */
static void make_guest_mount(struct oci_mount *m, const char *type)
{
	char **options = NULL;

	strv_each(option, m->options) {
		if (!streq(option, "bind") && !streq(option, "rbind"))
			strv_push(&options, xstrdup(option));
	}
	strv_free(m->options);
	m->options = options;
	free(m->type);
	m->type = xstrdup(type);
	free(m->source);
	m->source = xstrdup(type);
}

/* Shared memory is memory: across a shared file system it would be neither fast nor shared. The
 * guest's has the size that the host's was given. */
static bool try_shm(struct oci_mount *m, const char *source)
{
	struct statfs fs;

	if (!streq(m->destination, "/dev/shm"))
		return false;
	if (statfs(source, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
		return false;
	make_guest_mount(m, "tmpfs");
	plan_replace(&m->source, xstrdup("shm")); /* as engines call it */
	strv_pushf(&m->options, "mode=1777");
	strv_pushf(&m->options, "size=%llu",
		   (unsigned long long)fs.f_blocks * (unsigned long long)fs.f_bsize);
	return true;
}

static bool try_kernel_place(struct oci_mount *m, const char *source)
{
	for (size_t i = 0; i < ARRAY_SIZE(kernel_places); i++) {
		if (!streq(source, kernel_places[i].source))
			continue;
		make_guest_mount(m, kernel_places[i].type);
		if (streq(m->type, "devpts"))
			strv_pushf(&m->options, "ptmxmode=0666");
		return true;
	}
	return false;
}

static void free_mount(struct oci_mount *m)
{
	free(m->destination);
	free(m->type);
	free(m->source);
	strv_free(m->options);
	free(m->uid_mappings);
	free(m->gid_mappings);
	*m = (struct oci_mount){ 0 };
}

/* Rootless callers bind device nodes because they may not make them. The guest's engine may. In
 * /dev they stand for linux.devices, of which the host's are left out, too. */
static int take_device(struct planning *p, struct oci_mount *m, const struct stat *st, size_t index,
		       struct error *err)
{
	char type = S_ISCHR(st->st_mode) ? 'c' : 'b';
	struct oci_linux *linux_ = &p->guest->linux_;
	bool is_universal = is_universal_device(type, major(st->st_rdev), minor(st->st_rdev));

	if (!is_universal && is_beneath(m->destination, "/dev")) {
		p->left_out_devices++;
		log_debug("mounts[%zu].source: '%s' is left out", index, m->source);
		free_mount(m);
		return 0;
	}
	if (!is_universal)
		return error_set(err, -ENOTSUP, "mounts[%zu].source: '%s' is a device " NOT_IN_VM,
				 index, m->source);

	linux_->devices =
		xrealloc(linux_->devices, linux_->devices_count + 1, sizeof(struct oci_device));
	linux_->devices[linux_->devices_count++] = (struct oci_device){
		.path = xstrdup(m->destination),
		.type = xasprintf("%c", type),
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev),
		.file_mode = { st->st_mode & 07777, true },
	};
	free_mount(m);
	return 0;
}

static int check_source(const struct oci_mount *m, const char *source, const struct stat *st,
			size_t index, struct error *err)
{
	static const char *const places[] = { "/proc", "/sys" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (is_beneath(source, places[i]))
			return error_set(err, -ENOTSUP,
					 "mounts[%zu].source: '%s' is kernel state " NOT_IN_VM,
					 index, source);
	if (m->uid_mappings_count || m->gid_mappings_count || strv_has(m->options, "idmap") ||
	    strv_has(m->options, "ridmap"))
		return error_set(err, -ENOTSUP, "mounts[%zu]: an id-mapped mount " NOT_IN_VM,
				 index);
	if (S_ISSOCK(st->st_mode))
		log_warning("mounts[%zu].source: '%s' is a socket: nobody answers it in the guest",
			    index, source);
	return 0;
}

#define NO_SHARE "and the virtual machine shares no directory with the host"

/* What the guest has is a copy: nobody would see what the other side writes later. In a file
 * engines do not expect that (resolv.conf, hosts, a secret); a directory that can be written to is
 * a volume. */
static int copy_bind(struct planning *p, struct oci_mount *m, const char *source,
		     const struct stat *st, size_t index, struct error *err)
{
	struct sandbox_copy copy = { 0 };

	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return error_set(
			err, -ENOTSUP,
			"mounts[%zu].source: '%s' is neither a file nor a directory, " NO_SHARE,
			index, source);
	if (S_ISDIR(st->st_mode) && !is_readonly(m))
		return error_set(err, -ENOTSUP,
				 "mounts[%zu].source: '%s' is a directory that can be written "
				 "to, " NO_SHARE
				 "\nhint: mount it with 'ro', or set vm.share to '9p'",
				 index, source);
	copy = (struct sandbox_copy){
		.host_path = xstrdup(source),
		.guest_path = xasprintf(SANDBOX_SHARE_GUEST_DIR "/%s/mount-%zu", p->id, index),
		.place = xasprintf("mounts[%zu]", index),
	};
	plan_replace(&m->source, plan_copy(p, &copy));
	return 0;
}

static void share_bind(struct planning *p, struct oci_mount *m, const char *source, bool is_file,
		       size_t index)
{
	struct sandbox_share share = {
		.host_path = xstrdup(source),
		.guest_name = xasprintf("%s/mount-%zu", p->id, index),
		.is_file = is_file,
		.is_readonly = is_readonly(m),
		.is_recursive = strv_has(m->options, "rbind"),
	};

	free(m->source);
	m->source = plan_share(p, &share);
}

static int plan_bind(struct planning *p, struct oci_mount *m, size_t index, struct error *err)
{
	cleanup_free char *source = NULL;
	struct stat st;
	int r;

	if (!m->source || !*m->source)
		return error_set(err, -EINVAL, "mounts[%zu].source: missing", index);
	source = absolute_source(p, m);
	if (try_kernel_place(m, source) || try_shm(m, source))
		return 0;
	if (stat(source, &st) < 0)
		return error_sys(err, errno, "mounts[%zu].source: stat '%s'", index, source);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		return take_device(p, m, &st, index, err);
	r = check_source(m, source, &st, index, err);
	if (r < 0)
		return r;
	if (p->files == SANDBOX_COPIED)
		return copy_bind(p, m, source, &st, index, err);
	share_bind(p, m, source, !S_ISDIR(st.st_mode), index);
	return 0;
}

/* Words for the overlay file system, which say nothing about a bind. */
static bool is_overlay_option(const char *option)
{
	return strchr(option, '=') || streq(option, "volatile") || streq(option, "userxattr");
}

/* Engines lay one directory over another where a container may change an image or a volume that
 * others see as it was. The layers are directories of the host, so the host's kernel does it. */
static void plan_overlay(struct planning *p, struct oci_mount *m, size_t index)
{
	struct sandbox_share share = {
		.host_path = xstrdup(m->source ? m->source : "overlay"),
		.guest_name = xasprintf("%s/mount-%zu", p->id, index),
		.fs_type = steal_ptr(&m->type),
		.fs_options = steal_ptr(&m->options),
	};

	strv_each(option, share.fs_options) {
		if (!is_overlay_option(option))
			strv_push(&m->options, xstrdup(option));
	}
	strv_push(&m->options, xstrdup("rbind"));
	m->type = xstrdup("bind");
	plan_replace(&m->source, plan_share(p, &share));
}

static int plan_mount(struct planning *p, struct oci_mount *m, size_t index, struct error *err)
{
	/* Other flags for what the guest has there by then. */
	if (strv_has(m->options, "remount"))
		return 0;
	if (is_bind(m))
		return plan_bind(p, m, index, err);
	if (streq_null(m->type, "overlay") && p->files == SANDBOX_COPIED)
		return error_set(
			err, -ENOTSUP,
			"mounts[%zu].type: 'overlay' is of directories of the host, " NO_SHARE,
			index);
	if (streq_null(m->type, "overlay")) {
		plan_overlay(p, m, index);
		return 0;
	}
	if (!m->type || !is_guest_type(m->type))
		return error_set(err, -ENOTSUP,
				 "mounts[%zu].type: '%s' is a file system " NOT_IN_VM, index,
				 m->type ? m->type : "");
	return 0;
}

/* Shares are named after the place of the mount in the caller's list, so that a message or a
 * path in the guest leads back to it. */
int plan_mounts(struct planning *p, struct error *err)
{
	struct oci_config *guest = p->guest;
	size_t kept = 0;

	for (size_t i = 0; i < guest->mounts_count; i++) {
		int r = plan_mount(p, &guest->mounts[i], i, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < guest->mounts_count; i++)
		if (guest->mounts[i].destination)
			guest->mounts[kept++] = guest->mounts[i];
	guest->mounts_count = kept;
	if (p->left_out_devices)
		log_warning("mounts: left out %zu of the host's devices in /dev",
			    p->left_out_devices);
	return 0;
}
