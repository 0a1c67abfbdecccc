/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

struct error;
struct oci_seccomp;
struct oci_state;

/*
 * SCMP_ACT_NOTIFY: calls that an agent on the host answers (config-linux.md#seccomp). The kernel
 * makes the listener in the process that loads the filter, and that process may not be able to
 * send it anywhere: sending is a call like others. So the caller takes it out of there, if it may,
 * and is the one that connects to the agent.
 */
struct listener {
	const struct oci_seccomp *seccomp;
	pid_t pid; /* of the process under the filter: a waiting child of ours */
	const struct oci_state *state; /* of the container */
};

/* Descriptor @number of that process. 1: the caller may not take it (without CAP_SYS_PTRACE, or
 * under Yama's strictest mode), but the process may be asked to send it. */
int listener_take(const struct listener *listener, int number, int *ret_fd, struct error *err);

/* Sends it to the agent with the container process state. */
int listener_forward(const struct listener *listener, int fd, struct error *err);
