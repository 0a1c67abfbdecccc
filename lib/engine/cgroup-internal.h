/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/engine/cgroup.h"
#include "lib/linux/cgroupfs.h"

struct error;

/*
 * One hierarchy and our cgroup in it. Files are named by the hierarchy's root and our path, not by
 * a descriptor of our directory: most hierarchies are visited once, to join.
 */
struct cgroup_hierarchy {
	struct cgroupfs_mount mount;
	int root_fd;	    /* O_PATH, opened when it is first needed, or -1 */
	bool is_missing;    /* covered by another mount */
	bool is_made;	    /* the directory, by us */
	int refusal;	    /* why a lenient caller may make nothing here (then is_missing), or 0 */
	char *joined;	    /* what a process joins, relative to the root; NULL: our path */
	char **controllers; /* v2: of our cgroup, read when they are first asked for */
};

struct cgroup_plan;

/* A cgroup object on given hierarchies; takes @mounts. */
struct cgroup *cgroup_new(const char *path, struct cgroupfs_mount *mounts, size_t count);

/* Writes all of it; what a host cannot give and nobody needs is left out. */
int cgroup_write_plan(const struct cgroup *cg, const struct cgroup_plan *plan, struct error *err);

/* Our path without its first '/': relative to a hierarchy's root. */
const char *cgroup_relative(const struct cgroup *cg);

/* Whether the hierarchy is there, its root_fd opened if so. */
bool cgroup_hierarchy_open(struct cgroup_hierarchy *h);

/* The v2 hierarchy, or NULL. */
struct cgroup_hierarchy *cgroup_v2(const struct cgroup *cg);
/* The v1 hierarchy with this controller (or "name=systemd"), or NULL. */
struct cgroup_hierarchy *cgroup_v1(const struct cgroup *cg, const char *controller);
/* Where all its processes are to be found: the v2 hierarchy, else the freezer's, else any. */
struct cgroup_hierarchy *cgroup_main(const struct cgroup *cg);
/* What has @controller for this layout, or NULL. */
struct cgroup_hierarchy *cgroup_find(const struct cgroup *cg, const char *controller);

#define cgroup_each(h, cg)                                                                         \
	for (struct cgroup_hierarchy *h = (cg)->hierarchies;                                       \
	     h < (cg)->hierarchies + (cg)->hierarchies_count; h++)

/* Make our directory in a hierarchy; h->is_made says whether it is new. -errno. */
int cgroup_v1_make(struct cgroup_hierarchy *h, const char *path);
int cgroup_v2_make(struct cgroup_hierarchy *h, const struct cgroup *cg);
/* mkdir -p; 1 when the last directory is new, else 0 or -errno. */
int cgroup_make_path(int root_fd, const char *path);

/* Pure: the path in the v2 line of a text of /proc/PID/cgroup, below @root of the hierarchy; NULL:
 * it has none there. free(3) it. */
char *cgroup_find_v2_path(const char *proc_cgroup, const char *root);

/* This process's path below the root of the v2 hierarchy @h, or NULL. free(3) it. */
char *cgroup_own_v2_path(const struct cgroup_hierarchy *h);

/* Whether @code (-errno) says that the caller has no rights here. */
bool cgroup_is_about_rights(int code);

/* Asks for @controller in every cgroup from the root down to ours, and reads h->controllers. */
void cgroup_v2_enable(struct cgroup_hierarchy *h, const char *path, const char *controller);

/* Controllers that @from has are those of @path below it, too; no process may be in between. */
void cgroup_v2_share(const struct cgroup_hierarchy *h, const char *from, const char *path);

/* Reads h->controllers. */
void cgroup_v2_read_controllers(struct cgroup_hierarchy *h, const char *path);

/* Freeze or thaw; waits for it, at most until @deadline_ms. -errno, -ETIMEDOUT. */
int cgroup_v1_freeze(const struct cgroup_hierarchy *h, const char *path, bool frozen,
		     long long deadline_ms);
int cgroup_v2_freeze(const struct cgroup_hierarchy *h, const char *path, bool frozen,
		     long long deadline_ms);
/* Asks only. */
int cgroup_v1_set_frozen(const struct cgroup_hierarchy *h, const char *path, bool frozen);
int cgroup_v2_set_frozen(const struct cgroup_hierarchy *h, const char *path, bool frozen);
bool cgroup_v1_is_frozen(const struct cgroup_hierarchy *h, const char *path);
bool cgroup_v2_is_frozen(const struct cgroup_hierarchy *h, const char *path);
