/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/base/cleanup.h"

struct error;

/*
 * What a VMM sees of the host: a root of its own with the programs and libraries that distributions
 * install, read-only, the devices that it opens by name, and what it was started for. Whoever takes
 * it over finds no other file, socket, process or kernel setting by name.
 */
#define HV_JAIL_READABLE_MAX 4
struct hv_jail {
	/* Files, devices and directories, absolute, which are there under the same names, read-only
	 * (a device is what it is). Ends in NULL; borrowed. */
	const char *readable[HV_JAIL_READABLE_MAX + 1];
	/* A directory as it is, with what is mounted in it later; NULL: none. */
	char *shared;
};
struct hv_config;
/* What every VMM opens by name is readable: kernel, initramfs, KVM; and @more, or NULL. */
void hv_jail_plan(const struct hv_config *config, const char *more, struct hv_jail *ret);
/* The directory of @path, a socket that the VMM makes or reaches, is shared. */
void hv_jail_share_dir_of(struct hv_jail *jail, const char *path);
void hv_jail_done(struct hv_jail *jail);
#define cleanup_hv_jail CLEANUP(hv_jail_done)

/* Enters it, for good, in a mount namespace of its own; by its name, @program (absolute) is what it
 * was. Who has no rights over mounts, as a unit test, has nothing to keep from it, and stays. */
int hv_jail_enter(const struct hv_jail *jail, const char *program, struct error *err);

/* The same with nothing in it at all. */
int hv_jail_enter_empty(struct error *err);
