/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

/*
 * Storages are what the host wants mounted in the guest before a container or the sandbox is made.
 * One mount point asked for twice is one mount with two users; that is how containers of a pod
 * share a volume. Who uses what is the agent's knowledge; the mounting itself, for which a device
 * may have to be waited for, is done by its worker.
 */
#define OVERLAY_DIRECTORY "io.katacontainers.volume.overlayfs.create_directory="
#define OVERLAY_WRITABLE "io.katacontainers.fs-opt.overlay-rw"

static int make_mount_point(const char *path, mode_t mode, struct error *err)
{
	int r = mkdir_parents(path, mode);

	return r < 0 ? error_sys(err, r, "make directory '%s'", path) : 0;
}

static int mount_with(const grpc_Storage *s, const char *fstype, const char *source,
		      const struct mount_options *o, struct error *err)
{
	int r = make_mount_point(s->mount_point, 0755, err);

	if (r < 0)
		return r;
	if (mount(source, s->mount_point, fstype, o->flags, o->data) < 0)
		return error_sys(err, errno, "mount %s '%s' on '%s'", fstype, source,
				 s->mount_point);
	return 0;
}

static int mount_fs(const grpc_Storage *s, const char *fstype, struct error *err)
{
	cleanup_mount_options struct mount_options options = { 0 };

	mount_options_plan(s->options, s->options_count, &options);
	return mount_with(s, fstype, s->source ? s->source : fstype, &options, err);
}

static int mount_9p(const struct storage_set *set, const grpc_Storage *s, struct error *err)
{
	return mount_fs(s, "9p", err);
}

static int mount_virtiofs(const struct storage_set *set, const grpc_Storage *s, struct error *err)
{
	return mount_fs(s, "virtiofs", err);
}

static int set_option_group(const grpc_Storage *s, struct error *err)
{
	const char *text = mount_option_value(s->options, s->options_count, "fsgid=");
	uint32_t gid;

	if (!text)
		return 0;
	if (parse_u32(text, &gid) < 0)
		return error_set(err, -EINVAL, "'fsgid=%.100s': not a group", text);
	if (chown(s->mount_point, (uid_t)-1, gid) < 0 || chmod(s->mount_point, 02775) < 0)
		return error_sys(err, errno, "give '%s' to group %u", s->mount_point, gid);
	return 0;
}

/* The pages have to be there before somebody maps them; how many the kernel found is read back. */
static int reserve_hugepages(const struct storage_set *set, const grpc_Storage *s,
			     struct error *err)
{
	const char *page = mount_option_value(s->options, s->options_count, "pagesize=");
	const char *size = mount_option_value(s->options, s->options_count, "size=");
	const char *sys = server_sys_dir(set->options);
	cleanup_free char *path = NULL;
	cleanup_free char *want = NULL;
	cleanup_free char *got = NULL;
	uint64_t page_bytes, bytes;
	int r;

	if (!page || !size || parse_u64(page, &page_bytes) < 0 || page_bytes < 1024 ||
	    parse_u64(size, &bytes) < 0)
		return error_set(err, -EINVAL, "hugetlbfs needs 'pagesize=' and 'size=' in bytes");
	path = xasprintf("%s/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages", sys,
			 page_bytes / 1024);
	want = xasprintf("%" PRIu64 "\n", bytes / page_bytes);
	r = write_file_at(AT_FDCWD, path, want);
	if (r == 0)
		r = read_file_at(AT_FDCWD, path, 64, &got, NULL);
	if (r < 0)
		return error_sys(err, r, "reserve huge pages: '%s'", path);
	return streq(got, want) ? 0
				: error_set(err, -ENOMEM, "reserve huge pages: too little memory");
}

