/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/companions.h"
#include "lib/sandbox/creation.h"
#include "lib/sandbox/disk.h"
#include "lib/sandbox/image.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/shim.h"

#include "lib/base/str.h"

int creation_clone_files(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return files_clone(c->plan, &c->trees, err);
}

/* What the guest gets instead of a share. */
int creation_copy_files(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return copies_read(c->plan, &c->copies, err);
}

int creation_make_disk(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	const struct settings_vm *vm = &c->settings.vm;
	struct sandbox_disk *disk = sandbox_plan_root_disk(c->plan);
	const char *dir = state_dir_path(c->dir);

	if (!disk || !disk->made_of)
		return 0;
	disk->host_path = xasprintf("%s/" IMAGE_NAME, dir);
	return image_make(disk->made_of, dir, vm->disk_dir,
			  vm->disk_mib.is_set ? vm->disk_mib.value : IMAGE_DEFAULT_MIB, err);
}

int creation_share_files(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r;

	if (!c->shared_dir)
		return 0;
	r = files_make(c->shared_dir, &c->files, err);
	return r < 0 ? r : files_attach(&c->files, c->plan, &c->trees, err);
}

/* A member's: out of its own namespace into that of the sandbox. */
int creation_lend_files(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r;

	if (!c->shared_dir)
		return 0;
	r = companion_get_files(c->member.owner_fd, &c->files, err);
	if (r == 0)
		r = files_enter(&c->files, err);
	return r < 0 ? r : files_attach(&c->files, c->plan, &c->trees, err);
}

/* By descriptor, from where its path means what the caller meant; moat unplugs it. */
int creation_plug_disk(void *ctx, struct error *err)
{
	struct creation *c = ctx;

	return c->plan->disks_count ? disk_plug(&c->plan->disks[0], c->vm_dir, err) : 0;
}

void creation_take_files_back(void *ctx)
{
	struct creation *c = ctx;

	files_done(&c->files); /* moat unmounts them: we may not any more */
}

int creation_send_copies(void *ctx, struct error *err)
{
	struct creation *c = ctx;
	int r = copies_send(&c->copies, c->client, err);

	copies_done(&c->copies);
	return r;
}
