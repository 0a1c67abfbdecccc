/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/*
 * The kernel modules of the guest: a directory that moat-image filled with NAME.ko and
 *
 *	modules.dep    "NAME: WHAT IT NEEDS…", each a name; what is not in the directory is built in
 *	modules.alias  "PATTERN NAME": what the kernel asks for (fnmatch(3)) when it wants NAME
 *	modules.boot   names to load at boot whatever the machine has
 *
 * A module's file is removed once it is loaded, for it is held in memory.
 */
struct guest_modules;

/* -ENOENT: there are none, as with a kernel that has all it needs built in. */
int guest_modules_open(const char *dir, struct guest_modules **ret);
void guest_modules_free(struct guest_modules *m);

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
