/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hypervisor/hypervisor-internal.h"
#include "lib/base/error.h"
#include "lib/base/str.h"

#define PATH_MAX_BYTES 4096

const char *hv_path(const struct hv_config *config, const char *path)
{
	const char *rest = config->dir && path ? str_after(path, config->dir) : NULL;

	return rest && *rest == '/' ? rest + 1 : path;
}

char *hv_disk_path(const struct hv_config *config, size_t i)
{
	const struct hv_disk *disk = &config->disks[i];

	return config->dir ? xasprintf("disk-%s", disk->id)
			   : xasprintf("/proc/self/fd/%d", disk->fd);
}

char *hv_path_beside(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return xasprintf("%.*s/%s", slash ? (int)(slash - path) : 1, slash ? path : ".", name);
}

/* A machine that did not start may have left one. */
static int make_link(const struct hv_config *config, const char *name, int fd, struct error *err)
{
	cleanup_free char *path = xasprintf("%s/%s", config->dir, name);
	cleanup_free char *target = xasprintf("/proc/self/fd/%d", fd);

	if (unlink(path) < 0 && errno != ENOENT)
		return error_sys(err, errno, "replace '%s'", path);
	return symlink(target, path) < 0 ? error_sys(err, errno, "make '%s'", path) : 0;
}

int hv_make_links(const struct hv_config *config, struct error *err)
{
	int r = 0;

	if (!config->dir)
		return 0;
	for (size_t i = 0; r == 0 && i < config->disks_count; i++) {
		cleanup_free char *name = hv_disk_path(config, i);

		r = make_link(config, name, config->disks[i].fd, err);
	}
	if (r == 0 && config->is_restored)
		r = make_link(config, HV_SAVED_NAME, config->saved_fd, err);
	return r;
}

int hv_blame_saved(const struct hv_config *config, int r, struct error *err)
{
	struct error why = *err;
	cleanup_free char *path = NULL;

	if (hv_path_of(config->saved_fd, &path, NULL) < 0)
		path = xstrdup(HV_SAVED_NAME);
	return error_set(
		err, r,
		"load '%.200s': %.600s\nhint: it may be damaged, or be of another version or "
		"processor: only what is as it was saved, where it was, goes on",
		path, why.msg);
}

int hv_path_of(int fd, char **ret, struct error *err)
{
	cleanup_free char *link = xasprintf("/proc/self/fd/%d", fd);
	char path[PATH_MAX_BYTES];
	ssize_t n = readlink(link, path, sizeof(path) - 1);

	if (n < 0)
		return error_sys(err, errno, "read the path of descriptor %d", fd);
	path[n] = '\0';
	*ret = xstrdup(path);
	return 0;
}
