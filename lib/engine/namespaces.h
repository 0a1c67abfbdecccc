/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "oci/config.h"

struct error;

/*
 * Which namespaces a container gets, and by whom. The plan is pure; opening what is joined is the
 * caller's work, before anything is cloned.
 *
 * A user namespace comes first: the others are owned by the one that their maker is in. But what
 * is owned by another than that can only be joined with the rights that are lost by entering it,
 * and what the host has (bind sources, device nodes, a raised limit) wants those rights too. So:
 *
 *   caller   opens what is joined, and clones the trees that are bound (rootfs_open_sources())
 *   helper   with the caller's rights: cgroup, oom_score_adj, joins whose owner is not the user
 *            namespace; then enters that, new or joined
 *   caller   writes the mappings of a new one (id-map.h)
 *   helper   makes a time namespace and writes its offsets, joins the pid namespace, and clones
 *            init with all other new ones, which the user namespace therefore owns
 *   init     joins the rest; attaches the root, still with the caller's user id, which may search
 *            directories that root of the user namespace may not; becomes that root, makes the
 *            IPC namespace, and mounts
 *
 * "Has a user namespace" is private_flags & CLONE_NEWUSER, once namespaces_open() has looked: one
 * that is joined and is the caller's own changes nothing.
 */
struct namespace_join {
	int type;	  /* enum oci_namespace_type */
	int flag;	  /* CLONE_NEW… */
	const char *path; /* borrowed from the configuration */
	int fd;		  /* -1 until opened */
	bool is_own;	  /* result: the same namespace the caller is in */
};

struct namespace_plan {
	int clone_flags;    /* new ones that the clone(2) of init makes */
	bool unshares_user; /* a new user namespace: the helper's, before all others */
	bool unshares_time; /* a new time namespace: the helper's, since only children get in */
	const struct oci_time_offsets *time_offsets; /* of that one, or NULL */
	int late_flags;	      /* new ones that root of a user namespace makes: what is made with
			       * them, message queues, belongs to the user who does */
	bool unshares_cgroup; /* a new cgroup namespace: only once init is in its cgroup */
	bool needs_helper;    /* one more fork */
	struct namespace_join joins[OCI_NS_COUNT]; /* in the order of joining */
	size_t joins_count;
	int private_flags; /* CLONE_NEW… of those that are not the caller's own */
	int outer_flags;   /* CLONE_NEW… of joins before the user namespace is entered */
};

/* CLONE_NEW… of a type, and its name under /proc/PID/ns. */
int namespace_flag(int type);
const char *namespace_file(int type);

/* Whether it has one that is not the caller's; known once namespaces_open() has looked. */
bool namespaces_have_user(const struct namespace_plan *plan);

/* Pure. Refuses types given twice, and settings of a namespace that is not a new one. */
int namespaces_plan(const struct oci_config *config, struct namespace_plan *ret, struct error *err);

/* Opens what is to be joined, checks that it is of the type it stands for, takes what is the
 * caller's own out of private_flags, and finds out on which side of a user namespace to join. */
int namespaces_open(struct namespace_plan *plan, struct error *err);
void namespaces_close(struct namespace_plan *plan);

/* Joins those whose flag is in @flags, but for the caller's own. */
int namespaces_join(const struct namespace_plan *plan, int flags, struct error *err);

/* What /proc/PID/timens_offsets takes; NULL: nothing. free(3) it. */
char *namespaces_time_text(const struct oci_time_offsets *offsets);

/* After a clone(2) or unshare(2) of @flags that failed with @errnum: says why if it is that the
 * kernel has no such namespace, or no more of them. */
int namespaces_explain(int flags, int errnum, const char *operation, struct error *err);
