/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/base/cleanup.h"
#include "lib/state/record.h"
#include "oci/config.h"

struct agent_client;
struct error;
struct sandbox_plan;

/* What the shim of a pod's further container knows of the VM that it joins: the owner, as its
 * record has it, and a connection to its shim. */
struct member {
	struct record sandbox;
	int owner_fd;		     /* the owner watches us by it (companions.h) */
	char *holders[OCI_NS_COUNT]; /* ids of the containers whose namespaces are shared */
};
#define MEMBER_INIT ((struct member){ .owner_fd = -1 })
void member_done(struct member *member);

/* Of "/proc/PID/ns/…"; 0: another path. */
uint32_t member_pid_in(const char *path);

/* @id: of the sandbox. Takes paths of the host, like the next two. */
int member_meet(struct member *member, const char *root, const char *id, struct error *err);
void member_find_holders(struct member *member, const char *root, const struct oci_config *config,
			 const struct sandbox_plan *plan);
/* Where the owner is, whatever the configuration says: there is one network in a VM. */
int member_join_network(const struct member *member, struct error *err);

/* Completes the plan by what the guest says of the holders. */
int member_find_namespaces(const struct member *member, struct agent_client *client,
			   struct sandbox_plan *plan, struct error *err);
