/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct sandbox_plan;

/*
 * What a shim's mount namespace shows. Callers take the shim's pid for the container's: they enter
 * its mount namespace or look through /proc/PID/root to copy files in and out, and what they find
 * there has to be the container's, as with every other runtime, and nothing of the host's. A link
 * that the container has made leads nowhere but into the container.
 *
 * The root and the volumes are those that the guest has. Where the guest mounts something of its
 * own (proc, tmpfs …) is an empty directory that nobody can write to, since what were put there
 * would never be seen.
 *
 * From then on the shim has no path to the host: it works with the descriptors that it holds.
 */

/* Makes the namespace and enters it; the current directory is its root. @shared_dir: as this
 * process's mount namespace has it, or NULL; @place: a directory of the host's, not used meanwhile.
 * What the guest will not see as it was (mount points that are made here) is said in @plan's
 * config. */
int view_make(const char *shared_dir, const char *place, struct sandbox_plan *plan,
	      struct error *err);

/* Enters the one of another shim, a process descriptor. */
int view_join(int pidfd, struct error *err);
