/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct agent_client;
struct error;

/*
 * Engines learn that a container ran out of memory from its cgroup on the host, where a VMM never
 * does: the kernel that kills is the guest's. So the shim asks the agent, and leaves what conmon
 * would leave, a file "oom" in the directories of the engine. The guest's word is believed: what it
 * can say is no more than that its own container is short of memory.
 */
#define OOM_DIRS_MAX 2

struct oom_notice {
	int dirs[OOM_DIRS_MAX];
	size_t count;
	struct agent_client *client;
	const char *id;
};

/* While there are paths and the right to clone a mount: holds on to @dirs (absolute; those that
 * cannot be had are left out), in a way that leads nowhere else. */
void oom_notice_open(struct oom_notice *notice, char *const *dirs);
void oom_notice_done(struct oom_notice *notice);

/* Begins to ask for container @id, which is borrowed, as @client is. The agent tells of the kill
 * before it tells how the process ended. */
int oom_notice_watch(struct oom_notice *notice, struct agent_client *client, const char *id,
		     struct error *err);