static int mount_ephemeral(const struct storage_set *set, const grpc_Storage *s, struct error *err)
{
	bool is_huge = s->fstype && streq(s->fstype, "hugetlbfs");
	int r = is_huge ? reserve_hugepages(set, s, err) : 0;

	if (r == 0)
		r = mount_fs(s, is_huge ? s->fstype : "tmpfs", err);
	if (r < 0)
		return r;
	r = set_option_group(s, err);
	if (r < 0)
		(void)umount2(s->mount_point, MNT_DETACH);
	return r;
}

/* A bind of a file needs a file to go on. */
static int make_bind_target(const grpc_Storage *s, mode_t type, struct error *err)
{
	cleanup_free char *parent = xstrdup(s->mount_point);
	cleanup_fd int fd = -1;
	int r;

	if (S_ISDIR(type))
		return make_mount_point(s->mount_point, 0755, err);
	*strrchr(parent, '/') = '\0';
	r = *parent ? make_mount_point(parent, 0755, err) : 0;
	if (r < 0)
		return r;
	fd = open(s->mount_point, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? error_sys(err, errno, "make file '%s'", s->mount_point) : 0;
}

/* Attributes need a second call. */
static int mount_bind(const struct storage_set *set, const grpc_Storage *s, struct error *err)
{
	cleanup_mount_options struct mount_options options = { 0 };
	unsigned long attributes;
	struct stat st;
	int r;

	mount_options_plan(s->options, s->options_count, &options);
	attributes = options.flags & ~(unsigned long)(MS_BIND | MS_REC);
	if (!s->source || stat(s->source, &st) < 0)
		return error_sys(err, s->source ? errno : EINVAL, "bind '%s'",
				 s->source ? s->source : "");
	r = make_bind_target(s, st.st_mode, err);
	if (r < 0)
		return r;
	if (mount(s->source, s->mount_point, NULL, MS_BIND | (options.flags & MS_REC), NULL) < 0)
		return error_sys(err, errno, "bind '%s' on '%s'", s->source, s->mount_point);
	if (attributes &&
	    mount(NULL, s->mount_point, NULL, MS_BIND | MS_REMOUNT | attributes, NULL) < 0) {
		r = error_sys(err, errno, "set attributes of '%s'", s->mount_point);
		(void)umount2(s->mount_point, MNT_DETACH);
	}
	return r;
}

/* A directory on the guest's own file system. */
static int make_local(const struct storage_set *set, const grpc_Storage *s, struct error *err)
{
	const char *text = mount_option_value(s->options, s->options_count, "mode=");
	uint32_t mode = 0755;
	int r;

	if (text && (parse_octal(text, &mode) < 0 || mode > 07777))
		return error_set(err, -EINVAL, "'mode=%.100s': not a mode", text);
	r = make_mount_point(s->mount_point, mode, err);
	if (r == 0 && chmod(s->mount_point, mode) < 0) /* whatever the umask is */
		r = error_sys(err, errno, "set mode of '%s'", s->mount_point);
	return r < 0 ? r : set_option_group(s, err);
}

static int mount_block(const struct storage_set *set, const grpc_Storage *s, struct error *err)
{
	cleanup_mount_options struct mount_options options = { 0 };
	cleanup_free char *node = NULL;
	int r;

	if (!s->fstype || !*s->fstype)
		return error_set(err, -EINVAL, "device '%.200s': fstype is missing",
				 s->source ? s->source : "");
	r = device_find(set->options, s->driver, s->source, &node, err);
	if (r < 0)
		return r;
	mount_options_plan(s->options, s->options_count, &options);
	return mount_with(s, s->fstype, node, &options, err);
}

/* A directory for what is written, on the guest's own file system. */
static int add_upper(const struct storage_set *set, struct mount_options *options,
		     struct error *err)
{
	const char *run_dir = server_run_dir(set->options);
	cleanup_free char *upper = xasprintf("%s/%s/upper", run_dir, set->container_id);
	cleanup_free char *work = xasprintf("%s/%s/work", run_dir, set->container_id);
	cleanup_free char *data = options->data;
	int r = make_mount_point(upper, 0755, err);

	if (r == 0)
		r = make_mount_point(work, 0755, err);
	options->data =
		xasprintf("%s%supperdir=%s,workdir=%s", data, *data ? "," : "", upper, work);
	return r;
}

static int mount_overlay(const struct storage_set *set, const grpc_Storage *s, struct error *err)
{
	cleanup_mount_options struct mount_options options = { 0 };
	int r = 0;

	mount_options_plan(s->options, s->options_count, &options);
	for (size_t i = 0; i < s->driver_options_count && r == 0; i++) {
		const char *dir = str_after(s->driver_options[i], OVERLAY_DIRECTORY);

		if (dir)
			r = make_mount_point(dir, 0755, err);
	}
	for (size_t i = 0; i < s->options_count && r == 0; i++)
		if (streq(s->options[i], OVERLAY_WRITABLE))
			r = add_upper(set, &options, err);
	return r < 0 ? r
		     : mount_with(s, "overlay", s->source ? s->source : "overlay", &options, err);
}

static const struct driver {
	const char *name;
	int (*add)(const struct storage_set *set, const grpc_Storage *s, struct error *err);
	bool is_mount;
	bool is_share;
} drivers[] = {
	{ "9p", mount_9p, true, true },
	{ "virtio-fs", mount_virtiofs, true, true },
	{ "blk", mount_block, true },
	{ "mmioblk", mount_block, true },
	{ "scsi", mount_block, true },
	{ "nvdimm", mount_block, true },
	{ "bind", mount_bind, true },
	{ "watchable-bind", mount_bind, true }, /* who watches it is told of no change */
	{ "overlayfs", mount_overlay, true },
	{ "ephemeral", mount_ephemeral, true },
	{ "local", make_local, false },
};

const char *const storage_driver_names[] = {
	"9p",	"virtio-fs",	  "blk",       "mmioblk",   "scsi",  "nvdimm",
	"bind", "watchable-bind", "overlayfs", "ephemeral", "local", NULL,
};

static const struct driver *find_driver(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (name && streq(drivers[i].name, name))
			return &drivers[i];
	return NULL;
}

bool storage_is_share(const grpc_Storage *storage)
{
	const struct driver *driver = find_driver(storage->driver);

	return driver && driver->is_share;
}

static struct storage **find_storage(struct agent_server *server, const char *mount_point)
{
	struct storage **p = &server->storages;

	while (*p && !streq((*p)->mount_point, mount_point))
		p = &(*p)->next;
	return p;
}

static int reserve_one(struct agent_server *server, const grpc_Storage *s, bool *ret_is_new,
		       struct error *err)
{
	const struct driver *driver = find_driver(s->driver);
	struct storage **slot;

	if (!driver)
		return error_set(err, -EOPNOTSUPP, "storage driver '%.100s' is not supported",
				 s->driver ? s->driver : "");
	if (!s->mount_point || s->mount_point[0] != '/')
		return error_set(err, -EINVAL, "mount point '%.100s' is not absolute",
				 s->mount_point ? s->mount_point : "");
	slot = find_storage(server, s->mount_point);
	*ret_is_new = !*slot;
	if (!*slot) {
		*slot = xcalloc(1, sizeof(**slot));
		(*slot)->mount_point = xstrdup(s->mount_point);
	}
	(*slot)->users++;
	return 0;
}

/* Kept until the sandbox ends: it is one user more, for ever. */
static void keep(struct agent_server *server, const grpc_Storage *s)
{
	(*find_storage(server, s->mount_point))->users++;
	strv_push(&server->sandbox.mounts, xstrdup(s->mount_point));
}

int storage_reserve(struct agent_server *server, const grpc_Storage *items, size_t count,
		    const char *container_id, struct storage_set *ret, char ***mounts,
		    struct error *err)
{
	cleanup_free bool *is_new = xcalloc(count, sizeof(*is_new));
	cleanup_strv char **added = NULL;

	for (size_t i = 0; i < count; i++) {
		int r = reserve_one(server, &items[i], &is_new[i], err);

		if (r < 0) {
			storage_remove(server, steal_ptr(&added));
			return r;
		}
		strv_push(&added, xstrdup(items[i].mount_point));
		if (is_new[i] && items[i].shared)
			keep(server, &items[i]);
	}
	strv_each(mount_point, added)
		strv_push(mounts, xstrdup(mount_point));
	*ret = (struct storage_set){
		.items = items,
		.count = count,
		.is_new = steal_ptr(&is_new),
		.container_id = container_id,
		.options = &server->options,
	};
	return 0;
}

static int set_group(const grpc_Storage *s, struct error *err)
{
	const grpc_FSGroup *group = &s->fs_group;

	if (!s->has_fs_group)
		return 0;
	return storage_set_group(
		s->mount_point, group->group_id,
		group->group_change_policy == types_FSGroupChangePolicy_OnRootMismatch, err);
}

int storage_mount(const struct storage_set *set, size_t *count, struct error *err)
{
	for (size_t i = 0; i < set->count; i++) {
		const grpc_Storage *s = &set->items[i];
		int r = set->is_new[i] ? find_driver(s->driver)->add(set, s, err) : 0;

		if (r < 0)
			return r;
		*count = i + 1;
		r = set->is_new[i] ? set_group(s, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

void storage_settle(struct agent_server *server, const struct storage_set *set, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct storage *storage = *find_storage(server, set->items[i].mount_point);
		const struct driver *driver = find_driver(set->items[i].driver);

		if (!set->is_new[i] || !storage)
			continue;
		storage->is_mount = driver->is_mount;
		storage->is_share = driver->is_share;
	}
}

void storage_set_done(struct storage_set *set)
{
	free(set->is_new);
	*set = (struct storage_set)STORAGE_SET_INIT;
}

/* A share that the guest ends with is written back (sandbox.c) and left: to unmount it as the last
 * user waits for several grace periods of the kernel. */
static bool is_left(const struct agent_server *server, const struct storage *storage)
{
	return storage->is_share && sandbox_ends_guest(server);
}

static void remove_one(struct agent_server *server, const char *mount_point)
{
	struct storage **slot = find_storage(server, mount_point), *storage = *slot;

	if (!storage || --storage->users)
		return;
	if (storage->is_mount && !is_left(server, storage) &&
	    umount2(storage->mount_point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		log_warning("unmount '%s': %s", storage->mount_point, strerror(errno));
	*slot = storage->next;
	free(storage->mount_point);
	free(storage);
}

void storage_remove(struct agent_server *server, char **mounts)
{
	for (size_t i = strv_len(mounts); i > 0; i--)
		remove_one(server, mounts[i - 1]);
	strv_free(mounts);
}

/* UpdateEphemeralMounts */

static int update_one(const grpc_Storage *s, struct error *err)
{
	cleanup_mount_options struct mount_options options = { 0 };

	if (!s->driver || !streq(s->driver, "ephemeral"))
		return error_set(err, -EINVAL, "storage driver '%.100s' cannot be updated",
				 s->driver ? s->driver : "");
	mount_options_plan(s->options, s->options_count, &options);
	if (mount(NULL, s->mount_point ? s->mount_point : "", NULL, options.flags | MS_REMOUNT,
		  options.data) < 0)
		return error_sys(err, errno, "update '%.200s'", s->mount_point);
	return 0;
}

int storage_update(struct rpc_call *call, const void *request, void *response, struct error *err)
{
	const grpc_UpdateEphemeralMountsRequest *req = request;

	for (size_t i = 0; i < req->storages_count; i++) {
		const char *mount_point = req->storages[i].mount_point;
		int r;

		if (!mount_point || !*find_storage(call->server, mount_point))
			return error_set(err, -EINVAL, "'%.200s' is not a storage",
					 mount_point ? mount_point : "");
		r = update_one(&req->storages[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}
