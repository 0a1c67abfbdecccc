/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/disk.h"

#include <fcntl.h>
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/sandbox/sandbox.h"
#include "lib/sandbox/vm.h"

int disk_open(const struct sandbox_disk *disk, struct hv_disk *ret, struct error *err)
{
	int flags = disk->is_readonly ? O_RDONLY : O_RDWR;
	int fd = open(disk->host_path, flags | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return error_sys(err, errno, "open disk '%s'", disk->host_path);
	*ret = (struct hv_disk){
		.id = disk->id,
		.fd = fd,
		.is_readonly = disk->is_readonly,
		.is_device = disk->is_device,
	};
	return 0;
}

int disk_plug(const struct sandbox_disk *disk, const char *vm_dir, struct error *err)
{
	cleanup_free char *control = xasprintf("%s/" VM_CONTROL_SOCKET, vm_dir);
	struct hv_disk opened;
	int r = disk_open(disk, &opened, err);

	if (r < 0)
		return r;
	r = hypervisor_qemu.plug(control, &opened, err);
	close(opened.fd);
	return r;
}

int disk_unplug(const char *id, const char *vm_dir, struct error *err)
{
	cleanup_free char *control = xasprintf("%s/" VM_CONTROL_SOCKET, vm_dir);

	return hypervisor_qemu.unplug(control, id, err);
}
