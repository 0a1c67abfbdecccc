/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cgroup;
struct container;
struct criu_options;
struct criu_request;
struct error;

/*
 * Saving and restoring native containers by CRIU. What of a container comes from the host, and so
 * is not in the files, is told to CRIU by name: bind mounts by their destination, cgroups, masked
 * files, namespaces that were joined, and the standard streams (descriptors.json in the image
 * directory, as runc has it).
 */

/* A mount of the container's that has its source on the host. */
struct criu_mount {
	char *destination; /* and its name in the files */
	char *source;
	bool is_for_file; /* on a directory it is another mount, which is saved */
};
/* Those of the container's configuration. *ret wants criu_mounts_free(). */
int criu_mounts_plan(const struct container *c, struct criu_mount **ret, size_t *ret_count,
		     struct error *err);
void criu_mounts_free(struct criu_mount *mounts, size_t count);

/* The container's directory in the hierarchy that freezes it, or NULL. free(3) it. */
char *criu_freezer_path(const struct container *c);

#define CRIU_STREAMS_FILE "descriptors.json"
#define CRIU_STREAMS_COUNT 3

/* Namespaces of these types may be another's: the name of each in the files. */
struct criu_joined {
	int type;	  /* enum oci_namespace_type */
	const char *kind; /* CRIU's word, and its file in /proc/PID/ns */
	const char *name;
};
#define CRIU_JOINED_COUNT 2
extern const struct criu_joined criu_joined[CRIU_JOINED_COUNT];

/* Of a running container, which ends by it unless the options say otherwise. */
int native_criu_dump(struct container *c, const struct criu_options *options, bool is_pre_dump,
		     struct error *err);

struct native_criu_restore {
	struct container *c;
	const struct criu_options *options;
	const struct cgroup *cgroup; /* made already; NULL: stay in the caller's */
	int console_fd;		     /* takes the terminal's master, or -1 */
	/* Called when the first process exists and waits: record its pid. */
	int (*on_pid)(void *ctx, pid_t pid, struct error *err);
	void *ctx;
};
/* *ret_pid is a child of ours. */
int native_criu_restore(const struct native_criu_restore *restore, pid_t *ret_pid,
			struct error *err);
