/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/linux/keyring.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* keyctl_setperm(3): what the kernel gives to a new one, and what lets others find it. */
#define POSSESSOR_ALL 0x3f000000ul
#define USER_VIEW_READ_LINK 0x00130000ul
#define USER_SEARCH 0x00080000ul
#define OTHER_SEARCH 0x00000008ul

int keyring_join(const char *name, bool is_for_others)
{
	unsigned long permissions = POSSESSOR_ALL | USER_VIEW_READ_LINK;
	long ring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);

	if (ring < 0)
		return -errno;
	permissions |= is_for_others ? OTHER_SEARCH : USER_SEARCH;
	return syscall(SYS_keyctl, KEYCTL_SETPERM, ring, permissions) < 0 ? -errno : 0;
}
