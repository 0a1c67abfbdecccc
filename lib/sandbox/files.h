/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct sandbox_plan;

/*
 * The shared directory: what the guest sees of the host. It is a tmpfs with bind mounts in a mount
 * namespace of the shim's own, so the host's mount table never shows it, and when the shim and
 * the VMM are gone, however they went, it is gone too.
 */

/* Leaves the caller's mount namespace for a slave of it: what the host mounts later still arrives,
 * nothing of ours goes back. */
int files_isolate(struct error *err);

/* Makes the shared directory on @dir, an empty directory, and everything of @plan in it. */
int files_share(const char *dir, const struct sandbox_plan *plan, struct error *err);
