/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/base/error.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/container/backend.h"
#include "lib/container/native-criu.h"
#include "lib/engine/mount-plan.h"
#include "lib/linux/cgroupfs.h"
#include "oci/config.h"

const struct criu_joined criu_joined[CRIU_JOINED_COUNT] = {
	/* The names are runc's. */
	{ OCI_NS_NETWORK, "net", "extRootNetNS" },
	{ OCI_NS_PID, "pid", "extRootPidNS" },
};

struct list {
	const struct container *c;
	struct criu_mount *mounts;
	size_t count;
};

void criu_mounts_free(struct criu_mount *mounts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(mounts[i].destination);
		free(mounts[i].source);
	}
	free(mounts);
}

static void add(struct list *list, const char *destination, const char *source)
{
	list->mounts = xrealloc(list->mounts, list->count + 1, sizeof(*list->mounts));
	list->mounts[list->count++] = (struct criu_mount){
		.destination = path_clean(destination),
		.source = xstrdup(source),
	};
}

static void add_bind(struct list *list, const struct oci_mount *mount)
{
	cleanup_free char *joined = xasprintf("%s/%s", list->c->record.bundle, mount->source);

	add(list, mount->destination, *mount->source == '/' ? mount->source : joined);
}

static char *own_directory(const struct container *c, const struct cgroupfs_mount *mount)
{
	return xasprintf("%s%s", mount->mount_point, c->record.cgroup ? c->record.cgroup : "");
}

/* As they are mounted in the container: version 2 by itself, else one directory below a tmpfs for
 * each hierarchy. */
static void add_cgroup(struct list *list, const char *destination,
		       const struct cgroupfs_mount *mount, bool is_alone)
{
	const char *slash = strrchr(mount->mount_point, '/');
	cleanup_free char *place = xasprintf("%s%s", destination, is_alone || !slash ? "" : slash);
	cleanup_free char *source = own_directory(list->c, mount);

	if (!is_alone || mount->is_v2)
		add(list, place, source);
}

static int add_cgroups(struct list *list, const struct oci_mount *mount, struct error *err)
{
	struct cgroupfs_mount *mounts = NULL;
	size_t count = 1;
	bool is_alone = cgroupfs_find_v2_only(&mounts) == 0;
	int r = is_alone ? 0 : cgroupfs_read_mounts(&mounts, &count);

	if (r < 0)
		return error_sys(err, r, "read cgroup mounts");
	is_alone = is_alone || streq(mount->type, "cgroup2");
	for (size_t i = 0; i < count; i++)
		add_cgroup(list, mount->destination, &mounts[i], is_alone);
	cgroupfs_free_mounts(mounts, count);
	return 0;
}

static int add_mount(struct list *list, size_t index, struct error *err)
{
	const struct oci_mount *mount = &list->c->config->mounts[index];
	const struct mount_context context = { .linux_ = &list->c->config->linux_ };
	struct mount_plan plan;
	int r = mount_plan(&context, mount, index, &plan, err);

	if (r < 0)
		return r;
	if (plan.idmap.is_wanted)
		r = error_set(err, -EOPNOTSUPP, "mounts[%zu]: criu does not know mapped ids",
			      index);
	else if (plan.kind == MOUNT_CGROUP)
		r = add_cgroups(list, mount, err);
	else if (plan.kind == MOUNT_BIND)
		add_bind(list, mount);
	mount_plan_done(&plan);
	return r;
}

/* Where a user namespace forbids to make device nodes, the host's are bound. */
static void add_devices(struct list *list)
{
	static const char *const usual[] = { "/dev/null",   "/dev/zero",    "/dev/full",
					     "/dev/random", "/dev/urandom", "/dev/tty" };
	const struct oci_linux *l = &list->c->config->linux_;

	if (!oci_namespace_find(list->c->config, OCI_NS_USER))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		add(list, usual[i], usual[i]);
	for (size_t i = 0; i < l->devices_count; i++)
		add(list, l->devices[i].path, l->devices[i].path);
}

int criu_mounts_plan(const struct container *c, struct criu_mount **ret, size_t *ret_count,
		     struct error *err)
{
	struct list list = { .c = c };
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->config->mounts_count; i++)
		r = add_mount(&list, i, err);
	add_devices(&list);
	/* Files are covered by the host's null device, directories by what is saved. */
	strv_each(path, c->config->linux_.masked_paths) {
		add(&list, path, "/dev/null");
		list.mounts[list.count - 1].is_for_file = true;
	}
	if (r < 0) {
		criu_mounts_free(list.mounts, list.count);
		return r;
	}
	*ret = list.mounts;
	*ret_count = list.count;
	return 0;
}

char *criu_freezer_path(const struct container *c)
{
	struct cgroupfs_mount *mounts = NULL;
	char *v1 = NULL, *v2 = NULL;
	size_t count = 0;

	if (!c->record.cgroup || cgroupfs_read_mounts(&mounts, &count) < 0)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		if (mounts[i].is_v2 && !v2)
			v2 = own_directory(c, &mounts[i]);
		else if (strv_has(mounts[i].options, "freezer") && !v1)
			v1 = own_directory(c, &mounts[i]);
	}
	cgroupfs_free_mounts(mounts, count);
	if (!v1)
		return v2;
	free(v2);
	return v1;
}
