/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct container_plan;
struct error;
struct sync;

/*
 * What the helper of a new container goes through before it clones init (see namespaces.h): joins
 * from outside, the user namespace, the time namespace, the pid namespace. The helper stays in the
 * caller's pid namespace, but who is root of a user namespace has rights over everybody in it, so
 * it is undumpable before it joins one. Until the mappings of a new one are written it is not,
 * because only so its files in /proc are the caller's, when that is not root.
 */
int entrance_pass(const struct container_plan *plan, struct sync *sync, struct error *err);

/* The parts that a process which enters later takes too. Undoes what the change of credentials
 * did to the parent-death signal. */
int entrance_hide(struct error *err); /* undumpable */
int entrance_keep_parent(struct error *err);
/* Before a filter can refuse it. A caller that dies from now on is noticed by the next message, and
 * there is nothing else to wait for. */
int entrance_outlive_parent(struct error *err);
int entrance_become_root(bool keeps_groups, struct error *err);
