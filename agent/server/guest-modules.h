/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/base/cleanup.h"

struct error;

/*
 * The kernel modules of the guest: a directory that moat-image filled with NAME.ko and
 *
 *	modules.dep    "NAME: WHAT IT NEEDS…", each a name; what is not in the directory is built in
 *	modules.alias  "PATTERN NAME": what the kernel asks for (lib/base/pattern.h) when it wants NAME
 *	modules.boot   names to load at boot whatever the machine has
 *
 * A module's file is removed once it is loaded, for it is held in memory.
 */
struct guest_modules;
#define GUEST_MODULES_DIR "/initramfs/modules" /* where the guest's root has them */

/* -ENOENT: there are none, as with a kernel that has all it needs built in. */
int guest_modules_open(const char *dir, struct guest_modules **ret);
void guest_modules_free(struct guest_modules *m);
DEFINE_CLEANUP(guest_modules_free_p, struct guest_modules *, guest_modules_free)
#define cleanup_guest_modules CLEANUP(guest_modules_free_p)

/* As the kernel shows it: '-' and '_' are the same to modprobe(8). free(3) it. */
char *guest_module_name(const char *name);

/* Pure: the names to load for @wanted, a name or what the kernel asks for, each behind what it
 * needs; strv, NULL when nothing matches. */
char **guest_modules_resolve(const struct guest_modules *m, const char *wanted);

/* Loads what @wanted needs, and it with @parameters ("a=1 b"; NULL: none) if it is a name. -ENOENT
 * when nothing matches, which is common: the kernel asks for many things that it can do without. */
int guest_modules_load(const struct guest_modules *m, const char *wanted, const char *parameters,
		       struct error *err);

/* The modules of modules.boot, and those for the devices that the machine has, and for the devices
 * that these bring. What cannot be loaded is logged: the machine may do without. */
void guest_modules_load_at_boot(const struct guest_modules *m, const char *sysfs);
