/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/storage.h"

#include "lib/base/str.h"

static char readonly[] = "ro", writable_layer[] = "io.katacontainers.fs-opt.overlay-rw";
static char block_driver[] = "blk", scsi_driver[] = "scsi", overlay_driver[] = "overlayfs",
	    overlay[] = "overlay";

static void add_disk(struct sandbox_storages *s, const struct sandbox_disk *disk)
{
	s->options[s->count][0] = readonly;
	s->items[s->count] = (grpc_Storage){
		.driver = disk->guest_path[0] == '/' ? block_driver : scsi_driver,
		.source = (char *)disk->guest_path,
		.fstype = (char *)disk->fstype,
		.mount_point = disk->mount_point,
		.options = s->options[s->count],
		.options_count = disk->is_readonly ? 1 : 0,
	};
	s->count++;
}

/* What is written goes into the guest's memory, and with it. */
static void add_layer(struct sandbox_storages *s, const struct sandbox_disk *disk, const char *id)
{
	s->lower_option = xasprintf("lowerdir=%s", disk->mount_point);
	s->mount_point = xasprintf(SANDBOX_GUEST_DIR "/%s/rootfs", id);
	s->options[s->count][0] = s->lower_option;
	s->options[s->count][1] = writable_layer;
	s->items[s->count] = (grpc_Storage){
		.driver = overlay_driver,
		.source = overlay,
		.fstype = overlay,
		.mount_point = s->mount_point,
		.options = s->options[s->count],
		.options_count = 2,
	};
	s->count++;
}

void sandbox_storages_init(const struct sandbox_plan *plan, const char *id,
			   struct sandbox_storages *ret)
{
	*ret = (struct sandbox_storages){ 0 };
	for (size_t i = 0; i < plan->disks_count; i++) {
		const struct sandbox_disk *disk = &plan->disks[i];

		if (!disk->mount_point)
			continue;
		add_disk(ret, disk);
		if (disk->is_readonly)
			add_layer(ret, disk, id);
	}
}

void sandbox_storages_done(struct sandbox_storages *s)
{
	free(s->lower_option);
	free(s->mount_point);
}

/* Of 125 pages. Of more, which virtio's descriptors have no room for, the guest's kernel says so on
 * the console, and every guest would translate the code for that. */
#define MSIZE "512000"

grpc_Storage sandbox_share_storage(enum hv_share share)
{
	static char trans[] = "trans=virtio", version[] = "version=9p2000.L",
		    msize[] = "msize=" MSIZE, cache[] = "cache=mmap";
	static char *options_9p[] = { trans, version, msize, cache };
	const bool is_9p = share == HV_SHARE_9P;

	return (grpc_Storage){
		.driver = (char *)(is_9p ? "9p" : "virtio-fs"),
		.fstype = (char *)(is_9p ? "9p" : "virtiofs"),
		.source = (char *)SANDBOX_SHARE_TAG,
		.mount_point = (char *)SANDBOX_SHARE_GUEST_DIR,
		.options = is_9p ? options_9p : NULL,
		.options_count = is_9p ? ARRAY_SIZE(options_9p) : 0,
	};
}
