/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "hypervisor/hypervisor.h"
#include "hypervisor/spawn.h"

struct error;
struct fields;

/* What drivers share; for hypervisor/ only. */

/* plug() of a machine without has_disk_slots: -ENOTSUP. */
#define HV_NO_SLOTS "the virtual machine was started without slots for disks"

/* What every driver's plan refuses: what cannot be meant, what @hypervisor has no feature for, and
 * what the guest's kernel cannot. */
int hv_check_config(const struct hypervisor *hypervisor, const struct hv_config *config,
		    struct error *err);
int hv_check_disk_id(const char *id, struct error *err);
/* For a VMM that makes or reaches sockets by name and knows no way round the kernel's limit. */
int hv_check_socket(const char *path, struct error *err);

/*
 * What a VMM is told by paths, for one that saves them with its machine: names in config->dir,
 * where it stands. What is a descriptor has a symbolic link there, which leads to its number.
 */
const char *hv_path(const struct hv_config *config, const char *path); /* borrowed from @path */
char *hv_disk_path(const struct hv_config *config, size_t i);	       /* free(3) it */
#define HV_SAVED_NAME "saved"					       /* config->saved_fd */
/* Makes those links, before the VMM is there. */
int hv_make_links(const struct hv_config *config, struct error *err);
/* What a VMM said of config->saved_fd, with its place and what can be done. Returns @r. */
int hv_blame_saved(const struct hv_config *config, int r, struct error *err);
/* Of what a running VMM is to open by its path: as the caller has it, free(3) it. */
int hv_path_of(int fd, char **ret, struct error *err);
/* The path of @name in the directory of @path, free(3) it. */
char *hv_path_beside(const char *path, const char *name);

/* A VMM's words for states; what is not among them is HV_STATE_OTHER. */
struct hv_state_word {
	const char *word;
	enum hv_state state;
};
enum hv_state hv_state_of(const struct hv_state_word *words, size_t count, const char *word);

/* Pure parts of guest_image_load() and kvm_probe(), for tests. */
int guest_image_parse(const char *dir, const char *name, const char *text, size_t len,
		      struct guest_image *ret, struct error *err);
/* A cached verdict is two lines: the boot it is of and the reason, empty for a fit one. */
char *kvm_verdict_format(const char *boot_id, const struct kvm_fitness *fitness);
int kvm_verdict_parse(const char *text, const char *boot_id, struct kvm_fitness *ret);

/* A cached rate: the boot it is of and the number. */
char *tsc_format(const char *boot_id, uint32_t khz);
int tsc_parse(const char *text, const char *boot_id, uint32_t *ret_khz);

/* What is measured once a boot. hv_boot_id(): free(3) it; NULL: unknown. */
char *hv_boot_id(void);
int hv_cache_open(const char *cache_dir); /* a directory's descriptor, or -1 */

/* What the probe's child does: runs the tiny guest now. */
void kvm_probe_run(struct kvm_fitness *ret);
