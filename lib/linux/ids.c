/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/ids.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

int ids_become_root(bool keeps_groups)
{
	/* Every capability of the namespace is there yet, so that EPERM means "denied". */
	if (!keeps_groups && setgroups(0, NULL) < 0 && errno != EPERM)
		return -errno;
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return -errno;
	return 0;
}

int ids_die_with_parent(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;
}
