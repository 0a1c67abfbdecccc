/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/linux/netdev.h"

static int make(struct error *err)
{
	int r;

	if (unshare(CLONE_NEWNET) < 0)
		return error_sys(err, errno, "unshare the network namespace");
	r = netdev_up("lo");
	return r < 0 ? error_sys(err, r, "bring 'lo' up") : 0;
}

/* Traffic of this one's links would be the guest's alone from then on. */
static bool is_own(int fd)
{
	struct stat theirs, ours;

	return fstat(fd, &theirs) == 0 && stat("/proc/self/ns/net", &ours) == 0 &&
	       theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

int netns_enter(const char *path, struct error *err)
{
	cleanup_fd int fd = -1;

	if (!path)
		return make(err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, errno, "open '%s'", path);
	if (is_own(fd))
		return error_set(
			err, -ENOTSUP,
			"'%s' is the caller's own: a virtual machine has no shared host network",
			path);
	if (setns(fd, CLONE_NEWNET) < 0)
		return error_sys(err, errno, "join '%s'", path);
	return 0;
}
