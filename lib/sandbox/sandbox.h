/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/hypervisor.h"

struct error;
struct oci_config;

/*
 * VM, agent, shared files and guest specification put together. Planning is pure (this header);
 * running one is the shim's (lib/sandbox/run.h).
 */

/* One host path that the guest gets to see, below the shared directory. */
struct sandbox_share {
	char *host_path;  /* absolute */
	char *guest_name; /* relative to the shared directory: "<id>/rootfs", "<id>/mount-3" */
	bool is_file;     /* bind a file, not a directory */
	bool is_readonly;
};

struct sandbox_plan {
	struct oci_config *guest_config; /* what the agent gets */
	struct sandbox_share *shares;
	size_t shares_count;
	uint32_t memory_mib;
	uint32_t vcpus;
};

#define SANDBOX_SHARE_TAG "moat"
#define SANDBOX_SHARE_GUEST_DIR "/run/kata-containers/shared/containers"

/* From a host configuration to the plan: bind mounts and the rootfs become shares, namespaces and
 * paths that mean the host only are replaced, limits are sized. What a VM cannot give is refused
 * with its place, or warned of where leaving it out is harmless. Pure but for stat(2) of bind
 * sources. @bundle: absolute. */
int sandbox_plan_new(const char *id, const char *bundle, const struct oci_config *config,
		     struct sandbox_plan **ret, struct error *err);
void sandbox_plan_free(struct sandbox_plan *plan);
