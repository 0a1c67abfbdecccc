/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct container;
struct error;

/*
 * Whose virtual machine a container joins: the one that its annotations name, or the one whose
 * container it shares a namespace with. With `podman run --network container:NAME` there are no
 * annotations; and a network belongs to one virtual machine alone.
 */

/* Sets the record's sandbox; leaves NULL where the container is to have a machine of its own.
 * "sandbox 'X' has stopped" (-ESRCH) where it cannot have either. */
int vm_find_sandbox(struct container *c, struct error *err);

/* A netlink socket of the network namespace of the container's shim; -errno, -ESRCH where that has
 * ended. */
int vm_open_network(const struct container *c);
