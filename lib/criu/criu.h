/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/str.h"

struct error;

/*
 * CRIU, which saves trees of processes into files and makes them again: the program, asked over its
 * RPC (`criu swrk`, images/rpc.proto of its sources). Nothing here knows containers.
 *
 * Trust: CRIU is a program of the host's and runs with the caller's rights; the files that it
 * restores from are as good as the program that they hold, and as its rights.
 */

/* In CRIU's own numbers. */
enum criu_deed { CRIU_DUMP = 1, CRIU_RESTORE = 2, CRIU_PRE_DUMP = 4 };

/* What becomes of the cgroups beneath the container's, and of their limits. */
extern const struct names criu_cgroups_modes; /* "soft" (the first) "full" "strict" "ignore" */
/* How a saved connection's packets are held back meanwhile. */
extern const struct names criu_network_locks; /* "iptables" (the first) "nftables" "skip" */

/* What a caller may wish; all zero: nothing special. */
struct criu_options {
	const char *program; /* NULL: criu of $PATH */
	char *image_path;
	char *work_path;	 /* of the log; NULL: image_path */
	const char *parent_path; /* of an earlier pre-dump's files, seen from image_path; or NULL */
	const char *config_path; /* more options, criu(8); or NULL */
	const char *page_server; /* "ADDRESS:PORT", or NULL */
	char **empty_namespaces; /* whose content is not saved: "network" */
	const char *lsm_profile; /* "apparmor:NAME" or "selinux:LABEL", instead of the saved one */
	const char *lsm_mount_context;
	int cgroups_mode; /* index of criu_cgroups_modes */
	int network_lock; /* index of criu_network_locks */
	int status_fd;	  /* gets a NUL when the page server listens; 0: none */
	bool leave_running;
	bool tcp_established;
	bool tcp_skip_in_flight;
	bool tcp_close;
	bool ext_unix_sk;
	bool shell_job;
	bool file_locks;
	bool link_remap;
	bool lazy_pages;
	bool auto_dedup;
};

/* A descriptor of the process that prepare() leaves, for what is called @key in the files. */
struct criu_inherited {
	char *key;
	int fd;
};

struct criu_cgroup_root {
	char *controllers; /* "cpu,cpuacct", "" for version 2 */
	char *path;
};

struct criu_request {
	enum criu_deed deed;
	const struct criu_options *options;
	pid_t pid;	  /* dump: of the tree's first process */
	const char *root; /* its root directory; a mount point when it is restored */
	char *freezer;	  /* directory of its cgroup, or NULL */
	char **externals; /* "mnt[/etc/hosts]:hosts", "net[4026531840]:name" */
	struct criu_inherited *inherited;
	size_t inherited_count;
	struct criu_cgroup_root *cgroup_roots;
	size_t cgroup_roots_count;
	bool is_sibling; /* restore: the first process becomes a child of ours */
	/* restore, with the option shell_job: a terminal whose other end was outside is the one
	 * that is our descriptor 0 by now, instead of a new one, told at "orphan-pts-master". */
	bool inherits_terminal;

	/* In the child that becomes CRIU, with the descriptors 0 to 2 of the caller's, or NULL. */
	int (*prepare)(void *ctx, struct error *err);
	/* There too, when the work directory is open, which may be the same as that of the files,
	 * and these are not; or NULL. */
	int (*prepare_images)(void *ctx, struct error *err);
	/* At each of CRIU's notifications ("setup-namespaces"); @fd, which comes with
	 * "orphan-pts-master" alone, stays CRIU's client's to close. A negative return ends it. */
	int (*on_stage)(void *ctx, const char *stage, pid_t pid, int fd, struct error *err);
	void *ctx;
};
void criu_request_done(struct criu_request *request); /* what it owns: not the const pointers */

/* Adds to it; @key and the other texts are copied. @name: NULL for a kind that has none. */
void criu_add_external(struct criu_request *request, const char *kind, const char *key,
		       const char *name);
void criu_add_inherited(struct criu_request *request, const char *key, int fd);
void criu_add_cgroup_root(struct criu_request *request, const char *controllers, const char *path);

/* Has CRIU do it. *ret_pid: of a restored tree's first process. The error says what CRIU's log
 * does, which is dump.log or restore.log in the work directory. */
int criu_run(const struct criu_request *request, pid_t *ret_pid, struct error *err);
