/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/mount-idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/id-map.h"
#include "lib/linux/mount.h"
#include "lib/linux/userns.h"

/* The kernel takes so many lines in one map (user_namespaces(7)). */
#define MAP_LINES_MAX 340

static const char *option_value(const char *option, bool *ret_is_recursive)
{
	static const char *const names[] = { "idmap", "ridmap" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *rest = str_after(option, names[i]);

		if (!rest || (*rest && *rest != '='))
			continue;
		if (ret_is_recursive)
			*ret_is_recursive = i == 1;
		return *rest ? rest + 1 : rest;
	}
	return NULL;
}

bool mount_idmap_is_option(const char *option)
{
	return option_value(option, NULL) != NULL;
}

/* "@1-3-10": 3 is an id of the container's, and means what its user namespace makes of it. */
static int to_host(struct oci_id_mapping *line, const struct oci_id_mapping *container,
		   size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t start = container[i].container_id;

		if (line->host_id < start || line->host_id - start >= container[i].size)
			continue;
		line->host_id = container[i].host_id + (line->host_id - start);
		return 0;
	}
	return -EINVAL;
}

/* "0-1000-10", or relative to the container's ids with an '@' in front. */
static int parse_line(const char *text, const struct oci_id_mapping *container, size_t count,
		      struct oci_id_mapping *ret)
{
	bool is_relative = *text == '@';
	cleanup_strv char **parts = strv_split(text + is_relative, '-');

	if (strv_len(parts) != 3 || parse_u32(parts[0], &ret->container_id) < 0 ||
	    parse_u32(parts[1], &ret->host_id) < 0 || parse_u32(parts[2], &ret->size) < 0)
		return -EINVAL;
	return is_relative ? to_host(ret, container, count) : 0;
}

/* Lines with a '#' between them. */
static int parse_lines(const char *text, const struct oci_id_mapping *container, size_t count,
		       struct oci_id_mapping **ret, size_t *ret_count)
{
	cleanup_strv char **lines = strv_split(text, '#');
	size_t n = strv_len(lines);
	int r = 0;

	if (*ret || n > MAP_LINES_MAX)
		return -EINVAL;
	*ret = xcalloc(n, sizeof(**ret));
	for (size_t i = 0; i < n && r == 0; i++)
		r = parse_line(lines[i], container, count, &(*ret)[i]);
	*ret_count = n;
	return r;
}

static int parse_value(const char *value, const struct oci_linux *linux_, struct mount_idmap *ret)
{
	cleanup_strv char **parts = strv_split(value, ';');
	int r = 0;

	strv_each(part, parts) {
		const char *uids = str_after(part, "uids=");
		const char *gids = str_after(part, "gids=");

		if (uids)
			r = parse_lines(uids, linux_->uid_mappings, linux_->uid_mappings_count,
					&ret->uids, &ret->uids_count);
		else if (gids)
			r = parse_lines(gids, linux_->gid_mappings, linux_->gid_mappings_count,
					&ret->gids, &ret->gids_count);
		else
			r = -EINVAL;
		if (r < 0)
			return r;
	}
	return 0;
}

static struct oci_id_mapping *copy(const struct oci_id_mapping *list, size_t count)
{
	return count ? xmemdup(list, count * sizeof(*list)) : NULL;
}

static int take_containers(const struct oci_linux *linux_, size_t index, struct mount_idmap *ret,
			   struct error *err)
{
	const struct oci_namespace *userns = oci_linux_find_namespace(linux_, OCI_NS_USER);

	if (!userns)
		return error_set(err, -EINVAL,
				 "mounts[%zu].uidMappings: missing, and there is no user namespace "
				 "to take them from",
				 index);
	if (userns->path) {
		ret->userns_path = userns->path;
		return 0;
	}
	ret->uids = copy(linux_->uid_mappings, linux_->uid_mappings_count);
	ret->uids_count = linux_->uid_mappings_count;
	ret->gids = copy(linux_->gid_mappings, linux_->gid_mappings_count);
	ret->gids_count = linux_->gid_mappings_count;
	return 0;
}

/* What one of crun's maps leaves out is the container's, as its peers have it. */
static void fill_up(const struct oci_linux *linux_, struct mount_idmap *ret)
{
	if (!ret->uids) {
		ret->uids = copy(linux_->uid_mappings, linux_->uid_mappings_count);
		ret->uids_count = linux_->uid_mappings_count;
	}
	if (!ret->gids) {
		ret->gids = copy(linux_->gid_mappings, linux_->gid_mappings_count);
		ret->gids_count = linux_->gid_mappings_count;
	}
}

static int choose_maps(const struct oci_mount *mount, const char *value,
		       const struct oci_linux *linux_, size_t index, struct mount_idmap *ret,
		       struct error *err)
{
	if (*value) {
		if (parse_value(value, linux_, ret) < 0)
			return error_set(err, -EINVAL, "mounts[%zu].options: bad id mapping '%s'",
					 index, value);
		fill_up(linux_, ret);
	} else if (mount->uid_mappings_count || mount->gid_mappings_count) {
		ret->uids = copy(mount->uid_mappings, mount->uid_mappings_count);
		ret->uids_count = mount->uid_mappings_count;
		ret->gids = copy(mount->gid_mappings, mount->gid_mappings_count);
		ret->gids_count = mount->gid_mappings_count;
	} else {
		return take_containers(linux_, index, ret, err);
	}
	return 0;
}

int mount_idmap_plan(const struct oci_mount *mount, const char *option,
		     const struct oci_linux *linux_, size_t index, struct mount_idmap *ret,
		     struct error *err)
{
	struct mount_idmap idmap = { .is_wanted = true };
	const char *value = option ? option_value(option, &idmap.is_recursive) : "";
	int r = choose_maps(mount, value, linux_, index, &idmap, err);

	if (r == 0 && !idmap.userns_path && (!idmap.uids_count || !idmap.gids_count))
		r = error_set(err, -EINVAL,
			      "mounts[%zu].%sMappings: missing, the other one is there", index,
			      idmap.uids_count ? "gid" : "uid");
	if (r < 0) {
		mount_idmap_done(&idmap);
		return r;
	}
	*ret = idmap;
	return 0;
}

void mount_idmap_done(struct mount_idmap *idmap)
{
	free(idmap->uids);
	free(idmap->gids);
	*idmap = (struct mount_idmap){ 0 };
}

static int open_userns(const struct mount_idmap *idmap, struct error *err)
{
	cleanup_free char *uids = id_map_text(idmap->uids, idmap->uids_count);
	cleanup_free char *gids = id_map_text(idmap->gids, idmap->gids_count);
	int fd;

	if (idmap->userns_path) {
		fd = open(idmap->userns_path, O_RDONLY | O_CLOEXEC);
		return fd < 0 ? error_sys(err, errno, "open '%s'", idmap->userns_path) : fd;
	}
	fd = userns_make(uids, gids);
	return fd < 0 ? error_sys(err, fd, "make a user namespace for an id mapping") : fd;
}

int mount_idmap_apply(const struct mount_idmap *idmap, int mount_fd, const char *source,
		      struct error *err)
{
	cleanup_fd int userns = open_userns(idmap, err);
	int r;

	if (userns < 0)
		return userns;
	r = mount_set_idmap(mount_fd, userns, idmap->is_recursive);
	if (r == -EINVAL)
		return error_set(err, r, "map ids of '%s': its file system cannot, or has it done",
				 source);
	return r < 0 ? error_sys(err, r, "map ids of '%s'", source) : 0;
}
