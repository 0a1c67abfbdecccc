/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/cgroup-oom.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"
#include "lib/engine/cgroup-stats-parse.h"

#define INOTIFY_BUFFER_BYTES 4096

struct cgroup_oom {
	int fd;	     /* eventfd (v1) or inotify (v2) */
	int dir_fd;  /* our cgroup; its files end with -ENODEV or -ENOENT when it is removed */
	int file_fd; /* v1: memory.oom_control, which the kernel wants open, else -1 */
	bool is_v2;
	uint64_t kills; /* v2: those told of already */
};

void cgroup_oom_free(struct cgroup_oom *oom)
{
	if (!oom)
		return;
	close_fdp(&oom->fd);
	close_fdp(&oom->dir_fd);
	close_fdp(&oom->file_fd);
	free(oom);
}

int cgroup_oom_fd(const struct cgroup_oom *oom)
{
	return oom->fd;
}

static void take_kills(void *ctx, const char *key, uint64_t value)
{
	if (streq(key, "oom_kill"))
		*(uint64_t *)ctx = value;
}

static int count_kills(int dirfd, const char *path, const char *file, uint64_t *ret)
{
	cleanup_free char *text = NULL;
	int r = cgroupfs_read(dirfd, path, file, &text);

	if (r < 0)
		return r;
	*ret = 0;
	stats_parse_keyed(text, take_kills, ret);
	return 0;
}

bool cgroup_was_oom_killed(const struct cgroup *cg)
{
	const struct cgroup_hierarchy *h = cgroup_find(cg, "memory");
	uint64_t kills;

	return h &&
	       count_kills(h->root_fd, cgroup_relative(cg),
			   h->mount.is_v2 ? "memory.events" : "memory.oom_control", &kills) == 0 &&
	       kills > 0;
}

/* cgroups/memory.txt, "Memory thresholds" and "OOM Control" (v1). */
static int open_v1(struct cgroup_oom *oom)
{
	cleanup_free char *control = NULL;

	oom->file_fd = openat(oom->dir_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (oom->file_fd < 0)
		return -errno;
	oom->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (oom->fd < 0)
		return -errno;
	control = xasprintf("%d %d", oom->fd, oom->file_fd);
	return cgroupfs_write(oom->dir_fd, "", "cgroup.event_control", control);
}

static int watch(const struct cgroup_oom *oom, const char *file)
{
	cleanup_free char *path = xasprintf("/proc/self/fd/%d/%s", oom->dir_fd, file);

	return inotify_add_watch(oom->fd, path, IN_MODIFY) < 0 ? -errno : 0;
}

/* Files of a cgroup send no IN_DELETE_SELF, so its last process's end is what tells of the end. */
static int open_v2(struct cgroup_oom *oom)
{
	int r;

	oom->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (oom->fd < 0)
		return -errno;
	r = watch(oom, "memory.events");
	if (r == 0)
		r = watch(oom, "cgroup.events");
	return r < 0 ? r : count_kills(oom->dir_fd, "", "memory.events", &oom->kills);
}

int cgroup_oom_open(const struct cgroup *cg, struct cgroup_oom **ret, struct error *err)
{
	const struct cgroup_hierarchy *h = cgroup_find(cg, "memory");
	cleanup_cgroup_oom struct cgroup_oom *oom = NULL;
	int r;

	if (!h)
		return error_set(err, -EOPNOTSUPP,
				 "cgroup: controller 'memory' is not available on this host");
	oom = xcalloc(1, sizeof(*oom));
	*oom = (struct cgroup_oom){ .fd = -1, .file_fd = -1, .is_v2 = h->mount.is_v2 };
	oom->dir_fd = openat(h->root_fd, cgroup_relative(cg), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (oom->dir_fd < 0)
		return error_sys(err, errno, "cgroup: open '%s'", cg->path);
	r = oom->is_v2 ? open_v2(oom) : open_v1(oom);
	if (r < 0)
		return error_sys(err, r, "cgroup: wait for '%s' to run out of memory", cg->path);
	*ret = steal_ptr(&oom);
	return 0;
}

/* The removal of the cgroup counts as one more. */
static int read_v1(struct cgroup_oom *oom, bool *ret_is_gone)
{
	uint64_t count = 0;

	if (read(oom->fd, &count, sizeof(count)) < 0)
		count = 0;
	*ret_is_gone = faccessat(oom->dir_fd, "cgroup.event_control", F_OK, 0) < 0;
	if (*ret_is_gone && count)
		count--;
	return (int)count;
}

static int read_v2(struct cgroup_oom *oom, bool *ret_is_gone)
{
	char events[INOTIFY_BUFFER_BYTES];
	uint64_t kills = oom->kills;
	int count;

	while (read(oom->fd, events, sizeof(events)) > 0)
		;
	/* In this order: what was killed last is told of before the end. */
	*ret_is_gone = !cgroupfs_has_event(oom->dir_fd, "", "cgroup.events", "populated");
	if (count_kills(oom->dir_fd, "", "memory.events", &kills) < 0)
		return 0;
	count = (int)(kills - oom->kills);
	oom->kills = kills;
	return count;
}

int cgroup_oom_read(struct cgroup_oom *oom, bool *ret_is_gone)
{
	return oom->is_v2 ? read_v2(oom, ret_is_gone) : read_v1(oom, ret_is_gone);
}
