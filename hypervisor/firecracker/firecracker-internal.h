/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "hypervisor/hypervisor-internal.h"

/* For hypervisor/firecracker/ and its tests. */

/* What makes a machine of a Firecracker that runs, in this order; ends in a NULL path. One that is
 * saved is a single request. */
struct fc_request {
	char *path;
	char *body;
};
#define FC_SPARES_MAX 5
#define FC_MAX_REQUESTS (7 + HV_DISKS_MAX + FC_SPARES_MAX + HV_NICS_MAX)
struct fc_plan {
	char **argv;
	struct fc_request requests[FC_MAX_REQUESTS];
};
/* @taps: the name of each interface's, which Firecracker takes instead of descriptors. Pure. */
int fc_plan(const struct hv_config *config, char *const *taps, struct fc_plan *ret,
	    struct error *err);
void fc_plan_done(struct fc_plan *plan);
#define cleanup_fc_plan CLEANUP(fc_plan_done)

/* Drives that are nothing until a disk is plugged in: an empty file's, below config->dir. Ids of
 * disks begin with a letter. */
#define FC_SPARE_NAME "spare"
#define FC_SPARE_PREFIX "_spare"

/* The FIFO below config->dir into which it writes what it has counted. */
#define FC_FIFO_NAME "metrics"

/* The descriptors that it inherits; @ret has room for FC_MAX_FDS. */
#define FC_MAX_FDS (2 + HV_DISKS_MAX)
size_t fc_planned_fds(const struct hv_config *config, int *ret);

/* A saved machine's files. */
#define FC_STATE_NAME "state"
#define FC_MEMORY_NAME "memory"
#define FC_LOAD "/snapshot/load"

/* The oldest that was tried. */
#define FC_OLDEST_MAJOR 1
#define FC_OLDEST_MINOR 12

/* "1.12.1", "1.17.0-dev". -EPROTO: not a version. */
int fc_version_parse(const char *text, unsigned int *ret_major, unsigned int *ret_minor);
