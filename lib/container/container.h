/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/state/record.h"
#include "oci/state.h"

struct criu_options;
struct error;
struct oci_config;
struct oci_intel_rdt;
struct oci_process;
struct oci_resources;

/*
 * The façade that commands call: a container by its id, whichever isolation it has. Each function
 * opens the state, locks it where it changes something, asks the backend (native: the engine,
 * vm: the sandbox) and leaves the record true. Error texts contain what callers match on, which
 * CONTRIBUTING.md lists.
 */
struct container_create_request {
	/* main()'s: the program executes itself once more before it makes or enters a native
	 * container, see lib/linux/selfexe.h. NULL: it does not. */
	char *const *argv;
	const char *root;
	const char *id;
	const char *bundle;	    /* as given; NULL: the working directory */
	const char *config_path;    /* NULL: <bundle>/config.json */
	const char *pid_file;	    /* absolute, or NULL */
	const char *console_socket; /* path, or NULL */
	int console_fd;		    /* a connected console socket instead of a path, or -1 */
	const char *pidfd_socket;   /* takes a pidfd of the process, or NULL */
	unsigned int preserved_fds;
	unsigned int listen_fds;  /* the first of these are passed sockets (sd_listen_fds(3)) */
	const char *listen_names; /* $LISTEN_FDNAMES, or NULL */
	bool no_pivot;
	bool no_new_keyring;
	bool no_cgroup;		  /* stay in the caller's cgroup */
	bool uses_systemd;	  /* its cgroup is a scope of systemd's */
	bool no_subreaper;	  /* foreground `run`: leave orphans to whoever reaps them now */
	bool runs_at_once;	  /* `run`: no stop between created and started */
	int isolation;		  /* enum isolation, or -1: isolation.h */
	int configured_isolation; /* moat.json's, or -1 */
	char *const *allowed_annotations; /* of moat.json */
	char *const *ignored_annotations;
	const struct criu_options *restore; /* go on from these files; NULL: begin anew */
	bool is_lenient; /* hierarchies that cannot be written are left out (rootless) */
};

/* Makes a container. With @ret_pid non-NULL, it is the pid to wait for: a child of ours. */
int container_create(const struct container_create_request *request, pid_t *ret_pid,
		     struct error *err);
int container_start(const char *root, const char *id, struct error *err);
/* @all: also when the init is gone, and every process of the container. */
int container_kill(const char *root, const char *id, int sig, bool all, struct error *err);
int container_delete(const char *root, const char *id, bool force, struct error *err);

/* create + start in the foreground: relays the terminal, forwards signals, waits, deletes (unless
 * @keep). *ret_status: 0–255, 128+N for a signal. With @detach it returns once it runs. */
int container_run(const struct container_create_request *request, bool detach, bool keep,
		  int *ret_status, struct error *err);

/* Saves a running or paused container into files; without leave_running it is deleted. */
struct container_checkpoint_request {
	const char *root;
	const char *id;
	const struct criu_options *options;
	bool is_pre_dump; /* memory alone, and it goes on running */
};
int container_checkpoint(const struct container_checkpoint_request *request, struct error *err);

struct container_exec_request {
	char *const *argv; /* as above */
	const char *root;
	const char *id;
	/* Makes the process's document, starting from the container's own or not at all. */
	int (*make_process)(void *ctx, const struct oci_process *own, struct oci_process **ret,
			    struct error *err);
	void *ctx;
	const struct oci_process *process; /* what it made; for the backend */
	const char *pid_file;
	const char *console_socket;
	const char *pidfd_socket;
	unsigned int preserved_fds;
	char *const *cgroups; /* see cgroup_aim_exec() */
	bool detach;
	bool ignore_paused;
};
int container_exec(const struct container_exec_request *request, int *ret_status,
		   struct error *err);

/* Freezes every process of one that runs or is created: else "container not running"; and lets them
 * go on: "container not paused". */
int container_pause(const char *root, const char *id, struct error *err);
int container_resume(const char *root, const char *id, struct error *err);

/* Changes limits: what @changes sets and nothing else, devices never (callers of runc expect those
 * of somebody else to stay). A limit of 0 is one that is not given. They are kept with the
 * container's configuration, and the next change starts from there. @rdt: NULL, or schemata. */
int container_update(const char *root, const char *id, const struct oci_resources *changes,
		     const struct oci_intel_rdt *rdt, struct error *err);

/* Its processes by their pids on the host, or in the guest's outermost pid namespace; none for what
 * has ended. *ret: free(3). */
int container_pids(const char *root, const char *id, pid_t **ret, size_t *ret_count,
		   struct error *err);
/* The same as a table, of which @args are the ps(1) options; NULL or empty: "-ef". free(3) it. */
int container_ps(const char *root, const char *id, char *const *args, char **ret,
		 struct error *err);

/* What its cgroup, or the guest's, says of it, and resctrl: "container with id X is not running" when
 * it has ended. container_stats_done() it. */
struct cgroup_stats;
struct intel_rdt_stats;
struct container_stats {
	struct cgroup_stats *cgroup;
	struct intel_rdt_stats *rdt; /* NULL: it has no part in that */
};
void container_stats_done(struct container_stats *stats);
#define cleanup_container_stats CLEANUP(container_stats_done)
int container_stats(const char *root, const char *id, struct container_stats *ret,
		    struct error *err);

/* Adds the metrics of a container, or of its whole sandbox if it is the first of one; @id NULL: of
 * all, and of the runtime. A guest that does not answer in time is said not to. */
struct metrics;
int container_metrics(const char *root, const char *id, struct metrics *m, struct error *err);

/* A shell of the guest that it runs in, on our standard streams, for guests that have a debug
 * console. */
int container_debug_console(const char *root, const char *id, struct error *err);

/* Tells what happens until the container ends: stats each @interval_ns, and of each time that it
 * ran out of memory. A negative return of a callback ends it with that. */
struct container_watch {
	const char *root;
	const char *id;
	int64_t interval_ns;
	int (*on_stats)(void *ctx, const struct container_stats *stats, struct error *err);
	int (*on_oom)(void *ctx, struct error *err);
	void *ctx;
};
int container_watch(const struct container_watch *watch, struct error *err);

/* Mounts that come to a container that was created, runs or is paused, or go from it: all or none.
 * Native only. The calling process is in the container's mount namespace after that. */
struct container_mounts_request {
	char *const *argv; /* as above */
	const char *root;
	const char *id;
	bool is_removal; /* by their destinations alone */
	/* Called once it is sure that this program need not execute itself anew. */
	int (*read)(void *ctx, struct oci_config **ret, struct error *err);
	void *ctx;
};
int container_change_mounts(const struct container_mounts_request *request, struct error *err);

/* The shim's program, or NULL in a build without virtual machines; free(3) it. */
char *container_shim_path(void);

/* What `state` and `list` show. Strings are owned; container_info_done(). */
struct container_info {
	struct record record;
	enum oci_status status;
	struct oci_config *config; /* its annotations; NULL when it cannot be read any more */
};
void container_info_done(struct container_info *info);
int container_info(const char *root, const char *id, struct container_info *ret, struct error *err);
