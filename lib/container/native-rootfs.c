/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/container/native-rootfs.h"

#include <errno.h>
#include <sys/mount.h>

#include "lib/base/error.h"
#include "lib/container/backend.h"
#include "lib/linux/mount.h"
#include "oci/config.h"

#define LAYERS_MAX 16 /* of mounts on the root; more are somebody else's matter */

int native_rootfs_note(struct container *c, struct error *err)
{
	int r;

	if (oci_namespace_find(c->config, OCI_NS_MOUNT))
		return 0;
	r = mount_id(c->record.rootfs, &c->record.rootfs_mount);
	/* Without a root there will be no container; the engine says so. */
	return r < 0 ? 0 : container_save(c, err);
}

int native_rootfs_detach(const struct container *c, struct error *err)
{
	uint64_t id;

	if (!c->record.rootfs_mount)
		return 0;
	for (int i = 0; i < LAYERS_MAX; i++) {
		if (mount_id(c->record.rootfs, &id) < 0 || id == c->record.rootfs_mount)
			return 0;
		if (umount2(c->record.rootfs, MNT_DETACH) == 0)
			continue;
		/* EINVAL: another mount namespace than the one it was made in, or the root was
		 * unmounted beneath it; then there is nothing of it here. */
		return errno == EINVAL ? 0
				       : error_sys(err, errno, "unmount '%s'", c->record.rootfs);
	}
	return 0;
}
