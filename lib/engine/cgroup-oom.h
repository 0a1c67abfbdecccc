/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/cleanup.h"

struct cgroup;
struct error;

/* Whether the kernel has killed a process in it for lack of memory. */
bool cgroup_was_oom_killed(const struct cgroup *cg);

/*
 * Tells of a container that runs out of memory: memory.oom_control through an eventfd on v1,
 * memory.events on v2. One descriptor to wait for, with cgroup_oom_events(), then
 * cgroup_oom_read(), which does not block.
 */
struct cgroup_oom;

int cgroup_oom_open(const struct cgroup *cg, struct cgroup_oom **ret, struct error *err);
void cgroup_oom_free(struct cgroup_oom *oom);
DEFINE_CLEANUP(cgroup_oom_free_p, struct cgroup_oom *, cgroup_oom_free)
#define cleanup_cgroup_oom CLEANUP(cgroup_oom_free_p)

int cgroup_oom_fd(const struct cgroup_oom *oom);
uint32_t cgroup_oom_events(const struct cgroup_oom *oom); /* for epoll_ctl(2) */
/* How often it ran out of memory since the last call; 0 is possible. @ret_is_gone: the cgroup has
 * been removed; there is nothing left to wait for. */
int cgroup_oom_read(struct cgroup_oom *oom, bool *ret_is_gone);
