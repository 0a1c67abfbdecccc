/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/sandbox/sandbox.h"

struct error;
struct oci_config;
struct oci_vm_hw_config;

/*
 * A plan in the making. The guest's configuration starts as a copy of the host's; each part of
 * the planner then rewrites its own section and frees what it takes out.
 */
struct planning {
	const char *id;
	enum sandbox_role role;
	enum sandbox_files files;
	const char *bundle; /* absolute */
	const struct oci_config *host;
	struct oci_config *guest; /* the plan's */
	struct sandbox_plan *plan;
	size_t left_out_devices; /* that were to be bound */
};

int plan_size(struct planning *p, struct error *err);

/* plan-vm.c: the vm section, and a root file system that is a disk, whose path on the
 * host is taken. */
int plan_vm(struct planning *p, struct error *err);
int plan_hw_config(const struct oci_vm_hw_config *hw, struct error *err);
int plan_root_disk(struct planning *p, char *host_path, struct error *err);
void plan_made_root_disk(struct planning *p, char *host_path);
void plan_free_vm(struct sandbox_plan *plan);

/* The file system that begins with @head, or NULL. */
const char *plan_find_fstype(const char *head, size_t len, bool *ret_is_readonly);

/* The old string is freed, the new one taken. */
void plan_replace(char **slot, char *owned);

int plan_resources(struct planning *p, struct error *err);
int plan_mounts(struct planning *p, struct error *err);
int plan_devices(struct planning *p, struct error *err);
int plan_device_rules(struct planning *p, struct error *err);

/* Adds a share, whose strings it takes, and returns its path in the guest, which is the caller's
 * to free. */
char *plan_share(struct planning *p, const struct sandbox_share *share);

/* The same for a copy. */
char *plan_copy(struct planning *p, const struct sandbox_copy *copy);

/* Whether a device number means the same in every Linux, so that a node of that number made in
 * the guest is what the caller meant. @type: 'c' or 'b'. */
bool is_universal_device(char type, int64_t major, int64_t minor);
