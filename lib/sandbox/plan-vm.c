/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/sandbox/plan-internal.h"
#include "lib/sandbox/sandbox.h"
#include "oci/config.h"

/* The machine itself: config.json's vm section (config-vm.md), and root file systems that are
 * images or block devices. */

/* --- file systems ------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
	const char *fstype;
	size_t offset;
	const char *magic;
	size_t len;
	bool is_readonly; /* can be nothing else */
} formats[] = {
	{ "erofs", 1024, "\xe2\xe1\xf5\xe0", 4, true },
	{ "squashfs", 0, "hsqs", 4, true },
	{ "ext4", 1080, "\x53\xef", 2, false }, /* ext2 and ext3 too, which its driver mounts */
	{ "xfs", 0, "XFSB", 4, false },
};
/* clang-format on */

const char *plan_find_fstype(const char *head, size_t len, bool *ret_is_readonly)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (formats[i].offset + formats[i].len > len)
			continue;
		if (memcmp(head + formats[i].offset, formats[i].magic, formats[i].len) != 0)
			continue;
		*ret_is_readonly = formats[i].is_readonly;
		return formats[i].fstype;
	}
	return NULL;
}

/* What is an image's place says in errors: "root.path". */
static int examine(const char *place, struct sandbox_disk *disk, struct error *err)
{
	cleanup_fd int fd = open(disk->host_path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char head[4096] = "";
	bool is_readonly;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_sys(err, errno, "%s: open '%s'", place, disk->host_path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(err, -EINVAL, "%s: '%s' is neither a file nor a block device",
				 place, disk->host_path);
	n = pread(fd, head, sizeof(head), 0);
	if (n < 0)
		return error_sys(err, errno, "%s: read '%s'", place, disk->host_path);
	disk->is_device = S_ISBLK(st.st_mode);
	disk->fstype = plan_find_fstype(head, (size_t)n, &is_readonly);
	if (!disk->fstype)
		return error_set(
			err, -EINVAL,
			"%s: '%s' has none of these file systems: erofs, ext4, squashfs, xfs",
			place, disk->host_path);
	disk->is_readonly |= is_readonly || access(disk->host_path, W_OK) < 0;
	return 0;
}

static struct sandbox_disk *add_disk(struct planning *p, const char *id, char *host_path)
{
	size_t i = p->plan->disks_count++;
	struct sandbox_disk *disk = &p->plan->disks[i];

	*disk = (struct sandbox_disk){ .id = id, .host_path = host_path };
	snprintf(disk->guest_path, sizeof(disk->guest_path), "/dev/vd%c", (char)('a' + i));
	return disk;
}

/* --- the vm section ----------------------------------------------------------------------- */

/* Only what the host's kernel could give it. */
int plan_hw_config(const struct oci_vm_hw_config *hw, struct error *err)
{
	const struct {
		const char *key;
		bool is_given;
	} keys[] = {
		{ "deviceTree", hw->device_tree },
		{ "dtdevs", hw->dt_devs && *hw->dt_devs },
		{ "iomems", hw->io_memory_count },
		{ "irqs", hw->irqs_count },
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].is_given)
			return error_set(err, -ENOTSUP,
					 "vm.hwConfig.%s: hardware of the host is not passed on",
					 keys[i].key);
	return 0;
}

/* The guest's own root file system, for a kernel that boots into it: an agent has to be its init
 * (config-vm.md#configVirtualMachineImage). It is never written to, so that many can share it. */
static int plan_image(struct planning *p, const struct oci_vm_image *image, struct strbuf *params,
		      struct error *err)
{
	struct sandbox_disk *disk;
	int r;

	if (image->format && !streq(image->format, "raw"))
		return error_set(err, -ENOTSUP, "vm.image.format: '%s': only raw images are read",
				 image->format);
	disk = add_disk(p, "guest", xstrdup(image->path));
	disk->is_readonly = true;
	r = examine("vm.image.path", disk, err);
	if (r == 0)
		strbuf_addf(params, " root=/dev/vda ro rootfstype=%s", disk->fstype);
	p->plan->machine.has_own_root = true;
	return r;
}

static void plan_kernel(struct planning *p, const struct oci_vm_kernel *kernel,
			struct strbuf *params)
{
	struct sandbox_machine *machine = &p->plan->machine;

	machine->kernel = xstrdup(kernel->path);
	if (kernel->initrd)
		machine->initrd = xstrdup(kernel->initrd);
	strv_each(word, kernel->parameters)
		strbuf_addf(params, " %s", word);
}

/* Before the container's root file system: the guest's own is its first disk. */
int plan_vm(struct planning *p, struct error *err)
{
	const struct oci_vm *vm = p->host->vm;
	struct sandbox_machine *machine = &p->plan->machine;
	cleanup_strbuf struct strbuf params = STRBUF_INIT;
	int r = 0;

	if (!vm)
		return 0;
	if (vm->hypervisor) {
		machine->program = xstrdup(vm->hypervisor->path);
		machine->program_args = strv_copy(vm->hypervisor->parameters);
	}
	if (vm->image && p->role == SANDBOX_MEMBER)
		return error_set(err, -ENOTSUP, "vm.image: the virtual machine runs already");
	if (vm->image)
		r = plan_image(p, vm->image, &params, err);
	if (r == 0 && vm->kernel)
		plan_kernel(p, vm->kernel, &params);
	machine->kernel_params = strbuf_steal(&params);
	return r;
}

/* --- the container's root file system ------------------------------------------------------- */

bool sandbox_is_disk(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

/* What cannot be written to gets a layer in the guest's memory over it: mount points have to be
 * made even in a root that will be read-only. */
int plan_root_disk(struct planning *p, char *host_path, struct error *err)
{
	struct sandbox_disk *disk = add_disk(p, "root", host_path);
	int r;

	disk->is_readonly = p->host->root.readonly;
	r = examine("root.path", disk, err);
	if (r < 0)
		return r;
	disk->mount_point = xasprintf(SANDBOX_GUEST_DIR "/%s/%s", p->id,
				      disk->is_readonly ? "lower" : "rootfs");
	plan_replace(&p->guest->root.path, xasprintf(SANDBOX_GUEST_DIR "/%s/rootfs", p->id));
	return 0;
}

/* Its own, so that it can be written to even under root.readonly: by the guest's engine, which
 * makes the mount points first. */
void plan_made_root_disk(struct planning *p, char *host_path)
{
	struct sandbox_disk *disk = add_disk(p, "root", NULL);

	disk->made_of = host_path;
	disk->fstype = "ext4";
	disk->mount_point = xasprintf(SANDBOX_GUEST_DIR "/%s/rootfs", p->id);
	plan_replace(&p->guest->root.path, xstrdup(disk->mount_point));
}

struct sandbox_disk *sandbox_plan_root_disk(struct sandbox_plan *plan)
{
	for (size_t i = 0; i < plan->disks_count; i++)
		if (plan->disks[i].mount_point)
			return &plan->disks[i];
	return NULL;
}

void sandbox_plan_name_disk(struct sandbox_plan *plan, const char *id)
{
	struct sandbox_disk *disk = &plan->disks[0];

	disk->id = id;
	snprintf(disk->guest_path, sizeof(disk->guest_path), "serial:%s", id);
}

void plan_free_vm(struct sandbox_plan *plan)
{
	for (size_t i = 0; i < plan->disks_count; i++) {
		free(plan->disks[i].host_path);
		free(plan->disks[i].made_of);
		free(plan->disks[i].mount_point);
	}
	free(plan->machine.program);
	strv_free(plan->machine.program_args);
	free(plan->machine.kernel);
	free(plan->machine.initrd);
	free(plan->machine.kernel_params);
}
