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

int cgroup_give(const struct cgroup *cg, uid_t uid, struct error *err)
{
	cleanup_strv char **files = NULL;

	/* cgroup-v2.rst, "Delegation"; on v1 it would not be safe. */
	if (cg->layout != CGROUP_LAYOUT_V2 || cg->v2_fd < 0)
		return 0;
	if (fchown(cg->v2_fd, uid, (gid_t)-1) < 0 && !(errno == EPERM && cg->is_lenient))
		return error_sys(err, errno, "cgroup: give '%s' to user %u", cg->path,
				 (unsigned int)uid);
	files = list_files();
	strv_each(file, files) {
		if (!*file || fchownat(cg->v2_fd, file, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) == 0 ||
		    errno == ENOENT || (errno == EPERM && cg->is_lenient))
			continue;
		return error_sys(err, errno, "cgroup: give '%s' of '%s' to user %u", file, cg->path,
				 (unsigned int)uid);
	}
	return 0;
}
