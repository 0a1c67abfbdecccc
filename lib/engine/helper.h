/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "lib/engine/sync.h"

struct error;

/*
 * The helper: a process enters a pid or time namespace only by being cloned after setns(2) or
 * unshare(2), which change where the children of the calling process go; and what is cloned from
 * within a user namespace is owned by it. So that this is not the caller, a short-lived child of
 * it does so, and clones the real process as its own sibling (CLONE_PARENT): the caller stays the
 * parent of what it asked for, and no process is left between them.
 */
struct helper {
	struct sync *sync;				  /* the child's end */
	int (*enter)(void *ctx, struct error *err);	  /* joins what has to be joined before */
	unsigned long long clone_flags;			  /* CLONE_NEW… of the real process */
	__attribute__((noreturn)) void (*run)(void *ctx); /* in the real process */
	void *ctx;
};

/* Runs in the child, and never returns. Sends 'child', or the error. */
__attribute__((noreturn)) void helper_main(struct helper *helper);
