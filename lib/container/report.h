/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

struct error;

/* What the caller of `create`, `run` and `exec` is told about the new process. NULL paths are
 * nothing to do. */
struct report {
	const char *pid_file;	  /* absolute */
	const char *pidfd_socket; /* listening */
	const char *kind;	  /* payload beside the pidfd: "standard" or "setns" */
};

/* The pid file is complete as soon as it exists, and holds digits only: containerd refuses a
 * newline, and conmon takes a missing file for a process that never started. Nothing is left
 * behind on error. */
int report_process(const struct report *report, pid_t pid, struct error *err);
