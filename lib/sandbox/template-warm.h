/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor.h"

struct agent_client;
struct error;

/*
 * What a guest does for its first container only, done before it is saved: a container is made in
 * it from the shared directory, something is run in that, and it is removed. So the guests of a
 * template find the kernel's caches filled and its code patched, in pages that all of them share.
 * Afterwards the agent knows of no container, and the share is not mounted.
 *
 * @shared_dir: the host's, empty; what is put there is the caller's to remove. Does nothing where
 * there is no share, or no program for this architecture.
 */
int template_warm_up(struct agent_client *client, enum hv_share share, const char *shared_dir,
		     struct error *err);
