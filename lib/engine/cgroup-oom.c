/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/cgroup-oom.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "lib/engine/cgroup-internal.h"
#include "lib/engine/cgroup-stats-parse.h"

#define EVENTS_MAX_BYTES 4096

struct cgroup_oom {
	int fd;	     /* eventfd (v1), or memory.events (v2) */
	int dir_fd;  /* v1: our cgroup, whose files end with -ENOENT when it is removed, else -1 */
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

uint32_t cgroup_oom_events(const struct cgroup_oom *oom)
{
	return oom->is_v2 ? EPOLLPRI : EPOLLIN;
}

static void take_kills(void *ctx, const char *key, uint64_t value)
{
	if (streq(key, "oom_kill"))
		*(uint64_t *)ctx = value;
}

static uint64_t count_kills(const char *text)
{
	uint64_t kills = 0;

	stats_parse_keyed(text, take_kills, &kills);
	return kills;
}

bool cgroup_was_oom_killed(const struct cgroup *cg)
{
	const struct cgroup_hierarchy *h = cgroup_find(cg, "memory");
	cleanup_free char *text = NULL;

	return h &&
	       cgroupfs_read(h->root_fd, cgroup_relative(cg),
			     h->mount.is_v2 ? "memory.events" : "memory.oom_control", &text) == 0 &&
	       count_kills(text) > 0;
}

/* cgroups/memory.txt, "Memory thresholds" and "OOM Control" (v1). */
static int open_v1(struct cgroup_oom *oom, const struct cgroup *cg,
		   const struct cgroup_hierarchy *h)
{
	cleanup_free char *control = NULL;

	oom->dir_fd = openat(h->root_fd, cgroup_relative(cg), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (oom->dir_fd < 0)
		return -errno;
	oom->file_fd = openat(oom->dir_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	if (oom->file_fd < 0)
		return -errno;
	oom->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (oom->fd < 0)
		return -errno;
	control = xasprintf("%d %d", oom->fd, oom->file_fd);
	return cgroupfs_write(oom->dir_fd, "", "cgroup.event_control", control);
}

/* By the descriptor that is waited for: what it has been read of is what it tells no more. */
static int read_kills(int fd, uint64_t *ret)
{
	char text[EVENTS_MAX_BYTES];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	*ret = count_kills(text);
	return 0;
}

static int open_v2(struct cgroup_oom *oom, const struct cgroup *cg,
		   const struct cgroup_hierarchy *h)
{
	oom->fd = cgroupfs_open(h->root_fd, cgroup_relative(cg), "memory.events");
	return oom->fd < 0 ? oom->fd : read_kills(oom->fd, &oom->kills);
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
	*oom = (struct cgroup_oom){
		.fd = -1, .dir_fd = -1, .file_fd = -1, .is_v2 = h->mount.is_v2
	};
	r = (oom->is_v2 ? open_v2 : open_v1)(oom, cg, h);
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
	uint64_t kills = oom->kills;
	int count;

	*ret_is_gone = read_kills(oom->fd, &kills) < 0;
	count = (int)(kills - oom->kills);
	oom->kills = kills;
	return count;
}

int cgroup_oom_read(struct cgroup_oom *oom, bool *ret_is_gone)
{
	return oom->is_v2 ? read_v2(oom, ret_is_gone) : read_v1(oom, ret_is_gone);
}
