/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "agent/server/server-internal.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

/*
 * Storages are what the host wants mounted in the guest before a container or the sandbox is made.
 * One mount point asked for twice is one mount with two users; that is how containers of a pod
 * share a volume.
 */

/* clang-format off */
static const struct {
	const char *name;
	unsigned long set;
	unsigned long clear;
} flags[] = {
	{ "ro", MS_RDONLY, 0 },            { "rw", 0, MS_RDONLY },
	{ "nosuid", MS_NOSUID, 0 },        { "suid", 0, MS_NOSUID },
	{ "nodev", MS_NODEV, 0 },          { "dev", 0, MS_NODEV },
	{ "noexec", MS_NOEXEC, 0 },        { "exec", 0, MS_NOEXEC },
	{ "noatime", MS_NOATIME, 0 },      { "atime", 0, MS_NOATIME },
	{ "relatime", MS_RELATIME, 0 },    { "norelatime", 0, MS_RELATIME },
	{ "nodiratime", MS_NODIRATIME, 0 },{ "diratime", 0, MS_NODIRATIME },
	{ "sync", MS_SYNCHRONOUS, 0 },     { "dirsync", MS_DIRSYNC, 0 },
	{ "bind", MS_BIND, 0 },            { "rbind", MS_BIND | MS_REC, 0 },
	{ "defaults", 0, 0 },
};
/* clang-format on */

struct plan {
	unsigned long flags;
	char *data; /* what is for the file system */
};

static void plan_done(struct plan *plan)
{
	free(plan->data);
}
#define cleanup_plan CLEANUP(plan_done)

static bool take_flag(const char *option, unsigned long *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!streq(flags[i].name, option))
			continue;
		*ret = (*ret & ~flags[i].clear) | flags[i].set;
		return true;
	}
	return false;
}

static struct plan plan_options(const grpc_Storage *s)
{
	cleanup_strbuf struct strbuf data = STRBUF_INIT;
	struct plan plan = { 0 };

	for (size_t i = 0; i < s->options_count; i++) {
		if (take_flag(s->options[i], &plan.flags))
			continue;
		if (data.len)
			strbuf_addch(&data, ',');
		strbuf_addstr(&data, s->options[i]);
	}
	plan.data = strbuf_steal(&data);
	return plan;
}

static int make_mount_point(const char *path, mode_t mode, struct error *err)
{
	int r = mkdir_parents(path, mode);

	return r < 0 ? error_sys(err, r, "make directory '%s'", path) : 0;
}

static int mount_fs(const grpc_Storage *s, const char *fstype, struct error *err)
{
	cleanup_plan struct plan plan = plan_options(s);
	const char *source = s->source ? s->source : fstype;
	int r = make_mount_point(s->mount_point, 0755, err);

	if (r < 0)
		return r;
	if (mount(source, s->mount_point, fstype, plan.flags, plan.data) < 0)
		return error_sys(err, errno, "mount %s '%s' on '%s'", fstype, source,
				 s->mount_point);
	return 0;
}

static int mount_9p(const grpc_Storage *s, struct error *err)
{
	return mount_fs(s, "9p", err);
}

static int mount_virtiofs(const grpc_Storage *s, struct error *err)
{
	return mount_fs(s, "virtiofs", err);
}

static int mount_ephemeral(const grpc_Storage *s, struct error *err)
{
	return mount_fs(s, "tmpfs", err);
}

/* A bind of a file needs a file to go on; attributes need a second call. */
static int mount_bind(const grpc_Storage *s, struct error *err)
{
	cleanup_plan struct plan plan = plan_options(s);
	unsigned long attributes = plan.flags & ~(unsigned long)(MS_BIND | MS_REC);
	struct stat st;
	int r;

	if (!s->source || stat(s->source, &st) < 0)
		return error_sys(err, s->source ? errno : EINVAL, "bind '%s'",
				 s->source ? s->source : "");
	if (!S_ISDIR(st.st_mode))
		return error_set(err, -ENOTDIR, "bind '%s': not a directory", s->source);
	r = make_mount_point(s->mount_point, 0755, err);
	if (r < 0)
		return r;
	if (mount(s->source, s->mount_point, NULL, MS_BIND | (plan.flags & MS_REC), NULL) < 0)
		return error_sys(err, errno, "bind '%s' on '%s'", s->source, s->mount_point);
	if (attributes &&
	    mount(NULL, s->mount_point, NULL, MS_BIND | MS_REMOUNT | attributes, NULL) < 0) {
		r = error_sys(err, errno, "set attributes of '%s'", s->mount_point);
		(void)umount2(s->mount_point, MNT_DETACH);
		return r;
	}
	return 0;
}

