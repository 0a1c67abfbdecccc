/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/engine/plan.h"
#include "lib/engine/sync.h"

struct engine_container;
struct rootfs_sources;
struct sock_fprog;

/*
 * The container's init: a child of the caller's in the new namespaces, with the rights of the
 * runtime and at first its view of the host. It joins, mounts, changes its root, gives up its
 * rights, waits at the start gate and executes the program.
 *
 * Trust: its memory is the caller's; from its first look beneath the rootfs on, every file is
 * hostile; and from the moment others share its pid namespace, they can see it in /proc.
 */
struct init {
	const struct engine_container *c;
	const struct container_plan *plan;
	const struct rootfs_sources *sources;
	const struct sock_fprog *filter; /* empty: it will be sent, if there is one */
	struct sync sync;
};

__attribute__((noreturn)) void init_main(struct init *init);
