/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"
#include "oci/config.h"

#define DELEGATE_FILE "/sys/kernel/cgroup/delegate"
#define DELEGATE_MAX_BYTES 4096

bool cgroup_plan_is_writable(const struct oci_config *config)
{
	for (size_t i = 0; i < config->mounts_count; i++) {
		const struct oci_mount *mount = &config->mounts[i];
		cleanup_free char *destination = path_clean(mount->destination);

		if (mount->type && str_after(mount->type, "cgroup") &&
		    streq(destination, CGROUPFS_DIR))
			return !strv_has(mount->options, "ro");
	}
	return false;
}

bool cgroup_plan_owner(const struct oci_config *config, uid_t *ret_uid)
{
	const struct oci_namespace *ns = oci_namespace_find(config, OCI_NS_CGROUP);
	uint32_t uid = config->process ? config->process->user.uid : 0;

	if (!ns || ns->path || !cgroup_plan_is_writable(config))
		return false;
	return oci_id_on_host(config->linux_.uid_mappings, config->linux_.uid_mappings_count, uid,
			      ret_uid);
}

/* Which files a delegatee must be able to write is the kernel's to say (Linux 4.15). */
static char **list_files(void)
{
	cleanup_free char *text = NULL;
	char **files = NULL;

	if (read_file_at(AT_FDCWD, DELEGATE_FILE, DELEGATE_MAX_BYTES, &text, NULL) == 0)
		return strv_split(text, '\n');
	strv_push(&files, xstrdup("cgroup.procs"));
	strv_push(&files, xstrdup("cgroup.subtree_control"));
	strv_push(&files, xstrdup("cgroup.threads"));
	return files;
}

static int give(int dir_fd, const char *path, uid_t uid, bool is_lenient, struct error *err)
{
	cleanup_strv char **files = NULL;

	if (fchown(dir_fd, uid, (gid_t)-1) < 0 && !(errno == EPERM && is_lenient))
		return error_sys(err, errno, "cgroup: give '%s' to user %u", path,
				 (unsigned int)uid);
	files = list_files();
	strv_each(file, files) {
		if (!*file || fchownat(dir_fd, file, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) == 0 ||
		    errno == ENOENT || (errno == EPERM && is_lenient))
			continue;
		return error_sys(err, errno, "cgroup: give '%s' of '%s' to user %u", file, path,
				 (unsigned int)uid);
	}
	return 0;
}

int cgroup_give(const struct cgroup *cg, uid_t uid, struct error *err)
{
	/* cgroup-v2.rst, "Delegation"; on v1 it would not be safe. */
	if (cg->layout != CGROUP_LAYOUT_V2 || cg->v2_fd < 0)
		return 0;
	return give(cg->v2_fd, cg->path, uid, cg->is_lenient, err);
}

int cgroup_give_to_owner(const struct cgroup *cg, const struct oci_config *config,
			 struct error *err)
{
	uid_t uid;

	return cgroup_plan_owner(config, &uid) ? cgroup_give(cg, uid, err) : 0;
}

int cgroup_delegate(const struct cgroup *cg, const char *name, uid_t uid, pid_t pid,
		    struct error *err)
{
	cleanup_free char *path = xasprintf("%s/%s", cgroup_relative(cg), name);
	struct cgroup_hierarchy *h = cgroup_v2(cg);
	cleanup_fd int fd = -1;
	int r;

	if (!h)
		return error_set(err, -ENOENT, "cgroup: '%s' does not exist", cg->path);
	r = cgroup_make_path(h->root_fd, path);
	if (r >= 0)
		r = cgroupfs_join(h->root_fd, path, pid);
	if (r == 0 && cg->holder)
		r = cgroupfs_join(h->root_fd, path, cg->holder);
	if (r < 0)
		return error_sys(err, r, "cgroup: move process %d to '/%s'", (int)pid, path);
	cgroup_v2_share(h, cgroup_relative(cg), path);
	fd = openat(h->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "cgroup: open '/%s'", path);
	return give(fd, path, uid, cg->is_lenient, err);
}
