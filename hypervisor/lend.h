/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"

struct error;

/*
 * A file or directory that a running VMM gets to see in its jail, if it takes no descriptors: what
 * it is to write, or a disk. It is mounted in the VMM's mount namespace alone, on @path, which is
 * made in a directory that the jail shares.
 */
struct hv_lending {
	char *path;
	int pidfd; /* the VMM's */
	bool is_dir;
};

/* Shows what @fd is of as @path to process @vmm, which cannot have ended meanwhile; if that was
 * opened for reading alone, nor can it be written there. 1: it is there. 0: that has no jail, and
 * sees it where it is. */
int hv_lend(pid_t vmm, const char *path, int fd, struct hv_lending *ret, struct error *err);

/* Who runs the machine of the control socket @control: who listens there, as one that made its
 * socket itself; or, where @program is not NULL, since the socket was made for it, the child of
 * that one that is called so. -ESRCH: there is none. */
int hv_find_vmm(const char *control, const char *program, pid_t *ret, struct error *err);

/* Lends what @fd is of to that, as @name beside the socket. @ret_path, for free(3): how it sees
 * it. */
#define HV_SAVING_NAME "saving"
int hv_show(const char *control, const char *program, const char *name, int fd,
	    struct hv_lending *ret, char **ret_path, struct error *err);

/* Takes it away again, as far as the VMM is there. */
void hv_lending_done(struct hv_lending *lending);
#define cleanup_hv_lending CLEANUP(hv_lending_done)
