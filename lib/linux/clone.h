/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * fork(2) with namespaces: the child goes on where the caller is, with a copy of its memory. By
 * clone3(2); by clone(2) where a seccomp filter hides that (container engines did for years),
 * then without a cgroup. Only for single-threaded callers.
 */
struct clone_request {
	unsigned long long flags; /* CLONE_NEW…, CLONE_PARENT */
	int cgroup_fd;		  /* directory of the v2 cgroup the child starts in, or -1 */
	int *ret_pidfd;		  /* or NULL */
	bool is_in_cgroup;	  /* result: @cgroup_fd was honoured */
};

/* The child's pid in the parent, 0 in the child, or -errno. */
pid_t clone_process(struct clone_request *request);
