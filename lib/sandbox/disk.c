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

/* QEMU locks bytes for reading alone: 100 and on for what it does, 200 and on for what nobody else
 * may do, where + 1 is writing (its block/file-posix.c). */
#define QEMU_WRITES 101
#define QEMU_SHARES_NO_WRITES 201

static int lock_bytes(int fd, int command, short type, off_t from, off_t count)
{
	struct flock lock = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = count
	};

	if (fcntl(fd, command, &lock) < 0)
		return errno == EACCES ? -EAGAIN : -errno;
	return command == F_OFD_GETLK && lock.l_type != F_UNLCK ? -EAGAIN : 0;
}

static int lock_disk(const struct hv_disk *disk, struct error *err)
{
	int r;

	if (!disk->is_readonly) {
		r = lock_bytes(disk->fd, F_OFD_SETLK, F_WRLCK, 0, 0);
	} else {
		r = lock_bytes(disk->fd, F_OFD_SETLK, F_RDLCK, 0, 1);
		if (r == 0)
			r = lock_bytes(disk->fd, F_OFD_SETLK, F_RDLCK, QEMU_SHARES_NO_WRITES, 1);
		if (r == 0)
			r = lock_bytes(disk->fd, F_OFD_GETLK, F_WRLCK, QEMU_WRITES, 1);
	}
	if (r == -EAGAIN)
		return error_set(err, -EBUSY, "disk '%s': it is locked: another process %s it",
				 disk->id, disk->is_readonly ? "writes to" : "uses");
	if (r == -ENOLCK || r == -EOPNOTSUPP) /* its file system has none */
		return 0;
	return r < 0 ? error_sys(err, r, "lock disk '%s'", disk->id) : 0;
}

int disk_open(const struct sandbox_disk *disk, const struct hypervisor *driver, struct hv_disk *ret,
	      struct error *err)
{
	int flags = disk->is_readonly ? O_RDONLY : O_RDWR;
	int fd = open(disk->host_path, flags | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return error_sys(err, errno, "open disk '%s'", disk->host_path);
	*ret = (struct hv_disk){
		.id = disk->id,
		.fd = fd,
		.is_readonly = disk->is_readonly,
		.is_device = disk->is_device,
	};
	if (driver->features & HV_FEATURE_LOCKS)
		return 0;
	r = lock_disk(ret, err);
	if (r < 0)
		close(fd);
	return r;
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
		r = disk_open(disk, driver, &opened, err);
	if (r < 0)
		return r;
	r = driver->plug(control, &opened, err);
	if (r == 0 && driver->serial)
		r = driver->serial(&opened, serial, err);
	if (r == 0 && driver->serial)
		snprintf(disk->guest_path, sizeof(disk->guest_path), "serial:%s", serial);
	/* One that opens it itself has no lock: ours is there as long as the member is. */
	if (r < 0 || !driver->serial)
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
