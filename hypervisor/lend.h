/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "lib/base/cleanup.h"

struct error;

/*
 * A directory that a running VMM gets to see in its jail: what it is to write, if it takes no
 * descriptors. It is mounted in the VMM's mount namespace alone, on @path, a directory that is made
 * in one that the jail shares.
 */
struct hv_lending {
	char *path;
	int pidfd; /* the VMM's */
};

/* Shows directory @fd as @path to process @vmm, which cannot have ended meanwhile. 1: it is there.
 * 0: that has no jail, and sees the directory where it is. */
int hv_lend(pid_t vmm, const char *path, int fd, struct hv_lending *ret, struct error *err);

/* Takes it away again, as far as the VMM is there. */
void hv_lending_done(struct hv_lending *lending);
#define cleanup_hv_lending CLEANUP(hv_lending_done)
