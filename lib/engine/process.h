/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <linux/filter.h>

#include "lib/engine/process-plan.h"

struct error;
struct sync;

/*
 * From a process of the runtime's to the container's, in the last steps before execve(2): what a
 * container's init and a process that enters later have in common. Everything here runs in the
 * container's namespaces and root, where every file is the container's.
 */
struct process {
	const struct process_plan *plan;
	struct sync *sync;   /* with the caller */
	const char *keyring; /* session keyring to join; NULL: it stays in the caller's */
	unsigned int preserved_fds;
	unsigned int listen_fds;  /* the first of them, for $LISTEN_FDS */
	const char *listen_names; /* or NULL: $LISTEN_FDNAMES */
	int stdio[3];
	int terminal; /* slave side, or -1; taken */
	int gate_fd;  /* what it waits at to be started, or -1 */

	struct labels labels;
	bool is_cwd_denied;	  /* root was not let in, its user may be */
	struct sock_fprog filter; /* what was there before the clone, or what the caller sends */
	char **env;
	char *program;
};

#define PROCESS_INIT                                                                               \
	{                                                                                          \
		.terminal = -1, .gate_fd = -1, .labels = LABELS_INIT                               \
	}

/* First of all, by the first process that is cloned: what takes rights of the caller's that are
 * gone in a user namespace, or the host's /proc, and is inherited. */
int process_use_rights(const struct process_plan *plan, struct error *err);

/* First thing in a new process: what must not wait. Also closes every descriptor but 0–2, the
 * preserved ones, stdio and @keep. */
int process_begin(struct process *p, const int *keep, size_t count, struct error *err);

/* Enters process.cwd, which is made if it is missing. */
int process_enter_cwd(struct process *p, struct error *err);

/* All the rest, up to a program that was found. Afterwards a seccomp filter may be in force. */
int process_become(struct process *p, struct error *err);

/* Executes it; returns only when that failed. @keep, or -1: one descriptor that stays open until
 * then. */
int process_execute(struct process *p, int keep, struct error *err);
