/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/engine/engine.h"
#include "oci/config.h"

/*
 * Containers of a busybox in a directory of the test's own, made by the engine directly: no state
 * on disk, no command line. Needs root.
 */
struct box {
	char *bundle;
	char *rootfs; /* <bundle>/rootfs */
	char *host;   /* <bundle>/host: a directory of the host's, for bind mounts and escapes */
};

/* A new one; NULL, after saying why, where these tests cannot run. */
struct box *box_new(void);
void box_free(struct box *box);

/* A file of the host's: below host/ or rootfs/, as @path says. */
void box_write(const struct box *box, const char *path, const char *text);
char *box_path(const struct box *box, const char *path);
bool box_has(const struct box *box, const char *path);

/* What a container should be. Members are pieces of JSON, or NULL for the usual. */
struct wish {
	const char *script;  /* for sh -c */
	const char *args;    /* instead: a JSON array */
	const char *process; /* more members of process: "\"noNewPrivileges\": true" */
	const char *user;    /* the user object */
	const char *cwd;
	const char *namespaces; /* the array's content */
	const char *mounts;	/* more entries, each with a ',' in front */
	const char *all_mounts; /* instead: the whole list */
	const char *linux_;	/* more members of linux */
	const char *root;	/* more members of root */
	const char *top;	/* more members of the whole */
};
struct oci_config *box_config(const struct box *box, const struct wish *wish);

/* A container that is not started yet: everything in @ret is as for a plain run. */
void box_container(const struct box *box, const struct oci_config *config,
		   struct engine_container *ret);

/* Runs it to its end. */
struct outcome {
	char out[16384]; /* standard output and error */
	int status;	 /* exit status, 128 + signal, or -errno of engine_create() */
	char error[1100];
};
void box_run(const struct box *box, const struct wish *wish, struct outcome *ret);

/* Waits for a child of ours: exit status or 128 + signal. */
int wait_status(pid_t pid);
/* Everything from @fd until its end. */
void read_to_end(int fd, char *buf, size_t size);
