/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "agent/proto/messages.h"
#include "hypervisor/hypervisor.h"
#include "lib/sandbox/sandbox.h"

/* How the guest mounts the plan's disks before it makes the container: the disk itself and, on one
 * that is only read, a layer over it. */
#define SANDBOX_STORAGES_MAX 2

struct sandbox_storages {
	grpc_Storage items[SANDBOX_STORAGES_MAX];
	size_t count;
	char *options[SANDBOX_STORAGES_MAX][2];
	char *lower_option, *mount_point; /* owned */
};

/* @ret points into @plan and into itself. */
void sandbox_storages_init(const struct sandbox_plan *plan, const char *id,
			   struct sandbox_storages *ret);
void sandbox_storages_done(struct sandbox_storages *storages);
#define cleanup_sandbox_storages CLEANUP(sandbox_storages_done)

/* How it mounts the shared directory. 9p: only what is mapped is cached, so the host's changes show
 * at once. */
grpc_Storage sandbox_share_storage(enum hv_share share);
