/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup_stats;
struct container;
struct error;
struct loop;
struct oci_resources;
struct oom_watch;
struct sandbox_network;

/*
 * What the guest's agent is asked about a container, one call each. The guest is hostile: numbers
 * and texts that come back are checked here.
 */

int vm_agent_signal(const struct container *c, int sig, bool all, struct error *err);
int vm_agent_freeze(const struct container *c, bool frozen, struct error *err);
int vm_agent_update(const struct container *c, const struct oci_resources *changes,
		    struct error *err);
/* Takes @vcpus more that were plugged in, and memory, into use; waits for them to appear. */
int vm_agent_online(const struct container *c, uint32_t vcpus, bool has_memory, struct error *err);
int vm_agent_watch_oom(const struct container *c, const struct oom_watch *watch, void **ret,
		       struct error *err);
void vm_agent_unwatch_oom(void *watched);
/* The guest's debug console. */
int vm_agent_dial_console(const struct container *c, struct loop *loop, int *ret_fd,
			  struct error *err);
/* Its guest's metrics as the agent wrote them; free(3) them. */
int vm_agent_metrics(const struct container *c, char **ret, struct error *err);
int vm_agent_stats(const struct container *c, struct cgroup_stats *ret, struct error *err);

/* Its processes: @format "json", an array of pids, or "table", printable text. free(3) it. */
int vm_agent_list(const struct container *c, const char *format, char **ret, struct error *err);
int vm_agent_tell_network(const struct container *c, const struct sandbox_network *network,
			  struct error *err);
/* Whatever is left of it in its sandbox. */
int vm_agent_remove(const struct container *c, struct error *err);
