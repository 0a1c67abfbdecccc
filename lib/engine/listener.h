/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

struct error;
struct oci_seccomp;
struct oci_state;

/*
 * SCMP_ACT_NOTIFY: calls that an agent on the host answers (config-linux.md#seccomp). The kernel
 * makes the listener in the process that loads the filter, and that process may not be able to
 * send it anywhere: sending is a call like others. So the caller takes it out of there, and is the
 * one that connects to the agent.
 */
struct listener {
	const struct oci_seccomp *seccomp;
	pid_t pid;		       /* a child of the caller's that is waiting meanwhile */
	int number;		       /* of the listener among its descriptors */
	const struct oci_state *state; /* of the container */
};

/* Sends it with the container process state. No copy of it stays open here. */
int listener_forward(const struct listener *listener, struct error *err);
