/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"

struct error;
struct oci_config;
struct oci_resources;

/*
 * The container's cgroup, on v2, v1 and hybrid hosts, by cgroupfs. One absolute path names it in
 * every hierarchy ("/user.slice/x" below each mount point). A hybrid host is a v1 host whose
 * v2 hierarchy carries processes, but no controllers.
 */
enum cgroup_layout { CGROUP_LAYOUT_V2, CGROUP_LAYOUT_V1, CGROUP_LAYOUT_HYBRID };

struct cgroup_hierarchy; /* internal: mount point, controllers */

struct cgroup {
	char *path; /* absolute within each hierarchy, never "/" */
	enum cgroup_layout layout;
	struct cgroup_hierarchy *hierarchies;
	size_t hierarchies_count;
	int v2_fd;   /* directory of the v2 cgroup once it exists, for CLONE_INTO_CGROUP, or -1 */
	bool is_new; /* made by cgroup_create() of this very object */
	/* Set by the caller: systemd has made it, or the one that it is in, for us, and this
	 * process of ours is there already. */
	pid_t holder;
	/* Leave access to devices as it is. Set by the caller, if what runs in here is a VMM, which
	 * needs /dev/kvm and its peers; and by cgroup_apply(), once it has seen to them. */
	bool keeps_devices;
	/* Set by the caller for a runtime without rights over cgroups (rootless): hierarchies in
	 * which nothing may be made are left out, as long as no limit needs them. */
	bool is_lenient;
	/* Set by the caller, if nobody will look for controllers that no limit asks for. */
	bool is_frugal;
	bool is_limited; /* cgroup_apply() had limits to write: who runs elsewhere escapes them */
};

/* Pure: linux.cgroupsPath and the container's id to the path in each hierarchy. Relative and
 * absolute paths alike start at the hierarchy's root, ".." never climbs out; NULL or "": "/ID".
 * The result is the caller's to free. */
char *cgroup_plan_path(const char *cgroups_path, const char *id);

/* For a user without rights over the hierarchies' roots: where the v2 hierarchy of @cg has room for
 * @id, beside the caller's own cgroup or below it. NULL: nowhere, nothing was delegated. free(3)
 * it. */
char *cgroup_find_delegated(const struct cgroup *cg, const char *id);

/* Reads what hierarchies this host has (/proc/self/mountinfo). Nothing is made. */
int cgroup_open(const char *path, struct cgroup **ret, struct error *err);
void cgroup_free(struct cgroup *cg);
DEFINE_CLEANUP(cgroup_free_p, struct cgroup *, cgroup_free)
#define cleanup_cgroup CLEANUP(cgroup_free_p)

/* Whether it exists in any hierarchy. Not so for a lenient caller (see is_lenient) who could make
 * it in none: there is nothing to limit, freeze, list or remove then. */
bool cgroup_exists(const struct cgroup *cg);

/* Makes the directories (with what cpuset and subtree_control need on the way) and refuses one
 * that already has processes: "container's cgroup is not empty: N process(es) found", or is
 * frozen: "container's cgroup unexpectedly frozen". */
int cgroup_create(struct cgroup *cg, struct error *err);
/* Limits: cpu, memory, pids, and unified on v2. @resources may be NULL. On a new cgroup (see
 * is_new, keeps_devices) access to devices too, also without any rule: all is denied, then come
 * the rules in their order, then what every container may use. */
int cgroup_apply(struct cgroup *cg, const struct oci_resources *resources, struct error *err);
/* The filter for devices that cgroup_apply() has given @cg for @resources is this process's and its
 * children's from here on, for others with the same rules: the kernel verifies and compiles it
 * once. That is for agents alone, in whose guests most containers have the same. Nothing of the
 * container's may have run yet. */
void cgroup_keep_filter(const struct cgroup *cg, const struct oci_resources *resources);
/* Whether the container finds cgroups mounted that it may write to. Pure. */
bool cgroup_plan_is_writable(const struct oci_config *config);
/* Whether the container's processes are to manage the cgroups below theirs (a cgroup namespace of
 * their own, cgroups mounted writable, a user namespace), and as which user of the host. Pure. */
bool cgroup_plan_owner(const struct oci_config *config, uid_t *ret_uid);
/* Delegates it: on v2 its directory and what the kernel lists become @uid's, limits do not. */
int cgroup_give(const struct cgroup *cg, uid_t uid, struct error *err);
/* To whom cgroup_plan_owner() says, if to anybody. */
int cgroup_give_to_owner(const struct cgroup *cg, const struct oci_config *config,
			 struct error *err);

/* On v2 only: makes @name below, which is @uid's then and has the same controllers, and moves @pid
 * and the holder there. No other process may be in @cg. */
int cgroup_delegate(const struct cgroup *cg, const char *name, uid_t uid, pid_t pid,
		    struct error *err);

/*
 * Changes limits of a running container's cgroup: what @resources sets and nothing else, devices
 * only when it has rules (the old ones are in force until the new ones are). What has an order
 * among itself (memory and swap, quota, period and burst, cpuset and those below) may be given in
 * any direction. On failure limits written before the one that was refused stay.
 */
int cgroup_update(struct cgroup *cg, const struct oci_resources *resources, struct error *err);

/*
 * Where a process that is executed in a running container joins: from now on cgroup_attach() and
 * v2_fd mean that place, and @cg is good for nothing else. @specs (`exec --cgroup`): NULL, or
 * "[CONTROLLER[,CONTROLLER]…:]PATH" with PATH below the container's cgroup, where it must exist; on
 * v2 without a controller. What they leave out stays the container's own cgroup; on v2, without
 * @specs, @init_pid's where that has become an inner node, which cannot have processes.
 */
int cgroup_aim_exec(struct cgroup *cg, char *const *specs, pid_t init_pid, struct error *err);

/*
 * Moves a process in: every hierarchy, or, with @is_in_v2, all but the v2 one.
 *
 * Prefer @pid 0, the caller itself, which must then have one thread only: a v1 hierarchy lets a
 * thread move itself without waiting for an RCU grace period (cgroup1: `tasks` takes no
 * cgroup_threadgroup_rwsem for "0"), 0.1 ms instead of 8 to 15 ms. A freshly cloned init calls it
 * before it leaves the host's mount and cgroup namespaces; @cg's descriptors work in a child.
 */
int cgroup_attach(const struct cgroup *cg, pid_t pid, bool is_in_v2, struct error *err);
/* Every process in it and below it. *ret: array to free(3). */
int cgroup_pids(const struct cgroup *cg, pid_t **ret, size_t *ret_count, struct error *err);
/* Sends @sig to all of them until none is left to send it to; SIGKILL by cgroup.kill where the
 * kernel has it. A frozen v1 cgroup is thawed after SIGKILL. */
int cgroup_signal(const struct cgroup *cg, int sig, struct error *err);
int cgroup_freeze(const struct cgroup *cg, bool frozen, struct error *err);
bool cgroup_is_frozen(const struct cgroup *cg);
/* Kills what is left in it, waits for that (at most @timeout_ms) and removes it with everything
 * below. Missing is fine. */
int cgroup_remove(const struct cgroup *cg, int timeout_ms, struct error *err);
