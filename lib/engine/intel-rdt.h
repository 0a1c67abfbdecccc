/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"
#include "lib/base/fields.h"

struct error;
struct oci_intel_rdt;

/*
 * linux.intelRdt: cache and memory bandwidth by the resctrl file system (Linux's
 * Documentation/filesystems/resctrl.rst, config-linux.md#intelrdt). A class of service (CLOS) is
 * a directory with schemata, in which processes are listed; a monitoring group is a directory in
 * its mon_groups/. Without resctrl on this host a configuration that asks for it is refused.
 */
#define INTEL_RDT_DIR "/sys/fs/resctrl"

struct intel_rdt {
	char *root; /* mount point */
	char *clos; /* the CLOS's directory; "": the root's own */
	char *mon;  /* the monitoring group's, "CLOS/mon_groups/ID", or NULL */
	/* What goes with the container: its own CLOS or, in one that is not, the monitoring group;
	 * NULL: nothing. To be recorded before intel_rdt_create(), for intel_rdt_remove(). */
	char *owned;
};

/* Where resctrl is mounted. *ret: free(3) it. -ENOENT: nowhere. */
int intel_rdt_find(char **ret);

/* What @config asks for container @id, checked against what is in @root; nothing is changed. */
int intel_rdt_open(const char *root, const struct oci_intel_rdt *config, const char *id,
		   struct intel_rdt *ret, struct error *err);
void intel_rdt_done(struct intel_rdt *rdt);
#define cleanup_intel_rdt CLEANUP(intel_rdt_done)

/* Makes the CLOS, unless it is there, and the monitoring group, and writes the schemata; undone
 * on failure. */
int intel_rdt_create(const struct intel_rdt *rdt, const struct oci_intel_rdt *config,
		     struct error *err);
/* Moves a process and what it will fork. */
int intel_rdt_attach(const struct intel_rdt *rdt, pid_t pid, struct error *err);
/* Other schemata for a running container; what is not set stays. */
int intel_rdt_update(const struct intel_rdt *rdt, const struct oci_intel_rdt *config,
		     struct error *err);
/* Missing is fine. */
int intel_rdt_remove(const char *root, const char *owned, struct error *err);

struct intel_rdt_mbm {
	uint64_t total_bytes;
	uint64_t local_bytes;
};
/* The terms of runc's `events --stats`, "intel_rdt"; NULL, 0 or not set: absent. */
struct intel_rdt_stats {
	bool has_l3_info;
	char *l3_cbm_mask;
	uint64_t l3_min_cbm_bits;
	uint64_t l3_num_closids;
	char *l3_schema_root; /* the L3 line of the root's schemata, and of the container's */
	char *l3_schema;
	bool has_mb_info;
	uint64_t mb_bandwidth_gran;
	uint64_t mb_delay_linear;
	uint64_t mb_min_bandwidth;
	uint64_t mb_num_closids;
	char *mb_schema_root;
	char *mb_schema;
	char **schemata;
	struct intel_rdt_mbm *mbm; /* one a cache domain */
	size_t mbm_count;
	uint64_t *llc_occupancy;
	size_t llc_occupancy_count;
};
int intel_rdt_stats(const struct intel_rdt *rdt, struct intel_rdt_stats *ret, struct error *err);
void intel_rdt_stats_done(struct intel_rdt_stats *stats);
#define cleanup_intel_rdt_stats CLEANUP(intel_rdt_stats_done)
