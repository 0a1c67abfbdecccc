/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "hypervisor/hypervisor.h"
#include "lib/base/error.h"
#include "lib/base/str.h"
#include "lib/sandbox/sandbox.h"

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

static int find_driver(const char *vm_dir, const struct hypervisor **ret, char **ret_control,
		       struct error *err)
{
	int r = hypervisor_running(vm_dir, ret, ret_control, err);

	if (r == 0 && !((*ret)->features & HV_FEATURE_PLUG))
		r = error_set(err, -ENOTSUP, "hypervisor '%s' takes no disks while it runs",
			      (*ret)->name);
	return r;
}

int disk_plug(struct sandbox_disk *disk, const char *vm_dir, struct error *err)
{
	const struct hypervisor *driver;
	cleanup_free char *control = NULL;
	char serial[HV_DISK_ID_MAX + 1];
	struct hv_disk opened;
	int r = find_driver(vm_dir, &driver, &control, err);

	if (r == 0)
		r = disk_open(disk, &opened, err);
	if (r < 0)
		return r;
	r = driver->plug(control, &opened, err);
	if (r == 0 && driver->serial)
		r = driver->serial(&opened, serial, err);
	if (r == 0 && driver->serial)
		snprintf(disk->guest_path, sizeof(disk->guest_path), "serial:%s", serial);
	close(opened.fd);
	return r;
}

int disk_unplug(const char *id, const char *vm_dir, struct error *err)
{
	const struct hypervisor *driver;
	cleanup_free char *control = NULL;
	int r = find_driver(vm_dir, &driver, &control, err);

	return r < 0 ? r : driver->unplug(control, id, err);
}
