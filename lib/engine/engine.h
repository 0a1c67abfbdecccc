/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;
struct oci_config;
struct oci_mount;
struct oci_process;
struct cgroup;

/*
 * The native container engine: a parsed configuration and descriptors in, a process out. It keeps
 * nothing on disk but what a cache is for, knows no command line and no VM, and is linked into
 * `moat` (native isolation) and into `moat-agent` (inside the guest).
 *
 * Up to three processes take part, each in a file of its own: the caller (launch.c), a helper
 * where namespaces need one more fork (helper.c), and the container's init (init.c). They speak
 * only through the messages of sync.h. A caller that dies takes the half-made init with it
 * (parent-death signal) until the container is created.
 *
 * Trust: the configuration comes from the caller and is trusted; everything below the rootfs, and
 * every process of the container, is hostile.
 */
struct engine_container {
	const char *id;
	const struct oci_config *config;
	const char *bundle;	     /* absolute path; relative paths of the config start here */
	const struct cgroup *cgroup; /* made already, see cgroup.h; NULL: stay in the caller's */
	const char *cache_dir; /* a directory of the runtime's own, made when it is missing, for
				 * what is worth keeping: filter-cache.h. NULL: none */
	int stdio[3];	       /* for the process when it has no terminal; borrowed */
	int console_socket;    /* connected AF_UNIX stream that takes the terminal, or -1 */
	int start_fd;	       /* read one byte from here before exec; -1: exec at once. A pipe's
				 * end, an eventfd, or a FIFO opened O_RDWR, into which init writes
				 * why the program could not be executed after all; borrowed */
	unsigned int preserved_fds; /* descriptors 3 … 2+N stay open in the process */
	unsigned int listen_fds;    /* the first of them are passed sockets: $LISTEN_FDS … */
	const char *listen_names;   /* $LISTEN_FDNAMES, or NULL */
	bool no_pivot;		    /* MS_MOVE instead of pivot_root(2) */
	bool no_new_keyring; /* the caller's session keyring stays, instead of one "_ses.ID" */
	bool is_guest;	     /* inside the VM: the kernel and /dev are ours */

	/* Called when the init exists and waits: record its pid. A negative return ends it. */
	int (*on_pid)(void *ctx, pid_t pid, struct error *err);
	void *ctx;
};

/* Makes a container up to the point where its program would be executed (and has been found),
 * or, without start_fd, up to execve(2) itself. *ret_pid is a child of the caller's. Every error
 * of init or helper arrives in @err; nothing is left behind but the cgroup. */
int engine_create(const struct engine_container *c, pid_t *ret_pid, struct error *err);

struct engine_exec {
	const char *id;	    /* of the container */
	const char *bundle; /* as above */
	pid_t init_pid;	    /* of the running container, in the caller's pid namespace */
	int init_pidfd;	    /* of the same process; what is joined is taken from here */
	const struct oci_config *config; /* the container's own: seccomp, rootfs decisions */
	const struct oci_process *process;
	const struct cgroup *cgroup; /* to join, or NULL */
	const char *cache_dir;	     /* as above */
	int stdio[3];
	int console_socket; /* or -1 */
	unsigned int preserved_fds;
	bool no_new_keyring; /* as above */
	bool is_guest;
	/* Called before the program runs; may be NULL. */
	int (*on_pid)(void *ctx, pid_t pid, struct error *err);
	void *ctx;
};

/* Runs one more process in a container; returns once its program was executed (or why not).
 * *ret_pid is a child of the caller's. */
int engine_exec(const struct engine_exec *e, pid_t *ret_pid, struct error *err);

/* Mounts that come to a container which is there already, or go. */
struct engine_mounts {
	const char *bundle; /* as above */
	pid_t init_pid;	    /* as above */
	int init_pidfd;
	const struct oci_config *config; /* the container's own */
	const struct oci_mount *mounts;
	size_t count;
};

/* All of them or none: binds and file systems. The calling process, which must have one thread
 * and not be a file that the container could write, is in the container's mount namespace after
 * that, and has nothing more to do with paths. */
int engine_add_mounts(const struct engine_mounts *request, struct error *err);
/* Whatever is mounted last on their destinations, from the last of them to the first. */
int engine_remove_mounts(const struct engine_mounts *request, struct error *err);
