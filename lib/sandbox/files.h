/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "lib/base/cleanup.h"

struct error;
struct sandbox_plan;

/*
 * The shared directory: what the guest sees of the host. It is a tmpfs with bind mounts in a mount
 * namespace that the VMM and virtiofsd run in, so the host's mount table never shows it, and when
 * these are gone, however they went, it is gone too.
 *
 * Who holds the descriptors of a sandbox's files can put more into it: another container's, from
 * another process. That takes CAP_SYS_ADMIN; to keep and to pass them on takes nothing.
 */
struct files {
	int ns;	      /* the mount namespace */
	int dir;      /* the shared directory in it, read-only like the guest's view of it */
	int writable; /* the same directory beneath a mount of its own, that is attached nowhere */
};
#define FILES_INIT ((struct files){ -1, -1, -1 })
#define FILES_FD_COUNT 3
void files_done(struct files *files);
#define cleanup_files CLEANUP(files_done)

/* Leaves the caller's mount namespace for a slave of it: what the host mounts later still arrives,
 * nothing of ours goes back. */
int files_isolate(struct error *err);

/* Whether the sandbox whose sockets are in @vm_dir shares files with its guest. */
bool files_are_shared(const char *vm_dir);

/* Makes the shared directory on @dir, an empty directory. */
int files_make(const char *dir, struct files *ret, struct error *err);

/* The trees of @plan, detached, in the order of its shares: what the paths mean in this process's
 * mount namespace. */
struct files_trees {
	int *fds;
	size_t count;
};
void files_trees_done(struct files_trees *trees);
#define cleanup_files_trees CLEANUP(files_trees_done)
int files_clone(const struct sandbox_plan *plan, struct files_trees *ret, struct error *err);

/* Enters the mount namespace of @files. */
int files_enter(const struct files *files, struct error *err);
/* Puts @trees into the shared directory, in whose namespace this process is. */
int files_attach(const struct files *files, const struct sandbox_plan *plan,
		 struct files_trees *trees, struct error *err);

/* Takes the files of container @id out of the shared directory again; none is not an error. Works
 * in a process of its own. */
int files_detach(const struct files *files, const char *id, struct error *err);
