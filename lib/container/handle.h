/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/container/backend.h"
#include "lib/container/container.h"

struct hooks_context;

/*
 * A container opened by its id: its directory, its record, its configuration. Between the
 * façade's files only.
 */

/* How long a command waits for another one that changes the same container. */
#define LOCK_TIMEOUT_MS 10000

/* Not locked: what is read may change at once. A directory without a record gives one that has
 * nothing but the id, in phase CREATING. The configuration is left for container_load_config(). */
int container_open_record(const char *root, const char *id, struct container **ret,
			  struct error *err);
/* Locked, and read after that, with its configuration. -EBUSY: somebody else had the lock all that
 * time. */
int container_open_locked(const char *root, const char *id, int timeout_ms, struct container **ret,
			  struct error *err);
void container_load_config(struct container *c);
/* What this command logs is kept with the container, for `logs`. Done for what is locked by its
 * look-up; for others that change something. */
void container_keep_log(const struct container *c);
void container_close(struct container *c); /* and unlocks */
DEFINE_CLEANUP(container_close_p, struct container *, container_close)
#define cleanup_container CLEANUP(container_close_p)

/* "this build has no vm isolation" where there is none. */
int container_find_backend(int isolation, const struct container_backend **ret, struct error *err);

/* What is true at this moment; @is_ours: we hold the lock, so nobody is creating it. */
int container_status(const struct container *c, bool is_ours, enum oci_status *ret,
		     struct error *err);

/* Opens it with its configuration, and looks at its status. */
int container_look_up(const char *root, const char *id, struct container **ret,
		      enum oci_status *ret_status, struct error *err);
int container_look_up_locked(const char *root, const char *id, struct container **ret,
			     enum oci_status *ret_status, struct error *err);

/* Locked, with its configuration: one that was created, runs or is paused; else "container not
 * running". */
int container_open_running(const char *root, const char *id, struct container **ret,
			   struct error *err);

/* Everything but the state directory: process, cgroup, poststop hooks. */
int container_destroy(struct container *c, struct error *err);

/* What a hook on the host is told of the container. */
struct hooks_context container_hooks_context(const struct container *c, const char *kind,
					     enum oci_status status);

/* poststop, once nothing is left of it; the container is deleted whatever they say
 * (config.md#poststop). */
void container_run_poststop(const struct container *c);

/* poststart, once the program runs: a hook that fails ends the container (config.md#poststart). */
int container_run_poststart(struct container *c, struct error *err);
