/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct sandbox_network;
struct sandbox_plan;
struct settings_vm;
struct vm;

/*
 * Starting from a template: a machine is booted once, until its agent listens, and saved
 * (template-store.h). Later ones of the same shape go on from there, each with memory that is
 * private where it writes to it and the page cache's elsewhere, which all of them share.
 *
 * What two machines may not have in common is made anew before anything runs in one: the random
 * number generator's seed and the clock (renewal.h), host name, network addresses, vsock's context
 * id. The guest has no machine id of its own, and its boot id is drawn when it is first asked for.
 * What its kernel chose when it booted stays common: where it lies in memory, the canaries and keys
 * that it drew then (docs/threat-model.md).
 */

/* moat.json's, or the usual place. -ENOENT: a user without a home. free(3) it. */
int template_dir(const struct settings_vm *settings, char **ret, struct error *err);

/* Of a machine that was chosen and the network that was made for it: finds its template, or makes
 * it where moat.json says so. Whatever goes wrong, the machine boots. */
void template_find(struct vm *vm, const struct sandbox_plan *plan, struct sandbox_network *network);

/* What `moat template create` says of it. */
struct template_request {
	uint32_t memory_mib, vcpus; /* 0: as a container without limits gets */
	uint32_t nics;
	uint32_t disks;	     /* 0: as a container has where nothing is shared */
	bool has_disk_slots; /* a pod's */
	bool has_low_ports;  /* of containers with a user namespace */
	bool replaces;	     /* also one that is good */
};
/* Makes one with a machine that was chosen and has not been launched. The calling process gives up
 * its network namespace and rights for it, and is good for nothing else afterwards. *ret_name is
 * its name. 1: there is one already. */
int template_make(struct vm *vm, const struct template_request *request, char **ret_name,
		  struct error *err);
