/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct container;
struct error;

/*
 * A native container without a mount namespace of its own is mounted in its caller's, where the
 * kernel cannot build its tree aside (before Linux 6.15): on its root, all of it in one place.
 * What lies on the root and was not there before is its, and goes with it.
 */
/* Before anything is mounted: puts what the root is in into the record. */
int native_rootfs_note(struct container *c, struct error *err);
/* Of a container that has ended. */
int native_rootfs_detach(const struct container *c, struct error *err);
