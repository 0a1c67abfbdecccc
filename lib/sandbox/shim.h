/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "lib/sandbox/template.h"

/*
 * moat-shim: the process that stands on the host for one process in a VM. Callers know its pid,
 * wait for it, send it signals, and read its exit status. The shim of a sandbox's first container
 * also owns the VM (create); another is a process of a running container (exec).
 *
 * It is started by moat, with the caller's stdio, inside the container's host cgroup, as the leader
 * of a session, and tells moat how far it got over a rendezvous (rendezvous.h). One thread, one
 * loop. It reads the record and the configuration from the state directory and writes nothing
 * there but vm/ and start.sock.
 */
struct shim_options {
	const char *root;
	const char *id;
	int sync_fd;	   /* the rendezvous */
	int console_fd;	   /* a connected console socket, or -1 */
	bool runs_at_once; /* create: start too */
	int process_fd;	   /* exec: a file that holds the process document */
	char **cgroups;	   /* exec: of the guest, see cgroup_aim_exec() */
	char **oom_dirs;   /* create: see oom-notice.h */
	int image_fd;	   /* create: directory of a saved VM that is to go on, or -1 */
	struct template_request template; /* template: what is wanted */
};

/* Each returns the program's exit status. */
int shim_create(const struct shim_options *options);
int shim_exec(const struct shim_options *options);
/* Of no container: makes a template (template.h) for moat, and ends. */
int shim_template(const struct shim_options *options);

/* <state>/start.sock is there while the container is created and waits for `start`; the shim
 * removes it once the program runs, so that its presence is the truth about both. */
#define SHIM_START_SOCKET "start.sock"

/* <state>/vm: sockets, and the directory that the shared files are mounted on. */
#define SHIM_VM_DIR "vm"
#define SHIM_SHARED_DIR "shared" /* in it */