/* A directory on the guest's own file system. */
static int make_local(const grpc_Storage *s, struct error *err)
{
	uint32_t mode = 0755;
	int r;

	for (size_t i = 0; i < s->options_count; i++) {
		const char *text = str_after(s->options[i], "mode=");

		if (text && (parse_octal(text, &mode) < 0 || mode > 07777))
			return error_set(err, -EINVAL, "'%s': not a mode", s->options[i]);
	}
	r = make_mount_point(s->mount_point, mode, err);
	if (r == 0 && chmod(s->mount_point, mode) < 0) /* whatever the umask is */
		r = error_sys(err, errno, "set mode of '%s'", s->mount_point);
	return r;
}

static const struct driver {
	const char *name;
	int (*add)(const grpc_Storage *s, struct error *err);
	bool is_mount;
} drivers[] = {
	{ "9p", mount_9p, true },
	{ "virtio-fs", mount_virtiofs, true },
	{ "bind", mount_bind, true },
	{ "local", make_local, false },
	{ "ephemeral", mount_ephemeral, true },
};

const char *const storage_driver_names[] = {
	"9p", "virtio-fs", "bind", "local", "ephemeral", NULL
};

static const struct driver *find_driver(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (name && streq(drivers[i].name, name))
			return &drivers[i];
	return NULL;
}

static struct storage **find_storage(struct agent_server *server, const char *mount_point)
{
	struct storage **p = &server->storages;

	while (*p && !streq((*p)->mount_point, mount_point))
		p = &(*p)->next;
	return p;
}

static int add_one(struct agent_server *server, const grpc_Storage *s, struct error *err)
{
	const struct driver *driver = find_driver(s->driver);
	struct storage **slot, *storage;
	int r;

	if (!driver)
		return error_set(err, -EOPNOTSUPP, "storage driver '%.100s' is not supported",
				 s->driver ? s->driver : "");
	if (!s->mount_point || s->mount_point[0] != '/')
		return error_set(err, -EINVAL, "mount point '%.100s' is not absolute",
				 s->mount_point ? s->mount_point : "");
	slot = find_storage(server, s->mount_point);
	if (*slot) {
		(*slot)->users++;
		return 0;
	}
	r = driver->add(s, err);
	if (r < 0)
		return r;
	storage = xcalloc(1, sizeof(*storage));
	*storage = (struct storage){
		.mount_point = xstrdup(s->mount_point),
		.users = 1,
		.is_mounted = driver->is_mount,
	};
	*slot = storage;
	return 0;
}

static void remove_one(struct agent_server *server, const char *mount_point)
{
	struct storage **slot = find_storage(server, mount_point), *storage = *slot;

	if (!storage || --storage->users)
		return;
	if (storage->is_mounted && umount2(storage->mount_point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		log_warning("unmount '%s': %s", storage->mount_point, strerror(errno));
	*slot = storage->next;
	free(storage->mount_point);
	free(storage);
}

int storage_add(struct agent_server *server, const grpc_Storage *storages, size_t count,
		char ***mounts, struct error *err)
{
	cleanup_strv char **added = NULL;

	for (size_t i = 0; i < count; i++) {
		int r = add_one(server, &storages[i], err);

		if (r < 0) {
			storage_remove(server, steal_ptr(&added));
			return r;
		}
		strv_push(&added, xstrdup(storages[i].mount_point));
	}
	strv_each(mount_point, added)
		strv_push(mounts, xstrdup(mount_point));
	return 0;
}

void storage_remove(struct agent_server *server, char **mounts)
{
	for (size_t i = strv_len(mounts); i > 0; i--)
		remove_one(server, mounts[i - 1]);
	strv_free(mounts);
}
