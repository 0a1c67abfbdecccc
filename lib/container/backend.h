/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/container/container.h"

/*
 * What an isolation has to do, behind the façade. Included by lib/container only. The façade
 * holds the lock around create, start and destroy (not exec: one that hangs in a frozen container
 * must not keep `delete --force` out), has read the record, and writes the pid file; a backend
 * calls container_save() whenever the record gained something that a `delete --force` after
 * kill -9 needs to know.
 */
struct container {
	char *root;
	char *id;
	struct state_dir *dir;
	struct record record;
	struct oci_config *config; /* parsed config.json of the state directory; NULL if unreadable */
};

int container_save(struct container *c, struct error *err);

struct container_backend {
	/* Makes everything; on failure it has undone it. record: id, bundle, rootfs, isolation and
	 * phase CREATING are set. *ret_pid is a child of ours. */
	int (*create)(struct container *c, const struct container_create_request *request,
		      int console_fd, pid_t *ret_pid, struct error *err);
	/* Lets a created container's program run. */
	int (*start)(struct container *c, struct error *err);
	/* Of a container whose record is CREATED and whose process lives: created, running, paused. */
	int (*status)(const struct container *c, enum oci_status *ret, struct error *err);
	int (*kill)(struct container *c, int sig, bool all, struct error *err);
	/* *ret_pid: a child of ours that ends with the process's status. Returns once it runs. */
	int (*exec)(struct container *c, const struct container_exec_request *request,
		    int console_fd, pid_t *ret_pid, struct error *err);
	/* Kills what still runs and releases all but the state directory, from any half-made state. */
	int (*destroy)(struct container *c, struct error *err);
};

extern const struct container_backend native_backend;
extern const struct container_backend vm_backend;
