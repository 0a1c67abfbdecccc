/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hypervisor/firecracker/answers.h"
#include "hypervisor/firecracker/control.h"
#include "hypervisor/firecracker/firecracker-internal.h"
#include "hypervisor/lend.h"
#include "hypervisor/rest.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/json.h"
#include "lib/base/str.h"

/*
 * Disks for a running Firecracker. It has no new devices by then, but a drive can be given another
 * file: so a machine starts with drives of an empty one, and what is plugged in takes the place of
 * one. Which that was says the drive itself, by its file's name; each disk's is its own.
 */
#define DISK_PREFIX "plugged-"

/* Two at once would choose the same drive. */
#define LOCK_TIMEOUT_MS 10000
#define LOOK_AGAIN_MS 5

/* The VMM could hold the lock as well as we; to wait no longer costs its own sandbox alone. */
static int lock_drives(const char *control, struct error *err)
{
	cleanup_free char *path = hv_path_beside(control, FC_SPARE_NAME);
	cleanup_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const long long deadline = now_ms() + LOCK_TIMEOUT_MS;

	if (fd < 0 && errno == ENOENT)
		return error_set(err, -ENOTSUP, HV_NO_SLOTS);
	if (fd < 0)
		return error_sys(err, errno, "open '%s'", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || now_ms() >= deadline)
			return error_sys(err, errno, "lock '%s'", path);
		(void)poll(NULL, 0, LOOK_AGAIN_MS);
	}
	return steal_fd(&fd);
}

static bool is_spare(const struct fc_drive *drive)
{
	return drive->id && drive->path && str_after(drive->id, FC_SPARE_PREFIX) != NULL;
}

static bool is_empty(const struct fc_drive *drive)
{
	return streq(drive->path, FC_SPARE_NAME);
}

static bool holds(const struct fc_drive *drive, const char *disk_id)
{
	const char *slash = strrchr(drive->path, '/');
	const char *id = str_after(slash ? slash + 1 : drive->path, DISK_PREFIX);

	return id && streq(id, disk_id);
}

/* The one that holds @disk_id; NULL: none does. */
static const struct fc_drive *find_holder(const struct fc_drives *drives, const char *disk_id)
{
	for (size_t i = 0; i < drives->items_count; i++)
		if (is_spare(&drives->items[i]) && holds(&drives->items[i], disk_id))
			return &drives->items[i];
	return NULL;
}

static int find_empty(const struct fc_drives *drives, bool is_readonly, const struct fc_drive **ret,
		      struct error *err)
{
	bool has_any = false;

	for (size_t i = 0; i < drives->items_count; i++) {
		const struct fc_drive *drive = &drives->items[i];

		if (!is_spare(drive) || drive->is_readonly != is_readonly)
			continue;
		has_any = true;
		*ret = drive;
		if (is_empty(drive))
			return 0;
	}
	if (has_any)
		return error_set(err, -ENOSPC, "the virtual machine's slots for %s disks are full",
				 is_readonly ? "read-only" : "writable");
	return error_set(err, -ENOTSUP, HV_NO_SLOTS);
}

static int set_path(const char *control, const char *drive_id, const char *path, struct error *err)
{
	cleanup_free char *at = xasprintf("/drives/%s", drive_id);
	cleanup_strbuf struct strbuf body = STRBUF_INIT;

	strbuf_addf(&body, "{\"drive_id\":\"%s\",\"path_on_host\":", drive_id);
	json_quote(&body, path);
	strbuf_addstr(&body, "}");
	return fc_patch(control, at, body.buf, err);
}

/* Without a jail the name alone is made, for a path that it knows. */
static int link_disk(const char *path, int fd, struct error *err)
{
	cleanup_free char *target = NULL;
	int r = hv_path_of(fd, &target, err);

	if (r == 0 && symlink(target, path) < 0)
		r = error_sys(err, errno, "make '%s'", path);
	return r;
}

static int give(const char *control, const struct fc_drive *drive, const struct hv_disk *disk,
		struct error *err)
{
	cleanup_free char *name = xasprintf(DISK_PREFIX "%s", disk->id);
	cleanup_free char *path = hv_path_beside(control, name);
	cleanup_hv_lending struct hv_lending lending = { .pidfd = -1 };
	pid_t pid;
	int r = hv_find_vmm(control, NULL, &pid, err);
	bool is_lent;

	if (r == 0)
		r = hv_lend(pid, path, disk->fd, &lending, err);
	if (r < 0)
		return r;
	is_lent = r > 0;
	r = is_lent ? 0 : link_disk(path, disk->fd, err);
	if (r == 0)
		r = set_path(control, drive->id, path, err);
	if (!is_lent)
		(void)unlink(path);
	return r;
}

/* The slots of hypervisor_firecracker (hypervisor.h) */

int fc_plug(const char *control, const struct hv_disk *disk, struct error *err)
{
	struct fc_drives drives = { .items = NULL };
	const struct fc_drive *drive = NULL;
	cleanup_fd int lock = -1;
	int r = hv_check_disk_id(disk->id, err);

	if (r == 0)
		r = lock = lock_drives(control, err);
	if (r >= 0)
		r = fc_ask(control, "/vm/config", &fc_drives_answer, &drives, err);
	if (r == 0 && find_holder(&drives, disk->id))
		r = error_set(err, -EEXIST, "it is there already");
	if (r == 0)
		r = find_empty(&drives, disk->is_readonly, &drive, err);
	if (r == 0)
		r = give(control, drive, disk, err);
	fields_release(&fc_drives_answer, &drives);
	return r < 0 ? error_wrap(err, r, "plug disk '%.40s'", disk->id) : 0;
}

int fc_unplug(const char *control, const char *id, struct error *err)
{
	struct fc_drives drives = { .items = NULL };
	const struct fc_drive *drive = NULL;
	cleanup_fd int lock = -1;
	int r = hv_check_disk_id(id, err);

	if (r == 0)
		r = lock = lock_drives(control, err);
	if (r >= 0)
		r = fc_ask(control, "/vm/config", &fc_drives_answer, &drives, err);
	if (r == 0) {
		drive = find_holder(&drives, id);
		r = drive ? set_path(control, drive->id, FC_SPARE_NAME, err)
			  : error_set(err, -ENOENT, "it was not plugged in");
	}
	fields_release(&fc_drives_answer, &drives);
	return r < 0 ? error_wrap(err, r, "unplug disk '%.40s'", id) : 0;
}

/* Firecracker makes it of the file: device, device that it is, inode, of which a guest sees 20. */
int fc_serial(const struct hv_disk *disk, char ret[HV_DISK_ID_MAX + 1], struct error *err)
{
	struct stat st;

	if (fstat(disk->fd, &st) < 0)
		return error_sys(err, errno, "look at disk '%.40s'", disk->id);
	snprintf(ret, HV_DISK_ID_MAX + 1, "%llu%llu%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_rdev, (unsigned long long)st.st_ino);
	return 0;
}
