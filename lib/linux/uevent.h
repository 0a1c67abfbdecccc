/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Devices that may not be there yet: the kernel tells of new ones by uevents (udev's source). Leaf
 * functions: -errno.
 */

/* Whether it is there: 1, 0 for not yet, or -errno, which ends the wait. */
typedef int (*uevent_find_fn)(void *ctx);

/* Calls @find at once and after each event until it is not 0, and returns that; -ETIMEDOUT after
 * @timeout_ms. Where nobody may listen (a network namespace of one's own) only the first counts. */
int uevent_wait(uevent_find_fn find, void *ctx, int timeout_ms);
