/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/engine/filter.h"
#include "lib/engine/sync.h"

struct cgroup;
struct error;
struct oci_state;
struct process_plan;

/*
 * The caller's side of bringing a process to life, the same for a container's init and for a
 * process that enters later. The steps are taken in this order.
 */
struct child {
	pid_t pid; /* 0 until it exists; ended and reaped by child_done() while set */
	struct sync sync;
	const struct cgroup *cgroup;	 /* that it starts in, or NULL */
	const struct process_plan *plan; /* what it needs the caller's rights for is done first */
	struct filter filter;

	int (*on_pid)(void *ctx, pid_t pid, struct error *err); /* or NULL */
	void *ctx;
};
#define CHILD_INIT                                                                                 \
	{                                                                                          \
		.sync = {.fd = -1 }                                                                \
	}
void child_done(struct child *child);

/* Clones the process, which puts itself into the cgroup, and then runs @run with its end of the
 * sync. */
struct child_start {
	unsigned long long clone_flags;
	void (*run)(void *ctx, int sync_fd); /* does not return */
	void *ctx;
	bool is_helped; /* @run ends in helper_main(), and the pid comes by message */
	/* Or NULL: writes the mappings of the user namespace that the helper makes. */
	int (*map_ids)(void *ctx, pid_t helper, struct error *err);
};
int child_start(struct child *child, const struct child_start *start, struct error *err);

/* Before child_start(): what the cache in @cache_dir, or NULL, has of its filter. */
void child_find_filter(struct child *child, const char *cache_dir);

/* Tells its pid to whoever wants to record it, and then to the process itself. */
int child_record(struct child *child, struct error *err);
/* Hands the seccomp listener of its filter to the agent. @state: of its container. */
int child_forward_listener(struct child *child, const struct oci_state *state, struct error *err);
