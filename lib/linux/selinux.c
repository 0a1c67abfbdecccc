/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/selinux.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_SELINUX
#include <selinux/selinux.h>
#endif

#include "lib/linux/procfs.h"

/* clang-format off */
static const char *const paths[] = {
	[SELINUX_EXEC]       = "thread-self/attr/exec",
	[SELINUX_KEY_CREATE] = "thread-self/attr/keycreate",
};
/* clang-format on */

int selinux_check(const char *label)
{
#ifdef HAVE_SELINUX
	if (security_check_context_raw(label) < 0)
		return errno ? -errno : -EINVAL;
#endif
	return 0;
}

int selinux_open(int procfs_fd, enum selinux_attr attr)
{
	return procfs_open_file(procfs_fd, paths[attr], O_WRONLY);
}

int selinux_write(int fd, const char *label)
{
	return write(fd, label, label ? strlen(label) : 0) < 0 ? -errno : 0;
}
