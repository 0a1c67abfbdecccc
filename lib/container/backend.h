/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/container/container.h"

struct cgroup;
struct container_checkpoint_request;
struct loop;
struct metrics;
struct oci_resources;

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
	struct oci_config *config; /* the state directory's, parsed; NULL if unreadable */
	bool is_lenient;	   /* while it is made: see cgroup.h */
	bool uses_systemd;	   /* while it is made: its cgroup is to be a scope */
	int agent_timeout_ms;	   /* vm: how long its guest may take to answer, 0: long */
	pid_t holder;		   /* a child that keeps the scope until the init is in it, or 0 */
};

int container_save(struct container *c, struct error *err);

struct oom_watch {
	struct loop *loop;
	void (*fn)(void *ctx);
	void *ctx;
};

struct container_backend {
	/* Makes everything; on failure it has undone it. record: id, bundle, rootfs, isolation and
	 * phase CREATING are set. *ret_pid is a child of ours. */
	int (*create)(struct container *c, const struct container_create_request *request,
		      int console_fd, pid_t *ret_pid, struct error *err);
	/* The same from the files that request->restore names, and its program goes on. */
	int (*restore)(struct container *c, const struct container_create_request *request,
		       int console_fd, pid_t *ret_pid, struct error *err);
	/* Saves it as it runs, and stops it unless that is not wanted. */
	int (*checkpoint)(struct container *c, const struct container_checkpoint_request *request,
			  struct error *err);
	/* Lets a created container's program run. */
	int (*start)(struct container *c, struct error *err);
	/* Of one whose record is CREATED and whose process lives: created, running, paused. */
	int (*status)(const struct container *c, enum oci_status *ret, struct error *err);
	int (*kill)(struct container *c, int sig, bool all, struct error *err);
	/* *ret_pid: a child of ours that ends with the process's status. Returns once it runs. */
	int (*exec)(struct container *c, const struct container_exec_request *request,
		    int console_fd, pid_t *ret_pid, struct error *err);
	/* All of its processes, of a container that runs or is created. */
	int (*freeze)(struct container *c, bool frozen, struct error *err);
	/* Changes limits: c->config has them all, as they are to be; @changes those that change. */
	int (*update)(struct container *c, const struct oci_resources *changes, struct error *err);
	/* NULL: it cannot. @document: has mounts alone. This process does nothing but end after
	 * that. */
	int (*change_mounts)(const struct container *c, const struct oci_config *document,
			     bool is_removal, struct error *err);
	int (*stats)(const struct container *c, struct cgroup_stats *ret, struct error *err);
	/* What there is besides its cgroup: what carries it on the host, and what the kernel says
	 * that it runs on, unless that did not answer before. NULL: the host is all. */
	void (*metrics_host)(const struct container *c, struct metrics *m);
	void (*metrics_guest)(const struct container *c, struct metrics *m, bool answers);
	/* A terminal of the guest's, reached with the help of @loop. NULL: there is none. */
	int (*dial_console)(const struct container *c, struct loop *loop, int *ret_fd,
			    struct error *err);
	/* Intel RDT: other schemata, and its statistics (-ENODATA: the container has no part in
	 * that); NULL where there is none. */
	int (*update_rdt)(const struct container *c, const struct oci_intel_rdt *changes,
			  struct error *err);
	int (*rdt_stats)(const struct container *c, struct intel_rdt_stats *ret, struct error *err);
	/* Calls @watch's function from its loop whenever the container runs out of memory, until
	 * *ret is given to unwatch_oom(), NULL too. @watch has to stay. */
	int (*watch_oom)(const struct container *c, const struct oom_watch *watch, void **ret,
			 struct error *err);
	void (*unwatch_oom)(void *watched);
	/* In the outermost pid namespace of the kernel that they run on. *ret: free(3). */
	int (*pids)(const struct container *c, pid_t **ret, size_t *ret_count, struct error *err);
	/* As a table with a header line, of which the caller frees the text. */
	int (*ps)(const struct container *c, char *const *args, char **ret, struct error *err);
	/* Kills what runs, releases all but the state directory, from any half-made state. */
	int (*destroy)(struct container *c, struct error *err);
};

extern const struct container_backend native_backend;
extern const struct container_backend vm_backend;

/*
 * What every isolation does with the process and the cgroup that a record names (backend.c).
 */

/* *ret stays NULL for a container that has no cgroup of its own. */
int backend_open_cgroup(const struct container *c, struct cgroup **ret, struct error *err);
/* Plans, records, makes and limits it, in this order: once the record names a cgroup, everything
 * in it is ours to kill, so one that is in use by then is refused before. A scope of systemd's is
 * recorded once it is there: before that it ends with us. */
int backend_make_cgroup(struct container *c, const struct oci_resources *resources,
			struct cgroup **ret, struct error *err);
/* Changes @cg's limits; @all of them are systemd's to know, if it is its scope. */
int backend_update_cgroup(const struct container *c, struct cgroup *cg,
			  const struct oci_resources *all, const struct oci_resources *changes,
			  struct error *err);
/* Kills what is left in it, and removes it, for systemd too. @cg may be NULL. */
int backend_remove_cgroup(struct container *c, const struct cgroup *cg, struct error *err);

/* Its processes as the host's cgroup lists them, or without a cgroup its first one. */
int backend_pids(const struct container *c, pid_t **ret, size_t *ret_count, struct error *err);

/* -ESRCH: it has ended. */
int backend_signal_process(const struct container *c, int sig, struct error *err);
/* SIGKILL, and the wait for its effect; @cg, which may be NULL, is thawed for it. */
int backend_end_process(const struct container *c, const struct cgroup *cg, struct error *err);
#define BACKEND_KILL_TIMEOUT_MS 10000
